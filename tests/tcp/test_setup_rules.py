"""Rules of reading a set-up at their edges: lengths of records, versions, waits, and what only looks like TLS."""

import struct

import pytest
from support import frames
from support.captures import pcap
from support.tls import (
    CCM_8,
    EARLY,
    RETRY_RANDOM,
    TLS12,
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
    EXTRA_LOSS,
    EXTRA_NAGLE,
    EXTRA_WINDOW,
    SETUP_ALERT,
    SPAN_RESPONSE,
    SPAN_TLS,
    UPGRADES,
)

FLIGHT = hello_13() + record(700) + record(53)
AES_256 = 0x1302


def talk_13(*client_records, cipher=0x1301, finished=53, extra=b"", after=()):
    """A handshake of TLS 1.3 in which the client sends these records in one flight; then what the server sends."""
    talk = Talk([(0, client_hello(extra=extra)), (1, hello_13(cipher) + record(700) + record(finished))])
    talk.say(0, b"".join(map(record, client_records)))
    for length in after:
        talk.say(1, record(length))
    return talk


# Lengths (RFC 8446 sections 4 and 5.2): a Finished, an empty Certificate, EndOfEarlyData, an alert


@pytest.mark.parametrize(
    ("cipher", "finished", "empty", "ended"), [(0x1301, 53, 25, 21), (AES_256, 69, 25, 21), (CCM_8, 45, 17, 13)]
)
def test_lengths_by_which_messages_are_known(cipher, finished, empty, ended):
    suite = {"cipher": cipher, "finished": finished}
    assert Read(talk_13(empty, finished, **suite).capture()).has("CERTIFICATE_WITHHELD", "CLIENT_FINISHED")
    read = Read(talk_13(ended, finished, extra=EARLY, **suite).capture())
    assert read.has("EARLY_ENDED", "CLIENT_FINISHED")
    assert not read.has("CERTIFICATE_SENT")
    assert not Read(talk_13(ended, finished, **suite).capture()).has("EARLY_ENDED")  # nothing of it was offered


@pytest.mark.parametrize(("cipher", "finished", "alert"), [(0x1301, 53, 19), (AES_256, 69, 19), (CCM_8, 45, 11)])
def test_the_length_of_an_encrypted_alert(cipher, finished, alert):
    read = Read(talk_13(finished, cipher=cipher, finished=finished, after=[alert]).capture())
    assert read.has("ALERT", "ALERT_SERVER", "ALERT_ENCRYPTED", "ALERT_LATE")
    read = Read(talk_13(finished, cipher=cipher, finished=finished, after=[alert + 1]).capture())
    assert not read.has("ALERT")


def test_a_finished_far_behind_is_none():
    """Certificate, CertificateVerify and EndOfEarlyData may come before it; nothing else does."""
    assert Read(talk_13(900, 90, 80, 80, 53).capture()).has("CERTIFICATE_SENT")
    read = Read(talk_13(900, 90, 80, 80, 80, 53).capture())
    assert read.has("CLIENT_FINISHED")
    assert not read.has("CERTIFICATE_SENT")
    assert read.client_finished_frame == read.exchange.request_frame  # one segment held both


@pytest.mark.parametrize("acked", [True, False])
def test_what_does_not_acknowledge_server_hello_is_early_data_wherever_it_passes_the_capture(acked):
    talk = Talk([(0, client_hello(extra=EARLY)), (1, FLIGHT)])
    talk.say(0, record(900), ack=talk.next[1] if acked else talk.isns[1] + 1)
    read = Read(talk.capture())
    assert (read.has("EARLY_SENT"), read.has("CLIENT_FINISHED")) == (not acked, acked)


ALERTS = {"unknown_ca": bytes.fromhex("15030300020230"), "a warning": bytes.fromhex("15030300020170")}


def test_an_alert_in_the_clear_behind_change_cipher_spec():
    """OpenSSL's clients send it so; ChangeCipherSpec means nothing in TLS 1.3 (RFC 8446 section 5)."""
    read = Read(Talk([(0, client_hello()), (1, FLIGHT), (0, record(1, 20) + ALERTS["unknown_ca"])]).capture())
    assert read.has("ALERT")
    assert not read.has("ALERT_ENCRYPTED")
    assert (read.alert_level, read.alert_code) == (2, 48)
    assert (read.alert_frame, round(read.ms("alert"))) == (6, 83)


@pytest.mark.parametrize("side", [0, 1])
def test_whose_the_alert_is_that_counts(side):
    """The one that ended it, and not who had warned."""
    talk = Talk([(0, client_hello()), (side ^ 1, ALERTS["a warning"]), (side, ALERTS["unknown_ca"])])
    read = Read(talk.capture())
    assert (read.alert_level, read.has("ALERT_SERVER")) == (2, bool(side))


@pytest.mark.parametrize(("client", "server", "stays"), [([53, 19], [5000], True), ([53, 19, 80], [], False)])
def test_an_alert_of_the_client_stays_though_the_server_goes_on(client, server, stays):
    """That may have been sent before it knew; but who sent it would not go on."""
    assert Read(talk_13(*client, after=server).capture()).has("ALERT") == stays


def test_an_alert_of_the_server_stays_though_the_client_goes_on():
    """It may have sent that before it knew."""
    talk = talk_13(53, after=[19])
    talk.say(0, record(80))
    assert Read(talk.capture()).has("ALERT", "ALERT_SERVER", "ALERT_ENCRYPTED")


def test_an_alert_in_the_clear_stays_though_early_data_ended():
    """Of which the capture has no more than its end: that takes back only what looked like a close."""
    refusal = bytes.fromhex("15030300020228")
    talk = Talk([(0, client_hello(extra=EARLY)), (1, FLIGHT + refusal)])
    talk.say(0, record(21) + record(53))
    read = Read(talk.capture())
    assert read.has("EARLY_ENDED", "ALERT", "ALERT_SERVER")
    assert (read.alert_level, read.alert_code) == (2, 40)


@pytest.mark.parametrize("order", [("a warning", "unknown_ca"), ("unknown_ca", "a warning")])
def test_of_a_warning_and_a_fatal_alert_the_fatal_one_counts(order):
    read = Read(Talk([(0, client_hello()), (1, ALERTS[order[0]] + ALERTS[order[1]])]).capture())
    assert (read.alert_level, read.alert_code) == (2, 48)


def test_an_alert_is_no_request():
    read = Read(talk_13(53, 19).capture())
    assert read.has("CLIENT_FINISHED", "ALERT", "ALERT_ENCRYPTED")
    assert not read.has("ALERT_SERVER")
    assert read.ms("request") is None


def test_who_goes_on_after_an_alert_sent_none():
    read = Read(talk_13(53, 19, 80, after=[5000]).capture())
    assert not read.has("ALERT")
    assert (read.alert_level, read.alert_code, read.alert_ns, read.alert_frame) == (0, 0, 0, 0)
    assert read.ms("request") is not None
    assert read.ms("response") is not None


def test_an_alert_behind_a_response_is_a_close():
    for length in (5000, 676):  # surely the response, and perhaps
        read = Read(talk_13(53, 80, after=[length, 19]).capture())
        assert read.ms("response") is not None
        assert not read.has("ALERT")


def test_what_was_sent_before_the_request_had_come_answers_nothing():
    """Data that a server sends with its Finished (RFC 8446 section 2.3)."""
    talk = Talk([(0, client_hello()), (1, FLIGHT + record(6000)), (0, record(53) + record(80))])
    assert Read(talk.capture()).ms("response") is None
    talk.say(1, record(7000))
    read = Read(talk.capture())
    assert list(read.candidate_length[: read.candidate_count]) == [7000]


# TLS 1.2


def hello_12(resumed=b""):
    return hello_13().replace(bytes.fromhex("002b00020304"), bytes.fromhex("ff0100020000")) + resumed


def test_an_encrypted_alert_of_tls12():
    talk = Talk([(0, client_hello()), (1, hello_12() + record(900, 22))])
    talk.say(0, record(70, 22) + record(1, 20) + record(40, 22))
    talk.say(1, record(26, 21))
    assert Read(talk.capture()).has("ALERT", "ALERT_SERVER", "ALERT_ENCRYPTED", "ALERT_LATE")


def test_a_hole_in_a_request_of_tls12_leaves_no_doubt_about_the_handshake():
    """There the types of messages are in the clear, so that it was surely a Finished."""
    talk = Talk([(0, client_hello()), (1, hello_12() + record(900, 22))])
    talk.say(0, record(70, 22) + record(1, 20) + record(40, 22))
    talk.say(1, record(1, 20) + record(40, 22))
    talk.say(0, record(3000))
    del talk.sent[-2]
    read = Read(talk.capture())
    assert read.has("CLIENT_FINISHED", "SERVER_FINISHED", "HOLE")
    assert not read.has("DOUBTED")


def test_a_session_of_tls12_that_is_resumed_behind_a_short_snap_length():
    context, other, kept = client(TLS12), server(TLS12), []
    handshake(context, other, keep=kept)
    said = handshake(context, other, kept[0])
    read = Read(cut(Talk(said), 96))
    assert read.has("TLS", "CUT", "SERVER_HELLO", "CLIENT_FINISHED", "SERVER_CHANGED")
    assert read.version == 0x0303


@pytest.mark.parametrize(
    ("flight", "version", "changed"),
    [
        (record(53), 0x0304, False),  # without the ChangeCipherSpec of middlebox compatibility
        (record(1, 20) + record(53), 0x0304, False),
        (record(70, 22) + record(1, 20) + record(40, 22), 0x0303, False),
        (record(1, 20) + record(40, 22), 0x0303, True),
    ],
)
def test_the_client_s_second_flight_shows_the_version(flight, version, changed):
    read = Read(cut(Talk([(0, client_hello()), (1, FLIGHT), (0, flight)]), 96))
    assert read.has("CUT", "CLIENT_FINISHED")
    assert (read.version, read.has("SERVER_CHANGED"), read.cipher) == (version, changed, 0)


def cut(talk, snap):
    """The capture of a talk with a snap length."""
    return talk.capture(snap)


# Ten bytes of each segment, as 96 bytes leave of IPv6 with timestamps: not the whole head of a record
TEN = 14 + 20 + 20 + 10


@pytest.mark.parametrize(
    ("flight", "version"),
    [
        (record(53), 0x0304),
        (record(1, 20) + record(53), 0x0304),  # of which the type is left, and not the length
        (record(70, 22) + record(1, 20) + record(40, 22), 0x0303),
    ],
)
@pytest.mark.parametrize("lacking", [0, 1], ids=["whole", "without the SYN"])
def test_heads_of_records_that_were_cut(flight, version, lacking):
    """Whichever end the first frame is of."""
    talk = Talk([(0, client_hello()), (1, FLIGHT), (0, flight)])
    if version == 0x0303:
        talk.say(1, record(1, 20) + record(40, 22))
    talk.say(0, record(80))
    talk.say(1, record(5000))
    talk.opening = talk.opening[lacking:]
    read = Read(cut(talk, TEN))
    assert read.has("TLS", "CUT", "SERVER_HELLO", "CLIENT_FINISHED", "SERVER_FINISHED")
    assert (read.version, read.has("SERVER_CHANGED"), read.client_finished_frame) == (version, False, 6 - lacking)
    last = len(talk.frames())
    assert (read.exchange.request_frame, read.exchange.response_frame) == (last - 4, last - 3)


@pytest.mark.parametrize("left", [10, 12, 14, 18])
def test_of_a_second_hello_that_was_cut_nobody_says_that_it_resumes(left):
    """Behind a ChangeCipherSpec: as the Finished of a session of TLS 1.2 that is resumed."""
    talk = Talk([(0, client_hello()), (1, FLIGHT), (0, record(1, 20) + client_hello())])
    talk.say(1, FLIGHT)
    talk.say(0, record(1, 20) + record(53))
    read = Read(cut(talk, TEN - 10 + left))
    assert read.has("TLS", "CUT")
    assert (read.has("SERVER_CHANGED"), read.version in (0, 0x0304)) == (False, True)
    assert read.has("HELLO_RETRY")  # which the second ServerHello shows where not even the type of the hello is left
    assert read.hello_2_frame == 6
    assert read.ms("hello_sent") == read.ms("hello_2")
    assert read.client_finished_frame == 8


@pytest.mark.parametrize("left", [10, 12, 30])
def test_a_session_that_is_resumed_shows_by_a_client_that_goes_on(left):
    """TLS 1.2: behind the client's ChangeCipherSpec the type of a record is left, and its request waits for nobody."""
    flight = hello_13().replace(bytes.fromhex("002b00020304"), bytes.fromhex("ff0100020000"))
    talk = Talk([(0, client_hello()), (1, flight + record(1, 20) + record(40, 22))])
    talk.say(0, record(1, 20) + record(40, 22))
    talk.say(0, record(80))
    talk.say(1, record(5000))
    read = Read(cut(talk, TEN - 10 + left))
    assert read.has("CUT", "SERVER_CHANGED", "CLIENT_FINISHED")
    assert (read.version, read.has("DOUBTED")) == (0x0303, False)
    assert (read.client_finished_frame, read.exchange.request_frame, read.exchange.response_frame) == (6, 7, 8)


def test_a_record_of_which_only_the_type_is_left_says_nothing_alone():
    """A second hello of TLS 1.3, or the Finished of 1.2 with nothing behind it."""
    talk = Talk([(0, client_hello()), (1, FLIGHT), (0, record(1, 20) + record(40, 22))])
    read = Read(cut(talk, TEN))
    assert read.version == 0
    assert read.has("DOUBTED")


@pytest.mark.parametrize("version", [0x0300, 0x0301, 0x0302])
def test_an_old_version_is_in_the_record_of_a_server_hello_that_was_cut(version):
    flight = hello_13().replace(bytes.fromhex("002b00020304"), bytes.fromhex("ff0100020000"))
    flight = flight[:1] + version.to_bytes(2, "big") + flight[3:9] + version.to_bytes(2, "big") + flight[11:]
    talk = Talk([(0, client_hello()), (1, flight)])
    assert Read(cut(talk, TEN)).version == version


@pytest.mark.parametrize(("left", "version"), [(10, 0x0301), (11, 0x0302), (12, 0x0302)])
def test_the_version_of_a_server_hello_that_was_cut_is_its_own_where_that_is_left(left, version):
    flight = hello_13().replace(bytes.fromhex("002b00020304"), bytes.fromhex("ff0100020000"))
    flight = flight[:1] + b"\3\1" + flight[3:9] + b"\3\2" + flight[11:]
    assert Read(cut(Talk([(0, client_hello()), (1, flight)]), TEN - 10 + left)).version == version


def test_a_server_hello_of_an_impossible_length_came_and_is_not_read():
    flight = record(4, 22)[:5] + b"\2" + (70_000).to_bytes(3, "big")
    read = Read(Talk([(0, client_hello()), (1, flight)]).capture())
    assert read.has("TLS", "SERVER_HELLO", "UNREAD")
    assert read.server_hello_frame == 5


def test_an_alert_is_no_client_hello():
    """So what the server says after it is the response to a plain request."""
    read = Read(Talk([(0, bytes.fromhex("15030100020228")), (1, b"what?")]).capture())
    assert read.setup is None or not read.has("TLS")
    assert (round(read.ms("request")), round(read.ms("response"))) == (41, 82)


def test_a_segment_of_which_the_length_of_a_record_is_left():
    talk = Talk([(0, client_hello()), (1, FLIGHT), (0, record(53)), (0, record(80))])
    talk.say(1, record(5000))
    read = Read(cut(talk, TEN - 5))
    assert read.setup is None or not read.has("TLS")  # without the type of the message it is no ClientHello


def certified(*missing):
    """A client that sends a large certificate, and its request at once, without some of its segments."""
    talk = talk_13()
    talk.say(0, record(3000) + record(200) + record(53), size=1000)
    talk.say(0, record(80))
    talk.say(1, record(250))
    talk.say(1, record(250))
    talk.say(1, record(5000))
    first = next(i for i, each in enumerate(talk.sent) if each[1] == 0 and i > 1)
    for number in sorted(missing, reverse=True):
        del talk.sent[first + number]
    return Read(talk.capture())


@pytest.mark.parametrize("missing", [1, 2, 3])
def test_a_client_s_flight_with_a_hole_that_never_fills(missing):
    assert certified().has("CERTIFICATE_SENT")
    assert not certified().has("DOUBTED")
    assert certified(missing).has("DOUBTED", "HOLE")


@pytest.mark.parametrize(("size", "doubted"), [(1000, True), (4000, False)])
def test_a_capture_that_ends_within_a_record_of_the_client_s_flight(size, doubted):
    """It may be a certificate; a whole one is a Finished that was joined with something, until another record comes."""
    talk = talk_13()
    talk.say(0, record(3000), size=size)
    last = talk.sent[-1]
    if doubted:
        talk.sent.pop()
    assert Read(talk.capture()).has("DOUBTED") == doubted
    if doubted:
        talk.sent.append(last)
        assert not Read(talk.capture()).has("DOUBTED")


@pytest.mark.parametrize("stored_late", [True, False])
def test_a_server_that_acknowledges_the_client_s_flight_did_not_change_first(stored_late):
    """Full handshakes of TLS 1.2 whose capture lacks the client's second flight, or holds it behind the server's."""
    said = handshake(client(TLS12), server(TLS12))
    talk = Talk(said)
    at = next(i for i, each in enumerate(talk.sent) if each[1] == 0 and i > 0)
    flight = talk.sent.pop(at)
    if stored_late:
        talk.sent.insert(at + 1, (talk.sent[at][0] + 0.001, *flight[1:]))
    read = Read(talk.capture())
    assert read.has("TLS", "SERVER_HELLO")
    assert not read.has("SERVER_CHANGED")


def test_a_hole_in_a_client_s_flight_that_is_filled_leaves_no_doubt():
    talk = talk_13()
    talk.say(0, record(3000) + record(200) + record(53), size=1000)
    lost = talk.sent[-3]
    talk.sent[-3] = (lost[0] + 200, *lost[1:])
    read = Read(talk.capture())
    assert read.has("CLIENT_FINISHED", "CERTIFICATE_SENT")
    assert not read.has("DOUBTED")
    assert not read.has("HOLE")


def test_a_request_behind_the_cut_part_of_a_flight():
    """The client's Finished lies behind an empty Certificate; its request begins a segment of the same flight."""
    talk = talk_13(25, 53)
    talk.say(0, record(80))
    talk.say(1, record(5000))
    read = Read(cut(talk, 96))
    assert read.has("CUT", "CLIENT_FINISHED")
    assert (read.exchange.request_frame, read.exchange.response_frame) == (7, 8)


def test_what_looks_like_a_close_behind_the_cut_part_of_a_flight():
    """A request may have been in that part, so that the response may have been before the close."""
    talk = talk_13(25, 53, 80, after=[250])
    talk.say(1, record(19))
    read = Read(cut(talk, 96))
    assert read.has("CUT", "CLIENT_FINISHED")
    assert not read.has("ALERT")


def test_a_certificate_behind_the_cut_part_of_a_flight_is_no_request():
    """Certificate, CertificateVerify and Finished, of which the last cannot be seen; then what the server says."""
    talk = talk_13()
    talk.say(0, record(300) + record(120) + record(53), size=200)
    talk.say(1, record(250))
    talk.say(0, record(80))
    talk.say(1, record(5000))
    read = Read(cut(talk, 128))
    assert read.has("CUT", "CLIENT_FINISHED")
    assert read.ms("request") > read.ms("client_finished") + 40


def test_records_are_found_again_where_one_begins_a_segment():
    """The CertificateVerify behind the Certificate is cut; the Finished of the same flight has a segment of its own."""
    talk = talk_13()
    talk.say(0, record(300) + record(120))
    talk.say(0, record(53))
    talk.say(0, record(80))
    talk.say(1, record(5000))
    read = Read(cut(talk, 96))
    assert read.has("CUT", "CERTIFICATE_SENT")
    assert (read.client_finished_frame, read.exchange.request_frame, read.exchange.response_frame) == (7, 8, 9)


def test_what_is_no_record_leaves_unknown_what_follows():
    """Of a capture that lacks nothing; and a record has at most 2^14 + 256 bytes (RFC 8446 section 5.2)."""
    for data, known in ((record(300), True), (b"\x17\x03\x03\xff\xff" + bytes(300), False), (b"plain text", False)):
        talk = talk_13(53)
        talk.say(0, record(80))
        talk.say(1, data)
        assert Read(talk.capture()).has("MALFORMED") is not known


def test_what_is_sent_again_and_again_beyond_a_hole_is_kept_once():
    """Else its copies would take the room of what follows it."""
    talk = talk_13()
    talk.say(0, record(300))
    talk.say(0, record(53))
    (at, *certificate), finished = talk.sent[-2:]
    talk.sent[-2:] = [(at + 100 * i, *finished[1:]) for i in range(60)]
    talk.say(0, record(80), at=at + 7000)
    talk.sent.append((at + 8000, *certificate))
    talk.say(1, record(5000), at=at + 8100)
    read = Read(talk.capture())
    assert read.has("CLIENT_FINISHED")
    assert (read.ms("request"), read.exchange.response_frame) == (at + 7000, len(talk.frames()) - 3)


def test_an_alert_at_once_is_no_close_though_the_flight_was_cut():
    talk = talk_13(25, 53, after=[19])
    assert Read(cut(talk, 84)).has("CUT", "ALERT", "ALERT_SERVER", "ALERT_LATE")


def test_the_end_of_early_data_is_known_by_its_length_where_the_hello_was_cut():
    talk = Talk([(0, client_hello(extra=EARLY + bytes(200)) + record(100)), (1, FLIGHT), (0, record(21) + record(53))])
    for snap in (84, 100):  # the header of the Finished behind it is cut, too
        read = Read(cut(talk, snap))
        assert read.has("CUT", "EARLY_ENDED", "CLIENT_FINISHED")
        assert not read.has("CERTIFICATE_SENT")


def without(talk, number):
    """The capture of a talk that lacks a frame."""
    kept = talk.frames()
    return pcap(kept[: number - 1] + kept[number:], nano=True)


def test_a_server_s_flight_that_is_missing_makes_no_false_start():
    talk = Talk(handshake(client(TLS12), server(TLS12)))
    last = next(i for i, each in enumerate(talk.sent) if each[1] == 1 and i > 2)  # the flight with its Finished
    read = Read(without(talk, last + 4))
    assert read.has("CLIENT_FINISHED", "HOLE") or not read.has("SERVER_FINISHED")
    assert not read.has("FALSE_START")


def test_what_follows_a_server_hello_that_is_missing_is_no_early_data():
    talk = talk_13(53, 80)
    read = Read(without(talk, 5))
    assert not read.has("EARLY_SENT")


@pytest.mark.parametrize("isns", [(1000, 5000), (1000, 0x9000_0000), (0x9000_0000, 1000)])
def test_what_the_snap_length_hides_is_no_false_start(isns):
    talk = Talk(handshake(client(TLS12), server(TLS12)), isns=isns)
    read = Read(cut(talk, 96))
    assert read.has("CUT", "SERVER_FINISHED", "CLIENT_FINISHED")
    assert not read.has("FALSE_START")


# Versions, and what is no TLS


@pytest.mark.parametrize(("version", "like_13"), [(0x7F1C, True), (0x7F16, True), (0x7F15, False), (0x0305, False)])
def test_drafts(version, like_13):
    flight = FLIGHT.replace(bytes.fromhex("002b00020304"), bytes.fromhex("002b0002") + struct.pack(">H", version))
    read = Read(Talk([(0, client_hello()), (1, flight), (0, record(53) + record(80)), (1, record(5000))]).capture())
    assert read.version == version
    assert read.has("CLIENT_FINISHED") == like_13
    assert (read.ms("response") is not None) == like_13


@pytest.mark.parametrize(
    "data",
    [
        bytes.fromhex("802e0103010015000000100100800200800300") + bytes(28),  # SSL 2.0
        client_hello()[:1] + b"\x02" + client_hello()[2:],
        client_hello()[:2] + b"\x05" + client_hello()[3:],
        client_hello()[:5] + b"\x02" + client_hello()[6:],
    ],
    ids=["SSL 2.0", "version 2", "version 3.5", "no ClientHello"],
)
def test_what_is_no_client_hello(data):
    read = Read(Talk([(0, data), (1, b"\x15\x03\x01\x00\x02\x02\x46")]).capture())
    assert read.setup is None or not read.has("TLS")
    assert read.setup is None or not read.setup.flags & SETUP_ALERT
    assert (round(read.ms("request")), round(read.ms("response"))) == (41, 82)


@pytest.mark.parametrize(("size", "read_on"), [(60_000, True), (70_000, False)])
def test_a_prologue_of_64_kib(size, read_on):
    talk = Talk([(1, b"220 mail.test ESMTP\r\n"), (0, b"EHLO me\r\n")])
    talk.say(1, b"250-" + bytes(size), size=8000)
    for side, data in [(0, b"STARTTLS\r\n"), (1, b"220 go\r\n"), (0, client_hello())]:
        talk.say(side, data)
    assert Read(talk.capture()).has("TLS") == read_on


START_TLS = b"1.3.6.1.4.1.1466.20037"
PASSWORD_MODIFY = b"1.3.6.1.4.1.4203.1.11.1"


def ldap(name, *, number=b"\x02\x01\x01", long=False):
    """An ExtendedRequest with lengths in the short form, or in the long one as Windows writes them."""

    def tagged(tag, body):
        return bytes([tag]) + (b"\x84" + struct.pack(">I", len(body)) if long else bytes([len(body)])) + body

    return tagged(0x30, number + tagged(0x77, tagged(0x80, name)))


SSL_REQUEST, GSS_REQUEST = bytes.fromhex("0000000804d2162f"), bytes.fromhex("0000000804d21630")


@pytest.mark.parametrize(
    ("prologue", "kind"),
    [
        ([(0, ldap(START_TLS)), (1, b"\x30\x0c")], "ldap"),
        ([(0, ldap(START_TLS, long=True)), (1, b"\x30\x84")], "ldap"),
        ([(0, ldap(START_TLS, number=b"\x02\x02\x01\x00")), (1, b"\x30\x0c")], "ldap"),
        ([(0, ldap(PASSWORD_MODIFY)), (1, b"\x30\x0c")], None),
        ([(0, GSS_REQUEST), (1, b"N"), (0, SSL_REQUEST), (1, b"S")], "postgresql"),
    ],
)
def test_requests_for_tls_as_other_programs_write_them(prologue, kind):
    """What begins so is read beyond its first response."""
    read = Read(Talk([*prologue, (0, client_hello()), (1, FLIGHT), (0, record(53))]).capture())
    if kind is None:
        assert read.setup is None
    else:
        assert UPGRADES[read.upgrade] == kind
        assert read.has("TLS", "SERVER_HELLO", "CLIENT_FINISHED")


# The same bytes again


def test_two_captures_of_every_frame_are_one():
    once = Talk(handshake(client(), server())).frames()
    twice = [(ns + late, frame) for ns, frame in once for late in (0, 5_000)]
    one, two = (Read(pcap(frames, nano=True)).everything() for frames in (once, twice))
    numbers = {name for name in one[0] if name.endswith("_frame")}
    assert {**one[0], **dict.fromkeys(numbers)} == {**two[0], **dict.fromkeys(numbers)}
    assert one[1:] == two[1:]


def test_a_port_that_is_used_again_has_a_set_up_of_its_own():
    first = Talk(handshake(client(TLS12), server(TLS12)))
    second = Talk(handshake(client(), server()), isns=(77_777, 99_999))
    ended = frames.rst(frames.SERVER, frames.CLIENT, seq=first.next[1])
    made = [*first.frames(), (first.frames()[-1][0] + 10**6, ended)]
    capture = pcap(made + [(ns + 300 * 10**9, frame) for ns, frame in second.frames()], nano=True)
    assert [Read(capture, row).version for row in (0, 1)] == [0x0303, 0x0304]


# Waits


def paused(*, packets=6, pause=40.0, way=20, then=0.0, hole=False, last=500):
    """A server's flight of so many full packets and a small one, which goes on once that is acknowledged."""
    talk = Talk([(0, client_hello())], way=way)
    body = FLIGHT[: len(hello_13())] + record(30_000) + record(53)
    size = packets * 1460 + last
    talk.say(1, body[:size])
    if hole:
        del talk.sent[3]
    at = talk.free[0]
    talk.acknowledge(0, at=at)
    talk.say(1, body[size:], at=at + way + then + pause - 2 * way)
    return [reason for reason, *_ in Read(talk.capture()).waits]


def test_a_pause_for_the_window():
    assert paused(last=0) == [EXTRA_WINDOW]
    assert paused(packets=4, last=0) == [EXTRA_WINDOW]
    assert paused() == [EXTRA_NAGLE]  # a small packet ended the first part
    assert paused(packets=8) == [EXTRA_NAGLE]
    assert paused(packets=9) == [EXTRA_WINDOW]  # ten of them: the initial window (RFC 6928)


@pytest.mark.parametrize(
    "given", [{"packets": 3, "last": 0}, {"then": 15.0, "last": 0}, {"pause": 30.0, "last": 0}],
    ids=["few segments", "of its own accord", "before the ACK came"],
)  # fmt: skip
def test_a_pause_for_something_else(given):
    assert paused(**given) == []


def test_a_pause_at_a_hole_is_no_window():
    assert EXTRA_WINDOW not in paused(last=0, hole=True)


@pytest.mark.parametrize(("way", "waits"), [(1, []), (2.4, []), (2.5, [EXTRA_NAGLE])])
def test_a_short_wait_by_nagle_s_algorithm_is_nobody_s_trouble(way, waits):
    """Less than 5 ms."""
    talk = Talk(way=way)
    talk.say(0, b"x" * 100)
    talk.acknowledge(1, at=talk.free[1])
    talk.say(0, b"y" * 100, at=talk.free[1] + way)
    assert [reason for reason, *_ in Read(talk.capture()).waits] == waits


@pytest.mark.parametrize(("answered", "waits"), [(True, []), (False, [EXTRA_WINDOW])])
def test_what_was_sent_before_the_other_side_spoke_fills_no_window(answered, waits):
    """Three packets, and three more: with an answer in between neither flight is as long as the smallest window."""
    talk = Talk([(0, client_hello())])
    body = FLIGHT[: len(hello_13())] + record(30_000) + record(53)
    talk.say(1, body[: 3 * 1460])
    if answered:
        talk.say(0, record(1, 20))
    talk.say(1, body[3 * 1460 : 6 * 1460], think=0.0 if answered else -0.01)
    at = talk.free[0]
    talk.acknowledge(0, at=at)
    talk.say(1, body[6 * 1460 :], at=at + talk.way)
    assert [reason for reason, *_ in Read(talk.capture()).waits] == waits


def test_data_of_the_other_side_lets_nagle_s_algorithm_go_on():
    talk = Talk()
    talk.say(0, b"x" * 100)
    acked = talk.free[1] + 40
    talk.say(1, b"an answer", at=acked)
    talk.say(0, b"y" * 100, at=acked + talk.way)
    assert Read(talk.capture()).setup is None


@pytest.mark.parametrize("position", [0, 10, 20])
@pytest.mark.parametrize("acked", [False, True])
def test_a_request_that_crosses_a_ticket_is_no_answer_to_it(position, acked):
    """The server's next data wait for the ACK of the ticket by Nagle's algorithm, or answer what acknowledges it."""
    talk = Talk([(0, client_hello()), (1, FLIGHT), (0, record(53))], position=position)
    at = talk.free[1]
    before = talk.next[1]
    talk.say(1, record(250), at=at + 1)
    talk.say(0, record(80), at=at + 1 + talk.way if acked else at - 10, ack=talk.next[1] if acked else before)
    talk.acknowledge(0, at=at + 1 + talk.way + 40)
    talk.say(1, record(5000), at=at + 1 + 2 * talk.way + 40)
    reasons = [(reason, side, delayed) for reason, _, side, delayed in Read(talk.capture()).waits]
    assert reasons == ([] if acked else [(EXTRA_NAGLE, 1, True)])


@pytest.mark.parametrize("closes", [True, False])
def test_what_answers_a_close_did_not_wait_for_an_acknowledgment(closes):
    """A server acknowledges the ClientHello and closes at once; the client's alert comes when that has reached it."""
    talk = Talk([(0, client_hello())])
    acked = talk.free[1]
    talk.acknowledge(1, at=acked)
    talk.say(0, bytes.fromhex("15030300020232"), at=acked + talk.way + 0.1)
    frame = frames.fin(frames.SERVER, frames.CLIENT, seq=frames.SERVER_ISN + 1, ack=talk.sent[-1][2])
    taken = [*talk.frames(), *([(talk.frames()[-1][0] - 10_000, frame)] if closes else [])]
    read = Read(pcap(sorted(taken), nano=True))
    assert [reason for reason, *_ in read.waits] == ([] if closes else [EXTRA_NAGLE])


def test_every_wait_is_kept_in_its_order():
    """A loss of the client, one of the server, and the client's pause for an acknowledgment that came late."""
    talk = Talk([(0, client_hello())])
    again(talk, 300)
    talk.say(1, FLIGHT)
    again(talk, 250)
    talk.say(0, record(53, 22))
    acked = talk.free[1] + 40
    talk.acknowledge(1, at=acked)
    talk.say(0, record(80), at=acked + talk.way)
    found = [(reason, side) for reason, _, side, _ in Read(talk.capture()).waits]
    assert found == [(EXTRA_LOSS, 0), (EXTRA_LOSS, 1), (EXTRA_NAGLE, 0)]


def again(talk, after):
    """Send the last segment again."""
    at, *rest = talk.sent[-1]
    talk.sent.append((at + after, *rest))
    side = rest[0]
    talk.free[side ^ 1] = max(talk.free[side ^ 1], at + after + talk.way)


def test_a_loss_costs_until_the_last_copy():
    talk = Talk([(0, client_hello())])
    at, *rest = talk.sent[0]
    talk.sent += [(at + 300, *rest), (at + 900, *rest)]
    talk.free[1] += 900
    talk.say(1, FLIGHT)
    ((reason, cost, side, _),) = Read(talk.capture()).waits
    assert (reason, cost, side) == (EXTRA_LOSS, 900, 0)


def test_what_was_acknowledged_before_it_came_again_was_not_lost():
    talk = Talk([(0, client_hello())])
    talk.acknowledge(1, at=talk.free[1])
    again(talk, 300)
    talk.sent[-1] = (talk.sent[0][0] + 300, *talk.sent[0][1:])
    talk.say(1, FLIGHT)
    assert Read(talk.capture()).waits == []


def test_a_ticket_that_comes_again_leaves_the_server_s_finished_where_it_was():
    """Of TLS 1.3: that was before the client's."""
    talk = talk_13(53, after=[250])
    again(talk, 300)
    assert Read(talk.capture()).server_finished_frame == 5


def test_a_server_that_speaks_first_and_waits_by_nagle_s_algorithm():
    """Nothing of the client shows the path but the handshake of TCP."""
    talk = Talk()
    talk.say(1, b"x" * 100)
    acked = talk.free[0] + 40
    talk.acknowledge(0, at=acked)
    talk.say(1, b"y" * 100, at=acked + talk.way)
    assert [(reason, side) for reason, _, side, _ in Read(talk.capture()).waits] == [(EXTRA_NAGLE, 1)]


def test_losses_of_different_spans_are_two_waits():
    """Of the ClientHello, inside the handshake of TLS, and of the request, before the response."""
    talk = Talk([(0, client_hello())])
    again(talk, 300)
    talk.say(1, FLIGHT)
    talk.say(0, record(53) + record(80))
    again(talk, 250)
    talk.say(1, record(5000))
    read = Read(talk.capture())
    spans, number = [], read.extras
    while number:
        spans.append(read.setups.extra_rows[number - 1].span)
        number = read.setups.extra_rows[number - 1].next
    assert spans == [SPAN_TLS, SPAN_RESPONSE]


def test_waits_are_looked_for_until_the_first_response():
    talk = talk_13(53, 80, after=[5000])
    talk.say(0, record(80))
    acked = talk.free[1] + 40
    talk.acknowledge(1, at=acked)
    talk.say(0, record(80), at=acked + talk.way)
    assert Read(talk.capture()).waits == []


# Messages out of their places

RETRY = hello_13().replace(bytes(32), RETRY_RANDOM, 1)


@pytest.mark.parametrize("alerted", [True, False])
def test_a_second_hello_retry_request_is_an_error(alerted):
    """RFC 8446 section 4.1.4: the client aborts the handshake with unexpected_message."""
    talk = Talk([(0, client_hello()), (1, RETRY), (0, client_hello()), (1, RETRY)])
    talk.say(0, b"\x15\x03\x03\x00\x02\x02\x0a" if alerted else client_hello())
    talk.say(1, FLIGHT)
    read = Read(talk.capture())
    assert read.has("HELLO_RETRY", "MALFORMED")
    assert not read.has("SERVER_HELLO")
    assert read.alert_code == (10 if alerted else 0)
    assert (round(read.ms("retry")), read.version) == (82, 0)


def test_the_server_s_finished_comes_before_what_it_sends_on_its_own_account():
    """A resumed flight of ServerHello and Finished, and data before the client's Finished (0.5-RTT)."""
    talk = Talk([(0, client_hello())])
    talk.say(1, hello_13() + record(53))
    talk.say(1, record(200))
    talk.say(0, record(53))
    read = Read(talk.capture())
    assert read.server_finished_frame == read.server_hello_frame
    assert read.ms("server_finished") == read.ms("server_hello")


FLIGHT_12 = hello_12() + record(700, kind=22)
CHANGE = record(1, kind=20)
KEYS = record(70, kind=22) + CHANGE + record(40, kind=22)


def test_data_before_the_client_s_finished_of_tls_12_is_no_request():
    talk = Talk([(0, client_hello()), (1, FLIGHT_12), (0, record(60) + KEYS), (1, CHANGE + record(40, kind=22))])
    talk.say(0, record(80))
    talk.say(1, record(500))
    read = Read(talk.capture())
    assert read.ms("request") > read.ms("server_finished")
    assert not read.has("FALSE_START")


def test_a_renegotiation_leaves_the_client_s_finished():
    talk = Talk([(0, client_hello()), (1, FLIGHT_12), (0, KEYS), (1, CHANGE + record(40, kind=22))])
    talk.say(0, record(180, kind=22))
    talk.say(0, record(80))
    talk.say(1, record(500))
    read = Read(talk.capture())
    assert read.ms("client_finished") < read.ms("server_finished") < read.ms("request")


def test_what_begins_in_midstream_with_data_is_not_read():
    """Only a ClientHello says that nothing came before."""
    talk = Talk(opened=False)
    talk.say(0, b"GET / HTTP/1.1")
    talk.say(1, b"HTTP/1.1 200 OK")
    talk.say(0, client_hello())
    talk.say(1, FLIGHT)
    read = Read(talk.capture())
    assert read.setup is None
    assert read.over


def test_a_hole_costs_from_the_first_byte_after_it():
    talk = Talk([(0, client_hello())])
    begun = talk.free[1]
    for number in range(5):
        talk.say(1, FLIGHT[number * 200 : number * 200 + 200], at=begun + 50 * number)
    at, *rest = talk.sent[1]
    talk.sent[1] = (at + 250, *rest)
    ((reason, cost, side, _),) = Read(talk.capture()).waits
    assert (reason, round(cost), side) == (EXTRA_LOSS, 200, 1)
