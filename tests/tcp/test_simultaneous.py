"""Both ends open at once (RFC 9293 section 3.5, figure 7), or one end with itself: rows."""

import pytest
from support import frames
from support.frames import CLIENT, CLIENT_ISN, SERVER, SERVER_ISN
from support.tracked import tracked
from support.wire import MS

from handshake_inspect.tcp.facts import FACT_ACKED, FACT_SIMULTANEOUS, METHOD_SIMULTANEOUS
from handshake_inspect.tcp.transitions import TcpState

SYNS = [frames.syn(), frames.syn(SERVER, CLIENT, seq=SERVER_ISN)]


def from_client(ident):
    return frames.syn_ack(CLIENT, SERVER, seq=CLIENT_ISN, ack=SERVER_ISN + 1, ident=ident)


def from_server(ident):
    return frames.syn_ack(ident=ident)


def names(table):
    return tuple(TcpState(table.endpoint_rows[at].state).name for at in (0, 1))


@pytest.mark.parametrize(
    ("answers", "count", "after"),
    [
        ([], 0, ("SYN_RECEIVED", "SYN_RECEIVED")),
        ([from_client(1)], 0, ("SYN_RECEIVED", "ESTABLISHED")),
        ([from_server(1)], 1, ("ESTABLISHED", "SYN_RECEIVED")),
        ([from_server(1), from_client(2)], 1, ("ESTABLISHED", "ESTABLISHED")),
        ([from_server(1), from_server(2), from_client(3)], 2, ("ESTABLISHED", "ESTABLISHED")),
        ([from_client(1), from_client(2)], 0, ("SYN_RECEIVED", "ESTABLISHED")),
        ([frames.syn(ident=9), from_client(1)], 0, ("SYN_RECEIVED", "ESTABLISHED")),
    ],
)
def test_each_syn_ack_takes_the_other_end_on(answers, count, after):
    """Who sends it again has no acknowledgment of it, and those of the first SYN's sender answer no question."""
    table = tracked(*SYNS, *answers)
    row = table.connection_rows[0]
    assert row.facts & FACT_SIMULTANEOUS
    assert (row.synack_count, row.client, names(table)) == (count, 0, after)
    assert bool(row.facts & FACT_ACKED) == (after == ("ESTABLISHED", "ESTABLISHED"))


def test_what_is_kept_of_the_first_syn_ack():
    row = tracked(*SYNS, from_client(1), from_server(2)).connection_rows[0]
    assert (row.synack_ns, row.synack_frame, row.ack_ns, row.ack_frame) == (2 * MS, 3, 3 * MS, 4)
    assert (row.last_synack_ns, row.synack_method, row.ackdat_method) == (2 * MS, *[METHOD_SIMULTANEOUS] * 2)


@pytest.mark.parametrize(
    ("again", "after", "acked"),
    [
        (SYNS[0], ("SYN_SENT", "ESTABLISHED"), False),
        (from_client(3), ("SYN_RECEIVED", "ESTABLISHED"), False),
        (from_server(3), ("ESTABLISHED", "SYN_RECEIVED"), False),
        (frames.ack(ident=3), ("ESTABLISHED", "ESTABLISHED"), True),
    ],
    ids=["a SYN", "a SYN-ACK", "the other's", "an ACK"],
)
def test_who_asks_again_has_no_answer(again, after, acked):
    """The SYN: it has not even the one that crossed it; the SYN-ACK: no acknowledgment of it."""
    before = [from_client(1)] if again is SYNS[0] else [from_client(1), from_server(2)]
    table = tracked(*SYNS, *before, (500 * MS, again))
    assert names(table) == after
    assert bool(table.connection_rows[0].facts & FACT_ACKED) == acked
    sent_again = sum(table.endpoint_rows[at].retransmissions for at in (0, 1))
    assert sent_again == (0 if acked else 1)


def test_windows_are_scaled_behind_both_syn_acks():
    """RFC 7323 section 2.2: the SYNs offer it, and that of a SYN-ACK is never scaled."""
    offer = {"options": frames.nop() + frames.window_scale(7)}
    answers = [frames.syn_ack(CLIENT, SERVER, seq=CLIENT_ISN, ack=SERVER_ISN + 1, window=300, **offer)]
    answers += [frames.syn_ack(window=400, **offer)]
    syns = [frames.syn(**offer), frames.syn(SERVER, CLIENT, seq=SERVER_ISN, **offer)]
    ends = tracked(*syns, *answers).endpoint_rows
    assert [(ends[at].window, ends[at].shift) for at in (0, 1)] == [(300, 7), (400, 7)]


@pytest.mark.parametrize(
    "ends",
    [
        [("192.0.2.1", 179), ("192.0.2.1", 180)],
        [("192.0.2.1", 179), ("192.0.2.2", 179)],
        [("2001:db8::1", 179), ("2001:db8::2", 179)],
        [("2001:db8::1", 179), ("2001:db9::1", 179)],
    ],
    ids=str,
)
def test_two_ends_with_one_address_or_one_port_are_two(ends):
    answer = frames.syn_ack(*ends[::-1], seq=CLIENT_ISN, ack=CLIENT_ISN + 1)
    assert not tracked(frames.syn(*ends), answer).connection_rows[0].facts & (FACT_SIMULTANEOUS | FACT_ACKED)


def test_what_is_kept_of_a_connection_to_itself():
    """Its SYN-ACK is all there is of a handshake."""
    table = tracked(frames.syn(CLIENT, CLIENT), frames.syn_ack(CLIENT, CLIENT, seq=CLIENT_ISN))
    row = table.connection_rows[0]
    assert (row.synack_count, row.synack_ns, row.synack_frame, row.ack_ns, row.ack_frame) == (1, MS, 2, MS, 2)
    assert row.facts & (FACT_SIMULTANEOUS | FACT_ACKED) == FACT_SIMULTANEOUS | FACT_ACKED
    assert row.synack_method == row.ackdat_method == METHOD_SIMULTANEOUS
    assert names(table) == ("ESTABLISHED", "ESTABLISHED")
