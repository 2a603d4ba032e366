"""Measure waits beyond the round trips that a protocol needs, and the network's round trip, from segments alone.

*Nagle*: a packet smaller than the MSS, only a bare acknowledgment of it (crossing data is not an answer), and the
sender's next data exactly when that has arrived (RFC 896).  *Window*: a flight stops and continues in the same way,
whatever the size of the last packet, after at least `LEAST_PACKETS` (RFC 5681: the initial window).  *Loss*:
unacknowledged bytes that were retransmitted, or a hole that was filled.  Waits are recorded until the first response.

*Path*: the minimum time from a client segment to the first server segment that acknowledges it, excluding retransmitted
segments (Karn's algorithm, RFC 6298 section 3).
"""

from typing import Any

from handshake_inspect.tcp.setup import setup_rows as sr
from handshake_inspect.tcp.setup.facts import (
    EXTRA_LOSS,
    EXTRA_NAGLE,
    EXTRA_WINDOW,
    MOST_EXTRAS,
    SETUP_CLIENT_FINISHED,
    SETUP_SERVER_FINISHED,
    SETUP_TLS,
    SPAN_BEFORE_REQUEST,
    SPAN_BEFORE_TLS,
    SPAN_RESPONSE,
    SPAN_TLS,
)
from handshake_inspect.tls.numbers import TLS12
from handshake_inspect.wire import seqspace
from handshake_inspect.wire.const import MASK32

LEAST_NS = 5_000_000  # shorter waits for Nagle's algorithm are ignored
SLACK_NS = 1_000_000  # tolerance of "exactly when", or 5 % if that is more
DELAYED_NS = 20_000_000
LEAST_PACKETS = 4  # a flight of fewer packets does not stop because of the window
SURELY_WINDOW = 10  # after this many packets the cause is the window, even if Nagle's algorithm fits
MOST_BURST = 255
USUAL_MSS = 536  # RFC 9293 section 3.7.1


def on_acknowledgment(focus: Any, number: int, bare: bool) -> None:
    """Process a segment that acknowledges bytes before `number`."""
    reading = focus.reading
    if not focus.is_client:
        note_path(focus, number, 0)
        note_path(focus, number, 1)
    other = focus.side ^ 1
    if bare and reading.flying[other]:
        reading.news_ns[other] = focus.ns
        if reading.acked_ns[other] == 0 and seqspace.seq_ge(number, reading.beyond[other]):
            reading.acked_ns[other] = focus.ns


def on_end(focus: Any) -> None:
    """Process a FIN: later data of the peer may answer it, and did not wait for an acknowledgment."""
    focus.reading.spoke = focus.side + 1
    land(focus.reading, focus.side ^ 1)


def land(reading: Any, side: int) -> None:
    """End the flight of a side, because the peer answers it."""
    reading.flying[side] = 0
    reading.acked_ns[side] = 0
    reading.news_ns[side] = 0


def note_path(focus: Any, number: int, i: int) -> None:
    """Update the path time if the server acknowledges a timed segment."""
    reading = focus.reading
    if reading.path_ns[i] and seqspace.seq_ge(number, reading.path_end[i]):
        took = focus.ns - reading.path_ns[i]
        reading.path_ns[i] = 0
        if 0 < took <= MASK32 and (focus.exchange.path == 0 or took < focus.exchange.path):
            focus.exchange.path = took


def on_data(focus: Any, payload_len: int, options_len: int) -> None:
    """Process new bytes.

    Peer data that does not acknowledge the whole flight crosses it: the sender of the flight does not wait for it.
    """
    reading = focus.reading
    side = focus.side
    other = side ^ 1
    if reading.flying[side]:
        unseen = seqspace.seq_gt(focus.acked, reading.beyond[other])  # data that it may have waited for
        if reading.news_ns[side] and not reading.hold[side] and not unseen:
            judge_pause(focus)
    else:
        reading.burst[side] = 0
    if reading.flying[other] and seqspace.seq_ge(focus.acked, reading.beyond[other]):
        land(reading, other)
    mss = largest(focus, options_len)
    reading.burst[side] = min(reading.burst[side] + (payload_len + mss - 1) // mss, MOST_BURST)
    reading.small[side] = payload_len % mss != 0
    reading.spoke = side + 1
    reading.sent_ns[side] = focus.ns
    land(reading, side)
    reading.flying[side] = 1
    if focus.is_client:
        i = 0 if reading.path_ns[0] == 0 else 1
        reading.path_ns[i] = focus.ns
        reading.path_end[i] = focus.end


def largest(focus: Any, options_len: int) -> int:
    """Return the maximum payload of a packet, in bytes."""
    mss: int = min(focus.peer.mss or USUAL_MSS, focus.sender.mss or USUAL_MSS)
    return mss - options_len if mss > options_len else 1


def judge_pause(focus: Any) -> None:
    """Decide if a side that continues after an acknowledgment had to wait for it."""
    reading = focus.reading
    connection = focus.connection
    there = connection.synack_max_ns
    back = connection.ackdat_max_ns
    unknown = connection.syn_ns == 0 or connection.synack_ns == 0
    if focus.exchange.path and (unknown or focus.exchange.path < there):
        there = focus.exchange.path
    if connection.synack_ns == 0 and connection.syn_ns and connection.ack_ns and connection.syn_count == 1:
        back = max(connection.ack_ns - connection.syn_ns - there, 0)  # the SYN-ACK was not captured
    side = focus.side
    wait = focus.ns - reading.sent_ns[side]
    if there + back <= 0 or wait < (there + back) // 2 or wait <= SLACK_NS:
        return
    way = back if focus.is_client else there
    beyond = there if focus.is_client else back
    exact = reading.acked_ns[side] != 0 and is_about(focus.ns - reading.acked_ns[side], way)
    nagle = exact and reading.small[side] != 0 and wait >= LEAST_NS
    window = reading.burst[side] >= LEAST_PACKETS and (exact or is_about(focus.ns - reading.news_ns[side], way))
    if window and (not nagle or reading.burst[side] >= SURELY_WINDOW):
        add(focus, EXTRA_WINDOW, wait, False)
    elif nagle:
        add(focus, EXTRA_NAGLE, wait, reading.acked_ns[side] - reading.sent_ns[side] >= beyond + DELAYED_NS)


def is_about(took: int, way: int) -> bool:
    """Return True if a time matches the path, within the tolerance for clocks and kernels."""
    slack = max(SLACK_NS, way // 20)
    return way - slack <= took <= way + slack


def on_again(focus: Any) -> None:
    """Process bytes that were seen before."""
    reading = focus.reading
    if focus.is_client:
        reading.path_ns[0] = 0
        reading.path_ns[1] = 0
    if seqspace.seq_ge(focus.peer.last_ack, focus.end) or reading.sent_ns[focus.side] == 0:
        return  # they had already arrived
    lose(focus, focus.ns - reading.sent_ns[focus.side])
    if not focus.is_client:
        put_off(focus)


def put_off(focus: Any) -> None:
    """Move the response to the time of its retransmission: only now can the client read it."""
    reading = focus.reading
    setup = focus.setup
    exchange = focus.exchange
    for i in range(reading.answers):
        if seqspace.seq_le(focus.seq, reading.answer_at[i]):
            if i == 0:
                exchange.response_ns = focus.ns
                exchange.response_frame = focus.frame
            if i < setup.candidate_count:
                setup.candidate_ns[i] = focus.ns
                setup.candidate_frame[i] = focus.frame
    older = 0 < setup.version <= TLS12 and setup.flags & SETUP_SERVER_FINISHED != 0
    if older and exchange.request_frame == 0:
        setup.server_finished_ns = focus.ns
        setup.server_finished_frame = focus.frame


def lose(focus: Any, cost: int) -> None:
    """Record the delay of a flight by a loss, until the last retransmission; mere reordering takes no time."""
    if cost <= SLACK_NS:
        return
    number = last_of(focus)
    if number:
        extra = sr.extra_at(focus.setups.extras, number - 1)
        if extra.reason == EXTRA_LOSS and extra.side == focus.side and extra.span == span_of(focus):
            extra.cost_ns = max(extra.cost_ns, cost)
            extra.frame = focus.frame
            return
    add(focus, EXTRA_LOSS, cost, False)


def note_filled(focus: Any) -> None:
    """Note on the last wait that it ended by filling a hole, which may have held up the response.

    What came before the hole may be SETTINGS or a ticket; after a certain response, holes are not filled.
    """
    number = last_of(focus)
    if number:
        sr.extra_at(focus.setups.extras, number - 1).filled = 1


def last_of(focus: Any) -> int:
    """Return 1 + the row of the last wait so far, 0 for none."""
    number = focus.setup.extras
    while number and sr.extra_at(focus.setups.extras, number - 1).next:
        number = sr.extra_at(focus.setups.extras, number - 1).next
    return number


def add(focus: Any, reason: int, cost: int, delayed: bool) -> None:
    """Record a wait that this segment ended."""
    count = 0
    number = focus.setup.extras
    last = 0
    while number:
        count += 1
        last = number
        number = sr.extra_at(focus.setups.extras, number - 1).next
    number = focus.setups.new_extra() if count < MOST_EXTRAS else 0
    if number == 0:
        return
    extra = sr.extra_at(focus.setups.extras, number - 1)
    extra.reason = reason
    extra.cost_ns = cost
    extra.frame = focus.frame
    extra.side = focus.side
    extra.delayed = delayed
    extra.filled = 0
    extra.span = span_of(focus)
    extra.next = 0
    if last:
        sr.extra_at(focus.setups.extras, last - 1).next = number
    else:
        focus.setup.extras = number


def span_of(focus: Any) -> int:
    """Return the current span (SPAN_*)."""
    if focus.exchange.request_frame:
        return SPAN_RESPONSE
    if focus.setup.flags & SETUP_CLIENT_FINISHED:
        return SPAN_BEFORE_REQUEST
    if focus.setup.flags & SETUP_TLS:
        return SPAN_TLS
    return SPAN_BEFORE_TLS
