"""Detectors of segments lost, halves slow, resets forged and captures bad, against the samples of the kernel."""

import json

import pytest
from support.samples import DIRECTORY, SAMPLES
from support.wire import report_of

MINE = {
    "syn-retransmission", "slow-handshake", "slow-client-ack", "rst-injection", "stale-peer", "port-reuse",
    "time-wait-pressure", "connection-churn", "predictable-isn", "capture-quality",
}  # fmt: skip
HEALTHY = ("handshake", "handshake-ipv6", "handshake-40ms", "closed-by-client", "closed-by-server", "tls-40ms",
           "keep-alive", "ecn", "mptcp", "cooked", "loopback", "healthy-burst")  # fmt: skip


@pytest.mark.wide_table
@pytest.mark.parametrize("name", SAMPLES)
def test_what_must_be_found_is_found_and_what_must_not_is_not(name):
    expected = json.loads((DIRECTORY / f"{name}.json").read_text())["expected"]
    found = {finding["id"]: finding for finding in report_of(str(DIRECTORY / f"{name}.pcap"))["findings"]}
    for kind, wanted in expected["findings"].items():
        if kind in MINE:
            assert kind in found
            if wanted.get("target"):
                assert found[kind]["target"] == wanted["target"]
            for key, value in wanted.get("facts", {}).items():
                assert found[kind]["metrics"][key] == value
    assert not MINE & set(expected["not_findings"]) & set(found)


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_capture_has_no_warnings(name):
    findings = report_of(str(DIRECTORY / f"{name}.pcap"))["findings"]
    assert [finding["title"] for finding in findings if finding["id"] in MINE and finding["severity"] != "info"] == []
