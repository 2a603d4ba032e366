"""A source, its pump, and the capture clock, which advances even while the link is idle.

The capture clock follows frame timestamps.  Without frames, it advances with the local clock from the last frame on.
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
MAX_WAIT_S = 0.25  # maximum wait for frames, which also bounds the delay of `stop`

Progress = Callable[[int, int | None], None]


def pump_all(
    source: Any,
    pump: Pump,
    progress: Progress | None = None,
    drain: Callable[[Pump, FrameReader], int] = Pump.drain,
) -> None:
    """Pump an open capture to its end; call `progress` with the bytes read and their total after each block."""
    drain(pump, source.reader)
    while source.fill():
        if progress is not None:
            progress(source.consumed, source.size)
        drain(pump, source.reader)


class Stream:
    """A live source and its pump.

    Call `wait`, then `take` if it returned True, until `take` returns False or the stream `is_full`.  `stop` is safe to
    call from a signal handler or another thread.
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
        """Limit the stream to `frames` frames and to `duration_s` seconds from now, or from `restart`."""
        self.source = source
        self.pump = Pump(tracker)
        if frames is not None:
            self.pump.max_frames = frames
        self.clock = clock
        self.began_s = clock()
        self.last_s = self.began_s  # local time of the last frames
        self.stopped = False
        self._idle_s: float | None = None  # local time until which the link was idle after `last_s`
        self._duration_s = duration_s
        self._deadline_s = None if duration_s is None else self.began_s + duration_s

    def restart(self) -> None:
        """Restart the duration limit."""
        if self._duration_s is not None:
            self._deadline_s = self.clock() + self._duration_s

    @property
    def is_full(self) -> bool:
        """Return True if the frame limit is reached."""
        return bool(self.pump.frames >= self.pump.max_frames)

    def wait(self, longest_s: float = MAX_WAIT_S) -> bool:
        """Wait at most `longest_s` seconds; return True if frames are available.  Stops the source at its deadline."""
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
        """Pump a block of frames; return False at the end of the source."""
        before = self.pump.frames
        more = self.source.fill() and self.pump.drain(self.source.reader) == NEED_MORE
        if self.pump.frames > before:
            self.last_s, self._idle_s = self.clock(), None
        return more

    def note_idle(self) -> None:
        """Record that the link has been idle from the last frame until now."""
        self._idle_s = self.clock()

    @property
    def now_ns(self) -> int:
        """The capture clock in nanoseconds since the epoch: time of the last frame plus idle time."""
        return self.pump.last_ns + (0 if self._idle_s is None else int((self._idle_s - self.last_s) * NS))

    def note_end(self, not_before_ns: int = 0) -> None:
        """Record the end of the capture, including idle time, in the source: not before `not_before_ns`."""
        end_ns = max(self.now_ns, not_before_ns)
        if self.pump.has_times and end_ns > self.pump.last_ns:
            self.source.note_end(end_ns)

    def stop(self) -> None:
        """Stop capturing; frames captured so far can still be read."""
        self.stopped = True
        with contextlib.suppress(OSError):  # the interface may be gone
            self.source.stop()
        self.end_host()

    def end_host(self) -> None:
        """Read the host's counters at the end of the capture, before the last frames are judged."""
        if self.source.host is not None:
            self.source.host.end()
