"""Merge the frames of several sensors in order of time, and number them anew.

Each step returns the earliest of the sensors' next frames; at equal times, the one from the file that was given first.
Frames of one sensor keep their order even if their timestamps go back, as in mergecap.  The sensors form a heap, so
many of them cost little more than few.
"""

from array import array
from typing import Any

from handshake_inspect.capture.frames import FRAME, NEED_MORE, FrameReader

# States of a sensor.
_CLOSED = 0  # no file is open; the next one starts at the announced time
_WAITING = 1  # its next frame has not been read
_READY = 2  # its next frame has been read but not returned
_ENDED = 3

_AFTER_ANY_FRAME = 2**63 - 1
_PAGE_LEN = 1 << 14


class MergeReader(FrameReader):
    """Returns the frames of several readers in order of time.

    On NEED_MORE, serve sensor `starved`: feed its reader, or call `begin` after opening a file, `pause` if its next
    file starts later, or `finish` if it has no more.  The upper 16 bits of `interface` hold the sensor's number.

    The sensor of each frame number is kept in compressed pages, so that `FrameLocator` can map numbers back to files.
    """

    def __init__(self, due: list[int], ranks: list[int]) -> None:
        """Create one sensor for each entry of `due`, the expected time of its first frame in ns; none is open yet.

        `ranks` are the positions of their first files on the command line, which break ties of time.
        """
        super().__init__()
        self.starved = -1
        self.active = len(due)  # sensors that have not ended
        self.pages: list[bytes] = []  # full pages: the sensor of each frame number, 32 bits each, compressed
        self._page: Any = array("I", bytes(4 * _PAGE_LEN))
        self._filled = 0
        self._readers: list[FrameReader] = [self] * len(due)
        self._states = array("B", [_CLOSED]) * len(due)
        self._times = array("q", due)
        self._numbers = array("Q", [0]) * len(due)  # last frame of each, in its own numbering
        self._ranks = array("q", ranks)
        self._heap = array("q", sorted(range(len(due)), key=lambda index: (due[index], ranks[index])))
        self._reader: FrameReader = self
        self._current = 0
        self._runner_up_ns = 0  # time of the earliest frame among the other sensors
        self._runner_up_rank = 0
        self._select_sensor()

    def step(self) -> int:
        """Advance to the next frame; return FRAME or NEED_MORE."""
        while self.active:
            current = self._current
            if self._states[current] == _READY:
                return self._emit()
            if self._states[current] != _WAITING or self._reader.step() != FRAME:
                self.starved = current
                return NEED_MORE
            ns = self._reader.ts_ns
            if ns < self._runner_up_ns or (ns == self._runner_up_ns and self._ranks[current] < self._runner_up_rank):
                return self._emit()
            self._states[current] = _READY
            self._update_time(ns)
        return NEED_MORE

    def begin(self, index: int, reader: FrameReader) -> None:
        """Read sensor `index` from `reader`, which continues the frame numbers of the sensor's previous file."""
        self._readers[index] = reader
        self._states[index] = _WAITING
        self._select_sensor()

    def pause(self, index: int, due_ns: int, rank: int) -> None:
        """Mark sensor `index`, the starved one, as between files; its next file begins at `due_ns`."""
        self._number_trailing_events(index)
        self._ranks[index] = rank
        self._readers[index] = self
        self._states[index] = _CLOSED
        self._update_time(due_ns)

    def finish(self, index: int) -> None:
        """Remove sensor `index`, the starved one: it has no more frames."""
        if self._states[index] != _ENDED:
            self._number_trailing_events(index)
            self._readers[index] = self
            self._states[index] = _ENDED
            self.active -= 1
            self._update_time(_AFTER_ANY_FRAME)

    def sensor_pages(self) -> list[bytes]:
        """Return the sensor of each frame number from 1 on, as compressed pages of 32-bit numbers."""
        return [*self.pages, compress_page(self._page[: self._filled])]

    def _emit(self) -> int:
        """Return the current sensor's frame as the next frame of the merge."""
        self._states[self._current] = _WAITING
        self.copy_frame(self._reader)
        self.interface |= self._current << 16
        while self._numbers[self._current] < self._reader.frames:  # events before the frame take numbers too
            self._assign_number()
        return FRAME

    def _assign_number(self) -> int:
        """Assign the next frame number to the current sensor."""
        self.frames += 1
        self._numbers[self._current] += 1
        self._page[self._filled] = self._current
        self._filled += 1
        if self._filled == _PAGE_LEN:
            self._turn_page()
        return 0

    def _turn_page(self) -> int:
        self.pages.append(compress_page(self._page))
        self._filled = 0
        return 0

    def _number_trailing_events(self, index: int) -> None:
        """Assign numbers to the events after the last frame of a file."""
        while self._readers[index] is not self and self._numbers[index] < self._readers[index].frames:
            self._assign_number()

    def _update_time(self, ns: int) -> int:
        """Set the time of the current sensor's next frame, restore the heap and select the earliest sensor."""
        self._times[self._current] = ns
        at = 0
        while True:
            least = self._child(at)
            if least < 0 or not self._is_earlier(self._heap[least], self._heap[at]):
                break
            self._heap[at], self._heap[least] = self._heap[least], self._heap[at]
            at = least
        return self._select_sensor()

    def _child(self, at: int) -> int:
        """Return the earlier child of heap position `at`, -1 if it has none."""
        left = 2 * at + 1
        size = len(self._heap)
        if left >= size:
            return -1
        if left + 1 < size and self._is_earlier(self._heap[left + 1], self._heap[left]):
            return left + 1
        return left

    def _is_earlier(self, one: int, other: int) -> bool:
        ns, other_ns = self._times[one], self._times[other]
        return ns < other_ns or (ns == other_ns and self._ranks[one] < self._ranks[other])

    def _select_sensor(self) -> int:
        """Make the sensor with the earliest next frame current, and note the time of the runner-up."""
        self._current = self._heap[0]
        self._reader = self._readers[self._current]
        second = self._child(0)
        self._runner_up_ns = _AFTER_ANY_FRAME if second < 0 else self._times[self._heap[second]]
        self._runner_up_rank = 0 if second < 0 else self._ranks[self._heap[second]]
        return 0


def compress_page(page: Any) -> bytes:
    """Compress a page of sensor numbers."""
    from zlib import compress  # noqa: PLC0415  few merge

    return compress(bytes(page), 1)
