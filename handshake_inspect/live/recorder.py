"""Copy frames to a pcapng file, as Enhanced Packet Blocks, on their way to the pump."""

from collections.abc import Callable

from handshake_inspect.capture.frames import FRAME, FrameReader
from handshake_inspect.live import memory

_ENHANCED_PACKET = 6
_OVERHEAD = 32  # bytes of an Enhanced Packet Block without options and data
_CAPACITY = 1 << 20
_MASK32 = 0xFFFF_FFFF


class RecordingReader(FrameReader):
    """Wraps a reader, and buffers each frame as a pcapng block until `flush`, or until the buffer is full.

    `describe` is called with each new link type and returns its Interface Description Block; interfaces are numbered in
    that order.  `write` is called with complete blocks.
    """

    def __init__(
        self, reader: FrameReader, describe: Callable[[int], bytes], write: Callable[[memoryview], None]
    ) -> None:
        super().__init__()
        self.reader = reader
        self.describe = describe
        self.write = write
        self.problems = reader.problems
        self.link_types = reader.link_types
        self.filters = reader.filters
        self._interfaces: dict[int, int] = {}  # link type -> interface number in the file
        self._interface = 0
        self._interface_link_type = -1  # the link type of `_interface`
        self._buffer = bytearray(_CAPACITY)
        self._capacity = _CAPACITY
        self._out = memory.address(self._buffer)
        self._used = 0

    def step(self) -> int:
        """Step to the next frame and record it: FRAME, NEED_MORE or DAMAGED."""
        reader = self.reader
        got = reader.step()
        self.events = reader.events
        if got != FRAME:
            self.needed = reader.needed
            self.damaged = reader.damaged
            return got
        self.copy_frame(reader)
        self.frames = reader.frames
        self.record()
        return FRAME

    def record(self) -> int:
        """Append the frame to the buffer as an Enhanced Packet Block."""
        captured = self.frame_end - self.frame_start
        padded = (captured + 3) & -4
        total = _OVERHEAD + padded
        if self.link_type != self._interface_link_type:
            self.set_interface()
        if self._capacity - self._used < total:
            self.reserve(total)
        out = self._out
        time = self.ts_ns
        at = memory.put_u32(out, self._used, _ENHANCED_PACKET)
        at = memory.put_u32(out, at, total)
        at = memory.put_u32(out, at, self._interface)
        at = memory.put_u32(out, at, time >> 32 & _MASK32)
        at = memory.put_u32(out, at, time & _MASK32)
        at = memory.put_u32(out, at, captured)
        at = memory.put_u32(out, at, self.wire_len)
        memory.put_u32(out, at + padded - 4 if padded else at, 0)  # the padding
        memory.copy(out, at, self.data, self.frame_start, captured)
        self._used = memory.put_u32(out, at + padded, total)
        return 0

    def set_interface(self) -> int:
        """Set the interface number for the present link type; write its description if it is new."""
        link_type = self.link_type
        if link_type not in self._interfaces:
            block = self.describe(link_type)
            self.reserve(len(block))
            self._buffer[self._used : self._used + len(block)] = block
            self._used += len(block)
            self._interfaces[link_type] = len(self._interfaces)
        self._interface = self._interfaces[link_type]
        self._interface_link_type = link_type
        return 0

    def reserve(self, count: int) -> int:
        """Ensure space for `count` bytes: flush, and grow the buffer if necessary."""
        if self._capacity - self._used >= count:
            return 0
        self.flush()
        if count > self._capacity:
            self._buffer = bytearray(count)
            self._capacity = count
            self._out = memory.address(self._buffer)
        return 0

    def flush(self) -> None:
        """Write the buffered blocks."""
        used = self._used
        self._used = 0
        if used:
            with memoryview(self._buffer) as view:
                self.write(view[:used])

    def incomplete_at(self) -> int:
        """Return the offset of the record that the input was cut in; -1 if it ended between records."""
        return self.reader.incomplete_at()

    def seen_until(self) -> int | None:
        """Return the end of the capture in nanoseconds since the epoch; None if the file does not state it."""
        return self.reader.seen_until()

    def dropped(self) -> int | None:
        """Return the packets dropped by the capturing side; None if the file does not state it."""
        return self.reader.dropped()
