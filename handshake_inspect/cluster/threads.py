"""Run the stages in threads of this process, without data transfer or start-up of workers.

In the compiled build they run in parallel, because pumps release the GIL.  In the pure build they take turns.
"""

import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, as_completed
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from typing import Any

from handshake_inspect.cluster.analysis import MAX_SHARDS
from handshake_inspect.engine.analysis import SWITCH_S
from handshake_inspect.errors import ClusterError

POLL_S = 0.5

Call = tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]


@contextmanager
def started(count: int) -> Iterator["Threads"]:
    """Yield a runner with `count` threads.  On exit, calls in progress are abandoned.

    Raises ClusterError if the system does not allow that many threads.
    """
    runner = Threads(count)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_S)
    try:
        yield runner
    finally:
        runner.end()
        sys.setswitchinterval(interval)


class Threads:
    """Runs each stage in the next free thread; see `analysis.Runner`."""

    def __init__(self, count: int) -> None:
        self.shards = min(count, MAX_SHARDS)
        self._count = count
        self._calls: SimpleQueue[Call | None] = SimpleQueue()
        self._is_over = False
        for number in range(count):
            try:
                threading.Thread(target=self._work, name=f"hsi-part-{number}", daemon=True).start()
            except RuntimeError as error:
                self.end()
                raise ClusterError(f"this system allows only {number} of {count} threads; ask for fewer") from error

    def submit(self, stage: str, function: Callable[..., Any], *given: Any) -> Future[Any]:
        """Submit a call and return its future.  Arguments may be earlier futures only, which rules out deadlocks."""
        future: Future[Any] = Future()
        self._calls.put((future, function, given))
        return future

    def results(self, submitted: Sequence[Any], done: Callable[[int], object] | None = None) -> list[Any]:
        """Return the results of the futures, other values as they are; raises the first exception."""
        places = {each: place for place, each in enumerate(submitted) if isinstance(each, Future)}
        for future in _completed(places):
            future.result()
            if done is not None:
                done(places[future])
        return [_resolved(each) for each in submitted]

    def item(self, submitted: Any, name: str) -> Future[Any]:
        """Return a future for an attribute of the result."""
        return self.submit(name, getattr, submitted, name)

    def end(self) -> None:
        """Let the threads exit after their present calls."""
        self._is_over = True
        for _ in range(self._count):
            self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None and not self._is_over:
            _run(*call)
            del call  # and with it what was given, while this waits for the next one


def _run(future: Future[Any], function: Callable[..., Any], given: Sequence[Any]) -> None:
    try:
        future.set_result(function(*(_resolved(each) for each in given)))
    except BaseException as error:  # raised again by `result()`
        future.set_exception(error)


def _completed(futures: Iterable[Future[Any]]) -> Iterator[Future[Any]]:
    """Yield futures as they complete.

    Waits are short, because Ctrl-C at the start of a wait, while another thread holds the GIL, takes effect only after
    it.
    """
    left = set(futures)
    while left:
        with suppress(TimeoutError):
            for future in as_completed(left, POLL_S):
                left.discard(future)
                yield future


def _resolved(value: Any) -> Any:
    """Replace futures by their results, within lists as well."""
    if isinstance(value, Future):
        return value.result()
    return [_resolved(each) for each in value] if isinstance(value, list) else value
