"""A capture that runs while something else does: a command, the block of a test.

An open source has the kernel keep what crosses the interface, so nothing is missed from then on, and what was taken
until `finish` is drained.  A thread moves frames into the table during the block; nothing judges it before the end,
when the report is what `analyze` would say of the same frames.
"""

import threading
import time
from collections.abc import Callable

from handshake_inspect.capture.closing import Closes
from handshake_inspect.engine import Options
from handshake_inspect.engine.attempt_ids import AttemptIds
from handshake_inspect.engine.reporting import case_of, conclude
from handshake_inspect.engine.stream import Stream
from handshake_inspect.errors import HsiError
from handshake_inspect.live.base import LiveSource
from handshake_inspect.report.model import Report
from handshake_inspect.tcp.tracker import Tracker

QUIET_S = 0.1
LONGEST = 10  # times as long as it should be quiet is waited for that
FAREWELL_S = 10.0  # for the thread to end, once it was asked to
MANY = 100_000  # connections; with more it is not checked whether all of them have ended


class Background(Closes):
    """One source, from `start` to the report that `finish` gives; the source is closed with it."""

    def __init__(
        self,
        source: LiveSource,
        options: Options | None = None,
        *,
        frames: int | None = None,
        duration_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take over an open source; the capture ends by itself after so many frames, or so many seconds."""
        self.source = source
        self.options = options or Options()
        tracker = Tracker(self.options.max_connections)
        tracker.reads = self.options.setup
        self.stream = Stream(source, tracker, frames=frames, duration_s=duration_s, clock=clock)
        self.pump = self.stream.pump
        self._clock = clock
        self._news = threading.Condition()  # held while the table changes
        self._ended = False
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to take frames; those that came since the source was opened are among them."""
        self.stream.restart()
        self._thread = threading.Thread(target=self._run, name="hsi-capture", daemon=True)
        self._thread.start()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the capture ends by itself; False when `timeout_s` seconds pass without that."""
        with self._news:
            return self._news.wait_for(lambda: self._ended, timeout_s)

    def stop(self) -> None:
        """Capture no more; may be called from a signal handler."""
        self.stream.stop()

    def finish(self, quiet_s: float = QUIET_S) -> Report:
        """Stop, take all that the kernel has captured until now, and report what happened.

        Connections that are being closed get time for that: before it stops, the capture goes on until all of them
        have ended, or nothing has come for `quiet_s` seconds, ten times as long at most; 0 stops at once.  Raises what
        went wrong while capturing.  That the interface went away is no error here: `failure` and the report say so.
        """
        with self._news:
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
        """Why the capture ended though nobody stopped it."""
        return self.source.failure

    def close(self) -> None:
        """Stop, and let go of the source; what was captured stays."""
        if self._thread is not None:
            self.stop()
            self._thread.join(FAREWELL_S)
            if self._thread.is_alive():
                return  # it may be reading what would be unmapped
        self.source.close()

    # --- in the thread ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self.stream.is_full and self._goes_on():
                pass
        except BaseException as error:  # it is raised where the report is asked for
            self._error = error
        self.stream.end_host()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def _goes_on(self) -> bool:
        """Take a block, if one comes soon; False when there will be no more."""
        if not self.stream.wait():
            return True
        with self._news:
            more = self.stream.take()
            self._news.notify_all()
        return more

    # --- at the end ---------------------------------------------------------------------------------------------------

    def _settle(self, quiet_s: float) -> None:
        """Wait until nothing more is to be expected."""
        asked = self._clock()
        deadline = asked + LONGEST * quiet_s
        while not self._ended and (now := self._clock()) < deadline:
            quiet = max(self.stream.last_s, asked) + quiet_s
            behind = bool(self.source.pending())
            if not behind and (now >= quiet or self._is_over()):
                return
            self._news.wait(deadline - now if behind else min(quiet, deadline) - now)

    def _is_over(self) -> bool:
        """Whether every connection has ended that was ever seen."""
        table = self.pump.tracker.table
        if table.connection_count + table.embryo_count > MANY:
            return False
        view = AttemptIds().view(case_of(self.source, self.pump, self.options.limits, self.pump.last_ns))
        return bool(view.ended.all())
