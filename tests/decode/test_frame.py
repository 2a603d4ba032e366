"""The short way through the decoder gives the records of the long one: raw IP has no short way, Ethernet has."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import frames
from support.frames import CLIENT, CLIENT6, SERVER, SERVER6, ethernet, raw

from handshake_inspect.about import build
from handshake_inspect.decode import segment, tcp_header
from handshake_inspect.wire import const
from tests.support.described import describe, frame_fields

LINK_IPV4, LINK_IPV6 = 228, 229
ETHERNET_LEN = 14
OPTIONS = {
    "none": b"",
    "of a SYN of Linux": frames.linux_syn_options(value=0xFFFF_FFFE, echo=0x8000_0001, shift=14),
    "in another order": frames.mss(1460)
    + frames.nop()
    + frames.window_scale(8)
    + frames.nop(2)
    + frames.sack_permitted(),
    "timestamps": frames.timestamps(0xFFFF_FFFE, 0x8000_0001),
    "timestamps first": frames.timestamps(7, 9)[2:] + frames.nop(2),
    "SACK": frames.timestamps(7, 9) + frames.nop(2) + frames.sack((5, 0xFFFF_FFFF)),
    "cut": frames.linux_syn_options()[:-1] + b"\x09",
    "of 40 bytes": frames.linux_syn_options() + frames.fast_open(b"12345678") + frames.nop(10),
}
ECN = (0, const.ECE, const.CWR | const.ECE, const.AE | const.CWR | const.ECE)
ENDS = {"IPv4": (CLIENT, SERVER), "IPv6": (CLIENT6, SERVER6)}


def both(packet, cut=None, wire_len=None):
    """What the two ways make of a packet, of which so many bytes are captured."""
    sent = len(packet) if wire_len is None else wire_len
    held = packet if cut is None else packet[:cut]
    link = LINK_IPV4 if packet[0] >> 4 == 4 else LINK_IPV6
    short = describe(ethernet(packet)[: ETHERNET_LEN + len(held)], frames.LINK_ETHERNET, ETHERNET_LEN + sent)
    return short, describe(held, link, sent)


def equal(packet, **words):
    short, long = both(packet, **words)
    assert short == long
    return short


@pytest.mark.parametrize("ends", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("flags", [const.ACK, const.SYN, const.SYN | const.ACK, const.RST, const.FIN | const.ACK])
def test_a_header_that_is_there_as_a_whole(ends, options, flags):
    for bits in ECN:
        for payload in (b"", b"an odd number of bytes!"):
            packet = frames.segment(
                *ends, flags | bits, seq=0xFFFF_FFFE, ack=0x8000_0001, link=raw, options=options, payload=payload
            )
            made = equal(packet)
            assert (made["kind"], made["payload_len"]) == (const.KIND_TCP, len(payload))
            assert made["notes"] & const.NOTE_CHECKSUM_GOOD
            for cut in range(len(packet)):
                equal(packet, cut=cut)


STAMPS = frames.timestamps(0xFFFF_FFFE, 0x8000_0001)[2:]  # without the NOPs before it
USUAL = {
    "of a SYN of Linux": (
        frames.linux_syn_options(value=0xFFFF_FFFE, echo=0x8000_0001, shift=14),
        frames.mss(1460) + frames.nop() + frames.window_scale(14) + frames.sack_permitted() + STAMPS,
    ),
    "timestamps": (frames.nop(2) + STAMPS, STAMPS + frames.nop(2)),
}


@pytest.mark.parametrize("ends", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize(("usual", "other"), USUAL.values(), ids=USUAL)
def test_options_that_are_read_at_once_mean_what_they_do_one_by_one(ends, usual, other):
    at_once, one_by_one = (
        describe(ethernet(frames.segment(*ends, const.SYN, seq=1, link=raw, options=options)), frames.LINK_ETHERNET)
        for options in (usual, other)
    )
    assert at_once == one_by_one
    assert at_once["tsecr"] == 0x8000_0001


@pytest.mark.parametrize("ends", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("sum_", ["bad", "partial", 0])
def test_sums_that_are_not_right(ends, sum_):
    made = equal(frames.data(b"hello", *ends, link=raw, tcp_checksum=sum_))
    assert not made["notes"] & const.NOTE_CHECKSUM_GOOD


@pytest.mark.skipif(build() == "compiled", reason="what only C calls has no Python name there")
@pytest.mark.parametrize("ends", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("size", [0, 1, 1400])
def test_nearly_every_frame_goes_the_short_way(ends, options, size):
    """What makes the decoder fast.  One byte less, and it is not for this way, which then leaves the record alone."""
    frame = frames.data(bytes(size), *ends, options=options)
    records = segment.segments(1)
    assert tcp_header.decode_plain(frame, 0, len(frame), len(frame), records[0])
    assert frame_fields(records[0]) == describe(frame, frames.LINK_ETHERNET)
    head = len(frame) - size
    records = segment.segments(1)
    assert not tcp_header.decode_plain(frame, 0, head - 1, len(frame), records[0])
    assert bytes(records) == bytes(segment.segments(1))


@pytest.mark.parametrize("words", [
    {"ip_options": b"\x01" * 4}, {"more_fragments": True}, {"fragment_offset": 8}, {"total_length": 0},
    {"total_length": 39}, {"total_length": 40}, {"total_length": 9300}, {"data_offset": 4}, {"data_offset": 15},
])  # fmt: skip
def test_what_is_not_plain_goes_the_long_way(words):
    equal(frames.data(b"hello", link=raw, **words))


@pytest.mark.parametrize("words", [{"length": 0}, {"length": 19}, {"extensions": [frames.hop_by_hop()]}])
def test_of_ipv6_likewise(words):
    equal(frames.data(b"hello", CLIENT6, SERVER6, link=raw, **words))


@given(
    ends=st.sampled_from(sorted(ENDS)),
    options=st.sampled_from(sorted(OPTIONS)),
    changes=st.lists(st.tuples(st.integers(1, 99), st.integers(0, 255)), max_size=4),
    cut=st.integers(0, 99),
    more=st.integers(0, 20000),
)
def test_any_bytes(ends, options, changes, cut, more):
    packet = bytearray(frames.data(b"hello, hello", *ENDS[ends], link=raw, options=OPTIONS[options]))
    for at, value in changes:
        if at < len(packet):  # but not the version
            packet[at] = value
    equal(bytes(packet), cut=cut, wire_len=len(packet) + more)
