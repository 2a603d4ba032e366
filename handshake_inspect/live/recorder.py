"""Frames on their way to the pump, and a copy of each as an Enhanced Packet Block of a pcapng file."""

from collections.abc import Callable

from handshake_inspect.capture.frames import FRAME, FrameReader
from handshake_inspect.live import memory

_ENHANCED_PACKET = 6
_OVERHEAD = 32  # bytes of an Enhanced Packet Block without options and data
_ROOM = 1 << 20
_MASK32 = 0xFFFF_FFFF


class RecordingReader(FrameReader):
    """Gives the frames of another reader and remembers each as a block until `blocks` is asked for.

    `describe` is called with a link type that did not occur before and gives the block that introduces it to the file;
    interfaces of the file are numbered in that order.  `keep` is called with blocks when there is no more room.
    """

    def __init__(
        self, reader: FrameReader, describe: Callable[[int], bytes], keep: Callable[[memoryview], None]
    ) -> None:
        super().__init__()
        self.reader = reader
        self.describe = describe
        self.keep = keep
        self.problems = reader.problems
        self.link_types = reader.link_types
        self.filters = reader.filters
        self._known: dict[int, int] = {}  # link type -> number of the interface in the file
        self._number = 0
        self._number_of = -1  # the link type that `_number` is for
        self._buffer = bytearray(_ROOM)
        self._room = _ROOM
        self._out = memory.address(self._buffer)
        self._used = 0

    def step(self) -> int:
        """Step to the next frame and record it: FRAME, NEED_MORE or DAMAGED."""
        reader = self.reader
        got = reader.step()
        self.events = reader.events
        if got != FRAME:
            self.wanted = reader.wanted
            self.damaged = reader.damaged
            return got
        self.adopt(reader)
        self.frames = reader.frames
        self.record()
        return FRAME

    def record(self) -> int:
        """Put the frame behind the blocks that are not yet in the file."""
        captured = self.frame_end - self.frame_start
        padded = (captured + 3) & -4
        total = _OVERHEAD + padded
        if self.link_type != self._number_of:
            self.introduce()
        if self._room - self._used < total:
            self.make_room(total)
        out = self._out
        time = self.ts_ns
        at = memory.put_u32(out, self._used, _ENHANCED_PACKET)
        at = memory.put_u32(out, at, total)
        at = memory.put_u32(out, at, self._number)
        at = memory.put_u32(out, at, time >> 32 & _MASK32)
        at = memory.put_u32(out, at, time & _MASK32)
        at = memory.put_u32(out, at, captured)
        at = memory.put_u32(out, at, self.wire_len)
        memory.put_u32(out, at + padded - 4 if padded else at, 0)  # the padding
        memory.copy(out, at, self.data, self.frame_start, captured)
        self._used = memory.put_u32(out, at + padded, total)
        return 0

    def introduce(self) -> int:
        """Say in the file what link type the next frames have, unless it knows."""
        link_type = self.link_type
        if link_type not in self._known:
            block = self.describe(link_type)
            self.make_room(len(block))
            self._buffer[self._used : self._used + len(block)] = block
            self._used += len(block)
            self._known[link_type] = len(self._known)
        self._number = self._known[link_type]
        self._number_of = link_type
        return 0

    def make_room(self, count: int) -> int:
        """See to it that `count` bytes fit behind those that are there."""
        if self._room - self._used >= count:
            return 0
        self.flush()
        if count > self._room:
            self._buffer = bytearray(count)
            self._room = count
            self._out = memory.address(self._buffer)
        return 0

    def flush(self) -> None:
        """Hand over the blocks that were recorded so far; every one is whole."""
        used = self._used
        self._used = 0
        if used:
            with memoryview(self._buffer) as view:
                self.keep(view[:used])

    def unfinished(self) -> int:
        """Byte of the stream where the record starts that the input broke off in; -1 if it ended between records."""
        return self.reader.unfinished()

    def seen_until(self) -> int | None:
        """When the capture ended, in nanoseconds since the epoch; None when the container does not say."""
        return self.reader.seen_until()

    def dropped(self) -> int | None:
        """Packets that the capturing side lost, None when the container does not say."""
        return self.reader.dropped()
