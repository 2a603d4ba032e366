"""What is read while a connection is set up: real TLS by OpenSSL, cut into segments that a network may deliver."""

import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import frames
from support.captures import pcap
from support.frames import CLIENT
from support.tls import (
    EARLY,
    MS,
    START,
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

from handshake_inspect.tcp.setup.facts import (
    EXCHANGE_ALERTED,
    EXCHANGE_GIVEN_UP,
    EXCHANGE_UNREAD,
    EXTRA_LOSS,
    EXTRA_NAGLE,
    EXTRA_WINDOW,
)

# Each takes its milestones at the client, 20 ms from the server, where every turn takes 1 ms to think.
SAID = {
    "1.2": lambda: handshake(client(TLS12), server()),
    "1.3": lambda: handshake(client(), server()),
    "1.3, retry": lambda: handshake(client(), server(curve="secp384r1")),
    "1.3, certificate": lambda: handshake(client(certified=True), server(asks=True)),
    "1.3, no certificate": lambda: handshake(client(), server(asks=True)),
    "1.2, certificate": lambda: handshake(client(TLS12, certified=True), server(asks=True)),
    "1.2, no certificate": lambda: handshake(client(TLS12), server(asks=True)),
    "1.3, not trusted": lambda: handshake(client(trusts=False), server()),
    "1.2, not trusted": lambda: handshake(client(TLS12, trusts=False), server()),
    "no common version": lambda: handshake(client(TLS13), server(TLS12)),
}


@pytest.fixture(scope="module")
def said():
    return {name: make() for name, make in SAID.items()}


def resumed(version):
    context, other, kept = client(version), server(version), []
    handshake(context, other, keep=kept)
    return handshake(context, other, kept[0])


TIMES = {
    "1.2": ("hello 41, server_hello 82, flight 82, client_finished 83, server_finished 124, request 125, response 166"),
    "1.3": ("hello 41, server_hello 82, flight 82, server_finished 82, client_finished 83, request 125, response 166"),
    "1.3, retry": (
        "hello 41, retry 82, hello_2 83, server_hello 124, server_finished 124, client_finished 125, request 167"
    ),
    "1.3, certificate": "hello 41, server_hello 82, server_finished 82, client_finished 83, request 125, response 166",
    "1.3, no certificate": "hello 41, server_hello 82, server_finished 82, client_finished 83, alert 124",
    "1.2, certificate": "hello 41, server_hello 82, client_finished 83, server_finished 124, request 125, response 166",
    "1.2, no certificate": "hello 41, server_hello 82, alert 124",
    "1.3, not trusted": "hello 41, server_hello 82, server_finished 82, alert 83",
    "1.2, not trusted": "hello 41, server_hello 82, alert 83",
    "no common version": "hello 41, alert 82",
}


@pytest.mark.parametrize("name", TIMES)
def test_milestones(said, name):
    read = Read(Talk(said[name]).capture())
    shown = dict(each.split() for each in TIMES[name].split(", "))
    assert {key: round(read.ms(key)) for key in shown} == {key: int(value) for key, value in shown.items()}


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("1.2", "TLS SERVER_TLS SERVER_HELLO CLIENT_FINISHED SERVER_FINISHED"),
        ("1.3", "TLS SERVER_TLS SERVER_HELLO CLIENT_FINISHED SERVER_FINISHED OFFERS_13"),
        ("1.3, retry", "HELLO_RETRY SERVER_HELLO CLIENT_FINISHED"),
        ("1.3, certificate", "CERTIFICATE_SENT CLIENT_FINISHED"),
        ("1.3, no certificate", "CERTIFICATE_WITHHELD CLIENT_FINISHED ALERT ALERT_SERVER ALERT_ENCRYPTED ALERT_LATE"),
        ("1.2, certificate", "CERTIFICATE_SENT CLIENT_FINISHED"),
        ("1.2, no certificate", "CERTIFICATE_WITHHELD ALERT ALERT_SERVER"),
        ("1.3, not trusted", "SERVER_HELLO ALERT"),
        ("1.2, not trusted", "SERVER_HELLO ALERT"),
        ("no common version", "TLS SERVER_TLS ALERT ALERT_SERVER"),
    ],
)
def test_what_it_was(said, name, flags):
    read = Read(Talk(said[name]).capture())
    assert read.has(*flags.split())
    for absent in ("HELLO_RETRY", "CERTIFICATE_SENT", "CERTIFICATE_WITHHELD", "ALERT", "CUT", "HOLE", "NOT_TLS"):
        assert read.has(absent) == (absent in flags.split()), absent


@pytest.mark.parametrize(
    ("name", "alert"),
    [("1.3, not trusted", (2, 48)), ("1.2, not trusted", (2, 48)), ("no common version", (2, 70))],
)
def test_alerts_in_the_clear(said, name, alert):
    read = Read(Talk(said[name]).capture())
    assert (read.alert_level, read.alert_code) == alert
    assert not read.has("ALERT_ENCRYPTED")


def test_hello_contents():
    read = Read(Talk(handshake(client(alpn=["h2", "http/1.1"]), server(alpn=["h2"]))).capture())
    name, protocols, versions, groups = read.facts
    assert (name, protocols) == (b"lab.test", (b"h2", b"http/1.1"))
    assert versions[:2] == (0x0304, 0x0303)
    assert 29 in groups
    assert read.has("OFFERS_H2")
    assert (read.version, read.group) == (0x0304, 29)
    assert read.cipher in (0x1301, 0x1302, 0x1303)


def test_the_protocol_that_tls12_agrees_on():
    read = Read(Talk(handshake(client(TLS12, alpn=["h2", "http/1.1"]), server(alpn=["h2"]))).capture())
    assert read.setups.names.text(read.alpn) == b"h2"


def test_equal_hellos_are_kept_once():
    said = handshake(client(), server())
    again = handshake(client(), server())
    first, second = Talk(said).frames(), Talk(again).frames()
    moved = [
        (ns + 10**9, frame.replace(struct.pack(">H", CLIENT[1]), struct.pack(">H", 50001))) for ns, frame in second
    ]
    both = Read(pcap(first + moved, nano=True))
    numbers = {row.hello for row in both.setups.setup_rows[: both.setups.setup_count]}
    assert len(numbers) == 1


@pytest.mark.parametrize(("version", "flag"), [(TLS12, "SERVER_CHANGED"), (TLS13, "PSK")])
def test_resumed(version, flag):
    full, again = handshake(client(version), server(version)), resumed(version)
    assert not Read(Talk(full).capture()).has(flag)
    read = Read(Talk(again).capture())
    assert read.has(flag, "CLIENT_FINISHED", "SERVER_FINISHED")
    assert read.over


# What a network does to segments


def cut_up(said, rng, talk):
    """The same bytes in other segments, some of a flight before others, some twice."""
    for side, data in said:
        talk.say(side, data, size=rng.choice([1, 7, 60, 200, 536, 1460]))
    return talk


@pytest.mark.parametrize("name", SAID)
@pytest.mark.parametrize("seed", range(3))
def test_segments_do_not_matter(said, name, seed):
    rng = random.Random(seed)
    whole = Read(Talk(said[name]).capture())
    pieces = Talk()
    for side, data in said[name]:
        size = rng.choice([len(data) // 3 + 1, len(data) // 9 + 1, 536])
        pieces.say(side, data, size=max(size, len(data) // 50 + 1))
    read = Read(pieces.capture())
    for field in ("version", "cipher", "group", "alert_code", "client_hello_bytes", "server_flight_bytes"):
        assert getattr(read, field) == getattr(whole, field), field
    assert (read.flags, read.facts, read.waits) == (whole.flags, whole.facts, [])


@pytest.mark.parametrize("name", ["1.2", "1.3", "1.3, retry", "1.3, certificate"])
@pytest.mark.parametrize("seed", range(4))
def test_order_does_not_matter(said, name, seed):
    rng = random.Random(seed)
    talk = Talk()
    for side, data in said[name][:-1]:
        before = len(talk.sent)
        talk.say(side, data, size=max(len(data) // 4, 20))
        flight = talk.sent[before:]
        times = [each[0] for each in flight]
        rng.shuffle(flight)
        talk.sent[before:] = [(at, *each[1:]) for at, each in zip(times, flight, strict=True)]
    whole, read = Read(Talk(said[name][:-1]).capture()), Read(talk.capture())
    assert read.facts == whole.facts
    for field in ("version", "cipher", "group", "client_hello_bytes"):
        assert getattr(read, field) == getattr(whole, field), field
    assert read.flags == whole.flags
    assert {reason for reason, *_ in read.waits} <= {EXTRA_LOSS}


def test_a_hole_is_filled(said):
    talk = Talk(said["1.3"][:1])
    data = said["1.3"][1][1]
    talk.say(1, data, size=400)
    lost = talk.sent[-2]
    talk.sent[-2] = (lost[0] + 200, *lost[1:])
    talk.free[0] += 200
    for side, more in said["1.3"][2:]:
        talk.say(side, more)
    read = Read(talk.capture())
    assert read.waits[0][0] == EXTRA_LOSS
    assert read.waits[0][1] == pytest.approx(200, abs=0.1)
    assert read.over
    assert not read.has("HOLE")


def test_a_hole_that_is_never_filled(said):
    talk = Talk(said["1.3"][:1])
    talk.say(1, said["1.3"][1][1], size=300)
    del talk.sent[1]
    for side, more in said["1.3"][2:]:
        talk.say(side, more)
    read = Read(talk.capture())
    assert read.has("TLS", "HOLE")
    assert not read.has("SERVER_HELLO")


def test_a_hole_of_one_side_that_is_filled_leaves_that_of_the_other(said):
    talk = Talk(said["1.3"][:1])
    talk.say(1, said["1.3"][1][1], size=300)
    del talk.sent[1]
    talk.say(0, said["1.3"][2][1], size=40)
    first, second = talk.sent[-2:]
    talk.sent[-2:] = [(first[0] + 1, *first[1:]), second]
    assert Read(talk.capture()).has("HOLE")


def test_what_is_sent_twice_counts_from_its_last_copy(said):
    talk = Talk(said["1.3"][:1])
    at, side, seq, ack, data = talk.sent[0]
    talk.sent.append((at + 300, side, seq, ack, data))
    talk.free[1] += 300
    for each in said["1.3"][1:]:
        talk.say(*each)
    read = Read(talk.capture())
    assert (read.ms("hello"), read.ms("hello_sent")) == (pytest.approx(41, abs=1), pytest.approx(341, abs=1))
    assert read.waits == [(EXTRA_LOSS, 300, 0, False)]


@pytest.mark.parametrize("name", ["1.2", "1.3"])
def test_a_response_that_was_lost_behind_the_capture(said, name):
    """At the server, its first copy is in the capture; it is the second one that the client got."""
    talk = Talk(said[name][:-1], position=20)
    data = b"HTTP/1.1 200 OK" + bytes(100)
    talk.say(1, record(len(data)))
    at, side, seq, ack, _ = talk.sent[-1]
    copy = (at + 245, side, seq, ack, talk.sent[-1][-1])
    talk.sent.append(copy)
    talk.acknowledge(0, at=at + 245 + 40)
    read, before = Read(talk.capture()), round(at, 2)
    assert read.ms("response") == pytest.approx(before + 245, abs=0.1)
    assert round((read.response_seen_ns - START) / MS, 2) == pytest.approx(before, abs=0.1)
    assert read.waits == [(EXTRA_LOSS, 245, 1, False)]


def test_a_response_that_was_acknowledged_came_once(said):
    talk = Talk(said["1.3"][:-1])
    talk.say(1, record(5000))
    at, side, seq, ack, data = talk.sent[-4]
    talk.acknowledge(0, at=talk.free[0])
    talk.sent.append((at + 300, side, seq, ack, data))
    read = Read(talk.capture())
    assert read.ms("response") == pytest.approx(at, abs=0.1)
    assert read.waits == []


# TLS in other shapes


def test_the_capture_begins_after_the_syn(said):
    talk = Talk(said["1.3"])
    talk.opening = talk.opening[1:]
    assert Read(talk.capture()).has("TLS", "SERVER_HELLO", "CLIENT_FINISHED")
    talk.opening = []
    read = Read(talk.capture())
    assert read.has("TLS", "SERVER_HELLO", "CLIENT_FINISHED")
    assert read.facts[0] == b"lab.test"


@pytest.mark.parametrize("name", ["1.2", "1.3", "1.3, retry"])
def test_a_short_snap_length(said, name):
    kept = [(ns, frame[:96], len(frame)) for ns, frame in Talk(said[name]).frames()]
    body = b"".join(
        struct.pack("<IIII", ns // 10**9, ns % 10**9, len(frame), length) + frame for ns, frame, length in kept
    )
    read = Read(pcap([], nano=True, snap_len=96) + body)
    whole = Read(Talk(said[name]).capture())
    assert read.has("TLS", "CUT", "SERVER_HELLO", "CLIENT_FINISHED")
    assert read.has("HELLO_RETRY") == (name == "1.3, retry")
    assert read.version == whole.version
    assert (read.cipher, read.facts[0]) == (0, None)
    for moment in ("hello", "server_hello", "flight", "client_finished", "request"):
        assert read.ms(moment) == whole.ms(moment), moment


def test_headers_alone():
    talk = Talk([(0, b"x" * 100), (1, b"y" * 100)])
    body = b"".join(
        struct.pack("<IIII", ns // 10**9, ns % 10**9, min(len(frame), 54), len(frame)) + frame[:54]
        for ns, frame in talk.frames()
    )
    read = Read(pcap([], nano=True, snap_len=54) + body)
    assert read.exchange.setup == EXCHANGE_UNREAD
    assert (round(read.ms("request")), round(read.ms("response"))) == (41, 82)


def gre(packet):
    return frames.ethernet(frames.packet("10.0.0.1", "10.0.0.2", 47, b"\0\0\x08\0" + packet))


@pytest.mark.parametrize("link", [frames.qinq, gre], ids=["tagged twice", "in a tunnel"])
def test_behind_other_headers(said, link):
    talk = Talk(said["1.3"])
    talk.opening = [(at, link(frame[14:])) for at, frame in talk.opening]
    assert Read(pcap(talk.frames(link), nano=True)).everything() == Read(Talk(said["1.3"]).capture()).everything()


@pytest.mark.parametrize("block", [1000, 1501, 4096])
def test_blocks_do_not_matter(said, block):
    capture = Talk(said["1.3, certificate"]).capture()
    assert Read(capture, block=block).everything() == Read(capture).everything()


def test_something_else_answers(said):
    read = Read(Talk([said["1.3"][0], (1, b"HTTP/1.1 400 Bad Request\r\n\r\n")]).capture())
    assert read.has("TLS", "NOT_TLS")
    assert read.over


def test_text_that_begins_as_a_record():
    read = Read(Talk([(0, b"\x16\x03\x01 is no record"), (1, b"so what")]).capture())
    assert (read.setup, read.over) == (None, True)
    assert (round(read.ms("request")), round(read.ms("response"))) == (41, 82)


def test_a_hello_byte_by_byte(said):
    talk = Talk()
    talk.say(0, said["1.3"][0][1][:7], size=1)
    talk.say(0, said["1.3"][0][1][7:], at=talk.free[0])
    for each in said["1.3"][1:]:
        talk.say(*each)
    read = Read(talk.capture())
    assert read.facts[0] == b"lab.test"
    assert read.over


def test_records_that_lie_end_the_reading(said):
    read = Read(Talk([said["1.3"][0], (1, said["1.3"][1][1][:200] + b"\xff" * 500)]).capture())
    assert read.has("SERVER_HELLO")
    assert read.has("MALFORMED") or not read.has("SERVER_FINISHED")


# TLS 1.3: what may be the response


FLIGHT = hello_13() + record(30) + record(700) + record(100) + record(53)


def answered(*after, before=(), flight=FLIGHT, finished=(53,), hello=None, request=80):
    """A handshake of TLS 1.3 whose server sends records of these lengths before and after it has the request."""
    talk = Talk([(0, hello or client_hello()), (1, flight)])
    talk.say(0, b"".join(map(record, finished)))
    without = talk.next[0]
    talk.say(0, record(request))
    for length in before:
        talk.say(1, record(length), ack=without)
    for length in after:
        talk.say(1, record(length))
    return Read(talk.capture())


@pytest.mark.parametrize(
    ("read", "lengths", "over"),
    [
        (answered(5000), [5000], True),
        (answered(250, 250, 700), [250, 250, 700], True),
        (answered(700, before=[250, 250]), [700], True),
        (answered(250, 700, before=[250]), [250, 700], True),
        (answered(100), [100], False),  # may be a ticket, or not
        (answered(4500), [4500], False),
        (answered(99), [99], True),
        (answered(4501), [4501], True),
        (answered(99, hello=client_hello(alpn=b"\x02h2")), [99], False),
        (answered(100, 5000, hello=client_hello(alpn=b"\x02h2")), [100, 5000], True),
        (answered(100, 200, hello=client_hello(alpn=b"\x02h2")), [100, 200], True),
        (answered(99, 200, hello=client_hello(alpn=b"\x02h2")), [99, 200], False),
        (answered(40, hello=client_hello(alpn=b"\x02h2")), [40], False),
        (answered(40, 40, 900, 30, hello=client_hello(alpn=b"\x02h2")), [40, 40, 900, 30], False),
        (answered(*[250] * 9), [250] * 6, True),
        (answered(19), [], False),
    ],
    ids=range(16),
)
def test_candidates(read, lengths, over):
    assert list(read.candidate_length[: read.candidate_count]) == lengths
    assert read.over == over


def test_tickets_are_known_by_what_they_acknowledge():
    assert answered(700, before=[250, 250]).ticket_length == 250
    assert answered(250, 250, 700).ticket_length == 0


@pytest.mark.parametrize(
    ("finished", "flags"),
    [
        ((25, 53), "CERTIFICATE_WITHHELD"),
        ((900, 90, 53), "CERTIFICATE_SENT"),
        ((53,), ""),
        ((200,), ""),  # joined with something, or padded
    ],
)
def test_the_clients_finished(finished, flags):
    read = answered(5000, finished=finished)
    assert read.has("CLIENT_FINISHED", *[f for f in flags.split() if f])
    assert read.has("CERTIFICATE_SENT") == (flags == "CERTIFICATE_SENT")
    assert round(read.ms("client_finished")) == 83
    assert read.ms("request") > read.ms("client_finished")
    assert read.ms("response") > read.ms("request")


@pytest.mark.parametrize(("cipher", "finished"), [(0x1301, 53), (0x1302, 69), (0x1303, 53), (0x1304, 53), (0x1305, 45)])
def test_the_length_of_finished(cipher, finished):
    read = answered(5000, flight=hello_13(cipher) + record(700) + record(finished), finished=(finished,))
    assert read.has("SERVER_FINISHED", "CLIENT_FINISHED")
    assert not read.has("CERTIFICATE_SENT")


def test_a_flight_in_one_record():
    read = answered(5000, flight=hello_13() + record(674))  # as in RFC 8448 section 3
    assert read.has("SERVER_FINISHED")
    assert round(read.ms("server_finished")) == 82


def early(*, ended, flight=FLIGHT, after=(5000,)):
    talk = Talk([(0, client_hello(extra=EARLY) + record(90)), (1, flight)])
    if ended:
        talk.say(1, record(5000), think=0, at=talk.free[1])
    talk.say(0, (record(21) if ended else b"") + record(53))
    if not ended:
        talk.say(0, record(80))
        for length in after:
            talk.say(1, record(length))
    return Read(talk.capture())


def test_early_data_that_is_accepted():
    read = early(ended=True)
    assert read.has("EARLY_OFFERED", "EARLY_SENT", "EARLY_ENDED", "EARLY_REQUEST", "CLIENT_FINISHED")
    assert read.ms("early") == read.ms("request") == read.ms("hello")
    assert round(read.ms("response")) == 82
    assert read.over


def test_early_data_that_is_rejected():
    read = early(ended=False)
    assert read.has("EARLY_OFFERED", "EARLY_SENT", "CLIENT_FINISHED")
    assert not read.has("EARLY_ENDED")
    assert read.ms("request") > read.ms("client_finished")
    assert read.ms("response") > read.ms("request")


@pytest.mark.parametrize(("length", "candidates"), [(74, 2), (82, 2), (75, 1), (100, 2)])
def test_a_ticket_that_only_names_a_session_may_come_before_the_answer(length, candidates):
    """OpenSSL's of a server that takes early data, or whose stateless tickets are switched off."""
    read = early(ended=False, after=(length, 5000))
    assert read.candidate_count == candidates


def http2_over_12(*lengths, chosen=b"h2", before=(), again=False):
    """A connection of TLS 1.2 that agreed on this protocol, and application data of these lengths as the answer."""
    name = struct.pack(">HHHB", 16, len(chosen) + 3, len(chosen) + 1, len(chosen)) + chosen if chosen else b""
    extensions = bytes.fromhex("ff01000100") + name
    flight = hello_13()[5:].replace(bytes.fromhex("0006002b00020304"), struct.pack(">H", len(extensions)) + extensions)
    flight = b"\x02" + (len(flight) - 4).to_bytes(3, "big") + flight[4:]
    flight = struct.pack(">BHH", 22, 0x0303, len(flight)) + flight
    talk = Talk([(0, client_hello(alpn=b"\x02h2\x08http/1.1")), (1, flight + record(900, 22))])
    talk.say(0, record(70, 22) + record(1, 20) + record(40, 22))
    talk.say(1, record(1, 20) + record(40, 22) + b"".join(map(record, before)))
    talk.say(0, record(90))
    for length in lengths:
        talk.say(1, record(length))
    if again:
        at, *rest = talk.sent[-1]
        talk.sent.append((at + 300, *rest))
    return Read(talk.capture())


@pytest.mark.parametrize(
    ("lengths", "given", "response", "over"),
    [
        ((33, 600), {}, 1, True),
        ((99, 33, 600), {}, 2, True),
        ((100, 600), {}, 0, True),  # too long for SETTINGS
        ((33,), {}, 0, False),  # nothing else ever comes
        ((33, 600), {"chosen": b"http/1.1"}, 0, True),
        ((33, 600), {"chosen": b""}, 0, True),
    ],
)
def test_settings_of_http2_under_tls_12_are_no_response(lengths, given, response, over):
    read = http2_over_12(*lengths, **given)
    assert read.version == 0x0303
    assert (read.exchange.response_frame - read.exchange.request_frame, read.over) == (1 + response, over)
    assert not read.has("SPOKE_FIRST")


@pytest.mark.parametrize(
    ("lengths", "response", "others"),
    [
        ((33, 83), 1, []),  # an acknowledgment of SETTINGS has no room for a response
        ((41, 83), 1, []),
        ((66, 76), 0, [1]),  # either may be the response
        ((66, 76, 83), 0, [2]),
        ((66, 33, 41), 0, []),  # nor have PING and GOAWAY
        ((33, 41), 0, []),
    ],
)
def test_short_records_of_http2_under_tls_12_may_be_the_response_if_nothing_else_comes(lengths, response, others):
    read = http2_over_12(*lengths)
    assert read.exchange.response_frame - read.exchange.request_frame == 1 + response
    assert read.candidate_frame[0] == read.exchange.response_frame
    assert [frame - read.exchange.request_frame - 1 for frame in read.candidate_frame[1:] if frame] == others


def test_a_response_behind_settings_that_is_sent_again():
    """The client had the SETTINGS, and waited for the copy."""
    once, twice = http2_over_12(33, 600), http2_over_12(33, 600, again=True)
    assert round(twice.ms("response") - once.ms("response")) == 300
    assert twice.candidate_frame[0] == once.candidate_frame[0] == once.exchange.request_frame + 1


def test_what_an_http2_server_says_before_the_request_is_no_greeting():
    assert not http2_over_12(600, before=[64]).has("SPOKE_FIRST")
    greeted = http2_over_12(600, before=[64], chosen=b"http/1.1")
    assert (greeted.has("SPOKE_FIRST"), greeted.greeting_frame) == (True, 7)


def test_false_start():
    flight = hello_13().replace(bytes.fromhex("002b00020304"), bytes.fromhex("ff0100020000"))
    talk = Talk([(0, client_hello()), (1, flight + record(900, 22))])
    talk.say(0, record(70, 22) + record(1, 20) + record(40, 22) + record(100))
    talk.say(1, record(1, 20) + record(40, 22))
    talk.say(1, record(500))
    read = Read(talk.capture())
    assert read.version == 0x0303
    assert read.has("FALSE_START", "SERVER_FINISHED")
    assert read.ms("request") == read.ms("client_finished")
    assert read.over


def test_a_warning_is_no_end():
    talk = Talk([(0, client_hello())])
    talk.say(1, bytes.fromhex("15030100020170") + FLIGHT)
    talk.say(0, record(53))
    assert not Read(talk.capture()).has("ALERT")


# Fast Open (RFC 7413)


def fast_open(said, *, accepted):
    """The first of what is said rides on the SYN."""
    data = said[0][1]
    talk = Talk(opened=False)
    acked = frames.CLIENT_ISN + 1 + (len(data) if accepted else 0)
    options = frames.mss(1460)
    talk.opening = [
        (0.0, frames.syn(payload=data, options=options + frames.fast_open(b"cookie12"))),
        (40.0, frames.syn_ack(ack=acked, options=options)),
    ]
    talk.free = [40.0, 20.0]
    if accepted:
        talk.next[0] += len(data)
        talk.opening.append((40.01, frames.ack(seq=acked)))
    else:
        talk.opening.append((40.01, frames.ack()))
        talk.say(0, data, at=41.0)
    for each in said[1:]:
        talk.say(*each)
    return Read(talk.capture())


@pytest.mark.parametrize("accepted", [True, False])
def test_fast_open_with_a_plain_request(accepted):
    read = fast_open([(0, b"GET / HTTP/1.1\r\n\r\n"), (1, b"HTTP/1.1 200 OK\r\n\r\n")], accepted=accepted)
    assert read.ms("request") == (0 if accepted else 41)
    assert read.ms("response") is not None
    assert (read.setup, read.over) == (None, True), "as any other"


@pytest.mark.parametrize("accepted", [True, False])
def test_fast_open_with_a_hello(said, accepted):
    read = fast_open(said["1.3"], accepted=accepted)
    assert read.ms("hello") == (0 if accepted else 41)
    assert read.has("SERVER_HELLO", "CLIENT_FINISHED", "SERVER_FINISHED")
    assert read.facts[0] == b"lab.test"


# Plain text


def test_a_plain_request_has_no_row_of_its_own():
    read = Read(Talk([(0, b"GET / HTTP/1.1\r\n\r\n"), (1, b"HTTP/1.1 200 OK\r\n\r\n")]).capture())
    assert read.setup is None
    assert (round(read.ms("request")), round(read.ms("response"))) == (41, 82)
    assert read.over


def test_a_plain_request_that_tls_answers():
    read = Read(Talk([(0, b"GET / HTTP/1.1\r\n\r\n"), (1, bytes.fromhex("15030100020246"))]).capture())
    assert read.exchange.setup == EXCHANGE_ALERTED
    assert round(read.ms("response")) == 82


def test_the_path_is_the_least_time_to_an_acknowledgment():
    talk = Talk([(0, b"GET / HTTP/1.1\r\n\r\n")])
    talk.acknowledge(1, at=talk.free[1])
    talk.say(1, b"HTTP/1.1 200 OK\r\n\r\n", think=500)
    assert Read(talk.capture()).exchange.path == pytest.approx(40 * MS, abs=MS // 10)


def acknowledged_twice(first, second):
    """The path where these are the ms that the server takes longer than the network to acknowledge."""
    talk = Talk([(0, client_hello())])
    talk.acknowledge(1, at=talk.free[1] + first)
    talk.say(1, hello_13() + record(700) + record(53), think=100)
    talk.say(0, record(53))
    talk.acknowledge(1, at=talk.free[1] + second)
    return Read(talk.capture()).exchange.path / MS


def test_of_several_acknowledgments_the_fastest_counts():
    assert acknowledged_twice(9, 0) == pytest.approx(40, abs=0.1)
    assert acknowledged_twice(0, 9) == pytest.approx(40, abs=0.1)


def test_what_was_sent_twice_shows_no_path():
    """The acknowledgment may be for either copy (RFC 6298 section 3)."""
    talk = Talk([(0, client_hello())])
    sent = talk.sent[-1]
    talk.sent.append((sent[0] + 30, *sent[1:]))
    talk.acknowledge(1, at=talk.free[1])
    assert Read(talk.capture()).exchange.path == 0


def test_a_server_that_speaks_first():
    read = Read(Talk([(1, b"SSH-2.0-server\r\n"), (0, b"SSH-2.0-client\r\n"), (1, b"keys")]).capture())
    assert read.has("SPOKE_FIRST")
    assert [round(read.ms(each)) for each in ("greeting", "request", "response")] == [81, 82, 123]


def test_both_speak_at_once():
    talk = Talk()
    talk.say(0, b"SSH-2.0-client\r\n")
    talk.say(1, b"SSH-2.0-server\r\n", at=41.0, ack=frames.CLIENT_ISN + 1)
    talk.say(1, b"keys", at=80.0)
    read = Read(talk.capture())
    assert read.has("SPOKE_FIRST")
    assert round(read.ms("response")) == 100


# Waits


def nagle(*, delay=40, position=0, back=0.0, size=100, options=b""):
    """A client's second segment waits for the acknowledgment of the first, which comes late."""
    talk = Talk(position=position, options=options)
    talk.say(0, b"x" * size)
    acked = talk.free[1] + delay
    talk.acknowledge(1, at=acked)
    talk.say(0, b"y" * 100, at=acked + talk.way + back)
    talk.say(1, b"z" * 100)
    return Read(talk.capture())


@pytest.mark.parametrize("position", [0, 10, 20])
def test_nagle(position):
    ((reason, cost, side, delayed),) = nagle(position=position).waits
    assert (reason, side, delayed) == (EXTRA_NAGLE, 0, True)
    assert cost == pytest.approx(80, abs=1)


@pytest.mark.parametrize(
    "read",
    [
        nagle(back=1.1),  # later than the ACK let it: by itself
        nagle(back=-1.1),  # sooner than the ACK came
        nagle(back=2.1, position=20),
        nagle(back=-2.1, position=20),
        nagle(size=1460),  # a full packet waits for nothing
        nagle(size=1448, options=frames.timestamps(1, 1)),
    ],
    ids=["later", "sooner", "later, at the server", "sooner, at the server", "full", "full with options"],
)
def test_no_nagle(read):
    assert read.waits == []


@pytest.mark.parametrize(("position", "back"), [(0, 0.9), (20, 1.9), (20, -1.9)])
def test_as_exactly_as_clocks_and_kernels_can(position, back):
    """A millisecond, or a twentieth of the way from the capture to the client and back."""
    assert [reason for reason, *_ in nagle(position=position, back=back).waits] == [EXTRA_NAGLE]


def test_an_acknowledgment_in_time_is_not_delayed():
    assert nagle(delay=19.9).waits[0][3] is False
    assert nagle(delay=20).waits[0][3] is True


def test_a_window_that_is_full(said):
    talk = Talk(said["1.3"][:1])
    flight = said["1.3"][1][1][:127] + record(14600) + record(10000) + record(69)
    talk.say(1, flight[:14600])
    talk.acknowledge(0, at=talk.free[0], number=talk.next[1])
    talk.say(1, flight[14600:], at=talk.free[0] + talk.way)
    read = Read(talk.capture())
    assert [(reason, side) for reason, _, side, _ in read.waits] == [(EXTRA_WINDOW, 1)]
    assert read.waits[0][1] == pytest.approx(40, abs=1)


# Bounds


@pytest.mark.parametrize(("segments", "given_up"), [(63, False), (64, True)])
def test_reading_is_given_up(segments, given_up):
    talk = Talk()
    for _ in range(segments):
        talk.say(0, b"x" * 100, at=talk.free[0])
    talk.say(1, b"y")
    read = Read(talk.capture())
    assert read.over
    assert (read.exchange.setup & EXCHANGE_GIVEN_UP != 0) == given_up
    assert (read.ms("response") is None) == given_up


def test_no_reading():
    read = Read(Talk([(0, b"GET /"), (1, b"OK")]).capture(), reads=False)
    assert (read.exchange.request_ns, read.exchange.setup) == (0, 0)


def test_rows_are_used_again(said):
    """As many connections as a table of 16 rows sees 40 times, each with TLS that is under way."""
    made = []
    for number in range(640):
        hello = Talk([said["1.3"][0]], way=1).frames()
        port = struct.pack(">H", 1000 + number)
        made += [(ns + number * 10**7, frame.replace(struct.pack(">H", CLIENT[1]), port, 1)) for ns, frame in hello]
    read = Read(pcap(made, nano=True), limit=16)
    assert read.setups.setup_count <= 16
    assert read.setups.reading_count <= 16


def in_turns(talk, *, width, rounds):
    """The same talk of so many connections at once, and of others behind it."""
    made = []
    for number in range(width * rounds):
        port = struct.pack(">H", 1000 + number)
        for ns, frame in talk.frames():
            made.append((ns + number // width * 10**10, frame.replace(struct.pack(">H", CLIENT[1]), port, 1)))
    return pcap(sorted(made, key=lambda each: each[0]), nano=True)


def test_rows_used_for_reading_are_freed(said):
    """Buffers, for hellos in pieces, and the rows of what is under way: no more than were in use at once."""
    talk = Talk()
    for side, data in said["1.3"]:
        talk.say(side, data, size=100)
    read = Read(in_turns(talk, width=5, rounds=4))
    assert (read.setups.buffer_count, read.setups.reading_count, read.setups.setup_count) == (5, 5, 20)


def test_waits_are_freed_with_their_connections(said):
    """A table of 16 rows sees 160 connections, each of which lost its hello."""
    talk = Talk(said["1.3"][:1], way=1)
    talk.sent.append((talk.sent[0][0] + 300, *talk.sent[0][1:]))
    read = Read(in_turns(talk, width=1, rounds=160), limit=16)
    assert read.setups.extra_count <= 16
    rows = [read.setups.setup_rows[number] for number in range(read.setups.setup_count)]
    assert all(row.extras for row in rows if row.hello_frame)


def test_buffers_are_bounded():
    """Thousands of hellos that never end take no more than there is, and say so."""
    made = []
    for number in range(1500):
        talk = Talk([(0, client_hello()[:-10])], way=1)
        port = struct.pack(">H", 1000 + number)
        made += [
            (ns + number * 10**7, frame.replace(struct.pack(">H", CLIENT[1]), port, 1)) for ns, frame in talk.frames()
        ]
    read = Read(pcap(made, nano=True), limit=1 << 12)
    assert read.setups.buffer_count == 1024
    assert read.setups.starved == 1500 - 1024
    assert read.has("UNREAD")


# Hostile bytes


LENGTHS = st.sampled_from([0, 1, 2, 5, 17, 19, 21, 25, 53, 69, 100, 250, 1000, 16384, 16640, 65535])
RECORDS = st.builds(
    lambda kind, minor, length, body: struct.pack(">BBBH", kind, 3, minor, length) + body[:length],
    st.sampled_from([0, 20, 21, 22, 23, 24, 255]),
    st.integers(0, 5),
    LENGTHS,
    st.binary(max_size=300).map(lambda data: data + bytes(300)),
)
TAMPERED = st.builds(
    lambda data, at, value, cut: (data[: at % len(data)] + bytes([value]) + data[at % len(data) + 1 :])[:cut],
    st.sampled_from([client_hello(), client_hello(extra=EARLY, alpn=b"\x02h2"), FLIGHT, hello_13(), record(53)]),
    st.integers(0, 2000),
    st.integers(0, 255),
    st.integers(1, 2000),
)
PAYLOADS = st.one_of(RECORDS, TAMPERED, st.binary(min_size=1, max_size=40), st.sampled_from([client_hello(), FLIGHT]))
SEGMENTS = st.lists(
    st.tuples(
        st.integers(0, 1), PAYLOADS, st.sampled_from([1, 3, 50, 1460]),
        st.sampled_from([0, 0, 0, 0, 1, -1, 5, -5, 300, -300, 70000]),  # how far from where it belongs
        st.sampled_from([None, None, 40, 54, 60, 96]),  # bytes captured
    ),
    max_size=12,
)  # fmt: skip


def hostile(segments):
    """Frames of a connection whose ends say anything."""
    talk = Talk()
    for side, data, size, astray, _ in segments:
        talk.next[side] = (talk.next[side] + astray) % 2**32
        talk.say(side, data[: size * 40], size=size)
    snaps = [snap for *_, snap in segments] or [None]
    body = b""
    for number, (ns, frame) in enumerate(talk.frames()):
        kept = frame[: snaps[number % len(snaps)]] if number > 2 else frame
        body += struct.pack("<IIII", ns // 10**9, ns % 10**9, len(kept), len(frame)) + kept
    return pcap([], nano=True) + body


@given(SEGMENTS)
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_read(segments):
    read = Read(hostile(segments))
    row = read.setup
    if row is not None:
        assert row.candidate_count <= 6
        assert read.setups.names.refused == 0
        for name in ("hello", "server_hello", "client_finished", "greeting", "alert", "early"):
            assert (getattr(row, f"{name}_ns") == 0) == (getattr(row, f"{name}_frame") == 0), name
    assert (read.exchange.request_ns == 0) == (read.exchange.request_frame == 0)
    assert read.exchange.request_ns in range(START, START + 10**12) or not read.exchange.request_ns
