"""dpkt as the second opinion on valid frames of every make."""

import ipaddress

import dpkt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import frames

from handshake_inspect.wire import const
from handshake_inspect.wire.address import address_text
from tests.support.described import describe

ports = st.integers(0, 0xFFFF)
numbers = st.integers(0, 0xFFFFFFFF)
options = st.lists(
    st.one_of(
        st.builds(frames.nop, st.integers(1, 3)),
        st.builds(frames.mss, ports),
        st.builds(frames.window_scale, st.integers(0, 255)),
        st.builds(frames.sack_permitted),
        st.builds(frames.timestamps, numbers, numbers),
        st.builds(lambda *block: frames.sack(block), numbers, numbers),
        st.builds(frames.fast_open, st.binary(min_size=4, max_size=16)),
        st.builds(frames.mptcp, st.binary(min_size=2, max_size=10)),
    ),
    max_size=4,
).map(lambda parts: b"".join(parts) if sum(map(len, parts)) <= 40 else b"")


@st.composite
def segments(draw):
    version = draw(st.sampled_from([4, 6]))
    address = st.ip_addresses(v=version).map(str)
    words = {
        "ack": draw(numbers),
        "window": draw(ports),
        "options": draw(options),
        "payload": draw(st.binary(max_size=70)),
        "ttl": draw(st.integers(0, 255)),
    }
    if version == 4:
        words |= {"ident": draw(ports), "ip_options": draw(st.sampled_from([b"", b"\x01" * 4, b"\x01" * 40]))}
    ends = [(draw(address), draw(ports)) for _ in range(2)]
    return frames.segment(*ends, draw(st.integers(0, 0x1FF)), seq=draw(numbers), link=frames.raw, **words)


@settings(max_examples=300)
@given(segments())
def test_the_fields(packet):
    found = describe(packet, frames.LINK_RAW)
    theirs = dpkt.ip.IP(packet) if packet[0] >> 4 == 4 else dpkt.ip6.IP6(packet)
    tcp = theirs.data
    assert found["kind"] == const.KIND_TCP
    assert found["ip_version"] == theirs.v
    assert packet_addresses(found) == (theirs.src, theirs.dst)
    assert (found["src_port"], found["dst_port"], found["window"]) == (tcp.sport, tcp.dport, tcp.win)
    assert (found["seq"], found["ack"]) == (tcp.seq, tcp.ack)
    assert found["flags"] & 0xFF == tcp.flags & 0xFF
    assert found["payload_len"] == len(tcp.data)
    assert found["options_len"] == len(tcp.opts)
    assert found["ttl"] == (theirs.hlim if theirs.v == 6 else theirs.ttl)
    assert found["ip_id"] == (0 if theirs.v == 6 else theirs.id)
    assert found["notes"] == const.NOTE_CHECKSUM_GOOD


def packet_addresses(found):
    """The addresses as bytes; an IPv6 packet from a mapped address keeps all 16."""
    ends = [(found["src_hi"], found["src_lo"]), (found["dst_hi"], found["dst_lo"])]
    if found["ip_version"] == 4:
        return tuple(ipaddress.ip_address(address_text(*end)).packed for end in ends)
    return tuple(hi.to_bytes(8, "big") + lo.to_bytes(8, "big") for hi, lo in ends)


@given(segments())
def test_the_options(packet):
    found = describe(packet, frames.LINK_RAW)
    theirs = dpkt.ip.IP(packet) if packet[0] >> 4 == 4 else dpkt.ip6.IP6(packet)
    said = dict(dpkt.tcp.parse_opts(theirs.data.opts)) if theirs.data.opts else {}
    for kind, bit in (
        (2, const.OPT_MSS),
        (3, const.OPT_WINDOW_SCALE),
        (4, const.OPT_SACK_PERMITTED),
        (5, const.OPT_SACK),
        (8, const.OPT_TIMESTAMPS),
        (30, const.OPT_MPTCP),
        (34, const.OPT_TFO),
    ):
        assert bool(found["options"] & bit) is (kind in said), kind
    assert found["mss"].to_bytes(2, "big") == said.get(2, b"\0\0")
    assert found["window_scale"].to_bytes(1, "big") == said.get(3, b"\0")
    stamps = found["tsval"].to_bytes(4, "big") + found["tsecr"].to_bytes(4, "big")
    assert stamps == said.get(8, bytes(8))
    assert found["tfo_cookie_len"] == len(said.get(34, b""))
    block = found["sack_left"].to_bytes(4, "big") + found["sack_right"].to_bytes(4, "big")
    assert block == said.get(5, bytes(8))[:8]


@pytest.mark.parametrize("bit", range(16))
def test_a_single_bit_error_is_found(bit):
    frame = bytearray(frames.data(b"payload"))
    frame[-3 - bit // 8] ^= 1 << bit % 8
    assert describe(bytes(frame), frames.LINK_ETHERNET)["notes"] == const.NOTE_BAD_CHECKSUM
