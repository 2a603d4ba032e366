"""Wireshark as a second opinion on every small sample: both agree, or the reason is here."""

import shutil

import pytest
from support.samples import DIRECTORY, SAMPLES

from handshake_inspect.capture import wireshark
from handshake_inspect.checks.verify import compare_with_wireshark
from handshake_inspect.engine.segment_columns import segment_columns
from handshake_inspect.report.model import Tool

pytestmark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")

LARGEST = 300_000  # bytes: tshark takes its time
COPIES = {"retransmissions: copies", "initial-rtt: copies"}

# sample -> in which aspects Wireshark knows less, and why; a RST's delay that it takes for an RTT goes without saying.
DIFFERENCES = {
    "blind-syn": {"stream: another-isn", "retransmissions: nothing-again"},
    "timed-out-answered-from-elsewhere": {"stream: answered-from"},
    "two-capture-points": COPIES,
    "bridge-any": COPIES,
    "router-any": COPIES,
    "doubled-syn": COPIES,
    "doubled-data": {"retransmissions: copies"},
    "syn-proxy-any": {"retransmissions: copies"},
    "path-mtu-answers": {"retransmissions: again"},
    "blind-reset-in-window": {"retransmissions: nothing-again"},
    "blind-reset-out-of-window": {"retransmissions: nothing-again"},
    "self-connect": {"retransmissions: nothing-again"},
    "simultaneous-open": {"retransmissions: nothing-again"},
    "stale-peer-client": {"completeness: other-incarnation", "initial-rtt: answered-copy"},
    "lost-synack-server-side": {"initial-rtt: answered-copy"},
    "lost-synack": {"initial-rtt: any-copy"},
    "lost-syn-no-timestamps": {"initial-rtt: any-copy"},
    "lost-final-ack-server-side": {"initial-rtt: any-copy"},
    "data-completes-the-handshake": {"initial-rtt: upper-bound"},
    "fast-open": {"initial-rtt: upper-bound"},
    "cut-by-snap-length": {"initial-rtt: headers-cut"},
}


def small(names):
    return [name for name in names if (DIRECTORY / f"{name}.pcap").stat().st_size <= LARGEST]


def compared(path):
    tshark = wireshark.find_program()
    return compare_with_wireshark(
        segment_columns([str(path)]), wireshark.dissect(tshark, str(path)), Tool("tshark", "4")
    )


def differences(found):
    every = [*found.whole, *(each for one in found.connections for each in one.disagreements)]
    return {f"{each.aspect}: {each.reason}" for each in every} - {"initial-rtt: no-rtt"}


@pytest.mark.wide_table
@pytest.mark.parametrize("name", small(SAMPLES))
def test_wireshark_agrees_or_knows_less(name, pcaps):
    found = compared(pcaps / f"{name}.pcap")
    assert found.passed
    assert differences(found) == DIFFERENCES.get(name, set()), "a reason that is gone is taken off the list"
    assert sum(one.hsi.segments for one in found.connections) <= found.capture.tcp_segments


@pytest.mark.parametrize("part", ["cases", "pcapng"])
def test_nothing_is_unexplained_in_captures_of_others(part, corpus):
    for path in sorted((corpus / part).glob("*.pcap*")):
        if path.stat().st_size <= LARGEST and path.name != "18-two-files-by-cat.pcap":  # which Wireshark cannot read
            assert compared(path).passed, path
