"""Several sensors as one: their frames in order of time, renumbered.

At every step the earliest of the sensors' next frames is given; of equal times, the one of the file that comes first.
A sensor whose own frames go back in time is not sorted: its next frame is its next frame (mergecap does the same).
A heap knows who is next, so that many sensors cost little more than few.
"""

from array import array
from typing import Any

from handshake_inspect.capture.frames import FRAME, NEED_MORE, FrameReader

_CLOSED = 0  # no file of it is open; it is due at the time that was announced
_WAITING = 1  # its next frame is not known yet
_HELD = 2  # its next frame is known and not given yet
_ENDED = 3

_EVER = 2**63 - 1  # later than any frame
_PAGE = 1 << 14


class MergeReader(FrameReader):
    """A reader that gives the frames of several in order of time.

    After NEED_MORE it is sensor `hungry` that must be served: `begin` when a file of it is open, `pause` when its next
    file is due later, `finish` when it has no more, or its reader fed.  `interface` holds the number of the sensor in
    its upper 16 bits.

    Which sensor each number belongs to is kept, packed: a number of the trace leads back to the frame of a file.
    """

    def __init__(self, due: list[int], ranks: list[int]) -> None:
        """One sensor for each time in `due`, when its first frame is expected; none is open yet.

        `ranks` are the places of their first files: of equal times the lowest goes first.
        """
        super().__init__()
        self.hungry = -1
        self.running = len(due)  # sensors that have not ended
        self.pages: list[bytes] = []  # the sensor of each number, 32 bits each, packed
        self._page: Any = array("I", bytes(4 * _PAGE))
        self._filled = 0
        self._readers: list[FrameReader] = [self] * len(due)
        self._states = array("B", [_CLOSED]) * len(due)
        self._times = array("q", due)
        self._numbers = array("Q", [0]) * len(due)  # of the last frame that each gave, in its own count
        self._ranks = array("q", ranks)
        self._heap = array("q", sorted(range(len(due)), key=lambda index: (due[index], ranks[index])))
        self._reader: FrameReader = self
        self._current = 0
        self._rival_ns = 0  # until when the current sensor goes on
        self._rival_rank = 0
        self._choose()

    def step(self) -> int:
        """Step to the next frame: FRAME or NEED_MORE."""
        while self.running:
            current = self._current
            if self._states[current] == _HELD:
                return self._give()
            if self._states[current] != _WAITING or self._reader.step() != FRAME:
                self.hungry = current
                return NEED_MORE
            ns = self._reader.ts_ns
            if ns < self._rival_ns or (ns == self._rival_ns and self._ranks[current] < self._rival_rank):
                return self._give()
            self._states[current] = _HELD
            self._reorder(ns)
        return NEED_MORE

    def begin(self, index: int, reader: FrameReader) -> None:
        """Sensor `index` has opened a file, which `reader` reads; frames of before count on in it."""
        self._readers[index] = reader
        self._states[index] = _WAITING
        self._choose()

    def pause(self, index: int, due_ns: int, rank: int) -> None:
        """Sensor `index`, the hungry one, has come to the end of a file; its next one begins at `due_ns`."""
        self._pass_over(index)
        self._ranks[index] = rank
        self._readers[index] = self
        self._states[index] = _CLOSED
        self._reorder(due_ns)

    def finish(self, index: int) -> None:
        """Go on without sensor `index`, the hungry one: it has no more frames."""
        if self._states[index] != _ENDED:
            self._pass_over(index)
            self._readers[index] = self
            self._states[index] = _ENDED
            self.running -= 1
            self._reorder(_EVER)

    def marks(self) -> list[bytes]:
        """The sensor of each number from 1 on, as packed pages of 32-bit numbers."""
        return [*self.pages, packed(self._page[: self._filled])]

    def _give(self) -> int:
        """Make the current sensor's frame the frame of the merge."""
        self._states[self._current] = _WAITING
        self.adopt(self._reader)
        self.interface |= self._current << 16
        while self._numbers[self._current] < self._reader.frames:  # records that only use up a number lie between
            self._number()
        return FRAME

    def _number(self) -> int:
        """The next number belongs to the current sensor."""
        self.frames += 1
        self._numbers[self._current] += 1
        self._page[self._filled] = self._current
        self._filled += 1
        if self._filled == _PAGE:
            self._turn_page()
        return 0

    def _turn_page(self) -> int:
        self.pages.append(packed(self._page))
        self._filled = 0
        return 0

    def _pass_over(self, index: int) -> None:
        """Count the numbers that records behind the last frame of a file use up."""
        while self._readers[index] is not self and self._numbers[index] < self._readers[index].frames:
            self._number()

    def _reorder(self, ns: int) -> int:
        """The current sensor's next frame is of this time: move it to its place in the heap, and choose."""
        self._times[self._current] = ns
        at = 0
        while True:
            least = self._child(at)
            if least < 0 or not self._is_earlier(self._heap[least], self._heap[at]):
                break
            self._heap[at], self._heap[least] = self._heap[least], self._heap[at]
            at = least
        return self._choose()

    def _child(self, at: int) -> int:
        """The earlier one of the two places below a place of the heap; -1 for none."""
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

    def _choose(self) -> int:
        """Make the sensor with the earliest next frame the current one, and know its rival."""
        self._current = self._heap[0]
        self._reader = self._readers[self._current]
        second = self._child(0)
        self._rival_ns = _EVER if second < 0 else self._times[self._heap[second]]
        self._rival_rank = 0 if second < 0 else self._ranks[self._heap[second]]
        return 0


def packed(page: Any) -> bytes:
    """A page of numbers, small."""
    from zlib import compress  # noqa: PLC0415  few merge

    return compress(bytes(page), 1)
