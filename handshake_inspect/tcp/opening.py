"""Process SYNs: which attempt each belongs to (RFC 9293 sections 3.5 and 3.10.7).

A SYN with the same ISN is a retransmission.  One with another ISN begins a new incarnation if the old one is over or
was never answered.  On a live connection it is provisional until a SYN-ACK acknowledges it: it may be a blind attack,
or come from a peer that lost its state and will get a challenge ACK (RFC 5961 section 4, RFC 9293 section 3.5.1).
"""

from typing import Any

from handshake_inspect.tcp import endpoint, rows, rtt, simultaneous
from handshake_inspect.tcp.facts import (
    EMBRYO_STATE,
    EMBRYO_SUCCESSOR,
    FACT_ACKED,
    FACT_BLIND_SYN,
    FACT_ICMP,
    FACT_MIDSTREAM,
    FACT_REFUSED,
    FACT_REORDERED,
    FACT_RST,
    FACT_SERVER_PROVED,
    FACT_SIMULTANEOUS,
    FACT_SYN,
    FACT_SYNACK,
    FACT_SYNACK_FIRST,
    FACT_UNSEEN_DATA,
    METHOD_REORDERED,
    NEW_INCARNATION,
    OURS,
    PROVISIONAL,
    SUCCESSOR,
    TRAIT_FIN,
    TRAIT_ISS,
    TRAIT_SEEN,
)
from handshake_inspect.tcp.limits import MAX_CLOCK_SKEW_NS
from handshake_inspect.tcp.transitions import FIN_WAIT_1, SENT_SYN, SYN_ACK_WAS_LOST, TIME_WAIT
from handshake_inspect.wire import seqspace
from handshake_inspect.wire.const import ACK, FIN, MASK32, MASK64, SYN

TIME_WAIT_NS = 60_000_000_000  # as in Linux; a host that keeps it longer shows that by its answer
REFUSED_AGAIN_NS = 1_500_000_000  # Windows resends a refused SYN after 500 ms


def first_syn(connection: Any, sender: Any, segment: Any, side: int) -> None:
    """Record the first SYN of an attempt."""
    connection.facts |= FACT_SYN
    connection.client = side
    connection.syn_ns = segment.ts_ns
    connection.syn_frame = segment.frame & MASK32
    connection.syn_count = 1
    connection.syn_payload = segment.payload_len + (segment.flags & FIN)  # a FIN takes one sequence number
    endpoint.open_at(sender, segment)


def on_syn(table: Any, connection: Any, sender: Any, peer: Any, segment: Any, side: int) -> int:
    """Process a SYN without ACK on a known 4-tuple; return the verdict (OURS … SUCCESSOR)."""
    same = sender.traits & TRAIT_ISS != 0 and segment.seq == sender.iss
    if same and not is_again(connection, sender, peer, segment):
        repeated_syn(table, connection, sender, segment, side)
        return OURS
    facts, by_client = connection.facts, side == connection.client
    if not facts & (FACT_SYN | FACT_SYNACK | FACT_MIDSTREAM | FACT_RST):
        first_syn(connection, sender, segment, side)
        endpoint.apply(sender, SENT_SYN)
        return OURS
    if facts & (FACT_SYNACK_FIRST | FACT_SYN) == FACT_SYNACK_FIRST and segment.seq == sender.iss and by_client:
        reordered_syn(connection, sender, segment, side)
        return OURS
    if facts & FACT_SYN and not facts & (FACT_SYNACK | FACT_ACKED | FACT_RST | FACT_ICMP) and not by_client:
        simultaneous.second_syn(connection, sender, peer, segment)
        return OURS
    if is_over(connection, sender, peer):
        return successor_of(table, connection, sender, peer, segment)
    connection.facts |= FACT_BLIND_SYN
    connection.trouble_frame = segment.frame & MASK32
    return PROVISIONAL


def is_over(connection: Any, sender: Any, peer: Any) -> bool:
    """Return True if the incarnation ended or was never established, so that any SYN begins another."""
    facts = connection.facts
    if facts & FACT_RST or (sender.traits & TRAIT_FIN and peer.traits & TRAIT_FIN):
        return True
    return not facts & (FACT_SYNACK | FACT_ACKED | FACT_MIDSTREAM)


def successor_of(table: Any, connection: Any, sender: Any, peer: Any, segment: Any) -> int:
    """Return the verdict on a SYN after the end: a new incarnation, unless the peer may still keep the old one.

    In CLOSING and LAST-ACK, or if it has not received the FIN, the peer answers with a challenge ACK (RFC 9293 section
    3.10.7.4).  In TIME-WAIT it may do that or accept the SYN (section 3.6.1, RFC 6191).
    """
    if not FIN_WAIT_1 <= peer.state <= TIME_WAIT:
        return NEW_INCARNATION
    if peer.state == TIME_WAIT and segment.ts_ns - connection.time_wait_ns >= TIME_WAIT_NS:
        return NEW_INCARNATION
    if connection.provisional:
        waiting = rows.embryo_at(table.embryos, connection.provisional - 1)
        if waiting.iss == segment.seq and waiting.options & EMBRYO_STATE == EMBRYO_SUCCESSOR:
            return NEW_INCARNATION  # a retransmission that nothing answered
    return SUCCESSOR


def is_replayed(table: Any, connection: Any, sender: Any, peer: Any, segment: Any) -> bool:
    """Return True if an equal SYN is not a copy but begins another incarnation: the last one ended long before.

    Copies from a second capture point have a smaller clock difference, or another TTL.
    """
    return (
        segment.flags & (SYN | ACK) == SYN
        and segment.seq == sender.iss
        and segment.ts_ns - rtt.syn_time(table, connection, connection.syn_count - 1) >= MAX_CLOCK_SKEW_NS
        and segment.ttl == sender.syn_ttl
        and is_again(connection, sender, peer, segment)
    )


def is_again(connection: Any, sender: Any, peer: Any, segment: Any) -> bool:
    """Return True if a SYN with the ISN of an ended incarnation begins another one with the same ISN.

    Hosts with a fixed ISN do that, and replayed captures.  A refused SYN that is repeated at once is a retransmission
    by Windows, which tries again after a refusal.
    """
    facts = connection.facts
    if facts & (FACT_UNSEEN_DATA | FACT_SYNACK | FACT_ACKED) == FACT_UNSEEN_DATA:
        return False  # the presumed connection did not exist
    if facts & FACT_RST:
        return not facts & FACT_REFUSED or segment.ts_ns - connection.rst_ns > REFUSED_AGAIN_NS
    return sender.traits & peer.traits & TRAIT_FIN != 0


def repeated_syn(table: Any, connection: Any, sender: Any, segment: Any, side: int) -> None:
    """Process a retransmitted SYN: its sender has received no answer, whatever the capture shows."""
    sender.retransmissions += 1
    if connection.facts & FACT_SIMULTANEOUS:
        simultaneous.repeated_syn(connection, sender)
    if side != connection.client:
        return
    rtt.note_syn(table, connection, segment)
    connection.facts &= ~(FACT_REFUSED | FACT_RST) & MASK64
    if connection.facts & FACT_SYNACK:
        if not connection.facts & FACT_ACKED:
            endpoint.apply(sender, SYN_ACK_WAS_LOST)
            endpoint.apply(sender, SENT_SYN)  # if a RST had refused it in between
    elif not connection.facts & FACT_ACKED:
        still_asks(connection, sender)


def still_asks(connection: Any, client: Any) -> None:
    """Return the client to SYN-SENT: what seemed to come from a synchronized server, or to end it, did not."""
    connection.facts &= ~(FACT_UNSEEN_DATA | FACT_SERVER_PROVED | FACT_RST) & MASK64
    endpoint.apply(client, SYN_ACK_WAS_LOST)
    endpoint.apply(client, SENT_SYN)


def reordered_syn(connection: Any, sender: Any, segment: Any, side: int) -> None:
    """Process a SYN that the capture stored after its SYN-ACK."""
    beyond = sender.snd_nxt
    sent = sender.traits & TRAIT_SEEN  # otherwise known only from its peer: its segments are stored after the SYN
    first_syn(connection, sender, segment, side)
    if sent:
        sender.snd_nxt = seqspace.seq_max(sender.snd_nxt, beyond)
        sender.contiguous = seqspace.seq_max(sender.contiguous, beyond)
    connection.facts |= FACT_REORDERED
    connection.synack_method = METHOD_REORDERED
    connection.ackdat_method = METHOD_REORDERED
