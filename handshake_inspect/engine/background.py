"""A live capture in a background thread, while the main thread runs a command or the body of a test.

The kernel buffers frames from the moment the source is opened, so nothing is missed, and `finish` drains the buffer.
The thread only fills the connection table.  `finish` judges it and returns the report that `analyze` would return for
the same frames.
"""

import threading
import time
from collections.abc import Callable

from handshake_inspect.capture.closable import Closable
from handshake_inspect.engine import Options
from handshake_inspect.engine.attempt_ids import AttemptIds
from handshake_inspect.engine.reporting import case_of, conclude
from handshake_inspect.engine.stream import Stream
from handshake_inspect.errors import HsiError
from handshake_inspect.live.base import LiveSource
from handshake_inspect.report.model import Report
from handshake_inspect.tcp.tracker import Tracker

QUIET_S = 0.1
MAX_QUIET_PERIODS = 10  # wait at most this many quiet periods for the link to become idle
JOIN_TIMEOUT_S = 10.0
MAX_CHECKED = 100_000  # connections; in a larger table, do not check whether all of them have ended


class Background(Closable):
    """A capture of one source, from `start` to the report returned by `finish`.  Closing it closes the source."""

    def __init__(
        self,
        source: LiveSource,
        options: Options | None = None,
        *,
        frames: int | None = None,
        duration_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take ownership of an open source; capture at most `frames` frames and `duration_s` seconds."""
        self.source = source
        self.options = options or Options()
        tracker = Tracker(self.options.max_connections)
        tracker.reads = self.options.setup
        self.stream = Stream(source, tracker, frames=frames, duration_s=duration_s, clock=clock)
        self.pump = self.stream.pump
        self._clock = clock
        self._changed = threading.Condition()  # held while the table changes
        self._ended = False
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start reading frames, including those buffered since the source was opened."""
        self.stream.restart()
        self._thread = threading.Thread(target=self._run, name="hsi-capture", daemon=True)
        self._thread.start()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the capture ends by itself; return False on timeout (seconds)."""
        with self._changed:
            return self._changed.wait_for(lambda: self._ended, timeout_s)

    def stop(self) -> None:
        """Stop capturing.  Safe to call from a signal handler."""
        self.stream.stop()

    def finish(self, quiet_s: float = QUIET_S) -> Report:
        """Stop, drain what the kernel has captured so far, and return the report.

        To let connections close, capturing continues until all connections have ended or no frame has arrived for
        `quiet_s` seconds, but at most ten times as long; 0 stops immediately.  Raises any exception of the capture
        thread.  A vanished interface is not an error here: see `failure` and the report.
        """
        with self._changed:
            self._settle(quiet_s)
            if self.source.pending() is False and not self._ended:
                self.stream.note_idle()
        self.stop()
        if self._thread is not None:
            self._thread.join()
        if self._error is not None:
            raise self._error
        self.stream.note_end()
        return conclude(self.source, self.pump, self.options.limits)

    @property
    def failure(self) -> HsiError | None:
        """Why the capture ended without being stopped, or None."""
        return self.source.failure

    def close(self) -> None:
        """Stop and close the source; what was captured stays available."""
        if self._thread is not None:
            self.stop()
            self._thread.join(JOIN_TIMEOUT_S)
            if self._thread.is_alive():
                return  # closing would unmap a ring that the thread may still read
        self.source.close()

    # --- in the thread ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self.stream.is_full and self._goes_on():
                pass
        except BaseException as error:  # raised again by `finish`
            self._error = error
        self.stream.end_host()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _goes_on(self) -> bool:
        """Read the next block if one arrives soon; return False at the end of the source."""
        if not self.stream.wait():
            return True
        with self._changed:
            more = self.stream.take()
            self._changed.notify_all()
        return more

    # --- at the end ---------------------------------------------------------------------------------------------------

    def _settle(self, quiet_s: float) -> None:
        """Wait until all connections have ended or the link is idle."""
        asked = self._clock()
        deadline = asked + MAX_QUIET_PERIODS * quiet_s
        while not self._ended and (now := self._clock()) < deadline:
            quiet = max(self.stream.last_s, asked) + quiet_s
            behind = bool(self.source.pending())
            if not behind and (now >= quiet or self._all_ended()):
                return
            self._changed.wait(deadline - now if behind else min(quiet, deadline) - now)

    def _all_ended(self) -> bool:
        """Return True if every connection in the table has ended."""
        table = self.pump.tracker.table
        if table.connection_count + table.embryo_count > MAX_CHECKED:
            return False
        view = AttemptIds().view(case_of(self.source, self.pump, self.options.limits, self.pump.last_ns))
        return bool(view.ended.all())
