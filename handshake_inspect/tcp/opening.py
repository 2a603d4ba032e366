"""SYNs: whose attempt one is (RFC 9293 sections 3.5 and 3.10.7).

A SYN that repeats the ISN is a retransmission.  One with another ISN begins a new incarnation when the old one is over
or never answered; on a living connection it is provisional until a SYN-ACK acknowledges it, for it may be blind or come
from a peer that lost its state and will draw a challenge ACK (RFC 5961 section 4, RFC 9293 section 3.5.1).
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
from handshake_inspect.tcp.limits import CLOCKS_DIFFER_NS
from handshake_inspect.tcp.transitions import FIN_WAIT_1, SENT_SYN, SYN_ACK_WAS_LOST, TIME_WAIT
from handshake_inspect.wire import seqspace
from handshake_inspect.wire.const import ACK, FIN, MASK32, MASK64, SYN

TIME_WAIT_NS = 60_000_000_000  # of Linux: who keeps it longer answers
REFUSED_AGAIN_NS = 1_500_000_000  # Windows sends a refused SYN again after 500 ms


def first_syn(connection: Any, sender: Any, segment: Any, side: int) -> None:
    """The first SYN of an attempt."""
    connection.facts |= FACT_SYN
    connection.client = side
    connection.syn_ns = segment.ts_ns
    connection.syn_frame = segment.frame & MASK32
    connection.syn_count = 1
    connection.syn_payload = segment.payload_len + (segment.flags & FIN)  # a FIN is a byte to acknowledge
    endpoint.open_at(sender, segment)


def on_syn(table: Any, connection: Any, sender: Any, peer: Any, segment: Any, side: int) -> int:
    """A SYN without ACK on a known 4-tuple."""
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
    """Whether the incarnation ended, or never came to be, so that any SYN begins another."""
    facts = connection.facts
    if facts & FACT_RST or (sender.traits & TRAIT_FIN and peer.traits & TRAIT_FIN):
        return True
    return not facts & (FACT_SYNACK | FACT_ACKED | FACT_MIDSTREAM)


def successor_of(table: Any, connection: Any, sender: Any, peer: Any, segment: Any) -> int:
    """A SYN after the end: another incarnation, unless the other end may still keep the old one.

    In CLOSING and LAST-ACK, and where the FIN was not taken, that answers with a challenge ACK, and nothing changes
    (RFC 9293 section 3.10.7.4).  In TIME-WAIT it may accept the SYN, or do likewise (section 3.6.1, RFC 6191).
    """
    if not FIN_WAIT_1 <= peer.state <= TIME_WAIT:
        return NEW_INCARNATION
    if peer.state == TIME_WAIT and segment.ts_ns - connection.time_wait_ns >= TIME_WAIT_NS:
        return NEW_INCARNATION
    if connection.provisional:
        waiting = rows.embryo_at(table.embryos, connection.provisional - 1)
        if waiting.iss == segment.seq and waiting.options & EMBRYO_STATE == EMBRYO_SUCCESSOR:
            return NEW_INCARNATION  # again, and nothing answered
    return SUCCESSOR


def is_replayed(table: Any, connection: Any, sender: Any, peer: Any, segment: Any) -> bool:
    """Whether an equal SYN begins another incarnation, and is no copy: the last one came, and went, long before.

    Two capture points have clocks that differ by less, or are on two sides of a router.
    """
    return (
        segment.flags & (SYN | ACK) == SYN
        and segment.seq == sender.iss
        and segment.ts_ns - rtt.syn_time(table, connection, connection.syn_count - 1) >= CLOCKS_DIFFER_NS
        and segment.ttl == sender.syn_ttl
        and is_again(connection, sender, peer, segment)
    )


def is_again(connection: Any, sender: Any, peer: Any, segment: Any) -> bool:
    """Whether a SYN with the ISN of an incarnation that is over begins another one with the same ISN.

    Hosts with a fixed ISN do that, and replayed captures.  A refused SYN that comes again at once is Windows', which
    does not take the first refusal for an answer.
    """
    facts = connection.facts
    if facts & (FACT_UNSEEN_DATA | FACT_SYNACK | FACT_ACKED) == FACT_UNSEEN_DATA:
        return False  # what seemed to be of a connection was not
    if facts & FACT_RST:
        return not facts & FACT_REFUSED or segment.ts_ns - connection.rst_ns > REFUSED_AGAIN_NS
    return sender.traits & peer.traits & TRAIT_FIN != 0


def repeated_syn(table: Any, connection: Any, sender: Any, segment: Any, side: int) -> None:
    """Another copy of a SYN: its sender has no answer, whatever the capture shows."""
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
    """What seemed to be of a synchronized server, or the end of it, was not: the client waits for a SYN-ACK."""
    connection.facts &= ~(FACT_UNSEEN_DATA | FACT_SERVER_PROVED | FACT_RST) & MASK64
    endpoint.apply(client, SYN_ACK_WAS_LOST)
    endpoint.apply(client, SENT_SYN)


def reordered_syn(connection: Any, sender: Any, segment: Any, side: int) -> None:
    """The SYN of a handshake whose SYN-ACK the capture stored first."""
    beyond = sender.snd_nxt
    sent = sender.traits & TRAIT_SEEN  # else its peer alone says so: what it sent is stored behind its SYN
    first_syn(connection, sender, segment, side)
    if sent:
        sender.snd_nxt = seqspace.seq_max(sender.snd_nxt, beyond)
        sender.contiguous = seqspace.seq_max(sender.contiguous, beyond)
    connection.facts |= FACT_REORDERED
    connection.synack_method = METHOD_REORDERED
    connection.ackdat_method = METHOD_REORDERED
