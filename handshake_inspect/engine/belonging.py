"""Which 4-tuples a frame is about, fragments included, and frames that wait until that is known.

A later fragment has no ports: it belongs to the connection of its first one, whatever came first.  Fragments that came
before are held, and all that is to be written behind them, `HELD_BYTES` at most and no longer than a datagram waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final, Generic, NamedTuple, TypeVar

from handshake_inspect.decode import segment, uncommon
from handshake_inspect.decode.fragments import DATAGRAMS, TIMEOUT_NS, Key, Reassembler, locate
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

End = tuple[int, int, int]
Pair = tuple[End, End]
Owner = TypeVar("Owner")


class Frame(NamedTuple):
    """A frame as it was captured."""

    number: int
    ts_ns: int
    data: bytes
    wire_len: int
    link_type: int


class About(NamedTuple):
    """What a frame is about: 4-tuples, and the datagram that it is a fragment of."""

    pairs: list[Pair]
    datagram: Key | None = None


class Pairs:
    """Reads the frames of one trace, in their order."""

    def __init__(self) -> None:
        self._storage = segment.segments(1)
        self._reassembler = Reassembler()

    def of(self, frame: Frame) -> About:
        """What it is about; no pair where that is unknown, or not known yet."""
        parts: list[uncommon.Part] = []
        kind = decode_bytes(frame.data, frame.wire_len, frame.link_type, self._storage, 0)
        if kind == KIND_DECLINED:
            kind = uncommon.decode_uncommon(frame.data, frame.wire_len, frame.link_type, self._storage, 0, parts)
        first = self._storage[0].notes & NOTE_FIRST_FRAGMENT != 0
        if kind == KIND_FRAGMENT or (first and kind in (KIND_TCP, KIND_DAMAGED)):
            return self._of_fragment(frame, kind)
        pairs = self._pair(kind)
        for part in parts:  # other packets of the same frame
            pairs += self._pair(uncommon.decode_part(part, self._storage, 0))
        return About(pairs)

    def _of_fragment(self, frame: Frame, kind: int) -> About:
        try:
            part = uncommon.part_of(frame.data, frame.wire_len, frame.link_type)
            piece = None if part is None else locate(*part)
        except uncommon.damage():
            part = piece = None
        kind = self._reassembler.take(part, frame.ts_ns, self._storage, 0)
        return About(self._pair(kind), None if piece is None else piece.key)

    def _pair(self, kind: int) -> list[Pair]:
        if kind not in (KIND_TCP, KIND_ICMP_ERROR):
            return []
        record: Any = self._storage[0]
        ends = (record.src_hi, record.src_lo, record.src_port), (record.dst_hi, record.dst_lo, record.dst_port)
        return [ordered(*ends)]


def ordered(one: End, other: End) -> Pair:
    """A 4-tuple, the same in both directions."""
    return (one, other) if one <= other else (other, one)


class Owners(Generic[Owner]):
    """Gives frames to `write` with what owns them, in their order; those of nobody are left out."""

    def __init__(self, find: Callable[[Pair, int], Owner | None], write: Callable[[Frame, Owner], None]) -> None:
        self._find = find
        self._write = write
        self._pairs = Pairs()
        self._datagrams: dict[Key, tuple[int, Owner | None]] = {}  # since when, in that order
        self._held: deque[tuple[Frame, Key | None, Owner | None]] = deque()
        self._held_bytes = 0

    def take(self, frame: Frame) -> None:
        """The next frame of the trace."""
        about = self._pairs.of(frame)
        owner = next((found for pair in about.pairs if (found := self._find(pair, frame.number)) is not None), None)
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
        """There are no more frames: who owns the others will not be known."""
        self._release(None)

    def _datagram(self, about: About, now: int, owner: Owner | None) -> tuple[int, Owner | None] | None:
        """Whose datagram it is; None while that is unknown."""
        assert about.datagram is not None  # noqa: S101
        while self._datagrams:
            oldest = next(iter(self._datagrams))
            if now - self._datagrams[oldest][0] <= TIMEOUT_NS and len(self._datagrams) < DATAGRAMS:
                break
            del self._datagrams[oldest]
        if about.pairs:
            self._datagrams.pop(about.datagram, None)
            self._datagrams[about.datagram] = now, owner
        return self._datagrams.get(about.datagram)

    def _hold(self, frame: Frame, key: Key | None, owner: Owner | None) -> None:
        self._held.append((frame, key, owner))
        self._held_bytes += len(frame.data)
        self._release(frame.ts_ns)

    def _release(self, now: int | None) -> None:
        """Write what is first and known; what waited for too long is nobody's.  With no time, all is to go."""
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
