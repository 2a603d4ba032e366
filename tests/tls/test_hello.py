"""ClientHello and ServerHello: the vectors of RFC 8448, and messages with invalid lengths."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_inspect.tls import hello, hello_row
from handshake_inspect.tls.facts import Facts, read_client_hello, unpack
from handshake_inspect.tls.names import Names
from handshake_inspect.tls.numbers import (
    CHOSE_PSK,
    CUT_SHORT,
    IS_RETRY,
    OFFERS_13,
    OFFERS_EARLY_DATA,
    OFFERS_ECH,
    OFFERS_H2,
    OFFERS_PSK,
    RETRY_RANDOM,
)

# RFC 8448 section 3
CLIENT_HELLO = bytes.fromhex(
    "010000c00303cb34ecb1e78163ba1c38c6dacb196a6dffa21a8d9912ec18a2ef6283024dece7000006130113031302010000910000000b00"
    "09000006736572766572ff01000100000a00140012001d0017001800190100010101020103010400230000003300260024001d002099381d"
    "e560e4bd43d23d8e435a7dbafeb3c06e51c13cae4d5413691e529aaf2c002b0003020304000d0020001e0403050306030203080408050806"
    "04010501060102010402050206020202002d00020101001c00024001"
)
SERVER_HELLO = bytes.fromhex(
    "020000560303a6af06a4121860dc5e6e60249cd34c95930c8ac5cb1434dac155772ed3e2692800130100002e00330024001d0020c9828876"
    "112095fe66762bdbf7c672e156d6cc253b833df1dd69b1b04e751f0f002b00020304"
)


def read(message):
    row = hello_row.new_hello()
    hello.read_bytes(message, row)
    return row


def facts(message):
    row = read(message)
    return unpack(bytes(row.facts[: row.length]))


def vector(data, size=2):
    return len(data).to_bytes(size, "big") + data


def extension(kind, body):
    return struct.pack(">H", kind) + vector(body)


def message(kind, *extensions, ciphers=b"\x13\x01", version=0x0303, session=b"", random=bytes(32), compressed=b"\0"):
    body = struct.pack(">H", version) + random + vector(session, 1)
    body += vector(ciphers) + vector(compressed, 1) if kind == 1 else ciphers + compressed
    body += vector(b"".join(extensions))
    return bytes([kind]) + vector(body, 3)


def test_the_client_hello_of_rfc8448():
    row = read(CLIENT_HELLO)
    assert facts(CLIENT_HELLO) == Facts(b"server", (), (0x0304,), (29, 23, 24, 25, 256, 257, 258, 259, 260))
    assert row.flags == OFFERS_13
    assert read_client_hello(CLIENT_HELLO).facts.server_name == b"server"


def test_the_server_hello_of_rfc8448():
    row = read(SERVER_HELLO)
    assert (row.version, row.cipher, row.group, row.flags) == (0x0304, 0x1301, 29, 0)


def test_hello_retry_request():
    random = b"".join(word.to_bytes(4, "big") for word in RETRY_RANDOM)
    row = read(message(2, extension(43, b"\x03\x04"), extension(51, b"\0\x18"), random=random))
    assert (row.version, row.group, row.flags) == (0x0304, 24, IS_RETRY)


def test_offers_of_a_client():
    row = read(
        message(
            1,
            extension(0x0A0A, b""),
            extension(0, vector(b"\0" + vector(b"lab.test"))),
            extension(16, vector(b"\x02\x0a\x0a\x02h2\x08http/1.1")),
            extension(43, b"\x06\x2a\x2a\x03\x04\x03\x03"),
            extension(10, vector(b"\x3a\x3a\x00\x1d\x11\xec")),
            extension(42, b""),
            extension(65037, bytes(40)),
            extension(41, bytes(60)),
            session=bytes(32),
        )
    )
    assert row.flags == OFFERS_13 | OFFERS_H2 | OFFERS_EARLY_DATA | OFFERS_ECH | OFFERS_PSK
    assert unpack(bytes(row.facts[: row.length])) == Facts(
        b"lab.test", (b"h2", b"http/1.1"), (0x0304, 0x0303), (29, 0x11EC)
    )


@pytest.mark.parametrize(("version", "offered"), [(0x7F15, False), (0x7F16, True), (0x7F1C, True), (0x0304, True)])
def test_drafts(version, offered):
    row = read(message(1, extension(43, b"\x02" + struct.pack(">H", version))))
    assert bool(row.flags & OFFERS_13) == offered


def test_choices_of_a_server():
    row = read(message(2, extension(41, b"\0\0"), extension(43, b"\x03\x04"), ciphers=b"\x13\x02"))
    assert (row.cipher, row.flags) == (0x1302, CHOSE_PSK)
    data = message(2, extension(16, vector(b"\x02h2")), ciphers=b"\xc0\x2c")
    row = read(data)
    assert data[row.alpn_at : row.alpn_at + row.alpn_length] == b"h2"
    assert row.version == 0x0303


def test_no_extensions():
    body = b"\x03\x01" + bytes(32) + b"\0" + b"\0\x02\0\x2f" + b"\x01\0"
    data = b"\x01" + vector(body, 3)
    assert (read(data).version, read(data).flags, facts(data)) == (0x0301, 0, Facts(versions=(0x0301,)))


@pytest.mark.parametrize("kept", range(4, len(CLIENT_HELLO)))
def test_a_truncated_client_hello(kept):
    row = read(CLIENT_HELLO[:kept])
    assert bool(row.flags & CUT_SHORT) == (kept != 49)  # where extensions begin, which older hellos have none of
    assert read_client_hello(CLIENT_HELLO[:kept]) is None


def test_long_lists_are_bounded():
    name, protocols = b"a" * 4000, b"".join(b"\x09protocol%d" % (n % 10) for n in range(400))
    groups = b"".join(struct.pack(">H", n) for n in range(2000))
    found = facts(
        message(
            1,
            extension(0, vector(b"\0" + vector(name))),
            extension(16, vector(protocols)),
            extension(10, vector(groups)),
        )
    )
    assert (len(found.server_name), len(found.protocols), len(found.groups)) == (255, 25, 127)


@pytest.mark.parametrize(
    ("kind", "body", "expected"),
    [
        (0, b"\0\x20\0\0\xfflab.test", Facts(server_name=b"lab.test", versions=(0x0303,))),
        (16, b"\0\xff\x02h2", Facts(protocols=(b"h2",), versions=(0x0303,))),
        (43, b"\xff\x03\x04", Facts(versions=(0x0304,))),
        (10, b"\0\xff\0\x1d", Facts(versions=(0x0303,), groups=(29,))),
    ],
    ids=["name", "protocols", "versions", "groups"],
)
def test_a_list_ends_at_the_end_of_its_extension(kind, body, expected):
    assert facts(message(1, extension(kind, body), extension(21, b"\x03\x02" * 40))) == expected


TAMPERED = st.builds(
    lambda data, changes, kept: bytes(
        changes.get(at, value) for at, value in enumerate(data[: kept % (len(data) + 1)])
    ),
    st.sampled_from([CLIENT_HELLO, SERVER_HELLO, message(1, extension(16, vector(b"\x02h2")))]),
    st.dictionaries(st.integers(0, 200), st.integers(0, 255), max_size=4),
    st.integers(0, 400),
)


@given(st.one_of(TAMPERED, st.binary(max_size=80)))
def test_any_bytes(data):
    row = read(data)
    assert row.length <= len(bytes(row.facts))
    assert row.alpn_at + row.alpn_length <= len(data)
    unpack(bytes(row.facts[: row.length]))
    read_client_hello(data)


# Names


def test_an_unused_number_has_no_name():
    names = Names()
    assert (names.text(0), names.text(1), names.facts(7), names.count) == (b"", b"", Facts(), 0)
