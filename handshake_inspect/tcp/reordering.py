"""Handle handshakes that the capture stored out of order: answers before their requests.

A connection that seemed midstream turns out to be complete when a SYN or SYN-ACK follows whose sequence number is just
below the first one stored.  Such a handshake gives no RTT, but roles, states and outcome.
"""

from typing import Any

from handshake_inspect.tcp import answering, endpoint, order
from handshake_inspect.tcp.facts import (
    FACT_ACKED,
    FACT_CLIENT_DATA,
    FACT_CLIENT_PROVED,
    FACT_MIDSTREAM,
    FACT_REFUSED,
    FACT_REORDERED,
    FACT_RST,
    FACT_SERVER_DATA,
    FACT_SERVER_PROVED,
    FACT_SIMULTANEOUS,
    FACT_SYN,
    FACT_SYNACK,
    FACT_SYNACK_FIRST,
    METHOD_REORDERED,
    TRAIT_ACKS,
    TRAIT_ISS,
    TRAIT_SEEN,
)
from handshake_inspect.tcp.transitions import ACK_OF_SYN_WAS_LOST
from handshake_inspect.wire import seqspace
from handshake_inspect.wire.const import ACK, FIN, MASK32, MASK64

# A SYN-ACK stored later than this after its ACK is a retransmission: below the initial RTO of any stack.
OVERTAKEN_NS = 500_000_000
# Below the time after which a refused SYN is repeated (Windows: 500 ms).
REPEATED_NS = 100_000_000
# Bytes, and frames, that may be stored before their SYN.
STORED_BEFORE = 65_536
FRAMES_BEFORE = 16


def late_syn(table: Any, connection: Any, sender: Any, peer: Any, segment: Any, side: int) -> bool:
    """Apply a SYN to a connection whose later segments were stored before; return False if it belongs to another."""
    facts = connection.facts
    if facts & FACT_MIDSTREAM:
        if not is_opening(sender, peer, segment) or is_of_nothing(connection, peer, side):
            return False
        connection.facts &= ~FACT_MIDSTREAM & MASK64
        open_late(sender, segment)
        order.open_acknowledged(table, connection, sender, peer, segment, side)
        connect(connection, sender, peer, side)
        open_attempt(connection, segment, side)
        if not peer.traits & TRAIT_SEEN and sender.traits & TRAIT_ACKS:
            peer.iss = (sender.last_ack - 1) & MASK32
        return True
    if facts & FACT_RST and not facts & (FACT_SYN | FACT_SYNACK) and is_refused(connection, sender, segment, side):
        open_late(sender, segment)
        open_attempt(connection, segment, side)
        connection.facts |= FACT_REFUSED
        return True
    return False


def late_syn_ack(table: Any, connection: Any, sender: Any, peer: Any, segment: Any, side: int) -> bool:
    """Apply a SYN-ACK whose acknowledgment was stored before; return False if it is another one."""
    facts = connection.facts
    if facts & (FACT_SYNACK | FACT_RST | FACT_SIMULTANEOUS):
        return False
    if facts & FACT_MIDSTREAM:
        if not is_opening(sender, peer, segment) or not is_answered_first(peer, segment):
            return False
        connection.facts &= ~FACT_MIDSTREAM & MASK64
        connection.facts |= FACT_SYNACK_FIRST
        connect(connection, peer, sender, side ^ 1)
        connection.client = side ^ 1
        peer.iss = (segment.ack - 1) & MASK32
    elif not is_the_one_acknowledged(connection, sender, peer, segment, side):
        return False
    open_late(sender, segment)
    order.open_acknowledged(table, connection, sender, peer, segment, side)
    connection.facts |= FACT_SYNACK
    connection.synack_ns = segment.ts_ns
    connection.last_synack_ns = segment.ts_ns
    connection.synack_frame = segment.frame & MASK32
    connection.synack_count = 1
    endpoint.agree_on_options(sender, peer)
    if segment.ts_ns - connection.ack_ns <= OVERTAKEN_NS:
        no_rtt(connection)
    else:
        answering.asks_after_ack(connection, segment)
        endpoint.apply(sender, ACK_OF_SYN_WAS_LOST)
    return True


def is_the_one_acknowledged(connection: Any, server: Any, client: Any, segment: Any, side: int) -> bool:
    """Return True if a SYN-ACK is the one that the known final ACK acknowledges."""
    return (
        connection.facts & (FACT_SYN | FACT_ACKED) == FACT_SYN | FACT_ACKED
        and side != connection.client
        and segment.seq == server.iss
        and answering.answers(connection, client, segment.ack)
    )


def is_opening(sender: Any, peer: Any, segment: Any) -> bool:
    """Return True if a SYN or SYN-ACK is just below the first byte its sender is known to have sent."""
    if (sender.traits | peer.traits) & TRAIT_ISS or sender.frames + peer.frames > FRAMES_BEFORE:
        return False
    if sender.traits & TRAIT_SEEN:
        return ((sender.iss - segment.seq) & MASK32) < STORED_BEFORE
    return peer.traits & TRAIT_ACKS != 0 and ((peer.last_ack - 1 - segment.seq) & MASK32) < STORED_BEFORE


def is_of_nothing(connection: Any, peer: Any, side: int) -> bool:
    """Return True if what `side` sent belonged to no connection: without ACK, after a RST, or answered only by RSTs.

    Such RSTs have no ACK.  A SYN that follows opens a new connection, however close its sequence number is.
    """
    if not connection.first_flags & ACK:
        return True
    reset = connection.facts & FACT_RST != 0
    if reset and connection.rst_frame == connection.first_frame & MASK32:
        return True
    answered = reset and connection.rst_side != side and not connection.rst_flags & ACK
    return answered and peer.frames <= connection.rst_count


def is_answered_first(client: Any, segment: Any) -> bool:
    """Return True if the client's data begins about where the SYN-ACK acknowledges."""
    return not client.traits & TRAIT_SEEN or ((client.iss + 1 - segment.ack) & MASK32) < STORED_BEFORE


def is_refused(connection: Any, client: Any, segment: Any, side: int) -> bool:
    """Return True if a RST stored before refuses this SYN."""
    return (
        connection.rst_side != side
        and connection.rst_flags & ACK != 0
        and not client.traits & TRAIT_SEEN
        and ((client.snd_nxt - segment.seq - 1) & MASK32) <= segment.payload_len
        and segment.ts_ns - connection.rst_ns < REPEATED_NS
    )


def open_late(end: Any, segment: Any) -> None:
    """Apply the SYN or SYN-ACK of an endpoint that is known to have sent more."""
    beyond = end.snd_nxt
    contiguous = end.contiguous
    window = end.window
    known = end.traits & TRAIT_SEEN != 0
    endpoint.open_at(end, segment)
    if known and seqspace.seq_gt(beyond, end.snd_nxt):
        end.snd_nxt = beyond
        end.contiguous = contiguous
        end.window = window


def no_rtt(connection: Any) -> None:
    """Mark the handshake's RTT as unmeasurable."""
    connection.facts |= FACT_REORDERED
    connection.synack_method = METHOD_REORDERED
    connection.ackdat_method = METHOD_REORDERED


def open_attempt(connection: Any, segment: Any, side: int) -> None:
    """Record a SYN that was stored late."""
    no_rtt(connection)
    connection.facts |= FACT_SYN
    connection.client = side
    connection.syn_ns = segment.ts_ns
    connection.syn_frame = segment.frame & MASK32
    connection.syn_count = 1
    connection.syn_payload = segment.payload_len + (segment.flags & FIN)


def connect(connection: Any, client: Any, server: Any, side: int) -> None:
    """Set what both endpoints have proved on a seemingly midstream connection; its first frame serves as final ACK."""
    if server.traits & TRAIT_SEEN:
        connection.facts |= FACT_SERVER_PROVED
    if client.traits & TRAIT_SEEN:
        connection.facts |= FACT_ACKED | FACT_CLIENT_PROVED
        connection.ack_ns = connection.first_ns
        connection.ack_frame = connection.first_frame & MASK32
    one_way = (connection.facts & FACT_CLIENT_DATA != 0) != (connection.facts & FACT_SERVER_DATA != 0)
    if side != connection.client and one_way:
        connection.facts ^= FACT_CLIENT_DATA | FACT_SERVER_DATA
