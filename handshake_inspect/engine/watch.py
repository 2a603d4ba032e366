"""A tracker that tells a witness what it does with some connections.

It is the tracker of `analyze`, with one question in front: is this segment of a watched 4-tuple?  What is asked for by
address is known from its first frame.  What is asked for by id is not: ids go by first frames, so the attempts are
counted as they begin.  A SYN on a living connection may turn out to be an attempt of its own later on, which moves all
that begin after it by one: until the end every attempt that may still come to bear the id is watched, which are as
many as there were such SYNs, and one.  An attempt that an answer begins may turn out to belong to another one
(`verdicts/elsewhere.py`), which moves all after it by one the other way.
"""

from typing import Any

from handshake_inspect.tcp import rows
from handshake_inspect.tcp.facts import EMBRYO, NUMBER
from handshake_inspect.tcp.tracker import Tracker
from handshake_inspect.wire.const import ACK, RST, SYN

CANDIDATES = 1024  # 4-tuples watched for one id; more need a capture that is nothing but forged SYNs


class Watch(Tracker):
    """Tracks as `Tracker` does; after a watched segment it calls `witness.saw(reference)` with the row that has it."""

    def __init__(self, limit: int, witness: Any) -> None:
        """`limit` as in Tracker; nothing is watched yet."""
        Tracker.__init__(self, limit)
        self.witness = witness
        self.everything = False
        self.by_address = False
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
        self.hashes: set[int] = set()

    def watch_everything(self) -> None:
        """Watch every connection."""
        self.everything = True

    def watch_address(self, hi: int, lo: int, port: int) -> None:
        """Watch the connections that have this end, on either side."""
        self.hi0 = hi
        self.lo0 = lo
        self.port0 = port
        self.by_address = True

    def watch_pair(self, hi: int, lo: int, port: int) -> None:
        """Of those of `watch_address`, only the ones with this other end."""
        self.hi1 = hi
        self.lo1 = lo
        self.port1 = port
        self.has_peer = True

    def watch_id(self, number: int) -> None:
        """Watch the connection that will have this id."""
        self.wanted = number

    def track(self, segment: Any) -> int:
        """As `Tracker.track`; the witness hears of what is watched."""
        if self.everything or self.is_watched(segment):
            Tracker.track(self, segment)
            self.witness.saw(self.table.find(segment))
            if self.begun - self.unasked <= self.wanted:
                self.count(segment)
            return 0
        Tracker.track(self, segment)
        if self.begun - self.unasked <= self.wanted and self.count(segment):
            self.witness.saw(self.table.find(segment))
        return 0

    def is_watched(self, segment: Any) -> bool:
        """Whether the segment is of a watched 4-tuple."""
        if self.by_address:
            return self.goes_out(segment) or self.comes_in(segment)
        if self.hashes:
            return segment.hash in self.hashes
        return False

    def goes_out(self, segment: Any) -> bool:
        """Whether the watched end sent it, to the watched peer if there is one."""
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
        """As `goes_out`, the other way."""
        return (
            segment.dst_port == self.port0
            and segment.dst_lo == self.lo0
            and segment.dst_hi == self.hi0
            and (
                not self.has_peer
                or (segment.src_port == self.port1 and segment.src_lo == self.lo1 and segment.src_hi == self.hi1)
            )
        )

    def count(self, segment: Any) -> bool:
        """Count the attempt that the segment began, if it did; whether it is one to watch."""
        reference = self.table.find(segment)
        if reference == 0:
            return False
        if reference & EMBRYO:
            if self.table.whole_frame((reference & NUMBER) - 1) != segment.frame:
                return False
        else:
            connection = rows.connection_at(self.table.connections, reference - 1)
            if connection.first_frame != segment.frame:
                return self.doubt(connection.provisional, segment)
        place = self.begun
        self.begun += 1
        candidate = self.consider(place, segment)
        if segment.flags & RST or segment.flags & (SYN | ACK) == SYN | ACK:
            self.unasked += 1
        return candidate

    def doubt(self, provisional: int, segment: Any) -> bool:
        """Count a SYN that may have begun an attempt, if the segment is one; whether it is one to watch."""
        if provisional == 0:
            return False
        if self.table.whole_frame(provisional - 1) != segment.frame:
            return False
        candidate = self.consider(self.begun, segment)
        self.doubtful += 1
        return candidate

    def consider(self, place: int, segment: Any) -> bool:
        """Watch the 4-tuple if the attempt at this place, or at one as many further on as are in doubt, is wanted."""
        if place + self.doubtful < self.wanted or place - self.unasked > self.wanted:
            return False
        if len(self.hashes) >= CANDIDATES:
            return False
        self.hashes.add(segment.hash)
        return True
