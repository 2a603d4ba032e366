"""Process the ACK that completes a handshake, and what ACKs prove about their senders (RFC 9293 section 3.10.7.4)."""

from typing import Any

from handshake_inspect.tcp import endpoint, renumbering, rtt, simultaneous
from handshake_inspect.tcp.facts import (
    CHECK_FIN_DOUBTED,
    CHECK_FIN_UNSEEN,
    FACT_ACK_REJECTED,
    FACT_ACKED,
    FACT_BOTH_ACKED,
    FACT_CHALLENGE_ACK,
    FACT_CLIENT_DATA,
    FACT_CLIENT_PROVED,
    FACT_DATA_ACK,
    FACT_DEFERRED,
    FACT_ISN_CHANGED,
    FACT_ISN_TURNED,
    FACT_LATER_ACK,
    FACT_MIDSTREAM,
    FACT_REORDERED,
    FACT_RST,
    FACT_SERVER_DATA,
    FACT_SERVER_PROVED,
    FACT_SIMULTANEOUS,
    FACT_SYN,
    FACT_SYNACK,
    FACT_SYNACK_AFTER_ACK,
    FACT_TFO,
    FACT_UNSEEN_DATA,
    METHOD_AMBIGUOUS,
    METHOD_DATA_ACK,
    METHOD_NONE,
    METHOD_ONE_SIDED,
    METHOD_REORDERED,
    TRAIT_ACKS,
    TRAIT_FIN,
    TRAIT_FIN_ACKED,
    TRAIT_HOLE,
    TRAIT_ISS,
    TRAIT_SEEN,
)
from handshake_inspect.tcp.transitions import (
    ACK_OF_SYN_WAS_LOST,
    FIN_WAS_LOST,
    GOT_ACK_OF_SYN,
    GOT_SYN_ACK,
    NO_FIN,
    PROVED_OPEN,
    SENT_ACK,
    SENT_SYN_ACK,
    SYN_RECEIVED,
    SYN_SENT,
)
from handshake_inspect.wire import seqspace
from handshake_inspect.wire.const import FIN, MASK16, MASK32, MASK64, OPT_TIMESTAMPS

UNSEEN = 1 << 30  # maximum unseen bytes that the server acknowledges, if its TSecr shows that it had the SYN
UNSEEN_UNTIMED = 1 << 20  # as above without timestamps: a random number is this close once in 4000 times
HALF = 1 << 31
BELIEVED_LOST = 2  # an ACK may be lost once; a server that keeps repeating its SYN-ACK does not accept it


def on_ack(table: Any, connection: Any, sender: Any, peer: Any, segment: Any, side: int) -> bool:
    """Apply a segment with ACK to the handshake; return False if it does not belong to this connection."""
    facts = connection.facts
    if facts & FACT_MIDSTREAM:
        if not sender.traits & TRAIT_FIN:
            endpoint.apply(sender, PROVED_OPEN)
        if not peer.traits & (TRAIT_SEEN | TRAIT_FIN):
            endpoint.apply(peer, PROVED_OPEN)
        return True
    if side == connection.client:
        return client_ack(table, connection, sender, peer, segment)
    return server_ack(connection, sender, peer, segment)


def client_ack(table: Any, connection: Any, client: Any, server: Any, segment: Any) -> bool:
    """Process an ACK of the client: the final ACK of the handshake or a later one."""
    facts = connection.facts
    if facts & FACT_ACKED:
        if connection.ackdat_method == METHOD_AMBIGUOUS:
            rtt.time_second_ack(table, connection, server, segment)
        if facts & FACT_SYNACK_AFTER_ACK and not facts & FACT_SERVER_PROVED and segment.payload_len == 0:
            if connection.reack_count < MASK16:
                connection.reack_count += 1
            if connection.resent_count < BELIEVED_LOST:
                endpoint.apply(server, GOT_ACK_OF_SYN)
        elif facts & FACT_SIMULTANEOUS:
            endpoint.apply(client, SENT_ACK)
        elif facts & (FACT_ACK_REJECTED | FACT_SERVER_PROVED | FACT_SYNACK_AFTER_ACK) == FACT_ACK_REJECTED:
            endpoint.apply(server, GOT_ACK_OF_SYN)
        if facts & FACT_ISN_CHANGED and acknowledges_alternate(connection, server, segment):
            connection.facts |= FACT_BOTH_ACKED
            renumbering.learn_proxy(table, connection, server, segment)
        return True
    if facts & FACT_SIMULTANEOUS:
        if not is_challenge(client, segment):
            endpoint.apply(client, SENT_ACK)
        if not acknowledges_syn(server, segment):
            return False
        endpoint.apply(server, GOT_ACK_OF_SYN)
        simultaneous.complete(connection, client, server, segment)
        return True
    if not facts & FACT_SYNACK:
        return one_sided_ack(table, connection, client, server, segment)
    if facts & FACT_ISN_CHANGED and segment.ack == (connection.alternate_iss + 1) & MASK32:
        turn_to_other_isn(connection, server)
    if seqspace.seq_le(segment.ack, server.iss) or seqspace.seq_gt(
        segment.ack, (server.snd_nxt + server.window) & MASK32
    ):
        connection.facts |= FACT_CHALLENGE_ACK
        return False
    complete(connection, client, segment)
    if not facts & FACT_REORDERED:
        rtt.time_ack(table, connection, server, segment)
        if connection.facts & FACT_ISN_TURNED != facts & FACT_ISN_TURNED:
            not_before_the_last(connection, segment)
        if segment.payload_len or note_later(connection, client, server, segment):
            connection.ackdat_method = METHOD_DATA_ACK
            connection.ackdat_min_ns = 0
    if not facts & FACT_RST:
        endpoint.apply(client, SENT_ACK)
        endpoint.apply(server, GOT_ACK_OF_SYN)
    return True


def acknowledges_alternate(connection: Any, server: Any, segment: Any) -> bool:
    """Return True if the client acknowledges the alternate ISN, outside the range the server sent with the first."""
    if segment.ack != (connection.alternate_iss + 1) & MASK32:
        return False
    return seqspace.seq_lt(segment.ack, server.iss) or seqspace.seq_gt(segment.ack, server.snd_nxt)


def turn_to_other_isn(connection: Any, server: Any) -> None:
    """Swap the server's two ISNs: the client accepted the later one."""
    first = server.iss
    server.iss = connection.alternate_iss
    server.snd_nxt = (server.iss + 1) & MASK32
    server.contiguous = server.snd_nxt
    connection.alternate_iss = first
    connection.facts ^= FACT_ISN_TURNED


def note_later(connection: Any, client: Any, server: Any, segment: Any) -> bool:
    """Return True, and note it, if an ACK proves the handshake but is not its final ACK: more was sent before.

    The real one, with the numbers next to both ISNs, was not captured; the time to this one is an upper bound.
    """
    accepted = connection.syn_payload if connection.facts & FACT_TFO else 0
    beyond = seqspace.seq_gt(segment.seq, (client.iss + 1 + accepted) & MASK32)
    if not beyond and segment.ack == (server.iss + 1) & MASK32:
        return False
    connection.facts |= FACT_LATER_ACK
    return True


def not_before_the_last(connection: Any, segment: Any) -> None:
    """Lower the RTT bound: the final ACK answers a later SYN-ACK, with another ISN."""
    since_last = segment.ts_ns - connection.last_synack_ns
    if connection.ackdat_method != METHOD_REORDERED and 0 <= since_last <= connection.ackdat_max_ns:
        connection.ackdat_min_ns = since_last
        connection.ackdat_method = METHOD_AMBIGUOUS


def complete(connection: Any, client: Any, segment: Any) -> None:
    """Record the final ACK."""
    connection.facts |= FACT_ACKED | FACT_CLIENT_PROVED
    connection.ack_ns = segment.ts_ns
    connection.ack_frame = segment.frame & MASK32
    connection.ack_tsecr = segment.tsecr
    if segment.payload_len:
        connection.facts |= FACT_DATA_ACK


def one_sided_ack(table: Any, connection: Any, client: Any, server: Any, segment: Any) -> bool:
    """Process an ACK of a SYN-ACK that was not captured."""
    complete(connection, client, segment)
    if not server.traits & TRAIT_SEEN or seqspace.seq_le(segment.ack, server.iss):
        server.iss = (segment.ack - 1) & MASK32  # else it begins before what was seen of it first
    if not server.traits & TRAIT_SEEN:
        server.snd_nxt = segment.ack
        server.contiguous = segment.ack
    connection.synack_method = METHOD_ONE_SIDED
    connection.ackdat_method = METHOD_ONE_SIDED
    rtt.time_one_sided(table, connection, segment)
    if note_later(connection, client, server, segment):
        connection.synack_min_ns = 0
    if not connection.facts & FACT_RST:
        endpoint.apply(client, SENT_ACK)
        endpoint.apply(server, SENT_SYN_ACK)
        endpoint.apply(server, GOT_ACK_OF_SYN)
    return True


def server_ack(connection: Any, server: Any, client: Any, segment: Any) -> bool:
    """Process an ACK of the server without SYN: proof that it is synchronized, or a stray answer to the SYN."""
    facts = connection.facts
    if facts & FACT_SYN and not facts & (FACT_SYNACK | FACT_ACKED | FACT_SIMULTANEOUS):
        if acknowledges_unseen(client, segment):
            connection.facts |= FACT_UNSEEN_DATA
        elif seqspace.seq_le(segment.ack, client.iss) or seqspace.seq_gt(segment.ack, client.snd_nxt):
            connection.facts |= FACT_CHALLENGE_ACK
            connection.trouble_frame = segment.frame & MASK32
            server.last_ack = segment.ack
            server.traits |= TRAIT_ACKS
            return False
        elif is_unproved(connection, server, segment):
            return True
        endpoint.apply(client, GOT_SYN_ACK)
    if not facts & FACT_ACKED and facts & FACT_TFO and seqspace.seq_le(segment.ack, client.snd_nxt):
        return True
    if facts & FACT_SIMULTANEOUS and not facts & FACT_ACKED:
        if not is_challenge(server, segment):
            endpoint.apply(server, SENT_ACK)
        if not acknowledges_syn(client, segment):
            return False
        endpoint.apply(client, GOT_ACK_OF_SYN)
        simultaneous.complete(connection, server, client, segment)
        return True
    if is_challenge(server, segment):
        connection.facts |= FACT_CHALLENGE_ACK
        return True
    if is_deferred(connection, client):
        connection.facts |= FACT_DEFERRED
    connection.facts |= FACT_SERVER_PROVED
    if client.state == SYN_SENT:
        endpoint.apply(client, GOT_SYN_ACK)  # the capture lacks its ACK
    endpoint.apply(server, SENT_ACK)
    if not server.traits & TRAIT_FIN:
        endpoint.apply(server, PROVED_OPEN)
    return True


def is_unproved(connection: Any, server: Any, segment: Any) -> bool:
    """Return True if the server's ACK carries no more than a SYN-ACK would, and no SYN-ACK was captured.

    Either the capture lacks the SYN-ACK, or the server did not accept and the client drops the ACK.  The client's next
    segment decides: an acknowledgment, or the SYN again.  So does a server that continues after data of its own.
    """
    return not (
        connection.facts & FACT_SERVER_PROVED
        or (connection.facts & FACT_SERVER_DATA and segment.payload_len and segment.seq == server.snd_nxt)
    )


def withdraw(connection: Any, client: Any, server: Any) -> None:
    """Withdraw what seemed to be the final ACK: the server answers that it never sent what was acknowledged."""
    connection.facts &= ~(FACT_ACKED | FACT_CLIENT_PROVED | FACT_DATA_ACK | FACT_LATER_ACK | FACT_CLIENT_DATA) & MASK64
    connection.facts |= FACT_CHALLENGE_ACK
    connection.fin_frame = 0
    opened_with = connection.syn_payload if connection.facts & FACT_TFO else 0
    forget_sent(client, opened_with)
    answered_with = 0
    if opened_with and server.hole_start != server.hole_end:
        answered_with = (server.hole_start - server.iss - 1) & MASK32
    forget_sent(server, answered_with)
    client.traits &= ~TRAIT_ACKS & 0xFF
    connection.ackdat_method = METHOD_NONE
    endpoint.apply(server, NO_FIN)
    endpoint.apply(server, FIN_WAS_LOST)
    endpoint.apply(server, ACK_OF_SYN_WAS_LOST)
    endpoint.apply(client, NO_FIN)
    endpoint.apply(client, FIN_WAS_LOST)


def forget_sent(end: Any, opened_with: int) -> None:
    """Reset an endpoint to its SYN and the `opened_with` bytes that were accepted with it."""
    end.traits &= ~(TRAIT_FIN | TRAIT_FIN_ACKED | TRAIT_HOLE) & 0xFF
    end.checks &= ~(CHECK_FIN_UNSEEN | CHECK_FIN_DOUBTED) & 0xFFFF
    end.snd_nxt = (end.iss + 1 + opened_with) & MASK32
    end.contiguous = end.snd_nxt
    end.hole_end = end.hole_start


def acknowledges_unseen(client: Any, segment: Any) -> bool:
    """Return True if the server acknowledges what the client must have sent after its SYN, but the capture lacks.

    Otherwise it is a challenge ACK of an older connection (RFC 5961 section 4), which has an arbitrary acknowledgment
    number and a TSecr from before the SYN.
    """
    beyond = (segment.ack - client.snd_nxt) & MASK32
    if beyond == 0 or beyond > UNSEEN:
        return False
    if not client.options & segment.options & OPT_TIMESTAMPS:
        return beyond <= UNSEEN_UNTIMED
    return ((segment.tsecr - client.syn_tsval) & MASK32) < HALF


def acknowledges_syn(end: Any, segment: Any) -> bool:
    """Return True if a segment acknowledges the SYN of `end`, and nothing that it cannot have sent yet.

    In a simultaneous open, Linux also accepts an acknowledgment equal to the ISN.
    """
    return seqspace.seq_ge(segment.ack, end.iss) and seqspace.seq_le(segment.ack, end.snd_nxt)


def is_challenge(sender: Any, segment: Any) -> bool:
    """Return True for a challenge ACK of an endpoint in SYN-RECEIVED, which repeats the numbers of its SYN-ACK.

    It answers what it does not accept: a RST not at RCV.NXT, a SYN, a SYN-ACK (RFC 5961, RFC 9293 section 3.10.7.4).
    """
    return (
        sender.state == SYN_RECEIVED
        and segment.payload_len == 0
        and not segment.flags & FIN
        and sender.traits & (TRAIT_ISS | TRAIT_ACKS) == TRAIT_ISS | TRAIT_ACKS
        and seqspace.seq_le(segment.ack, sender.last_ack)
    )


def is_deferred(connection: Any, client: Any) -> bool:
    """Return True for TCP_DEFER_ACCEPT: the server resent its SYN-ACK after the ACK, but accepted the first data.

    Linux resends it once, at the end of the deferral; a server that resends it twice does not accept the ACK.
    """
    waited = FACT_SYNACK_AFTER_ACK | FACT_CLIENT_DATA
    return (
        connection.facts & (waited | FACT_SERVER_PROVED) == waited
        and connection.resent_count < BELIEVED_LOST
        and client.retransmissions + 1 == connection.syn_count
    )
