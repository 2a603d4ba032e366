"""SIGTERM and SIGHUP: a command that they end leaves things as they were, then ends by them all the same."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_NAMES = ("SIGTERM", "SIGHUP")


class Ended(BaseException):
    """A signal ended the command; callers clean up what is half done."""

    def __init__(self, number: int) -> None:
        """`number` of the signal."""
        super().__init__(number)
        self.number = number


@contextmanager
def put_right() -> Iterator[None]:
    """Let signals that would end this process at once raise `Ended` first; a second one ends it at once.

    Those that are ignored (nohup) stay so, and those that a command handles itself are left to it.
    """
    numbers = [number for name in _NAMES if (number := getattr(signal, name, None)) is not None]
    handled = [number for number in numbers if signal.getsignal(number) == signal.SIG_DFL]

    def end(number: int, _: FrameType | None) -> None:
        for each in handled:
            signal.signal(each, signal.SIG_DFL)
        raise Ended(number)

    for number in handled:
        signal.signal(number, end)
    try:
        yield
    except Ended as ended:
        signal.signal(ended.number, signal.SIG_DFL)
        os.kill(os.getpid(), ended.number)
        raise
