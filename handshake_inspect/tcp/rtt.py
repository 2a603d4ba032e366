"""Measure both legs of the handshake RTT: which copy of a SYN or SYN-ACK was answered, and the bounds of the RTT.

Without retransmission the measurement is `exact`.  After one, only a timestamp echo can identify the copy (RFC 7323
section 3), and not always: a receiver echoes the TSval of the first copy that *arrived*, even if its segment answers a
later copy.  So an echo of the last copy's TSval proves that this copy was answered.  An echo of an earlier one gives
only an upper bound, since the answer to that copy may have been lost.  Karn's algorithm (RFC 6298 section 3) would
discard such samples; here they give bounds.
"""

from typing import Any

from handshake_inspect.tcp import rows
from handshake_inspect.tcp.facts import (
    METHOD_AMBIGUOUS,
    METHOD_EXACT,
    METHOD_NONE,
    METHOD_ONE_SIDED,
    METHOD_REORDERED,
    METHOD_TSECR,
)
from handshake_inspect.tcp.rows import RETRIES_KEPT
from handshake_inspect.wire.const import FIN, MASK16, MASK32, OPT_TIMESTAMPS


def note_syn(table: Any, connection: Any, segment: Any) -> None:
    """Record another copy of the SYN; the last slot always holds the newest."""
    at = min(connection.syn_count, RETRIES_KEPT) - 1
    if connection.syn_count < MASK16:
        connection.syn_count += 1
    if at >= 0 and table.new_retries(connection):
        retries = rows.retries_at(table.retries, connection.retries - 1)
        retries.syn_ns[at] = segment.ts_ns
        retries.syn_frame[at] = segment.frame & MASK32
        retries.syn_tsval[at] = segment.tsval
        retries.syn_options[at] = segment.options
        retries.syn_mss[at] = segment.mss
        retries.syn_window_scale[at] = segment.window_scale


def note_syn_ack(table: Any, connection: Any, segment: Any) -> None:
    """Record another copy of the SYN-ACK; the last slot always holds the newest."""
    at = min(connection.synack_count, RETRIES_KEPT) - 1
    if connection.synack_count < MASK16:
        connection.synack_count += 1
    connection.last_synack_ns = segment.ts_ns
    if at >= 0 and table.new_retries(connection):
        retries = rows.retries_at(table.retries, connection.retries - 1)
        retries.synack_ns[at] = segment.ts_ns
        retries.synack_frame[at] = segment.frame & MASK32
        retries.synack_tsval[at] = segment.tsval
        retries.synack_options[at] = segment.options
        retries.synack_mss[at] = segment.mss
        retries.synack_window_scale[at] = segment.window_scale


def note_other_syn_ack(table: Any, connection: Any, segment: Any) -> None:
    """Record a SYN-ACK with another ISN than the first."""
    if table.new_retries(connection):
        retries = rows.retries_at(table.retries, connection.retries - 1)
        retries.other_ns = segment.ts_ns
        retries.other_iss = segment.seq
        retries.other_frame = segment.frame & MASK32
        retries.other_options = segment.options
        retries.other_mss = segment.mss
        retries.other_window_scale = segment.window_scale


def syn_time(table: Any, connection: Any, copy: int) -> int:
    """Return the time of copy number `copy` of the SYN, from 0; copies beyond those kept count as the newest."""
    if copy <= 0 or connection.retries == 0:
        return connection.syn_ns
    return rows.retries_at(table.retries, connection.retries - 1).syn_ns[min(copy, RETRIES_KEPT) - 1]


def syn_ack_time(table: Any, connection: Any, copy: int) -> int:
    """Return the time of copy number `copy` of the SYN-ACK, from 0; copies beyond those kept count as the newest."""
    if copy <= 0 or connection.retries == 0:
        return connection.synack_ns
    return rows.retries_at(table.retries, connection.retries - 1).synack_ns[min(copy, RETRIES_KEPT) - 1]


def first_echoed_syn(table: Any, connection: Any, client: Any, tsecr: int) -> int:
    """Return the number of the first SYN copy with TSval `tsecr`, -1 for none."""
    if client.syn_tsval == tsecr:
        return 0
    retries = rows.retries_at(table.retries, connection.retries - 1)
    for copy in range(1, min(connection.syn_count, RETRIES_KEPT + 1)):
        if retries.syn_tsval[copy - 1] == tsecr:
            return copy if copy < RETRIES_KEPT else connection.syn_count - 1
    return -1


def first_echoed_syn_ack(table: Any, connection: Any, server: Any, tsecr: int) -> int:
    """Return the number of the first SYN-ACK copy with TSval `tsecr`, -1 for none."""
    if server.syn_tsval == tsecr:
        return 0
    retries = rows.retries_at(table.retries, connection.retries - 1)
    for copy in range(1, min(connection.synack_count, RETRIES_KEPT + 1)):
        if retries.synack_tsval[copy - 1] == tsecr:
            return copy if copy < RETRIES_KEPT else connection.synack_count - 1
    return -1


def first_since_refusal(table: Any, connection: Any) -> int:
    """Return the number of the first SYN copy sent after the last refusal by RST, 0 if there was none."""
    for copy in range(1, min(connection.syn_count, RETRIES_KEPT + 1)):
        if 0 < connection.rst_ns < syn_time(table, connection, copy):
            return copy
    return 0


def time_syn_ack(table: Any, connection: Any, client: Any, segment: Any) -> None:
    """Bound the time between the first SYN-ACK and the SYN that it answers."""
    latest = segment.ts_ns - syn_time(table, connection, connection.syn_count - 1)
    earliest = segment.ts_ns - connection.syn_ns
    method = METHOD_EXACT
    if connection.syn_count > 1:
        method = METHOD_AMBIGUOUS
        if client.options & OPT_TIMESTAMPS and segment.options & OPT_TIMESTAMPS and connection.retries:
            copy = first_echoed_syn(table, connection, client, segment.tsecr)
            if copy >= 0:
                earliest = segment.ts_ns - syn_time(table, connection, copy)
                if copy == connection.syn_count - 1:
                    method = METHOD_TSECR
        earliest = min(earliest, segment.ts_ns - syn_time(table, connection, first_since_refusal(table, connection)))
    if not 0 <= latest <= earliest:  # the clock went back between the copies
        method = METHOD_REORDERED
        latest = earliest = 0
    connection.synack_min_ns = latest
    connection.synack_max_ns = earliest
    connection.synack_method = method


def time_second_syn_ack(table: Any, connection: Any, client: Any, segment: Any) -> None:
    """Resolve the ambiguity if the SYN-ACKs are spaced like the SYNs: nothing was lost, the path is slow."""
    if connection.synack_method != METHOD_AMBIGUOUS or connection.synack_count != 1 or connection.retries == 0:
        return
    if not (client.options & OPT_TIMESTAMPS and segment.options & OPT_TIMESTAMPS):
        return
    copy = first_echoed_syn(table, connection, client, connection.synack_tsecr)
    if copy < 0 or copy + 1 >= connection.syn_count:
        return
    between_syns = syn_time(table, connection, copy + 1) - syn_time(table, connection, copy)
    between_answers = segment.ts_ns - connection.synack_ns
    if is_alike(between_answers, between_syns):
        connection.synack_min_ns = connection.synack_max_ns
        connection.synack_method = METHOD_TSECR


def time_ack(table: Any, connection: Any, server: Any, segment: Any) -> None:
    """Bound the time between the final ACK and the SYN-ACK that it answers."""
    latest = segment.ts_ns - syn_ack_time(table, connection, connection.synack_count - 1)
    earliest = segment.ts_ns - connection.synack_ns
    method = METHOD_EXACT
    if connection.synack_count > 1:
        method = METHOD_AMBIGUOUS
        if server.options & OPT_TIMESTAMPS and segment.options & OPT_TIMESTAMPS and connection.retries:
            copy = first_echoed_syn_ack(table, connection, server, segment.tsecr)
            if copy >= 0:
                earliest = segment.ts_ns - syn_ack_time(table, connection, copy)
                if copy == connection.synack_count - 1:
                    method = METHOD_TSECR
    if not 0 <= latest <= earliest:  # the clock went back between the copies
        method = METHOD_REORDERED
        latest = earliest = 0
    connection.ackdat_min_ns = latest
    connection.ackdat_max_ns = earliest
    connection.ackdat_method = method


def time_second_ack(table: Any, connection: Any, server: Any, segment: Any) -> None:
    """Resolve the ambiguity if the final ACK is repeated with the spacing of two SYN-ACKs: each was answered.

    Either the path is slower than the server's timer, and the copies were spurious, or the first ones were lost.  If
    timers leave equal gaps, it stays ambiguous.
    """
    if connection.retries == 0 or segment.payload_len or segment.flags & FIN:
        return
    if segment.ack != (server.iss + 1) & MASK32:
        return
    answered = -1
    for copy in range(min(connection.synack_count, RETRIES_KEPT) - 1):
        sent = syn_ack_time(table, connection, copy)
        if is_alike(segment.ts_ns - connection.ack_ns, syn_ack_time(table, connection, copy + 1) - sent):
            if answered >= 0:
                return
            answered = copy
    if answered < 0:
        return
    took = connection.ack_ns - syn_ack_time(table, connection, answered)
    if not connection.ackdat_min_ns <= took <= connection.ackdat_max_ns:
        return
    connection.ackdat_min_ns = took
    connection.ackdat_max_ns = took
    if server.options & segment.options & OPT_TIMESTAMPS:
        connection.ackdat_method = METHOD_TSECR


def is_alike(one: int, other: int) -> bool:
    """Return True if two intervals differ by at most 2 %, the variation of a path."""
    off = one - other
    if off < 0:
        off = -off
    return off * 50 <= other


def time_one_sided(table: Any, connection: Any, segment: Any) -> None:
    """Bound the total RTT if no SYN-ACK was captured; it is stored in the `synack` bounds."""
    connection.synack_min_ns = segment.ts_ns - syn_time(table, connection, connection.syn_count - 1)
    connection.synack_max_ns = segment.ts_ns - connection.syn_ns
    if segment.payload_len:
        connection.synack_min_ns = 0
    if not 0 <= connection.synack_min_ns <= connection.synack_max_ns:
        connection.synack_method = METHOD_NONE


def knows_leg(method: int) -> bool:
    """Return True if the lower bound of a leg was measured."""
    return method in (METHOD_EXACT, METHOD_TSECR, METHOD_AMBIGUOUS)


def leg_ns(connection: Any, side: int) -> int:
    """Return the minimum RTT in nanoseconds from the capture point to `side`, -1 if unknown."""
    if side == connection.client:
        return connection.ackdat_min_ns if knows_leg(connection.ackdat_method) else -1
    return connection.synack_min_ns if knows_leg(connection.synack_method) else -1


def total_ns(connection: Any) -> int:
    """Return the minimum RTT of both legs in nanoseconds, 0 if unknown."""
    if knows_leg(connection.synack_method) and knows_leg(connection.ackdat_method):
        return connection.synack_min_ns + connection.ackdat_min_ns
    if connection.synack_method == METHOD_ONE_SIDED or knows_leg(connection.synack_method):
        return max(connection.synack_min_ns, 0)
    return 0
