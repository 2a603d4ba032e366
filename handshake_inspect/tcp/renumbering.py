"""Recognise one connection that was captured on both sides of a firewall that rewrites its sequence numbers.

Cisco ASA and PIX replace the ISN of every outbound connection, as do pf with `modulate state` and some load balancers.
A capture on both sides then has two SYNs with two ISNs; neither is a retransmission or another attempt.  Two packets
are identified as one by the fields that a firewall leaves unchanged: IP ID, TSval, options (except the MSS, which it
may clamp), and a TTL that is equal or a few hops lower.  A client that really tries again takes at least some
milliseconds, and has another IP ID and TSval.

The difference of an endpoint's two ISNs is added to everything seen at the second capture point, which makes it a copy
of what was seen at the first; each segment has at most one.  A segment's capture point is the one where its numbers
fit.
"""

from typing import Any

from handshake_inspect.tcp import answering, copies, incarnations, rows, rtt
from handshake_inspect.tcp.facts import (
    FACT_ACKED,
    FACT_RENUMBERED,
    FACT_RST,
    FACT_SYN,
    FACT_SYNACK,
    MIX_ACK,
    MIX_REST,
    MIX_SEQ,
    TRAIT_ACKS,
    TRAIT_ISS,
    TRAIT_SEEN,
)
from handshake_inspect.wire import seqspace
from handshake_inspect.wire.const import (
    ACK,
    FIN,
    KIND_TCP,
    MASK32,
    MASK64,
    NOTE_CONTINUED,
    OPT_MSS,
    OPT_SACK,
    OPT_SACK_PERMITTED,
    OPT_TIMESTAMPS,
    OPT_WINDOW_SCALE,
    RST,
    SYN,
)

TWIN_NS = 20_000_000  # a firewall is much faster, but the clocks of two capture points may differ
TWIN_US = 20_000
UNMARKED_NS = 2_000_000  # if only time can identify them
PRINT_US = 100_000  # below any retransmission timer except TLP, which the fingerprints distinguish
HOPS = 8  # maximum between the capture points
NEAR = 1 << 20  # a clock-based ISN (RFC 6528) advances by less in this time
KEPT_OPTIONS = OPT_WINDOW_SCALE | OPT_SACK_PERMITTED | OPT_TIMESTAMPS
PRINTS = 16  # segments of an endpoint between the capture points; more are recognised by IP ID or TSval, as copies

# Evidence that two packets are the same.
AGAINST = -1
NOTHING = 0  # neither for nor against
LIKELY = 1
PROVED = 2


def likeness(segment: Any, ip_id: int, ttl: int, tsval: int, options: int, window_scale: int, age_ns: int) -> int:
    """Return the evidence (AGAINST … PROVED) that a SYN or SYN-ACK is the packet with these fields, except numbers."""
    if not -TWIN_NS <= age_ns <= TWIN_NS:
        return AGAINST
    if (segment.options ^ options) & KEPT_OPTIONS or segment.window_scale != window_scale:
        return AGAINST
    stamped = options & OPT_TIMESTAMPS != 0
    if stamped and segment.tsval != tsval:
        return AGAINST
    step = segment.ttl - ttl
    if step > HOPS or step < -HOPS:
        return AGAINST
    marked = ip_id != 0 and segment.ip_id == ip_id
    if not options & OPT_MSS:  # not from a TCP stack: tools may use one IP ID for all packets
        return PROVED if marked and step else AGAINST
    if marked or (step and stamped):
        return PROVED
    if step:
        return LIKELY
    if ip_id or segment.ip_id:
        return AGAINST
    return LIKELY if stamped else NOTHING


def is_twin(embryo: Any, segment: Any) -> bool:
    """Return True if a SYN with another ISN is the embryo's packet, captured at another point."""
    sign = likeness(
        segment,
        embryo.ip_id,
        embryo.ttl,
        embryo.tsval,
        embryo.options,
        embryo.window_scale,
        segment.ts_ns - embryo.first_ns,
    )
    return sign == PROVED or (sign >= NOTHING and is_no_clock(segment, embryo.iss, embryo.ttl))


def is_no_clock(segment: Any, iss: int, ttl: int) -> bool:
    """Return True if two ISNs are too far apart, or the TTLs differ, for one host to have chosen them in succession."""
    return segment.ttl != ttl or distance(segment.seq, 0, iss) > NEAR


# -- learning ------------------------------------------------------------------------------------------------------


def learn(table: Any, connection: Any, sender: Any, peer: Any, segment: Any, side: int) -> bool:
    """Learn an offset from a SYN or SYN-ACK that was captured before with another ISN; return False if it was not."""
    if connection.provisional and not segment.flags & ACK and learn_waiting(table, connection, peer, segment):
        return True
    if not sender.traits & TRAIT_ISS or segment.seq == sender.iss:
        return False
    if not segment.flags & ACK:
        return learn_syn(table, connection, sender, peer, segment, side)
    return learn_answer(table, connection, sender, peer, segment, side)


def begin(table: Any, connection: Any) -> bool:
    """Allocate a renumbering row for the connection; return False if none is free."""
    if not table.new_renumbering(connection):
        return False
    connection.facts |= FACT_RENUMBERED
    connection.quick = 0
    return True


def row_of(table: Any, connection: Any) -> Any:
    """Return the renumbering row of a connection with FACT_RENUMBERED."""
    number = rows.retries_at(table.retries, connection.retries - 1).renumbering
    return rows.renumbering_at(table.renumberings, number - 1)


def learn_syn(table: Any, connection: Any, client: Any, server: Any, segment: Any, side: int) -> bool:
    """Learn the client's offset from its SYN at the other capture point."""
    if side != connection.client or not connection.facts & FACT_SYN or is_series(table, connection, segment):
        return False
    if connection.facts & FACT_RENUMBERED and row_of(table, connection).offset[2 * side + 1]:
        return False
    newest = connection.syn_count > 1
    sign = likeness(
        segment,
        client.ip_id if newest else client.syn_ip_id,
        client.syn_ttl,
        client.tsval if newest else client.syn_tsval,
        client.options,
        client.window_scale,
        segment.ts_ns - rtt.syn_time(table, connection, connection.syn_count - 1),
    )
    if sign < NOTHING:
        return False
    if sign < PROVED and (server.traits & TRAIT_SEEN or not is_no_clock(segment, client.iss, client.syn_ttl)):
        return False
    if not begin(table, connection):
        return False
    row = row_of(table, connection)
    row.offset[2 * side + 1] = (client.iss - segment.seq) & MASK32
    segment.seq = client.iss
    return True


def is_series(table: Any, connection: Any, segment: Any) -> bool:
    """Return True if SYNs with ever new ISNs follow each other, as in a flood or a test, not at a firewall."""
    if not connection.previous:
        return False
    before = rows.connection_at(table.connections, connection.previous - 1)
    return before.facts & (FACT_SYNACK | FACT_ACKED | FACT_RST) == 0 and segment.ts_ns - before.last_ns <= TWIN_NS


def learn_answer(table: Any, connection: Any, server: Any, client: Any, segment: Any, side: int) -> bool:
    """Learn the server's offset from its SYN-ACK at the other capture point."""
    if side == connection.client or not connection.facts & FACT_SYNACK:
        return False
    if not answering.answers(connection, client, segment.ack):
        return False
    newest = connection.synack_count > 1
    sign = likeness(
        segment,
        server.ip_id if newest else server.syn_ip_id,
        server.syn_ttl,
        server.tsval if newest else server.syn_tsval,
        server.options,
        server.window_scale,
        segment.ts_ns - connection.last_synack_ns,
    )
    if connection.facts & FACT_RENUMBERED and row_of(table, connection).offset[2 * connection.client + 1]:
        point = row_of(table, connection).point
        if sign == AGAINST or point == row_of(table, connection).synack_point:
            return False  # another host's answer, at the same point
        if row_of(table, connection).offset[2 * side + point]:
            return False
    else:
        # Two hosts with one address look the same, except that here the SYN was captured twice.
        if not client.duplicates or server.duplicates or sign < what_two_hosts_lack(table, connection, server, segment):
            return False
        point = 1
    if not begin(table, connection):
        return False
    row = row_of(table, connection)
    row.offset[2 * side + point] = (server.iss - segment.seq) & MASK32
    segment.seq = server.iss
    return True


def refute(table: Any, connection: Any, side: int) -> None:
    """Withdraw the offset of `side`, whose first SYN-ACK reached the second point unchanged: it is not rewritten.

    The SYN-ACK with another ISN that was taken for a copy came from another host.
    """
    row = row_of(table, connection)
    if side != connection.client and not row.point and not row.offset[2 * connection.client + 1]:
        connection.facts &= ~FACT_RENUMBERED & MASK64
        row.offset[2 * side + 1] = 0


def what_two_hosts_lack(table: Any, connection: Any, server: Any, segment: Any) -> int:
    """Return the evidence required to take a SYN-ACK as captured twice if the client's numbers are not rewritten.

    That is NOTHING if it follows at once, or as late as the SYN's copy did.
    """
    age_ns = segment.ts_ns - connection.last_synack_ns
    apart_us = copies.distance_us(table, connection, connection.client)
    in_time = -UNMARKED_NS <= age_ns <= UNMARKED_NS or (apart_us > 0 and copies.is_as_late(age_ns // 1000, apart_us))
    return NOTHING if in_time and segment.window == server.syn_window else LIKELY


def learn_waiting(table: Any, connection: Any, peer: Any, segment: Any) -> bool:
    """Learn the offset from the copy of a provisional SYN at the other capture point."""
    embryo = rows.embryo_at(table.embryos, connection.provisional - 1)
    if segment.seq == embryo.iss or not incarnations.is_from_client(table, connection.provisional - 1, segment):
        return False
    if not is_twin(embryo, segment) or not begin(table, connection):
        return False
    row = row_of(table, connection)
    if row.iss != embryo.iss or row.other_iss != segment.seq:
        row.waiting = 0
    row.iss = embryo.iss
    row.other_iss = segment.seq
    row.answered = 0
    row.waiting += 1
    segment.seq = embryo.iss
    return True


def learn_midstream(table: Any, connection: Any, sender: Any, peer: Any, segment: Any, side: int) -> bool:
    """Learn the offsets from this segment and the one captured just before, if the capture lacks the handshake."""
    if not sender.traits & TRAIT_SEEN or not sender.traits & TRAIT_ACKS or segment.flags & (ACK | RST) != ACK:
        return False
    begun_at = (sender.snd_nxt - segment.payload_len - (segment.flags & FIN)) & MASK32
    if distance(segment.seq, 0, begun_at) <= NEAR and distance(segment.ack, 0, sender.last_ack) <= NEAR:
        return False
    last_us = sender.recent_us[(sender.recent_at - 1) & 3]
    age_us = seqspace.seq_diff((segment.ts_ns // 1000) & MASK32, last_us)
    if not -TWIN_US <= age_us <= TWIN_US or (segment.options & OPT_TIMESTAMPS and segment.tsval != sender.tsval):
        return False
    marked = segment.ip_id != 0 and segment.ip_id == sender.ip_id
    stepped = segment.ttl != sender.ttl and segment.options & OPT_TIMESTAMPS != 0
    if not (marked or stepped) or not begin(table, connection):
        return False
    row = row_of(table, connection)
    row.offset[2 * side + 1] = (begun_at - segment.seq) & MASK32
    row.offset[2 * (side ^ 1) + 1] = (sender.last_ack - segment.ack) & MASK32
    return True


def learn_proxy(table: Any, connection: Any, server: Any, segment: Any) -> None:
    """Learn the offset of a SYN proxy: the client acknowledges both the server's ISN and the proxy's.

    From then on the proxy rewrites the server's sequence numbers.
    """
    if not begin(table, connection):
        return
    row = row_of(table, connection)
    row.offset[2 * (connection.client ^ 1) + 1] = (server.iss - connection.alternate_iss) & MASK32
    row.point = 1
    segment.ack = (server.iss + 1) & MASK32


def hand_on(table: Any, i: int, side: int, j: int, segment: Any) -> None:
    """Move the offset of a provisional SYN from connection `i` (sent by `side`) to connection `j`, which it begins.

    `segment` answers or repeats that SYN.
    """
    row = row_of(table, rows.connection_at(table.connections, i))
    connection = rows.connection_at(table.connections, j)
    client = rows.endpoint_at(table.endpoints, 2 * j)
    if not row.waiting or client.iss != row.iss or not begin(table, connection):
        return
    row_of(table, connection).offset[1] = (row.iss - row.other_iss) & MASK32
    old = rows.endpoint_at(table.endpoints, 2 * i + side)
    old.frames -= row.waiting
    old.duplicates -= row.waiting
    client.frames += row.waiting
    client.duplicates += row.waiting
    row.waiting = 0
    if row.answered:
        segment.ack = (row.other_iss + 1) & MASK32


# -- applying the offsets ------------------------------------------------------------------------------------------


def restore(table: Any, connection: Any, sender: Any, peer: Any, segment: Any, side: int) -> bool:
    """Change a segment's numbers to those at the first capture point; return True if the other point had it already."""
    row = row_of(table, connection)
    if row.waiting and segment.flags & ACK and segment.flags & (SYN | RST):
        row.answered = segment.ack == (row.other_iss + 1) & MASK32
        if row.answered:
            segment.ack = (row.iss + 1) & MASK32
            return False
    row.point = whereabouts(connection, row, sender, peer, segment, side)
    own = row.offset[2 * side + row.point]
    others = row.offset[2 * (side ^ 1) + row.point]
    segment.seq = (segment.seq + own) & MASK32
    if segment.flags & ACK:
        segment.ack = (segment.ack + others) & MASK32
    if segment.options & OPT_SACK and is_nearer(segment.sack_left, others, peer.snd_nxt):
        segment.sack_left = (segment.sack_left + others) & MASK32
        segment.sack_right = (segment.sack_right + others) & MASK32
    if segment.flags & SYN and segment.flags & ACK and not connection.facts & FACT_SYNACK:
        row.synack_point = row.point
    if segment.kind != KIND_TCP or segment.notes & NOTE_CONTINUED:
        return False
    return was_seen(row, segment, side)


def whereabouts(connection: Any, row: Any, sender: Any, peer: Any, segment: Any, side: int) -> int:
    """Return the capture point (0 or 1) of a segment: the one where its numbers follow the previous ones."""
    one = 2 * side
    other = 2 * (side ^ 1)
    if segment.flags & SYN:
        if not segment.flags & ACK:
            return segment.seq != sender.iss and ((segment.seq + row.offset[one + 1]) & MASK32) == sender.iss
        if row.offset[other + 1]:
            return answering.answers(connection, peer, (segment.ack + row.offset[other + 1]) & MASK32)
        return segment.seq != sender.iss and ((segment.seq + row.offset[one + 1]) & MASK32) == sender.iss
    near = 0
    far = 0
    if row.offset[one] != row.offset[one + 1]:
        near += distance(segment.seq, row.offset[one], sender.snd_nxt)
        far += distance(segment.seq, row.offset[one + 1], sender.snd_nxt)
    if segment.flags & ACK and row.offset[other] != row.offset[other + 1]:
        near += distance(segment.ack, row.offset[other], peer.snd_nxt)
        far += distance(segment.ack, row.offset[other + 1], peer.snd_nxt)
    return far < near


def distance(seq: int, offset: int, to: int) -> int:
    """Return the absolute distance of `seq + offset` from `to`."""
    gap = seqspace.seq_diff((seq + offset) & MASK32, to)
    return -gap if gap < 0 else gap


def is_nearer(seq: int, offset: int, to: int) -> bool:
    """Return True if a number fits better with the offset; some firewalls do not rewrite SACK blocks."""
    return distance(seq, offset, to) < distance(seq, 0, to)


def was_seen(row: Any, segment: Any, side: int) -> bool:
    """Return True, once per captured segment, if the other point had this segment; otherwise remember it."""
    now = (segment.ts_ns // 1000) & MASK32
    wanted = mark(segment)
    for place in range(PRINTS * side, PRINTS * side + PRINTS):
        if row.points[place] == 2 - row.point and row.prints[place] == wanted:
            age = seqspace.seq_diff(now, row.prints_us[place])
            if -PRINT_US <= age <= PRINT_US:
                row.points[place] = 0
                return True
    place = PRINTS * side + (row.at[side] & (PRINTS - 1))
    row.at[side] = (row.at[side] + 1) & (PRINTS - 1)
    row.prints[place] = wanted
    row.prints_us[place] = now
    row.points[place] = row.point + 1
    return False


def mark(segment: Any) -> int:
    """Return a 32-bit fingerprint that is the same at both capture points, once the numbers are restored.

    It excludes IP ID, window and timestamps, which some firewalls change, too.
    """
    mixed = (segment.seq * MIX_SEQ + segment.ack * MIX_ACK) & MASK32
    mixed = ((mixed ^ mixed >> 15) * MIX_REST + (segment.flags & 0x3F)) & MASK32
    return ((mixed ^ mixed >> 15) * MIX_REST + segment.payload_len) & MASK32
