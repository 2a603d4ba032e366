"""Process SYN-ACKs: which SYN each one answers, if any (RFC 9293 section 3.10.7).

A host answers a SYN with one ISN.  It may choose a new one (SYN cookie, forgotten request), but only for another copy
of the SYN, and never returns to the old one.  Two ISNs for one copy, or alternating ISNs, come from two hosts with the
same address.  So does a SYN-ACK repeated after the server's RST, because a host that resets an attempt forgets it.
"""

from typing import Any

from handshake_inspect.tcp import endpoint, opening, rows, rtt, simultaneous
from handshake_inspect.tcp.facts import (
    FACT_ACKED,
    FACT_BAD_SYNACK,
    FACT_ISN_CHANGED,
    FACT_ISN_TURNED,
    FACT_MIDSTREAM,
    FACT_REORDERED,
    FACT_RST,
    FACT_RST_LOST,
    FACT_SERVER_PROVED,
    FACT_SIMULTANEOUS,
    FACT_SYN,
    FACT_SYNACK,
    FACT_SYNACK_AFTER_ACK,
    FACT_SYNACK_AFTER_RST,
    FACT_SYNACK_FIRST,
    FACT_TFO,
    FACT_TWO_ISNS,
    FACT_UNSEEN_DATA,
    METHOD_AMBIGUOUS,
    NEW_INCARNATION,
    OURS,
    PROVISIONAL_ANSWERED,
    RST_OVERTAKEN_NS,
    TRAIT_ACKS,
    TRAIT_FIN,
    TRAIT_ISS,
    TRAIT_SEEN,
    UNSEEN_SYN_NS,
)
from handshake_inspect.tcp.transitions import ACK_OF_SYN_WAS_LOST, GOT_SYN_ACK, SENT_SYN, SENT_SYN_ACK, SYN_ACK_WAS_LOST
from handshake_inspect.wire.const import ACK, MASK16, MASK32, MASK64, SYN

LONGEST_SYN = 9_000  # bytes: a jumbo frame, which also bounds Fast Open data


def answers(connection: Any, client: Any, ack: int) -> bool:
    """Return True if `ack` acknowledges the client's SYN, with any part of its data."""
    return ((ack - client.iss - 1) & MASK32) <= connection.syn_payload


def on_syn_ack(table: Any, connection: Any, sender: Any, peer: Any, segment: Any, side: int) -> int:
    """Process a SYN-ACK; return OURS, or the verdict that it belongs to another incarnation."""
    facts = connection.facts
    if answers_provisional(table, connection, segment):
        return PROVISIONAL_ANSWERED
    if answers_unseen_syn(connection, sender, peer, segment, side):
        return NEW_INCARNATION
    if not facts & (FACT_SYN | FACT_SYNACK):
        return unasked_syn_ack(connection, sender, peer, segment, side)
    if facts & FACT_SIMULTANEOUS and segment.seq == sender.iss and answers(connection, peer, segment.ack):
        simultaneous.on_syn_ack(connection, sender, peer, segment, side)
        return OURS
    if facts & FACT_SIMULTANEOUS:
        return stray_syn_ack(connection, sender, segment)
    if sender.traits & TRAIT_ISS and facts & FACT_SYNACK and side != connection.client:
        return later_syn_ack(table, connection, sender, peer, segment)
    if not peer.traits & TRAIT_ISS or not answers(connection, peer, segment.ack):
        return stray_syn_ack(connection, sender, segment)
    if side != connection.client:
        first_syn_ack(table, connection, sender, peer, segment)
    return OURS


def answers_unseen_syn(connection: Any, server: Any, client: Any, segment: Any, side: int) -> bool:
    """Return True if a SYN-ACK begins another incarnation, in a capture without the client's direction.

    Both its ISN and the ISN it acknowledges differ from the previous SYN-ACK's, and it comes later than a copy of the
    same SYN could cause, or after a FIN or RST of the server.
    """
    if side == connection.client or client.traits & TRAIT_SEEN:
        return False
    if not server.traits & TRAIT_ISS or segment.seq == server.iss or segment.ack == (client.iss + 1) & MASK32:
        return False
    if server.traits & TRAIT_FIN or connection.facts & FACT_RST:
        return True
    return segment.ts_ns - connection.last_synack_ns >= UNSEEN_SYN_NS


def is_answer(connection: Any, sender: Any, peer: Any, segment: Any) -> bool:
    """Return True if a SYN-ACK has its sender's ISN and acknowledges the peer's SYN."""
    return has_isn(sender, segment) and answers(connection, peer, segment.ack) and not simultaneous.is_self(connection)


def has_isn(sender: Any, segment: Any) -> bool:
    """Return True if a SYN or SYN-ACK has the ISN of its sender."""
    return sender.traits & TRAIT_ISS != 0 and segment.seq == sender.iss


def first_syn_ack(table: Any, connection: Any, server: Any, client: Any, segment: Any) -> None:
    """Process the first SYN-ACK that answers the SYN."""
    if connection.facts & (FACT_UNSEEN_DATA | FACT_ACKED) == FACT_UNSEEN_DATA:
        opening.still_asks(connection, client)
    connection.facts |= FACT_SYNACK
    connection.synack_ns = segment.ts_ns
    connection.last_synack_ns = segment.ts_ns
    connection.synack_frame = segment.frame & MASK32
    connection.synack_count = 1
    connection.synack_tsecr = segment.tsecr
    if segment.ack != (client.iss + 1) & MASK32:
        connection.facts |= FACT_TFO
    endpoint.open_at(server, segment)
    endpoint.agree_on_options(server, client)
    server.tsval = segment.tsval
    endpoint.forget_earlier(server)
    if not connection.facts & FACT_REORDERED:
        rtt.time_syn_ack(table, connection, client, segment)
    if connection.facts & FACT_RST:
        server.before_rst_nxt = segment.seq
    else:
        endpoint.apply(server, SENT_SYN_ACK)
        endpoint.apply(client, GOT_SYN_ACK)


def unasked_syn_ack(connection: Any, sender: Any, peer: Any, segment: Any, side: int) -> int:
    """Process a SYN-ACK whose SYN is not (yet) in the capture."""
    if connection.facts & FACT_MIDSTREAM:
        return OURS
    was_reset = connection.facts & FACT_RST != 0 and connection.rst_side != side
    if was_reset:
        connection.facts |= FACT_RST_LOST
    else:
        connection.facts &= ~FACT_RST & MASK64  # a RST of the side that sends a SYN-ACK was for something else
    connection.facts |= FACT_SYNACK | FACT_SYNACK_FIRST
    connection.client = side ^ 1
    connection.synack_ns = segment.ts_ns
    connection.last_synack_ns = segment.ts_ns
    connection.synack_frame = segment.frame & MASK32
    connection.synack_count = 1
    endpoint.open_at(sender, segment)
    endpoint.apply(sender, SENT_SYN_ACK)
    peer.iss = (segment.ack - 1) & MASK32
    if not was_reset:
        endpoint.apply(peer, SENT_SYN)
        endpoint.apply(peer, GOT_SYN_ACK)
    return OURS


def later_syn_ack(table: Any, connection: Any, server: Any, client: Any, segment: Any) -> int:
    """Process another SYN-ACK of the server: a retransmission, one with a new ISN, or a contradiction."""
    if client.traits & TRAIT_ISS and not answers(connection, client, segment.ack):
        return stray_syn_ack(connection, server, segment)
    if segment.seq != server.iss:
        return other_isn(table, connection, server, client, segment)
    if connection.facts & FACT_ISN_TURNED:
        connection.facts &= ~FACT_ISN_TURNED & MASK64
        two_isns(connection, server, client, segment)
    server.retransmissions += 1
    if not connection.facts & FACT_REORDERED:
        rtt.time_second_syn_ack(table, connection, client, segment)
    was_at = connection.last_synack_ns
    rtt.note_syn_ack(table, connection, segment)
    if connection.facts & FACT_RST:
        asks_after_rst(connection, server, segment)
        return OURS
    if not connection.facts & FACT_ACKED:
        asked_again = connection.syn_count == 2 and rtt.syn_time(table, connection, 1) > was_at
        endpoint.apply(client, GOT_SYN_ACK if asked_again else SYN_ACK_WAS_LOST)
        endpoint.apply(server, SENT_SYN_ACK)  # after Fast Open data, or an ICMP error that ended it
        connection.facts &= ~FACT_SERVER_PROVED & MASK64
    elif not is_crossing(connection, segment) and not connection.facts & FACT_SIMULTANEOUS and was_at:
        asks_after_ack(connection, segment)
        endpoint.apply(server, ACK_OF_SYN_WAS_LOST)
    return OURS


def other_isn(table: Any, connection: Any, server: Any, client: Any, segment: Any) -> int:
    """Process a SYN-ACK with another ISN: renewed for another copy of the SYN, or from another host."""
    facts = connection.facts
    if facts & FACT_ISN_CHANGED and segment.seq == connection.alternate_iss:
        if not facts & FACT_ISN_TURNED:
            two_isns(connection, server, client, segment)
    elif is_second_answer(table, connection, server, segment):
        two_isns(connection, server, client, segment)
    connection.facts |= FACT_ISN_CHANGED | FACT_ISN_TURNED
    connection.alternate_iss = segment.seq
    connection.trouble_frame = segment.frame & MASK32
    rtt.note_other_syn_ack(table, connection, segment)
    if not facts & (FACT_ACKED | FACT_RST):
        connection.last_synack_ns = segment.ts_ns
        endpoint.apply(server, SENT_SYN_ACK)  # in case an ICMP error had ended the request
    return OURS


def is_second_answer(table: Any, connection: Any, server: Any, segment: Any) -> bool:
    """Return True if there are more ISNs in SYN-ACKs than copies of the SYN."""
    if not connection.facts & FACT_SYN:
        return segment.ts_ns - connection.last_synack_ns < UNSEEN_SYN_NS
    if connection.syn_count < 2:
        return True
    newest = rtt.syn_time(table, connection, connection.syn_count - 1)
    return newest <= connection.last_synack_ns and server.frames - server.duplicates > connection.syn_count


def two_isns(connection: Any, server: Any, client: Any, segment: Any) -> None:
    """Note that two hosts answer, unless the connection is over: then an old copy of the SYN may have arrived late."""
    if (server.traits | client.traits) & TRAIT_FIN:
        return
    if connection.facts & FACT_RST and connection.rst_side == connection.client:
        return
    connection.facts |= FACT_TWO_ISNS


def asks_after_ack(connection: Any, segment: Any) -> None:
    """Note a SYN-ACK sent after the final ACK must have arrived: the server did not accept that ACK."""
    connection.facts = (connection.facts | FACT_SYNACK_AFTER_ACK) & ~FACT_SERVER_PROVED & MASK64
    if connection.resent_count < MASK16:
        connection.resent_count += 1
    connection.trouble_frame = segment.frame & MASK32


def asks_after_rst(connection: Any, server: Any, segment: Any) -> None:
    """Note a SYN-ACK repeated after a RST: a client's that was lost, or one in the server's own name."""
    since = segment.ts_ns - connection.rst_ns
    if since > RST_OVERTAKEN_NS and not connection.facts & FACT_ACKED:
        connection.facts &= ~FACT_SERVER_PROVED & MASK64  # a RST far ahead seemed to show it
    if connection.rst_side != connection.client:
        if since > RST_OVERTAKEN_NS and connection.rst_seq == (server.iss + 1) & MASK32:
            connection.facts |= FACT_SYNACK_AFTER_RST
            connection.trouble_frame = segment.frame & MASK32
            endpoint.apply(server, SENT_SYN_ACK)
        return
    if since <= RST_OVERTAKEN_NS + connection.synack_max_ns + connection.synack_max_ns // 2:
        return
    connection.facts |= FACT_RST_LOST
    connection.trouble_frame = segment.frame & MASK32
    endpoint.apply(server, SENT_SYN_ACK)
    if connection.facts & FACT_ACKED:
        asks_after_ack(connection, segment)


def is_resent(table: Any, connection: Any, segment: Any) -> bool:
    """Return True if an equal SYN-ACK is no copy: it answers a repeated SYN within one tick of the server's clock."""
    return (
        segment.flags & (SYN | ACK) == SYN | ACK
        and segment.ip_id == 0
        and connection.syn_count > 1
        and rtt.syn_time(table, connection, connection.syn_count - 1) > connection.last_synack_ns
    )


def is_crossing(connection: Any, segment: Any) -> bool:
    """Return True if the SYN-ACK may have been sent before the ACK arrived, both being in flight.

    If it is unknown which copy of the SYN was answered, assume the slowest path: that it was the first.
    """
    slow = connection.synack_method == METHOD_AMBIGUOUS
    return segment.ts_ns - connection.ack_ns < (connection.synack_max_ns if slow else connection.synack_min_ns)


def answers_provisional(table: Any, connection: Any, segment: Any) -> bool:
    """Return True if a segment answers the provisional SYN."""
    if connection.provisional == 0:
        return False
    waiting = rows.embryo_at(table.embryos, connection.provisional - 1)
    return (
        segment.flags & ACK != 0
        and segment.ack == (waiting.iss + 1) & MASK32
        and segment.dst_port == waiting.client_port
    )


def keeps_request(connection: Any, side: int) -> bool:
    """Return True if a server that refuses another SYN keeps its current request: Fast Open with accepted data."""
    return connection.facts & (FACT_TFO | FACT_ACKED) == FACT_TFO and side != connection.client


def refuses_longer_syn(table: Any, connection: Any, sender: Any, segment: Any) -> bool:
    """Return True if a RST acknowledges a provisional SYN with data or FIN: its sender has no connection, old or new.

    A RST from an existing connection would have its next sequence number.
    """
    if connection.provisional == 0 or not segment.flags & ACK or segment.seq == sender.snd_nxt:
        return False
    waiting = rows.embryo_at(table.embryos, connection.provisional - 1)
    beyond = (segment.ack - waiting.iss - 1) & MASK32
    return beyond <= LONGEST_SYN and segment.dst_port == waiting.client_port


def stray_syn_ack(connection: Any, sender: Any, segment: Any) -> int:
    """Process a SYN-ACK that does not answer the SYN."""
    if sender.traits & TRAIT_ISS and segment.seq != sender.iss and not connection.facts & FACT_ACKED:
        connection.facts |= FACT_ISN_CHANGED
        connection.alternate_iss = segment.seq
    else:
        connection.facts |= FACT_BAD_SYNACK
    connection.trouble_frame = segment.frame & MASK32
    if not sender.traits & TRAIT_ISS:
        sender.last_ack = segment.ack
        sender.traits |= TRAIT_ACKS
    return OURS
