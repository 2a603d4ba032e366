"""Assign UDP datagrams to QUIC connections, and record the milestones of their handshakes (RFC 9000 section 7).

A connection begins with a client's datagram of 1200 bytes or more that starts with an Initial of a known version.
Nothing is decrypted here.  Connections whose beginning is missing are not tracked: short headers do not identify them.
"""

from typing import Any

from handshake_inspect.quic import datagram, quic_rows
from handshake_inspect.quic.const import (
    EARLY_DATA,
    EDGES,
    FIXED,
    FLIGHT_NS,
    FORCED,
    FORCES,
    HANDSHAKE,
    INITIAL,
    LEAST_DCID,
    LEAST_INITIAL,
    LONG,
    NEGOTIATION,
    RETRIED,
    SHORT,
    SYSTEM_PORTS,
    UNKNOWN,
)
from handshake_inspect.quic.datagram import Datagram
from handshake_inspect.quic.quic_rows import (
    BURSTS,
    BY_SERVER,
    CLIENT_GONE,
    CLIENT_HANDSHAKE,
    CLIENT_SHORT,
    CUT,
    EARLY,
    ICMP_ERROR,
    INITIAL_AGAIN,
    NEGOTIATED,
    RETRY,
    SERVER_HANDSHAKE,
    SERVER_INITIAL,
    SERVER_SHORT,
    STALLS,
    TOKEN,
)
from handshake_inspect.quic.table import QuicTable
from handshake_inspect.tcp import row_memory, rows
from handshake_inspect.wire.const import MASK32, NOTE_SNAPPED

AGAIN_NS = 10_000_000  # an Initial this long after the last one is a retransmission; a large hello needs several
IDLE_NS = 30_000_000_000  # an Initial after this idle time begins another connection
BIT = 1
LARGEST = 1500  # maximum size of the datagram that the amplification limit prevented
LEAST_DATA = 60  # minimum size of a 1-RTT packet that may hold more than acknowledgments
MAX_LOGGED = 64  # logged datagrams per connection
MAX_CLIENT_KEPT = 4  # datagrams of the client kept for decryption
MAX_KEPT_EACH = 6  # datagrams of both sides, per connection


class QuicTracker:
    """Tracks the QUIC connections of a trace."""

    def __init__(self, limit: int) -> None:
        """`limit` is the maximum number of connections."""
        self.table = QuicTable(limit)
        self.datagram = Datagram()
        self.port_words = row_memory.reserve_words(1 << 10)  # bitmap of the UDP ports of servers with a connection
        self.ports = rows.words_of(self.port_words)
        self.cid_lengths = 0  # bitmap of the lengths of servers' connection IDs
        self.log_storage: Any = None
        self.log_limit = 0
        self.log_count = 0

    def keep_log(self, limit: int) -> None:
        """Log up to `limit` datagrams in total, and the first `MAX_LOGGED` of each connection."""
        self.log_storage = row_memory.reserve_rows(quic_rows.ROWS["Logged"], limit)
        self.log = quic_rows.logged_of(self.log_storage)
        self.log_limit = limit

    def take(self, segment: Any, data: Any, start: int, end: int) -> int:
        """Process a datagram with the captured payload `data[start:end]`; `payload_len` is its size on the wire."""
        if end <= start:
            return 0
        if not data[start] & LONG and not self.is_served(segment):
            return 0
        reference = self.table.find(segment)
        if reference == 0 and not data[start] & LONG:
            reference = self.find_moved(segment, data, start, end)
            if reference == 0:
                return 0
        wire_end = start + segment.payload_len
        kinds = self.datagram.read(data, start, end, wire_end)
        if reference == 0 or self.begins_again(reference - 1, segment, kinds, data):
            if not self.begins(segment, kinds):
                return 0
            reference = self.begin(segment)
        return self.follow(reference - 1, segment, data, start, end, kinds)

    def is_served(self, segment: Any) -> bool:
        """Return True if either port is that of a server with a connection."""
        return self.has_port(segment.dst_port) or self.has_port(segment.src_port)

    def has_port(self, port: int) -> bool:
        """Return True if there is a connection to a server on this port."""
        return self.ports[port >> 6] >> (port & 63) & 1 != 0

    def find_moved(self, segment: Any, data: Any, start: int, end: int) -> int:
        """Return 1 + the row of a migrated connection, found by its connection ID; 0 if there is none."""
        if not data[start] & FIXED:
            return 0
        for length in range(4, 21):
            if self.cid_lengths >> length & 1 and end - start > length:
                cid = datagram.hash_cid(data, start + 1, length)
                reference = self.table.find_cid(segment, cid, length)
                if reference:
                    self.table.moved(reference - 1, segment)
                    return reference
        return 0

    def begins(self, segment: Any, kinds: int) -> bool:
        """Return True if the datagram is the first of a client.

        Datagrams with Handshake or 1-RTT packets are not, nor are those of servers: they have a short destination ID,
        chosen by the client and often empty, or go from a system port to a higher one.
        """
        version = self.datagram.version
        if segment.payload_len < LEAST_INITIAL or not datagram.is_known(version):
            return False
        if version & FORCES == FORCED:
            return True
        if not kinds & INITIAL or kinds & (HANDSHAKE | SHORT) or self.datagram.dcid_len < LEAST_DCID:
            return False
        return not segment.src_port < SYSTEM_PORTS <= segment.dst_port

    def begins_again(self, i: int, segment: Any, kinds: int, data: Any) -> bool:
        """Return True if the datagram begins another connection on the 4-tuple of row `i`."""
        row = quic_rows.quic_at(self.table.quics, i)
        if not kinds & INITIAL or segment.payload_len < LEAST_INITIAL:
            return False
        if segment.dst_port != row.server_port or segment.dst_lo != row.server_lo:
            return False
        if segment.ts_ns - row.last_ns >= IDLE_NS:
            return True
        cid = datagram.hash_cid(data, self.datagram.dcid_at, self.datagram.dcid_len)
        return row.flags & CLIENT_SHORT != 0 and cid != row.server_cid

    def begin(self, segment: Any) -> int:
        """Create the row of a new connection; return 1 + its number."""
        i = self.table.new_row(segment)
        row = quic_rows.quic_at(self.table.quics, i)
        row.version = self.datagram.version
        if self.datagram.token_len:
            row.flags |= TOKEN
        self.ports[segment.dst_port >> 6] |= BIT << (segment.dst_port & 63)
        return i + 1

    def follow(self, i: int, segment: Any, data: Any, start: int, end: int, kinds: int) -> int:
        """Process a datagram of connection `i`."""
        row = quic_rows.quic_at(self.table.quics, i)
        row.last_ns = max(row.last_ns, segment.ts_ns)
        if kinds & UNKNOWN and segment.notes & NOTE_SNAPPED:
            row.flags |= CUT
        if (
            segment.src_port == row.server_port
            and segment.src_lo == row.server_lo
            and segment.src_hi == row.server_hi
            and (segment.dst_port != row.server_port or not self.is_first_client(row, segment))
        ):
            self.from_server(i, row, segment, data, kinds)
            self.write_log(row, segment, kinds, True)
        else:
            self.from_client(row, segment, kinds)
            self.write_log(row, segment, kinds, False)
        if kinds & INITIAL and self.is_worth_keeping(row, segment):
            self.table.keep(row, data, start, end, segment.src_port == row.server_port)
        return 0

    def write_log(self, row: Any, segment: Any, kinds: int, from_server: bool) -> None:
        """Log a datagram, within the limits."""
        if self.log_count == self.log_limit or row.client_frames + row.server_frames > MAX_LOGGED:
            return
        entry = quic_rows.logged_at(self.log, self.log_count)
        self.log_count += 1
        entry.first_frame = row.first_frame
        entry.frame = segment.frame
        entry.ts_ns = segment.ts_ns
        entry.length = segment.payload_len
        entry.version = self.datagram.version
        entry.short_len = self.datagram.short_len
        entry.kinds = kinds
        entry.from_server = from_server
        entry.moved = row.moved != 0
        entry.ip_version = row.ip_version

    def write_error(self, row: Any, segment: Any, from_server: bool) -> None:
        """Log an ICMP error as a datagram."""
        before = self.log_count
        self.write_log(row, segment, 0, from_server)
        if self.log_count != before:
            entry = quic_rows.logged_at(self.log, before)
            entry.is_error = 1
            entry.icmp_type = segment.icmp_type
            entry.icmp_code = segment.icmp_code
            entry.version = 0
            entry.short_len = 0

    def is_first_client(self, row: Any, segment: Any) -> bool:
        """Return True if a datagram between equal ports comes from the client's address."""
        return segment.src_lo == row.client_lo and segment.src_hi == row.client_hi and row.client_lo != row.server_lo

    def is_worth_keeping(self, row: Any, segment: Any) -> bool:
        """Return True if an Initial should be kept: the first ones, until the client's first 1-RTT packet."""
        if row.kept_count >= MAX_KEPT_EACH or row.flags & CLIENT_SHORT:
            return False
        return segment.src_port == row.server_port or row.kept_count < MAX_CLIENT_KEPT

    # -- the client ------------------------------------------------------------------------------------------

    def from_client(self, row: Any, segment: Any, kinds: int) -> None:
        """Process a datagram of the client."""
        row.client_frames += 1
        row.client_bytes += segment.payload_len
        frame = segment.frame & MASK32
        mine = kinds & HANDSHAKE if row.finished_ns else kinds & INITIAL
        if mine and row.server_ns <= row.client_ns:
            self.look_for_loss(row, segment, frame, row.client_ns, 1)
        if kinds & (INITIAL | HANDSHAKE | EARLY_DATA):
            row.version = self.datagram.version
        if kinds & INITIAL:
            self.on_client_initial(row, segment, frame, kinds)
        if kinds & EARLY_DATA and row.early_ns == 0:
            row.early_ns = segment.ts_ns
            row.early_frame = frame
            row.flags |= EARLY
        if row.answer_ns and row.reply_ns == 0:
            row.reply_ns = segment.ts_ns
        if kinds & HANDSHAKE:
            row.flags |= CLIENT_HANDSHAKE
            if row.finished_ns == 0:
                row.handshake_ns = segment.ts_ns
                row.handshake_frame = frame
        if kinds & SHORT:
            self.on_client_short(row, segment, frame)
        row.client_ns = segment.ts_ns

    def on_client_initial(self, row: Any, segment: Any, frame: int, kinds: int) -> None:
        """Process a client Initial: the first, another of the same flight, a retransmission, or one after a Retry."""
        if row.retry_ns or row.negotiation_ns:
            if row.second_ns == 0:
                row.second_ns = segment.ts_ns
                row.second_frame = frame
            elif row.retry_ns > row.second_ns and row.third_ns == 0:
                row.third_ns = segment.ts_ns
        elif kinds & (HANDSHAKE | SHORT):
            return  # the answer is missing from the capture
        elif row.answer_ns == 0 and row.client_frames > 1 and segment.ts_ns - row.client_ns >= AGAIN_NS:
            row.again_ns = segment.ts_ns
            row.again_frame = frame
            row.flags |= INITIAL_AGAIN

    def on_client_short(self, row: Any, segment: Any, frame: int) -> None:
        """Process a client 1-RTT packet; the Finished is in this datagram, or just before it in the same flight."""
        row.flags |= CLIENT_SHORT
        self.on_client_spin(row, segment)
        if row.finished_ns == 0:
            row.finished_ns = segment.ts_ns
            row.finished_frame = frame
            row.early_bursts = row.bursts
            same = row.server_ns <= row.handshake_ns and segment.ts_ns - row.handshake_ns < FLIGHT_NS
            if row.handshake_ns and same:
                row.finished_ns = row.handshake_ns
                row.finished_frame = row.handshake_frame
        if self.datagram.short_len >= LEAST_DATA and row.bursts < row.early_bursts + 2:
            if row.request_ns == 0:
                row.request_ns = segment.ts_ns
                row.request_frame = frame
            row.request_last_ns = segment.ts_ns

    # -- the latency spin bit (RFC 9000 section 17.4) ------------------------------------------------------------
    # The server echoes the client's last value, and the client inverts the server's last value.  Any other edge is due
    # to a reordered packet.

    def on_client_spin(self, row: Any, segment: Any) -> None:
        """Process the client's spin bit: edges are at least one round trip apart, more if the client was idle."""
        if self.datagram.spin in (row.client_spin, row.server_spin):
            return
        row.client_spin = self.datagram.spin
        if row.client_edges:
            took = segment.ts_ns - row.edge_ns
            row.spin_ns = took if row.client_edges == 1 else min(row.spin_ns, took)
        row.edge_ns = segment.ts_ns
        row.client_edges = min(row.client_edges + 1, EDGES)

    def on_server_spin(self, row: Any) -> None:
        """Process the server's spin bit."""
        if self.datagram.spin != row.server_spin and self.datagram.spin == row.client_spin:
            row.server_spin = self.datagram.spin
            row.server_edges = min(row.server_edges + 1, EDGES)

    # -- the server ------------------------------------------------------------------------------------------

    def from_server(self, i: int, row: Any, segment: Any, data: Any, kinds: int) -> int:
        """Process a datagram of the server."""
        row.server_frames += 1
        frame = segment.frame & MASK32
        self.look_for_stall(row, segment, frame)
        if kinds & INITIAL and row.finished_ns == 0 and row.client_ns <= row.server_ns:
            self.look_for_loss(row, segment, frame, row.server_ns, BY_SERVER)
        row.server_bytes += segment.payload_len
        if kinds & RETRIED and row.retry_ns == 0:
            row.retry_ns = segment.ts_ns
            row.retry_frame = frame
            row.flags |= RETRY
        if kinds & NEGOTIATION and row.negotiation_ns == 0 and row.answer_ns == 0:
            row.negotiation_ns = segment.ts_ns
            row.negotiation_frame = frame
            row.flags |= NEGOTIATED
        if kinds & INITIAL:
            row.flags |= SERVER_INITIAL
            row.version = self.datagram.version
            if row.answer_ns == 0:
                row.answer_ns = segment.ts_ns
                row.answer_frame = frame
        if kinds & (INITIAL | HANDSHAKE) and row.server_cid_len == 0 and self.datagram.scid_len:
            cid = datagram.hash_cid(data, self.datagram.scid_at, self.datagram.scid_len)
            self.table.name_by_cid(i, cid, self.datagram.scid_len)
            self.cid_lengths |= 1 << self.datagram.scid_len
        if kinds & HANDSHAKE:
            row.flags |= SERVER_HANDSHAKE
            if row.finished_ns == 0:
                row.flight_ns = segment.ts_ns
                row.flight_frame = frame
        if kinds & SHORT:
            self.on_server_short(row, segment, frame)
        row.server_ns = segment.ts_ns
        if row.reply_ns == 0 or segment.ts_ns - row.reply_ns >= self.round_trip(row) // 2:
            row.paid_bytes = row.client_bytes
        return 0

    def on_server_short(self, row: Any, segment: Any, frame: int) -> None:
        """Process a server 1-RTT packet; record the first few bursts of packets that may hold data."""
        row.flags |= SERVER_SHORT
        self.on_server_spin(row)
        if self.datagram.short_len < LEAST_DATA:
            return
        gap = segment.ts_ns - row.burst_last_ns
        if (row.bursts == 0 or gap >= FLIGHT_NS or row.finished_ns > row.burst_last_ns) and row.bursts < BURSTS:
            row.burst_ns[row.bursts] = segment.ts_ns
            row.burst_frame[row.bursts] = frame
            row.bursts += 1
        row.burst_last_ns = segment.ts_ns

    def look_for_stall(self, row: Any, segment: Any, frame: int) -> None:
        """Record a pause in the server's flight due to the amplification limit (RFC 9000 section 8.1).

        Before the client's address is validated, the server may send three times what it received; a datagram of the
        client ends the pause.  Datagrams of the client less than half a round trip before the server's last one had not
        yet reached the server.
        """
        if row.reply_ns == 0 or row.flags & CLIENT_SHORT or row.stalls >= STALLS:
            return
        reach = row.server_ns - self.round_trip(row) // 2
        if row.client_ns <= reach or (row.handshake_ns and row.handshake_ns <= reach):
            return
        pause = segment.ts_ns - row.server_ns
        enough = self.is_long(row, pause) and 2 * pause >= row.reply_ns - row.answer_ns  # both parts of the round trip
        if enough and row.server_bytes + LARGEST >= 3 * row.paid_bytes:
            self.add_stall(row, pause, frame)

    def look_for_loss(self, row: Any, segment: Any, frame: int, before_ns: int, who: int) -> None:
        """Record a pause due to loss: a side continues its handshake without having received anything.

        That is its probe timeout (PTO, RFC 9002 section 6.2), which applies to Initials of a server after its flight,
        to those of a client that was answered, and to the client's Finished.  `before_ns` is the time of its last
        datagram.
        """
        if row.answer_ns == 0:
            return
        pause = segment.ts_ns - before_ns
        if pause < AGAIN_NS or not self.is_long(row, pause):
            return
        last = row.stalls - 1
        if row.stalls and row.losses >> last & who:
            row.stall_ns[last] += pause
            row.stall_frame[last] = frame
        elif row.stalls < STALLS:
            row.losses |= who << row.stalls
            self.add_stall(row, pause, frame)

    def is_long(self, row: Any, pause: int) -> bool:
        """Return True if a pause (ns) is at least half the round trip of the first answer."""
        return 2 * pause >= self.round_trip(row)

    def round_trip(self, row: Any) -> int:
        """Return the time to the first answer in nanoseconds: at most twice the network's round trip."""
        took: int = row.answer_ns - (row.third_ns or row.second_ns or row.first_ns)
        return took

    def add_stall(self, row: Any, pause: int, frame: int) -> None:
        """Record a pause (ns) and the datagram that ended it; the caller has checked the limit."""
        row.stall_ns[row.stalls] = pause
        row.stall_frame[row.stalls] = frame
        row.stalls += 1

    # -- errors ----------------------------------------------------------------------------------------------

    def on_error(self, segment: Any) -> int:
        """Process an ICMP error that quotes a datagram with the addresses and ports of `segment`."""
        reference = self.table.find(segment)
        if reference == 0:
            return 0
        row = quic_rows.quic_at(self.table.quics, reference - 1)
        if segment.src_port == row.server_port and segment.src_lo == row.server_lo:
            row.flags |= CLIENT_GONE
            self.write_error(row, segment, True)
            return 0
        row.flags |= ICMP_ERROR
        self.write_error(row, segment, False)
        if row.icmp_ns == 0:
            row.icmp_ns = segment.ts_ns
            row.icmp_frame = segment.frame & MASK32
            row.icmp_type = segment.icmp_type
            row.icmp_code = segment.icmp_code
        return 0
