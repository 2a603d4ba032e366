"""What was lost between the capture and an end, or before the capture: what the client saw counts."""

import pytest
from support.frames import mss
from support.frames import syn as syn_frame
from support.tls import EARLY, MS, REQUEST, START, Read, Talk, client_hello, hello_13, record
from support.wire import report_of

from handshake_inspect.tcp.setup.facts import EXTRA_LOSS, EXTRA_WINDOW

FLIGHT = hello_13() + record(700) + record(53)
LATE = 300  # ms until something is sent again
RESPONSE = b"HTTP/1.1 200 OK\r\n\r\n" + bytes(3000)


def lose_behind(talk, place=-1):
    """A segment was lost behind the capture: it comes again, and the other end acknowledges it then."""
    at, side, *rest = talk.sent[place]
    talk.sent.append((at + LATE, side, *rest))
    talk.acknowledge(side ^ 1, at=at + LATE + 2 * talk.way)


def delay(talk, place, by=LATE):
    """The first copy of a segment was lost before the capture."""
    at, *rest = talk.sent[place]
    talk.sent[place] = (at + by, *rest)


def set_up(talk):
    return report_of(talk.capture())["connections"][0]["setup"]


def span(setup, name):
    return round(setup["spans"][name]["value_ns"] / MS), setup["spans"][name]["method"]


def losses(setup):
    return [(each["reason"], round(each["cost_ns"] / MS)) for each in setup["extra_round_trips"]]


@pytest.mark.parametrize("position", [0, 10, 20])
def test_a_plain_response_that_was_lost_behind_the_capture(position):
    talk = Talk([(0, REQUEST), (1, RESPONSE)], position=position)
    lose_behind(talk, -3)
    setup = set_up(talk)
    assert span(setup, "response") == (41 + LATE, "lost")
    assert losses(setup) == [("loss", LATE)]
    assert setup["server"]["response"]["value_ns"] < 2 * MS  # the server answered at once


def test_a_plain_response_that_was_lost_twice():
    talk = Talk([(0, REQUEST), (1, RESPONSE)])
    at, *rest = talk.sent[-3]
    talk.sent += [(at + 300, *rest), (at + 900, *rest)]
    setup = set_up(talk)
    assert span(setup, "response") == (941, "lost")
    assert losses(setup) == [("loss", 900)]


def test_a_plain_response_that_was_acknowledged_came_once():
    talk = Talk([(0, REQUEST), (1, RESPONSE)])
    at, *rest = talk.sent[-3]
    talk.acknowledge(0, at=at + 1)
    talk.sent.append((at + 300, *rest))
    setup = set_up(talk)
    assert span(setup, "response") == (41, "exact")
    assert losses(setup) == []


def test_a_request_that_is_sent_again_after_its_response_passed_is_no_answer():
    talk = Talk([(0, REQUEST), (1, RESPONSE)])
    at, *rest = talk.sent[0]
    talk.sent.append((at + 300, *rest))
    setup = set_up(talk)
    assert span(setup, "response") == (41, "exact")
    assert losses(setup) == []


@pytest.mark.parametrize("tickets", [1, 3])
def test_a_response_waits_for_what_was_lost_before_it(tickets):
    """TCP hands the client the answer when it has the tickets, too."""
    talk = Talk([(0, client_hello()), (1, FLIGHT), (0, record(53)), (0, record(80))])
    for length in [200] * tickets:
        talk.say(1, record(length), ack=talk.sent[-1][2] if tickets == 1 else None)
    first = -tickets
    talk.say(1, record(5000), at=talk.free[1] + 10)
    lose_behind(talk, first - 4)
    answer = set_up(talk)["spans"]["response"]
    assert (answer["value_ns"] or answer["max_ns"]) / MS > LATE


def test_the_end_of_a_handshake_waits_for_what_was_lost_before_it():
    """The server's last flight of TLS 1.2 in two segments, of which the first one was lost behind the capture."""
    hello = bytearray(hello_13()[: -6 - 2])
    hello[3:5] = (len(hello) - 5 + 2).to_bytes(2, "big")
    hello[6:9] = (len(hello) - 9 + 2).to_bytes(3, "big")
    changed = record(1, kind=20)
    talk = Talk([(0, client_hello()), (1, bytes(hello) + b"\0\0" + record(600, kind=22)),
                 (0, record(70, kind=22) + changed + record(40, kind=22))])  # fmt: skip
    talk.say(1, record(180, kind=22), think=1)
    talk.say(1, changed + record(40, kind=22), think=1)
    lose_behind(talk, -2)
    read = Read(talk.capture())
    assert read.version == 0x303
    assert read.ms("server_finished") == pytest.approx(round(talk.sent[-2][0], 2), abs=0.1)


def test_a_finished_that_was_lost_before_the_capture():
    """The request went out behind it, and shows when TLS had ended at the latest."""
    talk = Talk([(0, client_hello()), (1, FLIGHT), (0, record(53)), (0, record(80))])
    delay(talk, -2)
    talk.say(1, record(5000), at=talk.sent[-2][0] + 40)
    setup = set_up(talk)
    assert span(setup, "tls") == (43, "lost")
    assert span(setup, "before_request")[0] == 0
    parts = [setup["spans"][name]["value_ns"] for name in ("tcp", "before_tls", "tls", "before_request", "response")]
    assert sum(parts) == setup["spans"]["first_byte"]["value_ns"]


@pytest.mark.parametrize("count", [1, 4, 9])
def test_early_data_goes_on_until_its_end(count):
    """A client that has ServerHello goes on with early data until it has the server's Finished, or sends it again."""
    talk = Talk([(0, client_hello(extra=EARLY) + record(90)), (1, FLIGHT)])
    for _ in range(count):
        talk.say(0, record(300), think=0.1)
    talk.say(0, record(21) + record(53))
    talk.say(1, record(5000))
    read = Read(talk.capture())
    assert read.has("EARLY_SENT", "EARLY_ENDED", "EARLY_REQUEST", "CLIENT_FINISHED")
    assert not read.has("CERTIFICATE_SENT")
    assert read.ms("request") == read.ms("early") == read.ms("hello")
    assert read.ms("client_finished") == pytest.approx(round(talk.sent[-5][0], 2), abs=0.1)


def test_early_data_of_which_only_what_acknowledges_server_hello_was_captured():
    talk = Talk([(0, client_hello(extra=EARLY)), (1, FLIGHT), (0, record(300)), (0, record(21) + record(53))])
    talk.say(1, record(5000))
    read = Read(talk.capture())
    assert read.has("EARLY_SENT", "EARLY_ENDED", "CLIENT_FINISHED")
    assert read.ms("early") < read.ms("client_finished")
    assert read.ms("request") == read.ms("early")
    assert read.over


@pytest.mark.parametrize("certificate", [1, 3])
def test_early_data_of_the_length_of_an_empty_certificate_is_none(certificate):
    """Nor does it count among the records of the flight behind EndOfEarlyData."""
    talk = Talk([(0, client_hello(extra=EARLY)), (1, FLIGHT), (0, record(25))])
    talk.say(0, record(21) + record(900) * certificate + record(53))
    talk.say(1, record(5000))
    read = Read(talk.capture())
    assert read.has("EARLY_ENDED", "CERTIFICATE_SENT", "CLIENT_FINISHED")
    assert not read.has("CERTIFICATE_WITHHELD")
    assert read.ms("request") == read.ms("early")


@pytest.mark.parametrize("ended", [b"", record(21)])
def test_early_data_that_was_lost_before_the_capture(ended):
    """Its copy acknowledges ServerHello, as all that is sent by then does."""
    talk = Talk([(0, client_hello(extra=EARLY))])
    talk.say(0, record(300), think=0.1)
    talk.say(1, FLIGHT)
    talk.say(0, ended + record(53))
    at, side, seq, _, data = talk.sent[1]
    talk.sent[1] = (at + LATE, side, seq, talk.sent[-1][3], data)
    setup = report_of(talk.capture())["connections"][0]
    assert setup["tls"]["client_certificate"] is None
    assert setup["tls"]["early_data"] == ("accepted" if ended else "rejected")
    assert setup["setup"]["spans"]["tls"]["value_ns"] == pytest.approx(42 * MS, abs=MS)
    if ended:
        assert setup["setup"]["spans"]["before_request"]["value_ns"] == 0


def test_a_certificate_that_was_lost_is_none_of_early_data_where_none_was_offered():
    talk = Talk([(0, client_hello()), (1, FLIGHT), (0, record(900)), (0, record(53))])
    delay(talk, -2, 5)
    assert Read(talk.capture()).has("CERTIFICATE_SENT", "CLIENT_FINISHED")


CHAIN = hello_13() + record(14000) + record(11000) + record(53)


def test_a_long_flight_with_a_hole():
    """All of a chain of 25 kB is kept until the hole in its beginning is filled, whatever is sent twice meanwhile."""
    talk = Talk([(0, client_hello())])
    talk.say(1, CHAIN)
    delay(talk, 2)
    again = talk.sent[5]
    talk.sent += [(again[0] + 0.001 * n, *again[1:]) for n in range(1, 60)]
    talk.free[0] += LATE
    talk.say(0, record(53))
    talk.say(0, record(80))
    talk.say(1, record(5000))
    read = Read(talk.capture())
    assert not read.has("HOLE")
    assert read.has("CLIENT_FINISHED")
    assert read.over
    assert read.waits[0][:2] == (EXTRA_LOSS, pytest.approx(LATE, abs=1))


@pytest.mark.parametrize("hurt", [-4, -5], ids=["the answer", "what is before it"])
def test_a_hole_before_the_response_is_a_loss(hurt):
    """The answer is behind it, in a frame before the one that fills it."""
    talk = Talk([(0, client_hello()), (1, FLIGHT), (0, record(53)), (0, record(80))])
    talk.say(1, record(200) + record(200))
    talk.say(1, record(5000))
    delay(talk, hurt)
    setup = set_up(talk)
    assert losses(setup) == [("loss", pytest.approx(LATE, abs=2))]
    assert setup["spans"]["response"]["method"] == "lost"


def test_a_hole_between_settings_and_the_response_is_a_loss():
    """SETTINGS of HTTP/2 may be the response as long as nothing else has come."""
    talk = Talk([(0, client_hello(alpn=b"\x02h2")), (1, FLIGHT), (0, record(53)), (0, record(80))])
    talk.say(1, record(40))
    talk.say(1, record(200) + record(200))
    talk.say(1, record(5000))
    delay(talk, -5)
    setup = set_up(talk)
    assert losses(setup) == [("loss", pytest.approx(LATE, abs=2))]
    assert setup["spans"]["response"]["method"] == "lost"


def test_a_hole_behind_the_response_costs_the_set_up_nothing():
    talk = Talk([(0, REQUEST), (1, RESPONSE)])
    delay(talk, -2)
    assert losses(set_up(talk)) == []


def test_an_answer_of_one_byte_that_was_lost():
    """As PostgreSQL's server says that it speaks TLS; a byte that was acknowledged would be a probe."""
    talk = Talk([(0, bytes.fromhex("0000000804d2162f")), (1, b"S")])
    at, *rest = talk.sent[-1]
    talk.sent.append((at + LATE, *rest))
    talk.free[0] += LATE
    talk.say(0, client_hello())
    assert losses(set_up(talk)) == [("loss", LATE)]


def test_a_window_where_the_handshake_shows_no_round_trip():
    """The SYN was sent twice, so that nobody knows which one was answered: the server's ACKs show the way to it."""
    talk = Talk()
    talk.opening.insert(0, (-1000.0, syn_frame(options=mss(1460))))
    talk.say(0, client_hello())
    talk.acknowledge(1, at=talk.free[1])
    talk.say(1, CHAIN[: 10 * 1460])
    at = talk.free[0]
    talk.acknowledge(0, at=at)
    talk.say(1, CHAIN[10 * 1460 :], at=at + talk.way)
    assert [reason for reason, *_ in Read(talk.capture()).waits] == [EXTRA_WINDOW]
    assert talk.frames()[0][0] < START


def test_a_flight_that_is_longer_than_what_is_read():
    """Of 64 segments and more of one side nobody knows what became: that is no failed handshake."""
    talk = Talk([(0, client_hello())])
    talk.say(1, CHAIN, size=200)
    talk.say(0, record(53))
    talk.say(0, record(80))
    talk.say(1, record(5000))
    connection = report_of(talk.capture())["connections"][0]
    assert connection["tls"]["outcome"] == "unknown"
    assert [connection["setup"]["spans"][name] for name in ("response", "first_byte")] == [None, None]
    assert connection["setup"]["spans"]["tls"]["reason"] == "unknown"
