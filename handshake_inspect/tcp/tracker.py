"""Assign every segment to its connection and update it: a fast path for plain traffic, a full path for the rest."""

from typing import Any

from handshake_inspect.decode import payload
from handshake_inspect.decode import segment as seg
from handshake_inspect.tcp import (
    aftermath,
    answering,
    arrival,
    copies,
    endpoint,
    icmp_errors,
    incarnations,
    opening,
    order,
    renumbering,
    rows,
    wireshark,
    zeek,
)
from handshake_inspect.tcp.checksums import Checksums
from handshake_inspect.tcp.facts import (
    CHECK_GOOD,
    EMBRYO,
    EMBRYO_GIVEN_UP,
    EMBRYO_SUCCESSOR,
    EMBRYO_WAITING,
    FACT_ACKED,
    FACT_BAD_CHECKSUM,
    FACT_BLIND_SYN,
    FACT_CHALLENGE_ACK,
    FACT_CLIENT_DATA,
    FACT_MIDSTREAM,
    FACT_PORT_REUSED,
    FACT_REBUFFED,
    FACT_RENUMBERED,
    FACT_REPLACED,
    FACT_RST,
    FACT_RST_IGNORED,
    FACT_SERVER_DATA,
    FACT_SERVER_PROVED,
    FACT_SYNACK_AFTER_ACK,
    FACT_TTL_TWIN,
    FACT_UNANSWERED,
    FACT_UNTIMED,
    NEW_INCARNATION,
    NUMBER,
    OPENED,
    OURS,
    PAUSE_NS,
    SPOKEN,
    SUCCESSOR,
    TRAIT_HOLE,
    TRAIT_SEEN,
    UNUSUAL,
    ZEEK_ESTABLISHED,
    ZEEK_WROTE_A,
    ZEEK_WROTE_D,
)
from handshake_inspect.tcp.limits import AHEAD, EARLY, REUSE_NS
from handshake_inspect.tcp.setup import exchange, setup_rows
from handshake_inspect.tcp.setup.facts import QUICK, READ_OVER
from handshake_inspect.tcp.setup.focus import Focus
from handshake_inspect.tcp.table import Table
from handshake_inspect.tcp.transitions import ESTABLISHED
from handshake_inspect.wire import seqspace
from handshake_inspect.wire.const import (
    ACK,
    FIN,
    KIND_ICMP_ERROR,
    MASK32,
    NOTE_BAD_CHECKSUM,
    NOTE_BAD_IP_CHECKSUM,
    NOTE_CHECKSUM_GOOD,
    NOTE_CONTINUED,
    NOTE_NOT_PLAIN,
    NOTE_UNTIMED,
    OPT_SACK,
    OPT_TIMESTAMPS,
    RST,
    SYN,
)


class Tracker:
    """Tracks the connections of one trace, segment by segment."""

    def __init__(self, limit: int) -> None:
        """Create a tracker whose table has at most `limit` rows of each kind."""
        self.table = Table(limit)
        self.focus = Focus(self.table)
        self.reads = True  # whether connection set-up (TLS, plain text) is parsed
        self.scratch = seg.segments(1)
        self.recalled = seg.segments_of(self.scratch)
        self.owners = payload.owners_of(self.scratch)  # payload buffers of the records being tracked, set by the pump
        self.stray_icmp = 0  # errors that quote a segment of no known connection
        self.checksums = Checksums()

    def track_all(self, records: Any, first: int, count: int) -> int:
        """Track `count` records, starting at `first`.

        Rows are prefetched while earlier segments are tracked: those of thousands of connections exceed the CPU caches.
        """
        end = first + count
        for at in range(first, min(first + 2 * AHEAD, end)):
            self.table.expect(seg.segment_at(records, at))
        for at in range(first, min(first + AHEAD, end)):
            self.table.fetch(seg.segment_at(records, at))
        for at in range(first, end):
            if at + 2 * AHEAD < end:
                self.table.expect(seg.segment_at(records, at + 2 * AHEAD))
            if at + AHEAD < end:
                self.table.fetch(seg.segment_at(records, at + AHEAD))
            self.track(seg.segment_at(records, at))
        return 0

    def track(self, segment: Any) -> int:
        """Track one segment, or an ICMP error that quotes one."""
        reference = self.table.find(segment)
        if reference == 0 or reference & EMBRYO or segment.kind == KIND_ICMP_ERROR:
            return self.slow_path(segment, reference)
        i = reference - 1
        connection = rows.connection_at(self.table.connections, i)
        side = self.side_of(connection, segment)
        if connection.quick & QUICK and self.fast_path(connection, i, side, segment):
            return 0
        return self.follow(i, side, segment)

    def side_of(self, connection: Any, segment: Any) -> int:
        """Return the side (0 or 1) that sent the segment."""
        if (
            segment.src_port == connection.port0
            and segment.src_lo == connection.lo0
            and segment.src_hi == connection.hi0
        ):
            return 0
        return 1

    def fast_path(self, connection: Any, i: int, side: int, segment: Any) -> bool:
        """Count plain in-order data or a plain new ACK between synchronized endpoints; return False for all else."""
        sender = rows.endpoint_at(self.table.endpoints, 2 * i + side)
        peer = rows.endpoint_at(self.table.endpoints, 2 * i + (side ^ 1))
        if (
            segment.flags & (ACK | SYN | FIN | RST) != ACK
            or segment.seq != sender.snd_nxt
            or segment.window == 0
            or (sender.traits | peer.traits) & TRAIT_HOLE
            or segment.notes & NOTE_NOT_PLAIN
            or segment.ts_ns - connection.last_ns >= PAUSE_NS
        ):
            return False
        news = (segment.ack - sender.last_ack) & MASK32
        if news > ((peer.snd_nxt - sender.last_ack) & MASK32):
            return False
        if segment.payload_len == 0 and news == 0:
            return False
        wrote = ZEEK_WROTE_D if segment.payload_len else ZEEK_WROTE_A
        if not sender.zeek_letters & wrote and not self.begin_fast_path(connection, i, sender, peer, side, segment):
            return False
        if segment.payload_len:
            if segment.payload_len > sender.largest:
                aftermath.grow(self.table, i, sender, peer, segment, side)
            sender.bytes += segment.payload_len
            sender.snd_nxt = (segment.seq + segment.payload_len) & MASK32
            sender.contiguous = sender.snd_nxt
        sender.last_ack = segment.ack
        sender.frames += 1
        sender.window = segment.window << sender.shift
        endpoint.note_plain(sender, segment)
        connection.last_ns = max(connection.last_ns, segment.ts_ns)
        if not connection.quick & READ_OVER and self.reads:
            exchange.observe(self.focus, self.owners, self.table, i, connection, sender, peer, side, segment)
        return True

    def begin_fast_path(self, connection: Any, i: int, sender: Any, peer: Any, side: int, segment: Any) -> bool:
        """Record the first data or first bare ACK of an endpoint, also for Zeek's history.

        Returns False if it may mean more and needs the full path (`follow`).
        """
        if (
            connection.facts & UNUSUAL
            or connection.aftermath
            or connection.provisional
            or (sender.checks | peer.checks) > CHECK_GOOD
            or sender.traits & peer.traits & OPENED != OPENED
            or sender.hole_start != sender.hole_end
            or peer.hole_start != peer.hole_end
            or segment.options & OPT_SACK
            or (segment.options & OPT_TIMESTAMPS and seqspace.seq_lt(segment.tsval, sender.tsval))
        ):
            return False
        wireshark.complete(connection, segment)
        self.table.holds_plain = True
        self.table.holds_bare |= segment.payload_len == 0
        if segment.notes & NOTE_CHECKSUM_GOOD:
            self.checksums.note_good(sender, segment)
        zeek.observe(rows.alias_at(self.table.aliases, i), sender, peer, segment, side)
        by_client = side == connection.client
        if not by_client:
            connection.facts |= FACT_SERVER_PROVED
        if segment.payload_len:
            connection.facts |= FACT_CLIENT_DATA if by_client else FACT_SERVER_DATA
        return True

    # -- the full path ---------------------------------------------------------------------------------------

    def slow_path(self, segment: Any, reference: int) -> int:
        """Track a segment whose 4-tuple is new or has only an embryo (a lone SYN), or an ICMP error."""
        if segment.kind == KIND_ICMP_ERROR:
            if reference == 0:
                self.stray_icmp += 1
                return 0
            i = self.promote(reference, segment) if reference & EMBRYO else reference - 1
            return self.on_error(i, segment)
        plain_syn = segment.flags & (SYN | ACK | FIN | RST) == SYN and segment.payload_len == 0
        if reference == 0:
            if segment.notes & NOTE_CONTINUED:
                return 0
            if plain_syn and not segment.notes & (NOTE_BAD_CHECKSUM | NOTE_UNTIMED):
                return self.new_request(segment)
            i = self.table.new_connection(segment)
            self.table.name(segment, i + 1)
            return self.follow(i, 0, segment)
        number = (reference & NUMBER) - 1
        embryo = rows.embryo_at(self.table.embryos, number)
        another = plain_syn and segment.seq != embryo.iss and incarnations.is_from_client(self.table, number, segment)
        if another and not renumbering.is_twin(embryo, segment):
            self.table.put_state(number, EMBRYO_GIVEN_UP)
            return self.new_request(segment)
        i = self.promote(reference, segment)
        return self.follow(i, self.side_of(rows.connection_at(self.table.connections, i), segment), segment)

    def on_error(self, i: int, segment: Any) -> int:
        """Process an ICMP error that quotes a segment of connection `i`."""
        connection = rows.connection_at(self.table.connections, i)
        side = self.side_of(connection, segment)
        quoted = rows.endpoint_at(self.table.endpoints, 2 * i + side)
        peer = rows.endpoint_at(self.table.endpoints, 2 * i + (side ^ 1))
        if connection.facts & FACT_RENUMBERED:
            renumbering.restore(self.table, connection, quoted, peer, segment, side)
        icmp_errors.on_error(self.table, connection, quoted, peer, segment, side)
        self.settle(connection, quoted, peer)
        return 0

    def new_request(self, segment: Any) -> int:
        """Create an embryo for a SYN and point the index to it."""
        i = self.table.new_embryo(segment, EMBRYO_WAITING)
        self.table.name(segment, EMBRYO | (i + 1))
        return 0

    def promote(self, reference: int, segment: Any) -> int:
        """Turn an embryo into a connection because `segment` followed; return the connection's row number."""
        number = (reference & NUMBER) - 1
        recalled = seg.segment_at(self.recalled, 0)
        self.table.recall(number, recalled)
        self.table.free(number)
        return self.begin_recalled(segment)

    def begin_recalled(self, segment: Any) -> int:
        """Create a connection from the SYN in `recalled`, with the 4-tuple of `segment`; return its row number."""
        recalled = seg.segment_at(self.recalled, 0)
        recalled.flags = SYN
        recalled.hash = segment.hash
        i = self.table.new_connection(recalled)
        self.table.name(segment, i + 1)
        self.follow(i, 0, recalled)
        return i

    def follow(self, i: int, side: int, segment: Any) -> int:
        """Process one segment of connection `i` on the full path."""
        connection = rows.connection_at(self.table.connections, i)
        sender = rows.endpoint_at(self.table.endpoints, 2 * i + side)
        peer = rows.endpoint_at(self.table.endpoints, 2 * i + (side ^ 1))
        alias = rows.alias_at(self.table.aliases, i)
        if not connection.quick & READ_OVER:
            setup_rows.prefetch_exchange(self.table.setups.exchanges, i)
        before_ns = connection.last_ns
        connection.last_ns = max(before_ns, segment.ts_ns)
        seen = False
        if connection.facts & FACT_RENUMBERED:
            seen = renumbering.restore(self.table, connection, sender, peer, segment, side)
        if segment.notes & NOTE_CONTINUED:
            order.lengthen(self.table, connection, sender, peer, segment, side)
            return 0
        self.tally(connection, sender, segment)
        if segment.notes & NOTE_BAD_CHECKSUM and self.is_corrupt(connection, sender, alias, segment, side):
            return 0
        if segment.notes & NOTE_CHECKSUM_GOOD:
            self.checksums.note_good(sender, segment)
        print_of = endpoint.fingerprint(segment)
        copy = self.is_copy(connection, sender, peer, segment, side, print_of, seen)
        zeek.observe(alias, sender, peer, segment, side)
        if copy:
            sender.duplicates += 1
            if copies.note_twin(sender, segment):
                connection.facts |= FACT_TTL_TWIN
            else:
                copies.note_distance(self.table, connection, sender, segment, side, print_of)
            return 0
        sender.bytes += segment.payload_len
        if not segment.flags & SYN:
            aftermath.observe(self.table, i, connection, sender, peer, segment, side, before_ns)
        verdict = OURS
        stamped = True
        if segment.flags & RST:
            verdict = arrival.on_rst(self.table, connection, sender, peer, segment, side)
        elif segment.flags & SYN:
            verdict = arrival.on_syn(self.table, connection, sender, peer, segment, side)
            stamped = answering.has_isn(sender, segment)
        else:
            stamped = arrival.on_segment(self.table, connection, sender, peer, segment, side)
        if verdict != OURS:
            return self.hand_over(i, side, segment, before_ns, verdict)
        if stamped:
            endpoint.note_marks(sender, segment)
        endpoint.remember(sender, segment, print_of)
        sender.traits |= TRAIT_SEEN
        if (
            not connection.quick & READ_OVER
            and (segment.payload_len or connection.facts & SPOKEN or connection.syn_payload)
            and self.reads
        ):
            exchange.observe(self.focus, self.owners, self.table, i, connection, sender, peer, side, segment)
        elif segment.payload_len > 1 and segment.seq == (sender.iss + 1) & MASK32 and self.reads:
            exchange.answer_again(self.focus, self.table, i, connection, sender, peer, side, segment)
        self.settle(connection, sender, peer)
        return 0

    def tally(self, connection: Any, sender: Any, segment: Any) -> None:
        """Count a segment; includes damaged ones and copies."""
        sender.frames += 1
        if segment.notes & NOTE_UNTIMED and not connection.facts & FACT_ACKED:
            connection.facts |= FACT_UNTIMED
        if not segment.flags & SYN:
            wireshark.complete(connection, segment)
            if not segment.flags & (FIN | RST):
                self.table.holds_plain = True
                self.table.holds_bare |= segment.payload_len == 0

    def is_corrupt(self, connection: Any, sender: Any, alias: Any, segment: Any, side: int) -> bool:
        """Return True if a segment with a wrong checksum was damaged in transit: its contents are ignored."""
        if not self.checksums.is_corrupt(sender, segment):
            return False
        connection.facts |= FACT_BAD_CHECKSUM
        order.miss(self.table, connection, sender, segment, side)
        if not segment.notes & NOTE_BAD_IP_CHECKSUM:
            zeek.observe_bad_checksum(alias, side)
        return True

    def is_copy(
        self, connection: Any, sender: Any, peer: Any, segment: Any, side: int, print_of: int, seen: bool
    ) -> bool:
        """Return True if the segment was captured before: unchanged, or (`seen`) with other sequence numbers."""
        if segment.flags & SYN and not seen:
            seen = renumbering.learn(self.table, connection, sender, peer, segment, side)
        elif connection.facts & (FACT_MIDSTREAM | FACT_RENUMBERED) == FACT_MIDSTREAM and sender.frames <= EARLY:
            seen = renumbering.learn_midstream(self.table, connection, sender, peer, segment, side)
        if seen:
            return True
        equal = (
            copies.is_copy(self.table, connection, sender, peer, segment, side, print_of)
            and not answering.is_resent(self.table, connection, segment)
            and not opening.is_replayed(self.table, connection, sender, peer, segment)
            and not answering.answers_provisional(self.table, connection, segment)
        )
        if equal and segment.flags & SYN and connection.facts & FACT_RENUMBERED:
            renumbering.refute(self.table, connection, side)
        return equal

    def hand_over(self, i: int, side: int, segment: Any, before_ns: int, verdict: int) -> int:
        """Undo the counting on connection `i` of a segment that belongs to another incarnation, and assign it there."""
        connection = rows.connection_at(self.table.connections, i)
        sender = rows.endpoint_at(self.table.endpoints, 2 * i + side)
        connection.last_ns = before_ns
        sender.frames -= 1
        sender.bytes -= segment.payload_len
        if verdict == SUCCESSOR:
            incarnations.keep_provisional(self.table, connection, segment, EMBRYO_SUCCESSOR)
            return 0
        return self.restart(i, segment, verdict)

    def settle(self, connection: Any, sender: Any, peer: Any) -> None:
        """Update `quick`: whether the fast path may handle the connection's next segments."""
        facts = connection.facts
        over = connection.quick & READ_OVER
        ready = (
            sender.state == ESTABLISHED
            and peer.state == ESTABLISHED
            and facts & (FACT_ACKED | FACT_MIDSTREAM) != 0
            and facts & (FACT_RST | FACT_RST_IGNORED | FACT_UNANSWERED | FACT_RENUMBERED) == 0
            and facts & (FACT_SYNACK_AFTER_ACK | FACT_SERVER_PROVED) != FACT_SYNACK_AFTER_ACK
            and (sender.traits & peer.traits & TRAIT_SEEN) != 0
            and sender.window != 0
            and peer.window != 0
            and (sender.zeek_letters & peer.zeek_letters & ZEEK_ESTABLISHED) != 0
        )
        connection.quick = over | ready * QUICK

    def restart(self, i: int, segment: Any, verdict: int) -> int:
        """Start another incarnation of connection `i`'s 4-tuple, with this SYN or with the provisional one."""
        old = rows.connection_at(self.table.connections, i)
        last_ns = old.last_ns
        old.facts |= FACT_REPLACED
        recalled = seg.segment_at(self.recalled, 0)
        if incarnations.recall_provisional(self.table, i, self.side_of(old, segment), segment, recalled, verdict):
            j = self.begin_recalled(segment)
            client = rows.endpoint_at(self.table.endpoints, 2 * i + self.side_of(old, recalled))
            while incarnations.recall_copy(self.table, old, client, recalled):
                self.follow(j, 0, recalled)
            if old.facts & FACT_RENUMBERED:
                renumbering.hand_on(self.table, i, self.side_of(old, recalled), j, segment)
            if verdict == NEW_INCARNATION and old.facts & (FACT_CHALLENGE_ACK | FACT_BLIND_SYN) == FACT_CHALLENGE_ACK:
                rows.connection_at(self.table.connections, j).facts |= FACT_CHALLENGE_ACK | FACT_REBUFFED
        else:
            j = self.table.new_connection(segment)
            self.table.name(segment, j + 1)
        connection = rows.connection_at(self.table.connections, j)
        connection.previous = i + 1
        if connection.first_ns - last_ns < REUSE_NS:
            connection.facts |= FACT_PORT_REUSED
        return self.follow(j, self.side_of(connection, segment), segment)
