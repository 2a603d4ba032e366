"""A tracker that logs segments, each between copies of its connection's rows from before it and from after it.

What is logged, `picks` says: of all connections the segments that are notable, which did more than move bytes on
(`NOTABLE`, for a screen); or every segment of the connections that are asked for: all of them, those that have an end
or two, the one with an id, or those of some 4-tuples.

In slot i are segment i and the rows 2i (before) and 2i + 1 (after).  Notable segments fill the slots round and round:
the newest replaces the oldest, nothing there needs Python, and plain data and acknowledgments of established
connections pass as they do in `Tracker`.  With every other filter `keep` is called for each logged segment, and says
which slot the next one goes to.  SYNs have a ring of their own, which a flood may fill: of a SYN that waits for its
answer the table remembers not everything.

Ids go by first frames, so to log by id the attempts are counted as they begin.  A SYN on a living connection may turn
out to be an attempt of its own later on, which moves all that begin after it by one: every attempt that may still come
to bear the id is logged, which are as many as there were such SYNs, and one.  An attempt that an answer begins may
turn out to belong to another one (`verdicts/elsewhere.py`), which moves all after it by one the other way.

Only the thread that tracks may read the slots: see `segment_log`.
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
)
from handshake_inspect.engine.segment_log import room as room_for_segments
from handshake_inspect.tcp import incarnations, room, rows
from handshake_inspect.tcp.facts import TRAIT_SEEN, ZEEK_WROTE_A, ZEEK_WROTE_D
from handshake_inspect.tcp.tracker import Tracker
from handshake_inspect.wire.const import ACK, FIN, KIND_TCP, NOTE_DAMAGED, RST, SYN


class LoggingTracker(Tracker):
    """Tracks as `Tracker` does, and logs what its filter picks: by default what is notable."""

    def __init__(self, limit: int, slots: int) -> None:
        """`limit` as in Tracker; `slots` is how many logged segments there is room for."""
        Tracker.__init__(self, limit)
        self.slots = slots
        self.segment_rows = room_for_segments(slots)
        self.connection_rows = room.reserve("Connection", 2 * slots)
        self.endpoint_rows = room.reserve("Endpoint", 4 * slots)
        self.syn_rows = room_for_segments(SYNS)
        self.segments = seg.segments_of(self.segment_rows)
        self.connections = rows.connections_of(self.connection_rows)
        self.endpoints = rows.endpoints_of(self.endpoint_rows)
        self.syns = seg.segments_of(self.syn_rows)
        self.slot = 0  # where the next one goes
        self.logged = 0  # ever
        self.syns_logged = 0  # ever; the last SYNS of them are there
        self.followed = 0  # how often `follow` was called
        self.connection_mask_words = rows.notable_bytes("Connection")
        self.endpoint_mask_words = rows.notable_bytes("Endpoint")
        self.connection_mask = rows.words_of(self.connection_mask_words)
        self.endpoint_mask = rows.words_of(self.endpoint_mask_words)
        self.keep: Any = None  # keep(slot, notable) returns the slot of the next logged segment
        self.picks = NOTABLE
        self.hi0 = 0
        self.lo0 = 0
        self.port0 = 0
        self.has_peer = False
        self.hi1 = 0
        self.lo1 = 0
        self.port1 = 0
        self.wanted = -1  # the id
        self.begun = 0
        self.doubtful = 0  # SYNs so far that may or may not have begun an attempt
        self.unasked = 0  # attempts so far that an answer began
        self.candidate_words = room.reserve_words(CANDIDATE_MASK + 1)  # hashes of their 4-tuples, open-addressed
        self.candidates = rows.words_of(self.candidate_words)
        self.candidate_count = 0

    def log_none(self) -> None:
        """Log nothing from now on."""
        self.picks = NONE

    def log_all(self) -> None:
        """Log every connection."""
        self.picks = ALL

    def log_end(self, hi: int, lo: int, port: int) -> None:
        """Of all connections, only those that have this end, on either side."""
        self.hi0 = hi
        self.lo0 = lo
        self.port0 = port
        self.picks = ENDS

    def log_peer(self, hi: int, lo: int, port: int) -> None:
        """Of those of `log_end`, only the ones with this other end."""
        self.hi1 = hi
        self.lo1 = lo
        self.port1 = port
        self.has_peer = True

    def log_id(self, number: int) -> None:
        """Of all connections, only the one that will have this id."""
        self.wanted = number
        self.picks = ID

    def log_tuple(self, four_tuple: int) -> None:
        """Of all connections, only those of 4-tuples with this hash, and with the others that were so named."""
        self.picks = SOME
        self.add(four_tuple)

    # -- what is tracked ---------------------------------------------------------------------------------------

    def pass_quickly(self, connection: Any, i: int, side: int, segment: Any) -> bool:
        """Take a segment by the short path, and log it if its connection is asked for."""
        if self.picks == NOTABLE:
            wrote = ZEEK_WROTE_D if segment.payload_len else ZEEK_WROTE_A
            if not rows.endpoint_at(self.table.endpoints, 2 * i + side).zeek_letters & wrote:
                return False  # the first of its kind, which is notable: `follow` logs it
            return Tracker.pass_quickly(self, connection, i, side, segment)
        if not self.is_asked_for(segment):
            return Tracker.pass_quickly(self, connection, i, side, segment)
        self.copy_rows(2 * self.slot, i)
        if not Tracker.pass_quickly(self, connection, i, side, segment):
            return False
        self.log(i, segment, self.is_notable(i, side, segment))
        return True

    def conceive(self, segment: Any) -> int:
        """Make an embryo of a SYN, and log the SYN, of which the embryo does not hold everything."""
        if self.picks == NOTABLE:
            self.log_syn(segment)
        else:
            if self.picks == ID:
                self.count(segment)
            if self.is_asked_for(segment):
                self.log_alone(segment)
        return Tracker.conceive(self, segment)

    def follow(self, i: int, side: int, segment: Any) -> int:
        """Take a segment of a known connection, and log it."""
        self.followed += 1
        mine = self.followed
        if self.picks == ID and segment.kind == KIND_TCP and self.begins(i, segment):
            self.count(segment)
        asked_for = self.is_asked_for(segment)
        if asked_for:
            self.copy_rows(2 * self.slot, i)
        Tracker.follow(self, i, side, segment)
        if self.followed != mine:
            return 0  # the segment is of another incarnation, which was tracked since
        self.note_doubted(i, segment)
        if asked_for:
            notable = self.is_notable(i, side, segment)
            frames = rows.endpoint_at(self.table.endpoints, 2 * i + side).frames
            if notable or frames <= FIRST or self.picks != NOTABLE:
                self.log(i, segment, notable)
        return 0

    def on_error(self, i: int, segment: Any) -> int:
        """Take an ICMP error that quotes a connection, and log it."""
        if not self.is_asked_for(segment):
            return Tracker.on_error(self, i, segment)
        self.copy_rows(2 * self.slot, i)
        Tracker.on_error(self, i, segment)
        return self.log(i, segment, True)

    # -- the log -----------------------------------------------------------------------------------------------

    def log(self, i: int, segment: Any, notable: bool) -> int:
        """Log a segment of connection `i`, whose rows from before it are in the slot."""
        seg.copy(self.segments, self.slot, segment)
        self.copy_rows(2 * self.slot + 1, i)
        return self.go_on(notable)

    def log_alone(self, segment: Any) -> int:
        """Log a SYN that has no connection yet: its rows are empty but for its frame."""
        seg.copy(self.segments, self.slot, segment)
        for at in range(2 * self.slot, 2 * self.slot + 2):
            rows.clear_connection(self.connections, at)
            rows.clear_ends(self.endpoints, at)
        rows.connection_at(self.connections, 2 * self.slot + 1).first_frame = segment.frame
        return self.go_on(True)

    def log_syn(self, segment: Any) -> None:
        """Keep a SYN of which the table remembers only a part."""
        seg.copy(self.syns, self.syns_logged % SYNS, segment)
        self.syns_logged += 1

    def go_on(self, notable: bool) -> int:
        """Find the slot for the next segment."""
        self.logged += 1
        if self.picks == NOTABLE:
            self.slot = self.logged % self.slots
            return 0
        return self.ask(notable)

    def ask(self, notable: bool) -> int:
        """Have `keep` say where the next segment goes."""
        self.slot = self.keep(self.slot, notable)
        return 0

    def copy_rows(self, at: int, i: int) -> None:
        """Copy the rows of connection `i`."""
        rows.copy_connection(self.connections, at, self.table.connections, i)
        rows.copy_ends(self.endpoints, at, self.table.endpoints, i)

    def is_notable(self, i: int, side: int, segment: Any) -> bool:
        """Whether a segment did more than move bytes on; its connection's rows from before it are in the slot.

        It did where it opens, closes or resets, where it was damaged, where a window is shut or opens again, and where
        anything changed that `rows` does not call plain.
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
            return True  # while it is shut: probes, and what they are answered
        return rows.connection_changed(
            rows.connection_at(self.connections, at),
            rows.connection_at(self.table.connections, i),
            self.connection_mask,
        ) or rows.endpoint_changed(
            rows.endpoint_at(self.endpoints, 2 * at + (side ^ 1)),
            rows.endpoint_at(self.table.endpoints, 2 * i + (side ^ 1)),
            self.endpoint_mask,
        )

    # -- what is asked for -------------------------------------------------------------------------------------

    def is_asked_for(self, segment: Any) -> bool:
        """Whether the segment is of a connection that is asked for: of any, unless the filter names some."""
        if self.picks == ENDS:
            return self.goes_out(segment) or self.comes_in(segment)
        if self.picks in (ID, SOME):
            return self.candidates[self.candidate_slot(segment.hash)] != 0  # type: ignore[no-any-return]
        return self.picks != NONE

    def goes_out(self, segment: Any) -> bool:
        """Whether the end that is asked for sent it, to the peer that is asked for if there is one."""
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
        """Whether the segment goes to the end that is asked for, from the peer that is asked for if there is one."""
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
        """Where the hash of a 4-tuple is among the candidates, or where it would go."""
        at = four_tuple & CANDIDATE_MASK
        while self.candidates[at] != 0 and self.candidates[at] != four_tuple:
            at = (at + 1) & CANDIDATE_MASK
        return at

    def count(self, segment: Any) -> None:
        """Count the attempt that the segment begins, while the id may still be ahead."""
        if self.begun - self.unasked > self.wanted:
            return
        self.consider(self.begun, segment)
        self.begun += 1
        if segment.flags & RST or segment.flags & (SYN | ACK) == SYN | ACK:
            self.unasked += 1

    def begins(self, i: int, segment: Any) -> bool:
        """Whether connection `i` begins with this segment."""
        return rows.connection_at(self.table.connections, i).first_frame == segment.frame  # type: ignore[no-any-return]

    def note_doubted(self, i: int, segment: Any) -> None:
        """Keep and count a SYN of connection `i` that may have begun an attempt, if the segment is one."""
        connection = rows.connection_at(self.table.connections, i)
        if connection.provisional == 0:
            return
        if self.table.whole_frame(connection.provisional - 1) != segment.frame:
            if self.is_asked_for(segment) and incarnations.is_kept(self.table, connection, segment):
                self.log_syn(segment)
            return
        if self.picks == ID and self.begun - self.unasked <= self.wanted:
            self.consider(self.begun, segment)
            self.doubtful += 1
        if self.is_asked_for(segment):
            self.log_syn(segment)

    def consider(self, place: int, segment: Any) -> None:
        """Log the 4-tuple if the attempt at this place, or at one as many further on as are in doubt, is wanted."""
        if place + self.doubtful < self.wanted or place - self.unasked > self.wanted:
            return
        self.add(segment.hash)

    def add(self, four_tuple: int) -> None:
        """Make a 4-tuple, by its hash, one of the candidates, while there is room."""
        at = self.candidate_slot(four_tuple)
        if self.candidates[at] == 0 and self.candidate_count < CANDIDATES:
            self.candidates[at] = four_tuple
            self.candidate_count += 1
