"""Every UDP datagram to its QUIC connection: milestones of the handshake (RFC 9000 section 7), counted and timed.

A flow becomes a connection at a client's datagram of 1200 bytes or more that begins with an Initial of a version that
QUIC has.  Nothing is decrypted here.  What begins in the middle is nobody: short headers say too little.
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
from handshake_inspect.tcp import room, rows
from handshake_inspect.wire.const import MASK32, NOTE_SNAPPED

AGAIN_NS = 10_000_000  # an Initial later than this after the one before is another copy; a large hello needs several
IDLE_NS = 30_000_000_000  # an Initial after so long a silence begins another connection
BIT = 1
LARGEST = 1500  # bytes of one datagram more than the server dared to send
LEAST_DATA = 60  # bytes of a 1-RTT packet that may hold more than acknowledgments
MOST_LOGGED = 64  # datagrams of one connection
MOST_CLIENT_KEPT = 4  # datagrams of the client kept to be opened
MOST_KEPT_EACH = 6


class QuicTracker:
    """Follows the QUIC connections of one trace."""

    def __init__(self, limit: int) -> None:
        """`limit` bounds the rows of the table."""
        self.table = QuicTable(limit)
        self.datagram = Datagram()
        self.port_words = room.reserve_words(1 << 10)  # a bit for each UDP port of a server that has a connection
        self.ports = rows.words_of(self.port_words)
        self.cid_lengths = 0  # a bit for each length of a server's connection ID
        self.log_storage: Any = None
        self.log_limit = 0
        self.log_count = 0

    def keep_log(self, limit: int) -> None:
        """Log datagrams, so many of all connections together, and of each the first `MOST_LOGGED`."""
        self.log_storage = room.room_for(quic_rows.ROWS["Logged"], limit)
        self.log = quic_rows.logged_of(self.log_storage)
        self.log_limit = limit

    def take(self, segment: Any, data: Any, start: int, end: int) -> int:
        """Take note of a datagram whose payload is `data[start:end]`, of which `payload_len` bytes were on the wire."""
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
        """Whether either port is that of a server that has a connection."""
        return self.has(segment.dst_port) or self.has(segment.src_port)

    def has(self, port: int) -> bool:
        """Whether a server's port has a connection."""
        return self.ports[port >> 6] >> (port & 63) & 1 != 0

    def find_moved(self, segment: Any, data: Any, start: int, end: int) -> int:
        """1 + the row of a connection whose client sends from elsewhere now, with the connection ID it used before."""
        if not data[start] & FIXED:
            return 0
        for length in range(4, 21):
            if self.cid_lengths >> length & 1 and end - start > length:
                cid = datagram.mix(data, start + 1, length)
                reference = self.table.find_cid(segment, cid, length)
                if reference:
                    self.table.moved(reference - 1, segment)
                    return reference
        return 0

    def begins(self, segment: Any, kinds: int) -> bool:
        """Whether the datagram is the first of a client.

        What has keys of the handshake is not, nor is what a server sends: to a client's connection ID, often an empty
        one, or from a service's port to a client's.
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
        """Whether the datagram begins another connection on the 4-tuple of row `i`."""
        row = quic_rows.quic_at(self.table.quics, i)
        if not kinds & INITIAL or segment.payload_len < LEAST_INITIAL:
            return False
        if segment.dst_port != row.server_port or segment.dst_lo != row.server_lo:
            return False
        if segment.ts_ns - row.last_ns >= IDLE_NS:
            return True
        cid = datagram.mix(data, self.datagram.dcid_at, self.datagram.dcid_len)
        return row.flags & CLIENT_SHORT != 0 and cid != row.server_cid

    def begin(self, segment: Any) -> int:
        """1 + the row of a new connection."""
        i = self.table.new_row(segment)
        row = quic_rows.quic_at(self.table.quics, i)
        row.first_version = self.datagram.version
        row.version = self.datagram.version
        if self.datagram.token_len:
            row.flags |= TOKEN
        self.ports[segment.dst_port >> 6] |= BIT << (segment.dst_port & 63)
        return i + 1

    def follow(self, i: int, segment: Any, data: Any, start: int, end: int, kinds: int) -> int:
        """A datagram of connection `i`."""
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
        """Log a datagram, if there is room and its connection has not had its share."""
        if self.log_count == self.log_limit or row.client_frames + row.server_frames > MOST_LOGGED:
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
        """Whether a datagram between equal ports comes from the client's address."""
        return segment.src_lo == row.client_lo and segment.src_hi == row.client_hi and row.client_lo != row.server_lo

    def is_worth_keeping(self, row: Any, segment: Any) -> bool:
        """Whether an Initial may say more: the client's first ones, and the server's until the client goes on."""
        if row.kept_count >= MOST_KEPT_EACH or row.flags & CLIENT_SHORT:
            return False
        return segment.src_port == row.server_port or row.kept_count < MOST_CLIENT_KEPT

    # -- the client ------------------------------------------------------------------------------------------

    def from_client(self, row: Any, segment: Any, kinds: int) -> None:
        """A datagram of the client."""
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
        """An Initial of the client: its first, one more of the same flight, another copy, or what follows a Retry."""
        if row.retry_ns or row.negotiation_ns:
            if row.second_ns == 0:
                row.second_ns = segment.ts_ns
                row.second_frame = frame
            elif row.retry_ns > row.second_ns and row.third_ns == 0:
                row.third_ns = segment.ts_ns
        elif kinds & (HANDSHAKE | SHORT):
            return  # it was answered, and the capture lacks that
        elif row.answer_ns == 0 and row.client_frames > 1 and segment.ts_ns - row.client_ns >= AGAIN_NS:
            row.again_ns = segment.ts_ns
            row.again_frame = frame
            row.flags |= INITIAL_AGAIN

    def on_client_short(self, row: Any, segment: Any, frame: int) -> None:
        """A 1-RTT packet of the client: its Finished is in this datagram, or in one just before in the same flight."""
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
            row.request_last_frame = frame

    # -- the latency spin bit (RFC 9000 section 17.4) ------------------------------------------------------------
    # The server repeats what the client sent last, and the client sends the opposite of what the server sent last.  An
    # edge that this does not allow is an old packet that comes late.

    def on_client_spin(self, row: Any, segment: Any) -> None:
        """The client's spin bit: edges are a round trip apart, or more where the client had nothing to send."""
        if self.datagram.spin in (row.client_spin, row.server_spin):
            return
        row.client_spin = self.datagram.spin
        if row.client_edges:
            took = segment.ts_ns - row.edge_ns
            row.spin_ns = took if row.client_edges == 1 else min(row.spin_ns, took)
        row.edge_ns = segment.ts_ns
        row.client_edges = min(row.client_edges + 1, EDGES)

    def on_server_spin(self, row: Any) -> None:
        """The server's spin bit."""
        if self.datagram.spin != row.server_spin and self.datagram.spin == row.client_spin:
            row.server_spin = self.datagram.spin
            row.server_edges = min(row.server_edges + 1, EDGES)

    # -- the server ------------------------------------------------------------------------------------------

    def from_server(self, i: int, row: Any, segment: Any, data: Any, kinds: int) -> int:
        """A datagram of the server."""
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
            cid = datagram.mix(data, self.datagram.scid_at, self.datagram.scid_len)
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
        """A 1-RTT packet of the server: those that may hold data are kept as bursts, the first few."""
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
        """A pause of the server's flight because it may send no more before the client's address is proved.

        That is three times what the client sent (RFC 9000 section 8.1); a datagram of the client ends the pause.  What
        the client sent less than half a round trip before the server's last datagram had yet to reach the server.
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
        """A side goes on with its handshake, `before_ns` being its last datagram, though nothing came from the other.

        That is its timer, which sends again what nobody acknowledged (RFC 9002 section 6.2): Initials of a server whose
        flight was sent, those of a client that was answered, and the client's Finished.
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
        """Whether a pause, in nanoseconds, is half the round trip of the first answer or longer."""
        return 2 * pause >= self.round_trip(row)

    def round_trip(self, row: Any) -> int:
        """How long the first answer took, in nanoseconds: at most twice the network's round trip."""
        took: int = row.answer_ns - (row.third_ns or row.second_ns or row.first_ns)
        return took

    def add_stall(self, row: Any, pause: int, frame: int) -> None:
        """Keep a pause, in nanoseconds, and the datagram that ended it; there is room."""
        row.stall_ns[row.stalls] = pause
        row.stall_frame[row.stalls] = frame
        row.stalls += 1

    # -- errors ----------------------------------------------------------------------------------------------

    def on_error(self, segment: Any) -> int:
        """An ICMP error that quotes a datagram with the addresses and ports of `segment`."""
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
