"""Several readers as one: their frames in order of time, numbered anew.

At every step the earliest of the readers' next frames is given; of equal times, the one of the reader that comes first.
A reader whose own frames go back in time is not sorted: its next frame is its next frame (mergecap does the same).
"""

from array import array

from handshake_inspect.capture.frames import DAMAGED, FRAME, NEED_MORE, FrameReader

_WAITING = 0  # its next frame is not known yet
_HELD = 1  # its next frame is known and not given yet
_ENDED = 2

_EVER = 2**63 - 1  # later than any frame


class MergeReader(FrameReader):
    """A reader that gives the frames of several in order of time.

    After NEED_MORE it is the reader number `hungry` that must be fed, or ended with `finish`.
    `interface` holds the number of the reader in its upper 16 bits.
    """

    def __init__(self, readers: list[FrameReader]) -> None:
        super().__init__()
        self.hungry = -1
        self.running = len(readers)  # readers that have not ended
        self._readers = list(readers)
        self._states = array("B", [_WAITING]) * len(readers)
        # While a reader waits, it is the earliest: nothing is given before its first frame is known.
        self._times = array("q", [-_EVER]) * len(readers)
        self._current = 0
        self._reader = readers[0]
        self._rival = 0  # who comes next if the current reader's next frame is later than `_rival_ns`
        self._rival_ns = 0
        self._choose()

    def step(self) -> int:
        """Step to the next frame: FRAME or NEED_MORE."""
        while self.running:
            current = self._current
            reader = self._reader
            if self._states[current] == _HELD:
                return self._give()
            outcome = reader.step()
            if outcome == NEED_MORE:
                self.hungry = current
                return NEED_MORE
            if outcome == DAMAGED:
                self.finish(current)
                continue
            ns = reader.ts_ns
            if ns < self._rival_ns or (ns == self._rival_ns and current < self._rival):
                return self._give()
            self._times[current] = ns
            self._states[current] = _HELD
            self._choose()
        self.hungry = -1
        return NEED_MORE

    def finish(self, index: int) -> None:
        """Go on without reader `index`: it has no more frames."""
        if self._states[index] != _ENDED:
            self._states[index] = _ENDED
            self.running -= 1
            self._choose()

    def _give(self) -> int:
        """Make the current reader's frame the frame of the merge."""
        reader = self._reader
        self._states[self._current] = _WAITING
        if self.octets is not reader.octets:
            self.octets = reader.octets
        self.data = reader.data
        self.frame_start = reader.frame_start
        self.frame_end = reader.frame_end
        self.wire_len = reader.wire_len
        self.ts_ns = reader.ts_ns
        self.has_time = reader.has_time
        self.link_type = reader.link_type
        self.interface = self._current << 16 | reader.interface
        self.frames += 1
        return FRAME

    def _choose(self) -> None:
        """Make the reader with the earliest next frame the current one, and know its rival."""
        first = second = -1
        first_ns = second_ns = _EVER
        for index in range(len(self._readers)):
            if self._states[index] == _ENDED:
                continue
            ns = self._times[index]
            if first < 0 or ns < first_ns:
                second, second_ns = first, first_ns
                first, first_ns = index, ns
            elif second < 0 or ns < second_ns:
                second, second_ns = index, ns
        if first >= 0:
            self._current = first
            self._reader = self._readers[first]
        self._rival = second if second >= 0 else len(self._readers)
        self._rival_ns = second_ns if second >= 0 else _EVER
