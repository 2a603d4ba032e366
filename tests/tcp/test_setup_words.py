"""Which protocol the first bytes of either side are of, byte by byte; only C calls these functions when compiled."""

import pytest

from handshake_inspect.about import build
from handshake_inspect.tcp.setup import text
from handshake_inspect.tcp.setup.facts import (
    UPGRADE_FTP,
    UPGRADE_HTTP_CONNECT,
    UPGRADE_IMAP,
    UPGRADE_LDAP,
    UPGRADE_MYSQL,
    UPGRADE_NONE,
    UPGRADE_OTHER,
    UPGRADE_POP3,
    UPGRADE_POSTGRESQL,
    UPGRADE_RDP,
    UPGRADE_SMTP,
    UPGRADE_SOCKS,
    UPGRADE_XMPP,
)

if build() == "compiled":
    pytest.skip("what only C calls has no Python name there", allow_module_level=True)

BEFORE = b"\x16\x03\x01\0\0\x01\x02"  # of another segment; would change every answer
LDAP_NAME = b"\x80\x161.3.6.1.4.1.1466.20037"
LDAP = b"\x30\x1d\x02\x01\x01\x77\x18" + LDAP_NAME
PROXY_2 = b"\r\n\r\n\0\r\nQUIT\n"


def of(function, data):
    """What a function says of these bytes, behind others, of which no more than these were captured."""
    return function(BEFORE + data + bytes(16), len(BEFORE), len(data))


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", UPGRADE_NONE),
        (b"\x05\x01", UPGRADE_NONE),
        (b"\x05\x01\0", UPGRADE_SOCKS),
        (b"\x05\x02\0\x02", UPGRADE_SOCKS),
        (b"\x05\x02\0", UPGRADE_NONE),  # RFC 1928: a method is missing
        (b"\x04\x01\x01\xbb\xc0\0\2\1\0", UPGRADE_SOCKS),
        (b"\x04\x02\x01\xbb\xc0\0\2\1\0", UPGRADE_SOCKS),
        (b"\x04\x03\x01\xbb\xc0\0\2\1\0", UPGRADE_NONE),
        (b"\x04\x01\x01\xbb\xc0\0\2\1", UPGRADE_NONE),  # no end of the user's name
        (b"CONNECT a:443", UPGRADE_HTTP_CONNECT),
        (b"CONN", UPGRADE_HTTP_CONNECT),
        (b"CON", UPGRADE_NONE),
        (b"COPY a", UPGRADE_NONE),
        (b"AMQP\x02\x01\0\0", UPGRADE_OTHER),
        (b"AMQP\x02", UPGRADE_OTHER),
        (b"AMQP", UPGRADE_NONE),
        (b"AMQP\x03\x01\0\0", UPGRADE_NONE),  # SASL
        (b"<?xml version='1.0'?>", UPGRADE_XMPP),
        (b"<stream:stream>", UPGRADE_XMPP),
        (b"<html>", UPGRADE_NONE),
        (bytes.fromhex("0000000804d2162f"), UPGRADE_POSTGRESQL),
        (bytes.fromhex("0000000804d21630"), UPGRADE_POSTGRESQL),
        (bytes.fromhex("0000000804d21631"), UPGRADE_NONE),
        (bytes.fromhex("0000000904d2162f"), UPGRADE_NONE),
        (bytes.fromhex("0000000804d216"), UPGRADE_NONE),
        (bytes.fromhex("030000130ee0"), UPGRADE_RDP),
        (bytes.fromhex("030000130e"), UPGRADE_NONE),
        (bytes.fromhex("030000130ed0"), UPGRADE_NONE),  # a server confirms
        (bytes.fromhex("030100130ee0"), UPGRADE_NONE),
        (LDAP, UPGRADE_LDAP),
        (b"\x31" + LDAP[1:], UPGRADE_NONE),
        (LDAP[:-5] + b"30037", UPGRADE_NONE),
        (LDAP[:7] + b"\x80\x161.3.6.1.4.1.1467.20037", UPGRADE_NONE),
        (b"\x30\x84\0\0\0\x1d\x02\x01\x01\x77\x84\0\0\0\x18" + LDAP_NAME, UPGRADE_LDAP),  # of Windows
        (b"\x30\x40" + bytes(40) + LDAP_NAME, UPGRADE_LDAP),  # what is searched for ends with the 64th byte
        (b"\x30\x40" + bytes(41) + LDAP_NAME, UPGRADE_NONE),
        (b"\x20\0\0\x01\x05\x0a" + bytes(30), UPGRADE_MYSQL),
        (b"\x20\0\0\x01\x05\x02" + bytes(30), UPGRADE_NONE),  # without CLIENT_SSL
        (b"\x20\0\0\x01\x05\x0a" + bytes(29), UPGRADE_NONE),
        (b"\x20\0\0\x01\x05\x0a" + bytes(31), UPGRADE_NONE),
        (b"\x20\0\0\x02\x05\x0a" + bytes(30), UPGRADE_NONE),
        (b"EHLO me", UPGRADE_SMTP),
        (b"helo me", UPGRADE_SMTP),
        (b"LHLO me", UPGRADE_SMTP),
        (b"HELP", UPGRADE_NONE),
        (b"STLS\r\n", UPGRADE_POP3),
        (b"stls", UPGRADE_POP3),
        (b"FEAT\r\n", UPGRADE_FTP),
        (b"AUTH TLS\r\n", UPGRADE_FTP),
        (b"auth ssl\r\n", UPGRADE_FTP),
        (b"AUTH TLS", UPGRADE_FTP),
        (b"AUTH TL", UPGRADE_NONE),
        (b"AUTH GSS\r\n", UPGRADE_NONE),
        (b"STARTTLS\r\n", UPGRADE_OTHER),
        (b"starttls", UPGRADE_OTHER),
        (b"STARTTL", UPGRADE_NONE),
        (b"STARTUPS", UPGRADE_NONE),
        (b"a STARTTLS\r\n", UPGRADE_IMAP),
        (b"A0001 starttls", UPGRADE_IMAP),
        (b"A0001 starttl", UPGRADE_NONE),
        (b"A0001 STARTUPS", UPGRADE_NONE),
        (b"A0001 RESTTTLS", UPGRADE_NONE),
        (b"A0001 x STARTTLS", UPGRADE_NONE),
        (b"A" * 15 + b" STARTTLS", UPGRADE_IMAP),
        (b"A" * 16 + b" STARTTLS", UPGRADE_NONE),
        (b" STARTTLS", UPGRADE_NONE),  # no tag
        (b"GET / HTTP/1.1\r\n", UPGRADE_NONE),
    ],
)
def test_the_first_bytes_of_a_client(data, kind):
    assert of(text.kind_of_client, data) == kind


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", UPGRADE_NONE),
        (b"220", UPGRADE_NONE),
        (b"220 mail", UPGRADE_SMTP),
        (b"220-", UPGRADE_SMTP),
        (b"221 bye", UPGRADE_NONE),
        (b"* OK", UPGRADE_IMAP),
        (b"* PREAUTH", UPGRADE_IMAP),
        (b"*OK ", UPGRADE_NONE),
        (b"+OK ", UPGRADE_POP3),
        (b"+OH ", UPGRADE_NONE),
        (b"\x4a\0\0\0\x0a8.0", UPGRADE_MYSQL),
        (b"\x4a\0\0\0\x0a", UPGRADE_MYSQL),
        (b"\x4a\0\0\0", UPGRADE_NONE),
        (b"\x4a\0\0\0\x09", UPGRADE_NONE),  # version 9 had no TLS
        (b"\x4a\0\0\x01\x0a", UPGRADE_NONE),  # not the first packet
        (b"SSH-2.0-x", UPGRADE_NONE),
    ],
)
def test_the_greeting_of_a_server(data, kind):
    assert of(text.kind_of_server, data) == kind


@pytest.mark.parametrize(
    ("data", "begins"),
    [
        (b"", False),
        (b"\x16", True),
        (b"\x17", False),
        (b"\x16\x03", True),
        (b"\x16\x02", False),
        (b"\x16\x03\x04", True),
        (b"\x16\x03\x05", False),
        (b"\x16\x03\x01\x02\0", True),
        (b"\x16\x03\x01\x02\0\x01", True),
        (b"\x16\x03\x01\x02\0\x02", False),
    ],
)
def test_what_can_begin_a_client_hello(data, begins):
    assert of(text.looks_like_hello, data) is begins


@pytest.mark.parametrize(
    ("data", "begins"),
    [
        (b"\x16\x03\x03\0\x50\x02", True),
        (b"\x16\x03\x04\0\x50\x02", True),
        (b"\x16\x03\x03\0\x50", False),
        (b"\x16\x03\x03\0\x50\x01", False),
        (b"\x15\x03\x03\0\x50\x02", False),
        (b"\x16\x02\x03\0\x50\x02", False),
        (b"\x16\x03\x05\0\x50\x02", False),
    ],
)
def test_what_begins_a_server_hello(data, begins):
    assert of(text.looks_like_server_hello, data) is begins


@pytest.mark.parametrize(
    ("data", "begins"),
    [
        (b"\x17\x03\x03\0\x01", True),
        (b"\x14\x03\x03\0\x01", True),
        (b"\x15\x03\x03\0\x02", False),
        (b"\x17\x03\x03\0\0", False),
        (b"\x17\x03\x03\x41\0", True),  # RFC 5246 section 6.2.3: 2^14 + 2048 at most, of which TLS 1.3 uses 256
        (b"\x17\x03\x03\x48\x01", False),
        (b"\x17\x03\x03\0", False),
        (b"\x17\x02\x03\0\x01", False),
        (b"\x17\x03\x04\0\x01", True),
        (b"\x17\x03\x05\0\x01", False),
    ],
)
def test_what_begins_a_record_behind_the_hellos(data, begins):
    assert of(text.looks_like_ciphertext, data) is begins


@pytest.mark.parametrize(
    ("data", "begins"),
    [
        (b"\x15\x03\x01", True),
        (b"\x15\x03\x04\0\x02\x02\x28", True),
        (b"\x15\x03", False),
        (b"\x15\x03\x05", False),
        (b"\x15\x02\x01", False),
        (b"\x16\x03\x01", False),
    ],
)
def test_what_begins_an_alert(data, begins):
    assert of(text.looks_like_alert, data) is begins


@pytest.mark.parametrize(
    ("data", "length"),
    [
        (b"PROXY UNKNOWN\r\n\x16", 15),  # the shortest there is
        (b"PROXY UNKNOWN\r\n.", 15),
        (b"PROXY UNKNOWN\r.", 0),
        (b"PROXY UNKNOWN...\r\n", 18),
        (b"PROXY " + b"1" * 99 + b"\r\n", 107),  # the longest
        (b"PROXY " + b"1" * 100 + b"\r\n", 0),
        (b"PROXX UNKNOWN\r\n\x16", 0),
        (b"PROXY-UNKNOWN\r\n\x16", 0),
        (b"PROXY UNKNOWN\r", 0),
        (PROXY_2 + b"\x21\x11\0\x0c" + bytes(12), 28),
        (PROXY_2 + b"\x20\0\0\0", 16),
        (PROXY_2 + b"\x20\0\0", 0),
        (PROXY_2[:-1] + b"\r\x20\0\0\0", 0),
        (b"\r\n\r\r" + PROXY_2[4:] + b"\x20\0\0\0", 0),
    ],
)
def test_a_header_of_the_proxy_protocol(data, length):
    assert of(text.proxy_header, data) == length
    hello = data[:length] + b"\x16\x03\x01\x02\0\x01"
    assert of(text.hello_behind_proxy, hello) == length
    assert of(text.hello_behind_proxy, data[:length] + b"GET / HTTP") == 0


@pytest.mark.parametrize(
    ("data", "is_one"),
    [
        (LDAP[:6], True),
        (LDAP[:5], False),
        (LDAP[:3], False),
        (LDAP[:1], False),
        (b"\x30\x0c\x02\x02\x01\x01\x77", True),  # a messageID of two bytes
        (b"\x30\x0c\x02\x01\x01\x60", False),  # a bind
        (b"\x30\x0c\x04\x01\x01\x77", False),
        (b"\x30\x84\0\0\0\x1d\x02\x01\x01\x77", True),
        (b"\x30\x81\x1d\x02\x01\x01\x77", True),
    ],
)
def test_an_extended_request_of_ldap_that_was_cut(data, is_one):
    assert of(text.is_extended_request, data) is is_one
    assert of(text.is_start_tls, data) is is_one
