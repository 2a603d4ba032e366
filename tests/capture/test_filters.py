"""Filters read for the flags that they ask for: what they let pass is what libpcap lets pass."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import frames

from handshake_inspect.capture.filters import FilterCoverage, filter_coverage

ALL, NO_ACKS, SYNS = FilterCoverage(True, True), FilterCoverage(False, True), FilterCoverage(False, False)

KNOWN = {
    "": ALL,
    "tcp port 443 and host 192.0.2.1": ALL,
    "tcp[tcpflags] & (tcp-syn) != 0": SYNS,
    "tcp[tcpflags] & tcp-syn != 0 and port 80": SYNS,
    "(tcp[tcpflags] & tcp-syn) != 0": SYNS,
    "tcp[13] & 2 != 0": SYNS,
    "tcp[13] == 2": SYNS,
    "tcp[0xd]=0x02 or tcp[13] = 18": SYNS,
    "tcp[13] & 010 != 0": SYNS,
    "tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn": SYNS,
    "tcp[tcpflags] & tcp-syn != 0 and tcp[tcpflags] & tcp-ack == 0": SYNS,
    "tcp[tcpflags] & (tcp-syn | tcp-push) != 0": SYNS,
    "ip6[53] & 0x02 != 0 or tcp[13] & 0x02 != 0": SYNS,
    "not port 22 and tcp[tcpflags] & tcp-syn != 0": SYNS,
    "not (port 22 or port 80) and tcp[13] & 2 != 0": SYNS,
    "tcp[tcpflags] & (tcp-syn|tcp-fin|tcp-rst) != 0": NO_ACKS,
    "tcp[13]&7!=0": NO_ACKS,
    "icmp or tcp[13] & (2+4) != 0": NO_ACKS,
    "udp or tcp[tcpflags] & ((tcp-syn|tcp-fin)|tcp-rst) != 0": NO_ACKS,
    "tcp[tcpflags] & 0x17 != 0x10": NO_ACKS,
    "tcp[tcpflags] & (tcp-syn|tcp-ack) != 0": ALL,
    "tcp[tcpflags] & tcp-syn != 0 or tcp[tcpflags] == tcp-ack": FilterCoverage(True, False),
}
UNKNOWN = [
    "not tcp[tcpflags] & tcp-rst != 0", "!(tcp[13] & 4 != 0)", "not (port 22 or (tcp[13] & 2 == 0))", "ip[2:2] > 60",
    "tcp[12:2] & 0x17 != 0", "tcp[tcpflags] & tcp-syn", "tcp[tcpflags] & tcp-foo != 0", "tcp[tcpflags] > 2",
    "tcp[20:4] = 1", "x" * 5000,
]  # fmt: skip


@pytest.mark.parametrize("text", KNOWN)
def test_what_is_known(text):
    assert filter_coverage(text) == filter_coverage(f"  {text.upper() if 'ip6' not in text else text}\n") == KNOWN[text]


@pytest.mark.parametrize("text", UNKNOWN)
def test_what_is_not(text):
    assert filter_coverage(text) is None


@given(st.text(alphabet="tcp[]13&|()!= 0x2notrdaflgsy-", max_size=80))
def test_any_text_has_an_answer(text):
    assert filter_coverage(text) in (None, ALL, NO_ACKS, SYNS, FilterCoverage(True, False))


@pytest.mark.parametrize("text", [text for text in KNOWN if "ip6" not in text])
def test_libpcap_says_the_same(text):
    """Its program, run over segments of all kinds."""
    filters = pytest.importorskip("handshake_inspect.live.filters")
    if not filters.is_available():
        pytest.skip("no libpcap")
    program = filters.compile_filter(text, 1, 65535, "lo")
    ends = ("192.0.2.1", 80), ("192.0.2.3", 443)

    def passes(bits):
        return run(program, frames.segment(*ends, bits, seq=1, ack=1)) != 0

    said = filter_coverage(text)
    assert said.bare_acks == passes(frames.ACK)
    assert said.answers == (passes(frames.SYN | frames.ACK) and passes(frames.RST | frames.ACK))


def run(program, packet):
    """A machine for classic BPF, as far as these filters go: what it returns."""
    at, a, x = 0, 0, 0
    code = list(struct.iter_unpack("=HBBI", program))
    sizes = {0x00: 4, 0x08: 2, 0x10: 1}
    while True:
        what, yes, no, k = code[at]
        at += 1
        kind, mode = what & 7, what & 0xE0
        if kind == 6:
            return k if what & 0x18 == 0 else a
        if kind == 0:
            place = k + (x if mode == 0x40 else 0)
            a = k if mode == 0 else int.from_bytes(packet[place : place + sizes[what & 0x18]], "big")
        elif kind == 1:
            x = (packet[k] & 0xF) * 4 if mode == 0xA0 else k
        elif kind == 4:
            a = {0x50: a & k, 0x40: a | k, 0x00: a + k, 0x10: a - k, 0x60: a << k, 0x70: a >> k}[what & 0xF0]
        elif kind == 5:
            jumps = {0x10: a == k, 0x20: a > k, 0x30: a >= k, 0x40: a & k != 0}
            at += k if what & 0xF0 == 0 else yes if jumps[what & 0xF0] else no
        else:
            raise AssertionError(f"an instruction that is not expected: {what:#x}")
