"""Offline analysis: read capture files, track their connections and build the report."""
# ruff: noqa: PLC0415

import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from handshake_inspect.about import build
from handshake_inspect.capture.source import LARGE_CAPTURE, Input
from handshake_inspect.capture.trace import Trace, open_trace
from handshake_inspect.engine.draining import drain
from handshake_inspect.engine.pump import Pump
from handshake_inspect.engine.stream import Progress, pump_all
from handshake_inspect.tcp.tracker import Tracker
from handshake_inspect.verdicts.limits import Limits

if TYPE_CHECKING:
    from handshake_inspect.report.model import Report

SWITCH_S = 0.0002  # the pump needs the GIL after each block; with Python's default of 5 ms, imports would stall it


@dataclass(frozen=True)
class Options:
    """User settings for an analysis.

    At most `max_connections` are kept; beyond that the oldest are evicted and counted.  `time_wait_ns` is how long
    TIME_WAIT lasts (2 MSL, default 60 s), `unanswered_ns` how long an unanswered SYN stays `pending` (default 3 s);
    both in capture time, nanoseconds.  `setup` enables parsing of payloads for connection set-up, DNS lookups and QUIC;
    `names` shows the names of servers and protocols.  At most `jobs` threads read large files ahead, by default one
    per processor.
    """

    max_connections: int = 1 << 22
    time_wait_ns: int = Limits.time_wait_ns
    unanswered_ns: int = Limits.unanswered_ns
    setup: bool = True
    names: bool = True
    jobs: int | None = None

    @property
    def limits(self) -> Limits:
        """The settings that verdicts depend on."""
        return Limits(self.unanswered_ns, self.time_wait_ns, self.names)


def analyze(
    inputs: Sequence[Input],
    *,
    options: Options | None = None,
    progress: Progress | None = None,
    background: Callable[[], object] | None = None,
) -> "Report":
    """Analyse captures as one trace and return the report.

    `inputs` are paths, `-` for standard input, or binary file objects.  `progress` is called with the bytes read and
    the total (None if unknown).  `background` is called in a thread while a large capture is read, for example to
    import modules needed afterwards.  Raises CaptureError if an input is not a capture.  A truncated capture is
    analysed up to the cut, and the report says so.
    """
    options = options or Options()
    tracker = Tracker(options.max_connections)
    tracker.reads = options.setup
    pump = Pump(tracker)
    with open_trace(inputs) as source, _beside(source, background, options.jobs):
        pump_all(source, pump, progress, drain)
    from handshake_inspect.engine.reporting import conclude

    return conclude(source, pump, options.limits)


@contextmanager
def _beside(source: Trace, background: Callable[[], object] | None, jobs: int | None) -> Iterator[None]:
    """For large captures, import later stages in a thread; read ahead in others where reading is slow."""
    if not _is_worth_threads(source):
        yield
        return
    importing = threading.Thread(target=_import, args=(background,), daemon=True)
    interval = sys.getswitchinterval()
    with suppress(RuntimeError):  # no thread available: reading and importing then happen inline
        importing.start()
        if source.reads_slowly:
            source.read_ahead(_processors() if jobs is None else jobs)
    sys.setswitchinterval(SWITCH_S)
    try:
        yield
    finally:
        if importing.ident is not None:
            importing.join()
        sys.setswitchinterval(interval)


def _is_worth_threads(source: Any) -> bool:
    """Return True if the files are large and threads can run in parallel."""
    if (source.size or 0) < LARGE_CAPTURE:
        return False
    return build() == "compiled" and _processors() > 1


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _import(background: Callable[[], object] | None) -> None:
    with suppress(Exception):  # raised again by the import in the main thread
        import handshake_inspect.engine.reporting  # noqa: F401

        if background is not None:
            background()
