"""Find the connection that owns each frame, for `--write`; IP fragments included.

Only the first fragment of a datagram has ports.  Later fragments that arrive before it are buffered, together with all
frames that must be written after them: at most `HELD_BYTES`, and no longer than the reassembly timeout.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final, Generic, NamedTuple, TypeVar

from handshake_inspect.decode import segment, uncommon
from handshake_inspect.decode.fragments import MAX_DATAGRAMS, TIMEOUT_NS, Key, Reassembler, find_fragment
from handshake_inspect.decode.frame import decode_bytes
from handshake_inspect.wire.const import (
    KIND_DAMAGED,
    KIND_DECLINED,
    KIND_FRAGMENT,
    KIND_ICMP_ERROR,
    KIND_TCP,
    NOTE_FIRST_FRAGMENT,
)

HELD_BYTES: Final = 16 << 20

Endpoint = tuple[int, int, int]
FourTuple = tuple[Endpoint, Endpoint]
Owner = TypeVar("Owner")


class Frame(NamedTuple):
    """A captured frame."""

    number: int
    ts_ns: int
    data: bytes
    wire_len: int
    link_type: int


class FrameTuples(NamedTuple):
    """The 4-tuples of a frame, and the datagram if the frame is an IP fragment."""

    tuples: list[FourTuple]
    datagram: Key | None = None


class TupleReader:
    """Decodes the frames of one trace, in order, to find their 4-tuples."""

    def __init__(self) -> None:
        self._storage = segment.segments(1)
        self._reassembler = Reassembler()

    def of(self, frame: Frame) -> FrameTuples:
        """Return the 4-tuples of a frame; none if unknown, or not known until its first fragment arrives."""
        parts: list[uncommon.LayerData] = []
        kind = decode_bytes(frame.data, frame.wire_len, frame.link_type, self._storage, 0)
        if kind == KIND_DECLINED:
            kind = uncommon.decode_uncommon(frame.data, frame.wire_len, frame.link_type, self._storage, 0, parts)
        first = self._storage[0].notes & NOTE_FIRST_FRAGMENT != 0
        if kind == KIND_FRAGMENT or (first and kind in (KIND_TCP, KIND_DAMAGED)):
            return self._of_fragment(frame, kind)
        tuples = self._pair(kind)
        for part in parts:  # further packets in the same frame
            tuples += self._pair(uncommon.decode_from_layer(part, self._storage, 0))
        return FrameTuples(tuples)

    def _of_fragment(self, frame: Frame, kind: int) -> FrameTuples:
        try:
            part = uncommon.outer_layer(frame.data, frame.wire_len, frame.link_type)
            piece = None if part is None else find_fragment(*part)
        except uncommon.decode_errors():
            part = piece = None
        kind = self._reassembler.take(part, frame.ts_ns, self._storage, 0)
        return FrameTuples(self._pair(kind), None if piece is None else piece.key)

    def _pair(self, kind: int) -> list[FourTuple]:
        if kind not in (KIND_TCP, KIND_ICMP_ERROR):
            return []
        record: Any = self._storage[0]
        ends = (record.src_hi, record.src_lo, record.src_port), (record.dst_hi, record.dst_lo, record.dst_port)
        return [normalized(*ends)]


def normalized(one: Endpoint, other: Endpoint) -> FourTuple:
    """Return a 4-tuple that is the same for both directions."""
    return (one, other) if one <= other else (other, one)


class OwnerAssignment(Generic[Owner]):
    """Passes each frame and its owner to `write`, in order; frames without an owner are dropped."""

    def __init__(self, find: Callable[[FourTuple, int], Owner | None], write: Callable[[Frame, Owner], None]) -> None:
        self._find = find
        self._write = write
        self._pairs = TupleReader()
        self._datagrams: dict[Key, tuple[int, Owner | None]] = {}  # time of the first fragment and owner, oldest first
        self._held: deque[tuple[Frame, Key | None, Owner | None]] = deque()
        self._held_bytes = 0

    def take(self, frame: Frame) -> None:
        """Process the next frame of the trace."""
        about = self._pairs.of(frame)
        owner = next((found for pair in about.tuples if (found := self._find(pair, frame.number)) is not None), None)
        if about.datagram is not None:
            known = self._datagram(about, frame.ts_ns, owner)
            if known is None:
                self._hold(frame, about.datagram, None)
                return
            owner = known[1]
            self._release(frame.ts_ns)
        if owner is None:
            return
        if self._held:
            self._hold(frame, None, owner)
        else:
            self._write(frame, owner)

    def end(self) -> None:
        """Flush the buffer at the end of the trace; fragments whose first one is missing are dropped."""
        self._release(None)

    def _datagram(self, about: FrameTuples, now: int, owner: Owner | None) -> tuple[int, Owner | None] | None:
        """Return the time and owner of the datagram, or None while its first fragment is missing."""
        assert about.datagram is not None  # noqa: S101
        while self._datagrams:
            oldest = next(iter(self._datagrams))
            if now - self._datagrams[oldest][0] <= TIMEOUT_NS and len(self._datagrams) < MAX_DATAGRAMS:
                break
            del self._datagrams[oldest]
        if about.tuples:
            self._datagrams.pop(about.datagram, None)
            self._datagrams[about.datagram] = now, owner
        return self._datagrams.get(about.datagram)

    def _hold(self, frame: Frame, key: Key | None, owner: Owner | None) -> None:
        self._held.append((frame, key, owner))
        self._held_bytes += len(frame.data)
        self._release(frame.ts_ns)

    def _release(self, now: int | None) -> None:
        """Write buffered frames up to the first that still waits; drop fragments that timed out.  None flushes all."""
        while self._held:
            frame, key, owner = self._held[0]
            if key is not None and owner is None:
                owner = self._datagrams.get(key, (0, None))[1]
                waits = key not in self._datagrams and now is not None and now - frame.ts_ns <= TIMEOUT_NS
                if waits and self._held_bytes <= HELD_BYTES:
                    return
            self._held.popleft()
            self._held_bytes -= len(frame.data)
            if owner is not None:
                self._write(frame, owner)
