"""The TCP header: fields, options, cuts, checksums."""

import pytest
from support import frames

from handshake_inspect.wire import const
from handshake_inspect.wire.address import address_halves
from handshake_inspect.wire.fourtuple import hash_four_tuple
from tests.support.described import describe

BOTH_VERSIONS = pytest.mark.parametrize(
    ("src", "dst"), [(frames.CLIENT, frames.SERVER), (frames.CLIENT6, frames.SERVER6)], ids=["v4", "v6"]
)


def seen(frame, link_type=frames.LINK_ETHERNET, wire_len=None):
    return describe(frame, link_type, wire_len)


@BOTH_VERSIONS
def test_every_field_with_its_high_bits_set(src, dst):
    frame = frames.data(
        b"x" * 33,
        src,
        (dst[0], 65535),
        seq=0xFFFFFFFE,
        ack=0x80000001,
        window=0xFFFF,
        flags=0x1FF,
        options=frames.timestamps(0xFFFFFFFF, 0x80000000),
        ttl=255,
    )
    segment = seen(frame)
    assert segment["kind"] == const.KIND_TCP
    assert (segment["src_hi"], segment["src_lo"]) == address_halves(src[0])
    assert (segment["dst_hi"], segment["dst_lo"]) == address_halves(dst[0])
    assert (segment["src_port"], segment["dst_port"]) == (40000, 65535)
    assert (segment["seq"], segment["ack"]) == (0xFFFFFFFE, 0x80000001)
    assert (segment["flags"], segment["window"]) == (0x1FF, 0xFFFF)
    assert (segment["tsval"], segment["tsecr"]) == (0xFFFFFFFF, 0x80000000)
    assert segment["payload_len"] == 33
    assert segment["ttl"] == 255
    assert segment["notes"] == const.NOTE_CHECKSUM_GOOD


@BOTH_VERSIONS
def test_the_hash_is_that_of_the_four_tuple(src, dst):
    expected = hash_four_tuple(*address_halves(src[0]), src[1], *address_halves(dst[0]), dst[1])
    assert seen(frames.syn(src, dst))["hash"] == expected
    assert seen(frames.syn_ack(dst, src))["hash"] == expected


def test_what_a_linux_syn_offers():
    segment = seen(frames.syn(options=frames.linux_syn_options(value=0xFEDCBA98, size=0xFFFF, shift=14)))
    offers = const.OPT_MSS | const.OPT_SACK_PERMITTED | const.OPT_TIMESTAMPS | const.OPT_WINDOW_SCALE
    assert segment["options"] == offers
    assert (segment["mss"], segment["window_scale"]) == (0xFFFF, 14)
    assert (segment["tsval"], segment["tsecr"]) == (0xFEDCBA98, 0)
    assert segment["options_len"] == 20


@pytest.mark.parametrize(
    ("options", "bits", "fields"),
    [
        (b"", 0, {}),
        (frames.nop(4), 0, {}),
        (frames.mss(536), const.OPT_MSS, {"mss": 536}),
        (frames.window_scale(255), const.OPT_WINDOW_SCALE, {"window_scale": 255}),
        (frames.sack_permitted(), const.OPT_SACK_PERMITTED, {}),
        (
            frames.nop(2) + frames.sack((0xFFFFFFF0, 5), (9, 10)),
            const.OPT_SACK,
            {"sack_left": 0xFFFFFFF0, "sack_right": 5},
        ),
        (frames.timestamps(7, 9), const.OPT_TIMESTAMPS, {"tsval": 7, "tsecr": 9}),
        (frames.timestamps(7, 9)[2:], const.OPT_TIMESTAMPS, {"tsval": 7, "tsecr": 9}),
        (frames.timestamps(1, 0) + frames.mss(9), const.OPT_TIMESTAMPS | const.OPT_MSS, {"tsval": 1, "mss": 9}),
        (frames.fast_open(), const.OPT_TFO, {"tfo_cookie_len": 0}),
        (frames.fast_open(b"12345678"), const.OPT_TFO, {"tfo_cookie_len": 8}),
        (frames.fast_open_experimental(), const.OPT_TFO, {"tfo_cookie_len": 0}),
        (frames.fast_open_experimental(b"1234"), const.OPT_TFO, {"tfo_cookie_len": 4}),
        (b"\xfe\x04\xe2\xd4", 0, {}),  # another experiment
        (frames.mptcp(), const.OPT_MPTCP, {}),
        (b"\x1c\x04\0\x05" + frames.mss(9), const.OPT_MSS, {"mss": 9}),  # User Timeout: stepped over
        (frames.md5_signature() + frames.mss(9), const.OPT_SIGNED | const.OPT_MSS, {"mss": 9}),
        (frames.tcp_ao() + frames.mss(9), const.OPT_SIGNED | const.OPT_MSS, {"mss": 9}),
        (frames.tcp_ao(mac=b""), const.OPT_SIGNED, {}),  # a key identifier alone (RFC 5925 section 2.2)
        (b"\0" + frames.mss(9), 0, {}),  # nothing counts behind the end of the list
    ],
)
def test_options(options, bits, fields):
    segment = seen(frames.syn(options=options))
    assert segment["options"] == bits
    assert segment["notes"] == const.NOTE_CHECKSUM_GOOD
    for name in ("mss", "window_scale", "sack_left", "sack_right", "tsval", "tsecr", "tfo_cookie_len"):
        assert segment[name] == fields.get(name, 0)


@pytest.mark.parametrize(
    ("options", "bits"),
    [
        (frames.mss(9) + b"\x08\x00\0\0", const.OPT_MSS),  # a length of nothing
        (frames.mss(9) + b"\x08\x01\0\0", const.OPT_MSS),
        (frames.mss(9) + b"\x08\x0a\0\0", const.OPT_MSS),  # reaches over the header's end
        (frames.nop(3) + b"\x02", 0),  # a kind without a length
        (b"\x02\x03\0" + frames.window_scale(7), const.OPT_WINDOW_SCALE),  # a length that MSS cannot have
        (b"\x03\x04\0\0", 0),
        (b"\x04\x03\0", 0),
        (b"\x05\x04\0\0", 0),
        (b"\x08\x04\0\0", 0),
        (b"\x1e\x02\0\0", 0),
        (b"\x13\x04\0\0", 0),
        (b"\x1d\x03\0\0", 0),
    ],
)
def test_malformed_options_are_noted_and_the_rest_is_kept(options, bits):
    segment = seen(frames.syn(options=options))
    assert segment["kind"] == const.KIND_TCP
    assert segment["options"] == bits
    assert segment["notes"] == const.NOTE_BAD_OPTIONS | const.NOTE_CHECKSUM_GOOD, "nothing is cut"


@pytest.mark.parametrize(
    ("flags", "offered"),
    [
        (frames.SYN | frames.ECE | frames.CWR, True),
        (frames.SYN | frames.ECE | frames.CWR | frames.AE, True),
        (frames.SYN | frames.ECE, False),
        (frames.SYN | frames.CWR, False),
        (frames.SYN | frames.ACK | frames.ECE, True),
        (frames.SYN | frames.ACK | frames.ECE | frames.CWR, False),  # a peer that sends back what it got, perhaps
        (frames.SYN | frames.ACK | frames.ECE | frames.CWR | frames.AE, False),
        (frames.SYN | frames.ACK | frames.CWR, True),  # accurate feedback (RFC 9768 section 3.1.2)
        (frames.SYN | frames.ACK | frames.AE, True),
        (frames.SYN | frames.ACK | frames.AE | frames.CWR, True),
        (frames.SYN | frames.ACK, False),
        (frames.ACK | frames.ECE, False),
    ],
)
def test_ecn_is_an_offer_only_in_a_handshake(flags, offered):
    assert bool(seen(frames.syn(flags=flags))["options"] & const.OPT_ECN) is offered


@BOTH_VERSIONS
@pytest.mark.parametrize("kept", range(14, 40))
def test_a_cut_behind_the_flags_leaves_a_segment(src, dst, kept):
    whole = frames.syn(src, dst, options=frames.linux_syn_options(), payload=b"early")
    head = len(whole) - 45
    segment = seen(whole[: head + kept], wire_len=len(whole))
    assert segment["kind"] == const.KIND_TCP
    assert (segment["seq"], segment["flags"], segment["payload_len"]) == (1000, frames.SYN, 5)
    assert segment["window"] == (64240 if kept >= 16 else 0xFFFF), "not known: no window of zero"
    assert bool(segment["options"] & const.OPT_MSS) is (kept >= 24)
    assert segment["notes"] == const.NOTE_SNAPPED | const.NOTE_CUT_OPTIONS


@BOTH_VERSIONS
def test_cuts_before_the_flags_leave_nothing(src, dst):
    whole = frames.syn(src, dst)
    for kept in range(len(whole) - 6):
        segment = seen(whole[:kept], wire_len=len(whole))
        assert segment["kind"] == const.KIND_DAMAGED
        assert segment["notes"] == const.NOTE_SNAPPED | const.NOTE_CUT_HEADER


def test_a_cut_behind_the_options_costs_nothing_but_the_checksum():
    whole = frames.data(b"x" * 1000, options=frames.timestamps(1, 2))
    segment = seen(whole[:-1000], wire_len=len(whole))
    assert segment["notes"] == const.NOTE_SNAPPED
    assert (segment["payload_len"], segment["tsval"]) == (1000, 1)


@pytest.mark.parametrize("data_offset", [0, 4, 8, 15])
def test_data_offsets_that_cannot_be(data_offset):
    segment = seen(frames.syn(data_offset=data_offset, payload=b"12345678"))
    assert segment["kind"] == const.KIND_DAMAGED
    assert segment["notes"] & const.NOTE_BAD_HEADER_LENGTH


@BOTH_VERSIONS
@pytest.mark.parametrize(
    ("written", "note"),
    [
        ("good", const.NOTE_CHECKSUM_GOOD),
        ("bad", const.NOTE_BAD_CHECKSUM),
        ("partial", const.NOTE_CHECKSUM_OFFLOADED),
        (0, const.NOTE_CHECKSUM_OFFLOADED),
    ],
)
@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 1449])
def test_checksums(src, dst, written, note, size):
    frame = frames.data(bytes(range(256)) * 5 + b"z" * size, src, dst, tcp_checksum=written)
    assert seen(frame)["notes"] == note


@BOTH_VERSIONS
def test_the_partial_sum_without_the_length(src, dst):
    pseudo = frames.ones_sum(frames.pseudo_header(src[0], dst[0], 6, 0))
    assert seen(frames.data(b"abc", src, dst, tcp_checksum=pseudo))["notes"] == const.NOTE_CHECKSUM_OFFLOADED


def test_the_checksum_of_the_ip_header_counts_too():
    frame = bytearray(frames.data(b"abc", ttl=64))
    frame[14 + 8] = 63  # a router that forgot to correct the sum
    assert seen(bytes(frame))["notes"] == const.NOTE_BAD_CHECKSUM | const.NOTE_BAD_IP_CHECKSUM
    frame[14 + 10 : 14 + 12] = b"\0\0"  # left to the card
    assert seen(bytes(frame))["notes"] == const.NOTE_CHECKSUM_GOOD


def test_padding_is_not_payload():
    segment = seen(frames.ack(link=lambda packet: frames.ethernet(packet, pad=True)))
    assert (segment["payload_len"], segment["notes"]) == (0, const.NOTE_CHECKSUM_GOOD)
