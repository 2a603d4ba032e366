"""Decide from later segments if a RST was forged or ignored (RFC 5961 section 3), and restore what it had ended.

`resets.py` decides if a RST is acceptable when it arrives.
"""

from typing import Any

from handshake_inspect.tcp import endpoint
from handshake_inspect.tcp.facts import (
    CHECK_RST_BEHIND,
    CHECK_WENT_ON,
    FACT_ABORTED,
    FACT_ACKED,
    FACT_BARE_RST_AFTER_ACK,
    FACT_REFUSED,
    FACT_RST,
    FACT_RST_DOUBTED,
    FACT_RST_IGNORED,
    FACT_SERVER_PROVED,
    FACT_SIMULTANEOUS,
    FACT_SYNACK,
    TRAIT_ACKS,
    TRAIT_HOLE,
    TRAIT_ISS,
    TRAIT_SEEN,
)
from handshake_inspect.tcp.limits import RST_SLACK_NS
from handshake_inspect.tcp.transitions import (
    CLOSED,
    GOT_SYN_ACK,
    SENT_SYN_ACK,
    TIME_WAIT,
)
from handshake_inspect.wire import seqspace
from handshake_inspect.wire.const import (
    ACK,
    FIN,
    MASK16,
    MASK64,
)

GRACE_NS = 250_000_000  # segments may be in flight this long if the RTT is unknown


def see(connection: Any, sender: Any, peer: Any, side: int) -> None:
    """Withdraw a RST that `resets.comes_later` accepted: the capture is not filtered, since `sender` continues."""
    resetter = sender if side == connection.rst_side else peer
    if resetter.checks & CHECK_RST_BEHIND:
        resetter.checks &= ~CHECK_RST_BEHIND & MASK16
        revive(connection, sender, peer, side)
        connection.facts &= ~FACT_RST_IGNORED & MASK64
        connection.facts |= FACT_RST_DOUBTED


def after_rst(connection: Any, sender: Any, peer: Any, segment: Any, side: int) -> None:
    """Decide from a segment without RST or SYN after a RST if the RST was forged or ignored.

    If the host that it claims to come from continues, it was forged.  If its target continues, it was ignored; that
    must be distinguished from segments in flight (the target acknowledges what was sent after the RST, or still sends
    when the RST must have arrived).  A RST beyond all that its sender sent, or beyond missing bytes, was also ignored
    if it draws a challenge ACK, which repeats the previous acknowledgment (RFC 5961 section 3.2).
    """
    if side == connection.rst_side:
        if goes_on(connection, sender, segment):
            if connection.facts & FACT_BARE_RST_AFTER_ACK:
                connection.facts &= ~FACT_BARE_RST_AFTER_ACK & MASK64
                connection.facts |= FACT_SERVER_PROVED
            if connection.facts & FACT_RST and not sender.checks & CHECK_WENT_ON:
                endpoint.restore(sender)
            sender.checks |= CHECK_WENT_ON
        return
    if not connection.facts & FACT_RST or not segment.flags & ACK:
        return  # not from a connection: those always set ACK
    if sender.traits & TRAIT_ACKS and seqspace.seq_lt(segment.ack, sender.last_ack):
        return  # overtaken by a later ACK: sent long before
    late = is_late(connection, peer, segment, side)
    news = seqspace.seq_gt(segment.ack, peer.before_rst_nxt)
    if late or is_challenged(connection, sender, peer, segment) or (news and is_numbered(connection, peer)):
        revive(connection, sender, peer, side)


def is_challenged(connection: Any, sender: Any, peer: Any, segment: Any) -> bool:
    """Return True for a challenge ACK to a RST beyond missing bytes, or beyond all sent: it repeats the last ACK."""
    if segment.flags & (ACK | FIN) != ACK or segment.payload_len or seqspace.seq_le(connection.rst_seq, segment.ack):
        return False
    if segment.ack == peer.before_rst_nxt or (peer.traits & TRAIT_HOLE and segment.ack == peer.contiguous):
        return True
    again = sender.traits & TRAIT_ACKS != 0 and segment.ack == sender.last_ack
    return again and seqspace.seq_gt(connection.rst_seq, peer.before_rst_nxt)


def is_late(connection: Any, peer: Any, segment: Any, side: int) -> bool:
    """Return True if the target of a RST still sends after that must have arrived.

    This excludes a client whose SYN was refused and never answered, unless the server continues: it has no connection.
    """
    if connection.facts & (FACT_REFUSED | FACT_SYNACK) == FACT_REFUSED and not peer.checks & CHECK_WENT_ON:
        return False
    return segment.ts_ns - connection.rst_ns > grace(connection, side, RST_SLACK_NS)


def is_numbered(connection: Any, end: Any) -> bool:
    """Return True if the capture shows a sequence number of the endpoint; one that only refused a SYN shows none."""
    return end.traits & TRAIT_SEEN != 0 and (end.traits & TRAIT_ISS != 0 or not connection.facts & FACT_REFUSED)


def wait_on(connection: Any, sender: Any, segment: Any, side: int) -> None:
    """Restore TIME-WAIT if an ACK follows a RST: hosts that follow RFC 1337 ignore RSTs there, others would reset."""
    if sender.state != CLOSED or sender.state_before_rst != TIME_WAIT:
        return
    if segment.seq == sender.snd_nxt and segment.ts_ns - connection.rst_ns > grace(connection, side, RST_SLACK_NS):
        endpoint.restore(sender)


def goes_on(connection: Any, sender: Any, segment: Any) -> bool:
    """Return True if an endpoint sends or acknowledges more than before a RST in its name, some time after that.

    After a RST in answer to the final ACK, any further segment shows that the server was synchronized after all.
    """
    if connection.facts & FACT_BARE_RST_AFTER_ACK:
        return segment.flags & ACK != 0 and seqspace.seq_gt(segment.seq, sender.iss)
    if segment.ts_ns - connection.rst_ns <= RST_SLACK_NS:
        return False
    if segment.payload_len and seqspace.seq_ge(segment.seq, sender.before_rst_nxt):
        return True
    return (
        segment.flags & ACK != 0 and sender.traits & TRAIT_ACKS != 0 and seqspace.seq_gt(segment.ack, sender.last_ack)
    )


def grace(connection: Any, side: int, slack: int) -> int:
    """Return how long segments of `side` may be in flight after a RST passed the capture point, in nanoseconds."""
    leg = connection.ackdat_max_ns if side == connection.client else connection.synack_max_ns
    if leg <= 0:
        return GRACE_NS
    return leg + leg // 2 + slack


def revive(connection: Any, sender: Any, peer: Any, side: int) -> None:
    """Restore the connection to its state before the RST, which was forged or ignored."""
    connection.facts &= ~(FACT_RST | FACT_REFUSED | FACT_ABORTED | FACT_BARE_RST_AFTER_ACK) & MASK64
    connection.facts |= FACT_RST_IGNORED
    connection.trouble_frame = connection.rst_frame
    endpoint.restore(sender)
    endpoint.restore(peer)
    if connection.facts & FACT_SYNACK and not connection.facts & (FACT_ACKED | FACT_SIMULTANEOUS):
        server = peer if side == connection.client else sender
        client = sender if side == connection.client else peer
        endpoint.apply(server, SENT_SYN_ACK)
        endpoint.apply(client, GOT_SYN_ACK)
