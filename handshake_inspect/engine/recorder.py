"""The witness of a ladder: what was sent on the watched connections, and what the tracker made of it.

Nothing is judged here and no state is kept: beside every segment of a watched 4-tuple stand copies of the tracker's
own rows, from before it and from after it.  What they mean is read from the rows later, by `report.narrate`.

Memory is bounded twice.  Of each connection the recorder keeps the first segments, the last ones, and between them
those that changed more than octet counts, `limit` of each at most.  Of all together it keeps `KEPT` moments, about
1 KB each; connections that begin when these are full are not recorded.
"""

import ctypes
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from handshake_inspect.decode.segment import Segment
from handshake_inspect.report.segment_log import ConnectionRows, LoggedSegment
from handshake_inspect.tcp import rows
from handshake_inspect.tcp.facts import EMBRYO, FACT_SYN, NUMBER, TRAIT_ISS, TRAIT_SEEN
from handshake_inspect.tcp.transitions import SENT_SYN, Event, TcpState, next_state
from handshake_inspect.wire.const import FIN, KIND_TCP, MASK32, RST, SYN

KEPT = 1 << 16

# What changes with every segment, however plain.
_PLAIN_CONNECTION = ("last_ns", "quick", "completeness", "aftermath")
_PLAIN_END = (
    "bytes", "frames", "snd_nxt", "contiguous", "last_ack", "tsval", "window", "ip_id", "recent", "recent_at",
    "recent_us", "zeek_letters", "hole_start", "hole_end", "largest",
)  # fmt: skip

_CONNECTION = ctypes.sizeof(rows.Connection)
_ENDPOINT = ctypes.sizeof(rows.Endpoint)
_ALIAS = ctypes.sizeof(rows.Alias)
_SEGMENT = ctypes.sizeof(Segment)
_CHECKSUMS = rows.Alias.bad_checksums


class Octets(NamedTuple):
    """The rows of a connection as they lie in memory."""

    connection: bytes
    ends: bytes
    bad_checksums: bytes


class Entry(NamedTuple):
    """One segment as it lies in memory, and the rows around it."""

    place: int
    segment: bytes
    before: Octets | None
    after: Octets


@dataclass(slots=True)
class Log:
    """What is kept of one connection."""

    first_frame: int
    total: int = 0
    head: list[Entry] = field(default_factory=list)
    notable: list[Entry] = field(default_factory=list)
    tail: deque[Entry] = field(default_factory=deque)
    last: Octets | None = None

    def entries(self) -> Iterator[Entry]:
        """All that is kept, in order."""
        yield from self.head
        yield from self.notable
        yield from self.tail


class Recorder:
    """Hears from a Watch of every segment on the watched 4-tuples."""

    def __init__(self, limit: int) -> None:
        """`limit`: how many segments of a connection a ladder shows at most."""
        self.limit = limit
        self.logs: dict[int, Log] = {}  # by the first frame, which no two connections share
        self.kept = 0
        self._pump: Any = None
        self._table: Any = None
        self._bases: tuple[int, int, int, int] = (0, 0, 0, 0)
        self._doubted: dict[int, tuple[int, Any]] = {}  # SYNs that may begin an attempt, by the hash of the 4-tuple

    def attend(self, pump: Any) -> None:
        """Look at the segment that this pump gives to its tracker, and at the tracker's rows."""
        self._pump = pump
        self._table = table = pump.tracker.table
        storages = (pump.storage, table.connection_rows, table.endpoint_rows, table.alias_rows)
        self._bases = tuple(map(ctypes.addressof, storages))  # type: ignore[assignment]

    def saw(self, reference: int) -> None:
        """The tracker has taken a segment of a watched 4-tuple, and this row has it now."""
        if not reference:
            return
        now = self._embryo(reference) if reference & EMBRYO else self._rows((reference & NUMBER) - 1)
        first_frame = _number(now.connection, rows.Connection.first_frame)
        log = self.logs.get(first_frame)
        if log is None:
            if self.kept >= KEPT:
                return
            log = self._begin(first_frame)
        octets = ctypes.string_at(self._bases[0] + self._pump.tracker.at * _SEGMENT, _SEGMENT)
        before, log.last = log.last, now
        self._keep(log, Entry(log.total, octets, before, now))
        if _number(now.connection, rows.Connection.provisional):
            self._note_doubted(_number(now.connection, rows.Connection.provisional), octets)

    def _begin(self, first_frame: int) -> Log:
        log = self.logs[first_frame] = Log(first_frame)
        syn = self._pump.storage[self._pump.tracker.at]
        frame, doubted = self._doubted.pop(int(syn.hash), (0, None))
        if doubted is not None and frame == first_frame:  # its SYN came before anyone knew what it was
            log.last = asked(doubted)
            self._keep(log, Entry(0, bytes(doubted), None, log.last))
        return log

    def _note_doubted(self, provisional: int, octets: bytes) -> None:
        """Remember a SYN that the tracker keeps as a possible attempt."""
        segment = Segment.from_buffer_copy(octets)
        first_frame = self._table.embryo_rows[provisional - 1].first_frame
        if segment.kind == KIND_TCP and first_frame == segment.frame & MASK32 and len(self._doubted) < KEPT:
            self._doubted[int(segment.hash)] = (int(segment.frame), segment)

    def _keep(self, log: Log, entry: Entry) -> None:
        log.total += 1
        room = self.kept < KEPT
        if room and len(log.head) < self.limit:
            log.head.append(entry)
            self.kept += 1
            return
        if log.tail and (not room or len(log.tail) >= self.limit):
            gone = log.tail.popleft()
            self.kept -= 1
            if len(log.notable) < self.limit and is_notable(gone):
                log.notable.append(gone)
                self.kept += 1
        if self.kept < KEPT:
            log.tail.append(entry)
            self.kept += 1

    def _rows(self, i: int) -> Octets:
        _, connections, ends, aliases = self._bases
        return Octets(
            ctypes.string_at(connections + i * _CONNECTION, _CONNECTION),
            ctypes.string_at(ends + 2 * i * _ENDPOINT, 2 * _ENDPOINT),
            ctypes.string_at(aliases + i * _ALIAS + _CHECKSUMS.offset, _CHECKSUMS.size),
        )

    def _embryo(self, reference: int) -> Octets:
        """A SYN alone gets the rows that it would have as a connection."""
        embryo = self._table.embryo_rows[(reference & NUMBER) - 1]
        return _embryo_rows(embryo, self._pump.storage[self._pump.tracker.at])


def moments(entries: Iterable[Entry]) -> list[LoggedSegment]:
    """Give entries the form that they are read in."""
    return [
        LoggedSegment(
            entry.place,
            Segment.from_buffer_copy(entry.segment),
            None if entry.before is None else opened(entry.before),
            opened(entry.after),
        )
        for entry in entries
    ]


def opened(octets: Octets) -> ConnectionRows:
    """ConnectionRows from the octets of them."""
    ends = rows.Endpoint.from_buffer_copy(octets.ends), rows.Endpoint.from_buffer_copy(octets.ends, _ENDPOINT)
    half = len(octets.bad_checksums) // 2
    counts = tuple(
        int.from_bytes(part, sys.byteorder) for part in (octets.bad_checksums[:half], octets.bad_checksums[half:])
    )
    return ConnectionRows(rows.Connection.from_buffer_copy(octets.connection), ends, counts)  # type: ignore[arg-type]


def is_notable(entry: Entry) -> bool:
    """Whether the segment did more than move octets on: no plain data, no plain ACK."""
    one, other = entry.before, entry.after
    if one is None or _number(entry.segment, Segment.flags) & (SYN | FIN | RST):
        return True
    if entry.segment[Segment.kind.offset] != KIND_TCP or one.bad_checksums != other.bad_checksums:
        return True
    return _differ(one.connection, other.connection, _CONNECTION_MASK) or _differ(one.ends, other.ends, _ENDS_MASK)


def _number(octets: bytes, place: Any) -> int:
    """One field of a row."""
    return int.from_bytes(octets[place.offset : place.offset + place.size], sys.byteorder)


def _differ(one: bytes, other: bytes, mask: int) -> bool:
    """Whether two rows differ in the octets of the mask."""
    return (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")) & mask != 0


def _mask(kind: Any, plain: tuple[str, ...]) -> bytes:
    """All octets of a row but those of the plain fields."""
    octets = bytearray(b"\xff" * ctypes.sizeof(kind))
    for name in plain:
        place = getattr(kind, name)
        octets[place.offset : place.offset + place.size] = bytes(place.size)
    return bytes(octets)


_CONNECTION_MASK = int.from_bytes(_mask(rows.Connection, _PLAIN_CONNECTION), "big")
_ENDS_MASK = int.from_bytes(2 * _mask(rows.Endpoint, _PLAIN_END), "big")


def _embryo_rows(embryo: Any, segment: Any) -> Octets:
    """What a SYN that nothing followed would look like as a connection."""
    client, server = rows.Endpoint(), rows.Endpoint()
    client.iss = embryo.iss
    client.snd_nxt = (embryo.iss + 1) & MASK32
    client.state = next_state(Event(SENT_SYN), TcpState.CLOSED)
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
    return Octets(bytes(connection), bytes(client) + bytes(server), bytes(_CHECKSUMS.size))


def asked(syn: Any) -> Octets:
    """The rows of an attempt of which only this SYN is known."""
    embryo = rows.Embryo(
        syn.src_hi, syn.src_lo, syn.dst_hi, syn.dst_lo, syn.ts_ns, syn.frame & MASK32, syn.seq, syn.tsval,
        syn.src_port, syn.dst_port,
    )  # fmt: skip
    return _embryo_rows(embryo, syn)
