"""The stages called by threads of this process: nothing moves, and nothing has to start.

In the compiled build they run at the same time, because pumps do without Python's lock.  In the pure build they take
turns.
"""

import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, as_completed
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from typing import Any

from handshake_inspect.cluster.analysis import MOST_WAYS
from handshake_inspect.engine.analysis import SWITCH_S
from handshake_inspect.errors import ClusterError

LOOK_S = 0.5

Call = tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]


@contextmanager
def started(count: int) -> Iterator["Threads"]:
    """So many threads.  What they still do when this ends is waited for by nobody.

    Raises ClusterError where there cannot be as many.
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
    """Has each stage called by the next thread that is free; see `analysis.Runner`."""

    def __init__(self, count: int) -> None:
        self.ways = min(count, MOST_WAYS)
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
        """A future.  What it waits for was submitted before it, so that threads cannot wait for each other."""
        future: Future[Any] = Future()
        self._calls.put((future, function, given))
        return future

    def results(self, submitted: Sequence[Any], done: Callable[[int], object] | None = None) -> list[Any]:
        """What the functions returned; values that are no futures are themselves.  Raises what the first one raised."""
        places = {each: place for place, each in enumerate(submitted) if isinstance(each, Future)}
        for future in _ended(places):
            future.result()
            if done is not None:
                done(places[future])
        return [_known(each) for each in submitted]

    def item(self, submitted: Any, name: str) -> Future[Any]:
        """An attribute of what a function returns, as a future."""
        return self.submit(name, getattr, submitted, name)

    def end(self) -> None:
        """Let threads end after what they do now."""
        self._is_over = True
        for _ in range(self._count):
            self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None and not self._is_over:
            _run(*call)


def _run(future: Future[Any], function: Callable[..., Any], given: Sequence[Any]) -> None:
    try:
        future.set_result(function(*(_known(each) for each in given)))
    except BaseException as error:  # raised where the result is asked for
        future.set_exception(error)


def _ended(futures: Iterable[Future[Any]]) -> Iterator[Future[Any]]:
    """These, each when it has ended.

    No wait is long: Ctrl-C that comes as one begins, while another thread has Python's lock, is seen at its end only.
    """
    left = set(futures)
    while left:
        with suppress(TimeoutError):
            for future in as_completed(left, LOOK_S):
                left.discard(future)
                yield future


def _known(value: Any) -> Any:
    """The same with results in the place of futures."""
    if isinstance(value, Future):
        return value.result()
    return [_known(each) for each in value] if isinstance(value, list) else value
