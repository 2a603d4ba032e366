"""A tracker that logs segments, each with copies of its connection's rows from before and after it.

`filter` selects what is logged: notable segments of all connections, that is, those that did more than carry plain data
or ACKs (`NOTABLE`, for a screen); or every segment of all connections, of those with one or two given ends, of the one
with a given id, or of given 4-tuples.

Slot i holds segment i and the rows 2i (before) and 2i + 1 (after).  For notable segments the slots are a ring buffer
filled without calls into Python, and plain data and ACKs of established connections keep to the fast path of `Tracker`.
For all other filters, `keep` is called for each logged segment and returns the slot of the next one.  SYNs have a ring
of their own, so that a flood cannot evict other segments; the table stores only part of a SYN that waits for an answer.

Ids follow the order of first frames, so to log by id, attempts are counted as they begin.  A SYN on a live connection
may later prove to be an attempt of its own, which shifts all later ids up by one; an attempt that begins with an answer
may later prove to belong to another attempt (`verdicts/elsewhere.py`), which shifts them down by one.  Therefore every
attempt that may end up with the id is logged.

Only the tracking thread may read the slots: see `segment_log`.
"""

from typing import Any

from handshake_inspect.decode import segment as seg
from handshake_inspect.engine.segment_log import (
    ALL,
    CANDIDATE_MASK,
    CANDIDATES,
    ENDS,
    FIRST,
    ID,
    NONE,
    NOTABLE,
    SOME,
    SYNS,
    reserve_segments,
)
from handshake_inspect.tcp import incarnations, row_memory, rows
from handshake_inspect.tcp.facts import TRAIT_SEEN, ZEEK_WROTE_A, ZEEK_WROTE_D
from handshake_inspect.tcp.tracker import Tracker
from handshake_inspect.wire.const import ACK, FIN, KIND_TCP, NOTE_DAMAGED, RST, SYN


class LoggingTracker(Tracker):
    """Tracks like `Tracker`, and logs the segments its filter selects: by default, notable ones."""

    def __init__(self, limit: int, slots: int) -> None:
        """`limit` is the maximum number of connections, as in `Tracker`; `slots` the capacity in segments."""
        Tracker.__init__(self, limit)
        self.slots = slots
        self.segment_rows = reserve_segments(slots)
        self.connection_rows = row_memory.reserve("Connection", 2 * slots)
        self.endpoint_rows = row_memory.reserve("Endpoint", 4 * slots)
        self.syn_rows = reserve_segments(SYNS)
        self.segments = seg.segments_of(self.segment_rows)
        self.connections = rows.connections_of(self.connection_rows)
        self.endpoints = rows.endpoints_of(self.endpoint_rows)
        self.syns = seg.segments_of(self.syn_rows)
        self.slot = 0  # of the next logged segment
        self.logged = 0  # segments logged so far
        self.syns_logged = 0  # SYNs logged so far; the last `SYNS` of them are in the ring
        self.followed = 0  # calls of `follow` so far
        self.connection_mask_words = rows.notable_bytes("Connection")
        self.endpoint_mask_words = rows.notable_bytes("Endpoint")
        self.connection_mask = rows.words_of(self.connection_mask_words)
        self.endpoint_mask = rows.words_of(self.endpoint_mask_words)
        self.keep: Any = None  # keep(slot, notable) returns the slot of the next logged segment
        self.filter = NOTABLE
        self.hi0 = 0
        self.lo0 = 0
        self.port0 = 0
        self.has_peer = False
        self.hi1 = 0
        self.lo1 = 0
        self.port1 = 0
        self.wanted = -1  # the id to log
        self.begun = 0  # attempts so far
        self.doubtful = 0  # SYNs so far that may or may not have begun an attempt
        self.unsolicited = 0  # attempts so far that began with an answer
        self.candidate_words = row_memory.reserve_words(CANDIDATE_MASK + 1)  # hashes of their 4-tuples, open-addressed
        self.candidates = rows.words_of(self.candidate_words)
        self.candidate_count = 0

    def log_none(self) -> None:
        """Stop logging."""
        self.filter = NONE

    def log_all(self) -> None:
        """Log every connection."""
        self.filter = ALL

    def log_end(self, hi: int, lo: int, port: int) -> None:
        """Log only connections with this end, on either side."""
        self.hi0 = hi
        self.lo0 = lo
        self.port0 = port
        self.filter = ENDS

    def log_peer(self, hi: int, lo: int, port: int) -> None:
        """Restrict `log_end` to connections with this other end."""
        self.hi1 = hi
        self.lo1 = lo
        self.port1 = port
        self.has_peer = True

    def log_id(self, number: int) -> None:
        """Log only the connection that will have this id."""
        self.wanted = number
        self.filter = ID

    def log_tuple(self, four_tuple: int) -> None:
        """Log only connections of this 4-tuple (given as its hash) and of those of earlier calls."""
        self.filter = SOME
        self.add(four_tuple)

    # -- tracking ----------------------------------------------------------------------------------------------

    def fast_path(self, connection: Any, i: int, side: int, segment: Any) -> bool:
        """Track a segment on the fast path, and log it if its connection is selected."""
        if self.filter == NOTABLE:
            wrote = ZEEK_WROTE_D if segment.payload_len else ZEEK_WROTE_A
            if not rows.endpoint_at(self.table.endpoints, 2 * i + side).zeek_letters & wrote:
                return False  # the first of its kind is notable: leave it to `follow`
            return Tracker.fast_path(self, connection, i, side, segment)
        if not self.is_selected(segment):
            return Tracker.fast_path(self, connection, i, side, segment)
        self.copy_rows(2 * self.slot, i)
        if not Tracker.fast_path(self, connection, i, side, segment):
            return False
        self.log(i, segment, self.is_notable(i, side, segment))
        return True

    def new_request(self, segment: Any) -> int:
        """Create an embryo row for a SYN, and log the SYN, of which the embryo stores only a part."""
        if self.filter == NOTABLE:
            self.log_syn(segment)
        else:
            if self.filter == ID:
                self.count(segment)
            if self.is_selected(segment):
                self.log_alone(segment)
        return Tracker.new_request(self, segment)

    def follow(self, i: int, side: int, segment: Any) -> int:
        """Track a segment of a known connection, and log it."""
        self.followed += 1
        mine = self.followed
        if self.filter == ID and segment.kind == KIND_TCP and self.begins(i, segment):
            self.count(segment)
        selected = self.is_selected(segment)
        if selected:
            self.copy_rows(2 * self.slot, i)
        Tracker.follow(self, i, side, segment)
        if self.followed != mine:
            return 0  # the call above tracked the segment as part of another incarnation
        self.note_doubted(i, segment)
        if selected:
            notable = self.is_notable(i, side, segment)
            frames = rows.endpoint_at(self.table.endpoints, 2 * i + side).frames
            if notable or frames <= FIRST or self.filter != NOTABLE:
                self.log(i, segment, notable)
        return 0

    def on_error(self, i: int, segment: Any) -> int:
        """Track an ICMP error that quotes a connection, and log it."""
        if not self.is_selected(segment):
            return Tracker.on_error(self, i, segment)
        self.copy_rows(2 * self.slot, i)
        Tracker.on_error(self, i, segment)
        return self.log(i, segment, True)

    # -- logging -----------------------------------------------------------------------------------------------

    def log(self, i: int, segment: Any, notable: bool) -> int:
        """Log a segment of connection `i`; the slot already holds the rows from before it."""
        seg.copy(self.segments, self.slot, segment)
        self.copy_rows(2 * self.slot + 1, i)
        return self.next_slot(notable)

    def log_alone(self, segment: Any) -> int:
        """Log a SYN that has no connection yet: the rows are empty except for its frame number."""
        seg.copy(self.segments, self.slot, segment)
        for at in range(2 * self.slot, 2 * self.slot + 2):
            rows.clear_connection(self.connections, at)
            rows.clear_ends(self.endpoints, at)
        rows.connection_at(self.connections, 2 * self.slot + 1).first_frame = segment.frame
        return self.next_slot(True)

    def log_syn(self, segment: Any) -> None:
        """Keep a SYN of which the table stores only a part."""
        seg.copy(self.syns, self.syns_logged % SYNS, segment)
        self.syns_logged += 1

    def next_slot(self, notable: bool) -> int:
        """Set the slot for the next segment."""
        self.logged += 1
        if self.filter == NOTABLE:
            self.slot = self.logged % self.slots
            return 0
        return self.call_keep(notable)

    def call_keep(self, notable: bool) -> int:
        """Set the slot for the next segment to the one that `keep` returns."""
        self.slot = self.keep(self.slot, notable)
        return 0

    def copy_rows(self, at: int, i: int) -> None:
        """Copy the rows of connection `i` to log rows `at`."""
        rows.copy_connection(self.connections, at, self.table.connections, i)
        rows.copy_ends(self.endpoints, at, self.table.endpoints, i)

    def is_notable(self, i: int, side: int, segment: Any) -> bool:
        """Return True if a segment did more than carry plain data or ACKs; the slot holds the rows from before it.

        Notable are segments that open, close or reset, damaged ones, those that close or reopen a window, and those
        that change any field that `rows` does not declare plain.
        """
        if segment.flags & (SYN | FIN | RST) or segment.notes & NOTE_DAMAGED:
            return True
        at = 2 * self.slot
        old = rows.endpoint_at(self.endpoints, 2 * at + side)
        new = rows.endpoint_at(self.table.endpoints, 2 * i + side)
        if (old.window == 0) != (new.window == 0) or rows.endpoint_changed(old, new, self.endpoint_mask):
            return True
        peer = rows.endpoint_at(self.table.endpoints, 2 * i + (side ^ 1))
        if new.window == 0 or (peer.window == 0 and peer.traits & TRAIT_SEEN):
            return True  # while the window is zero: probes and their answers
        return rows.connection_changed(
            rows.connection_at(self.connections, at),
            rows.connection_at(self.table.connections, i),
            self.connection_mask,
        ) or rows.endpoint_changed(
            rows.endpoint_at(self.endpoints, 2 * at + (side ^ 1)),
            rows.endpoint_at(self.table.endpoints, 2 * i + (side ^ 1)),
            self.endpoint_mask,
        )

    # -- selection ---------------------------------------------------------------------------------------------

    def is_selected(self, segment: Any) -> bool:
        """Return True if the filter selects the connection of the segment."""
        if self.filter == ENDS:
            return self.goes_out(segment) or self.comes_in(segment)
        if self.filter in (ID, SOME):
            return self.candidates[self.candidate_slot(segment.hash)] != 0  # type: ignore[no-any-return]
        return self.filter != NONE

    def goes_out(self, segment: Any) -> bool:
        """Return True if the selected end sent it, to the selected peer if there is one."""
        return (
            segment.src_port == self.port0
            and segment.src_lo == self.lo0
            and segment.src_hi == self.hi0
            and (
                not self.has_peer
                or (segment.dst_port == self.port1 and segment.dst_lo == self.lo1 and segment.dst_hi == self.hi1)
            )
        )

    def comes_in(self, segment: Any) -> bool:
        """Return True if it goes to the selected end, from the selected peer if there is one."""
        return (
            segment.dst_port == self.port0
            and segment.dst_lo == self.lo0
            and segment.dst_hi == self.hi0
            and (
                not self.has_peer
                or (segment.src_port == self.port1 and segment.src_lo == self.lo1 and segment.src_hi == self.hi1)
            )
        )

    def candidate_slot(self, four_tuple: int) -> int:
        """Return the index of a 4-tuple's hash among the candidates, or of the free slot for it."""
        at = four_tuple & CANDIDATE_MASK
        while self.candidates[at] != 0 and self.candidates[at] != four_tuple:
            at = (at + 1) & CANDIDATE_MASK
        return at

    def count(self, segment: Any) -> None:
        """Count the attempt that the segment begins, as long as the wanted id may still come."""
        if self.begun - self.unsolicited > self.wanted:
            return
        self.consider(self.begun, segment)
        self.begun += 1
        if segment.flags & RST or segment.flags & (SYN | ACK) == SYN | ACK:
            self.unsolicited += 1

    def begins(self, i: int, segment: Any) -> bool:
        """Return True if connection `i` begins with this segment."""
        return rows.connection_at(self.table.connections, i).first_frame == segment.frame  # type: ignore[no-any-return]

    def note_doubted(self, i: int, segment: Any) -> None:
        """If the segment is a SYN that may have begun another attempt of connection `i`, keep and count it."""
        connection = rows.connection_at(self.table.connections, i)
        if connection.provisional == 0:
            return
        if self.table.whole_frame(connection.provisional - 1) != segment.frame:
            if self.is_selected(segment) and incarnations.is_kept(self.table, connection, segment):
                self.log_syn(segment)
            return
        if self.filter == ID and self.begun - self.unsolicited <= self.wanted:
            self.consider(self.begun, segment)
            self.doubtful += 1
        if self.is_selected(segment):
            self.log_syn(segment)

    def consider(self, place: int, segment: Any) -> None:
        """Log the 4-tuple if the attempt at this place may end up with the wanted id."""
        if place + self.doubtful < self.wanted or place - self.unsolicited > self.wanted:
            return
        self.add(segment.hash)

    def add(self, four_tuple: int) -> None:
        """Add the hash of a 4-tuple to the candidates, if there is room."""
        at = self.candidate_slot(four_tuple)
        if self.candidates[at] == 0 and self.candidate_count < CANDIDATES:
            self.candidates[at] = four_tuple
            self.candidate_count += 1
