"""Provisional SYNs: a SYN that may begin another incarnation of a 4-tuple is kept as an embryo until it is answered.

Its copies are kept, too, up to `RETRIES_KEPT`, as a linked list of embryos (`iss` is the next row); the last one always
holds the newest copy.
"""

from typing import Any

from handshake_inspect.tcp import rows
from handshake_inspect.tcp.facts import (
    EMBRYO_PROVISIONAL,
    EMBRYO_STATE,
    EMBRYO_SUCCESSOR,
    FACT_CHALLENGE_ACK,
    NEW_INCARNATION,
    PROVISIONAL_ANSWERED,
)
from handshake_inspect.tcp.rows import RETRIES_KEPT


def is_from_client(table: Any, i: int, segment: Any) -> bool:
    """Return True if the segment was sent by the client of embryo `i`."""
    ends = table.addresses_of(i)
    return (
        segment.src_port == rows.embryo_at(table.embryos, i).client_port
        and segment.src_lo == ends.client_lo
        and segment.src_hi == ends.client_hi
    )


def keep_provisional(table: Any, connection: Any, segment: Any, state: int) -> None:
    """Keep a SYN that may begin another incarnation."""
    if connection.provisional:
        embryo = rows.embryo_at(table.embryos, connection.provisional - 1)
        if embryo.iss == segment.seq:
            if state == EMBRYO_PROVISIONAL:
                keep_copy(table, connection, segment)
            return
        table.free_provisional(connection)
    connection.provisional = table.new_embryo(segment, state) + 1


def keep_copy(table: Any, connection: Any, segment: Any) -> None:
    """Keep another copy of the provisional SYN; copies may use half of the embryo rows, the rest is for attempts."""
    if table.embryo_count > table.limit // 2 or not table.new_retries(connection):
        return
    number = table.new_embryo(segment, EMBRYO_PROVISIONAL)
    rows.embryo_at(table.embryos, number).iss = 0
    retries = rows.retries_at(table.retries, connection.retries - 1)
    if retries.waiting == 0:
        retries.waiting = number + 1
        return
    last = retries.waiting - 1
    before = last
    kept = 1
    while rows.embryo_at(table.embryos, last).iss:
        before = last
        last = rows.embryo_at(table.embryos, last).iss - 1
        kept += 1
    if kept == RETRIES_KEPT:
        table.free(last)
        last = before
    rows.embryo_at(table.embryos, last).iss = number + 1


def is_kept(table: Any, connection: Any, segment: Any) -> bool:
    """Return True if this SYN is kept as a copy of the provisional one."""
    if connection.retries == 0:
        return False
    waiting = rows.retries_at(table.retries, connection.retries - 1).waiting
    while waiting:
        if table.whole_frame(waiting - 1) == segment.frame:
            return True
        waiting = rows.embryo_at(table.embryos, waiting - 1).iss
    return False


def recall_copy(table: Any, connection: Any, client: Any, recalled: Any) -> bool:
    """Replace the SYN in `recalled` by its next kept copy, sent by `client`; return False if there is none."""
    if connection.retries == 0:
        return False
    retries = rows.retries_at(table.retries, connection.retries - 1)
    if retries.waiting == 0:
        return False
    number = retries.waiting - 1
    retries.waiting = rows.embryo_at(table.embryos, number).iss
    client.frames -= 1
    iss = recalled.seq
    table.recall(number, recalled)
    recalled.seq = iss
    table.free(number)
    return True


def challenge(table: Any, connection: Any, client: Any, segment: Any) -> None:
    """Process a segment of the old connection's peer while a successor waits: it answers for the old connection."""
    embryo = rows.embryo_at(table.embryos, connection.provisional - 1)
    waits = embryo.options & EMBRYO_STATE == EMBRYO_SUCCESSOR
    if waits and not is_from_client(table, connection.provisional - 1, segment):
        table.put_state(connection.provisional - 1, EMBRYO_PROVISIONAL)
        client.frames += 1  # the SYN now counts for the old connection
        connection.facts |= FACT_CHALLENGE_ACK


def recall_provisional(table: Any, i: int, side: int, segment: Any, recalled: Any, verdict: int) -> bool:
    """Load the provisional SYN into `recalled` if it begins the next incarnation of connection `i`.

    That is so if `segment`, sent by `side`, answers or repeats it; otherwise return False.
    """
    connection = rows.connection_at(table.connections, i)
    if connection.provisional == 0:
        return False
    embryo = rows.embryo_at(table.embryos, connection.provisional - 1)
    if verdict == NEW_INCARNATION and (
        embryo.iss != segment.seq or not is_from_client(table, connection.provisional - 1, segment)
    ):
        return False
    client = side ^ 1 if verdict == PROVISIONAL_ANSWERED else side
    if embryo.options & EMBRYO_STATE == EMBRYO_PROVISIONAL:
        rows.endpoint_at(table.endpoints, 2 * i + client).frames -= 1
    table.recall(connection.provisional - 1, recalled)
    table.free(connection.provisional - 1)
    connection.provisional = 0
    return True
