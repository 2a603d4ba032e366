"""Each rule of what a receiver accepts, on both sides of its bound; only C calls these functions when compiled."""

import pytest

from handshake_inspect.about import build
from handshake_inspect.decode.segment import Segment
from handshake_inspect.tcp import acceptance, facts
from handshake_inspect.tcp.rows import Connection, Endpoint
from handshake_inspect.tcp.transitions import TcpState
from handshake_inspect.wire.const import ACK, FIN, MASK32, OPT_CUT, OPT_TIMESTAMPS, OPT_WINDOW_SCALE, PSH

pytestmark = pytest.mark.skipif(build() == "compiled", reason="what only C calls has no Python name there")

OPENED = facts.FACT_SYN | facts.FACT_ACKED
OTHER_CHECK = facts.CHECK_GOOD
BOTH = facts.TRAIT_ISS | facts.TRAIT_ACKS


def row(kind, **fields):
    made = kind()
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def end(traits=0, checks=0, **fields):
    """An end with these bits, and with one of each kind that no rule here is about."""
    return row(Endpoint, traits=traits | facts.TRAIT_SEEN, checks=checks | OTHER_CHECK, **fields)


def segment(seq=0, length=0, *, ack=0, flags=ACK):
    return row(Segment, seq=seq & MASK32, payload_len=length, ack=ack & MASK32, flags=flags | PSH)


def grade(known, target, sent, sender=None, side=1):
    """How the target treats a segment of this side; side 0 is the client."""
    connection = row(Connection, facts=known | facts.FACT_CLIENT_DATA, client=0)
    return acceptance.acceptability(connection, sender or end(), target, sent, side)


@pytest.mark.parametrize(
    ("known", "flags", "expected"),
    [
        (facts.FACT_SYN, ACK, facts.ACCEPTED),
        (facts.FACT_SYN, 0, facts.VOID),
        (facts.FACT_SYNACK, 0, facts.VOID),
        (facts.FACT_SYN | facts.FACT_SYNACK, FIN, facts.VOID),
        (0, 0, facts.ACCEPTED),  # nothing of the opening is known
        (facts.FACT_MIDSTREAM | facts.FACT_SYN, 0, facts.ACCEPTED),
        (facts.FACT_ACKED, 0, facts.ACCEPTED),
    ],
)
def test_without_ack_it_is_dropped_where_the_opening_is_known(known, flags, expected):
    assert grade(known, end(), segment(flags=flags)) == expected


@pytest.mark.parametrize(
    ("known", "checks", "traits", "ack", "expected"),
    [
        (OPENED, 0, facts.TRAIT_FIN, 6000, facts.ACCEPTED),
        (OPENED, 0, facts.TRAIT_FIN, 6001, facts.VOID),
        (OPENED, 0, 0, 6001, facts.ACCEPTED),
        (facts.FACT_SYN, 0, facts.TRAIT_FIN, 6001, facts.ACCEPTED),
        (OPENED, facts.CHECK_FIN_UNSEEN, facts.TRAIT_FIN, 6001, facts.ACCEPTED),
    ],
)
def test_nothing_beyond_a_fin_can_be_acknowledged(known, checks, traits, ack, expected):
    target = end(traits, checks=checks, fin_seq=6000)
    assert grade(known, target, segment(ack=ack)) == expected


SIMULTANEOUS = OPENED | facts.FACT_SIMULTANEOUS


@pytest.mark.parametrize(
    ("known", "traits", "side", "ack", "expected"),
    [
        (OPENED, facts.TRAIT_ISS, 1, 5000, facts.ACCEPTED),
        (OPENED, facts.TRAIT_ISS, 1, 4999, facts.VOID),
        (OPENED, facts.TRAIT_ISS, 0, 5000, facts.VOID),  # who opened acknowledges the SYN of the other at least
        (OPENED, facts.TRAIT_ISS, 0, 5001, facts.ACCEPTED),
        (SIMULTANEOUS, facts.TRAIT_ISS, 0, 5000, facts.ACCEPTED),
        (SIMULTANEOUS, facts.TRAIT_ISS, 0, 4999, facts.VOID),
        (OPENED, 0, 1, 4999, facts.ACCEPTED),
        (facts.FACT_SYN, facts.TRAIT_ISS, 1, 4999, facts.ACCEPTED),
        (OPENED | facts.FACT_ISN_CHANGED, facts.TRAIT_ISS, 1, 4999, facts.ACCEPTED),
    ],
)
def test_an_acknowledgment_of_less_than_the_syn_is_dropped(known, traits, side, ack, expected):
    assert grade(known, end(traits, iss=5000), segment(ack=ack), side=side) == expected


@pytest.mark.parametrize(
    ("traits", "length", "flags", "expected"),
    [
        (facts.TRAIT_ACKS, 9, ACK, facts.OUTSIDE),
        (facts.TRAIT_ACKS, 10, ACK, facts.ACCEPTED),
        (facts.TRAIT_ACKS, 9, ACK | FIN, facts.ACCEPTED),  # the FIN takes a number of its own
        (facts.TRAIT_ACKS, 8, ACK | FIN, facts.OUTSIDE),
        (0, 9, ACK, facts.ACCEPTED),
    ],
)
def test_what_lies_before_the_acknowledgment_is_outside(traits, length, flags, expected):
    target = end(traits, last_ack=5000)
    assert grade(OPENED, target, segment(4990, length, flags=flags)) == expected


REQUEST = int(TcpState.SYN_RECEIVED)


@pytest.mark.parametrize(
    ("known", "state", "seq", "length", "expected"),
    [
        (facts.FACT_SYN, REQUEST, 4990, 10, facts.OUTSIDE),
        (facts.FACT_SYN, REQUEST, 5000, 0, facts.ACCEPTED),
        (facts.FACT_SYN, REQUEST, 4990, 11, facts.ACCEPTED),
        (facts.FACT_SYN, 0, 4990, 10, facts.ACCEPTED),
        (SIMULTANEOUS, REQUEST, 4990, 10, facts.ACCEPTED),
        (facts.FACT_SYN, REQUEST, 6000, 1, facts.BEYOND),
        (facts.FACT_SYN, REQUEST, 6000, 0, facts.ACCEPTED),
        (facts.FACT_SYN, 0, 6000, 1, facts.ACCEPTED),
        (SIMULTANEOUS, REQUEST, 6000, 1, facts.ACCEPTED),
    ],
)
def test_a_request_takes_nothing_at_the_edges_of_its_window(known, state, seq, length, expected):
    target = end(BOTH, last_ack=5000, window=1000, state=state)
    sender = end(facts.TRAIT_ISS, snd_nxt=5500)
    assert grade(known, target, segment(seq, length), sender) == expected


WINDOWS = [
    # traits of sender and target, SND.NXT, seq -> beyond
    (facts.TRAIT_ISS, BOTH, 5500, 6000, False),
    (facts.TRAIT_ISS, BOTH, 5500, 6001, True),
    (facts.TRAIT_ISS, BOTH, 6000, 6001, True),
    (facts.TRAIT_ISS, BOTH, 6001, 6001, False),  # it was sent before, so the window was not what it seemed
    (0, BOTH, 5500, 6001, False),
    (facts.TRAIT_ISS, facts.TRAIT_ACKS, 5500, 6001, False),
    (facts.TRAIT_ISS, facts.TRAIT_ISS, 5500, 6001, False),
]


@pytest.mark.parametrize(("sender_traits", "target_traits", "snd_nxt", "seq", "beyond"), WINDOWS)
def test_what_lies_beyond_the_window_counts_for_nothing(sender_traits, target_traits, snd_nxt, seq, beyond):
    sender = end(sender_traits, snd_nxt=snd_nxt)
    target = end(target_traits, last_ack=5000, window=1000)
    assert grade(facts.FACT_SYN, target, segment(seq), sender) == (facts.BEYOND if beyond else facts.ACCEPTED)


@pytest.mark.parametrize("at_edge", [True, False])
@pytest.mark.parametrize(
    ("of_sender", "of_target", "known"),
    [
        (0, 0, True),
        (OPT_CUT, 0, False),
        (0, OPT_CUT, False),
        (OPT_CUT | OPT_TIMESTAMPS, OPT_WINDOW_SCALE, False),
        (OPT_CUT | OPT_WINDOW_SCALE, OPT_CUT | OPT_WINDOW_SCALE, True),
    ],
)
def test_a_window_whose_scale_the_capture_lacks_has_no_edge(of_sender, of_target, known, at_edge):
    """The capture may lack the option (RFC 7323 section 2.2), so that the window may be much larger."""
    sender = end(facts.TRAIT_ISS, snd_nxt=5500, options=of_sender)
    target = end(BOTH, last_ack=5000, window=1000, options=of_target)
    if at_edge:
        connection = row(Connection, facts=OPENED)
        assert acceptance.is_at_edge(connection, sender, target, segment(6000)) is known
    else:
        assert grade(facts.FACT_SYN, target, segment(6001), sender) == (facts.BEYOND if known else facts.ACCEPTED)


@pytest.mark.parametrize(
    ("known", "sender_traits", "target_traits", "window", "snd_nxt", "seq", "at_edge"),
    [
        (OPENED, facts.TRAIT_ISS, BOTH, 1000, 5500, 6000, True),
        (OPENED, facts.TRAIT_ISS, BOTH, 1000, 5500, 5999, False),
        (OPENED, facts.TRAIT_ISS, BOTH, 1000, 5500, 6001, False),
        (OPENED, facts.TRAIT_ISS, BOTH, 1000, 6000, 6000, False),
        (OPENED, facts.TRAIT_ISS, BOTH, 0, 4000, 5000, False),
        (OPENED, 0, BOTH, 1000, 5500, 6000, False),
        (OPENED, facts.TRAIT_ISS, facts.TRAIT_ISS, 1000, 5500, 6000, False),
        (OPENED, facts.TRAIT_ISS, facts.TRAIT_ACKS, 1000, 5500, 6000, False),
        (facts.FACT_MIDSTREAM, facts.TRAIT_ISS, BOTH, 1000, 5500, 6000, False),
    ],
)
def test_what_begins_at_the_edge_brings_an_acknowledgment_alone(
    known, sender_traits, target_traits, window, snd_nxt, seq, at_edge
):
    target = end(target_traits, last_ack=5000, window=window)
    sender = end(sender_traits, snd_nxt=snd_nxt)
    assert acceptance.is_at_edge(row(Connection, facts=known), sender, target, segment(seq)) is at_edge


def test_the_window_wraps():
    target = end(BOTH, last_ack=MASK32 - 15, window=32)
    sender = end(facts.TRAIT_ISS, snd_nxt=0)
    connection = row(Connection, facts=OPENED)
    assert acceptance.is_right(connection, sender, target, segment(17), False)
    assert not acceptance.is_right(connection, sender, target, segment(16), False)
    assert acceptance.end_of(segment(MASK32, 4)) == 3
    assert acceptance.end_of(segment(MASK32, 4, flags=FIN)) == 4


PAST = {
    # changes to a new segment with an older timestamp -> whether it is dropped
    "as it is": ({}, True),
    "a tick before": ({"tsval": 999}, False),  # Linux lets a clock go back so far
    "two ticks before": ({"tsval": 998}, True),
    "nothing new": ({"seq": 4000}, False),
    "nothing new but its acknowledgment": ({"seq": 4000, "ack": 7001}, True),
    "without timestamps": ({"options": 0}, False),
}


@pytest.mark.parametrize("what", PAST)
def test_something_new_with_an_older_timestamp_is_dropped(what):
    changes, past = PAST[what]
    sender = end(BOTH, snd_nxt=5000, last_ack=7000, tsval=1000, options=OPT_TIMESTAMPS)
    target = end(facts.TRAIT_ISS, options=OPT_TIMESTAMPS)
    sent = segment(5000, 10, ack=7000)
    for name, value in ({"tsval": 500, "options": OPT_TIMESTAMPS} | changes).items():
        setattr(sent, name, value)
    assert grade(facts.FACT_SYN, target, sent, sender) == (facts.VOID if past else facts.ACCEPTED)
    for unknown in (end(facts.TRAIT_ISS), end(options=OPT_TIMESTAMPS)):
        assert not acceptance.is_from_the_past(sender, unknown, sent)


FIN_AT = 5009  # seq 5000, 8 bytes, and the FIN


@pytest.mark.parametrize(
    ("target", "sender", "taken"),
    [
        (end(last_ack=9000), end(), True),  # it has acknowledged nothing yet
        (end(facts.TRAIT_ACKS, last_ack=FIN_AT - 1), end(), True),
        (end(facts.TRAIT_ACKS, last_ack=FIN_AT), end(), False),
        (end(facts.TRAIT_ACKS, last_ack=FIN_AT), end(facts.TRAIT_FIN, fin_seq=FIN_AT), True),
        (end(facts.TRAIT_ACKS, last_ack=FIN_AT), end(facts.TRAIT_FIN, fin_seq=FIN_AT + 1), False),
        (end(facts.TRAIT_ACKS, last_ack=FIN_AT), end(hole_start=FIN_AT - 1, hole_end=FIN_AT), True),
        (end(facts.TRAIT_ACKS, last_ack=FIN_AT), end(hole_start=FIN_AT, hole_end=FIN_AT + 9), False),
        (end(facts.TRAIT_ACKS, last_ack=FIN_AT), end(hole_start=FIN_AT - 9, hole_end=FIN_AT - 1), False),
        (end(facts.TRAIT_ACKS, last_ack=FIN_AT), end(hole_start=FIN_AT - 1, hole_end=FIN_AT - 1), False),
    ],
)
def test_a_fin_is_possible_unless_its_number_was_acknowledged_as_something_else(target, sender, taken):
    fin = segment(5000, 8, flags=ACK | FIN)
    opened, midstream = row(Connection, facts=OPENED), row(Connection, facts=facts.FACT_MIDSTREAM)
    assert bool(acceptance.is_fin_possible(opened, sender, target, fin)) is taken
    assert acceptance.is_fin_possible(midstream, sender, target, fin)


@pytest.mark.parametrize(
    ("traits", "ack", "doubtful"),
    [
        (facts.TRAIT_ISS, 7001, False),  # its FIN may be what the capture lacks
        (facts.TRAIT_ISS, 7002, True),
        (0, 7002, False),
        (facts.TRAIT_ISS | facts.TRAIT_FIN, 7002, False),
    ],
)
def test_a_fin_that_acknowledges_what_was_not_captured_is_doubtful(traits, ack, doubtful):
    target, fin = end(traits, snd_nxt=7000), segment(5000, 8, ack=ack, flags=ACK | FIN)
    opened, midstream = row(Connection, facts=OPENED), row(Connection, facts=facts.FACT_MIDSTREAM)
    assert acceptance.is_fin_doubtful(opened, end(), target, fin, facts.ACCEPTED) is doubtful
    assert acceptance.is_fin_doubtful(opened, end(), target, fin, facts.OUTSIDE) is True
    assert acceptance.is_fin_doubtful(midstream, end(), target, fin, facts.OUTSIDE) is False


@pytest.mark.parametrize(
    ("known", "traits", "unopened"),
    [
        (facts.FACT_SYN, 0, True),
        (facts.FACT_SYN, facts.TRAIT_ISS, False),
        (facts.FACT_SYN | facts.FACT_SYNACK, 0, False),
        (facts.FACT_SYN | facts.FACT_ACKED, 0, False),
        (facts.FACT_SYN | facts.FACT_SERVER_PROVED, 0, False),
        (facts.FACT_SYN | facts.FACT_SIMULTANEOUS, 0, False),
        (facts.FACT_SYNACK, 0, False),
    ],
)
def test_a_fin_before_any_answer_is_doubtful(known, traits, unopened):
    connection, fin = row(Connection, facts=known), segment(5000, 8, flags=ACK | FIN)
    assert acceptance.is_fin_doubtful(connection, end(traits), end(), fin, facts.ACCEPTED) is unopened


def test_a_doubted_fin_is_remembered_unless_one_is_known():
    fin = segment(5000, 8, flags=ACK | FIN)
    sender, closed = end(), end(facts.TRAIT_FIN, fin_seq=4000)
    for one in (sender, closed):
        acceptance.doubt_fin(one, fin)
    assert (sender.checks, sender.fin_seq) == (OTHER_CHECK | facts.CHECK_FIN_DOUBTED, FIN_AT)
    assert (closed.checks, closed.fin_seq) == (OTHER_CHECK, 4000)


@pytest.mark.parametrize(
    ("checks", "traits", "ack", "over"),
    [
        (facts.CHECK_FIN_DOUBTED, 0, FIN_AT, True),
        (facts.CHECK_FIN_DOUBTED, 0, FIN_AT + 1, False),
        (facts.CHECK_FIN_DOUBTED, facts.TRAIT_FIN, FIN_AT, False),
        (facts.CHECK_FIN_UNSEEN, 0, FIN_AT, False),
    ],
)
def test_the_doubt_is_over_when_the_fin_is_acknowledged(checks, traits, ack, over):
    sender = end(traits, checks | facts.CHECK_FIN_UNSEEN, fin_seq=FIN_AT)
    assert acceptance.is_doubt_over(sender, segment(ack=ack)) is over
    left = facts.CHECK_FIN_UNSEEN | (checks & ~facts.CHECK_FIN_DOUBTED if over else checks)
    assert sender.checks == left | OTHER_CHECK
