"""Another incarnation of a 4-tuple: the SYN that may begin one waits in a row of its own until it is answered."""

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


def is_from_client(table: Any, i: int, segment: Any) -> bool:
    """Whether the sender of the SYN of embryo `i` sent this segment too."""
    ends = table.addresses_of(i)
    return (
        segment.src_port == rows.embryo_at(table.embryos, i).client_port
        and segment.src_lo == ends.client_lo
        and segment.src_hi == ends.client_hi
    )


def keep_provisional(table: Any, connection: Any, segment: Any, state: int) -> None:
    """Remember a SYN that may begin another incarnation."""
    if connection.provisional:
        embryo = rows.embryo_at(table.embryos, connection.provisional - 1)
        if embryo.iss == segment.seq:
            return
        table.free(connection.provisional - 1)
    connection.provisional = table.new_embryo(segment, state) + 1


def challenge(table: Any, connection: Any, client: Any, segment: Any) -> None:
    """The other end answers a SYN in the name of the old connection, so that it began no other."""
    embryo = rows.embryo_at(table.embryos, connection.provisional - 1)
    waits = embryo.options & EMBRYO_STATE == EMBRYO_SUCCESSOR
    if waits and not is_from_client(table, connection.provisional - 1, segment):
        table.put_state(connection.provisional - 1, EMBRYO_PROVISIONAL)
        client.frames += 1  # which the old connection has now
        connection.facts |= FACT_CHALLENGE_ACK


def recall_provisional(table: Any, i: int, side: int, segment: Any, recalled: Any, verdict: int) -> bool:
    """Whether the next incarnation of connection `i` begins with the SYN that waited, which is then in `recalled`.

    It does where `segment`, sent by `side`, answers or repeats it.
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
