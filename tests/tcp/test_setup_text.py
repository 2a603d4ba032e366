"""Plain talk before TLS (STARTTLS, proxies): whose it is, whole and in captures that lack a part of it."""

import struct

import pytest
from support import frames
from support.captures import pcap
from support.tls import (
    RETRY_RANDOM,
    TLS12,
    TLS13,
    Read,
    Talk,
    client,
    client_hello,
    handshake,
    hello_13,
    record,
    server,
)
from support.wire import report_of

from handshake_inspect.tcp.setup.facts import EXCHANGE_ALERTED, EXTRA_LOSS, LACKS_PROLOGUE, UPGRADES


@pytest.fixture(scope="module")
def said():
    return handshake(client(), server())


PROLOGUES = {
    "smtp": [(1, b"220 mail.test ESMTP\r\n"), (0, b"EHLO me\r\n"), (1, b"250-STARTTLS\r\n250 OK\r\n"),
             (0, b"STARTTLS\r\n"), (1, b"220 go\r\n")],
    "ftp": [(1, b"220 files\r\n"), (0, b"AUTH TLS\r\n"), (1, b"234 go\r\n")],
    "imap": [(1, b"* OK IMAP4rev1\r\n"), (0, b"a STARTTLS\r\n"), (1, b"a OK go\r\n")],
    "pop3": [(1, b"+OK POP3\r\n"), (0, b"STLS\r\n"), (1, b"+OK go\r\n")],
    "xmpp": [(0, b"<?xml version='1.0'?><stream:stream>"), (1, b"<stream:features>"), (0, b"<starttls/>"),
             (1, b"<proceed/>")],
    "ldap": [(0, b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037"), (1, b"\x30\x0c\x02\x01\x01\x78")],
    "postgresql": [(0, bytes.fromhex("0000000804d2162f")), (1, b"S")],
    "mysql": [(1, b"\x4a\0\0\0\x0a8.0.36\0"), (0, b"\x20\0\0\x01" + bytes(32))],
    "rdp": [(0, bytes.fromhex("030000130ee000000000000100080003000000")), (1, bytes.fromhex("030000130ed0"))],
    "socks": [(0, b"\x05\x01\x00"), (1, b"\x05\x00"), (0, b"\x05\x01\x00\x03\x08lab.test\x01\xbb"),
              (1, b"\x05\0\0\x01")],
    "http-connect": [(0, b"CONNECT lab.test:443 HTTP/1.1\r\n\r\n"), (1, b"HTTP/1.1 200 OK\r\n\r\n")],
    "other": [(1, b"200 news.test\r\n"), (0, b"STARTTLS\r\n"), (1, b"382 go\r\n")],
}  # fmt: skip


@pytest.mark.parametrize("kind", PROLOGUES)
def test_prologues(said, kind):
    read = Read(Talk(PROLOGUES[kind] + said).capture())
    assert read.has("TLS", "CLIENT_FINISHED", "SERVER_FINISHED")
    assert UPGRADES[read.upgrade] == kind
    assert read.turns == sum(side for side, _ in PROLOGUES[kind])
    assert read.ms("request") > read.ms("client_finished")
    assert read.facts[0] == b"lab.test"


def test_several_segments_of_an_answer_are_one_turn(said):
    talk = Talk()
    for side, data in PROLOGUES["smtp"]:
        talk.say(side, data, size=10)
    for side, data in said:
        talk.say(side, data)
    assert Read(talk.capture()).turns == 3


TALK_FIRST = {"ftp": [(0, b"FEAT\r\n"), (1, b"220 files\r\n"), (0, b"AUTH TLS\r\n"), (1, b"234 go\r\n")],
              "socks": [(0, bytes.fromhex("040101bbc000020100")), (1, bytes.fromhex("005a000000000000"))],
              "other": [(0, b"STARTTLS\r\n"), (1, b":irc.test 670 me :go\r\n")]}  # fmt: skip


@pytest.mark.parametrize(("protocol", "is_tls"), [(2, True), (0, False)])
def test_the_header_of_amqp_that_asks_for_tls(said, protocol, is_tls):
    """Both ends send it (OASIS AMQP 1.0 part 5, section 5.2)."""
    header = b"AMQP" + bytes([protocol, 1, 0, 0])
    talk = Talk([(0, header), (1, header), *said])
    (connection,) = report_of(talk.capture())["connections"]
    assert (connection["setup"]["protocol"], connection["setup"]["upgrade"]) == (
        ("tls", "other") if is_tls else ("plain", None)
    )


@pytest.mark.parametrize("kind", TALK_FIRST)
def test_clients_that_do_not_wait_for_a_greeting(said, kind):
    read = Read(Talk(TALK_FIRST[kind] + said).capture())
    assert (UPGRADES[read.upgrade], read.has("TLS", "CLIENT_FINISHED")) == (kind, True)
    assert read.ms("request") > read.ms("client_finished")


# The PROXY protocol: a proxy says for whom it speaks (haproxy.org, proxy-protocol.txt)

LINE = b"PROXY TCP4 192.0.2.1 198.51.100.2 40000 443\r\n"
BINARY = bytes.fromhex("0d0a0d0a000d0a515549540a2111000c c0000201 c6336402 9c40 01bb")


@pytest.mark.parametrize("head", [LINE, BINARY, b"PROXY UNKNOWN\r\n"])
def test_a_hello_behind_a_header_of_the_proxy_protocol(said, head):
    for talk in (Talk([(0, head), *said]), Talk([(0, head + said[0][1]), *said[1:]])):
        read = Read(talk.capture())
        assert (UPGRADES[read.upgrade], read.has("TLS", "CLIENT_FINISHED", "SERVER_FINISHED")) == ("other", True)
        assert read.facts[0] == b"lab.test"
        assert read.ms("request") > read.ms("client_finished")


@pytest.mark.parametrize(
    "text",
    [
        LINE + b"GET / HTTP/1.1\r\n\r\n",
        b"PROXYTCP4 192.0.2.1 198.51.100.2\r\n\x16\x03\x01\x02\0\x01",
        b"PROXY " + b"x" * 100 + b"\r\n\x16\x03\x01\x02\0\x01",  # longer than a header may be
        BINARY[:11] + b"\x0b" + BINARY[12:] + b"\x16\x03\x01\x02\0\x01",
        BINARY[:15] + b"\x0d" + BINARY[16:] + b"\x16\x03\x01\x02\0\x01",  # of another length
        BINARY,
    ],
)
def test_what_is_no_hello_behind_a_header_of_the_proxy_protocol(text):
    read = Read(Talk([(0, text), (1, b"HTTP/1.1 200 OK\r\n\r\n")]).capture())
    assert (read.setup, round(read.ms("request"))) == (None, 41)


def test_an_alert_after_a_greeting_is_no_answer_to_plain_text():
    alert = bytes.fromhex("15030100020250")
    read = Read(Talk([(1, b"220 files\r\n"), (0, b"AUTH SSL\r\n"), (1, alert)]).capture())
    assert read.exchange.setup & EXCHANGE_ALERTED == 0


@pytest.mark.parametrize("asked", [b"GET / HTTP/1.1\r\n\r\n", b"STARTTLS\r\n"])
@pytest.mark.parametrize(("minor", "is_alert"), [(0, True), (1, True), (3, True), (4, True), (5, False)])
def test_an_alert_that_answers_plain_text_says_that_tls_was_wanted(minor, is_alert, asked):
    """Of SSL 3.0 to what drafts of TLS 1.3 wrote."""
    alert = bytes([21, 3, minor, 0, 2, 2, 50])
    read = Read(Talk([(0, asked), (1, alert)]).capture())
    assert bool(read.exchange.setup & EXCHANGE_ALERTED) == is_alert


def test_plain_talk_is_no_upgrade():
    read = Read(Talk([*PROLOGUES["smtp"][:4], (1, b"454 no TLS\r\n")]).capture())
    assert (read.upgrade, read.has("TLS"), read.has("SPOKE_FIRST")) == (0, False, True)


@pytest.mark.parametrize(
    ("message", "whole"),
    [
        ("301d02010177188016", True),
        ("30840000002302010177840000001a8016", True),  # lengths of five bytes, as Windows writes them
        ("301d02010163188016", False),  # a search
        ("301d0a010177188016", False),  # no number of a message
        ("3082", False),
    ],
)
def test_an_ldap_request_that_was_cut_before_the_name_of_start_tls(said, message, whole):
    """Ten bytes of each segment are left."""
    talk = Talk([(0, bytes.fromhex(message) + b"1.3.6.1.4.1.1466.20037"), *PROLOGUES["ldap"][1:], *said])
    frames = [(ns, frame[:64], len(frame)) for ns, frame in talk.frames()]
    records = b"".join(
        struct.pack("<IIII", ns // 10**9, ns % 10**9, len(some), size) + some for ns, some, size in frames
    )
    read = Read(pcap([], nano=True, snap_len=64) + records)
    if whole:
        assert (UPGRADES[read.upgrade], read.has("TLS")) == ("ldap", True)
    else:
        assert read.setup is None


# What the capture lacks


def lacking(said, kind, *missing):
    """Without these flights of the prologue."""
    talk = Talk(PROLOGUES[kind] + said)
    for at in sorted(missing, reverse=True):
        del talk.sent[at]
    return talk


def one_sided(talk, side):
    talk.sent = [each for each in talk.sent if each[1] == side]
    talk.opening = talk.opening[1:2] if side else talk.opening[::2]
    return Read(talk.capture())


@pytest.mark.parametrize(
    "kind", ["smtp", "ftp", "imap", "pop3", "xmpp", "ldap", "postgresql", "rdp", "socks", "http-connect"]
)
def test_the_client_alone_shows_whose_prologue_it_is(said, kind):
    read = one_sided(Talk(PROLOGUES[kind] + said), 0)
    assert (UPGRADES[read.upgrade], read.has("TLS"), read.turns) == (kind, True, 0)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (b"ehlo [127.0.0.1]\r\n", "smtp"),
        (b"LHLO me\r\n", "smtp"),
        (b"HELO me\r\n", "smtp"),
        (b"auth tls\r\n", "ftp"),
        (b"AUTH SSL\r\n", "ftp"),
        (b"A0001 starttls\r\n", "imap"),
        (b"stls\r\n", "pop3"),
        (b"\x20\0\0\x01\x05\xae\xff\x19" + bytes(28), "mysql"),
        (b"\x20\0\0\x01\x05\xa6\xff\x19" + bytes(28), "other"),  # no CLIENT_SSL
        (b"STARTTLS\r\n", "other"),  # of news, too
        (b"AUTH LOGIN\r\n", "other"),
        (b"a STARTLED\r\n", "other"),
        (b"a STARTTL", "other"),
        (b"a-tag-that-is-too-long STARTTLS\r\n", "other"),
        (b"<stream:stream to='lab.test'>", "xmpp"),  # the XML declaration may be left out (RFC 6120)
        (b"\x05\x01\x00", "socks"),
        (b"\x05\x00", "other"),  # a client of SOCKS names at least one method (RFC 1928 section 3)
    ],
)
def test_commands_that_show_it(said, text, kind):
    read = one_sided(Talk([(0, text), *said]), 0)
    assert (UPGRADES[read.upgrade], read.has("TLS")) == (kind, True)


LACKING = [
    (kind, at)
    for kind in ("smtp", "ftp", "imap", "pop3", "xmpp", "socks")
    for at in range(len(PROLOGUES[kind]))
    if (kind, at) not in (("xmpp", 0), ("socks", 0))
]


@pytest.mark.parametrize("kind", PROLOGUES)
def test_a_prologue_whose_client_hello_is_missing_is_no_exchange(said, kind):
    """The ServerHello shows that TLS began, and that the client's bytes before it are not all there."""
    talk = Talk(PROLOGUES[kind] + said)
    talk.sent = [each for each in talk.sent if not each[4].startswith(b"\x16\x03\x01")]
    read = Read(talk.capture())
    assert read.has("TLS", "UNREAD", "SERVER_HELLO", "CLIENT_FINISHED", "SERVER_FINISHED")
    assert (UPGRADES[read.upgrade], read.hello_frame, read.has("HOLE")) == (kind, 0, False)
    assert read.ms("client_finished") < read.ms("request") < read.ms("response")


def test_what_looks_like_a_server_hello_is_text_where_no_byte_is_missing():
    talk = Talk([*PROLOGUES["xmpp"][:1], (1, hello_13())])
    read = Read(talk.capture())
    assert (read.exchange.request_frame, read.exchange.response_frame) == (4, 5)


@pytest.mark.parametrize(("kind", "missing"), LACKING)
def test_a_prologue_with_a_frame_missing_is_still_one(said, kind, missing):
    read = Read(lacking(said, kind, missing).capture())
    assert UPGRADES[read.upgrade] == kind
    assert read.has("TLS", "CLIENT_FINISHED", "SERVER_FINISHED")
    assert not read.has("HOLE")
    assert read.facts[0] == b"lab.test"
    assert read.ms("request") > read.ms("client_finished")
    assert EXTRA_LOSS not in [reason for reason, *_ in read.waits]


@pytest.mark.parametrize("missing", [(1, 3), (2, 4), (1, 2, 3), (0, 2, 4)])
def test_several_frames_missing(said, missing):
    read = Read(lacking(said, "smtp", *missing).capture())
    assert (UPGRADES[read.upgrade], read.has("TLS", "SERVER_FINISHED")) == ("smtp", True)
    assert read.ms("response") is not None


def test_what_the_server_does_not_have_yet_is_waited_for(said):
    """A ClientHello that overtook the request before it."""
    talk = Talk(PROLOGUES["xmpp"][:2])
    talk.say(0, b"<starttls/>")
    talk.say(0, said[0][1], at=talk.free[0] + 1)
    talk.sent[-2] = (talk.sent[-1][0] + 0.5, *talk.sent[-2][1:])
    read = Read(talk.capture())
    assert (UPGRADES[read.upgrade], read.has("TLS"), read.has("HOLE")) == ("xmpp", True, False)
    assert read.hello_ns == talk.frames()[-2][0]  # when it was first seen
    assert read.facts[0] == b"lab.test"


@pytest.mark.parametrize("kind", ["smtp", "xmpp"])
def test_a_command_that_is_stored_behind_the_next_one_is_not_missing(said, kind):
    """Though the server acknowledged it before, text beyond it is no ClientHello that would show that it is lost."""
    talk = Talk(PROLOGUES[kind] + said)
    first, second, *_ = (at for at, sent in enumerate(talk.sent) if sent[1] == 0)
    talk.sent[first] = (talk.sent[second][0] + 0.5, *talk.sent[first][1:])
    read = Read(talk.capture())
    assert (UPGRADES[read.upgrade], read.has("TLS"), read.lacks & LACKS_PROLOGUE) == (kind, True, 0)


CHANGED = [(kind, lacks) for kind in PROLOGUES for lacks in (False, True) if (kind, lacks) != ("mysql", True)]


@pytest.mark.parametrize(("kind", "lacks"), CHANGED)
def test_a_hello_in_two_segments_that_change_places(said, kind, lacks):
    """With the text before it whole, or with the server's last text missing (MySQL's is all), which it acknowledges."""
    talk = Talk(PROLOGUES[kind])
    if lacks:
        del talk.sent[max(at for at, each in enumerate(talk.sent) if each[1] == 1)]
    talk.say(0, said[0][1], size=len(said[0][1]) // 2 + 1)
    first, second = talk.sent[-2:]
    talk.sent[-2:] = [(first[0], *second[1:]), (second[0], *first[1:])]
    for side, data in said[1:]:
        talk.say(side, data)
    read = Read(talk.capture())
    assert (UPGRADES[read.upgrade], read.has("TLS", "SERVER_FINISHED"), read.has("HOLE")) == (kind, True, False)
    assert read.facts[0] == b"lab.test"


def test_a_hello_that_does_not_acknowledge_the_text_before_it(said):
    """A client that did not wait: what the server said last is in the capture, and not yet acknowledged."""
    talk = Talk(PROLOGUES["smtp"])
    talk.say(0, said[0][1], ack=talk.next[1] - 3)
    for side, data in said[1:]:
        talk.say(side, data)
    read = Read(talk.capture())
    assert (UPGRADES[read.upgrade], read.has("TLS", "SERVER_FINISHED"), read.has("HOLE")) == ("smtp", True, False)


@pytest.mark.parametrize("position", [0, 10, 20])
@pytest.mark.parametrize("waits", [False, True])
def test_a_greeting_that_crosses_the_client_hello_answers_it(said, position, waits):
    """Wherever it passes the capture, the client had none of it: a server that speaks something else than TLS."""
    talk = Talk(position=position)
    talk.say(1, b"SSH-2.0-server\r\n", at=41.0)
    talk.say(0, said[0][1], at=62.0 if waits else 42.0, ack=None if waits else frames.SERVER_ISN + 1)
    talk.say(1, b"Invalid SSH identification string.\r\n")
    (connection,) = report_of(talk.capture())["connections"]
    setup, tls = connection["setup"], connection["tls"]
    assert (tls["outcome"], tls["server_name"]) == ("not-tls", "lab.test")
    assert (setup["speaks_first"], setup["upgrade"]) == (("server", "other") if waits else ("client", None))
    assert setup["server"]["hello"] is None  # there was none


def test_a_hello_behind_a_missing_one_has_no_prologue():
    retry = hello_13().replace(bytes(32), RETRY_RANDOM, 1)
    talk = Talk([(0, client_hello()), (1, retry), (0, client_hello()), (1, hello_13() + record(1000))])
    del talk.sent[0]
    read = Read(talk.capture())
    assert (read.upgrade, read.exchange.request_frame, read.exchange.response_frame) == (0, 0, 0)
    assert (read.hello_frame, read.retry_frame, read.hello_2_frame, read.server_hello_frame) == (0, 4, 5, 6)


def test_text_that_begins_as_a_hello_does_is_none():
    read = Read(Talk([*PROLOGUES["smtp"][:2], (0, b"\x16\x03\x01\0\x20\x02noise"), (1, b"500 what?\r\n")]).capture())
    assert (read.upgrade, read.has("TLS"), read.has("SPOKE_FIRST")) == (0, False, True)


# What a prologue with parts missing does not show


def setup_of(talk):
    (connection,) = report_of(talk.capture())["connections"]
    return connection["setup"]


@pytest.mark.parametrize("missing", range(5))
def test_round_trips_of_a_prologue_with_a_frame_missing_are_not_known(said, missing):
    """They are its changes of direction; who spoke first is known but where that is what is missing."""
    whole, setup = setup_of(Talk(PROLOGUES["smtp"] + said)), setup_of(lacking(said, "smtp", missing))
    assert (whole["round_trips"], whole["spans"]["before_tls"]["round_trips"]) == (6, 3)
    assert (setup["round_trips"], setup["spans"]["before_tls"]["round_trips"]) == (None, None)
    assert setup["spans"]["before_tls"]["value_ns"] == whole["spans"]["before_tls"]["value_ns"]
    assert setup["speaks_first"] == ("server" if missing else None)


@pytest.mark.parametrize(("text", "size"), [(b"SSH-2.0-x\r\n", 1460), (b"220 mail\r\n", 1460), (b"+OK POP3\r\n", 4)])
def test_who_spoke_first_is_not_known_where_the_greeting_is_missing(text, size):
    """The client's first data acknowledge it, so that what comes next still answers them."""
    talk = Talk()
    talk.say(1, text, size=size)
    talk.say(0, b"hello\r\n")
    talk.say(1, b"welcome\r\n")
    whole = setup_of(talk)
    talk.sent = [each for each in talk.sent if each[4] != text[:size]]
    setup = setup_of(talk)
    assert (whole["speaks_first"], whole["round_trips"], setup["round_trips"]) == ("server", 3, None)
    assert setup["speaks_first"] is None
    assert setup["spans"]["response"]["value_ns"] == whole["spans"]["response"]["value_ns"]
    assert setup["spans"]["before_request"]["round_trips"] is None


def test_a_greeting_that_is_captured_late_is_one():
    talk = Talk([(1, b"220 mail\r\n"), (0, b"EHLO me\r\n"), (1, b"250 OK\r\n")])
    first, second = talk.sent[:2]
    talk.sent[:2] = [(first[0], *second[1:]), (second[0], *first[1:])]
    assert setup_of(talk)["speaks_first"] == "server"


@pytest.mark.parametrize("kind", ["smtp", "imap", "pop3", "mysql", "postgresql", "socks"])
def test_one_side_alone_does_not_show_who_spoke_first(said, kind):
    for side in (0, 1):
        talk = Talk(PROLOGUES[kind] + said)
        one_sided(talk, side)
        setup = setup_of(talk)
        assert setup["speaks_first"] is None
        assert setup["spans"]["before_tls"]["round_trips"] is None


def test_a_server_alone_names_its_protocol_by_its_greeting(said):
    talk = Talk(PROLOGUES["smtp"] + said)
    assert UPGRADES[one_sided(talk, 1).upgrade] == "smtp"
    assert setup_of(talk)["milestones"]["greeting"] is None  # as far as is known, it answered


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_without_the_syn_and_the_client_hello_a_server_hello_is_no_greeting(version):
    talk = Talk(handshake(client(version), server(version)))
    del talk.opening[0], talk.sent[0]
    read = Read(talk.capture())
    assert read.has("TLS", "SERVER_HELLO", "CLIENT_FINISHED")
    assert not read.has("SPOKE_FIRST")


def test_a_greeting_before_all_that_was_captured_of_the_client_is_one():
    talk = Talk([(1, b"220 mail\r\n"), (0, b"EHLO me\r\n"), (1, b"250 OK\r\n")])
    talk.opening = talk.opening[1:2]
    assert setup_of(talk)["speaks_first"] == "server"


LINE = b"PROXY TCP4 192.0.2.100 198.51.100.200 40000 443\r\n"
BINARY = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(12)


@pytest.mark.parametrize("header", [LINE, BINARY])
@pytest.mark.parametrize("left", [16, 24])
def test_what_is_behind_a_header_of_the_proxy_protocol_that_was_cut(said, header, left):
    """The ServerHello shows that it was a ClientHello; an answer in plain text shows that it was none."""
    talk = Talk([(0, header + said[0][1]), *said[1:]])
    read = Read(talk.capture(54 + left))
    assert (read.has("TLS", "SERVER_HELLO", "CUT"), UPGRADES[read.upgrade], read.hello_frame) == (True, "other", 0)
    read = Read(Talk([(0, header + b"GET / HTTP/1.1\r\n\r\n"), (1, b"HTTP/1.1 200 OK\r\n\r\n")]).capture(54 + left))
    assert (read.has("TLS"), read.exchange.request_frame, read.exchange.response_frame) == (False, 4, 5)
