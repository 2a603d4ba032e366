"""The table of QUIC connections, indexed by 4-tuple, and by the server's connection ID to find migrated clients.

A single index serves both; a bit in the low half of a slot distinguishes the kinds of keys.
"""

from typing import Any

from handshake_inspect.quic import quic_rows
from handshake_inspect.quic.quic_rows import KEPT, NOT_KEPT
from handshake_inspect.tcp import row_memory
from handshake_inspect.tcp.index import Index
from handshake_inspect.wire import fourtuple
from handshake_inspect.wire.const import MASK32

MAX_PROBES = 1024  # slots probed in a search; limits the cost of deliberate collisions
BY_CID = 0x8000_0000  # in the low half of a slot: the key is the server's connection ID
NUMBER = 0x7FFF_FFFF
MAX_KEPT = 1 << 15  # datagrams kept for decryption
MIN_ROWS = 16


class QuicTable(Index):
    """Rows and their index; beyond `limit` rows the oldest are evicted."""

    def __init__(self, limit: int) -> None:
        """Memory is reserved on the first connection."""
        super().__init__()
        self.limit = max(min(limit, 1 << 22), MIN_ROWS)
        self.kept_limit = MAX_KEPT
        self.row_storage: Any = None
        self.kept_storage: Any = None
        self.count = 0  # rows ever used
        self.kept_count = 0  # kept datagrams ever used
        self.evicted = 0
        self.not_kept = 0  # datagrams that could not be kept
        self.free_kept = 0  # 1 + head of the free list, linked by `next`
        self.hand = 0

    def prepare(self) -> int:
        """Reserve address space; for fewer rows if the system does not grant that much."""
        while True:
            try:
                self.row_storage = row_memory.reserve_rows(quic_rows.ROWS["Quic"], self.limit)
                self.kept_storage = row_memory.reserve_rows(quic_rows.ROWS["Kept"], self.kept_limit)
                break
            except MemoryError:
                if self.limit == MIN_ROWS:
                    raise
                self.limit = max(self.limit // 2, MIN_ROWS)
                self.kept_limit = max(self.kept_limit // 2, MIN_ROWS)
        self.quics = quic_rows.quics_of(self.row_storage)
        self.kept = quic_rows.kept_of(self.kept_storage)
        return 0

    # -- the index -------------------------------------------------------------------------------------------

    def find(self, segment: Any) -> int:
        """Return 1 + the row of the segment's 4-tuple, 0 if unknown; sets `found_at` to its slot, or a free one."""
        tag = (segment.hash >> 32) & MASK32
        at = tag & self.mask
        for _ in range(MAX_PROBES):
            slot = self.slots[at]
            self.found_at = at
            if slot == 0:
                return 0
            if slot >> 32 == tag and not slot & BY_CID and self.is_same((slot & NUMBER) - 1, segment):
                return slot & NUMBER
            at = (at + 1) & self.mask
        return 0

    def is_same(self, i: int, segment: Any) -> bool:
        """Return True if the row matches the 4-tuple in either direction, by the client's initial or newest address."""
        row = quic_rows.quic_at(self.quics, i)
        if segment.dst_port == row.server_port and segment.dst_lo == row.server_lo and segment.dst_hi == row.server_hi:
            return self.is_client(row, segment.src_hi, segment.src_lo, segment.src_port)
        if segment.src_port == row.server_port and segment.src_lo == row.server_lo and segment.src_hi == row.server_hi:
            return self.is_client(row, segment.dst_hi, segment.dst_lo, segment.dst_port)
        return False

    def is_client(self, row: Any, hi: int, lo: int, port: int) -> bool:
        """Return True if this is the initial or newest address of the row's client."""
        if port == row.client_port and lo == row.client_lo and hi == row.client_hi:
            return True
        return row.moved != 0 and port == row.moved_port and lo == row.moved_lo and hi == row.moved_hi

    def find_cid(self, segment: Any, cid: int, length: int) -> int:
        """Return 1 + the row of a connection ID chosen by the server at the segment's destination; 0 if unknown."""
        return self.look_up_cid(segment.dst_hi, segment.dst_lo, segment.dst_port, cid, length)

    def look_up_cid(self, hi: int, lo: int, port: int, cid: int, length: int) -> int:
        """Return 1 + the row of a connection ID chosen by the server at this address; 0 if unknown."""
        tag = self.cid_tag(hi, lo, port, cid)
        at = tag & self.mask
        for _ in range(MAX_PROBES):
            slot = self.slots[at]
            self.found_at = at
            if slot == 0:
                return 0
            if slot >> 32 == tag and slot & BY_CID:
                row = quic_rows.quic_at(self.quics, (slot & NUMBER) - 1)
                if row.server_cid == cid and row.server_cid_len == length and row.server_lo == lo:
                    return slot & NUMBER
            at = (at + 1) & self.mask
        return 0

    def cid_tag(self, hi: int, lo: int, port: int, cid: int) -> int:
        """Return the index key of a connection ID."""
        return (fourtuple.hash_four_tuple(hi, lo, port, cid, 0, 0) >> 32) & MASK32

    # -- rows ------------------------------------------------------------------------------------------------

    def new_row(self, segment: Any) -> int:
        """Create a row for the connection that this client datagram begins; return its number.

        Must follow a `find` of the same segment, whose slot the row gets.  Raises MemoryError if memory runs out.
        """
        if self.row_storage is None:
            self.prepare()
        if self.count < self.limit:
            i = self.count
            self.count += 1
        else:
            i = self.hand
            self.hand = i + 1 if i + 1 < self.limit else 0
            self.evicted += 1
            self.release(i)
            self.find(segment)  # `release` may have moved slots
        row = quic_rows.quic_at(self.quics, i)
        row.client_hi = segment.src_hi
        row.client_lo = segment.src_lo
        row.client_port = segment.src_port
        row.server_hi = segment.dst_hi
        row.server_lo = segment.dst_lo
        row.server_port = segment.dst_port
        row.ip_version = segment.ip_version
        row.first_ns = segment.ts_ns
        row.first_frame = segment.frame
        row.in_use = 1
        self.name(segment, i + 1)
        return i

    def release(self, i: int) -> None:
        """Remove a connection from the index and zero its row."""
        row = quic_rows.quic_at(self.quics, i)
        self.forget(self.tag_of(row, row.client_hi, row.client_lo, row.client_port), i + 1)
        if row.moved:
            self.forget(self.tag_of(row, row.moved_hi, row.moved_lo, row.moved_port), i + 1)
        if row.server_cid_len:
            tag = self.cid_tag(row.server_hi, row.server_lo, row.server_port, row.server_cid)
            self.forget(tag, BY_CID | (i + 1))
        self.free_datagrams(row)
        quic_rows.clear_quic(self.quics, i)

    def tag_of(self, row: Any, hi: int, lo: int, port: int) -> int:
        """Return the index key of the row's 4-tuple, given an address of its client."""
        return (fourtuple.hash_four_tuple(hi, lo, port, row.server_hi, row.server_lo, row.server_port) >> 32) & MASK32

    def moved(self, i: int, segment: Any) -> int:
        """Record a new address of the client (migration)."""
        row = quic_rows.quic_at(self.quics, i)
        if row.moved:
            self.forget(self.tag_of(row, row.moved_hi, row.moved_lo, row.moved_port), i + 1)
        row.moved_hi = segment.src_hi
        row.moved_lo = segment.src_lo
        row.moved_port = segment.src_port
        if row.moved < 0xFFFF:
            row.moved += 1
        self.find(segment)
        return self.name(segment, i + 1)

    def name_by_cid(self, i: int, cid: int, length: int) -> int:
        """Index the connection by the connection ID that its server chose."""
        row = quic_rows.quic_at(self.quics, i)
        row.server_cid = cid
        row.server_cid_len = length
        self.look_up_cid(row.server_hi, row.server_lo, row.server_port, cid, length)
        return self.put(self.cid_tag(row.server_hi, row.server_lo, row.server_port, cid), BY_CID | (i + 1))

    # -- datagrams kept for decryption -----------------------------------------------------------------------

    def keep(self, row: Any, data: Any, start: int, end: int, from_server: bool) -> None:
        """Keep a datagram with an Initial, or set NOT_KEPT in the row if there is no space."""
        if self.free_kept:
            i = self.free_kept - 1
            self.free_kept = quic_rows.kept_at(self.kept, i).next
        elif self.kept_count < self.kept_limit:
            i = self.kept_count
            self.kept_count += 1
        else:
            row.flags |= NOT_KEPT
            self.not_kept += 1
            return
        kept = quic_rows.kept_at(self.kept, i)
        kept.next = row.kept  # the newest first
        kept.length = min(end - start, KEPT)
        kept.from_server = from_server
        quic_rows.keep_bytes(kept, data, start, kept.length)
        row.kept = i + 1
        row.kept_count += 1

    def free_datagrams(self, row: Any) -> None:
        """Free the datagrams kept for a row."""
        while row.kept:
            kept = quic_rows.kept_at(self.kept, row.kept - 1)
            following = kept.next
            kept.next = self.free_kept
            self.free_kept = row.kept
            row.kept = following
        row.kept_count = 0
