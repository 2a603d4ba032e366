"""Process ICMP errors that quote a handshake segment: which of them end the attempt.

Stacks end a connect() on any unreachable or time exceeded error (RFC 5461 section 4.1); once the connection is
established, the same errors are soft and have no effect.  In SYN-RECEIVED, Linux drops a request whose SYN-ACK could
not be delivered, which limits the cost of spoofed floods: in IPv4 on net or host unreachable, time exceeded and
parameter problem (ICMP 12); in IPv6 on errors that Linux treats as fatal: unreachable (ICMPv6 1) except codes 0, 2 and
3 (no route, beyond scope, address unreachable), and parameter problem (4).  In a simultaneous open, any error ends it.

An error that quotes the final ACK shows that the server did not receive it, usually because of a firewall that does not
know the connection.  The server remains in SYN-RECEIVED until it proves to have received an ACK.  Likewise, an error
that quotes the SYN-ACK leaves the client in SYN-SENT.

"Packet too big" is not a refusal (RFC 1191, RFC 8201).
"""

from typing import Any

from handshake_inspect.tcp import aftermath, endpoint, rows
from handshake_inspect.tcp.facts import (
    FACT_ACK_REJECTED,
    FACT_ACKED,
    FACT_DATA_ACK,
    FACT_ICMP,
    FACT_ISN_CHANGED,
    FACT_RST,
    FACT_SERVER_DATA,
    FACT_SERVER_PROVED,
    FACT_SIMULTANEOUS,
    FACT_SYN,
    FACT_SYNACK,
    FACT_SYNACK_AFTER_ACK,
    FACT_SYNACK_REJECTED,
)
from handshake_inspect.tcp.transitions import ACK_OF_SYN_WAS_LOST, GOT_ERROR, SYN_ACK_WAS_LOST, SYN_RECEIVED
from handshake_inspect.wire.const import ACK, MASK16, MASK32


def is_too_big(segment: Any) -> bool:
    """Return True for fragmentation needed (ICMP 3/4) or packet too big (ICMPv6 2)."""
    if segment.ip_version == 4:
        return segment.icmp_type == 3 and segment.icmp_code == 4
    return segment.icmp_type == 2


def is_undeliverable(segment: Any) -> bool:
    """Return True if Linux drops a request because of this error."""
    if segment.ip_version == 4:
        return segment.icmp_type != 3 or segment.icmp_code <= 1
    return segment.icmp_type == 4 or (segment.icmp_type == 1 and segment.icmp_code not in (0, 2, 3))


def is_of_opening(connection: Any, quoted: Any, segment: Any) -> bool:
    """Return True if it quotes a SYN-ACK or, in a simultaneous open, a challenge ACK."""
    if segment.seq == quoted.iss:
        return True
    if connection.facts & FACT_ISN_CHANGED and segment.seq == connection.alternate_iss:
        return True
    return connection.facts & FACT_SIMULTANEOUS != 0 and segment.seq == (quoted.iss + 1) & MASK32


def is_of_acknowledgment(connection: Any, client: Any, segment: Any, side: int) -> bool:
    """Return True if it quotes a client segment after the SYN, while the server has sent only its SYN-ACK."""
    waits = FACT_SYNACK | FACT_ACKED
    known = connection.facts & (waits | FACT_SERVER_PROVED | FACT_RST | FACT_SIMULTANEOUS)
    return known == waits and side == connection.client and segment.seq != client.iss


def undeliver(table: Any, connection: Any, server: Any, segment: Any) -> None:
    """Note that the final ACK, or an equivalent one, did not arrive.

    Quoted data may have followed an ACK that did arrive, unless the server repeats its SYN-ACK.
    """
    bare = segment.flags & ACK != 0 and segment.payload_len == 0
    if bare or connection.facts & (FACT_DATA_ACK | FACT_SYNACK_AFTER_ACK | FACT_ACK_REJECTED):
        connection.facts |= FACT_ACK_REJECTED
        note(table, connection, segment)
        endpoint.apply(server, ACK_OF_SYN_WAS_LOST)


def note(table: Any, connection: Any, segment: Any) -> None:
    """Record the first error and its sender."""
    if connection.icmp_frame:
        return
    connection.icmp_ns = segment.ts_ns
    connection.icmp_frame = segment.frame & MASK32
    connection.icmp_type = segment.icmp_type
    connection.icmp_code = segment.icmp_code
    if table.new_retries(connection):
        retries = rows.retries_at(table.retries, connection.retries - 1)
        retries.reporter_hi = segment.reporter_hi
        retries.reporter_lo = segment.reporter_lo


def on_error(table: Any, connection: Any, quoted: Any, peer: Any, segment: Any, side: int) -> None:
    """Process an error that quotes a segment from endpoint `quoted` to `peer`."""
    if is_too_big(segment):
        aftermath.on_too_big(table, connection, segment, side)
        return
    if connection.icmp_count < MASK16:
        connection.icmp_count += 1
    facts = connection.facts
    if quoted.state == SYN_RECEIVED and is_of_opening(connection, quoted, segment):
        accepted = facts & FACT_SERVER_DATA != 0  # Fast Open: the application has the connection, so the error is soft
        if facts & FACT_SIMULTANEOUS or (not accepted and is_undeliverable(segment)):
            endpoint.apply(quoted, GOT_ERROR)
        if not facts & (FACT_ACKED | FACT_SIMULTANEOUS | FACT_RST):
            connection.facts |= FACT_SYNACK_REJECTED
            note(table, connection, segment)
            endpoint.apply(peer, SYN_ACK_WAS_LOST)
        return
    if is_of_acknowledgment(connection, quoted, segment, side):
        undeliver(table, connection, peer, segment)
        return
    if not facts & FACT_SYN or facts & (FACT_SYNACK | FACT_ACKED | FACT_RST):
        return
    if side != connection.client or segment.seq != quoted.iss:
        return
    if not facts & FACT_ICMP:
        connection.facts |= FACT_ICMP
        note(table, connection, segment)
    endpoint.apply(quoted, GOT_ERROR)
