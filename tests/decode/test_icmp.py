"""ICMP and ICMPv6 errors: the segment they quote and who reports it."""

import pytest
from support import frames
from support.frames import CLIENT, CLIENT6, SERVER, SERVER6, raw

from handshake_inspect.wire import const
from handshake_inspect.wire.address import address_halves
from tests.support.described import describe

SYN4 = frames.syn(seq=0xFEDCBA98, link=raw)
SYN6 = frames.syn(CLIENT6, SERVER6, seq=0xFEDCBA98, link=raw)


def seen(frame, wire_len=None):
    return describe(frame, frames.LINK_ETHERNET, wire_len)


def assert_quotes_the_syn(segment, src, dst, reporter):
    assert segment["kind"] == const.KIND_ICMP_ERROR
    assert (segment["src_hi"], segment["src_lo"]) == address_halves(src[0])
    assert (segment["dst_hi"], segment["dst_lo"]) == address_halves(dst[0])
    assert (segment["src_port"], segment["dst_port"]) == (src[1], dst[1])
    assert segment["seq"] == 0xFEDCBA98
    assert (segment["reporter_hi"], segment["reporter_lo"]) == address_halves(reporter)
    assert segment["hash"] == seen(frames.syn(src, dst))["hash"]


@pytest.mark.parametrize(("kind", "code"), [(3, 0), (3, 1), (3, 3), (3, 4), (3, 13), (11, 0), (12, 1)])
def test_errors(kind, code):
    segment = seen(frames.icmp_error(SYN4, type=kind, code=code, reporter="192.0.2.254", ttl=61))
    assert_quotes_the_syn(segment, CLIENT, SERVER, "192.0.2.254")
    assert (segment["icmp_type"], segment["icmp_code"]) == (kind, code)
    assert (segment["ip_version"], segment["ttl"]) == (4, 61)
    assert (segment["flags"], segment["ack"]) == (0, 0)  # 8 bytes of TCP do not say


@pytest.mark.parametrize(("kind", "code"), [(1, 0), (1, 1), (1, 4), (2, 0), (3, 0), (4, 1)])
def test_errors_of_version_6(kind, code):
    segment = seen(frames.icmp_error(SYN6, type=kind, code=code, reporter="2001:db8::fe"))
    assert_quotes_the_syn(segment, CLIENT6, SERVER6, "2001:db8::fe")
    assert (segment["icmp_type"], segment["icmp_code"]) == (kind, code)
    assert segment["ip_version"] == 6
    assert segment["flags"] == frames.SYN


@pytest.mark.parametrize(
    ("offending", "kind", "code", "rest", "mtu"),
    [
        (SYN4, 3, 4, 1400, 1400),
        (SYN4, 3, 4, 7 << 16 | 1400, 1400),  # of IPv4 it has 16 bits
        (SYN4, 3, 1, 1400, 0),
        (SYN4, 12, 4, 1400, 0),
        (SYN6, 2, 0, 1400, 1400),
        (SYN6, 2, 0, 70_000, 65_535),  # as much as the row holds
        (SYN6, 1, 4, 1400, 0),
    ],
)
def test_what_is_too_big_says_what_is_not(offending, kind, code, rest, mtu):
    """RFC 1191 section 4, RFC 4443 section 3.2."""
    assert seen(frames.icmp_error(offending, type=kind, code=code, rest=rest))["mtu"] == mtu


def test_a_long_quote_shows_more():
    offending = frames.data(b"x" * 700, ack=0xFFFFFFFF, link=raw)
    segment = seen(frames.icmp_error(offending, quote=548))
    assert (segment["flags"], segment["ack"]) == (frames.PSH | frames.ACK, 0xFFFFFFFF)
    assert segment["payload_len"] == 700
    offending = frames.data(b"x" * 700, CLIENT6, SERVER6, ack=0xFFFFFFFF, link=raw)
    segment = seen(frames.icmp_error(offending, type=1))
    assert (segment["flags"], segment["ack"], segment["payload_len"]) == (frames.PSH | frames.ACK, 0xFFFFFFFF, 700)


def test_the_flags_of_a_segment_that_is_quoted_whole():
    """The lowest bit of the byte before them is one, too (AE, RFC 9768)."""
    fin = frames.fin(link=raw)
    assert seen(frames.icmp_error(fin, quote=40))["flags"] == frames.FIN | frames.ACK
    accurate = fin[:32] + bytes([fin[32] | 1]) + fin[33:]
    assert seen(frames.icmp_error(accurate, quote=40))["flags"] == 0x100 | frames.FIN | frames.ACK


def test_the_quoted_packet_may_have_options_and_extension_headers():
    offending = frames.syn(seq=0xFEDCBA98, link=raw, ip_options=b"\x01" * 12)
    assert_quotes_the_syn(seen(frames.icmp_error(offending)), CLIENT, SERVER, SERVER[0])
    offending = frames.syn(CLIENT6, SERVER6, seq=0xFEDCBA98, link=raw, extensions=[frames.hop_by_hop()])
    assert_quotes_the_syn(seen(frames.icmp_error(offending, type=1, code=4)), CLIENT6, SERVER6, SERVER6[0])


@pytest.mark.parametrize("kind", [0, 4, 5, 8, 13])
def test_other_messages(kind):
    segment = seen(frames.icmp_error(SYN4, type=kind))
    assert segment["kind"] == const.KIND_NONE


@pytest.mark.parametrize("kind", [0, 5, 128, 135, 255])
def test_other_messages_of_version_6(kind):
    assert seen(frames.icmp_error(SYN6, type=kind))["kind"] == const.KIND_NONE


def test_quotes_of_what_is_not_tcp():
    assert seen(frames.icmp_error(frames.udp(link=raw)))["kind"] == const.KIND_UDP_ERROR
    later = frames.ipv4(CLIENT[0], SERVER[0], 6, b"x" * 40, fragment_offset=80)
    assert seen(frames.icmp_error(later))["kind"] == const.KIND_NONE
    later = frames.ipv6(CLIENT6[0], SERVER6[0], 6, b"x" * 40, extensions=[frames.fragment_header(80, more=False)])
    assert seen(frames.icmp_error(later, type=1))["kind"] == const.KIND_NONE
    assert seen(frames.icmp_error(frames.udp(CLIENT6, SERVER6, link=raw), type=1))["kind"] == const.KIND_UDP_ERROR
    assert seen(frames.icmp_error(frames.packet(CLIENT[0], SERVER[0], 132, b"x" * 20)))["kind"] == const.KIND_NONE


@pytest.mark.parametrize("quote", range(28))
def test_a_quote_too_short_to_name_a_connection(quote):
    segment = seen(frames.icmp_error(SYN4, quote=quote))
    assert segment["kind"] == const.KIND_DAMAGED
    assert segment["notes"] == const.NOTE_BAD_HEADER_LENGTH


@pytest.mark.parametrize(
    "whole", [frames.icmp_error(SYN4), frames.icmp_error(SYN6, type=1, code=4, quote=48)], ids=["v4", "v6"]
)
def test_every_cut(whole):
    for kept in range(len(whole)):
        segment = seen(whole[:kept], len(whole))
        assert segment["kind"] == const.KIND_DAMAGED
        assert segment["notes"] == const.NOTE_SNAPPED | const.NOTE_CUT_HEADER


@pytest.mark.parametrize(("src", "dst", "kind"), [(CLIENT, SERVER, 3), (CLIENT6, SERVER6, 1)], ids=["v4", "v6"])
def test_the_ports_of_a_datagram_that_an_error_quotes(src, dst, kind):
    """Four bytes of its header have them; of one that quotes less nobody knows whose it was."""
    datagram = frames.udp(src, dst, link=raw)
    ports = len(datagram) - len(b"?") - 8 + 4
    found = seen(frames.icmp_error(datagram, type=kind, quote=ports))
    assert (found["kind"], found["src_port"], found["dst_port"]) == (const.KIND_UDP_ERROR, src[1], dst[1])
    assert found["hash"] == seen(frames.udp(src, dst))["hash"]
    assert seen(frames.icmp_error(datagram, type=kind, quote=ports - 1))["kind"] == const.KIND_NONE
