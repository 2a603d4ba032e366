"""Process arriving RSTs: which are acceptable (RFC 9293 section 3.10.7, RFC 5961 section 3), and what they end.

`rst_doubts.py` withdraws those that turn out to be forged or ignored.
"""

from typing import Any

from handshake_inspect.tcp import answering, endpoint, final_ack, rst_doubts
from handshake_inspect.tcp.facts import (
    CHECK_DROPPED,
    CHECK_FIN_UNSEEN,
    CHECK_RST_BEHIND,
    CHECK_WENT_ON,
    FACT_ABORTED,
    FACT_ACKED,
    FACT_BAD_SYNACK,
    FACT_BARE_RST_AFTER_ACK,
    FACT_CHALLENGE_ACK,
    FACT_CLIENT_DATA,
    FACT_LAST_ACK_SEEN,
    FACT_MIDSTREAM,
    FACT_REBUFFED,
    FACT_REFUSED,
    FACT_RST,
    FACT_RST_DOUBTED,
    FACT_RST_IGNORED,
    FACT_RST_LOST,
    FACT_SERVER_DATA,
    FACT_SERVER_PROVED,
    FACT_SIMULTANEOUS,
    FACT_SYN,
    FACT_SYNACK,
    FACT_SYNACK_AFTER_ACK,
    FACT_SYNACK_AFTER_RST,
    FACT_TFO,
    FACT_UNSEEN_DATA,
    TRAIT_ACKS,
    TRAIT_FIN,
    TRAIT_ISS,
    TRAIT_SEEN,
)
from handshake_inspect.tcp.limits import RST_SLACK_NS
from handshake_inspect.tcp.transitions import (
    CLOSE_WAIT,
    GOT_RST,
    LAST_ACK,
    SENT_RST,
    SYN_ACK_WAS_LOST,
    SYN_RECEIVED,
    SYN_SENT,
    TIME_WAIT,
)
from handshake_inspect.wire import seqspace
from handshake_inspect.wire.const import ACK, MASK16, MASK32, MASK64, SYN

QUICK_NS = 1_000_000  # a kernel answers within this time
WAITED_NS = 3_500_000_000  # a SYN-ACK is first resent within 3 s (RFC 6298 section 2.1), and timers may be late
MAX_DOUBLINGS = 6  # of that time, one per repetition (RFC 6298 section 5.5): kernels wait for 120 s at most
BELIEVED_LOST = 2  # a RST may be lost once; if the server keeps repeating its SYN-ACK, none arrives

OPENING = FACT_SYN | FACT_SYNACK | FACT_ACKED | FACT_CHALLENGE_ACK | FACT_SIMULTANEOUS | FACT_TFO | FACT_UNSEEN_DATA


def on_rst(connection: Any, sender: Any, peer: Any, segment: Any, side: int, blind: bool, filtered: bool) -> None:
    """Process a RST from `sender` to `peer`.

    `blind`: no segment without SYN, FIN and RST was captured so far; `filtered`: nor for several connections.
    """
    if connection.rst_count < MASK16:
        connection.rst_count += 1
    facts = connection.facts
    # A host that sent a RST before has no connection, whether or not its peer accepted that RST.
    again = side == connection.rst_side and facts & FACT_RST_IGNORED != 0
    later = comes_later(connection, sender, peer, segment, blind, filtered)
    if not again and not later and is_answer_to_bad_ack(connection, sender, segment):
        return
    if answering.keeps_request(connection, side) and is_answer_to_dropped(peer, segment):
        return
    if not again and side != connection.client and is_denial(connection, sender, peer, segment):
        final_ack.withdraw(connection, peer, sender)
        return
    if facts & FACT_RST:
        on_another(connection, peer, side)
        return
    if segment.flags & ACK and not facts & (FACT_SYN | FACT_SYNACK | FACT_MIDSTREAM) and not peer.traits & TRAIT_SEEN:
        peer.iss = (segment.ack - 1) & MASK32  # of a SYN that may be stored later
        peer.snd_nxt = segment.ack
    if facts & FACT_LAST_ACK_SEEN:
        on_closed(connection, sender, peer, segment)
        return
    if side == connection.client and is_challenge_at_last(connection, sender, peer, segment):
        withdraw_proof(connection, sender, peer)
        return
    asks = facts & FACT_SYN != 0 and not facts & (FACT_ACKED | FACT_UNSEEN_DATA)
    if asks and (not facts & FACT_SYNACK or (side != connection.client and peer.state == SYN_SENT)):
        if side == connection.client:
            own_rst(connection, sender, peer, segment, side)
        else:
            answer_to_syn(connection, sender, peer, segment, side)
    elif is_in_window(sender, peer, segment):
        end_in_window(connection, sender, peer, segment, side)
    elif later:
        if is_proof(connection, sender, segment):
            connection.facts |= FACT_SERVER_PROVED
        else:
            sender.checks |= CHECK_RST_BEHIND
        end(connection, sender, peer, segment, side)
    else:
        if is_answer_to_dropped(peer, segment):
            endpoint.apply(sender, SENT_RST)  # it has no connection, or it would answer with an ACK
        doubt(connection, segment)


def on_another(connection: Any, target: Any, side: int) -> None:
    """Process a RST after one that was accepted: it closes a target that did not accept that one, or lost it."""
    facts = connection.facts
    if side != connection.rst_side and target.checks & CHECK_WENT_ON:
        endpoint.apply(target, GOT_RST)  # the target of the forged RST answers that the connection is gone
    elif side == connection.client and facts & FACT_SYNACK_AFTER_RST:
        endpoint.apply(target, GOT_RST)  # as above, for the host that still waits for the ACK
    elif side == connection.client and facts & FACT_RST_LOST and connection.rst_count <= BELIEVED_LOST:
        endpoint.apply(target, GOT_RST)


def on_closed(connection: Any, sender: Any, target: Any, segment: Any) -> None:
    """Process a RST after the connection was closed by both ends: it ends TIME-WAIT."""
    if not is_in_window(sender, target, segment):
        return
    if target.state == TIME_WAIT:
        connection.rst_ns = segment.ts_ns
        target.state_before_rst = TIME_WAIT
    endpoint.apply(target, GOT_RST)
    endpoint.apply(sender, SENT_RST)


def end_in_window(connection: Any, sender: Any, target: Any, segment: Any, side: int) -> None:
    """Apply a RST that its target accepts, and record if it ended the handshake."""
    bare = side != connection.client and is_bare_answer(connection, sender, segment)
    end(connection, sender, target, segment, side)
    if not connection.facts & FACT_ACKED and connection.facts & FACT_SYN and side == connection.client:
        connection.facts |= FACT_ABORTED
    elif bare:
        connection.facts |= FACT_BARE_RST_AFTER_ACK


def is_answer_to_bad_ack(connection: Any, sender: Any, segment: Any) -> bool:
    """Return True if an opening endpoint answers an acknowledgment of what it never sent (RFC 9293 section 3.10.7.4).

    Such a RST has the acknowledged number as its sequence number and no ACK bit, and ends nothing.  What seemed to be
    the final ACK, with missing bytes before it, was not.
    """
    if segment.flags & ACK or not sender.traits & TRAIT_ISS or segment.seq == (sender.iss + 1) & MASK32:
        return False
    if sender.state == SYN_SENT:
        connection.facts |= FACT_REBUFFED
        return True
    return sender.state == SYN_RECEIVED


def is_answer_to_dropped(target: Any, segment: Any) -> bool:
    """Return True if a RST only refuses a dropped segment: no ACK bit, and the number which that acknowledged."""
    return not segment.flags & ACK and target.checks & CHECK_DROPPED != 0 and segment.seq == target.before_rst_nxt


def is_denial(connection: Any, server: Any, client: Any, segment: Any) -> bool:
    """Return True if the server thereby rejects what seemed to be the final ACK with missing bytes before it."""
    proved = FACT_ACKED | FACT_SERVER_PROVED
    if not connection.facts & FACT_TFO or server.hole_start == server.hole_end:
        proved |= FACT_SERVER_DATA  # with Fast Open it may send data before the ACK, but not in a gap
    return (
        connection.facts & (proved | FACT_SYNACK | FACT_RST) == FACT_ACKED | FACT_SYNACK
        and not segment.flags & ACK
        and client.traits & TRAIT_ACKS != 0
        and segment.seq == client.last_ack
        and segment.seq != (server.iss + 1) & MASK32
        and (not server.traits & TRAIT_FIN or server.checks & CHECK_FIN_UNSEEN != 0)
    )


def is_bare_answer(connection: Any, server: Any, segment: Any) -> bool:
    """Return True if a server that never proved to be established answers the final ACK with a RST without ACK bit.

    That happens at once, unless the server showed before that it did not accept the ACK.  If the client sent data in
    between, a later RST answers the data.
    """
    slack = QUICK_NS if connection.facts & FACT_CLIENT_DATA else RST_SLACK_NS
    at_once = segment.ts_ns - connection.ack_ns <= rst_doubts.grace(connection, connection.client ^ 1, slack)
    if connection.facts & FACT_RST_IGNORED and connection.rst_side != connection.client and connection.rst_flags & ACK:
        return False  # a RST that came too early acknowledged the handshake
    return (
        connection.facts & (FACT_ACKED | FACT_SERVER_PROVED) == FACT_ACKED
        and (at_once or connection.facts & FACT_SYNACK_AFTER_ACK != 0)
        and not segment.flags & ACK
        and segment.seq == (server.iss + 1) & MASK32
    )


def answer_to_syn(connection: Any, server: Any, client: Any, segment: Any, side: int) -> None:
    """Process a RST in SYN-SENT, where only one that acknowledges the SYN counts.

    One with its own sequence number does not answer a SYN but comes from a connection: it may end one that was opened
    in a gap of the capture.
    """
    if segment.flags & ACK and answering.answers(connection, client, segment.ack):
        end(connection, server, client, segment, side)
        connection.facts |= FACT_REFUSED
    elif segment.flags & ACK and segment.seq and final_ack.acknowledges_unseen(client, segment):
        connection.facts |= FACT_UNSEEN_DATA | FACT_SERVER_PROVED
        end(connection, server, client, segment, side)
    else:
        doubt(connection, segment)


def is_challenge_at_last(connection: Any, client: Any, server: Any, segment: Any) -> bool:
    """Return True if the client's RST rejects what seemed to acknowledge its data, but was a challenge ACK.

    It is a RST without ACK bit, with the number that was acknowledged (RFC 9293 section 3.10.7.3).
    """
    return (
        connection.facts & FACT_UNSEEN_DATA != 0
        and not connection.facts & (FACT_SYNACK | FACT_ACKED)
        and not segment.flags & ACK
        and segment.seq == server.last_ack
        and (
            server.frames <= connection.rst_count  # each one was a RST, or drew one
            or connection.facts & (FACT_SERVER_DATA | FACT_REBUFFED) != FACT_SERVER_DATA
        )
        and client.bytes == connection.syn_payload
    )


def withdraw_proof(connection: Any, client: Any, server: Any) -> None:
    """Return the attempt to SYN-SENT: its SYN hit an older connection."""
    connection.facts &= ~(FACT_UNSEEN_DATA | FACT_SERVER_PROVED | FACT_SERVER_DATA) & MASK64
    connection.facts |= FACT_CHALLENGE_ACK | FACT_REBUFFED
    client.snd_nxt = (client.iss + 1 + connection.syn_payload) & MASK32
    client.contiguous = client.snd_nxt
    endpoint.apply(client, SYN_ACK_WAS_LOST)
    endpoint.apply(server, GOT_RST)


def own_rst(connection: Any, client: Any, server: Any, segment: Any, side: int) -> None:
    """Process the client's RST after its SYN: it ends the attempt, unless it only rejects a stray answer."""
    if (
        connection.facts & (FACT_CHALLENGE_ACK | FACT_BAD_SYNACK)
        and server.traits & TRAIT_ACKS
        and segment.seq == server.last_ack
    ):
        connection.facts |= FACT_REBUFFED
        return
    end(connection, client, server, segment, side)
    connection.facts |= FACT_ABORTED


def is_in_window(sender: Any, target: Any, segment: Any) -> bool:
    """Return True if the target accepts the sequence number: at RCV.NXT or in the window, as far as they are known."""
    if not sender.traits & TRAIT_SEEN and not target.traits & TRAIT_ACKS:
        return True
    low = target.last_ack if target.traits & TRAIT_ACKS else (sender.iss + 1) & MASK32
    offset = seqspace.seq_diff(segment.seq, low)
    if target.state == SYN_RECEIVED:
        return offset == 0  # its SYN-ACK acknowledges all it has received
    if not target.traits & TRAIT_SEEN:
        return offset >= 0  # the window of a host that was not captured is unknown
    if target.state == TIME_WAIT:
        # Linux accepts a RST only at RCV.NXT, which does not move after a FIN.
        beyond = sender.fin_seq if sender.traits & TRAIT_FIN else sender.snd_nxt
        return offset >= 0 and seqspace.seq_le(segment.seq, beyond)
    if target.window == 0 and target.zero_windows and (offset > 0 or segment.payload_len or segment.flags & SYN):
        return False  # a zero window accepts only empty segments at RCV.NXT
    if offset < 0:
        # A host without the connection answers an old ACK with the number from before its FIN.
        return (
            sender.traits & TRAIT_FIN != 0
            and segment.seq == (sender.fin_seq - 1) & MASK32
            and CLOSE_WAIT <= target.state <= LAST_ACK
        )
    return offset == 0 or offset < target.window or seqspace.seq_le(segment.seq, sender.snd_nxt)


def comes_later(connection: Any, sender: Any, target: Any, segment: Any, blind: bool, filtered: bool) -> bool:
    """Return True if a RST belongs to the connection after a handshake whose final ACK was not captured.

    Its number is beyond the handshake, and how far the window had advanced is unknown.  If that is no proof, it counts
    where a filter on flags seems to hide the rest: within the offered window, a request socket would answer it with a
    challenge ACK; beyond, it drops it silently, so several connections must lack the rest.  A host without a connection
    would use the number that was acknowledged.
    """
    if connection.facts & OPENING != FACT_SYN | FACT_SYNACK or connection.syn_payload or segment.flags & SYN:
        return False
    if not sender.traits & TRAIT_ISS or is_answer_to_dropped(target, segment):
        return False
    offset = seqspace.seq_diff(segment.seq, (sender.iss + 1) & MASK32)
    if offset <= 0:
        return False
    return is_proof(connection, sender, segment) or filtered or (blind and offset < target.window)


def is_proof(connection: Any, sender: Any, segment: Any) -> bool:
    """Return True if a RST beyond the handshake shows that this completed, whatever else the capture lacks.

    A server that still waited would have resent its SYN-ACK by now.  A RST with ACK from the server itself belongs to a
    connection in which it had sent more.
    """
    doublings = min(connection.synack_count - 1, MAX_DOUBLINGS)
    waited = segment.ts_ns - connection.last_synack_ns >= WAITED_NS << doublings
    return waited or (sender.state == SYN_RECEIVED and segment.flags & ACK != 0)


def doubt(connection: Any, segment: Any) -> None:
    """Record a RST that its target had to ignore."""
    connection.facts |= FACT_RST_DOUBTED
    connection.trouble_frame = segment.frame & MASK32


def end(connection: Any, sender: Any, peer: Any, segment: Any, side: int) -> None:
    """Apply an acceptable RST."""
    if side == connection.rst_side and not sender.checks & CHECK_WENT_ON:
        # Repeated RSTs: the first was not ignored; segments in between were in flight for long.
        connection.facts &= ~FACT_RST_IGNORED & MASK64
    connection.facts |= FACT_RST
    connection.rst_ns = segment.ts_ns
    connection.rst_frame = segment.frame & MASK32
    connection.rst_side = side
    connection.rst_ttl = segment.ttl
    connection.rst_ip_id = segment.ip_id
    connection.rst_flags = segment.flags & 0xFF
    connection.rst_seq = segment.seq
    sender.state_before_rst = sender.state
    peer.state_before_rst = peer.state
    sender.before_rst_nxt = sender.snd_nxt
    endpoint.apply(sender, SENT_RST)
    endpoint.apply(peer, GOT_RST)
