"""Each rule of what a receiver accepts, on both sides of its bound; only C calls these functions when compiled."""

import pytest

from handshake_inspect.about import build
from handshake_inspect.decode.segment import Segment
from handshake_inspect.tcp import acceptance, facts
from handshake_inspect.tcp.rows import Connection, Endpoint
from handshake_inspect.wire.const import ACK, FIN, MASK32, PSH

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


def worth(known, target, sent, sender=None):
    return acceptance.worth(row(Connection, facts=known | facts.FACT_CLIENT_DATA), sender or end(), target, sent)


@pytest.mark.parametrize(
    ("known", "flags", "is_worth"),
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
def test_without_ack_it_is_dropped_where_the_opening_is_known(known, flags, is_worth):
    assert worth(known, end(), segment(flags=flags)) == is_worth


@pytest.mark.parametrize(
    ("known", "checks", "traits", "ack", "is_worth"),
    [
        (OPENED, 0, facts.TRAIT_FIN, 6000, facts.ACCEPTED),
        (OPENED, 0, facts.TRAIT_FIN, 6001, facts.VOID),
        (OPENED, 0, 0, 6001, facts.ACCEPTED),
        (facts.FACT_SYN, 0, facts.TRAIT_FIN, 6001, facts.ACCEPTED),
        (OPENED, facts.CHECK_FIN_UNSEEN, facts.TRAIT_FIN, 6001, facts.ACCEPTED),
    ],
)
def test_nothing_beyond_a_fin_can_be_acknowledged(known, checks, traits, ack, is_worth):
    target = end(traits, checks=checks, fin_seq=6000)
    assert worth(known, target, segment(ack=ack)) == is_worth


@pytest.mark.parametrize(
    ("known", "traits", "ack", "is_worth"),
    [
        (OPENED, facts.TRAIT_ISS, 5000, facts.ACCEPTED),
        (OPENED, facts.TRAIT_ISS, 4999, facts.VOID),
        (OPENED, 0, 4999, facts.ACCEPTED),
        (facts.FACT_SYN, facts.TRAIT_ISS, 4999, facts.ACCEPTED),
        (OPENED | facts.FACT_ISN_CHANGED, facts.TRAIT_ISS, 4999, facts.ACCEPTED),
    ],
)
def test_an_acknowledgment_of_less_than_the_syn_is_dropped(known, traits, ack, is_worth):
    assert worth(known, end(traits, iss=5000), segment(ack=ack)) == is_worth


@pytest.mark.parametrize(
    ("traits", "length", "flags", "is_worth"),
    [
        (facts.TRAIT_ACKS, 9, ACK, facts.OUTSIDE),
        (facts.TRAIT_ACKS, 10, ACK, facts.ACCEPTED),
        (facts.TRAIT_ACKS, 9, ACK | FIN, facts.ACCEPTED),  # the FIN takes a number of its own
        (facts.TRAIT_ACKS, 8, ACK | FIN, facts.OUTSIDE),
        (0, 9, ACK, facts.ACCEPTED),
    ],
)
def test_what_lies_before_the_acknowledgment_is_outside(traits, length, flags, is_worth):
    target = end(traits, last_ack=5000)
    assert worth(OPENED, target, segment(4990, length, flags=flags)) == is_worth


@pytest.mark.parametrize(
    ("sender_traits", "target_traits", "snd_nxt", "seq", "beyond"),
    [
        (facts.TRAIT_ISS, BOTH, 5500, 6000, False),
        (facts.TRAIT_ISS, BOTH, 5500, 6001, True),
        (facts.TRAIT_ISS, BOTH, 6000, 6001, True),
        (facts.TRAIT_ISS, BOTH, 6001, 6001, False),  # it was sent before, so the window was not what it seemed
        (0, BOTH, 5500, 6001, False),
        (facts.TRAIT_ISS, facts.TRAIT_ACKS, 5500, 6001, False),
        (facts.TRAIT_ISS, facts.TRAIT_ISS, 5500, 6001, False),
    ],
)
def test_what_lies_beyond_the_window_is_outside(sender_traits, target_traits, snd_nxt, seq, beyond):
    sender = end(sender_traits, snd_nxt=snd_nxt)
    target = end(target_traits, last_ack=5000, window=1000)
    assert worth(facts.FACT_SYN, target, segment(seq), sender) == (facts.OUTSIDE if beyond else facts.ACCEPTED)


def test_the_window_wraps():
    target = end(BOTH, last_ack=MASK32 - 15, window=32)
    sender = end(facts.TRAIT_ISS, snd_nxt=0)
    assert acceptance.is_right(sender, target, segment(17))
    assert not acceptance.is_right(sender, target, segment(16))
    assert acceptance.end_of(segment(MASK32, 4)) == 3
    assert acceptance.end_of(segment(MASK32, 4, flags=FIN)) == 4


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
def test_a_fin_is_taken_unless_its_number_was_acknowledged_as_something_else(target, sender, taken):
    fin = segment(5000, 8, flags=ACK | FIN)
    assert bool(acceptance.is_fin_taken(sender, target, fin)) is taken
    opened, midstream = row(Connection, facts=OPENED), row(Connection, facts=facts.FACT_MIDSTREAM)
    assert acceptance.is_fin_dropped(opened, sender, target, fin, facts.ACCEPTED) is not taken
    assert acceptance.is_fin_dropped(midstream, sender, target, fin, facts.OUTSIDE) is False
    assert sender.checks == OTHER_CHECK


@pytest.mark.parametrize(
    ("traits", "ack", "unseen"),
    [
        (facts.TRAIT_ISS, 7001, False),  # its FIN may be what the capture lacks
        (facts.TRAIT_ISS, 7002, True),
        (0, 7002, False),
        (facts.TRAIT_ISS | facts.TRAIT_FIN, 7002, False),
    ],
)
def test_a_fin_that_acknowledges_what_was_not_captured_is_doubted(traits, ack, unseen):
    target, sender = end(traits, snd_nxt=7000), end()
    fin = segment(5000, 8, ack=ack, flags=ACK | FIN)
    assert acceptance.is_fin_dropped(row(Connection, facts=OPENED), sender, target, fin, facts.ACCEPTED) is unseen
    assert sender.checks == OTHER_CHECK | (facts.CHECK_FIN_DOUBTED if unseen else 0)
    assert sender.fin_seq == (FIN_AT if unseen else 0)


def test_a_fin_outside_the_window_is_doubted_unless_one_is_known():
    fin = segment(5000, 8, flags=ACK | FIN)
    sender, closed = end(), end(facts.TRAIT_FIN, fin_seq=4000)
    for one in (sender, closed):
        assert acceptance.is_fin_dropped(row(Connection, facts=OPENED), one, end(), fin, facts.OUTSIDE) is True
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
