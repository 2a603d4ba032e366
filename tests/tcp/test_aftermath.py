"""The rows of what happens after the handshake: made when needed, and used again."""

import io

import pytest
from support import captures, frames
from support import tracked as framed
from support.detected import SECOND, crowd
from support.frames import CLIENT, CLIENT_ISN, SERVER, SERVER_ISN

from handshake_inspect.capture.frames import NEED_MORE
from handshake_inspect.capture.trace import open_trace
from handshake_inspect.engine.pump import Pump
from handshake_inspect.tcp.facts import (
    EVENT_RACE,
    EVENT_WAITED,
    FACT_ASKED_AGAIN,
    FACT_DEAD_PEER,
    FACT_UNANSWERED,
)
from handshake_inspect.tcp.tracker import Tracker


def tracked(wires, limit):
    taken = sorted((each for wire in wires for each in wire.frames()), key=lambda each: each[0])
    pump = Pump(Tracker(limit))
    with open_trace([io.BytesIO(captures.pcap(taken, nano=True))]) as source:
        while pump.drain(source.reader) == NEED_MORE and source.fill():
            pass
    return pump.tracker.table


def paused(wire, number):
    wire.handshake().exchange()
    wire.wait(2 * SECOND)
    wire.exchange(1000).close()


def plain(wire, number):
    wire.handshake().exchange().close()


def test_plain_connections_have_none():
    assert tracked(crowd(20, plain), 64).aftermath_count == 0


def test_rows_are_used_again():
    table = tracked(crowd(100, paused, every=10 * SECOND), 16)
    assert table.evicted > 50
    assert 0 < table.aftermath_count <= 16
    rows = [row for row in table.aftermath_rows[: table.aftermath_count] if row.resumed_ns]
    owners = [row.aftermath for row in table.connection_rows[: table.connection_count] if row.aftermath]
    assert len(set(owners)) == len(owners) == len(rows)


def test_the_longest_payload_of_each_end():
    table = tracked(crowd(1, paused), 16)
    assert [end.largest for end in table.endpoint_rows[:2]] == [1000, 1000]


# -- rows, frame by frame: numbers count from behind the SYNs, times in seconds

FIRST, OTHER = CLIENT_ISN + 1, SERVER_ISN + 1
OPENING = [frames.syn(), frames.syn_ack(), frames.ack(CLIENT, SERVER, seq=FIRST, ack=OTHER)]


def c(at, start, end, ack=0, flags=frames.ACK, **words):
    """Bytes of the client, or none, at this time."""
    words |= {"seq": FIRST + start, "ack": OTHER + ack, "payload": b"x" * (end - start)}
    return int(at * SECOND), frames.segment(CLIENT, SERVER, flags, **words)


def s(at, start, end, ack=0, flags=frames.ACK, **words):
    """And of the server."""
    words |= {"seq": OTHER + start, "ack": FIRST + ack, "payload": b"x" * (end - start)}
    return int(at * SECOND), frames.segment(SERVER, CLIENT, flags, **words)


RST, FIN = frames.RST | frames.ACK, frames.FIN | frames.ACK
SPOKEN = [c(0.1, 0, 100), s(0.2, 0, 50, 100), c(0.3, 100, 100, 50)]  # all is acknowledged


def kept(*said):
    """The rows of the connection, and of what happened after its handshake."""
    table = framed.tracked(*OPENING, *said)
    connection = table.connection_rows[0]
    return connection, table.aftermath_rows[connection.aftermath - 1] if connection.aftermath else None


@pytest.mark.parametrize(
    ("said", "idle_s"),
    [
        ([*SPOKEN, c(1.3, 100, 200, 50)], 1),
        ([*SPOKEN, s(1.3, 50, 60, 100)], 1),
        ([*SPOKEN, c(1.2999, 100, 200, 50)], None),
        ([*SPOKEN[:2], c(5, 100, 200, 50)], None),
        ([*SPOKEN[:1], c(5, 100, 200)], None),
        ([*SPOKEN, c(5, 99, 99, 50)], None),
        ([*SPOKEN, c(5, 99, 100, 50)], None),
        ([*SPOKEN, c(5, 100, 200, 50), s(5.1, 50, 50, 200), s(8.1, 50, 60, 200)], 3),
    ],
    ids=[
        "a second",
        "of either end",
        "less",
        "an answer is owed",
        "a request is",
        "a keep-alive",
        "with a byte",
        "two",
    ],
)
def test_a_pause_is_a_second_in_which_nothing_is_owed(said, idle_s):
    _, row = kept(*said)
    assert (row.idle_ns if row else 0) == (idle_s or 0) * SECOND


def test_what_ended_a_pause():
    _, row = kept(*SPOKEN, s(4.3, 50, 60, 100), c(4.4, 100, 100, 60), c(4.5, 100, 200, 60))
    assert (row.resumed_ns, row.resumed_side, row.resumed_seq) == (int(4.3 * SECOND), 1, OTHER + 50)
    assert (row.idle_ns, row.survived_ns) == (4 * SECOND, 0)


@pytest.mark.parametrize(("who", "asked"), [(c, 0), (s, int(4.5 * SECOND))])
def test_what_the_other_end_asks_after_a_pause(who, asked):
    """Its first bytes since, if they come with something that is not plain."""
    last = c(4.5, 200, 210, 50, FIN) if who is c else s(4.5, 50, 60, 200, FIN)
    _, row = kept(*SPOKEN, c(4.3, 100, 200, 50), s(4.4, 50, 50, 200), last)
    assert row.request_ns == asked


@pytest.mark.parametrize(("first_s", "second_s"), [(3, 2), (2, 3)])
def test_the_longest_pause_after_which_both_went_on(first_s, second_s):
    """The last one is not over: it may be the one that ended the connection."""
    at = 0.3 + first_s
    went_on = [c(at, 100, 110, 50), s(at + 0.1, 50, 50, 110)]
    later = at + 0.1 + second_s
    _, row = kept(*SPOKEN, *went_on, c(later, 110, 120, 50), s(later + 0.1, 50, 50, 120))
    assert (row.survived_ns, row.idle_ns) == (first_s * SECOND, second_s * SECOND)
    _, row = kept(*SPOKEN, *went_on, c(later, 110, 120, 50), s(later + 0.1, 50, 50, 120), c(later + 9, 120, 130, 50))
    assert row.survived_ns == max(first_s, second_s) * SECOND


@pytest.mark.parametrize(("who", "waited"), [(c, False), (s, True)])
def test_a_rst_that_ends_a_pause(who, waited):
    """The client has spoken last, so that the server had nothing to wait for; the client waits for an answer."""
    rst = c(5.3, 100, 100, 50, RST) if who is c else s(5.3, 50, 50, 100, RST)
    _, row = kept(*SPOKEN, rst)
    assert (row.rst_idle_ns, row.idle_ns, row.resumed_ns) == (5 * SECOND, 0, 0)
    assert bool(row.events & EVENT_WAITED) == waited


def repeats(*times, start=100, size=100, step=None):
    """A segment of the client, and its copies."""
    return [c(at, start, start + (size if step is None or n == 0 else step[n - 1]), 50) for n, at in enumerate(times)]


def test_what_is_kept_of_a_segment_that_is_repeated():
    connection, row = kept(*SPOKEN, *repeats(0.4, 0.8, 1.6, 3.2))
    assert (row.repeats[0], row.seq[0], row.length[0], row.answers[0]) == (3, FIRST + 100, 100, 0)
    assert (row.first_ns[0], row.repeated_ns[0], row.frame[0]) == (int(0.4 * SECOND), int(3.2 * SECOND), 10)
    assert (row.waited_ns[0], row.passed[0], row.shrunk_from[0]) == (0, 100, 0)
    assert connection.facts & FACT_ASKED_AGAIN
    assert (row.repeats[1], row.idle_ns) == (0, 0)


def test_a_segment_that_ended_a_pause_and_is_repeated():
    _, row = kept(*SPOKEN, *repeats(4.3, 4.7, 5.5))
    assert (row.first_ns[0], row.waited_ns[0], row.repeats[0]) == (int(4.3 * SECOND), 4 * SECOND, 2)


@pytest.mark.parametrize(
    ("step", "length", "shrunk_from"),
    [([100, 100, 100], 100, 0), ([100, 100, 40], 40, 100), ([100, 40, 40], 40, 0), ([100, 100, 60], 60, 100)],
)
def test_a_shorter_copy_after_two_of_one_length(step, length, shrunk_from):
    """RFC 4821: whoever looks for the MTU tries shorter packets once the long ones are lost."""
    _, row = kept(*SPOKEN, *repeats(0.4, 0.8, 1.6, 3.2, step=step))
    assert (row.length[0], row.shrunk_from[0]) == (length, shrunk_from)


@pytest.mark.parametrize(("acked", "again"), [(199, 1), (100, 2), (200, 0)])
def test_only_what_is_not_acknowledged_is_repeated(acked, again):
    answer = [s(1, 50, 50, acked)] if acked > 100 else []
    _, row = kept(*SPOKEN, *repeats(0.4, 0.8), *answer, c(1.6, 100, 200, 50))
    assert row.repeats[0] == (again if acked < 200 else 1)
    assert row.seq[0] == FIRST + (acked if acked < 200 else 100)


@pytest.mark.parametrize(("acks", "answers"), [([100], 1), ([100, 100], 2), ([200], 0)])
def test_answers_that_move_nothing(acks, answers):
    """The peer is there, and lacks the bytes."""
    said = [s(4 + n / 10, 50, 60, ack, ident=n + 1) for n, ack in enumerate(acks)]
    _, row = kept(*SPOKEN, *repeats(0.4, 0.8, 1.6, 3.2), *said)
    assert row.answers[0] == answers


@pytest.mark.parametrize(
    ("copies", "size", "answered", "dead"),
    [(4, 100, False, True), (3, 100, False, False), (4, 536, False, True), (4, 537, False, False),
     (4, 100, 100, False), (4, 100, 200, False)],
)  # fmt: skip
def test_who_resets_after_so_many_copies_has_no_peer(copies, size, answered, dead):
    """Data so short that no MTU can be the reason, and nothing came."""
    times = [0.4 * 2**n for n in range(copies + 1)]
    said = repeats(*times, size=size) + ([s(times[-1] + 0.1, 50, 50, answered, ident=7)] if answered else [])
    connection, _ = kept(*SPOKEN, *said, c(times[-1] + 5, 100 + size, 100 + size, 50, RST))
    assert bool(connection.facts & FACT_DEAD_PEER) == dead


@pytest.mark.parametrize(("probes", "answered", "dead"), [(1, False, False), (2, False, True), (3, True, False)])
def test_who_resets_after_so_many_keep_alives_has_no_peer(probes, answered, dead):
    said = [c(5 + n, 99, 99, 50) for n in range(probes)] + ([s(9, 50, 50, 100)] if answered else [])
    connection, row = kept(*SPOKEN, *said, c(10, 100, 100, 50, RST))
    assert bool(connection.facts & FACT_DEAD_PEER) == dead
    assert row.probes[0] == (0 if answered else probes)
    assert (row.probe_ns[0], row.probed_ns[0]) == (5 * SECOND, (4 + probes) * SECOND)
    assert (row.probe_idle_ns[0], row.probe_frame[0]) == (int(4.7 * SECOND), 6 + probes)
    assert row.survived_ns == (int(4.7 * SECOND) if answered else 0)


@pytest.mark.parametrize(
    ("said", "waits"),
    [
        (repeats(0.4, 0.8, 1.6), False),
        (repeats(0.4, 0.8, 1.6, 3.2), True),
        ([*repeats(0.4, 0.8, 1.6, 3.2), s(4, 50, 60, 100)], True),
        ([*repeats(0.4, 0.8, 1.6, 3.2), s(4, 50, 50, 200)], False),
        ([c(5, 99, 99, 50)], True),
        ([c(5, 99, 99, 50), s(5.1, 50, 50, 100)], False),
    ],
    ids=["two copies", "three", "not acknowledged", "acknowledged", "a keep-alive", "an answer"],
)
def test_what_waits_for_an_answer(said, waits):
    assert bool(kept(*SPOKEN, *said)[0].facts & FACT_UNANSWERED) == waits


@pytest.mark.parametrize(("shut", "shut_s"), [([], 0), ([(1, 0), (3, 5)], 2), ([(1, 0), (2, 0), (3, 5)], 2),
    ([(1, 0), (3, 5), (4, 0), (4.5, 9)], 2.5)])  # fmt: skip
def test_how_long_a_window_was_shut(shut, shut_s):
    said = [s(at, 50, 50, 100, window=window, ident=n + 1) for n, (at, window) in enumerate(shut)]
    _, row = kept(*SPOKEN, *said)
    assert (row.shut_ns[1] if row else 0) == shut_s * SECOND
    assert not row or (row.shut_since_ns[1], row.shut_ns[0]) == (0, 0)


def test_a_window_that_stays_shut():
    _, row = kept(*SPOKEN, s(1, 50, 50, 100, window=0, ident=1), s(2, 50, 50, 100, window=0, ident=2))
    assert (row.shut_since_ns[1], row.shut_ns[1]) == (SECOND, 0)


def test_packets_too_big():
    """RFC 1191: the least MTU counts; old routers name none."""
    about = frames.segment(CLIENT, SERVER, frames.ACK, seq=FIRST, ack=OTHER, payload=b"x" * 100, link=frames.raw)
    errors = [
        (int((1 + n) * SECOND), frames.icmp_error(about, code=4, rest=mtu))
        for n, mtu in enumerate((1400, 0, 1300, 1350))
    ]
    _, row = kept(*SPOKEN, *errors)
    assert (row.too_big[0], row.mtu[0], row.too_big_frame, row.too_big[1]) == (4, 1300, 7, 0)


@pytest.mark.parametrize(("apart_ms", "race"), [(12, True), (13, False)])
@pytest.mark.parametrize("first", ["request", "fin"])
def test_a_request_that_crosses_the_fin_of_an_idle_connection(apart_ms, race, first):
    """Within the RTT of the handshake (2 ms) and 10 ms, whichever was first: then the RST answers the request."""
    closes, asks = (5, 5 + apart_ms / 1000) if first == "fin" else (5 + apart_ms / 1000, 5)
    said = sorted([s(closes, 50, 50, 100, FIN), c(asks, 100, 200, 50)], key=lambda each: each[0])
    connection, row = kept(*SPOKEN, *said, s(5.1, 51, 51, 100, frames.RST))
    assert bool(row.events & EVENT_RACE) == race
    assert connection.fin_side == 1


@pytest.mark.parametrize(
    "said",
    [
        [s(5, 50, 50, 100, FIN), c(5.001, 100, 200, 50), s(5.002, 51, 51, 200), s(5.1, 51, 51, 200, frames.RST)],
        [c(5, 100, 200, 50), s(5.1, 50, 50, 100, frames.RST)],
        [s(0.31, 50, 50, 100, FIN), c(0.311, 100, 200, 50), s(0.4, 51, 51, 100, frames.RST)],
        [s(5, 50, 50, 100, FIN), c(5.001, 100, 100, 51, FIN), s(5.1, 51, 51, 100, frames.RST)],
    ],
    ids=["it was acknowledged", "nobody had closed", "without a pause", "a FIN is no request"],
)
def test_what_is_no_race(said):
    _, row = kept(*SPOKEN, *said)
    assert not row or not row.events & EVENT_RACE
