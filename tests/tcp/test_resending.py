"""Bytes that the capture holds come in other packets: sent again if their sender had a reason, else copies.

Times are in milliseconds.  The RTT is 40 ms, of which what the server says takes 15 ms to come back as an answer.
"""

import pytest
from support import frames
from support.frames import CLIENT, CLIENT_ISN, SERVER, SERVER_ISN
from support.tracked import tracked
from support.wire import MS

COPY, AGAIN = (0, 1), (1, 0)
FIRST, OTHER = CLIENT_ISN + 1, SERVER_ISN + 1


def sent(at, start, end, clock=None, **words):
    """Bytes of the client."""
    words |= {"seq": FIRST + start, "ack": OTHER, "ident": 0}
    if clock is not None:
        words["options"] = frames.timestamps(clock, 1)
    return round(at * MS), frames.data(b"x" * (end - start), CLIENT, SERVER, **words)


def told(at, to, **words):
    """An acknowledgment of the server."""
    return round(at * MS), frames.ack(SERVER, CLIENT, seq=OTHER, ack=FIRST + to, ident=at, **words)


def opened(rtt):
    answered, completed = round(rtt * MS * 5 / 8), rtt * MS
    return [(0, frames.syn()), (answered, frames.syn_ack()), (completed, frames.ack(seq=FIRST, ack=OTHER, ident=0))]


OPENING = opened(40)
CLOCKED = [sent(100, 0, 100, 7), sent(101, 100, 200, 8)]  # what bears the same clock left with the newest, or is a copy
ASKED = [told(106, 0)]  # as the SYN-ACK did


def counted(*said, opening=OPENING):
    """How many segments of the client were sent again, and how many are copies."""
    client = tracked(*opening, *said).endpoint_rows[0]
    return client.retransmissions, client.duplicates


@pytest.mark.parametrize(
    ("rtt", "since", "result"),
    [(1, 1.999, COPY), (1, 2, AGAIN), (8, 7.999, COPY), (8, 8, AGAIN), (40, 9.999, COPY), (40, 10, AGAIN)],
)
def test_a_timer_may_have_run_out(rtt, since, result):
    """After an RTT, but no timer is shorter than 2 ms; and the handshake may have been slow."""
    said = [sent(100, 0, 100), sent(101, 100, 200), sent(101 + since, 0, 200)]
    assert counted(*said, opening=opened(rtt)) == result


@pytest.mark.parametrize(
    ("clocks", "since", "result"),
    [
        ((7, 8, 8), 10, COPY),
        ((7, 8, 8), 199.999, COPY),
        ((7, 8, 8), 200, AGAIN),
        ((7, 8, None), 10, AGAIN),
        ((7, 8, 9), 1, AGAIN),
        ((7, 8, 7), 200, COPY),
    ],
    ids=[
        "the clock of the newest",
        "and no timer of Linux",
        "a timer of Linux",
        "no clock",
        "a later one",
        "an earlier one",
    ],
)
def test_what_the_clock_says_of_it(clocks, since, result):
    first, second, joined = clocks
    assert counted(sent(100, 0, 100, first), sent(101, 100, 200, second), sent(101 + since, 0, 200, joined)) == result


@pytest.mark.parametrize(("clock", "result"), [(8, AGAIN), (7, COPY)])
def test_a_clock_that_stands_says_nothing(clock, result):
    """Since the SYN, which had this one or an earlier one."""
    words = {"options": frames.timestamps(clock, 1)}
    opening = [frames.syn(**words), frames.syn_ack(**words), (40 * MS, frames.ack(seq=FIRST, ack=OTHER, **words))]
    assert counted(sent(100, 0, 100, 8), sent(101, 100, 200, 8), sent(111, 0, 200, 8), opening=opening) == result


def test_a_bare_acknowledgment_behind_them_holds_no_bytes():
    """The clock of the last segment is not that of the newest bytes then, and a timer may have run out."""
    idle = (round(102 * MS), frames.ack(seq=FIRST + 200, ack=OTHER, ident=0, options=frames.timestamps(9, 1)))
    assert counted(*CLOCKED, told(101, 50), idle, sent(112, 0, 200, 9)) == AGAIN


@pytest.mark.parametrize(
    ("said", "result"),
    [
        ([sent(119, 0, 200, 8)], COPY),
        ([*ASKED, sent(106 + 13.124, 0, 200, 8)], COPY),
        ([*ASKED, sent(106 + 13.125, 0, 200, 8)], AGAIN),
        ([*ASKED, sent(180, 0, 200, 8)], AGAIN),
        ([*ASKED, told(107, 100), sent(106 + 80, 100, 150, 8)], AGAIN),
        ([*ASKED, told(107, 100), sent(106 + 80.001, 100, 150, 8)], COPY),
    ],
    ids=[
        "nobody",
        "too soon",
        "one way later, less an eighth",
        "it still waits",
        "no longer, but within two RTTs",
        "and no more",
    ],
)
def test_the_receiver_asked_for_it(said, result):
    assert counted(*CLOCKED, *said) == result


def test_a_gap_that_was_filled_asks_for_nothing():
    overtaken = [sent(47, 300, 400, 8), sent(48, 200, 300, 8)]
    assert counted(sent(45, 0, 100, 7), sent(46, 100, 200, 8), *overtaken, sent(60, 0, 200, 8)) == COPY


def test_a_router_asked_for_smaller_packets():
    """RFC 1191: the sender has no other reason, and no timer has run out."""
    large = frames.data(b"x" * 100, seq=FIRST + 100, ack=OTHER, ident=0, link=frames.raw)
    said = [*CLOCKED, (110 * MS, frames.icmp_error(large, code=4, rest=60))]
    assert counted(*said, sent(111, 100, 120, 8)) == AGAIN


@pytest.mark.parametrize(("since", "result"), [(99.9, AGAIN), (100.1, COPY)])
def test_where_the_rtt_is_not_known_a_repair_lasts_a_tenth_of_a_second(since, result):
    said = [*CLOCKED, *ASKED, told(107, 100), sent(106 + since, 100, 150, 8)]
    assert counted(*said, opening=[sent(90, -10, 0, 6), told(91, 0)]) == result


@pytest.mark.parametrize(
    ("answers", "since", "count"),
    [([], 1, 2), ([], 150, 2), ([told(126, 200)], 80, 2), ([told(126, 200)], 80.001, 1)],
    ids=["at once", "not acknowledged", "within two RTTs", "acknowledged"],
)
def test_a_repair_goes_on_until_all_is_acknowledged_that_was_sent(answers, since, count):
    """The first piece was asked for, the second follows from that."""
    repair = [*ASKED, sent(120, 0, 50, 8), *answers, sent(120 + since, 100, 150, 8)]
    assert counted(*CLOCKED, *repair) == (count, 2 - count)


# -- copies of two capture points


TWINS = [sent(100, 0, 100), sent(100.1, 0, 100, ttl=63)]


@pytest.mark.parametrize(
    ("between", "since", "result"),
    [
        ([], 199.999, (0, 2)),
        ([], 200, (1, 1)),
        ([sent(110 + at, 200, 200, window=500 + at) for at in range(3)], 200, (1, 1)),
        ([sent(310 + at, 200, 200, window=500 + at) for at in range(4)], 409 - 0.001, (0, 2)),
        ([sent(310 + at, 200, 200, window=500 + at) for at in range(4)], 409, (1, 1)),
    ],
    ids=["before a timer of Linux", "after it", "since the newest bytes", "or the oldest segment known", "and no more"],
)
def test_after_a_pause_what_only_one_point_has_was_sent_again(between, since, result):
    """Behind a router: the TTL alone does not make a copy."""
    assert counted(*TWINS, sent(101, 100, 200), *between, sent(101 + since, 100, 200, ttl=63)) == result


@pytest.mark.parametrize(
    ("asked", "to", "result"), [(20, 0, COPY), (6.88, 0, COPY), (6.875, 0, AGAIN), (3, 0, AGAIN), (3, -50, COPY)]
)
def test_what_the_receiver_waits_for_is_a_copy_until_its_sender_can_know(asked, to, result):
    """No router is between both points, a packet takes 12 ms, and what the server says passes 15 ms after it.

    A timer may have run out 10 ms after the newest bytes.
    """
    opening = [OPENING[0], (12 * MS, OPENING[0][1]), *OPENING[1:]]
    said = [sent(100 + at, 100 * at, 100 * at + 100) for at in range(10)] + [
        (round((100 + asked) * MS), told(0, to)[1])
    ]
    again, copies = counted(*sorted(said), sent(120, 0, 100), opening=opening)
    assert (again, copies - 1) == result
