"""A source, the pump that takes its frames, and the time of the capture, which goes on while the link is idle.

Time is that of the frames.  When none come it goes on, from the last one, as fast as the clock of this machine.
"""

import contextlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from handshake_inspect.capture.frames import NEED_MORE, FrameReader
from handshake_inspect.engine.pump import Pump

if TYPE_CHECKING:
    from handshake_inspect.live.base import LiveSource
    from handshake_inspect.tcp.tracker import Tracker

NS = 1_000_000_000
PATIENCE_S = 0.25  # the longest wait for frames: so long a wish to stop may wait

Progress = Callable[[int, int | None], None]


def pump_all(
    source: Any,
    pump: Pump,
    progress: Progress | None = None,
    drain: Callable[[Pump, FrameReader], int] = Pump.drain,
) -> None:
    """Pump an open capture to its end; `progress` is called with the bytes read and their total after each block."""
    drain(pump, source.reader)
    while source.fill():
        if progress is not None:
            progress(source.consumed, source.size)
        drain(pump, source.reader)


class Stream:
    """One live source and its pump, from the first frame to the end.

    Call `wait`, and `take` when it is True, until `take` is False or the stream `is_full`.  `stop` may be called from a
    signal handler or another thread.
    """

    def __init__(
        self,
        source: "LiveSource",
        tracker: "Tracker",
        *,
        frames: int | None = None,
        duration_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """The stream ends by itself after so many frames, or so many seconds from now or from `restart`."""
        self.source = source
        self.pump = Pump(tracker)
        if frames is not None:
            self.pump.most = frames
        self.clock = clock
        self.began_s = clock()
        self.last_s = self.began_s  # when the last frames came, by this machine's clock
        self.stopped = False
        self._idle_s: float | None = None  # when nothing had come since then
        self._duration_s = duration_s
        self._deadline_s = None if duration_s is None else self.began_s + duration_s

    def restart(self) -> None:
        """Count the duration from now."""
        if self._duration_s is not None:
            self._deadline_s = self.clock() + self._duration_s

    @property
    def is_full(self) -> bool:
        """Whether as many frames came as were asked for."""
        return bool(self.pump.frames >= self.pump.most)

    def wait(self, longest_s: float = PATIENCE_S) -> bool:
        """Whether there is something to take within `longest_s` seconds.  Stops the source when its time is over."""
        if self._deadline_s is not None:
            left_s = self._deadline_s - self.clock()
            if left_s <= 0:
                self._deadline_s = None
                self.stop()
            else:
                longest_s = min(longest_s, left_s)
        if self.source.wait(longest_s):
            return True
        self.note_idle()
        return False

    def take(self) -> bool:
        """Pump a block of frames; False when there will be no more."""
        before = self.pump.frames
        more = self.source.fill() and self.pump.drain(self.source.reader) == NEED_MORE
        if self.pump.frames > before:
            self.last_s, self._idle_s = self.clock(), None
        return more

    def note_idle(self) -> None:
        """Note that until now nothing came after the last frame."""
        self._idle_s = self.clock()

    @property
    def now_ns(self) -> int:
        """The time of the capture, in nanoseconds since the epoch: that of its last frame, and what passed since."""
        return self.pump.last_ns + (0 if self._idle_s is None else int((self._idle_s - self.last_s) * NS))

    def note_end(self, not_before_ns: int = 0) -> None:
        """Note in the source until when nothing came after the last frame: not before `not_before_ns`."""
        end_ns = max(self.now_ns, not_before_ns)
        if self.pump.timed and end_ns > self.pump.last_ns:
            self.source.note_end(end_ns)

    def stop(self) -> None:
        """Capture no more; what was captured until now can still be taken."""
        self.stopped = True
        with contextlib.suppress(OSError):  # what is gone need not be stopped
            self.source.stop()
        self.end_host()

    def end_host(self) -> None:
        """Read the host's counters as they are when the capture ends, not when its last frame is judged."""
        if self.source.host is not None:
            self.source.host.end()
