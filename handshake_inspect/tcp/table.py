"""The connection table: maps a 4-tuple, in either direction, to its row.

The index (`index.py`) covers two kinds of rows.  A lone SYN is an embryo of 40 bytes; the second segment of its 4-tuple
turns it into a connection.  The index points only to the latest incarnation of a 4-tuple; earlier ones stay in their
rows until the report.
"""

from typing import Any

from handshake_inspect.tcp import row_memory, rows
from handshake_inspect.tcp.facts import EMBRYO, EMBRYO_FREE, EMBRYO_STATE, EMBRYO_WAITING, NUMBER
from handshake_inspect.tcp.limits import MAX_PROBES, MIN_ROWS
from handshake_inspect.tcp.optional_rows import OptionalRows
from handshake_inspect.tcp.setup.store import Setups
from handshake_inspect.wire import fourtuple
from handshake_inspect.wire.const import IPV4_MAPPED, MASK16, MASK32


class Table(OptionalRows):
    """Rows and their index.  Embryos and connections are limited to `limit` each; the oldest are evicted."""

    def __init__(self, limit: int = 1 << 22) -> None:
        """Reserve address space (not memory) for `limit` rows of each kind, or for fewer if the system refuses."""
        OptionalRows.__init__(self)
        self.limit = row_memory.affordable(min(max(limit, MIN_ROWS), NUMBER - 1), MIN_ROWS)
        while not self.reserve():
            self.limit = max(self.limit // 2, MIN_ROWS)
        self.reserve_optional()
        self.size_rows = row_memory.reserve("Sizes", self.limit)
        self.setups = Setups(self.limit)
        self.embryos = rows.embryos_of(self.embryo_rows)
        self.addresses = rows.addresses_of(self.address_rows)
        self.narrow_rows = row_memory.reserve("Addresses", 1)
        self.narrow = rows.addresses_of(self.narrow_rows)
        self.connections = rows.connections_of(self.connection_rows)
        self.endpoints = rows.endpoints_of(self.endpoint_rows)
        self.aliases = rows.aliases_of(self.alias_rows)
        self.highs = rows.words_of(self.high_rows)
        self.sizes = rows.sizes_of(self.size_rows)
        self.beyond = False  # frame numbers have exceeded 32 bits
        self.embryo_count = 0  # rows ever used, including free ones
        self.connection_count = 0
        self.begun = 0  # number of row allocations
        self.free_embryo = 0  # 1 + the embryo freed last; the next is in its `first_frame`
        self.free_connection = 0  # 1 + the connection retired last; the next is in its `previous`
        self.evicted = 0
        self.holds_plain = False  # any segment without SYN, FIN and RST was seen
        self.holds_bare = False  # one of them had no payload
        self.hand_embryo = 0
        self.hand_connection = 0

    def reserve(self) -> bool:
        """Reserve `limit` rows of each kind; return False if the system refuses but may grant fewer."""
        try:
            self.embryo_rows = row_memory.reserve("Embryo", self.limit)
            self.address_rows = row_memory.reserve("Addresses", self.limit)
            self.connection_rows = row_memory.reserve("Connection", self.limit)
            self.endpoint_rows = row_memory.reserve("Endpoint", 2 * self.limit)
            self.alias_rows = row_memory.reserve("Alias", self.limit)
            self.reserve_retries()
            self.high_rows = row_memory.reserve_words(self.limit)  # of embryos: their first frames above 32 bits
        except MemoryError:
            if self.limit == MIN_ROWS:
                raise
            return False
        return True

    # -- lookup ----------------------------------------------------------------------------------------------

    def find(self, segment: Any) -> int:
        """Return the reference of the segment's 4-tuple, 0 if unknown; sets `found_at` to its slot or a free one."""
        tag = (segment.hash >> 32) & MASK32
        at = tag & self.mask
        last = (at + MAX_PROBES) & self.mask
        while True:
            slot = self.slots[at]
            if slot == 0:
                self.found_at = at
                return 0
            if slot >> 32 == tag and self.is_same(slot & MASK32, segment):
                self.found_at = at
                return slot & MASK32
            if at == last:
                self.found_at = at
                return 0
            at = (at + 1) & self.mask

    def fetch(self, segment: Any) -> None:
        """Prefetch the rows that the segment's slot refers to."""
        slot = self.slots[((segment.hash >> 32) & MASK32) & self.mask]
        reference = slot & MASK32
        if reference and not reference & EMBRYO:
            rows.prefetch_connection(self.connections, reference - 1)
            rows.prefetch_endpoint(self.endpoints, 2 * reference - 2)
            rows.prefetch_endpoint(self.endpoints, 2 * reference - 1)
        elif reference:
            rows.prefetch_embryo(self.embryos, (reference & NUMBER) - 1)

    def is_same(self, reference: int, segment: Any) -> bool:
        """Return True if the row has the segment's 4-tuple, in either direction."""
        if reference & EMBRYO:
            return self.is_same_embryo((reference & NUMBER) - 1, segment)
        row = rows.connection_at(self.connections, reference - 1)
        if (
            segment.src_port == row.port0
            and segment.dst_port == row.port1
            and segment.src_lo == row.lo0
            and segment.dst_lo == row.lo1
            and segment.src_hi == row.hi0
            and segment.dst_hi == row.hi1
        ):
            return True
        return (
            segment.src_port == row.port1
            and segment.dst_port == row.port0
            and segment.src_lo == row.lo1
            and segment.dst_lo == row.lo0
            and segment.src_hi == row.hi1
            and segment.dst_hi == row.hi0
        )

    def is_same_embryo(self, i: int, segment: Any) -> bool:
        """Return True if an embryo has the segment's 4-tuple, in either direction."""
        embryo = rows.embryo_at(self.embryos, i)
        ends = self.addresses_of(i)
        if (
            segment.src_port == embryo.client_port
            and segment.dst_port == embryo.server_port
            and segment.src_lo == ends.client_lo
            and segment.dst_lo == ends.server_lo
            and segment.src_hi == ends.client_hi
            and segment.dst_hi == ends.server_hi
        ):
            return True
        return (
            segment.src_port == embryo.server_port
            and segment.dst_port == embryo.client_port
            and segment.src_lo == ends.server_lo
            and segment.dst_lo == ends.client_lo
            and segment.src_hi == ends.server_hi
            and segment.dst_hi == ends.client_hi
        )

    # -- rows ------------------------------------------------------------------------------------------------

    def new_embryo(self, segment: Any, state: int) -> int:
        """Allocate a row for a SYN; return its number."""
        self.begun += 1
        if self.free_embryo:
            i = self.free_embryo - 1
            embryo = rows.embryo_at(self.embryos, i)
            self.free_embryo = embryo.first_frame
        elif self.embryo_count < self.limit:
            i = self.embryo_count
            self.embryo_count += 1
            embryo = rows.embryo_at(self.embryos, i)
        else:
            i = self.evict_embryo()
            embryo = rows.embryo_at(self.embryos, i)
        self.put_addresses(i, segment)
        embryo.client_port = segment.src_port
        embryo.server_port = segment.dst_port
        embryo.first_ns = segment.ts_ns
        embryo.first_frame = segment.frame & MASK32
        if segment.frame > MASK32:
            self.beyond = True
            self.highs[i] = segment.frame >> 32
        embryo.iss = segment.seq
        embryo.tsval = segment.tsval
        embryo.mss = segment.mss
        embryo.window_scale = segment.window_scale
        embryo.options = segment.options | state
        embryo.ip_id = segment.ip_id
        embryo.ttl = segment.ttl
        return i

    def put_state(self, i: int, state: int) -> None:
        """Set the state of an embryo (EMBRYO_*)."""
        embryo = rows.embryo_at(self.embryos, i)
        embryo.options = embryo.options & ~EMBRYO_STATE | state

    def put_addresses(self, i: int, segment: Any) -> None:
        """Store the addresses of a SYN: in its row if both are IPv4."""
        embryo = rows.embryo_at(self.embryos, i)
        embryo.client = segment.src_lo & MASK32
        embryo.server = segment.dst_lo & MASK32
        if (
            segment.src_hi | segment.dst_hi
            or segment.src_lo ^ embryo.client != IPV4_MAPPED
            or segment.dst_lo ^ embryo.server != IPV4_MAPPED
            or embryo.client | embryo.server == 0
        ):
            embryo.client = embryo.server = 0
            wide = rows.addresses_at(self.addresses, i)
            wide.client_hi = segment.src_hi
            wide.client_lo = segment.src_lo
            wide.server_hi = segment.dst_hi
            wide.server_lo = segment.dst_lo

    def addresses_of(self, i: int) -> Any:
        """Return the addresses of an embryo; valid until the next call."""
        embryo = rows.embryo_at(self.embryos, i)
        if embryo.client | embryo.server == 0:
            return rows.addresses_at(self.addresses, i)
        narrow = rows.addresses_at(self.narrow, 0)
        narrow.client_lo = IPV4_MAPPED | embryo.client
        narrow.server_lo = IPV4_MAPPED | embryo.server
        return narrow

    def embryo_addresses(self, i: int) -> tuple[int, int, int, int]:
        """Return an embryo's (client_hi, client_lo, server_hi, server_lo), for uncompiled callers."""
        ends = self.addresses_of(i)
        return ends.client_hi, ends.client_lo, ends.server_hi, ends.server_lo

    def embryo_frame(self, i: int) -> int:
        """Return the full frame number of an embryo, for uncompiled callers."""
        return self.whole_frame(i)

    def whole_frame(self, i: int) -> int:
        """Return the full frame number of an embryo; reads the upper 32 bits only if any are set."""
        frame = rows.embryo_at(self.embryos, i).first_frame
        if self.beyond:
            frame |= self.highs[i] << 32
        return frame

    def free(self, i: int) -> None:
        """Free the row of an embryo."""
        embryo = rows.embryo_at(self.embryos, i)
        embryo.options = EMBRYO_FREE
        embryo.first_frame = self.free_embryo
        self.free_embryo = i + 1

    def free_provisional(self, row: Any) -> None:
        """Free the rows of a provisional SYN and its copies."""
        self.free(row.provisional - 1)
        row.provisional = 0
        if row.retries:
            retries = rows.retries_at(self.retries, row.retries - 1)
            while retries.waiting:
                at = retries.waiting - 1
                retries.waiting = rows.embryo_at(self.embryos, at).iss
                self.free(at)

    def evict_embryo(self) -> int:
        """Evict the embryo at the clock hand, count it and return its row number."""
        while True:
            i = self.hand_embryo
            self.hand_embryo = i + 1 if i + 1 < self.limit else 0
            embryo = rows.embryo_at(self.embryos, i)
            if embryo.options & EMBRYO_STATE == EMBRYO_WAITING:
                break
        self.evicted += 1
        self.forget_embryo(i)
        return i

    def forget_embryo(self, i: int) -> None:
        """Remove an embryo from the index."""
        embryo, ends = rows.embryo_at(self.embryos, i), self.addresses_of(i)
        hash_of = fourtuple.hash_four_tuple(
            ends.client_hi, ends.client_lo, embryo.client_port, ends.server_hi, ends.server_lo, embryo.server_port
        )
        self.forget((hash_of >> 32) & MASK32, EMBRYO | (i + 1))

    def evict_connection(self) -> int:
        """Evict the connection at the clock hand, count it and return its row number."""
        i = self.hand_connection
        self.hand_connection = i + 1 if i + 1 < self.limit else 0
        self.evicted += 1
        self.release(i)
        return i

    def release(self, i: int) -> None:
        """Remove a connection from the index and zero its rows."""
        row = rows.connection_at(self.connections, i)
        hash_of = fourtuple.hash_four_tuple(row.hi0, row.lo0, row.port0, row.hi1, row.lo1, row.port1)
        self.forget((hash_of >> 32) & MASK32, i + 1)
        if row.provisional:
            self.free_provisional(row)
        if row.retries:
            self.free_retry(row.retries - 1)
        if row.aftermath:
            self.release_aftermath(row.aftermath - 1)
        rows.clear_connection(self.connections, i)
        rows.clear_ends(self.endpoints, i)
        rows.clear_alias(self.aliases, i)
        rows.clear_sizes(self.sizes, i)
        self.setups.release(i)

    def retire(self, i: int) -> None:
        """Free the row of a connection that was reported."""
        self.release(i)
        row = rows.connection_at(self.connections, i)
        row.previous = self.free_connection
        self.free_connection = i + 1

    def retire_embryo(self, i: int) -> None:
        """Free the row of an unanswered SYN that was reported."""
        self.forget_embryo(i)
        self.free(i)

    def new_connection(self, segment: Any) -> int:
        """Allocate a row for a connection that begins with this segment; return its number."""
        self.begun += 1
        if self.free_connection:
            i = self.free_connection - 1
            row = rows.connection_at(self.connections, i)
            self.free_connection = row.previous
            row.previous = 0
        elif self.connection_count < self.limit:
            i = self.connection_count
            self.connection_count += 1
        else:
            i = self.evict_connection()
        row = rows.connection_at(self.connections, i)
        row.hi0 = segment.src_hi
        row.lo0 = segment.src_lo
        row.port0 = segment.src_port
        row.hi1 = segment.dst_hi
        row.lo1 = segment.dst_lo
        row.port1 = segment.dst_port
        row.first_ns = segment.ts_ns
        row.last_ns = segment.ts_ns
        row.first_frame = segment.frame
        if segment.frame > MASK32:
            self.beyond = True
        row.ip_version = segment.ip_version
        row.in_use = 1
        return i

    def recall(self, i: int, segment: Any) -> None:
        """Fill `segment` with the SYN stored in an embryo."""
        embryo, ends = rows.embryo_at(self.embryos, i), self.addresses_of(i)
        segment.src_hi = ends.client_hi
        segment.src_lo = ends.client_lo
        segment.dst_hi = ends.server_hi
        segment.dst_lo = ends.server_lo
        segment.src_port = embryo.client_port
        segment.dst_port = embryo.server_port
        segment.ts_ns = embryo.first_ns
        segment.frame = self.whole_frame(i)
        segment.seq = embryo.iss
        segment.tsval = embryo.tsval
        segment.mss = embryo.mss
        segment.window_scale = embryo.window_scale
        segment.options = embryo.options & ~EMBRYO_STATE
        segment.ip_id = embryo.ip_id
        segment.ttl = embryo.ttl
        segment.ip_version = 4 if ends.client_hi == 0 and ends.client_lo >> 32 == MASK16 else 6
