"""Spans as the client saw them: the same values wherever the capture was made."""

import pytest
from support.setups import COMPLETE, MS, START, connected

from handshake_inspect.tcp.facts import FACT_MIDSTREAM, FACT_TFO, METHOD_AMBIGUOUS, METHOD_DATA_ACK
from handshake_inspect.tcp.setup.facts import (
    EXTRA_LOSS,
    EXTRA_NAGLE,
    SETUP_CUT,
    SETUP_DOUBTED,
    SETUP_EARLY_ENDED,
    SETUP_EARLY_SENT,
    SETUP_FALSE_START,
    SETUP_GIVEN_UP,
    SETUP_HELLO_RETRY,
    SETUP_HOLE,
    SETUP_PSK,
    SETUP_SERVER_CHANGED,
    SETUP_SERVER_FINISHED,
    SETUP_SPOKE_FIRST,
    SPAN_RESPONSE,
    SPAN_TLS,
)
from handshake_inspect.verdicts.setup.words import SPAN_METHODS, SPAN_REASONS, TLS_OUTCOMES

# Where the capture was made: the way to the server and back, that to the client, and what passes it later (ms).
POSITIONS = {"client": (40, 0), "between": (30, 10), "server": (0, 40)}


def spans(setup):
    return {
        name: int(span.length.value[0]) / MS if span.there[0] and span.length.value[0] >= 0 else None
        for name, span in setup.measured.items()
    }


def trips(setup):
    return {name: int(span.round_trips[0]) for name, span in setup.measured.items() if span.there[0]}


def method(setup, name):
    return SPAN_METHODS[setup.measured[name].method[0]]


def seen_at(position, events):
    """Return when each event passes the capture: the client's frames half the way later, the server's sooner."""
    to_server, to_client = POSITIONS[position]
    shifted = {name: at + to_client / 2 if who == "client" else at - to_client / 2 for name, who, at in events}
    start = to_client / 2
    return {"to_server": to_server, "to_client": to_client, "moments": {n: at - start for n, at in shifted.items()}}


# Who did what when, by the clock of the client: what the server sends counts from when it arrives at the client.
FULL_12 = [
    ("hello", "client", 41), ("hello_sent", "client", 41), ("server_hello", "server", 82), ("flight", "server", 82),
    ("client_finished", "client", 84), ("server_finished", "server", 125), ("request", "client", 126),
    ("response", "server", 196),
]  # fmt: skip
FULL_13 = [
    ("hello", "client", 41), ("hello_sent", "client", 41), ("server_hello", "server", 82), ("flight", "server", 82),
    ("server_finished", "server", 82), ("client_finished", "client", 84), ("request", "client", 85),
]  # fmt: skip


@pytest.mark.parametrize("position", POSITIONS)
def test_tls_12(position):
    setup = connected(**seen_at(position, FULL_12), flags=COMPLETE, version=0x303)
    assert spans(setup) == {
        "tcp": 40, "before_tls": 1, "tls": 84, "before_request": 1, "response": 70, "first_byte": 196,
    }  # fmt: skip
    assert trips(setup) == {
        "tcp": 1, "before_tls": 0, "tls": 2, "before_request": 0, "response": 1, "first_byte": 4,
    }  # fmt: skip
    own = setup.spans
    assert [int(each.value[0]) / MS for each in (own.server_hello, own.server_answer, own.client_finished)] == [
        1,
        30,
        2,
    ]
    assert int(setup.seen.network.value[0]) == 40 * MS


@pytest.mark.parametrize("position", POSITIONS)
def test_tls_13(position):
    at = seen_at(position, FULL_13)
    arrived = 135 - POSITIONS[position][1] / 2 - POSITIONS[position][1] / 2
    setup = connected(
        **at, flags=COMPLETE, version=0x304, candidate_count=1, candidate_ns=[1000 * MS + int(arrived * MS)] + [0] * 5,
        candidate_length=[300] + [0] * 5, candidate_frame=[12] + [0] * 5,
    )  # fmt: skip
    assert spans(setup) == {
        "tcp": 40, "before_tls": 1, "tls": 43, "before_request": 1, "response": 50, "first_byte": 135,
    }  # fmt: skip
    assert trips(setup)["tls"] == 1
    assert trips(setup)["first_byte"] == 3


def test_plain():
    setup = connected(moments={"request": 41, "response": 111}, path=38 * MS)
    assert spans(setup) == {
        "tcp": 40, "before_tls": None, "tls": None, "before_request": 1, "response": 70, "first_byte": 111,
    }  # fmt: skip
    assert trips(setup) == {"tcp": 1, "before_request": 0, "response": 1, "first_byte": 2}
    assert int(setup.spans.server_answer.value[0]) == 32 * MS  # the least round trip is the network alone


def test_the_server_s_own_time_counts_from_the_last_copy_of_the_request():
    """The client waited for 90 ms; the server had the request 30 ms later than it was first sent."""
    sent = {"request_sent_ns": 1000 * MS + 71 * MS}
    setup = connected(moments={"request": 41, "response": 131}, flags=0, **sent)
    assert spans(setup)["response"] == 90
    assert int(setup.spans.server_answer.value[0]) == 20 * MS


def test_spans_join_without_gap():
    setup = connected(**seen_at("between", FULL_12), flags=COMPLETE, version=0x303)
    end = 0
    for name in ("tcp", "before_tls", "tls", "before_request", "response"):
        span = setup.measured[name]
        assert int(span.start[0]) == end
        end += int(span.length.value[0])
    assert end == int(setup.measured["first_byte"].length.value[0])


@pytest.mark.parametrize("flag", [SETUP_FALSE_START, SETUP_SERVER_CHANGED])
def test_one_round_trip_of_tls_12_where_the_client_need_not_wait(flag):
    setup = connected(**seen_at("client", FULL_12), flags=COMPLETE | flag, version=0x303)
    assert (spans(setup)["tls"], trips(setup)["tls"]) == (43, 1)


def test_accepted_early_data_is_the_request_and_costs_no_round_trip():
    at = seen_at("client", FULL_13)
    at["moments"] |= {"early": 42, "request": 42}
    setup = connected(
        **at, flags=COMPLETE | SETUP_EARLY_ENDED | SETUP_PSK, version=0x304, candidate_count=1,
        candidate_ns=[1083 * MS] + [0] * 5, candidate_length=[300] + [0] * 5,
    )  # fmt: skip
    shown = spans(setup)
    assert (shown["before_request"], shown["response"], shown["first_byte"]) == (0, 41, 83)
    assert (trips(setup)["tls"], trips(setup)["first_byte"]) == (0, 2)
    assert int(setup.saveable["reuse_ns"][0]) == 41 * MS


PLAIN = [("request", "client", 41), ("response", "server", 82)]


@pytest.mark.parametrize(
    ("events", "flags", "version", "tls", "sum_"),
    [
        (PLAIN, None, 0, None, 2),
        (FULL_12, 0, 0x303, 2, 4),
        (FULL_12, SETUP_FALSE_START, 0x303, 1, 3),
        (FULL_12, SETUP_SERVER_CHANGED, 0x303, 1, 3),
        (FULL_12, 0, 0x301, 2, 4),
        (FULL_13, 0, 0x304, 1, 3),
        (FULL_13, SETUP_PSK, 0x304, 1, 3),
        (FULL_13, 0, 0x7F1C, 1, 3),
        ([("retry", "server", 60), ("hello_2", "client", 61), *FULL_13], SETUP_HELLO_RETRY, 0x304, 2, 4),
        ([("early", "client", 42), *FULL_13], SETUP_EARLY_ENDED, 0x304, 0, 2),
        ([("early", "client", 42), *FULL_13], SETUP_EARLY_SENT, 0x304, 1, 3),
    ],
    ids=[
        "plain", "1.2", "1.2 false start", "1.2 resumed", "1.0", "1.3", "1.3 resumed", "1.3 draft", "1.3 retry",
        "early data accepted", "early data rejected",
    ],
)  # fmt: skip
def test_round_trips_by_the_messages(events, flags, version, tls, sum_):
    at = seen_at("client", events)
    if version > 0x303:
        at |= {"candidate_count": 1, "candidate_ns": [1200 * MS] + [0] * 5, "candidate_length": [300] + [0] * 5}
    setup = connected(**at, flags=None if flags is None else COMPLETE | flags, version=version)
    assert (trips(setup).get("tls"), trips(setup)["first_byte"]) == (tls, sum_)


def test_a_prologue_counts_its_changes_of_direction():
    setup = connected(**seen_at("client", FULL_12), flags=COMPLETE, version=0x303, upgrade=1, turns=3)
    assert (trips(setup)["before_tls"], trips(setup)["first_byte"]) == (3, 7)


HALF = ("hello", "server_hello", "flight", "client_finished")
BEGUN_12 = [each for each in FULL_12 if each[0] in HALF]


@pytest.mark.parametrize(
    ("events", "given", "span", "reason"),
    [
        (FULL_12, {"facts": FACT_MIDSTREAM}, "before_tls", "no-opening"),
        (BEGUN_12, {}, "tls", "not-finished"),
        (BEGUN_12, {"both_ways": False}, "tls", "one-sided"),
        (BEGUN_12, {"flags": COMPLETE & ~SETUP_SERVER_FINISHED | SETUP_CUT}, "tls", "unknown"),
        (BEGUN_12, {"flags": COMPLETE & ~SETUP_SERVER_FINISHED | SETUP_HOLE}, "tls", "unknown"),
        (BEGUN_12, {"flags": COMPLETE & ~SETUP_SERVER_FINISHED | SETUP_GIVEN_UP}, "tls", "unknown"),
        (FULL_12[:-1], {}, "response", "no-response"),
        (FULL_12[:-1], {"both_ways": False}, "response", "one-sided"),
        (FULL_12[:-1], {"flags": COMPLETE | SETUP_HOLE}, "response", "unknown"),
        (FULL_12[:-1], {"flags": COMPLETE | SETUP_GIVEN_UP}, "response", "unknown"),
    ],
)
def test_why_there_is_no_span(events, given, span, reason):
    setup = connected(**{"flags": COMPLETE, "version": 0x303} | seen_at("client", events) | given)
    assert method(setup, span) == "none"
    assert SPAN_REASONS[setup.measured[span].reason[0]] == reason


def test_a_request_that_was_seen_sooner_ends_tls():
    late = [(name, who, 140 if name == "server_finished" else at) for name, who, at in FULL_12]
    setup = connected(**seen_at("client", late), flags=COMPLETE, version=0x303)
    assert (spans(setup)["tls"], spans(setup)["before_request"]) == (85, 0)


def test_a_greeting_is_a_wait_before_the_request():
    setup = connected(moments={"greeting": 81, "request": 82, "response": 123}, flags=SETUP_SPOKE_FIRST)
    assert trips(setup) == {"tcp": 1, "before_request": 1, "response": 1, "first_byte": 3}
    assert spans(setup)["response"] == 41


def test_fast_open_takes_no_round_trip_for_tcp():
    setup = connected(moments={"request": 0, "response": 45}, facts=FACT_TFO)
    assert (trips(setup)["tcp"], spans(setup)["before_request"], spans(setup)["first_byte"]) == (0, 0, 45)


def test_bounds_of_the_handshake_carry_over():
    setup = connected(
        to_server=0, to_client=40, moments={"request": 41, "response": 71}, ackdat_min_ns=40 * MS,
        ackdat_max_ns=60 * MS, ackdat_method=METHOD_AMBIGUOUS,
    )  # fmt: skip
    span = setup.measured["response"].length
    assert (int(span.low[0]), int(span.high[0]), int(span.value[0])) == (70 * MS, 90 * MS, -1)
    assert method(setup, "response") == "ambiguous"


def test_a_final_ack_that_the_capture_lacks_leaves_bounds():
    setup = connected(
        moments={"request": 90, "response": 120}, ack_ns=1090 * MS, ackdat_min_ns=0, ackdat_max_ns=50 * MS,
        ackdat_method=METHOD_DATA_ACK,
    )  # fmt: skip
    span = setup.measured["tcp"].length
    assert (int(span.low[0]), int(span.high[0])) == (40 * MS, 90 * MS)
    assert method(setup, "tcp") == "ambiguous"


def test_data_that_stand_in_for_the_final_ack_leave_bounds_of_what_the_client_did_before():
    """They may have come at once, or when the client had long been connected."""
    given = {"ack_ns": 1090 * MS, "ackdat_min_ns": 0, "ackdat_max_ns": 50 * MS, "ackdat_method": METHOD_DATA_ACK}
    moments = {"hello": 90, "server_hello": 131, "server_finished": 131, "client_finished": 132, "request": 133}
    setup = connected(moments=moments, flags=COMPLETE, version=0x304, **given)
    span = setup.measured["before_tls"].length
    assert (int(span.low[0]), int(span.high[0]), int(span.value[0])) == (0, 50 * MS, -1)
    assert method(setup, "before_tls") == "ambiguous"
    assert setup.saveable["reuse_ns"].tolist() == [132 * MS]  # however it was spent
    span = connected(moments={"request": 90}, **given).measured["before_request"].length
    assert (int(span.low[0]), int(span.high[0]), int(span.value[0])) == (0, 50 * MS, -1)


def test_a_second_hello_that_the_capture_lacks_leaves_the_server_s_time_unknown():
    moments = {"hello": 41, "hello_sent": 41, "retry": 82, "server_hello": 124}
    setups = [
        connected(moments=moments | more, flags=COMPLETE | SETUP_HELLO_RETRY, version=0x304)
        for more in ({}, {"hello_2": 83, "hello_sent": 83})
    ]
    assert [setup.spans.server_hello.value.tolist() for setup in setups] == [[-1], [1 * MS]]


def test_what_was_taken_for_the_client_s_finished_at_a_hole_says_nothing():
    """It may be the first record of a certificate, and so may the request."""
    setup = connected(**seen_at("client", FULL_13), flags=COMPLETE | SETUP_HOLE | SETUP_DOUBTED, version=0x304)
    assert [method(setup, name) for name in ("tcp", "before_tls", "tls")] == ["exact", "exact", "none"]
    assert SPAN_REASONS[setup.measured["tls"].reason[0]] == "unknown"
    assert not any(setup.measured[name].there[0] for name in ("before_request", "response", "first_byte"))
    assert TLS_OUTCOMES[setup.outcomes[0]] == "unknown"


def test_what_was_sent_again_is_true_but_not_typical():
    setup = connected(**seen_at("client", FULL_12), flags=COMPLETE, version=0x303, extras=[(EXTRA_LOSS, SPAN_TLS, 20)])
    assert [method(setup, name) for name in ("tcp", "tls", "response", "first_byte")] == [
        "exact", "lost", "exact", "lost",
    ]  # fmt: skip


def test_a_lost_syn_counts_in_tcp():
    setup = connected(moments={"request": 1041, "response": 1082}, syn_count=2, ack_ns=2040 * MS)
    assert (spans(setup)["tcp"], method(setup, "tcp"), method(setup, "first_byte")) == (1040, "lost", "lost")


def test_flights_stand_in_for_records_that_are_cut():
    setup = connected(**seen_at("client", FULL_12), flags=COMPLETE | SETUP_CUT, version=0x303)
    assert (method(setup, "tls"), method(setup, "first_byte")) == ("cut", "cut")


def test_no_answer_is_no_span():
    setup = connected(moments={"request": 41})
    span = setup.measured["response"]
    assert (method(setup, "response"), SPAN_REASONS[span.reason[0]]) == ("none", "no-response")
    assert spans(setup)["before_request"] == 1


def test_without_a_request_there_are_no_later_spans():
    moments = {name: at for name, at in seen_at("client", FULL_13)["moments"].items() if name != "request"}
    setup = connected(moments=moments, flags=COMPLETE, version=0x304)
    there = {name for name, span in setup.measured.items() if span.there[0]}
    assert there == {"tcp", "before_tls", "tls"}


def test_without_an_opening_what_one_side_did_remains():
    setup = connected(**seen_at("client", FULL_13), flags=COMPLETE, version=0x304, facts=FACT_MIDSTREAM)
    assert {name: value for name, value in spans(setup).items() if value is not None} == {
        "tls": 43,
        "before_request": 1,
    }
    assert setup.measured["tls"].start[0] == -1


def test_what_comes_after_the_answer_held_nothing_up():
    moments = {"request": 41, "response": 71}  # in frames 4 and 5
    for frame, count in ((4, 1), (5, 1), (6, 0)):
        waits = connected(moments=moments, extras=[(EXTRA_NAGLE, SPAN_RESPONSE, 40, 0, 0, frame)]).waits
        assert waits.count(EXTRA_NAGLE).tolist() == [count]


@pytest.mark.parametrize("repeated", [{"syn_count": 2}, {"synack_count": 2}], ids=["SYN", "SYN-ACK"])
def test_a_handshake_of_tcp_that_was_sent_again(repeated):
    setup = connected(moments={"request": 41, "response": 111}, **repeated)
    assert [method(setup, name) for name in ("tcp", "before_request", "response", "first_byte")] == [
        "lost", "exact", "exact", "lost",
    ]  # fmt: skip


def test_an_answer_of_tls_12_behind_settings_of_http2_has_bounds():
    moments = {"hello": 41, "server_hello": 81, "client_finished": 83, "server_finished": 123, "request": 124}
    setup = connected(
        moments=moments | {"response": 220}, flags=COMPLETE, version=0x0303,
        candidate_ns=[START + 165 * MS, 0, 0, 0, 0, 0], candidate_frame=[8, 0, 0, 0, 0, 0],
    )  # fmt: skip
    (low, high, value), how = (
        tuple(int(each[0]) // MS for each in setup.measured["response"].length.parts),
        method(setup, "response"),
    )
    assert (low, high, value, how) == (41, 96, 96, "tickets-skipped")
    alone = connected(
        moments=moments | {"response": 165}, flags=COMPLETE, version=0x0303,
        candidate_ns=[START + 165 * MS, 0, 0, 0, 0, 0], candidate_frame=[9, 0, 0, 0, 0, 0],
    )  # fmt: skip
    assert (spans(alone)["response"], method(alone, "response")) == (41, "exact")
