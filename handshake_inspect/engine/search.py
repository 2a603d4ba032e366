"""The search for findings of a live run: beside the capture, where frames do not wait for it.

It takes a tenth of a second of 100,000 rows, and NumPy lets go of the interpreter for most of that: a thread searches a
copy of the rows while frames are taken.  Of a file or a pipe, whose frames wait, it is over when it has begun.
"""

import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from handshake_inspect.capture.closing import Closes
from handshake_inspect.engine.pace import Pace
from handshake_inspect.report.model import Finding

EVERY_S = 3.0
SHARE = 0.01  # of the time, at most, goes into what is not needed to let rows expire
SWITCH_S = 0.0005  # who takes frames waits so long for the interpreter, not Python's usual 5 ms

Find = Callable[[], list[Finding]]


class Search(Closes):
    """One search after the other.  All methods are called by the thread that takes frames."""

    def __init__(self, *, beside: bool, clock: Callable[[], float], spent: Callable[[], float]) -> None:
        """With `beside` a thread of its own searches; `spent` is the time that the calling thread has run."""
        self._threads = ThreadPoolExecutor(1, "findings") if beside else None
        self._clock = clock
        self._spent = spent
        self._found: Future[tuple[list[Finding], float]] | None = None
        self._ready: Future[None] | None = None
        self._pace = Pace(EVERY_S, SHARE, clock())
        self._begun_with = 0.0, 0  # what the calling thread had spent on it, and how many rows there were
        self._switch_s = sys.getswitchinterval()

    @property
    def beside(self) -> bool:
        """Whether rows may change while it searches."""
        return self._threads is not None

    @property
    def begun(self) -> bool:
        """Whether there is a search whose findings nobody has taken."""
        return self._found is not None

    @property
    def running(self) -> bool:
        """Whether `finish` would wait."""
        return self._found is not None and not self._found.done()

    def is_due(self, now_s: float, rows: int) -> bool:
        """Whether it is time for the next one, of so many rows."""
        return self._found is None and self._pace.is_due(now_s, rows)

    def prepare(self, prepare: Callable[[], None]) -> None:
        """Have `prepare` called by the thread, if there is one."""
        self.settle()
        if self._threads is not None:
            self._ready = self._threads.submit(prepare)

    def settle(self) -> None:
        """Wait until what was to be prepared is."""
        if self._ready is not None:
            ready, self._ready = self._ready, None
            ready.result()

    def begin(self, find: Find, rows: int, spent_s: float = 0.0) -> None:
        """Have `find` called, for which `spent_s` seconds went into copies."""
        self._begun_with = spent_s, rows
        if self._threads is not None:
            sys.setswitchinterval(SWITCH_S)
            self._found = self._threads.submit(self._measured, find)
            return
        self._found = Future()
        self._found.set_result(self._measured(find))

    def finish(self) -> list[Finding]:
        """What the search found, as soon as it has ended."""
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
        """Search no more; what is under way ends first, and nobody gets what it finds."""
        if self._threads is not None:
            self._threads.shutdown()
            sys.setswitchinterval(self._switch_s)

    def _measured(self, find: Find) -> tuple[list[Finding], float]:
        spent = self._spent()
        return find(), self._spent() - spent
