"""Handle simultaneous opens (RFC 9293 section 3.5, figure 7), and connections of a socket to itself."""

from typing import Any

from handshake_inspect.tcp import endpoint
from handshake_inspect.tcp.facts import (
    FACT_ACKED,
    FACT_CLIENT_PROVED,
    FACT_SERVER_PROVED,
    FACT_SIMULTANEOUS,
    FACT_SYNACK,
    METHOD_SIMULTANEOUS,
    TRAIT_ACKS,
)
from handshake_inspect.tcp.transitions import (
    ACK_OF_SYN_WAS_LOST,
    ESTABLISHED,
    GOT_SYN,
    GOT_SYN_ACK,
    SENT_SYN,
    SYN_WAS_LOST,
)
from handshake_inspect.wire.const import MASK32, MASK64


def second_syn(connection: Any, sender: Any, peer: Any, segment: Any) -> None:
    """Process the SYN that crossed the client's."""
    connection.facts |= FACT_SIMULTANEOUS
    connection.synack_method = METHOD_SIMULTANEOUS
    connection.ackdat_method = METHOD_SIMULTANEOUS
    endpoint.open_at(sender, segment)
    endpoint.forget_earlier(sender)
    endpoint.apply(sender, SENT_SYN)
    endpoint.apply(sender, GOT_SYN)
    endpoint.apply(peer, GOT_SYN)


def repeated_syn(connection: Any, sender: Any) -> None:
    """Process a repeated SYN: the crossing SYN was lost, or its sender would send a SYN-ACK."""
    endpoint.apply(sender, SYN_WAS_LOST)


def repeated_syn_ack(connection: Any, sender: Any) -> None:
    """Process a repeated SYN-ACK: its sender has received no acknowledgment of its SYN."""
    sender.retransmissions += 1
    endpoint.apply(sender, ACK_OF_SYN_WAS_LOST)
    connection.facts &= ~FACT_ACKED & MASK64


def complete(connection: Any, sender: Any, peer: Any, segment: Any) -> None:
    """Mark the connection established once both endpoints are; their acknowledgments may come in any order."""
    if sender.state < ESTABLISHED or peer.state < ESTABLISHED or connection.facts & FACT_ACKED:
        return
    connection.facts |= FACT_ACKED | FACT_CLIENT_PROVED | FACT_SERVER_PROVED
    connection.ack_ns = segment.ts_ns
    connection.ack_frame = segment.frame & MASK32


def on_syn_ack(connection: Any, sender: Any, peer: Any, segment: Any, side: int) -> None:
    """Process a SYN-ACK; each endpoint sends one, with the ISN of its SYN."""
    if sender.traits & TRAIT_ACKS:
        repeated_syn_ack(connection, sender)
    sender.window = segment.window  # that of its SYN is unknown
    sender.syn_window = segment.window
    endpoint.apply(sender, GOT_SYN)
    endpoint.apply(peer, GOT_SYN_ACK)
    endpoint.agree_on_options(sender, peer)
    if not connection.facts & FACT_SYNACK:
        connection.synack_ns = segment.ts_ns
        connection.last_synack_ns = segment.ts_ns
        connection.synack_frame = segment.frame & MASK32
    connection.facts |= FACT_SYNACK
    if side != connection.client:
        connection.synack_count += 1
    complete(connection, sender, peer, segment)


def is_self(connection: Any) -> bool:
    """Return True if an address and port is connected to itself."""
    return (
        connection.port0 == connection.port1 and connection.lo0 == connection.lo1 and connection.hi0 == connection.hi1
    )


def with_itself(connection: Any, sender: Any, segment: Any) -> None:
    """Process the SYN-ACK of a connection to itself, which has no third segment."""
    connection.facts |= FACT_SIMULTANEOUS | FACT_SYNACK | FACT_ACKED | FACT_CLIENT_PROVED | FACT_SERVER_PROVED
    connection.synack_ns = segment.ts_ns
    connection.synack_frame = segment.frame & MASK32
    connection.ack_ns = segment.ts_ns
    connection.ack_frame = segment.frame & MASK32
    connection.synack_count = 1
    connection.synack_method = METHOD_SIMULTANEOUS
    connection.ackdat_method = METHOD_SIMULTANEOUS
    endpoint.apply(sender, GOT_SYN_ACK)
