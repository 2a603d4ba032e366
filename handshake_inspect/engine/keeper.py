"""A tracker that keeps a copy of what is notable, so that a screen can show how a connection came to where it is.

Two rings, each of a fixed size: the newest SYNs that found nothing on their 4-tuple, and the newest segments that did
more than move octets on, with the rows of their connection from before and after.  Plain data and acknowledgments of
established connections pass as they do in `Tracker`, and cost nothing more.  A flood of SYNs fills only its own ring.

Only the thread that tracks may read the rings: see `kept.Kept`.
"""

from typing import Any

from handshake_inspect.decode import segment as seg
from handshake_inspect.engine.kept import FIRST, SEGMENTS, SYNS
from handshake_inspect.engine.kept import room as room_for_segments
from handshake_inspect.tcp import rows
from handshake_inspect.tcp.tracker import Tracker
from handshake_inspect.wire import fourtuple
from handshake_inspect.wire.const import FIN, NOTE_BAD_CHECKSUM, RST, SYN


class Keeper(Tracker):
    """Tracks as `Tracker` does, and fills its rings meanwhile."""

    def __init__(self, limit: int) -> None:
        """`limit` as in Tracker."""
        Tracker.__init__(self, limit)
        self.syn_rows = room_for_segments(SYNS)
        self.segment_rows = room_for_segments(SEGMENTS)
        # Of slot i: rows 2i are from before its segment, rows 2i + 1 from after it.
        self.connection_rows = rows.reserve("Connection", 2 * SEGMENTS)
        self.endpoint_rows = rows.reserve("Endpoint", 4 * SEGMENTS)
        self.alias_rows = rows.reserve("Alias", 2 * SEGMENTS)
        self.syns = seg.segments_of(self.syn_rows)
        self.segments = seg.segments_of(self.segment_rows)
        self.connections = rows.connections_of(self.connection_rows)
        self.endpoints = rows.endpoints_of(self.endpoint_rows)
        self.aliases = rows.aliases_of(self.alias_rows)
        self.syns_kept = 0  # ever; the last SYNS of them are there
        self.segments_kept = 0
        self.followed = 0  # how often `follow` was asked

    def conceive(self, segment: Any) -> int:
        """As `Tracker.conceive`; keeps the SYN, of which the embryo does not hold everything."""
        seg.copy(self.syns, self.syns_kept % SYNS, segment)
        self.syns_kept += 1
        return Tracker.conceive(self, segment)

    def follow(self, i: int, side: int, segment: Any) -> int:
        """As `Tracker.follow`; keeps the segment if it was notable."""
        self.followed += 1
        mine = self.followed
        at = self.segments_kept % SEGMENTS
        self.copy_rows(2 * at, i)
        Tracker.follow(self, i, side, segment)
        # Else another incarnation has the segment, and that was followed meanwhile.
        if self.followed == mine and self.is_notable(2 * at, i, side, segment):
            self.keep(at, i, segment)
        return 0

    def on_error(self, i: int, segment: Any) -> int:
        """As `Tracker.on_error`; keeps the error."""
        at = self.segments_kept % SEGMENTS
        self.copy_rows(2 * at, i)
        Tracker.on_error(self, i, segment)
        self.keep(at, i, segment)
        return 0

    def keep(self, at: int, i: int, segment: Any) -> None:
        """Keep a segment in slot `at`, with the rows as they are now."""
        seg.copy(self.segments, at, segment)
        if segment.hash == 0:  # a SYN that the table remembered
            seg.segment_at(self.segments, at).hash = fourtuple.hash_four_tuple(
                segment.src_hi, segment.src_lo, segment.src_port, segment.dst_hi, segment.dst_lo, segment.dst_port
            )
        self.copy_rows(2 * at + 1, i)
        self.segments_kept += 1

    def copy_rows(self, at: int, i: int) -> None:
        """Copy the rows of connection `i`."""
        rows.copy_connection(self.connections, at, self.table.connections, i)
        rows.copy_ends(self.endpoints, at, self.table.endpoints, i)
        rows.copy_alias(self.aliases, at, self.table.aliases, i)

    def is_notable(self, before: int, i: int, side: int, segment: Any) -> bool:
        """Whether a segment of connection `i` did more than move octets on; its rows from before it are at `before`."""
        old = rows.connection_at(self.connections, before)
        new = rows.connection_at(self.table.connections, i)
        sender = rows.endpoint_at(self.table.endpoints, 2 * i + side)
        if segment.flags & (SYN | FIN | RST) or segment.notes & NOTE_BAD_CHECKSUM or sender.frames <= FIRST:
            return True
        if old.facts != new.facts or old.trouble_frame != new.trouble_frame or old.reack_count != new.reack_count:
            return True
        peer = rows.endpoint_at(self.table.endpoints, 2 * i + (side ^ 1))
        return self.has_changed(rows.endpoint_at(self.endpoints, 2 * before + side), sender) or self.has_changed(
            rows.endpoint_at(self.endpoints, 2 * before + (side ^ 1)), peer
        )

    def has_changed(self, old: Any, new: Any) -> bool:
        """Whether an end came to another state, or something odd was counted of it."""
        if old.state != new.state or old.traits != new.traits or (old.window == 0) != (new.window == 0):
            return True
        if old.retransmissions != new.retransmissions or old.out_of_order != new.out_of_order:
            return True
        if old.duplicates != new.duplicates or old.keep_alives != new.keep_alives:
            return True
        return old.zero_windows != new.zero_windows  # type: ignore[no-any-return]
