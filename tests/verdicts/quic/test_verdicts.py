"""Outcomes and spans of QUIC connections, compared with how the flows were built."""

import pytest
from support import quic
from support.quic import DCID, MS, SERVER_CID, V1, Flow

from handshake_inspect.engine import analyze
from handshake_inspect.quic.initial import can_open
from handshake_inspect.verdicts.limits import Limits
from handshake_inspect.verdicts.quic.outcome import QuicVerdicts
from handshake_inspect.verdicts.quic.quics import Quics
from handshake_inspect.verdicts.quic.spans import QuicSpans
from handshake_inspect.verdicts.quic.words import FAILURES, NOT_FAILED, QUIC_OUTCOMES

SECOND = 1000 * MS
HELLO = quic.initial(quic.crypto(quic.client_hello("lab.test")), size=1200)
ANSWER = quic.initial(scid=SERVER_CID, dcid=b"", keyed=DCID, from_server=True, size=200)


def quics_of(flow: Flow, after: int = 10 * SECOND) -> Quics:
    return Quics.of(flow.pump().quic.table, flow.now + after, Limits())


def verdict(flow: Flow, after: int = 10 * SECOND):
    judged = QuicVerdicts(quics_of(flow, after))
    return QUIC_OUTCOMES[judged.outcome[0]], judged.cause(0), bool(judged.decided[0]), judged.evidence(0)


def hello(flow: Flow) -> Flow:
    return flow.client(HELLO).wait(40 * MS)


def flight(flow: Flow) -> Flow:
    """The server's answer, at once."""
    return flow.server(ANSWER, quic.handshake(900)).server(quic.handshake(600))


def finish(flow: Flow, *more: bytes) -> Flow:
    return flow.client(quic.handshake(60, dcid=SERVER_CID), *more)


def test_established():
    assert verdict(finish(flight(hello(Flow())), quic.short(90))) == ("established", None, True, [1, 2, 4])


def test_a_finished_that_is_seen_by_what_follows():
    flow = finish(flight(hello(Flow()))).wait(MS // 2).client(quic.short(200))
    assert verdict(flow)[0] == "established"


@pytest.mark.parametrize(("after", "outcome"), [(2 * SECOND, "timed-out"), (2 * SECOND - 1, "pending")])
def test_nothing_answers(after, outcome):
    """3 s of capture after the first Initial, as of a SYN."""
    flow = Flow().client(HELLO).wait(SECOND).client(HELLO)
    assert verdict(flow, after)[::2] == (outcome, outcome != "pending")


@pytest.mark.parametrize(
    ("type_", "code", "cause"), [(3, 3, "port-unreachable"), (3, 13, "admin-prohibited"), (11, 0, "ttl-exceeded")]
)
def test_an_icmp_error_rejects(type_, code, cause):
    assert verdict(hello(Flow()).error(type=type_, code=code), 0) == ("rejected", cause, True, [1, 2])


def test_an_error_about_the_server_is_a_client_that_is_gone():
    flow = finish(flight(hello(Flow())), quic.short(90)).wait(MS).server(quic.short(80)).error()
    assert verdict(flow)[0] == "established"


FAILED = [
    ("no-common-version", lambda flow: hello(flow).server(quic.negotiation(2, 3))),
    ("stuck", lambda flow: hello(flow).server(ANSWER)),
    ("closed-by-client", lambda flow: finish(flight(hello(flow)))),
    ("closed-by-client", lambda flow: flight(hello(flow))),
    ("closed-by-client", lambda flow: hello(flow).server(quic.retry())),
]


@pytest.mark.parametrize(("cause", "made"), FAILED)
def test_an_answer_and_then_nothing(cause, made):
    assert verdict(made(Flow()))[:3] == ("failed", cause, True)
    assert verdict(made(Flow()), after=0)[:3] == ("pending", None, False)


@pytest.mark.parametrize(("after", "outcome"), [(SECOND, "failed"), (190 * MS, "pending")])
def test_a_client_that_goes_on_does_so_at_once(after, outcome):
    """After a Version Negotiation; whether it waits for something is decided later."""
    assert verdict(hello(Flow()).server(quic.negotiation(2, 3)), after)[::2] == (outcome, False)


@pytest.mark.skipif(not can_open(), reason="needs cryptography")
@pytest.mark.parametrize("by", ["server", "client"])
def test_who_closes_in_an_initial_is_known_at_once(by):
    flow = hello(Flow())
    if by == "server":
        flow.server(quic.initial(quic.close(0x178, b"no h3"), dcid=b"", keyed=DCID, from_server=True))
    else:
        flow.server(ANSWER).wait(MS)
        flow.client(quic.initial(quic.close(0), dcid=SERVER_CID, keyed=DCID, pn=1, size=1200))
    judged = QuicVerdicts(quics_of(flow, after=0))
    assert (QUIC_OUTCOMES[judged.outcome[0]], judged.cause(0)) == ("failed", f"closed-by-{by}")
    assert judged.closes[0][0] == by


def test_failures_are_only_of_those_that_failed():
    judged = QuicVerdicts(quics_of(finish(flight(hello(Flow())), quic.short(90))))
    assert judged.failure[0] == NOT_FAILED
    assert len(FAILURES) == 4


# -- spans ---------------------------------------------------------------------------------------------------------


def spans_of(flow: Flow, least: int = -1) -> QuicSpans:
    quics = quics_of(flow)
    return QuicSpans(quics, quics.rows["first_ns"] * 0 + least)


def bounds(interval):
    return int(interval.low[0]), int(interval.high[0])


def asked(think: int = 30 * MS) -> Flow:
    """Captured at the client: 40 ms away, 1 ms of its own per step, the request with the Finished, then the answer."""
    flow = finish(flight(hello(Flow())).wait(MS), quic.short(200)).wait(40 * MS)
    flow.server(quic.short(250, dcid=b"")).wait(think)
    return flow.server(quic.short(900, dcid=b""))


def test_the_parts_of_a_set_up_join():
    spans = spans_of(asked())
    assert bounds(spans.handshake) == (41 * MS, 41 * MS)
    assert bounds(spans.before_request) == (0, 0)
    assert bounds(spans.response) == (40 * MS, 71 * MS)  # chatter or the answer; and the client's reply took 1 ms
    assert bounds(spans.first_byte) == (81 * MS, 112 * MS)
    assert (spans.round_trips[0], bounds(spans.initial), bounds(spans.reply)) == (1, (40 * MS,) * 2, (MS,) * 2)
    assert bounds(spans.network) == (0, 40 * MS)


def test_an_answer_that_comes_alone_is_the_answer():
    flow = finish(flight(hello(Flow())).wait(MS), quic.short(200)).wait(40 * MS).server(quic.short(900, dcid=b""))
    assert bounds(spans_of(flow).response) == (40 * MS, 41 * MS)


def test_what_comes_sooner_than_a_round_trip_answers_nothing():
    flow = finish(flight(hello(Flow())).wait(MS), quic.short(200)).wait(10 * MS).server(quic.short(250, dcid=b""))
    flow.wait(40 * MS).server(quic.short(900, dcid=b""))
    assert bounds(spans_of(flow).response)[0] == 50 * MS


def test_a_retry_costs_a_round_trip_and_shows_the_network_alone():
    flow = Flow().client(HELLO).wait(40 * MS).server(quic.retry()).wait(2 * MS)
    flow.client(quic.initial(dcid=SERVER_CID, token=b"a token", size=1200)).wait(47 * MS)
    spans = spans_of(finish(flight(flow).wait(MS), quic.short(200)))
    assert spans.round_trips[0] == 2
    assert bounds(spans.network) == (40 * MS, 40 * MS)
    assert bounds(spans.server_hello) == (7 * MS, 7 * MS)
    assert bounds(spans.handshake) == (90 * MS, 90 * MS)


@pytest.mark.parametrize(("soon", "shown"), [(34, 84), (35, 35)])
def test_a_retry_is_a_lower_bound_of_the_round_trip(soon, shown):
    """40 ms of it, less an eighth, since round trips vary."""
    flow = Flow().client(HELLO).wait(40 * MS).server(quic.retry()).wait(2 * MS)
    flow.client(quic.initial(dcid=SERVER_CID, token=b"a token", size=1200)).wait(47 * MS)
    finish(flight(flow).wait(MS), quic.short(200)).wait(soon * MS).server(quic.short(250, dcid=b""))
    flow.wait(50 * MS).server(quic.short(900, dcid=b""))
    assert bounds(spans_of(flow).response)[0] == shown * MS


def test_any_packet_before_the_answer_may_be_the_request():
    flow = finish(flight(hello(Flow())).wait(MS), quic.short(200)).wait(5 * MS)
    flow.client(quic.short(200, dcid=SERVER_CID)).wait(40 * MS).server(quic.short(900, dcid=b""))
    spans = spans_of(flow)
    assert bounds(spans.before_request) == (0, 5 * MS)
    assert bounds(spans.response) == (40 * MS, 46 * MS)  # and the client's reply took 1 ms


def test_an_initial_sent_twice_leaves_the_round_trip_open():
    flow = Flow().client(HELLO).wait(300 * MS).client(HELLO).wait(40 * MS)
    spans = spans_of(flight(flow))
    assert (bounds(spans.initial), int(spans.initial.value[0])) == ((40 * MS, 340 * MS), -1)


def test_early_data_is_accepted_when_the_answer_comes_too_soon_for_anything_else():
    flow = Flow().client(quic.initial(size=1200), quic.early(200)).wait(40 * MS)
    flight(flow).wait(5 * MS)
    flow.server(quic.short(900, dcid=b"")).wait(MS)
    finish(flow, quic.short(40))
    spans = spans_of(flow)
    assert bool(spans.early_accepted[0])
    assert (spans.round_trips[0], bounds(spans.before_request)) == (0, (0, 0))
    assert bounds(spans.response)[0] == 45 * MS


def test_settings_that_come_with_the_flight_are_not_surely_the_answer_to_early_data():
    flow = Flow().client(quic.initial(size=1200), quic.early(200)).wait(40 * MS)
    flow.server(ANSWER, quic.handshake(900), quic.short(400, dcid=b"")).wait(6 * MS)
    finish(flow, quic.short(40)).wait(10 * MS).server(quic.short(900, dcid=b""))
    spans = spans_of(flow)
    assert bool(spans.early_accepted[0])
    assert bounds(spans.first_byte) == (40 * MS, 62 * MS)


def test_early_data_whose_answer_might_answer_the_finished_is_not_known_to_be_accepted():
    flow = Flow().client(quic.initial(size=1200), quic.early(200)).wait(40 * MS)
    finish(flight(flow).wait(MS), quic.short(200)).wait(41 * MS).server(quic.short(900, dcid=b""))
    assert not spans_of(flow).early_accepted[0]


def test_early_data_that_may_have_been_accepted_leaves_the_answer_open():
    """A server that answers at once does so with its flight; so it sends SETTINGS, whatever became of early data."""
    flow = Flow().client(quic.initial(size=1200), quic.early(200)).wait(40 * MS)
    flow.server(ANSWER, quic.handshake(900), quic.short(400, dcid=b"")).wait(MS)
    finish(flow, quic.short(90)).wait(40 * MS).server(quic.short(900, dcid=b""))
    spans = spans_of(flow)
    assert not spans.early_accepted[0]
    assert bounds(spans.first_byte) == (40 * MS, 82 * MS)
    assert bounds(spans.response)[1] == 82 * MS
    assert bounds(spans.before_request) == (0, 0)


def test_at_the_server_half_of_its_answer_is_no_round_trip():
    """It computes for 16 ms, and the client is 40 ms away: its first packets after that are no answer to early data."""
    flow = Flow().client(quic.initial(size=1200), quic.early(200)).wait(16 * MS)
    finish(flight(flow).wait(41 * MS), quic.short(90)).wait(3 * MS).server(quic.short(300, dcid=b""))
    assert not spans_of(flow).early_accepted[0]


def test_an_answer_that_comes_too_soon_is_one_where_nothing_else_comes():
    """A host in the same room whose first answer took 8 ms of computing."""
    flow = finish(flight(Flow().client(HELLO).wait(8 * MS)).wait(MS), quic.short(200)).wait(MS)
    assert bounds(spans_of(flow.server(quic.short(900, dcid=b""))).response) == (MS, 2 * MS)


def test_in_one_room_half_of_the_first_answer_is_computing():
    """2 ms away, and 9 ms of computing: what comes 2 ms after the Finished answers it, and took no early data."""
    flow = Flow().client(quic.initial(size=1200), quic.early(200)).wait(11 * MS)
    finish(flight(flow).wait(MS), quic.short(90)).wait(2 * MS).server(quic.short(300, dcid=b""))
    assert not spans_of(flow).early_accepted[0]


def test_an_answer_to_early_data_may_come_after_the_ticket():
    """Nobody can tell whether it was accepted; settings come with the flight, a ticket after the Finished."""
    flow = Flow().client(quic.initial(size=1200), quic.early(200)).wait(4 * MS)
    flow.server(ANSWER, quic.handshake(900), quic.short(120, dcid=b"")).wait(MS)
    finish(flow, quic.short(40)).wait(3 * MS).server(quic.short(250, dcid=b"")).wait(70 * MS)
    spans = spans_of(flow.server(quic.short(900, dcid=b"")))
    assert not spans.early_accepted[0]
    assert bounds(spans.first_byte) == (4 * MS, 79 * MS)


def test_a_retry_behind_a_version_negotiation():
    flow = Flow().client(quic.initial(version=0x1A2A3A4A, size=1200)).wait(44 * MS).server(quic.negotiation(V1))
    flow.wait(MS).client(HELLO).wait(42 * MS).server(quic.retry()).wait(2 * MS)
    flow.client(quic.initial(dcid=SERVER_CID, token=b"a token", size=1200)).wait(47 * MS)
    finish(flight(flow).wait(MS), quic.short(200)).wait(40 * MS).server(quic.short(900, dcid=b""))
    spans = spans_of(flow)
    assert spans.round_trips[0] == 3
    assert bounds(spans.initial) == (44 * MS, 44 * MS)
    assert bounds(spans.server_hello) == (3 * MS, 3 * MS)
    assert bounds(spans.response) == (40 * MS, 41 * MS)
    costs = {each.reason: each.cost_ns for each in analyze([flow.file()]).quic_connections[0].setup.extra_round_trips}
    assert costs == {"version-negotiation": 45 * MS, "retry": 44 * MS}


def test_the_snap_length_hides_what_is_behind_the_first_packet():
    flow = flight(hello(Flow())).wait(MS)
    flow.client(quic.initial(scid=DCID, dcid=SERVER_CID, size=300), quic.handshake(60), quic.short(200)).wait(40 * MS)
    flow.server(quic.short(900, dcid=b"")).wait(MS).client(quic.short(30))
    whole, cut = spans_of(flow), spans_of(flow.cut(96))
    assert bounds(whole.handshake) == (41 * MS, 41 * MS)
    assert bounds(cut.handshake) == (41 * MS, 82 * MS)
    span = analyze([flow.file()]).quic_connections[0].setup.spans.quic
    assert (span.method, span.value_ns, span.min_ns) == ("cut", None, 41 * MS)


def test_a_round_trip_of_tcp_is_a_lower_bound_too():
    flow = finish(flight(hello(Flow())).wait(MS), quic.short(200)).wait(30 * MS).server(quic.short(250, dcid=b""))
    flow.wait(40 * MS).server(quic.short(900, dcid=b""))
    assert bounds(spans_of(flow).response)[0] == 30 * MS
    assert bounds(spans_of(flow, least=39 * MS).response)[0] == 70 * MS
    assert bounds(spans_of(flow, least=34 * MS).response)[0] == 30 * MS  # round trips vary by an eighth


@pytest.mark.parametrize(("trip", "shown"), [(40 * MS, 40 * MS), (20 * MS, 20 * MS), (19 * MS, None)])
def test_the_spin_bit_is_no_shorter_than_the_network(trip, shown):
    """Half of what the server's first answer took is a lower bound."""
    flow = finish(flight(hello(Flow())), quic.short(90)).wait(MS)
    for turn in range(3):
        spin = 1 - turn % 2
        flow.client(quic.short(100, spin=spin)).server(quic.short(100, dcid=b"", spin=spin)).wait(trip)
    value = int(spans_of(flow).spin.value[0])
    assert (value if value >= 0 else None) == shown


@pytest.mark.parametrize("who", ["client", "server"])
def test_a_spin_bit_of_one_side_is_none(who):
    """The other one has switched it off (RFC 9000 section 17.4): what moves is at random."""
    flow = finish(flight(hello(Flow())), quic.short(90)).wait(MS)
    for turn in range(6):
        spin = [(1 - turn % 2) * (side == who) for side in ("client", "server")]
        flow.client(quic.short(100, spin=spin[0])).server(quic.short(100, dcid=b"", spin=spin[1])).wait(40 * MS)
    assert spans_of(flow).spin.value[0] == -1


def test_bounds_of_an_answer_are_in_order_though_the_clock_steps_back():
    flow = finish(flight(hello(Flow())).wait(MS), quic.short(200)).wait(70 * MS).server(quic.short(250, dcid=b""))
    low, high = bounds(spans_of(flow.wait(-30 * MS).server(quic.short(900, dcid=b""))).response)
    assert low <= high
