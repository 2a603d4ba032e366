"""Readers for a part of a trace: the times of its frames, and the numbers that these have in the whole trace.

A part is read twice: its frames' times say which numbers they have among those of other sensors.
"""

from array import array
from typing import Any

from handshake_inspect.capture.frames import FRAME, NEED_MORE, FrameReader

_PAGE = 1 << 14


class PartReader(FrameReader):
    """Gives the frames of another reader."""

    def __init__(self) -> None:
        super().__init__()
        self.reader: FrameReader = self  # of the file that is open; `follow` sets another one

    def follow(self, reader: FrameReader) -> None:
        """Give the frames of this reader from now on, whose numbers go on from those of the one before."""
        self.reader = reader


class TimedReader(PartReader):
    """Notes the time of every number: of one that is no frame's, that of the frame behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.pages: list[bytes] = []
        self._page: Any = array("q", bytes(8 * _PAGE))
        self._filled = 0

    def step(self) -> int:
        """Step to the next frame."""
        got = self.reader.step()
        if got != FRAME:
            return got
        while self.frames < self.reader.frames:
            self.note()
        self.adopt(self.reader)
        return FRAME

    def follow(self, reader: FrameReader) -> None:
        """Go on with the frames of this reader; numbers behind the last frame of a file have its time."""
        if reader is not self.reader:
            while self.frames < self.reader.frames:
                self.note()
        self.reader = reader

    def note(self) -> int:
        """Note the time of the next number."""
        self.frames += 1
        self._page[self._filled] = self.reader.ts_ns
        self._filled += 1
        if self._filled == _PAGE:
            self._turn_page()
        return 0

    def _turn_page(self) -> int:
        self.pages.append(bytes(self._page))
        self._filled = 0
        return 0

    def times(self) -> bytes:
        """The times of all numbers up to that of the last frame, 64 bits each."""
        return b"".join([*self.pages, bytes(self._page[: self._filled])])


class RankedReader(PartReader):
    """Gives every frame the number that it has in the whole trace."""

    def __init__(self, numbers: Any) -> None:
        """`numbers` are those of the part's first, second … number: an array of 64 bits each."""
        super().__init__()
        self._numbers = numbers
        self._count = len(numbers)

    def step(self) -> int:
        """Step to the next frame."""
        got = self.reader.step()
        if got != FRAME:
            return got
        if self.reader.frames > self._count:  # the file has grown since it was counted
            return NEED_MORE
        self.frames = self._numbers[self.reader.frames - 1]
        self.adopt(self.reader)
        return FRAME


class LooseReader(FrameReader):
    """Gives frames that were taken out of a capture, one by one."""

    def hand(self, frame: bytes, wire_len: int, link_type: int, ts_ns: int, has_time: bool, number: int) -> None:
        """Have this frame next."""
        self.feed(frame, 0, len(frame), 0)
        self.frame_end = len(frame)
        self.wire_len = wire_len
        self.link_type = link_type
        self.has_time = has_time
        self.ts_ns = ts_ns
        self.frames = number - 1

    def step(self) -> int:
        """Step to the frame that was handed over, if it was not taken yet."""
        if self.position == self.limit:
            return NEED_MORE
        self.position = self.limit
        self.frames += 1
        return FRAME
