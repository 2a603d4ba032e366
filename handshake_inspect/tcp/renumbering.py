"""One connection captured before and behind a firewall that rewrites its sequence numbers.

Cisco's ASA and PIX give every connection that they let out another ISN, pf does with `modulate state`; so do some
load balancers.  A capture that has the packet on both sides of it has two SYNs with two ISNs, of which none is a
retransmission and none an attempt of its own.  That two packets are one and the same, what a firewall leaves alone
says: IP ID, TSval, options (but for the MSS, which it may clamp), and a TTL that is the same or a few hops lower.  A
client that really tries again takes some milliseconds at the least, and another IP ID and TSval.

The distance between both ISNs of an end is added to whatever is seen at the second point, so that all of it is copies
of what the first one had, which each segment has at most once.  A segment was captured at that point where its numbers
make sense.
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

TWIN_NS = 20_000_000  # a firewall is faster by far, but the clocks of two capture points may differ
TWIN_US = 20_000
UNMARKED_NS = 2_000_000  # if only time distinguishes them
PRINT_US = 100_000  # no stack repeats a segment sooner but for a loss probe, which the prints distinguish
HOPS = 8  # between both points
NEAR = 1 << 20  # an ISN made of a clock (RFC 6528) goes no further in such a time
KEPT_OPTIONS = OPT_WINDOW_SCALE | OPT_SACK_PERMITTED | OPT_TIMESTAMPS
PRINTS = 16  # segments of an end between both points at once; more are recognised by IP ID or TSval, as copies are

AGAINST = -1
NOTHING = 0  # but nothing against it either
LIKELY = 1
PROVED = 2


def likeness(segment: Any, ip_id: int, ttl: int, tsval: int, options: int, window_scale: int, age_ns: int) -> int:
    """How sure it is that a SYN or SYN-ACK is the packet that these marks are of, whatever its numbers are."""
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
    if not options & OPT_MSS:  # of no stack: a tool may use one IP ID for all it sends
        return PROVED if marked and step else AGAINST
    if marked or (step and stamped):
        return PROVED
    if step:
        return LIKELY
    if ip_id or segment.ip_id:
        return AGAINST
    return LIKELY if stamped else NOTHING


def is_twin(embryo: Any, segment: Any) -> bool:
    """Whether a SYN with another ISN is the very packet of an embryo, captured at another point."""
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
    """Whether two ISNs are so far apart, or two TTLs differ, that no host chose both one after the other."""
    return segment.ttl != ttl or distance(segment.seq, 0, iss) > NEAR


# -- learning ------------------------------------------------------------------------------------------------------


def learn(table: Any, connection: Any, sender: Any, peer: Any, segment: Any, side: int) -> bool:
    """Take a SYN or SYN-ACK for a packet that was captured before, with another ISN; False where it is another one."""
    if connection.provisional and not segment.flags & ACK and learn_waiting(table, connection, peer, segment):
        return True
    if not sender.traits & TRAIT_ISS or segment.seq == sender.iss:
        return False
    if not segment.flags & ACK:
        return learn_syn(table, connection, sender, peer, segment, side)
    return learn_answer(table, connection, sender, peer, segment, side)


def begin(table: Any, connection: Any) -> bool:
    """A row for a connection whose numbers are rewritten; False where there is no room."""
    if not table.new_renumbering(connection):
        return False
    connection.facts |= FACT_RENUMBERED
    connection.quick = 0
    return True


def row_of(table: Any, connection: Any) -> Any:
    """The row of a connection that has FACT_RENUMBERED."""
    number = rows.retries_at(table.retries, connection.retries - 1).renumbering
    return rows.renumbering_at(table.renumberings, number - 1)


def learn_syn(table: Any, connection: Any, client: Any, server: Any, segment: Any, side: int) -> bool:
    """The SYN at the other point."""
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
    """Whether SYN follows SYN with ever another ISN: of no firewall, but of a flood or a test."""
    if not connection.previous:
        return False
    before = rows.connection_at(table.connections, connection.previous - 1)
    return before.facts & (FACT_SYNACK | FACT_ACKED | FACT_RST) == 0 and segment.ts_ns - before.last_ns <= TWIN_NS


def learn_answer(table: Any, connection: Any, server: Any, client: Any, segment: Any, side: int) -> bool:
    """The SYN-ACK at the other point, where the firewall rewrites what the server sends."""
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
        # Two hosts that own one address look the same, but for the SYN: that was captured twice.
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
    """The first SYN-ACK of `side` came to the second point as it was at the first: nothing rewrites it in between.

    What passed for the same SYN-ACK with another ISN is the answer of another host, and will come again as well.
    """
    row = row_of(table, connection)
    if side != connection.client and not row.point and not row.offset[2 * connection.client + 1]:
        connection.facts &= ~FACT_RENUMBERED & MASK64
        row.offset[2 * side + 1] = 0


def what_two_hosts_lack(table: Any, connection: Any, server: Any, segment: Any) -> int:
    """The least that has to speak for one SYN-ACK at two points, where the client's numbers do not.

    Nothing, if it comes at once, or as late as the SYN came to the other point.
    """
    age_ns = segment.ts_ns - connection.last_synack_ns
    apart_us = copies.distance_us(table, connection, connection.client)
    in_time = -UNMARKED_NS <= age_ns <= UNMARKED_NS or (apart_us > 0 and copies.is_as_late(age_ns // 1000, apart_us))
    return NOTHING if in_time and segment.window == server.syn_window else LIKELY


def learn_waiting(table: Any, connection: Any, peer: Any, segment: Any) -> bool:
    """The SYN at the other point, where it waits to begin another incarnation."""
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
    """Learn the offset from the segment captured just before this one, where the capture lacks the handshake."""
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
    """The client acknowledges another ISN as well as the server's: a SYN proxy gave one of them in the server's name.

    From then on it rewrites what the server sends.
    """
    if not begin(table, connection):
        return
    row = row_of(table, connection)
    row.offset[2 * (connection.client ^ 1) + 1] = (server.iss - connection.alternate_iss) & MASK32
    row.point = 1
    segment.ack = (server.iss + 1) & MASK32


def hand_on(table: Any, i: int, side: int, j: int, segment: Any) -> None:
    """Connection `j` begins with the SYN that waited on `i`, whose `side` sent it; `segment` answers or repeats it."""
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


# -- what is known -------------------------------------------------------------------------------------------------


def restore(table: Any, connection: Any, sender: Any, peer: Any, segment: Any, side: int) -> bool:
    """Give a segment the numbers that it had, or has, at the first point; whether it was captured there already."""
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
    """The point where a segment was captured: the one that makes its numbers follow those before."""
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
    """How far a number is from another one, once it is restored."""
    gap = seqspace.seq_diff((seq + offset) & MASK32, to)
    return -gap if gap < 0 else gap


def is_nearer(seq: int, offset: int, to: int) -> bool:
    """Whether a number makes sense only if it is restored: some firewalls rewrite no SACK."""
    return distance(seq, offset, to) < distance(seq, 0, to)


def was_seen(row: Any, segment: Any, side: int) -> bool:
    """Whether the other point had this segment, each one for one: else it is kept until that has."""
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
    """32 bits that both captures of a segment share, once its numbers are restored.

    Not among them are IP ID, window and timestamps: some firewalls change them, too, and each segment is one for one.
    """
    mixed = (segment.seq * MIX_SEQ + segment.ack * MIX_ACK) & MASK32
    mixed = ((mixed ^ mixed >> 15) * MIX_REST + (segment.flags & 0x3F)) & MASK32
    return ((mixed ^ mixed >> 15) * MIX_REST + segment.payload_len) & MASK32
