"""Which copy was answered, and the bounds that follow, case by case; only C calls these functions when compiled."""

import pytest

from handshake_inspect.about import build
from handshake_inspect.decode.segment import Segment
from handshake_inspect.tcp import facts, rtt
from handshake_inspect.tcp.rows import RETRIES_KEPT, Connection, Endpoint, Retries
from handshake_inspect.wire.const import ACK, FIN, MASK16, MASK32, OPT_MSS, OPT_TIMESTAMPS

if build() == "compiled":
    pytest.skip("what only C calls has no Python name there", allow_module_level=True)


class Table:
    """A row for the copies of one connection, if there is room, between rows of others."""

    def __init__(self, *, room=True):
        self.kept = Retries()
        self.retries = [of_another(), self.kept, of_another()]
        self.room = room

    def new_retries(self, connection):
        connection.retries = 2 if self.room else 0
        return self.room


def of_another():
    """Copies that nothing here is about, with values that would change every answer."""
    other = Retries()
    for place in range(RETRIES_KEPT):
        for kind in ("syn", "synack"):
            getattr(other, f"{kind}_ns")[place] = 350
            getattr(other, f"{kind}_tsval")[place] = 11
    return other


def row(kind, **fields):
    made = kind()
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def sent(ts_ns, **fields):
    return row(Segment, ts_ns=ts_ns, **fields)


def of_syns(*times, tsvals=(), room=True, **fields):
    """A connection whose SYN was sent at these times, its table and its client."""
    table, connection = Table(room=room), row(Connection, syn_ns=times[0], syn_count=1, **fields)
    tsvals = tsvals or [0] * len(times)
    for at, tsval in zip(times[1:], tsvals[1:], strict=True):
        rtt.note_syn(table, connection, sent(at, tsval=tsval, options=OPT_TIMESTAMPS))
    return table, connection, row(Endpoint, syn_tsval=tsvals[0], options=OPT_TIMESTAMPS)


def of_syn_acks(*times, tsvals=(), **fields):
    """The same of SYN-ACKs, and the server."""
    table, connection = Table(), row(Connection, synack_ns=times[0], synack_count=1, **fields)
    tsvals = tsvals or [0] * len(times)
    for at, tsval in zip(times[1:], tsvals[1:], strict=True):
        rtt.note_syn_ack(table, connection, sent(at, tsval=tsval, options=OPT_TIMESTAMPS))
    return table, connection, row(Endpoint, syn_tsval=tsvals[0], options=OPT_TIMESTAMPS)


NOTED = {
    "syn": ("note_syn", "syn_count"),
    "synack": ("note_syn_ack", "synack_count"),
}


def noting(kind):
    """What notes a copy of this kind, and the column that counts them."""
    name, count = NOTED[kind]
    return getattr(rtt, name), count


@pytest.mark.parametrize("kind", NOTED)
def test_a_copy_is_kept_with_its_time_and_options(kind):
    note, count = noting(kind)
    table, connection = Table(), row(Connection, **{count: 1})
    copy = sent(7, frame=(1 << 32) + 9, tsval=11, options=OPT_MSS, mss=1400, window_scale=5)
    note(table, connection, copy)
    kept = table.kept
    names = ("ns", "frame", "tsval", "options", "mss", "window_scale")
    assert [getattr(kept, f"{kind}_{name}")[0] for name in names] == [7, 9, 11, OPT_MSS, 1400, 5]
    assert (getattr(connection, count), connection.retries) == (2, 2)
    assert connection.last_synack_ns == (7 if kind == "synack" else 0)


@pytest.mark.parametrize("kind", NOTED)
def test_the_last_place_is_the_newest_copys(kind):
    note, count = noting(kind)
    table, connection = Table(), row(Connection, **{count: 1})
    for at in range(1, RETRIES_KEPT + 3):
        note(table, connection, sent(at))
    times = list(getattr(table.kept, f"{kind}_ns"))
    assert times[:RETRIES_KEPT] == [*range(1, RETRIES_KEPT), RETRIES_KEPT + 2]
    assert getattr(connection, count) == RETRIES_KEPT + 3


@pytest.mark.parametrize("kind", NOTED)
def test_copies_are_counted_without_room_and_without_end(kind):
    note, count = noting(kind)
    connection = row(Connection, **{count: MASK16 - 1})
    for expected in (MASK16, MASK16):
        note(Table(room=False), connection, sent(1))
        assert (getattr(connection, count), connection.retries) == (expected, 0)


@pytest.mark.parametrize("kind", NOTED)
def test_the_first_one_is_not_a_copy(kind):
    note, count = noting(kind)
    table, connection = Table(), Connection()
    note(table, connection, sent(1))
    assert (getattr(connection, count), connection.retries) == (1, 0)


def test_another_syn_ack_is_kept_beside_the_first():
    table, connection = Table(), Connection()
    rtt.note_other_syn_ack(
        table, connection, sent(3, seq=77, frame=(1 << 32) + 4, options=OPT_MSS, mss=9, window_scale=2)
    )
    kept = table.kept
    assert (kept.other_ns, kept.other_iss, kept.other_frame) == (3, 77, 4)
    assert (kept.other_options, kept.other_mss, kept.other_window_scale) == (OPT_MSS, 9, 2)
    full = Table(room=False)
    rtt.note_other_syn_ack(full, connection, sent(3))
    assert full.kept.other_ns == 0


def test_when_each_copy_was_sent():
    times = [100 * each for each in range(1, RETRIES_KEPT + 2)]
    for make, when in ((of_syns, rtt.syn_time), (of_syn_acks, rtt.syn_ack_time)):
        table, connection, _ = make(*times)
        assert [when(table, connection, copy) for copy in range(RETRIES_KEPT + 3)] == [*times, times[-1], times[-1]]
        connection.retries = 0
        assert when(table, connection, 1) == 100


def test_which_copy_is_echoed():
    tsvals = list(range(10, 10 + RETRIES_KEPT + 1))
    times = [100 * each for each in range(1, RETRIES_KEPT + 2)]
    for make, echoed in ((of_syns, rtt.first_echoed_syn), (of_syn_acks, rtt.first_echoed_syn_ack)):
        table, connection, end = make(*times, tsvals=tsvals)
        assert [echoed(table, connection, end, tsval) for tsval in tsvals] == list(range(RETRIES_KEPT + 1))
        assert echoed(table, connection, end, 9) == -1
        assert echoed(table, connection, end, 0) == -1


def test_the_copy_in_the_last_place_is_the_newest():
    tsvals = list(range(10, 10 + RETRIES_KEPT + 3))
    times = [100 * each for each in range(1, RETRIES_KEPT + 4)]
    for make, echoed in ((of_syns, rtt.first_echoed_syn), (of_syn_acks, rtt.first_echoed_syn_ack)):
        table, connection, end = make(*times, tsvals=tsvals)
        assert echoed(table, connection, end, tsvals[-1]) == RETRIES_KEPT + 2
        assert echoed(table, connection, end, tsvals[-2]) == -1, "it was overwritten"


def test_a_value_left_from_before_is_no_copy():
    """Places behind the newest copy are not read."""
    table, connection, client = of_syns(100, 200, tsvals=(10, 11))
    table.kept.syn_tsval[1] = 12
    assert rtt.first_echoed_syn(table, connection, client, 12) == -1
    table, connection, server = of_syn_acks(100, 200, tsvals=(10, 11))
    table.kept.synack_tsval[1] = 12
    assert rtt.first_echoed_syn_ack(table, connection, server, 12) == -1


def test_of_many_refused_copies_the_newest_is_in_the_last_place():
    times = [100 * each for each in range(1, RETRIES_KEPT + 4)]
    table, connection, _ = of_syns(*times, rst_ns=times[RETRIES_KEPT - 1] + 1)
    assert rtt.first_since_refusal(table, connection) == RETRIES_KEPT


@pytest.mark.parametrize(("rst_ns", "first"), [(0, 0), (50, 1), (150, 1), (200, 2), (250, 2), (300, 0), (400, 0)])
def test_a_refusal_ends_what_was_sent_before_it(rst_ns, first):
    table, connection, _ = of_syns(100, 200, 300, rst_ns=rst_ns)
    assert rtt.first_since_refusal(table, connection) == first


LAST = facts.METHOD_TSECR
AMBIGUOUS = facts.METHOD_AMBIGUOUS


@pytest.mark.parametrize(
    ("client", "answer", "echo", "bounds"),
    [
        (OPT_TIMESTAMPS, OPT_TIMESTAMPS, 12, (100, 100, LAST)),
        (OPT_TIMESTAMPS, OPT_TIMESTAMPS, 11, (100, 200, AMBIGUOUS)),
        (OPT_TIMESTAMPS, OPT_TIMESTAMPS, 10, (100, 300, AMBIGUOUS)),
        (OPT_TIMESTAMPS, OPT_TIMESTAMPS, 99, (100, 300, AMBIGUOUS)),
        (0, OPT_TIMESTAMPS, 12, (100, 300, AMBIGUOUS)),
        (OPT_TIMESTAMPS, 0, 12, (100, 300, AMBIGUOUS)),
        (OPT_MSS, OPT_TIMESTAMPS, 12, (100, 300, AMBIGUOUS)),
        (OPT_TIMESTAMPS, OPT_MSS, 12, (100, 300, AMBIGUOUS)),
    ],
)
def test_the_bounds_after_lost_copies(client, answer, echo, bounds):
    table, connection, end = of_syns(100, 200, 300, tsvals=(10, 11, 12))
    end.options = client
    rtt.time_syn_ack(table, connection, end, sent(400, tsecr=echo, options=answer))
    assert (connection.synack_min_ns, connection.synack_max_ns, connection.synack_method) == bounds
    table, connection, end = of_syn_acks(100, 200, 300, tsvals=(10, 11, 12))
    end.options = client
    rtt.time_ack(table, connection, end, sent(400, tsecr=echo, options=answer))
    assert (connection.ackdat_min_ns, connection.ackdat_max_ns, connection.ackdat_method) == bounds


def test_an_echo_of_nothing_is_no_copy():
    """Whatever stands in places that no copy has."""
    table, connection, end = of_syns(100, 200, tsvals=(10, 11))
    table.kept.syn_ns[RETRIES_KEPT - 2] = 350
    rtt.time_syn_ack(table, connection, end, sent(400, tsecr=99, options=OPT_TIMESTAMPS))
    assert (connection.synack_min_ns, connection.synack_max_ns, connection.synack_method) == (200, 300, AMBIGUOUS)
    table, connection, end = of_syn_acks(100, 200, tsvals=(10, 11))
    table.kept.synack_ns[RETRIES_KEPT - 2] = 350
    rtt.time_ack(table, connection, end, sent(400, tsecr=99, options=OPT_TIMESTAMPS))
    assert (connection.ackdat_min_ns, connection.ackdat_max_ns, connection.ackdat_method) == (200, 300, AMBIGUOUS)


def test_without_room_for_copies_the_echo_proves_nothing():
    table, connection, end = of_syns(100, 200, tsvals=(10, 11), room=False)
    rtt.time_syn_ack(table, connection, end, sent(400, tsecr=11, options=OPT_TIMESTAMPS))
    assert (connection.synack_min_ns, connection.synack_max_ns, connection.synack_method) == (300, 300, AMBIGUOUS)
    table, connection, end = of_syn_acks(100, 200, tsvals=(10, 11))
    connection.retries = 0
    rtt.time_ack(table, connection, end, sent(400, tsecr=11, options=OPT_TIMESTAMPS))
    assert (connection.ackdat_min_ns, connection.ackdat_max_ns, connection.ackdat_method) == (300, 300, AMBIGUOUS)


@pytest.mark.parametrize(
    ("at", "bounds"),
    [
        (100, (0, 0, facts.METHOD_EXACT)),
        (140, (40, 40, facts.METHOD_EXACT)),
        (99, (0, 0, facts.METHOD_REORDERED)),
    ],
)
def test_what_was_sent_once_is_exact_unless_the_clock_went_back(at, bounds):
    table, connection, end = of_syns(100)
    rtt.time_syn_ack(table, connection, end, sent(at))
    assert (connection.synack_min_ns, connection.synack_max_ns, connection.synack_method) == bounds
    table, connection, end = of_syn_acks(100)
    rtt.time_ack(table, connection, end, sent(at))
    assert (connection.ackdat_min_ns, connection.ackdat_max_ns, connection.ackdat_method) == bounds


def test_copies_whose_clock_went_back():
    for make, time, leg in ((of_syns, rtt.time_syn_ack, "synack"), (of_syn_acks, rtt.time_ack, "ackdat")):
        table, connection, end = make(200, 100)  # the copy seems older than the first
        time(table, connection, end, sent(300))
        assert getattr(connection, f"{leg}_method") == facts.METHOD_REORDERED
        assert (getattr(connection, f"{leg}_min_ns"), getattr(connection, f"{leg}_max_ns")) == (0, 0)


def test_a_refused_copy_was_not_answered_again():
    table, connection, end = of_syns(100, 200, 300, rst_ns=150)
    end.options = 0
    rtt.time_syn_ack(table, connection, end, sent(400))
    assert (connection.synack_min_ns, connection.synack_max_ns, connection.synack_method) == (100, 200, AMBIGUOUS)


SECOND_ANSWERS = {
    # time of the second SYN-ACK, changes to the connection -> whether the path is slow and nothing was lost
    "at the distance of the SYNs": (1500, {}, True),
    "2 % later": (1520, {}, True),
    "2 % sooner": (1480, {}, True),
    "more than 2 % later": (1521, {}, False),
    "more than 2 % sooner": (1479, {}, False),
    "a third one": (1500, {"synack_count": 2}, False),
    "the first was proved": (1500, {"synack_method": facts.METHOD_EXACT}, False),
    "no room for copies": (1500, {"retries": 0}, False),
    "an echo of nothing": (1500, {"synack_tsecr": 99}, False),
    "an echo of the newest": (1500, {"synack_tsecr": 11}, False),
}


@pytest.mark.parametrize("how", SECOND_ANSWERS)
def test_a_second_syn_ack_at_the_distance_of_the_syns(how):
    at, changes, proved = SECOND_ANSWERS[how]
    table, connection, end = of_syns(1000, 2000, tsvals=(10, 11))
    table.kept.syn_ns[1] = 3000  # left from another connection
    at += 1000
    fields = {
        "synack_ns": 1500, "synack_count": 1, "synack_method": AMBIGUOUS, "synack_tsecr": 10, "synack_min_ns": 1,
        "synack_max_ns": 500,
    } | changes  # fmt: skip
    for name, value in fields.items():
        setattr(connection, name, value)
    rtt.time_second_syn_ack(table, connection, end, sent(at, options=OPT_TIMESTAMPS))
    assert (connection.synack_min_ns == 500) is proved
    if proved:
        assert connection.synack_method == LAST


@pytest.mark.parametrize(
    ("client", "answer"),
    [(0, OPT_TIMESTAMPS), (OPT_TIMESTAMPS, 0), (OPT_MSS, OPT_TIMESTAMPS), (OPT_TIMESTAMPS, OPT_MSS)],
)
def test_a_second_syn_ack_without_timestamps_proves_nothing(client, answer):
    table, connection, end = of_syns(0, 1000, tsvals=(10, 11))
    end.options = client
    connection.synack_ns, connection.synack_count, connection.synack_tsecr = 500, 1, 10
    connection.synack_method, connection.synack_max_ns = AMBIGUOUS, 500
    rtt.time_second_syn_ack(table, connection, end, sent(1500, options=answer))
    assert (connection.synack_method, connection.synack_min_ns) == (AMBIGUOUS, 0)


SECOND_ACKS = {
    # when it comes, changes to it, to the connection, to the server -> the answered copy, method
    "at the distance of the SYN-ACKs": (3500, {}, {}, {}, (1000, LAST)),
    "2 % later": (3520, {}, {}, {}, (1000, LAST)),
    "2 % sooner": (3480, {}, {}, {}, (1000, LAST)),
    "more than 2 % later": (3521, {}, {}, {}, None),
    "more than 2 % sooner": (3479, {}, {}, {}, None),
    "at the distance of the second and the third": (4500, {}, {}, {}, (2000, LAST)),
    "the server has no timestamps": (3500, {}, {}, {"options": OPT_MSS}, (1000, AMBIGUOUS)),
    "the client has none": (3500, {"options": OPT_MSS}, {}, {}, (1000, AMBIGUOUS)),
    "no room for copies": (3500, {}, {"retries": 0}, {}, None),
    "with data": (3500, {"payload_len": 1}, {}, {}, None),
    "with a FIN": (3500, {"flags": ACK | FIN}, {}, {}, None),
    "of more than the SYN-ACK": (3500, {"ack": 1}, {}, {}, None),
    "no two are so far apart": (3700, {}, {"ackdat_max_ns": 5000}, {}, None),
    "the first SYN-ACK was not the one": (3500, {}, {"ackdat_max_ns": 1499}, {}, None),
    "the second was not the one": (4500, {}, {"ackdat_min_ns": 501}, {}, None),
}


@pytest.mark.parametrize("how", SECOND_ACKS)
def test_a_second_ack_at_the_distance_of_the_syn_acks(how):
    """SYN-ACKs at 1000, 2000 and 4000, and the first ACK at 2500."""
    at, of_ack, of_connection, of_server, found = SECOND_ACKS[how]
    table, connection, end = of_syn_acks(1000, 2000, 4000)
    before = {"ack_ns": 2500, "ackdat_min_ns": 1, "ackdat_max_ns": 1500, "ackdat_method": AMBIGUOUS} | of_connection
    for one, fields in ((connection, before), (end, {"iss": MASK32} | of_server)):
        for name, value in fields.items():
            setattr(one, name, value)
    ack = {"flags": ACK, "ack": 0, "options": OPT_TIMESTAMPS} | of_ack
    rtt.time_second_ack(table, connection, end, sent(at, **ack))
    low, high = connection.ackdat_min_ns, connection.ackdat_max_ns
    if found is None:
        assert (low, high, connection.ackdat_method) == (before["ackdat_min_ns"], before["ackdat_max_ns"], AMBIGUOUS)
    else:
        answered, method = found
        assert (low, high, connection.ackdat_method) == (2500 - answered, 2500 - answered, method)


def test_a_second_ack_is_of_either_syn_ack_where_timers_leave_equal_gaps():
    table, connection, end = of_syn_acks(1000, 2000, 3000)
    connection.ack_ns, connection.ackdat_max_ns, connection.ackdat_method, end.iss = 3500, 2500, AMBIGUOUS, MASK32
    rtt.time_second_ack(table, connection, end, sent(4500, flags=ACK, ack=0, options=OPT_TIMESTAMPS))
    assert (connection.ackdat_min_ns, connection.ackdat_max_ns) == (0, 2500)


@pytest.mark.parametrize(
    ("at", "length", "bounds"),
    [(400, 0, (200, 300)), (400, 1, (0, 300)), (200, 0, (0, 100)), (199, 0, None), (199, 1, (0, 99)), (99, 1, None)],
)
def test_one_direction_alone_bounds_the_sum(at, length, bounds):
    table, connection, _ = of_syns(100, 200)
    connection.synack_method = facts.METHOD_ONE_SIDED
    rtt.time_one_sided(table, connection, sent(at, payload_len=length))
    if bounds is None:
        assert connection.synack_method == facts.METHOD_NONE
    else:
        assert connection.synack_method == facts.METHOD_ONE_SIDED
        assert (connection.synack_min_ns, connection.synack_max_ns) == bounds
