"""What makes a packet a copy, on both sides of each bound; only C calls these functions when compiled."""

import pytest

from handshake_inspect.about import build
from handshake_inspect.decode.segment import Segment
from handshake_inspect.tcp import copies, facts
from handshake_inspect.tcp.rows import Connection, Endpoint
from handshake_inspect.tcp.table import Table
from handshake_inspect.wire.const import ACK, FIN, MASK32, OPT_TIMESTAMPS, RST, SYN

if build() == "compiled":
    pytest.skip("what only C calls has no Python name there", allow_module_level=True)

MS = 1_000_000
OPENED = facts.FACT_SYN | facts.FACT_SYNACK


def row(kind, **fields):
    made = kind()
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def end(traits=0, recent=(), **fields):
    """An end that sent segments at these times, in microseconds, the newest last."""
    made = row(Endpoint, traits=traits | facts.TRAIT_SEEN, recent_at=len(recent) & 3, **fields)
    for at, us in enumerate(recent):
        made.recent[at & 3], made.recent_us[at & 3] = 7, us
    return made


@pytest.mark.parametrize(
    ("age", "apart", "expected"),
    [
        (1000, 1000, True),
        (1750, 1000, True),  # half a millisecond, and a quarter of the delay
        (1751, 1000, False),
        (250, 1000, True),
        (249, 1000, False),
        (225, 100, True),  # the delay itself and a quarter, where that is short
        (226, 100, False),
        (0, 100, True),
        (13_000, 10_000, True),
        (13_001, 10_000, False),
    ],
)
def test_a_copy_comes_as_late_as_others(age, apart, expected):
    assert copies.is_as_late(age, apart) is expected


@pytest.mark.parametrize(
    ("frames", "duplicates", "expected"),
    [
        ((8, 0), (1, 0), True),
        ((9, 0), (1, 0), False),
        ((9, 7), (1, 1), True),
        ((9, 8), (1, 1), False),
        ((8, 1), (0, 1), False),
    ],
)
def test_one_of_eight_segments_is_a_copy_where_all_are_captured_twice(frames, duplicates, expected):
    sender, peer = (row(Endpoint, frames=frames[at], duplicates=duplicates[at]) for at in (0, 1))
    assert bool(copies.is_all_copied(sender, peer)) is expected


@pytest.mark.parametrize(
    ("tsval", "options", "traits", "expected"),
    [
        (101, OPT_TIMESTAMPS, facts.TRAIT_TSVAL_VARIES, True),
        (100, OPT_TIMESTAMPS, facts.TRAIT_TSVAL_VARIES, False),
        (99, OPT_TIMESTAMPS, facts.TRAIT_TSVAL_VARIES, False),
        (101, 0, facts.TRAIT_TSVAL_VARIES, False),
        (101, OPT_TIMESTAMPS, 0, False),  # of a clock that stands still nothing is newer
    ],
)
def test_a_newer_timestamp_is_of_another_packet(tsval, options, traits, expected):
    assert copies.is_newer(end(traits, tsval=100), row(Segment, tsval=tsval, options=options)) is expected


@pytest.mark.parametrize(
    ("ip_id", "before", "traits", "expected"),
    [
        (101, 100, facts.TRAIT_IP_ID_VARIES, True),
        (100, 100, facts.TRAIT_IP_ID_VARIES, False),
        (99, 100, facts.TRAIT_IP_ID_VARIES, False),
        (4195, 100, facts.TRAIT_IP_ID_VARIES, True),
        (4196, 100, facts.TRAIT_IP_ID_VARIES, False),
        (1, 0xFFFF, facts.TRAIT_IP_ID_VARIES, True),
        (0, 0xFFFF, facts.TRAIT_IP_ID_VARIES, False),  # none
        (101, 100, 0, False),
    ],
)
def test_a_later_identification_is_of_another_packet(ip_id, before, traits, expected):
    assert copies.is_numbered_later(end(traits, ip_id=before), row(Segment, ip_id=ip_id)) is expected


@pytest.mark.parametrize(
    ("flags", "seq", "length", "expected"),
    [(ACK, 5, 0, 5), (ACK, 5, 7, 12), (ACK | FIN, 5, 7, 13), (FIN, MASK32, 0, 0), (ACK, MASK32, 7, 6)],
)
def test_a_fin_takes_a_number(flags, seq, length, expected):
    assert copies.end_of(row(Segment, flags=flags, seq=seq, payload_len=length)) == expected


@pytest.mark.parametrize(
    ("flags", "ttl", "before", "is_noted", "kept"),
    [
        (ACK, 64, 0, False, 0),
        (ACK, 63, 0, True, 63),
        (ACK, 62, 63, True, 62),
        (RST, 62, 0, True, 62),
        (RST | ACK, 62, 63, True, 63),  # it may be forged
    ],
)
def test_the_ttl_of_copies(flags, ttl, before, is_noted, kept):
    sender = end(ttl=64, twin_ttl=before)
    assert copies.note_twin(sender, row(Segment, flags=flags, ttl=ttl)) is is_noted
    assert sender.twin_ttl == kept


def limit(known=OPENED, sender=None, peer=None, **fields):
    sent = row(Segment, **{"flags": ACK, "ttl": 64, "payload_len": 5} | fields)
    connection = row(Connection, facts=known)
    return copies.limit_us(connection, sender or end(ttl=64), peer or row(Endpoint), sent)


BOTH_VARY = facts.TRAIT_IP_ID_VARIES | facts.TRAIT_TSVAL_VARIES


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({}, 2_000),
        ({"flags": SYN}, 300_000),
        ({"ttl": 63}, 200_000),
        ({"ttl": 63, "flags": SYN}, 900_000),
        ({"sender": end(BOTH_VARY, ttl=64), "ip_id": 9}, 2_000_000),
        ({"sender": end(BOTH_VARY, ttl=64), "options": OPT_TIMESTAMPS}, 500_000),
        ({"sender": end(BOTH_VARY, ttl=64)}, 2_000),
        ({"sender": end(facts.TRAIT_TSVAL_VARIES, ttl=64), "ip_id": 9}, 2_000),
        ({"sender": end(facts.TRAIT_IP_ID_VARIES, ttl=64), "options": OPT_TIMESTAMPS}, 2_000),
        ({"known": 0}, 2_000),
        ({"known": 0, "payload_len": 0}, 2_000),
        ({"payload_len": 0}, 2_000),
        ({"known": 0, "payload_len": 0, "peer": end()}, 25_000),
        ({"known": 0, "payload_len": 0, "sender": end(ttl=64, frames=3, duplicates=1)}, 25_000),
        ({"known": 0, "payload_len": 0, "sender": end(ttl=64, frames=3)}, 2_000),
        ({"known": facts.FACT_SYN, "payload_len": 0, "peer": end()}, 2_000),
        ({"known": facts.FACT_SYNACK, "payload_len": 0, "peer": end()}, 2_000),
    ],
)
def test_how_old_an_equal_packet_may_be(words, expected):
    assert limit(**words) == expected


def opening(known=facts.FACT_SYN, traits=facts.TRAIT_ISS, table=None, of=None, sender=None, **fields):
    """Whether it is a copy of the one SYN, sent at 1 s."""
    connection = row(Connection, facts=known, **{"syn_ns": 1000 * MS, "syn_count": 1} | (of or {}))
    words = {"iss": 5, "mss": 1460, "syn_tsval": 9, "syn_ip_id": 8, "tsval": 9, "ip_id": 8} | (sender or {})
    sent = {"ts_ns": 1001 * MS, "flags": SYN, "seq": 5, "mss": 1460, "tsval": 9, "ip_id": 8} | fields
    return copies.is_opening(table or Table(16), connection, end(traits, **words), row(Segment, **sent))


TWO = {"syn_count": 2}
NUMBERED = facts.TRAIT_ISS | facts.TRAIT_IP_ID_VARIES
STAMPED = facts.TRAIT_ISS | facts.TRAIT_TSVAL_VARIES
ANSWERED = {"synack_count": 1, "last_synack_ns": 1000 * MS}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({}, True),
        ({"traits": 0}, False),
        ({"seq": 6}, False),
        ({"mss": 1400}, False),
        ({"tsval": 10}, False),
        ({"ip_id": 9}, False),
        ({"payload_len": 5}, False),
        ({"flags": SYN | FIN}, False),
        ({"payload_len": 5, "of": {"syn_payload": 5}}, True),
        ({"of": {"syn_payload": 5}}, False),  # Fast Open again, without its data
        ({"of": {"syn_payload": 5}, "known": facts.FACT_SYN | facts.FACT_SIMULTANEOUS}, True),
        ({"ts_ns": 1100 * MS - 1}, True),
        ({"ts_ns": 1100 * MS}, False),
        ({"ts_ns": 900 * MS + 1}, True),
        ({"ts_ns": 900 * MS}, False),
        ({"of": TWO, "ip_id": 9, "tsval": 10}, True),
        ({"of": TWO, "traits": NUMBERED, "ip_id": 9}, False),
        ({"of": TWO, "traits": STAMPED, "options": OPT_TIMESTAMPS, "tsval": 10}, False),
        ({"flags": SYN | ACK, "of": ANSWERED, "traits": facts.TRAIT_ISS | facts.TRAIT_ACKS}, True),
        ({"flags": SYN | ACK, "of": ANSWERED}, False),  # the first SYN-ACK of a simultaneous open
        ({"flags": SYN | ACK, "of": {"synack_count": 1}, "traits": facts.TRAIT_ISS | facts.TRAIT_ACKS}, False),
    ],
)
def test_a_copy_of_a_syn(words, expected):
    assert opening(**words) is expected


@pytest.mark.parametrize(
    ("largest", "acked", "traits", "recent", "mine", "rsts", "expected"),
    [
        (1000, 5000, facts.TRAIT_ACKS, (), (), 0, 2),  # 1001 bytes take two segments
        (1001, 5000, facts.TRAIT_ACKS, (), (), 0, 1),
        (1000, 6001, facts.TRAIT_ACKS, (), (), 0, 0),
        (1000, 5000, 0, (), (), 0, 0),
        (0, 5000, facts.TRAIT_ACKS, (), (), 0, 0),
        (0, 0, 0, (10, 20, 30), (15,), 0, 2),
        (0, 0, 0, (10, 20, 30), (20,), 0, 1),
        (0, 0, 0, (10, 20, 30), (15, 25), 1, 2),  # the RST itself came at 25
        (0, 0, 0, (10, 20, 30), (15,), 4, 0),
    ],
)
def test_how_many_segments_may_each_cause_a_rst(largest, acked, traits, recent, mine, rsts, expected):
    sender = end(traits, mine, last_ack=acked)
    peer = end(0, recent, snd_nxt=6001, largest=largest)
    assert copies.unanswered(row(Connection, rst_count=rsts), sender, peer) == expected


def another_answer(sender=None, peer=None, at_us=50, rsts=0, **fields):
    sent = row(Segment, **{"flags": ACK, "ttl": 64, "ack": 5000} | fields)
    sender = sender or end(ttl=64, twin_ttl=60, frames=100)
    peer = peer or end(0, (40,), snd_nxt=6001, frames=100)
    return copies.is_another_answer(row(Connection, rst_count=rsts), sender, peer, sent, at_us)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({}, True),  # a gap before what the peer sent since
        ({"ack": 6001}, False),
        ({"ip_id": 1}, False),
        ({"ttl": 60}, False),
        ({"payload_len": 1}, False),
        ({"flags": ACK | FIN}, False),
        ({"flags": SYN | ACK}, False),
        ({"flags": 0}, False),
        ({"sender": end(frames=100, duplicates=40)}, False),
        ({"peer": row(Endpoint, frames=0)}, True),
        ({"peer": row(Endpoint), "sender": end(frames=9)}, True),
        ({"peer": row(Endpoint), "sender": end(frames=8)}, False),
        ({"peer": row(Endpoint), "sender": end(facts.TRAIT_ISS, frames=8)}, True),
        ({"flags": RST, "peer": end(0, (50,), frames=100)}, True),
        ({"flags": RST, "peer": end(0, (49,), frames=100), "rsts": 4}, False),
    ],
)
def test_an_equal_segment_that_answers_another_segment(words, expected):
    assert bool(another_answer(**words)) is expected
