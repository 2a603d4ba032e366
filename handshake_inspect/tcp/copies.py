"""Recognise packets that were captured more than once: copies count as frames, not as retransmissions.

* *Same packet*: an equal fingerprint among the sender's last segments.  If IP IDs or timestamps vary between packets,
  it may be much older; otherwise only so recent that no stack retransmits as soon.
* *Across routers*: two capture points, or both sides of a router.  Copies have another TTL, always the same for one
  sender.  The first copy is found by its fingerprint, up to an RTT later, and gives that TTL (`Endpoint.twin_ttl`);
  from then on, segments with this TTL and nothing new are copies, however many segments are in between.
* *At a distance*: two capture points without a router between them, and packets without varying IP ID or timestamp.  A
  copy of a SYN or SYN-ACK, which no stack resends that soon, gives the delay between the points for this sender
  (`Order.copied_us`).  From then on a segment with nothing new is a copy while the sender's newest bytes may be in
  flight to the second point, unless its receiver requested it: it has later bytes (`Order.sacked`) or waits for these.
  So is an equal segment with that delay; without payload only if the delay exceeds that of packets duplicated within a
  host or switch (`FAR_US`).
* *Midstream*: the RTT is unknown.  But no timer except TLP is shorter than `UNTIMED_US`, so bytes repeated sooner are a
  copy, unless the receiver requested them.
* *Repacked*: `-i any`, or a capture above and below a network card or tunnel, has a large packet as well as the packets
  it was split into or merged from (TSO, GSO, GRO, LRO), in either order.  All the bytes were captured before, the
  timestamp is no newer, and the sender had no reason to retransmit (`resending.has_reason`).

Not every equal segment is a copy: Linux sends a RST, without IP ID, for each segment that has no connection, and a
receiver sends an equal ACK for each segment after a gap.  If everything is captured twice, these are copies, too.
"""

from typing import Any

from handshake_inspect.tcp import endpoint, order, resending, rtt
from handshake_inspect.tcp.facts import (
    FACT_ACKED,
    FACT_MIDSTREAM,
    FACT_SIMULTANEOUS,
    FACT_SYN,
    FACT_SYNACK,
    TRAIT_ACKS,
    TRAIT_IP_ID_VARIES,
    TRAIT_ISS,
    TRAIT_SEEN,
    TRAIT_TSVAL_VARIES,
)
from handshake_inspect.tcp.limits import (
    COPIED,
    COPY_OF_SYN_US,
    COPY_US,
    COPY_WITH_IP_ID_US,
    COPY_WITH_TSVAL_US,
    EARLY,
    FAR_US,
    IP_ID_NEAR,
    MAX_CLOCK_SKEW_NS,
    TWIN_OF_DATA_US,
    TWIN_OF_SYN_US,
    UNTIMED_US,
)
from handshake_inspect.wire import seqspace
from handshake_inspect.wire.const import ACK, FIN, MASK16, MASK32, OPT_TIMESTAMPS, RST, SYN


def is_copy(table: Any, connection: Any, sender: Any, peer: Any, segment: Any, side: int, print_of: int) -> bool:
    """Return True if this packet, or its bytes in other packets, was captured before."""
    if not sender.traits & TRAIT_SEEN:
        return False
    now = (segment.ts_ns // 1000) & MASK32
    apart_us = distance_us(table, connection, side)
    for at in range(4):
        if sender.recent[at] == print_of:
            age = seqspace.seq_diff(now, sender.recent_us[at])
            if age < 0:
                age = -age
            if (apart_us >= FAR_US or (apart_us and segment.payload_len)) and is_as_late(age, apart_us):
                return True
            if age <= limit_us(connection, sender, peer, segment):
                if is_another_answer(connection, sender, peer, segment, sender.recent_us[at]):
                    return False
                return not is_repair(table, connection, sender, peer, segment, side, age)
    if segment.flags & SYN:
        return is_opening(table, connection, sender, segment)
    if segment.flags & RST:
        return False
    if segment.ttl == sender.twin_ttl and is_twin(table, connection, sender, segment, side):
        return True
    if apart_us and is_of_second_point(table, connection, sender, peer, segment, side, apart_us):
        return True
    if is_untimed(connection) and comes_too_soon(table, connection, sender, peer, segment, side):
        return True
    return seqspace.seq_lt(segment.seq, sender.snd_nxt) and is_repacked(table, connection, sender, peer, segment, side)


def is_opening(table: Any, connection: Any, sender: Any, segment: Any) -> bool:
    """Return True for a copy of the last SYN or SYN-ACK, whatever was sent since: clock skew may exceed the RTT."""
    if not sender.traits & TRAIT_ISS or segment.seq != sender.iss or segment.mss != sender.mss:
        return False
    if segment.flags & ACK and not sender.traits & TRAIT_ACKS:
        return False  # its first SYN-ACK: in a simultaneous open, only its SYN and the peer's SYN-ACK came before
    is_only_syn = not (segment.flags & ACK or connection.facts & FACT_SIMULTANEOUS)
    if is_only_syn and segment.payload_len + (segment.flags & FIN) != connection.syn_payload:
        return False  # Fast Open, which repeats its SYN without the data
    count = connection.synack_count if segment.flags & ACK else connection.syn_count
    if count == 1 and (segment.tsval != sender.syn_tsval or segment.ip_id != sender.syn_ip_id):
        return False
    if count > 1 and (is_newer(sender, segment) or is_numbered_later(sender, segment)):
        return False  # a retransmission
    age_ns = segment.ts_ns - opened_ns(table, connection, segment)
    return -MAX_CLOCK_SKEW_NS < age_ns < MAX_CLOCK_SKEW_NS


def opened_ns(table: Any, connection: Any, segment: Any) -> int:
    """Return the time of the last SYN, or of the last SYN-ACK if `segment` is one."""
    if segment.flags & ACK:
        return connection.last_synack_ns
    return rtt.syn_time(table, connection, connection.syn_count - 1)


def limit_us(connection: Any, sender: Any, peer: Any, segment: Any) -> int:
    """Return the maximum age in microseconds of an equal packet to be a copy.

    If the capture lacks the handshake and the peer, equal segments without payload may answer segments that it lacks;
    but a capture seldom begins with the first of such answers, so the second segment overall may be a copy.
    """
    if segment.ip_id and sender.traits & TRAIT_IP_ID_VARIES:
        return COPY_WITH_IP_ID_US
    if segment.options & OPT_TIMESTAMPS and sender.traits & TRAIT_TSVAL_VARIES:
        return COPY_WITH_TSVAL_US
    if segment.ttl != sender.ttl:
        if segment.flags & SYN:
            return TWIN_OF_SYN_US
        total = rtt.total_ns(connection)
        return min(total // 1000, TWIN_OF_SYN_US) if total else TWIN_OF_DATA_US
    if segment.payload_len == 0 and is_untimed(connection):
        return UNTIMED_US if peer.traits & TRAIT_SEEN or sender.frames - sender.duplicates == 2 else COPY_US
    return COPY_OF_SYN_US if segment.flags & SYN else COPY_US


def is_repair(table: Any, connection: Any, sender: Any, peer: Any, segment: Any, side: int, age_us: int) -> bool:
    """Return True if an equal segment can be a retransmission, on a path so short that no field varies within an RTT.

    The original may itself have been late, by a good part of the RTT.  If it was already retransmitted, its loss cannot
    be known so soon.
    """
    if segment.payload_len == 0 or segment.flags & SYN or segment.ttl != sender.ttl:
        return False
    if segment.ip_id and sender.traits & TRAIT_IP_ID_VARIES:
        return False
    if is_of_repair(table, connection, segment, side):
        return False
    total = rtt.total_ns(connection)
    return 0 < total >> 2 <= age_us * 1000 and resending.was_asked(table, connection, peer, segment, side)


def note_twin(sender: Any, segment: Any) -> bool:
    """Keep the TTL of a copy, if it has another one; a RST may be forged, and is not as far away as the others."""
    if segment.ttl == sender.ttl:
        return False
    if sender.twin_ttl == 0 or not segment.flags & RST:
        sender.twin_ttl = segment.ttl
    return True


def is_twin(table: Any, connection: Any, sender: Any, segment: Any, side: int) -> bool:
    """Whether it has the TTL that copies of this sender have, and says nothing new."""
    return (
        segment.ttl != sender.ttl
        and not (segment.payload_len and resending.has_paused(sender, segment, TWIN_OF_DATA_US))
        and (not segment.flags & ACK or (sender.traits & TRAIT_ACKS and seqspace.seq_le(segment.ack, sender.last_ack)))
        and holds(table, connection, sender, segment, side)
    )


def note_distance(table: Any, connection: Any, sender: Any, segment: Any, side: int, print_of: int) -> None:
    """Keep how late the copy of a SYN or SYN-ACK comes, if that is the way between two capture points.

    Where the capture has none of these, that of the second copy: one alone, a switch may have made.
    """
    if not segment.flags & SYN and (sender.duplicates != 2 or not is_untimed(connection)):
        return
    now = (segment.ts_ns // 1000) & MASK32
    apart_us = COPY_OF_SYN_US
    if segment.flags & SYN:
        apart_us = (segment.ts_ns - opened_ns(table, connection, segment)) // 1000
    for at in range(4):
        if sender.recent[at] == print_of:
            apart_us = min(apart_us, seqspace.seq_diff(now, sender.recent_us[at]))
    if 0 < apart_us < COPY_OF_SYN_US and table.new_order(connection):
        table.order_of(connection).copied_us[side] = apart_us


def distance_us(table: Any, connection: Any, side: int) -> int:
    """Return the delay in microseconds of copies of this side's packets, 0 if unknown."""
    return table.order_of(connection).copied_us[side] if table.has_order(connection) else 0


def is_as_late(age_us: int, apart_us: int) -> bool:
    """Return True if an age matches the delay of copies, within its variation."""
    spread_us = min(apart_us, FAR_US) + (apart_us >> 2)
    return -spread_us <= age_us - apart_us <= spread_us


def is_of_second_point(
    table: Any, connection: Any, sender: Any, peer: Any, segment: Any, side: int, apart_us: int
) -> bool:
    """Return True if a segment with nothing new is a copy whose original is too far back to be found."""
    late_us = apart_us + (max(apart_us, FAR_US) >> 2)
    if not segment.flags & ACK or not sender.traits & TRAIT_ACKS or seqspace.seq_gt(segment.ack, sender.last_ack):
        return False
    if segment.payload_len == 0 and not segment.flags & FIN:
        return seqspace.seq_lt(segment.ack, sender.last_ack) or (
            seqspace.seq_lt(segment.seq, sender.snd_nxt)
            and not endpoint.is_probe(sender, peer, segment)
            and not resending.has_paused(sender, segment, late_us)
        )
    if not holds(table, connection, sender, segment, side) or is_newer(sender, segment):
        return False
    if resending.is_quiet(sender, segment, late_us):
        return False
    if order.is_acked(peer, end_of(segment)) or is_of_distant_repair(table, connection, segment, side, apart_us):
        return True
    if segment.seq != peer.last_ack:
        return not resending.was_skipped(table, connection, segment, side, end_of(segment))
    return not resending.was_asked_for(table, connection, peer, segment, side)


def is_untimed(connection: Any) -> bool:
    """Return True if no handshake was captured that would show the RTT or the delay to a second point."""
    return connection.facts & (FACT_SYN | FACT_SYNACK) == 0


def comes_too_soon(table: Any, connection: Any, sender: Any, peer: Any, segment: Any, side: int) -> bool:
    """Return True if the bytes come sooner after the sender's newest than any unrequested retransmission would.

    A loss probe may be sooner; it repeats the last of several unacknowledged segments (RFC 8985 section 7.2).  Requests
    of the receiver are known only if both directions were captured.
    """
    if segment.payload_len == 0 and not segment.flags & FIN:
        return False
    if not holds(table, connection, sender, segment, side) or is_newer(sender, segment):
        return False
    if resending.is_quiet(sender, segment, UNTIMED_US):
        return False
    if resending.was_asked_for(table, connection, peer, segment, side):
        return False
    if segment.seq == (sender.iss + 1) & MASK32 or is_all_copied(sender, peer):
        return True
    if not peer.traits & TRAIT_SEEN:
        return sender.duplicates != 0 and sender.frames <= EARLY
    return segment.seq == peer.last_ack or end_of(segment) != sender.snd_nxt


def is_all_copied(sender: Any, peer: Any) -> bool:
    """Return True if so many segments were copies that everything is captured twice."""
    copied: bool = (sender.duplicates + peer.duplicates) * COPIED >= sender.frames + peer.frames
    return copied


def is_of_distant_repair(table: Any, connection: Any, segment: Any, side: int, apart_us: int) -> bool:
    """Return True if its bytes were retransmitted one copy delay ago."""
    if not table.has_order(connection):
        return False
    again = table.order_of(connection)
    if not resending.is_in_repair(again, segment, side, end_of(segment)):
        return False
    return is_as_late((segment.ts_ns - again.again_ns[side]) // 1000, apart_us)


def holds(table: Any, connection: Any, sender: Any, segment: Any, side: int) -> bool:
    """Return True if the segment's bytes, if any, were captured before."""
    if seqspace.seq_gt(end_of(segment), sender.snd_nxt) or endpoint.is_in_hole(sender, segment.seq):
        return False
    if not table.has_order(connection) or (segment.payload_len == 0 and not segment.flags & FIN):
        return True
    return order.gap_of(table.order_of(connection), side, segment.seq) < 0


def end_of(segment: Any) -> int:
    """Return the sequence number just beyond a segment without SYN."""
    if segment.flags & FIN:
        return (segment.seq + segment.payload_len + 1) & MASK32
    return (segment.seq + segment.payload_len) & MASK32


def is_repacked(table: Any, connection: Any, sender: Any, peer: Any, segment: Any, side: int) -> bool:
    """Return True if its bytes were captured before in other packets and not retransmitted."""
    if segment.payload_len == 0 and not segment.flags & FIN:
        return False
    if not connection.facts & (FACT_ACKED | FACT_MIDSTREAM) or not holds(table, connection, sender, segment, side):
        return False
    if endpoint.is_probe(sender, peer, segment) or (peer.window == 0 and segment.payload_len <= 1):
        return False
    if endpoint.is_late_copy(sender, segment):
        return True
    if segment.payload_len == 0 or is_newer(sender, segment):
        return False
    if is_of_repair(table, connection, segment, side):
        return True
    return not resending.has_reason(table, connection, sender, peer, segment, side)


def is_of_repair(table: Any, connection: Any, segment: Any, side: int) -> bool:
    """Return True if its bytes were retransmitted just before."""
    if not table.has_order(connection):
        return False
    return resending.is_part_of_repair(table.order_of(connection), segment, side, end_of(segment))


def is_newer(sender: Any, segment: Any) -> bool:
    """Return True if its TSval is newer than everything its sender is known to have sent."""
    return (
        segment.options & OPT_TIMESTAMPS != 0
        and sender.traits & TRAIT_TSVAL_VARIES != 0
        and seqspace.seq_gt(segment.tsval, sender.tsval)
    )


def is_numbered_later(sender: Any, segment: Any) -> bool:
    """Return True if its IP ID is later than everything its sender is known to have sent."""
    if segment.ip_id == 0 or not sender.traits & TRAIT_IP_ID_VARIES:
        return False
    return 0 < ((segment.ip_id - sender.ip_id) & MASK16) < IP_ID_NEAR


def is_another_answer(connection: Any, sender: Any, peer: Any, segment: Any, at_us: int) -> bool:
    """Return True if an equal segment answers another segment of the peer; the first was sent at `at_us`."""
    if segment.ip_id or segment.ttl == sender.twin_ttl:
        return False
    if is_all_copied(sender, peer):
        return False
    if segment.payload_len or segment.flags & (SYN | FIN):
        return False
    if not peer.traits & TRAIT_SEEN:  # what it answers was not captured, but its other segments only once
        return sender.traits & TRAIT_ISS != 0 or sender.frames - sender.duplicates > COPIED
    if segment.flags & RST:
        return seqspace.seq_ge(endpoint.newest_us(peer), at_us) or connection.rst_count < unanswered(
            connection, sender, peer
        )
    return segment.flags & ACK != 0 and seqspace.seq_lt(segment.ack, peer.snd_nxt)


def unanswered(connection: Any, sender: Any, peer: Any) -> int:
    """Return how many peer segments may each cause a RST: unacknowledged, or sent since the sender's last segment."""
    count = 0
    if sender.traits & TRAIT_ACKS and peer.largest and seqspace.seq_gt(peer.snd_nxt, sender.last_ack):
        count = (((peer.snd_nxt - sender.last_ack) & MASK32) + peer.largest - 1) // peer.largest
    since = 0
    if connection.rst_count < 4:
        spoke = sender.recent_us[(sender.recent_at - 1 - connection.rst_count) & 3]
        for at in range(4):
            if peer.recent[at] and seqspace.seq_gt(peer.recent_us[at], spoke):
                since += 1
    return max(count, since)
