"""What makes two packets one, on both sides of each bound; only C calls these functions when compiled."""

import pytest

from handshake_inspect.about import build
from handshake_inspect.decode.segment import Segment
from handshake_inspect.tcp import facts, renumbering
from handshake_inspect.tcp.rows import Connection, Embryo, Endpoint, Renumbering
from handshake_inspect.wire.const import (
    ACK,
    FIN,
    MASK32,
    OPT_MSS,
    OPT_SACK_PERMITTED,
    OPT_TIMESTAMPS,
    OPT_WINDOW_SCALE,
    RST,
    SYN,
)

if build() == "compiled":
    pytest.skip("what only C calls has no Python name there", allow_module_level=True)

AGAINST, NOTHING, LIKELY, PROVED = renumbering.AGAINST, renumbering.NOTHING, renumbering.LIKELY, renumbering.PROVED

MS = 1_000_000
STACK = OPT_MSS | OPT_SACK_PERMITTED | OPT_WINDOW_SCALE
STAMPED = STACK | OPT_TIMESTAMPS


def row(kind, **fields):
    made = kind()
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def likeness(*, options=STAMPED, age_ns=MS, at_first=(), **there):
    """The evidence that a SYN at the second point is the one at the first: two hops less, all else the same."""
    here = {"ip_id": 0, "ttl": 64, "tsval": 9, "options": options, "window_scale": 7, "age_ns": age_ns} | dict(at_first)
    fields = {"ip_id": here["ip_id"], "ttl": 62, "tsval": 9, "options": options, "window_scale": 7} | there
    return renumbering.likeness(row(Segment, **fields), **here)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({}, PROVED),  # a TSval and hops between both points
        ({"ttl": 64}, LIKELY),
        ({"tsval": 10}, AGAINST),
        ({"age_ns": 20 * MS}, PROVED),
        ({"age_ns": 20 * MS + 1}, AGAINST),
        ({"age_ns": -20 * MS}, PROVED),
        ({"age_ns": -20 * MS - 1}, AGAINST),
        ({"ttl": 56}, PROVED),
        ({"ttl": 55}, AGAINST),
        ({"ttl": 72}, PROVED),
        ({"ttl": 73}, AGAINST),
        ({"window_scale": 8}, AGAINST),
        ({"options": STACK}, LIKELY),  # hops alone
        ({"options": STACK, "ttl": 64}, NOTHING),
        ({"options": STACK, "tsval": 10}, LIKELY),  # nothing was said of a TSval
        ({"options": STACK, "ip_id": 5}, LIKELY),  # a firewall may have written one
        ({"options": STACK, "ip_id": 5, "ttl": 64}, AGAINST),
        ({"options": STACK, "at_first": {"ip_id": 5}, "ip_id": 5}, PROVED),
        ({"options": STACK, "at_first": {"ip_id": 5}, "ip_id": 5, "ttl": 64}, PROVED),
        ({"options": STACK, "at_first": {"ip_id": 5}, "ip_id": 6, "ttl": 64}, AGAINST),
        ({"options": STACK, "at_first": {"ip_id": 5}, "ip_id": 0, "ttl": 64}, AGAINST),
        ({"at_first": {"ip_id": 5}, "ip_id": 6}, PROVED),
        ({"at_first": {"ip_id": 5}, "ip_id": 6, "ttl": 64}, AGAINST),
        ({"at_first": {"options": STACK}}, AGAINST),
        ({"at_first": {"options": STAMPED & ~OPT_WINDOW_SCALE}}, AGAINST),
        ({"at_first": {"options": STAMPED & ~OPT_SACK_PERMITTED}}, AGAINST),
        ({"options": 0}, AGAINST),  # tools that send SYNs set no MSS
        ({"options": 0, "at_first": {"ip_id": 5}, "ip_id": 5}, PROVED),
        ({"options": 0, "at_first": {"ip_id": 5}, "ip_id": 5, "ttl": 64}, AGAINST),
        ({"options": OPT_MSS, "ttl": 64}, NOTHING),
    ],
)
def test_what_says_that_two_packets_are_one(words, expected):
    assert likeness(**words) == expected


@pytest.mark.parametrize(
    ("words", "is_one"),
    [
        ({"ip_id": 5, "seq": 1001}, True),  # the mark proves it
        ({"ip_id": 6, "seq": 1 << 30}, False),
        ({"ip_id": 6, "seq": 1 << 30, "ttl": 63}, True),
    ],
)
def test_the_twin_of_a_syn_that_waits(words, is_one):
    fields = {"options": STACK, "ttl": 64, "window_scale": 7}
    embryo = row(Embryo, iss=1000, ip_id=5, first_ns=MS, **fields)
    assert renumbering.is_twin(embryo, row(Segment, **fields | {"ts_ns": 2 * MS} | words)) is is_one


@pytest.mark.parametrize(("seq", "is_one"), [(1000 + (1 << 20), False), (1001 + (1 << 20), True), (0, False)])
def test_a_clock_does_not_run_so_fast(seq, is_one):
    """RFC 6528: a host's next ISN is a little higher.  Nothing else tells these two SYNs apart."""
    fields = {"options": STACK, "ttl": 64}
    embryo = row(Embryo, iss=1000, first_ns=MS, **fields)
    assert renumbering.is_twin(embryo, row(Segment, seq=seq, ts_ns=2 * MS, **fields)) is is_one
    assert renumbering.is_no_clock(row(Segment, seq=seq, ttl=63), 1000, 64)


@pytest.mark.parametrize(
    ("seq", "offset", "to", "expected"),
    [(5, 0, 5, 0), (5, 0, 8, 3), (8, 0, 5, 3), (5, 3, 5, 3), (0xFFFF_FFFF, 2, 0, 1), (0, 0, 0xFFFF_FFF0, 16)],
)
def test_a_distance_has_no_sign_and_wraps(seq, offset, to, expected):
    assert renumbering.distance(seq, offset, to) == expected


@pytest.mark.parametrize(("seq", "expected"), [(900, True), (1000, False), (950, False), (949, True), (951, False)])
def test_a_number_that_fits_better_with_the_offset(seq, expected):
    assert renumbering.is_nearer(seq, 100, 1000) is expected


class Seen:
    """Segments of one side, at the two points of a connection."""

    def __init__(self):
        self.row = Renumbering()

    def at(self, point, ms=0, side=0, us=0, **fields):
        self.row.point = point
        sent = row(Segment, ts_ns=ms * MS + us * 1000, flags=ACK, **{"seq": 1000, "payload_len": 5} | fields)
        return renumbering.was_seen(self.row, sent, side)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({}, True),
        ({"ms": 1100}, True),
        ({"ms": 1100, "us": 1}, False),
        ({"ms": 900}, True),  # clocks differ
        ({"ms": 899, "us": 999}, False),
        ({"side": 1}, False),
        ({"seq": 1001}, False),
        ({"ack": 1}, False),
        ({"payload_len": 6}, False),
        ({"ip_id": 7, "window": 8, "tsval": 9, "ttl": 10}, True),  # firewalls change them
    ],
)
@pytest.mark.parametrize("point", [0, 1])
def test_what_was_seen_at_the_other_point(words, expected, point):
    seen = Seen()
    assert not seen.at(point, ms=1000)
    assert seen.at(1 - point, **{"ms": 1000} | words) is expected


def test_a_segment_has_one_copy():
    seen = Seen()
    assert [seen.at(0), seen.at(0), seen.at(1), seen.at(1), seen.at(1)] == [False, False, True, True, False]


def test_sixteen_segments_between_both_points():
    seen = Seen()
    for seq in range(17):
        assert not seen.at(0, seq=seq)
    assert [seen.at(1, seq=seq) for seq in (16, 1)] == [True, True]
    assert not seen.at(1, seq=0)
    assert not seen.at(1, seq=5, side=1)


@pytest.mark.parametrize("field", ["seq", "ack", "flags", "payload_len"])
def test_a_mark_depends_on_what_no_firewall_changes(field):
    plain = {"seq": 1000, "ack": 2000, "flags": ACK, "payload_len": 5}
    changed = plain | {field: plain[field] + 1}
    assert renumbering.mark(row(Segment, **plain)) != renumbering.mark(row(Segment, **changed))
    assert renumbering.mark(row(Segment, **plain)) == renumbering.mark(row(Segment, ip_id=7, tsval=8, **plain))


OFFSETS = [0, 50_000, 0, 70_000]  # of the first point and the second: the client's, the server's
ISS = 1000


def whereabouts(offsets=OFFSETS, known=facts.FACT_SYN, **fields):
    """At which point a segment of the client was captured; it expects 1101 next, and its peer 5001."""
    renumbered = Renumbering()
    for at, offset in enumerate(offsets):
        renumbered.offset[at] = offset
    client, server = row(Endpoint, iss=ISS, snd_nxt=1101), row(Endpoint, iss=4000, snd_nxt=5001)
    connection = row(Connection, facts=known, client=0)
    fields["seq"] &= MASK32
    return int(renumbering.whereabouts(connection, renumbered, client, server, row(Segment, **fields), 0))


@pytest.mark.parametrize(
    ("words", "point"),
    [
        ({"flags": ACK, "seq": 1101, "ack": 5001}, 0),
        ({"flags": ACK, "seq": 1101 - 50_000, "ack": 5001 - 70_000 & MASK32}, 1),
        ({"flags": ACK, "seq": 1201, "ack": 4900}, 0),
        ({"flags": RST, "seq": 1101, "ack": 5001 - 70_000 & MASK32}, 0),  # a RST without ACK has no ack
        ({"flags": RST, "seq": 1101 - 50_000, "ack": 5001}, 1),
        ({"flags": ACK, "seq": 1101, "ack": 5001 - 70_000 & MASK32, "offsets": [0, 0, 0, 70_000]}, 1),
        ({"flags": ACK, "seq": 1101 - 50_000, "ack": 5001, "offsets": [0, 50_000, 0, 0]}, 1),
        ({"flags": ACK, "seq": 1101, "ack": 5001, "offsets": [0, 50_000, 0, 0]}, 0),
        ({"flags": SYN, "seq": ISS}, 0),
        ({"flags": SYN, "seq": ISS - 50_000}, 1),
        ({"flags": SYN, "seq": ISS - 50_001}, 0),  # another SYN
    ],
)
def test_a_segment_is_at_the_point_where_its_numbers_fit(words, point):
    assert whereabouts(**words) == point


class Rows:
    """A table with one connection, met midstream, and room for a row of offsets or none."""

    def __init__(self, *, room=True):
        self.room = room
        self.kept = Renumbering()
        self.retries = [row(Connection)]  # unused
        self.renumberings = [self.kept]


def midstream(monkeypatch, traits=facts.TRAIT_SEEN | facts.TRAIT_ACKS, room=True, **fields):
    """What is learned of a segment like the one just before, at 1 s, but for its numbers; and the offsets."""
    table = Rows(room=room)
    monkeypatch.setattr(renumbering, "begin", lambda table, _: table.room)
    monkeypatch.setattr(renumbering, "row_of", lambda table, _: table.kept)
    sender = row(Endpoint, traits=traits, snd_nxt=1100, last_ack=5000, tsval=9, ip_id=5, ttl=64, recent_at=1)
    sender.recent_us[0] = 1_000_000
    words = {"ts_ns": 1001 * MS, "flags": ACK, "payload_len": 100, "seq": 1 << 30, "ack": 1 << 29, "ip_id": 5} | fields
    sent = row(Segment, **{"ttl": 64, "tsval": 9, "options": OPT_TIMESTAMPS} | words)
    learned = renumbering.learn_midstream(table, row(Connection), sender, row(Endpoint), sent, 1)
    return learned, list(table.kept.offset)


@pytest.mark.parametrize(
    "words",
    [
        {},
        {"ts_ns": 1020 * MS},
        {"ts_ns": 980 * MS},
        {"seq": 1000},  # one of both is rewritten
        {"ack": 5000},
        {"ip_id": 6, "ttl": 63},
        {"options": 0, "tsval": 10},
    ],
)
def test_both_offsets_are_learned_of_a_segment_captured_twice(monkeypatch, words):
    learned, offsets = midstream(monkeypatch, **words)
    assert learned
    seq, ack = words.get("seq", 1 << 30), words.get("ack", 1 << 29)
    assert offsets == [0, (5000 - ack) & MASK32, 0, (1000 - seq) & MASK32]


def test_the_number_of_a_fin_counts(monkeypatch):
    _, offsets = midstream(monkeypatch, flags=ACK | FIN)
    assert offsets[3] == (999 - (1 << 30)) & MASK32


@pytest.mark.parametrize(
    "words",
    [
        {"traits": facts.TRAIT_SEEN},
        {"traits": facts.TRAIT_ACKS},
        {"flags": RST | ACK},
        {"flags": FIN},
        {"ts_ns": 1020 * MS + 1000},
        {"ts_ns": 980 * MS - 1000},
        {"tsval": 10},
        {"ip_id": 6},
        {"ip_id": 6, "ttl": 63, "options": 0},  # another host's, perhaps
        {"seq": 1000, "ack": 5000},  # an ordinary copy
        {"seq": 1000 + (1 << 20), "ack": 5000 - (1 << 20) & MASK32},
        {"room": False},
    ],
)
def test_of_another_segment_nothing_is_learned(monkeypatch, words):
    assert midstream(monkeypatch, **words) == (False, [0, 0, 0, 0])
