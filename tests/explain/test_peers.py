"""docs/peers.md says what is true: its samples are held to the reports, and no word of hsi is missing."""

import re
from pathlib import Path

import pytest

from handshake_inspect import engine
from handshake_inspect.report import anomalies, explain, narrate, words
from handshake_inspect.tcp.transitions import TcpState

COMPLETENESS = {  # as Wireshark writes tcp.completeness
    0: "Incomplete", 1: "Incomplete, SYN_SENT", 3: "Incomplete, CLIENT_ESTABLISHED", 7: "Incomplete, ESTABLISHED",
    15: "Incomplete, DATA", 23: "Complete, NO_DATA", 31: "Complete, WITH_DATA", 39: "Complete, NO_DATA",
    47: "Complete, WITH_DATA", 55: "Complete, NO_DATA", 63: "Complete, WITH_DATA",
}  # fmt: skip


@pytest.fixture(scope="module")
def page(root):
    return (root / "docs" / "peers.md").read_text()


def rows(page):
    table = page.split("<!-- samples -->")[1].split("\n\n")[1]
    for line in table.splitlines()[2:]:
        yield [cell.strip() for cell in line.strip("|").split("|")]


def test_the_samples_are_what_the_reports_say(page, pcaps):
    shown = list(rows(page))
    assert len(shown) > 10
    for name, judged, zeek, completeness, _ in shown:
        connection = engine.analyze([pcaps / f"{name.strip('`')}.pcap"]).connections[0]
        alias = connection.aliases
        assert judged == ", ".join(filter(None, [connection.outcome, connection.cause]))
        assert zeek == f"{alias.zeek.conn_state} `{alias.zeek.history}`"
        number, words_of = re.fullmatch(r"(\d+) \((.+)\)", completeness).groups()
        assert alias.tshark.completeness == int(number)
        assert COMPLETENESS.get(int(number), "Incomplete") == words_of


def test_every_outcome_state_and_option_has_its_row(page):
    assert all(f"`{outcome}`" in page for outcome in words.OUTCOMES)
    assert all(f"| `{state.name}` | " in page for state in TcpState)
    assert all(f"`rtt.{leg}`" in page for leg in ("synack", "ackdat", "total"))
    for option in ("mss", "window_scale", "sack_permitted", "timestamps", "tfo", "mptcp", "ecn", "signed"):
        assert f"`{option}`" in page


def test_every_anomaly_has_its_row_or_needs_none(page):
    source = "".join(Path(module.__file__).read_text() for module in (anomalies, narrate, explain))
    named = set(re.findall(r'[^t]Mark\(\s*"([a-z-]+)"', source))
    without_a_peer = {"rst-again", "rst-of-stray-answer", "soft-error", "stored-late", "rejected", "rejected-again"}
    without_a_peer |= {"other-ttl", "rst-ttl", "syn-cookie"}
    assert {each for each in named - without_a_peer if f"`{each}`" not in page} == set()
