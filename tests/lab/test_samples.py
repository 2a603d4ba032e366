"""The samples belong together and say what their capture holds; what hsi makes of them is tested elsewhere."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

PCAPS = Path(__file__).resolve().parents[2] / "pcaps"
sys.path.insert(0, str(PCAPS))

from lab import scenarios  # noqa: E402, F401 - importing the scenarios registers them
from lab.packet import ACK, FIN, SYN, Segment, checksum, mss_option, parse  # noqa: E402
from lab.path import nth  # noqa: E402
from lab.sample import FINDINGS, SCENARIOS, frames, summary  # noqa: E402

from handshake_inspect.verdicts.findings import KINDS  # noqa: E402

OUTCOMES = {
    "established",
    "refused",
    "rejected",
    "timed-out",
    "pending",
    "half-open",
    "aborted",
    "unsolicited",
    "midstream",
}


def test_every_scenario_was_made_and_nothing_else_lies_about():
    assert {file.stem for file in PCAPS.glob("*.pcap")} == set(SCENARIOS)
    assert {file.stem for file in PCAPS.glob("*.json")} == set(SCENARIOS)


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_sample_says_what_its_capture_holds(name):
    document = json.loads((PCAPS / f"{name}.json").read_text())
    expected = document["expected"]
    assert document["description"] == summary(name)
    assert frames(PCAPS / f"{name}.pcap") == document["capture"]["frames"] > 0
    assert set(expected["outcomes"]) <= OUTCOMES
    assert {*expected["findings"], *expected["not_findings"]} <= set(FINDINGS)
    assert not set(expected["findings"]) & set(expected["not_findings"])
    assert f"`{name}`" in (PCAPS / "README.md").read_text()


def test_a_new_sample_says_of_every_kind_of_finding_whether_it_must_appear():
    assert sorted(FINDINGS) == sorted(KINDS)


def test_forged_segment_is_read_back_and_its_checksums_are_right():
    segment = Segment("10.0.0.1", 40001, "10.0.0.2", 80, SYN, 0xFFFFFFFF, 0, 512, mss_option(), b"data", ttl=7, ip_id=9)
    packet = segment.packet()
    assert parse(b"\0" * 12 + b"\x08\x00" + packet) == segment
    assert checksum(packet[:20]) == 0


def test_forged_ipv6_segment_is_read_back():
    segment = Segment("fd00::1", 1, "fd00::2", 2, SYN | ACK, 5, 6, 7)
    assert parse(b"\0" * 12 + b"\x86\xdd" + segment.packet()) == segment


def test_answer_acknowledges_syn_data_and_fin():
    asked = Segment("10.0.0.1", 1, "10.0.0.2", 2, SYN | FIN, seq=10, payload=b"abc")
    back = asked.answer(ACK)
    assert (back.src, back.sport, back.dst, back.dport, back.ack) == ("10.0.0.2", 2, "10.0.0.1", 1, 15)


def test_nth_counts_only_the_segments_it_is_about():
    rule = nth("client", SYN, [], 2)
    syn = Segment("10.0.0.1", 1, "10.0.0.2", 2, SYN)
    assert rule("client", syn) is None
    assert rule("server", syn) is None
    assert rule("client", Segment("10.0.0.1", 1, "10.0.0.2", 2, ACK)) is None
    assert rule("client", syn) == []
    assert rule("client", syn) is None
