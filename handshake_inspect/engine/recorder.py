"""The witness of a ladder: what was sent on the watched connections, and what the tracker made of it.

Nothing is judged here and no state is kept: beside every segment of a watched 4-tuple stand copies of the tracker's
own rows, from before it and from after it.  What they mean is read from the rows later, by `report.narrate`.

Memory is bounded twice.  Of each connection the recorder keeps the first segments, the last ones, and between them
those that changed more than octet counts, `limit` of each at most.  Of all together it keeps `KEPT` moments, about
1 KB each; connections that begin when these are full are not recorded.
"""

import ctypes
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from handshake_inspect.report.moment import Moment, Rows
from handshake_inspect.tcp import rows
from handshake_inspect.tcp.facts import EMBRYO, FACT_SYN, NUMBER, TRAIT_ISS, TRAIT_SEEN
from handshake_inspect.tcp.transitions import SENT_SYN, TcpState, next_state
from handshake_inspect.tcp.transitions import Event as TcpEvent
from handshake_inspect.wire.const import FIN, KIND_TCP, MASK32, RST, SYN

KEPT = 1 << 16

# What changes with every segment, however plain.
_PLAIN_CONNECTION = ("last_ns", "quick", "completeness")
_PLAIN_END = (
    "bytes", "frames", "snd_nxt", "contiguous", "last_ack", "tsval", "window", "ip_id", "recent", "recent_at",
    "recent_us", "zeek_letters", "hole_start", "hole_end",
)  # fmt: skip


@dataclass(slots=True)
class Log:
    """What is kept of one connection."""

    first_frame: int
    total: int = 0
    head: list[Moment] = field(default_factory=list)
    notable: list[Moment] = field(default_factory=list)
    tail: deque[Moment] = field(default_factory=deque)
    last: Rows | None = None

    def moments(self) -> Iterator[Moment]:
        """All that is kept, in order."""
        yield from self.head
        start = self.tail[0].place if self.tail else self.total
        yield from (moment for moment in self.notable if moment.place < start)
        yield from self.tail


class Recorder:
    """Hears from a Watch of every segment on the watched 4-tuples."""

    def __init__(self, limit: int) -> None:
        """`limit`: how many segments of a connection a ladder shows at most."""
        self.limit = limit
        self.logs: dict[int, Log] = {}  # by the first frame, which no two connections share
        self.kept = 0
        self.pump: Any = None
        self._before: Rows | None = None
        self._doubted: dict[int, tuple[int, Any]] = {}

    def attend(self, pump: Any) -> None:
        """Look at the segment that this pump gives to its tracker, and at the tracker's rows."""
        self.pump = pump

    @property
    def segment(self) -> Any:
        """The segment that is being tracked."""
        return self.pump.storage[self.pump.at]

    def before(self, reference: int) -> None:
        """The row of the 4-tuple before the segment is tracked, 0 for none."""
        self._before = self._rows(reference) if reference else None

    def after(self, reference: int) -> None:
        """The row that has the segment now: of the same connection, or of one that it began."""
        if not reference:
            return
        now = self._rows(reference)
        segment = self.segment
        first_frame = int(now.connection.first_frame)
        log = self._log(int(segment.hash), first_frame, now)
        if log is None:
            return
        before = log.last
        if before is None and self._before is not None and self._before.connection.first_frame == first_frame:
            before = self._before
        log.last = now
        self._keep(log, Moment(log.total, _copy(segment), before, now))
        self._note_doubted(now.connection, segment)

    def _log(self, hashed: int, first_frame: int, now: Rows) -> Log | None:
        log = self.logs.get(first_frame)
        if log is None and self.kept < KEPT:
            log = self.logs[first_frame] = Log(first_frame)
            doubted = self._doubted.pop(hashed, None)
            if doubted is not None and doubted[0] == first_frame:
                self._begin_earlier(log, doubted[1])
        return log

    def _begin_earlier(self, log: Log, syn: Any) -> None:
        """An attempt whose SYN was met before anyone knew that it was one."""
        log.last = _asked(syn)
        self._keep(log, Moment(0, syn, None, log.last))

    def _note_doubted(self, connection: Any, segment: Any) -> None:
        """Remember a SYN that the tracker keeps as a possible attempt."""
        if not connection.provisional or not segment.flags & SYN or segment.kind != KIND_TCP:
            return
        embryo = self.pump.tracker.table.embryo_rows[connection.provisional - 1]
        if embryo.first_frame == segment.frame & MASK32 and len(self._doubted) < KEPT:
            self._doubted[int(segment.hash)] = (int(segment.frame), _copy(segment))

    def _keep(self, log: Log, moment: Moment) -> None:
        log.total += 1
        room = self.kept < KEPT
        if room and len(log.head) < self.limit:
            log.head.append(moment)
            self.kept += 1
            return
        if log.tail and (not room or len(log.tail) >= self.limit):
            gone = log.tail.popleft()
            self.kept -= 1
            if is_notable(gone) and len(log.notable) < self.limit:
                log.notable.append(gone)
                self.kept += 1
        if self.kept < KEPT:
            log.tail.append(moment)
            self.kept += 1

    def _rows(self, reference: int) -> Rows:
        """Copy the rows of a reference; a SYN alone gets the rows that it would have as a connection."""
        table, i = self.pump.tracker.table, (reference & NUMBER) - 1
        if reference & EMBRYO:
            return _embryo_rows(table.embryo_rows[i], self.segment)
        return Rows(
            _copy(table.connection_rows[i]),
            (_copy(table.endpoint_rows[2 * i]), _copy(table.endpoint_rows[2 * i + 1])),
            tuple(table.alias_rows[i].bad_checksums),
        )


def is_notable(moment: Moment) -> bool:
    """Whether the segment did more than move octets on: no plain data, no plain ACK."""
    one, other = moment.before, moment.after
    if one is None or moment.segment.kind != KIND_TCP or moment.segment.flags & (SYN | FIN | RST):
        return True
    return (
        one.bad_checksums != other.bad_checksums
        or _differ(one.connection, other.connection, _CONNECTION_MASK)
        or _differ(one.ends[0], other.ends[0], _END_MASK)
        or _differ(one.ends[1], other.ends[1], _END_MASK)
    )


def _differ(one: Any, other: Any, mask: int) -> bool:
    """Whether two rows differ in the octets of the mask."""
    return (int.from_bytes(bytes(one)) ^ int.from_bytes(bytes(other))) & mask != 0


def _mask(kind: Any, plain: tuple[str, ...]) -> int:
    """All octets of a row but those of the plain fields."""
    octets = bytearray(b"\xff" * ctypes.sizeof(kind))
    for name in plain:
        place = getattr(kind, name)
        octets[place.offset : place.offset + place.size] = bytes(place.size)
    return int.from_bytes(octets)


_CONNECTION_MASK = _mask(rows.Connection, _PLAIN_CONNECTION)
_END_MASK = _mask(rows.Endpoint, _PLAIN_END)


def _copy(record: Any) -> Any:
    return type(record).from_buffer_copy(record)


def _embryo_rows(embryo: Any, segment: Any) -> Rows:
    """What a SYN that nothing followed would look like as a connection."""
    client, server = rows.Endpoint(), rows.Endpoint()
    client.iss = embryo.iss
    client.snd_nxt = (embryo.iss + 1) & MASK32
    client.state = next_state(TcpEvent(SENT_SYN), TcpState.CLOSED)
    client.traits = TRAIT_ISS | TRAIT_SEEN
    client.frames = 1
    connection = rows.Connection()
    connection.facts = FACT_SYN
    connection.syn_count = 1
    frame = segment.frame & ~MASK32 | embryo.first_frame
    connection.first_frame = frame if frame <= segment.frame else frame - MASK32 - 1
    connection.first_ns = connection.last_ns = connection.syn_ns = embryo.first_ns
    connection.syn_frame = embryo.first_frame
    for end, side in (("client", "0"), ("server", "1")):
        for part in ("hi", "lo", "port"):
            setattr(connection, f"{part}{side}", getattr(embryo, f"{end}_{part}"))
    return Rows(connection, (client, server))


def _asked(syn: Any) -> Rows:
    """The rows of an attempt of which only this SYN is known."""
    embryo = rows.Embryo(
        syn.src_hi, syn.src_lo, syn.dst_hi, syn.dst_lo, syn.ts_ns, syn.frame & MASK32, syn.seq, syn.tsval,
        syn.src_port, syn.dst_port,
    )  # fmt: skip
    return _embryo_rows(embryo, syn)
