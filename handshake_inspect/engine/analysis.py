"""Captures in, report out: the pass over files."""
# ruff: noqa: PLC0415

import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from handshake_inspect.about import build
from handshake_inspect.capture.frames import FrameReader
from handshake_inspect.capture.source import LARGE, Input, Source
from handshake_inspect.capture.trace import Trace, open_trace
from handshake_inspect.engine.clearing import Clearing
from handshake_inspect.engine.draining import drain, follow
from handshake_inspect.engine.pump import Pump
from handshake_inspect.engine.relay import FEW, ROOMS
from handshake_inspect.engine.stream import Progress, pump_all
from handshake_inspect.tcp.tracker import Tracker
from handshake_inspect.verdicts.limits import Limits

if TYPE_CHECKING:
    from handshake_inspect.report.model import Report

Drain = Callable[[Pump, FrameReader], int]
SWITCH_S = 0.0002  # Python's own 5 ms would let imports hold up the pump, which needs Python's lock after each block


@dataclass(frozen=True)
class Options:
    """What a user may set of an analysis.

    `max_connections` are kept at a time; beyond that the oldest make room, and are counted.  `time_wait_ns` is how long
    TIME_WAIT lasts (2 MSL, 60 s by default), `unanswered_ns` how long a SYN that nothing answers is `pending` (3 s by
    default); both are nanoseconds of the capture.  `setup` reads payloads for connection set-up, lookups and QUIC, and
    `names` shows the names of servers and protocols.  At most `jobs` threads read large files ahead, by default as many
    as there are processors.
    """

    max_connections: int = 1 << 22
    time_wait_ns: int = Limits.time_wait_ns
    unanswered_ns: int = Limits.unanswered_ns
    setup: bool = True
    names: bool = True
    jobs: int | None = None

    @property
    def limits(self) -> Limits:
        """What verdicts depend on."""
        return Limits(self.unanswered_ns, self.time_wait_ns, self.names)


def analyze(
    inputs: Sequence[Input],
    *,
    options: Options | None = None,
    progress: Progress | None = None,
    background: Callable[[], object] | None = None,
) -> "Report":
    """Analyse captures as one trace.

    `inputs` are paths, `-` for standard input, or binary file objects.  `progress` is called with the bytes read and
    their total (None while there is no end).  `background` is called in a thread while a large capture is read: it may
    import what is needed afterwards.  Raises CaptureError for what is no capture; one that is cut is analysed up to the
    cut, and the report says so.
    """
    options = options or Options()
    tracker = Tracker(options.max_connections)
    tracker.reads = options.setup
    pump = Pump(tracker)
    with open_trace(inputs) as source, _beside(source, pump, background, options.jobs) as drained:
        pump_all(source, pump, progress, drained)
    from handshake_inspect.engine.reporting import conclude

    return conclude(source, pump, options.limits)


@contextmanager
def _beside(source: Trace, pump: Pump, background: Callable[[], object] | None, jobs: int | None) -> Iterator[Drain]:
    """While large captures are pumped, read them ahead and import what follows, in threads; how to drain then."""
    if not _is_worth_threads(source):
        yield Pump.drain
        return
    importing = threading.Thread(target=_import, args=(background,), daemon=True)
    interval = sys.getswitchinterval()
    with suppress(RuntimeError):  # no thread to be had: what is not done now is done later
        source.read_ahead(_processors() if jobs is None else jobs)
        importing.start()
    sys.setswitchinterval(SWITCH_S)
    try:
        with _tracked_beside(source, pump) as drained:
            yield drained
    finally:
        if importing.ident is not None:
            importing.join()
        sys.setswitchinterval(interval)


@contextmanager
def _tracked_beside(source: Trace, pump: Pump) -> Iterator[Drain]:
    """Where a thread reads a single capture ahead, let another one track what is decoded; all is when this ends."""
    rooms = ROOMS if build() == "compiled" else FEW
    relay = pump.relayed(rooms) if isinstance(source, Source) and source.is_read_ahead else None
    tracking = threading.Thread(target=follow, args=(relay,), daemon=True)
    try:
        if relay is not None:
            tracking.start()
    except RuntimeError:
        pump.alone()
        relay = None
    if relay is None:
        yield drain
        return
    clearing = Clearing(pump.tracker.table)

    def drained(pump: Pump, reader: FrameReader) -> int:
        clearing.go_on()
        return drain(pump, reader)

    try:
        yield drained
        relay.finish()
    finally:
        relay.close()
        tracking.join()
        pump.alone()


def _is_worth_threads(source: Any) -> bool:
    """Whether the files are large, and threads can run at the same time."""
    if (source.size or 0) < LARGE:
        return False
    return build() == "compiled" and _processors() > 1


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _import(background: Callable[[], object] | None) -> None:
    with suppress(Exception):  # it is raised where the import is needed
        import handshake_inspect.engine.reporting  # noqa: F401

        if background is not None:
            background()
