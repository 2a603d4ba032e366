"""Decryption of Initials: RFC 9001 appendix A.1, RFC 9369 appendix A.1, and packets encrypted here."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import quic
from support.quic import DCID, V1, V2

from handshake_inspect.quic import initial

pytestmark = pytest.mark.skipif(not initial.can_open(), reason="needs cryptography")

KEYS = [
    (V1, 0, "1f369613dd76d5467730efcbe3b1a22d", "fa044b2f42a3fd3b46fb255c", "9f50449e04a0e810283a1e9933adedd2"),
    (V1, 1, "cf3a5331653c364c88f0f379b6067e37", "0ac1493ca1905853b0bba03e", "c206b8d9b9f0f37644430b490eeaa314"),
    (V2, 0, "8b1a0bc121284290a29e0971b5cd045d", "91f73e2351d8fa91660e909f", "45b95e15235d6f45a6b19cbcb0294ba9"),
    (V2, 1, "82db637861d55e1d011f19ea71d5d2a7", "dd13c276499c0249d3310652", "edf6d05c83121201b436e16877593c3a"),
]


@pytest.mark.parametrize(("version", "side", "key", "iv", "header"), KEYS)
def test_the_keys_of_the_rfcs(version, side, key, iv, header):
    keys = initial.initial_keys(version, DCID)[side]
    assert (keys.key.hex(), keys.iv.hex(), keys.header.hex()) == (key, iv, header)


@pytest.mark.parametrize("version", [0, 2, 0x0A1A2A3A, 0xFF000016, 0xFF000023])
def test_no_keys_for_a_version_without_a_known_salt(version):
    assert initial.initial_keys(version, DCID) is None


def opened(*datagrams):
    return initial.open_all(datagrams)


@pytest.mark.parametrize("version", [V1, V2, 0xFF00001D, 0xFF000020, 0xFF000017])
def test_a_hello_in_one_packet(version):
    hello = quic.client_hello("lab.test")
    client, server = opened((False, quic.initial(quic.crypto(hello), version=version, size=1200)))
    assert (client.crypto, client.packets, server.packets) == (hello, 1, 0)


@given(st.permutations(range(6)), st.data())
def test_a_hello_in_shuffled_pieces(order, data):
    hello = quic.client_hello("a-rather-long-name.of.some.host.example.org")
    cuts = sorted(data.draw(st.sets(st.integers(1, len(hello) - 1), min_size=5, max_size=5)))
    starts, ends = [0, *cuts], [*cuts, len(hello)]
    frames = [quic.crypto(hello[starts[i] : ends[i]], starts[i]) for i in order]
    half = data.draw(st.integers(0, 6))
    datagrams = [b"\x01".join(frames[:half]), b"".join(frames[half:])]
    client, _ = opened(*((False, quic.initial(plain, pn=pn)) for pn, plain in enumerate(datagrams) if plain))
    assert client.crypto == hello


def test_a_missing_piece_ends_the_hello():
    hello = quic.client_hello("lab.test")
    client, _ = opened((False, quic.initial(quic.crypto(hello[:20]) + quic.crypto(hello[30:], 30))))
    assert client.crypto == hello[:20]


def test_keys_after_a_retry_use_the_new_connection_id():
    hello, new = quic.client_hello("lab.test"), b"\x11" * 12
    client, server = opened(
        (False, quic.initial(quic.crypto(hello))),
        (True, quic.retry(scid=new)),
        (False, quic.initial(quic.crypto(hello), dcid=new, token=b"a token", pn=1)),
        (True, quic.initial(quic.acknowledge() + quic.crypto(b"\x02..."), dcid=b"", keyed=new, from_server=True)),
    )
    assert (client.crypto, client.packets, server.crypto) == (hello, 2, b"\x02...")


def test_a_close_of_the_server():
    _, server = opened(
        (False, quic.initial(quic.crypto(quic.client_hello("x")))),
        (True, quic.initial(quic.close(0x128, b"no common suite"), dcid=b"", keyed=DCID, from_server=True)),
    )
    assert server.close == initial.Close(0x128, "no common suite")


def test_a_coalesced_server_packet():
    packet = quic.initial(quic.crypto(b"hello"), dcid=b"", keyed=DCID, from_server=True)
    _, server = opened((False, quic.initial()), (True, quic.handshake(80) + packet + quic.short(50)))
    assert server.crypto == b"hello"


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=80)), max_size=4))
def test_any_bytes(datagrams):
    client, server = opened(*datagrams)
    assert (client.crypto, server.crypto) == (b"", b"")


@given(st.data())
def test_a_packet_with_a_flipped_bit_is_skipped(data):
    packet = bytearray(quic.initial(quic.crypto(quic.client_hello("lab.test"))))
    at = data.draw(st.integers(8 * 20, 8 * len(packet) - 1))  # behind the connection IDs
    packet[at // 8] ^= 1 << at % 8
    client, _ = opened((False, bytes(packet)))
    assert client.packets == 0


def test_a_server_packet_before_the_client_s_cannot_be_decrypted():
    """Its keys derive from a connection ID that only the client's first packet contains."""
    theirs = quic.initial(quic.crypto(b"\x02..."), dcid=b"", keyed=DCID, from_server=True)
    hello = quic.client_hello("lab.test")
    client, server = opened((True, theirs), (False, quic.initial(quic.crypto(hello))), (True, theirs))
    assert (client.crypto, server.crypto, server.packets) == (hello, b"\x02...", 1)


def test_an_undecryptable_client_packet_still_determines_the_keys():
    spoilt = quic.initial(quic.crypto(quic.client_hello("lab.test")))[:-1] + b"\0"
    theirs = quic.initial(quic.crypto(b"\x02..."), dcid=b"", keyed=DCID, from_server=True)
    client, server = opened((False, spoilt), (True, theirs))
    assert (client.packets, server.crypto) == (0, b"\x02...")


def test_a_packet_too_short_for_the_header_protection_sample_is_skipped():
    """RFC 9001 section 5.4.2: 4 bytes for the number, 16 of sample."""
    header = quic.long_header(0) + quic.number(0)
    for size in (1, 4, 19, 20):
        client, _ = opened((False, header + quic.number(size, 2) + bytes(size)))
        assert client.packets == 0


@pytest.mark.parametrize("version", [V1, V2])
def test_nothing_is_read_after_packets_without_a_length(version):
    """Retry and Version Negotiation have no length (RFC 9000 section 17.2); connection IDs have a maximum length."""
    packet = quic.initial(version=version)
    sized = bytes([0x40, 16])  # what would be the length of another packet
    assert len(list(initial.initials(quic.early(version=version) + packet))) == 1
    assert list(initial.initials(bytes([packet[0] & 0x7F]) + packet[1:])) == []  # a short header has no length either
    for first in (
        quic.retry(version=version, token=sized),
        quic.long_header(1, version=0) + sized + bytes(16),
        quic.long_header(1, version=version, dcid=bytes(21)) + sized + bytes(16),
    ):
        assert list(initial.initials(first + packet)) == []
    longest = quic.long_header(1, version=version, dcid=bytes(20)) + sized + bytes(16)
    assert len(list(initial.initials(longest + packet))) == 1


@pytest.mark.parametrize(("length", "kept"), [(initial.MAX_CRYPTO, True), (initial.MAX_CRYPTO + 1, False)])
def test_the_size_of_a_hello_is_limited(length, kept):
    cuts = [0, 8000, length - 1, length]
    pieces = (quic.crypto(bytes(end - begin), begin) for begin, end in pairwise(cuts))
    client, _ = opened(*((False, quic.initial(piece, pn=pn)) for pn, piece in enumerate(pieces)))
    assert len(client.crypto) == (length if kept else length - 1)


def test_the_number_of_pieces_is_limited():
    pieces = b"".join(quic.crypto(b"x", offset) for offset in range(initial.MAX_PIECES + 1))
    client, _ = opened((False, quic.initial(pieces)))
    assert len(client.crypto) == initial.MAX_PIECES


def test_the_longer_of_two_pieces_at_one_offset_counts():
    first, second = quic.crypto(b"abc"), quic.crypto(b"abcdef")
    for pieces in (first + second, second + first, second + quic.crypto(b"bc", 1)):
        client, _ = opened((False, quic.initial(pieces)))
        assert client.crypto == b"abcdef"
