"""Frame readers for a worker that reads one part of a trace.

A part is read twice: first for the timestamps of its frames, from which all parts together determine the frame numbers
in the whole trace, then with these numbers.
"""

from array import array
from typing import Any

from handshake_inspect.capture.frames import FRAME, NEED_MORE, FrameReader

_PAGE_LEN = 1 << 14


class PartReader(FrameReader):
    """Returns the frames of another reader."""

    def __init__(self) -> None:
        super().__init__()
        self.reader: FrameReader = self  # of the open file; see `switch_to`

    def switch_to(self, reader: FrameReader) -> None:
        """Continue with the frames of `reader`, whose numbers follow those of the previous one."""
        self.reader = reader


class TimeRecordingReader(PartReader):
    """Records the timestamp of every frame number; events get that of the next frame."""

    def __init__(self) -> None:
        super().__init__()
        self.pages: list[bytes] = []
        self._page: Any = array("q", bytes(8 * _PAGE_LEN))
        self._filled = 0

    def step(self) -> int:
        """Step to the next frame."""
        got = self.reader.step()
        if got != FRAME:
            return got
        while self.frames < self.reader.frames:
            self.record_time()
        self.copy_frame(self.reader)
        return FRAME

    def switch_to(self, reader: FrameReader) -> None:
        """Continue with the frames of `reader`; events after the last frame of a file get that frame's time."""
        if reader is not self.reader:
            while self.frames < self.reader.frames:
                self.record_time()
        self.reader = reader

    def record_time(self) -> int:
        """Record the current time for the next frame number."""
        self.frames += 1
        self._page[self._filled] = self.reader.ts_ns
        self._filled += 1
        if self._filled == _PAGE_LEN:
            self._turn_page()
        return 0

    def _turn_page(self) -> int:
        self.pages.append(bytes(self._page))
        self._filled = 0
        return 0

    def times(self) -> bytes:
        """Return the timestamps of all frame numbers up to the last frame, as 64-bit integers."""
        return b"".join([*self.pages, bytes(self._page[: self._filled])])


class RenumberingReader(PartReader):
    """Returns frames with the numbers that they have in the whole trace."""

    def __init__(self, numbers: Any) -> None:
        """Map the part's frame number n to `numbers[n - 1]` (64-bit integers)."""
        super().__init__()
        self._numbers = numbers
        self._count = len(numbers)

    def step(self) -> int:
        """Step to the next frame."""
        got = self.reader.step()
        if got != FRAME:
            return got
        if self.reader.frames > self._count:  # the file has grown since the first pass
            return NEED_MORE
        self.frames = self._numbers[self.reader.frames - 1]
        self.copy_frame(self.reader)
        return FRAME


class SingleFrameReader(FrameReader):
    """Returns single frames from memory, one at a time."""

    def set_frame(self, frame: bytes, wire_len: int, link_type: int, ts_ns: int, has_time: bool, number: int) -> None:
        """Set the next frame."""
        self.feed(frame, 0, len(frame), 0)
        self.frame_end = len(frame)
        self.wire_len = wire_len
        self.link_type = link_type
        self.has_time = has_time
        self.ts_ns = ts_ns
        self.frames = number - 1

    def step(self) -> int:
        """Return FRAME once for each `set_frame`, else NEED_MORE."""
        if self.position == self.limit:
            return NEED_MORE
        self.position = self.limit
        self.frames += 1
        return FRAME
