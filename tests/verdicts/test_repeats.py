"""When SYNs and SYN-ACKs were retransmitted: the last time, and the interval before it."""

import io

import numpy as np
import pytest
from support.wire import MS, SECOND, START, Wire

from handshake_inspect import analyze
from handshake_inspect.tcp.rows import RETRIES_KEPT
from handshake_inspect.verdicts.repeats import last_gap_ns, last_syn_ns, repeated_syns, repeats


def attempts_of(wire):
    return analyze(io.BytesIO(wire.pcap())).connections.case.attempts


def asked(*gaps, answered=True):
    """A SYN, and copies of it after these pauses."""
    wire = Wire(delay=MS)
    for gap in gaps:
        wire.client.syn(lost="after", stay=True)
        wire.now += gap
    wire.client.syn()
    if answered:
        wire.server.syn_ack()
        wire.client.ack()
    return wire


@pytest.mark.parametrize(
    ("gaps", "last"), [((), 0), ((SECOND,), SECOND), ((SECOND, 2 * SECOND), 2 * SECOND), ((3 * SECOND, MS), MS)]
)
def test_the_last_syn_and_the_pause_before_it(gaps, last):
    attempts = attempts_of(asked(*gaps))
    assert last_syn_ns(attempts, np.arange(1)).tolist() == [START + sum(gaps)]
    assert last_gap_ns(attempts, "syn").tolist() == [last]
    assert last_gap_ns(attempts, "synack").tolist() == [0]


def test_copies_are_kept_in_their_order():
    again = repeated_syns(attempts_of(asked(SECOND, 2 * SECOND, 4 * SECOND)))
    assert again.rows.tolist() == [0]
    assert again.counts.tolist() == [3]
    assert again.times[0][:3].tolist() == [START + SECOND, START + 3 * SECOND, START + 7 * SECOND]


def test_more_copies_than_are_kept_are_no_trouble():
    gaps = [SECOND] * (RETRIES_KEPT + 5)
    again = repeated_syns(attempts_of(asked(*gaps)))
    assert again.counts.tolist() == [RETRIES_KEPT]


def test_repeated_syn_acks():
    wire = Wire(delay=MS, at="server")
    wire.client.syn()
    for gap in (SECOND, 2 * SECOND):
        wire.server.syn_ack(lost="after", stay=True)
        wire.now += gap
    wire.server.syn_ack()
    wire.client.ack()
    attempts = attempts_of(wire)
    assert last_gap_ns(attempts, "synack").tolist() == [2 * SECOND]
    assert repeats(attempts, "synack").counts.tolist() == [2]


def test_who_repeats_nothing_is_not_among_them():
    again = repeated_syns(attempts_of(asked()))
    assert (len(again.rows), len(again.times), len(again.counts)) == (0, 0, 0)
