"""The search for findings in a live run, in a thread of its own if the source is an interface.

A search of 100,000 rows takes a tenth of a second, most of it in NumPy without the GIL: a thread searches a copy of the
rows while the capture continues.  For a file or a pipe, where no frames are lost, the search runs inline.
"""

import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from handshake_inspect.capture.closable import Closable
from handshake_inspect.engine.pace import Pace
from handshake_inspect.report.model import Finding

EVERY_S = 3.0
SHARE = 0.01  # maximum share of run time, except for searches needed to expire rows
SWITCH_S = 0.0005  # the capturing thread waits this long for the GIL, instead of Python's default 5 ms

Find = Callable[[], list[Finding]]


class Search(Closable):
    """Runs one search at a time.  All methods are called by the capturing thread."""

    def __init__(self, *, beside: bool, clock: Callable[[], float], spent: Callable[[], float]) -> None:
        """With `beside`, search in a thread; `spent` returns the CPU time of the calling thread, in seconds."""
        self._threads = ThreadPoolExecutor(1, "findings") if beside else None
        self._clock = clock
        self._spent = spent
        self._found: Future[tuple[list[Finding], float]] | None = None
        self._ready: Future[None] | None = None
        self._pace = Pace(EVERY_S, SHARE, clock())
        self._begun_with = 0.0, 0  # CPU time spent on copies by the calling thread, and number of rows
        self._switch_s = sys.getswitchinterval()

    @property
    def beside(self) -> bool:
        """Return True if searches run in a thread, so that rows may change meanwhile."""
        return self._threads is not None

    @property
    def begun(self) -> bool:
        """Return True if there is a search whose findings have not been fetched."""
        return self._found is not None

    @property
    def running(self) -> bool:
        """Return True if `finish` would block."""
        return self._found is not None and not self._found.done()

    def is_due(self, now_s: float, rows: int) -> bool:
        """Return True if the next search is due, given the number of rows."""
        return self._found is None and self._pace.is_due(now_s, rows)

    def prepare(self, prepare: Callable[[], None]) -> None:
        """Call `prepare` in the thread, if there is one."""
        self.settle()
        if self._threads is not None:
            self._ready = self._threads.submit(prepare)

    def settle(self) -> None:
        """Wait until the preparation is complete."""
        if self._ready is not None:
            ready, self._ready = self._ready, None
            ready.result()

    def begin(self, find: Find, rows: int, spent_s: float = 0.0) -> None:
        """Start a search with `find`; `spent_s` is the CPU time already spent on copies for it."""
        self._begun_with = spent_s, rows
        if self._threads is not None:
            sys.setswitchinterval(SWITCH_S)
            self._found = self._threads.submit(self._measured, find)
            return
        self._found = Future()
        self._found.set_result(self._measured(find))

    def finish(self) -> list[Finding]:
        """Wait for the search to end and return its findings."""
        assert self._found is not None  # noqa: S101
        try:
            found, spent = self._found.result()
        finally:
            self._found = None
            sys.setswitchinterval(self._switch_s)
        copying, rows = self._begun_with
        self._pace.note(self._clock(), copying + spent, rows)
        return found

    def close(self) -> None:
        """Shut down the thread; waits for a running search and discards its findings."""
        if self._threads is not None:
            self._threads.shutdown()
            sys.setswitchinterval(self._switch_s)

    def _measured(self, find: Find) -> tuple[list[Finding], float]:
        spent = self._spent()
        return find(), self._spent() - spent
