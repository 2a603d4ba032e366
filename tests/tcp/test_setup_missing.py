"""Frames of a set-up that the capture lacks, while both ends had them: what acknowledges them shows that they were."""

import pytest
from support import frames
from support.captures import pcap
from support.tls import (
    EARLY,
    ENDS,
    MS,
    RETRY_RANDOM,
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
from support.wire import report_of

from handshake_inspect.tcp.setup.facts import EXCHANGE_UNREAD, EXTRA_NAGLE, UPGRADES

FLIGHT = hello_13() + record(700) + record(53)
RETRY = hello_13().replace(bytes(32), RETRY_RANDOM, 1)
PADDING = bytes.fromhex("00150064") + bytes(100)  # an extension that makes a ClientHello as long as any is
ETHERNET_IPV4_TCP = 54
CHANGE = record(1, kind=20)
FLIGHT_12 = hello_13().replace(bytes.fromhex("002b00020304"), bytes.fromhex("ff0100020000")) + record(700, kind=22)
KEYS = record(70, kind=22) + CHANGE + record(40, kind=22)
LINE = b"PROXY TCP4 192.0.2.1 198.51.100.2 40000 443\r\n"


def retried():
    talk = Talk([(0, client_hello()), (1, RETRY), (0, CHANGE + client_hello(extra=PADDING)), (1, FLIGHT)])
    talk.say(0, CHANGE + record(53))
    talk.say(0, record(80))
    talk.say(1, record(5000))
    return talk


# A HelloRetryRequest


def test_a_second_hello_shows_that_it_was_asked_for():
    """RFC 8446 section 4.1.4; it acknowledges bytes of the server that the capture lacks."""
    talk = retried()
    asked = talk.sent.pop(1)
    read = Read(talk.capture())
    assert read.has("HELLO_RETRY", "HOLE")
    assert (read.retry_frame, read.hello_2_frame) == (0, 5)
    talk.sent.append((talk.sent[1][0] + 0.1, *asked[1:]))  # captured late, and not lost
    read = Read(talk.capture())
    assert read.has("HELLO_RETRY", "SERVER_HELLO", "CLIENT_FINISHED")
    assert not read.has("MALFORMED")
    assert (read.retry_frame, read.hello_2_frame) == (6, 5)


def test_a_second_hello_for_which_nobody_can_have_asked_is_none():
    talk = Talk([(0, client_hello())])
    talk.say(0, client_hello())
    talk.say(1, FLIGHT)
    assert not Read(talk.capture()).has("HELLO_RETRY")


@pytest.mark.parametrize("left", [6, 10, 11, 12, 13, 20])
def test_a_second_server_hello_shows_that_the_first_was_none(left):
    """Of each segment so many bytes are left: of the second hello nothing, its type, its header or more."""
    read = Read(retried().capture(ETHERNET_IPV4_TCP + left))
    assert read.has("CUT", "HELLO_RETRY", "SERVER_HELLO", "CLIENT_FINISHED")
    assert not read.has("SERVER_CHANGED")
    assert (read.version, read.retry_frame, read.server_hello_frame) == (0x0304, 5, 7)
    assert read.hello_2_frame == (0 if left == 6 else 6)


def test_two_server_hellos_in_one_flight_ask_for_nothing():
    """Between a HelloRetryRequest and the ServerHello its client speaks; of each segment twelve bytes are left."""
    talk = Talk([(0, client_hello())])
    talk.say(1, FLIGHT, think=1)
    talk.say(1, FLIGHT)
    talk.say(0, record(53))
    assert not Read(talk.capture(ETHERNET_IPV4_TCP + 12)).has("HELLO_RETRY")


@pytest.mark.parametrize("left", [12, 2000])
def test_a_hello_that_was_asked_for_again_has_no_answer_yet(left):
    """Where the capture ends behind it; of each segment so many bytes are left."""
    talk = retried()
    last = next(i for i, sent in enumerate(talk.sent) if i > 1 and sent[1] == 1)
    talk.sent = talk.sent[:last]
    read = Read(talk.capture(ETHERNET_IPV4_TCP + left))
    assert (read.retry_frame, read.hello_2_frame) == (5, 6)
    assert (read.server_hello_ns, read.server_hello_frame, read.has("SERVER_HELLO")) == (0, 0, False)


def test_a_capture_that_begins_with_the_second_hello():
    """The server's ChangeCipherSpec before its ServerHello follows a HelloRetryRequest (RFC 8446 appendix D.4)."""
    talk = Talk([(0, client_hello()), (1, CHANGE + FLIGHT)], opened=False)
    talk.say(0, record(53))
    talk.say(0, record(80))
    read = Read(talk.capture())
    assert read.has("TLS", "HELLO_RETRY", "SERVER_HELLO", "CLIENT_FINISHED")
    assert not read.has("NOT_TLS")
    assert Read(Talk([(0, client_hello()), (1, CHANGE + FLIGHT)]).capture()).has("NOT_TLS")


@pytest.mark.parametrize(
    ("behind", "turned", "version"),
    [
        (record(40, kind=22), False, 0x0303),  # AES-GCM
        (record(64, kind=22), False, 0x0303),  # AES-CBC
        (record(53), False, 0x0304),
        (record(53) + record(17), False, 0),  # a Finished of 1.3 and a request, or a longer Finished of 1.2
        (record(40, kind=22), True, 0x0304),
    ],
)
def test_what_is_cut_off_behind_change_cipher_spec_is_known_by_its_length(behind, turned, version):
    """And by a client that goes on by itself."""
    resumed = FLIGHT_12[: -len(record(700))] + CHANGE + record(40, kind=22)
    talk = Talk([(0, client_hello()), (1, FLIGHT if version == 0x0304 else resumed), (0, CHANGE + behind)])
    if turned:
        talk.say(1, record(300))
    talk.say(0, record(80))
    talk.say(1, record(5000))
    assert Read(talk.capture(ETHERNET_IPV4_TCP + 6)).version == version


@pytest.mark.parametrize("finished", [53, 69])
@pytest.mark.parametrize("left", [6, 7, 9, 10, 11, 12])
def test_a_finished_that_was_cut_ends_with_its_segment(left, finished):
    """Behind ChangeCipherSpec, as OpenSSL's clients send it: its header is cut, and the request is the next segment."""
    talk = Talk([(0, client_hello()), (1, FLIGHT), (0, CHANGE + record(finished))])
    talk.say(0, record(80))
    talk.say(0, record(finished))  # which goes on with the request, and looks like a Finished
    talk.say(1, record(5000))
    read = Read(talk.capture(ETHERNET_IPV4_TCP + left))
    assert read.has("CUT", "CLIENT_FINISHED")
    assert not read.has("CERTIFICATE_SENT")
    assert (read.version, read.client_finished_frame) == (0x0304, 6)
    assert (read.exchange.request_frame, read.exchange.response_frame) == (7, 9)


# The ClientHello


@pytest.mark.parametrize("version", [TLS12, TLS13])
@pytest.mark.parametrize("alpn", [(), ("h2",)])
def test_a_client_hello_that_is_missing_takes_along_what_only_it_shows(version, alpn):
    said = handshake(client(version, alpn=alpn), server(version, alpn=alpn))
    whole, talk = Talk(said), Talk(said)
    del talk.sent[0]
    (with_it,), (without,) = (report_of(each.capture())["connections"] for each in (whole, talk))
    spans, less = with_it["setup"]["spans"], without["setup"]["spans"]
    same = ("tcp", "before_request", "response", "first_byte")
    assert [less[name]["value_ns"] for name in same] == [spans[name]["value_ns"] for name in same]
    assert [less[name]["reason"] for name in ("before_tls", "tls")] == ["unknown", "unknown"]
    assert (without["setup"]["round_trips"], without["setup"]["server"]["hello"]) == (None, None)
    assert without["setup"]["milestones"]["client_hello"] is None
    told = ("outcome", "version", "kind", "cipher", "group", "server_flight_bytes")
    assert [without["tls"][name] for name in told] == [with_it["tls"][name] for name in told]
    assert (without["tls"]["server_name"], without["tls"]["client_hello_bytes"]) == (None, None)
    assert without["setup"]["speaks_first"] == "client"


def test_a_capture_that_begins_with_the_server_hello():
    talk = Talk([(1, FLIGHT), (0, record(53)), (0, record(80)), (1, record(5000))], opened=False)
    read = Read(talk.capture())
    assert read.has("TLS", "SERVER_HELLO", "CLIENT_FINISHED")
    assert (read.hello_frame, read.exchange.request_frame, read.exchange.response_frame) == (0, 3, 4)


@pytest.mark.parametrize("sooner", [False, True])
def test_a_close_behind_early_data_that_is_missing_is_no_failure(sooner):
    """The capture begins behind it: EndOfEarlyData shows that it was accepted, and it may have been answered."""
    close = record(19)
    talk = Talk(
        [(1, hello_13() + record(53) + record(600) + close * sooner), (0, record(21) + record(53))], opened=False
    )
    if not sooner:
        talk.say(1, close)
    read = Read(talk.capture())
    assert read.has("EARLY_ENDED", "CLIENT_FINISHED")
    assert not read.has("ALERT")


def test_a_hello_of_which_the_first_segment_is_missing():
    """The second one waits for it in a buffer, until the server's answer shows that nothing will come."""
    talk = Talk()
    talk.say(0, client_hello(extra=PADDING), size=60)
    for side, data in ((1, FLIGHT), (0, record(53)), (0, record(80)), (1, record(5000))):
        talk.say(side, data)
    del talk.sent[0]
    read = Read(talk.capture())
    assert read.has("TLS", "SERVER_HELLO", "CLIENT_FINISHED")
    assert not read.has("HOLE")
    assert read.setups.buffer_count == 1
    assert read.setups.buffer_rows[0].owner == 0  # given back
    assert read.ms("request") < read.ms("response")


# Who spoke first


def test_what_acknowledges_bytes_that_are_missing_is_no_greeting():
    talk = Talk([(0, b"ping"), (1, b"pong"), (0, b"ping"), (1, b"pong")])
    del talk.sent[0]
    assert not Read(talk.capture()).has("SPOKE_FIRST")


def test_data_of_tls_12_that_acknowledge_bytes_that_are_missing_are_no_greeting():
    talk = Talk([(0, client_hello()), (1, FLIGHT_12), (0, KEYS), (1, CHANGE + record(40, kind=22))])
    talk.say(0, record(80))
    talk.say(1, record(500))
    assert Read(talk.capture()).has("TLS", "SERVER_FINISHED")
    del talk.sent[-2]
    read = Read(talk.capture())
    assert not read.has("SPOKE_FIRST")
    assert (read.greeting_frame, read.exchange.request_frame, read.exchange.response_frame) == (0, 0, 0)


def test_a_server_hello_is_no_answer_to_a_header_of_the_proxy_protocol():
    talk = Talk([(0, LINE)])
    talk.say(0, client_hello())
    talk.say(1, FLIGHT)
    del talk.sent[1]
    read = Read(talk.capture())
    assert (read.exchange.request_frame, read.exchange.response_frame) == (0, 0)
    assert (UPGRADES[read.upgrade], read.has("TLS", "SERVER_HELLO"), read.hello_frame) == ("other", True, 0)


# The SYN


def test_a_hello_behind_text_is_found_without_a_syn():
    """What comes behind the client's first bytes begins where they end, whether or not the SYN was captured."""
    talk = Talk([(0, LINE)])
    for side, data in ((0, client_hello()), (1, FLIGHT), (0, record(53)), (0, record(80)), (1, record(5000))):
        talk.say(side, data)
    del talk.opening[0]
    read = Read(talk.capture())
    assert (UPGRADES[read.upgrade], read.has("TLS", "CLIENT_FINISHED", "SERVER_FINISHED")) == ("other", True)
    assert read.waits == []
    assert not read.has("HOLE")


# Waits


@pytest.mark.parametrize("missing", [False, True])
def test_who_acknowledges_data_that_are_missing_may_have_waited_for_them(missing):
    """No data of either side until a bare ACK: that is Nagle's algorithm, and no answer that the capture lacks is."""
    talk = Talk()
    talk.say(0, b"EHLO me\r\n")
    acked = talk.free[1] + 40
    talk.acknowledge(1, at=acked)
    if missing:
        talk.next[1] += 20
    talk.say(0, b"QUIT\r\n", at=acked + talk.way)
    assert [reason for reason, *_ in Read(talk.capture()).waits] == ([] if missing else [EXTRA_NAGLE])


# Early data that goes on


def test_what_answers_early_data_counts_before_its_end():
    """Early data goes on after ServerHello, and looks like a Finished and a request until EndOfEarlyData."""
    talk = Talk([(0, client_hello(extra=EARLY)), (1, FLIGHT)])
    talk.say(0, record(300))
    talk.say(0, record(310))
    talk.say(1, record(400))
    talk.say(0, record(21) + record(53))
    talk.say(1, record(6000))
    read = Read(talk.capture())
    assert read.has("EARLY_ENDED", "EARLY_REQUEST", "CLIENT_FINISHED")
    assert (read.exchange.request_frame, read.exchange.response_frame) == (6, 8)
    assert list(read.candidate_length)[:2] == [400, 6000]
    assert read.client_finished_frame == 9


# Alerts


def test_an_alert_of_two_bytes_is_in_the_clear_wherever_it_comes():
    """Nothing that is encrypted is so short."""
    talk = Talk([(0, client_hello()), (1, FLIGHT_12), (0, KEYS), (1, CHANGE + bytes.fromhex("15030300020214"))])
    read = Read(talk.capture())
    assert read.has("ALERT", "ALERT_SERVER")
    assert (read.has("ALERT_ENCRYPTED"), read.alert_level, read.alert_code) == (False, 2, 20)


# The server's flight


@pytest.mark.parametrize(("missing", "ends", "size"), [(None, True, 2908), (3, True, 0), (4, False, 0)])
def test_a_flight_with_a_segment_missing_has_no_size_and_perhaps_no_end(missing, ends, size):
    talk = Talk([(0, client_hello())])
    talk.say(1, (hello_13() + record(2760) + record(53))[:2908].ljust(2908, b"\0"), size=970)
    talk.say(0, record(53))
    if missing is not None:
        del talk.sent[missing - 1]
    read = Read(talk.capture())
    assert (bool(read.flight_ns), read.server_flight_bytes) == (ends, size)


# No byte of the text


@pytest.mark.parametrize("left", [0, 2, 5])
def test_text_of_which_nothing_is_left_may_lead_to_tls(left):
    """Nor is what may be a ClientHello of which its type is cut off: TLS or not, nobody knows."""
    talk = Talk([(1, b"220 files\r\n"), (0, b"AUTH TLS\r\n"), (1, b"234 go\r\n"), (0, client_hello()), (1, FLIGHT)])
    assert Read(talk.capture(ETHERNET_IPV4_TCP + left)).exchange.setup & EXCHANGE_UNREAD
    assert not Read(talk.capture(ETHERNET_IPV4_TCP + 6)).exchange.setup & EXCHANGE_UNREAD


def flight_bytes(talk):
    (connection,) = report_of(talk.capture())["connections"]
    return connection["tls"]["server_flight_bytes"]


def test_what_answers_a_client_s_flight_that_is_missing_is_none_of_the_server_s_flight():
    said = [(0, client_hello()), (1, FLIGHT_12), (0, KEYS), (1, CHANGE + record(40, kind=22))]
    talk = Talk([*said, (0, record(80)), (1, record(5000))])
    assert flight_bytes(talk) == len(FLIGHT_12)
    for missing in ({2}, {2, 4}, {0, 2, 4}):
        talk = Talk([*said, (0, record(80)), (1, record(5000))])
        talk.sent = [each for at, each in enumerate(talk.sent) if at not in missing]
        assert flight_bytes(talk) == len(FLIGHT_12)


@pytest.mark.parametrize("size", [1460, 400])
def test_a_server_s_flight_that_is_stored_behind_the_client_s_ends_where_that_acknowledges_it(size):
    """What the server sends after the client's flight, up to its own Finished, is no part of its first."""
    certificates = FLIGHT_12 + record(1200, kind=22)
    talk = Talk([(0, client_hello())])
    talk.say(1, certificates, size=size)
    for side, data in ((0, KEYS), (1, CHANGE + record(40, kind=22)), (0, record(80)), (1, record(5000))):
        talk.say(side, data)
    assert flight_bytes(talk) == len(certificates)
    keys = next(at for at, each in enumerate(talk.sent) if each[4] == KEYS)
    talk.sent.insert(1, talk.sent.pop(keys))
    talk.sent = [(50.0 + at, *each[1:]) for at, each in enumerate(talk.sent)]
    assert flight_bytes(talk) == len(certificates)


def test_early_data_that_are_missing_leave_the_size_of_the_server_s_flight():
    """All of it acknowledges them."""
    flight = hello_13() + record(2760) + record(53)
    talk = Talk([(0, client_hello(extra=EARLY))])
    talk.say(0, record(300))
    for side, data in ((1, flight), (0, record(21) + record(53)), (1, record(5000))):
        talk.say(side, data)
    del talk.sent[1]
    assert flight_bytes(talk) == len(flight)


def test_a_flight_that_goes_on_behind_the_end_of_the_capture_has_no_size():
    talk = Talk([(0, client_hello()), (1, hello_13() + record(2760) + record(53))])
    del talk.sent[-1]
    assert flight_bytes(talk) is None


def test_the_end_of_a_server_is_no_byte_that_is_missing():
    """It answered accepted early data and closed, before the client went on: that acknowledges its FIN, too."""
    flight = hello_13() + record(53)
    talk = Talk([(0, client_hello(extra=EARLY) + record(300)), (1, flight), (1, record(5000))])
    closed = frames.fin(*ENDS[::-1], seq=talk.next[1], ack=talk.next[0])
    at = talk.free[0]
    talk.say(0, record(21) + record(53), at=at + 1, ack=talk.next[1] + 1)
    capture = pcap(sorted([*talk.frames(), (START + round(at * MS), closed)], key=lambda each: each[0]), nano=True)
    (connection,) = report_of(capture)["connections"]
    assert connection["tls"]["early_data"] == "accepted"
    assert connection["tls"]["server_flight_bytes"] == len(flight)
    assert connection["setup"]["client"]["finished"]["value_ns"] is not None


# False starts (RFC 7918)


def early(missing):
    """The client's data cross the server's ChangeCipherSpec and Finished."""
    talk = Talk([(0, client_hello()), (1, FLIGHT_12), (0, KEYS)])
    talk.say(0, record(80))
    talk.say(1, CHANGE + record(40, kind=22))
    talk.say(1, record(5000))
    del talk.sent[missing]
    (connection,) = report_of(talk.capture())["connections"]
    return connection


def test_a_server_that_had_more_than_the_client_s_flight_shows_a_false_start():
    connection = early(missing=3)
    assert connection["tls"]["false_start"]
    assert round(connection["setup"]["spans"]["tls"]["value_ns"] / 1e6) == 42


def test_without_the_client_s_flight_nobody_knows_when_it_could_ask():
    span = early(missing=2)["setup"]["spans"]["tls"]
    assert (span["method"], span["reason"], span["value_ns"]) == ("none", "unknown", None)


# Alerts behind what is missing


@pytest.mark.parametrize("missing", [0, 3])
def test_an_alert_in_place_of_an_answer_leaves_open_whether_tls_was_established(missing):
    """The ClientHello or the request is missing, and the server ends with a record as long as an alert."""
    talk = Talk([(0, client_hello()), (1, FLIGHT), (0, record(25) + record(53))])
    talk.say(0, record(80))
    talk.say(1, record(19))
    del talk.sent[missing]
    (connection,) = report_of(talk.capture())["connections"]
    assert connection["tls"]["outcome"] == "unknown"


# Round trips


@pytest.mark.parametrize("missing", ["syn", "request"])
def test_how_often_the_client_waited_is_not_known_of_a_part(missing):
    talk = Talk([(0, client_hello()), (1, FLIGHT), (0, record(53))])
    talk.say(0, record(80))
    talk.say(1, record(5000))
    if missing == "syn":
        del talk.opening[0]
    else:
        del talk.sent[3]
    (connection,) = report_of(talk.capture())["connections"]
    assert connection["setup"]["round_trips"] is None


@pytest.mark.parametrize("position", [0, 10, 20])
def test_nagle_s_algorithm_where_the_syn_ack_is_missing(position):
    """The SYN and the final ACK are a round trip apart, of which the path to the server is known."""
    talk = Talk([(0, client_hello()), (1, FLIGHT), (0, record(53))], position=position)
    talk.acknowledge(1, at=61.1)
    acked = talk.free[1] + 40
    talk.acknowledge(1, at=acked)
    talk.say(0, record(80), at=acked + talk.way)
    del talk.opening[1]
    assert [reason for reason, *_ in Read(talk.capture()).waits] == [EXTRA_NAGLE]


# The snap length


@pytest.mark.parametrize("ticket", [b"", record(200, kind=22)])
def test_a_session_that_is_resumed_shows_by_a_client_that_needs_no_keys(ticket):
    """ServerHello was captured whole, and nothing behind it; the client sends ChangeCipherSpec at once."""
    hello = FLIGHT_12[: -len(record(700, kind=22))]
    finished = CHANGE + record(40, kind=22)
    talk = Talk([(0, client_hello()), (1, hello + ticket + finished), (0, finished + record(80)), (1, record(5000))])
    (connection,) = report_of(talk.capture(ETHERNET_IPV4_TCP + len(hello)))["connections"]
    assert (connection["tls"]["version"], connection["tls"]["kind"]) == ("1.2", "resumed")
    assert not connection["tls"]["false_start"]


def test_what_the_snap_length_took_may_be_the_request_that_the_server_answers():
    hello = FLIGHT_12[: -len(record(700, kind=22))]
    finished = CHANGE + record(40, kind=22)
    talk = Talk([(0, client_hello()), (1, hello + finished), (0, finished + record(80)), (1, record(5000))])
    (connection,) = report_of(talk.capture(ETHERNET_IPV4_TCP + 14))["connections"]
    assert connection["setup"]["speaks_first"] == "client"
    assert connection["setup"]["milestones"]["greeting"] is None


# Both hellos, and the text before them


SMTP = [
    (1, b"220 mail ESMTP\r\n"), (0, b"EHLO me\r\n"), (1, b"250 STARTTLS\r\n"), (0, b"STARTTLS\r\n"), (1, b"220 go\r\n"),
]  # fmt: skip


def upgraded(*missing):
    """SMTP, STARTTLS and TLS, without these of what was said."""
    talk = Talk([*SMTP, (0, client_hello()), (1, FLIGHT), (0, record(53))])
    talk.say(0, record(80))
    talk.say(1, record(5000), size=6000)
    talk.sent = [each for at, each in enumerate(talk.sent) if at not in missing]
    (connection,) = report_of(talk.capture())["connections"]
    return connection


@pytest.mark.parametrize("text", [0, 2, 4])
def test_a_server_hello_behind_text_that_is_missing_shows_that_tls_began(text):
    """The ClientHello is missing as well; the client has acknowledged both."""
    whole, connection = upgraded(), upgraded(text, 5)
    assert (connection["tls"]["outcome"], connection["tls"]["version"]) == ("established", "1.3")
    assert (connection["setup"]["upgrade"], connection["setup"]["round_trips"]) == ("smtp", None)
    for name in ("tcp", "before_request", "response", "first_byte"):
        values = [each["setup"]["spans"][name]["value_ns"] for each in (whole, connection)]
        assert values[0] == values[1]


def test_a_greeting_and_the_first_command_that_are_missing_leave_open_who_spoke_first():
    assert upgraded()["setup"]["speaks_first"] == "server"
    assert upgraded(0, 1)["setup"]["speaks_first"] is None


@pytest.mark.parametrize("upgrade", [False, True])
def test_without_both_hellos_nobody_knows_what_was_set_up(upgrade):
    """What comes then are records, and no request."""
    said = [(0, client_hello()), (1, FLIGHT), (0, CHANGE + record(53)), (0, record(80)), (1, record(5000))]
    talk = Talk([*SMTP, *said] if upgrade else said)
    at = 5 * upgrade
    del talk.sent[at : at + 2]
    (connection,) = report_of(talk.capture())["connections"]
    assert (connection["setup"], connection["tls"]) == (None, None)


# What cannot be known is null


def test_whether_a_hello_was_asked_for_again_is_not_known_without_it():
    talk = retried()
    del talk.sent[1:3]
    (connection,) = report_of(talk.capture())["connections"]
    assert connection["tls"]["hello_retry"] is None
    talk = retried()
    del talk.sent[:3]
    (connection,) = report_of(talk.capture())["connections"]
    assert (connection["tls"]["version"], connection["tls"]["hello_retry"]) == ("1.3", None)


@pytest.mark.parametrize(
    ("flight", "retried"),
    [(hello_13() + CHANGE + record(700) + record(53), False), (FLIGHT, None), (FLIGHT_12, False)],
)
def test_a_capture_that_begins_with_the_server_hello_may_lack_what_was_before(flight, retried):
    """ChangeCipherSpec follows the server's first message (RFC 8446 appendix D.4), and TLS 1.2 has no such request."""
    talk = Talk([(0, client_hello()), (1, flight)])
    talk.opening, talk.sent = [], talk.sent[1:]
    talk.say(0, CHANGE + record(53, kind=22 if flight == FLIGHT_12 else 23))
    (connection,) = report_of(talk.capture())["connections"]
    assert connection["tls"]["hello_retry"] is retried


@pytest.mark.parametrize(("missing", "known"), [(None, False), (2, None), (3, None)])
def test_whether_a_client_started_early_is_not_known_where_its_flight_or_the_server_s_is_missing(missing, known):
    talk = Talk([(0, client_hello()), (1, FLIGHT_12), (0, KEYS), (1, CHANGE + record(40, kind=22))])
    talk.say(0, record(80))
    talk.say(1, record(500))
    if missing is not None:
        del talk.sent[missing]
    (connection,) = report_of(talk.capture())["connections"]
    assert connection["tls"]["false_start"] is known


# The end of the server's flight


def parts(order):
    """The server's flight in three segments, captured in this order with what the client says then."""
    talk = Talk([(0, client_hello())])
    flight = hello_13() + record(30) + record(2000) + record(53)
    talk.say(1, flight, size=len(flight) // 3 + 1)
    talk.say(0, record(53))
    talk.say(0, record(80))
    talk.say(1, record(5000), size=6000)
    begun = talk.sent[1][0]
    talk.sent[1:7] = [(begun + place, *talk.sent[1 + at][1:]) for place, at in enumerate(order)]
    return Read(talk.capture())


@pytest.mark.parametrize("middle", [3, 4, 5])
def test_a_part_of_the_server_s_flight_that_is_captured_late_leaves_its_end_as_it_is(middle):
    """Behind the client's Finished, too; and its records are no tickets."""
    order = [0, 2, 3, 4, 5]
    order.insert(middle - 1, 1)
    read = parts(order)
    assert read.has("SERVER_FINISHED", "CLIENT_FINISHED")
    assert (read.ticket_length, list(read.candidate_length)[:2]) == (0, [5000, 0])
    assert (read.server_finished_frame, read.client_finished_frame) == (6, 8 - (middle > 3))


def test_a_server_s_flight_of_which_a_part_is_missing_has_no_end():
    talk = Talk([(0, client_hello())])
    talk.say(1, hello_13() + record(30) + record(2000) + record(53), size=700)
    talk.say(0, record(53))
    del talk.sent[2]
    assert (Read(talk.capture()).server_finished_frame, Read(talk.capture()).client_finished_frame) == (0, 8)


# The SYN-ACK and the final ACK


@pytest.mark.parametrize("said", [SMTP, [(0, b"GET / HTTP/1.1\r\n\r\n"), (1, b"HTTP/1.1 200 OK\r\n\r\n")]])
def test_what_stands_in_for_the_handshake_bounds_it(said):
    """An acknowledgment of the greeting, or data: the client sent its final ACK sooner."""
    whole, talk = Talk(said), Talk(said)
    for each in (whole, talk):
        each.acknowledge(0, at=70)
        each.say(0, b"more\r\n", at=90)
    del talk.opening[1:]
    (with_it,), (without,) = (report_of(each.capture())["connections"] for each in (whole, talk))
    span, real = (each["setup"]["spans"]["tcp"] for each in (without, with_it))
    assert (span["method"], span["value_ns"], real["value_ns"]) == ("ambiguous", None, 40 * MS)
    assert span["min_ns"] <= 40 * MS <= span["max_ns"]


def test_without_the_handshake_the_way_to_a_server_that_thinks_is_not_known():
    """Its only answers are data: what of them was the network's, nobody knows."""
    talk = Talk([(0, b"GET / HTTP/1.1\r\n\r\n")])
    talk.say(1, b"HTTP/1.1 200 OK\r\n\r\n", think=30)
    (whole,) = report_of(talk.capture())["connections"]
    assert round(whole["setup"]["server"]["response"]["value_ns"] / MS) == 30
    del talk.opening[0]
    (connection,) = report_of(talk.capture())["connections"]
    took = connection["setup"]["server"]["response"]
    assert (took["value_ns"], took["min_ns"], round(took["max_ns"] / MS)) == (None, 0, 70)


def test_a_server_hello_that_was_captured_behind_the_client_s_flight_makes_no_greeting_of_the_answer():
    talk = Talk([(0, client_hello()), (1, FLIGHT_12), (0, KEYS), (1, CHANGE + record(40, kind=22))])
    talk.say(0, record(80))
    talk.say(1, record(500))
    begun = talk.sent[2][0]
    talk.sent[1] = (begun + 0.5, *talk.sent[1][1:])
    (connection,) = report_of(talk.capture())["connections"]
    assert connection["setup"]["speaks_first"] == "client"
    assert connection["setup"]["milestones"]["greeting"] is None
