"""SIGTERM and SIGHUP handling: clean up (temporary files), then die by the same signal."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_NAMES = ("SIGTERM", "SIGHUP")


class Terminated(BaseException):
    """Raised by a terminating signal, so that `finally` blocks and context managers clean up."""

    def __init__(self, number: int) -> None:
        """`number` is the signal number."""
        super().__init__(number)
        self.number = number


@contextmanager
def clean_up_on_signal() -> Iterator[None]:
    """Turn terminating signals into `Terminated` for clean-up, then re-send the signal; a second one kills at once.

    Ignored signals (nohup) stay ignored, and commands may install their own handlers.
    """
    numbers = [number for name in _NAMES if (number := getattr(signal, name, None)) is not None]
    handled = [number for number in numbers if signal.getsignal(number) == signal.SIG_DFL]

    def end(number: int, _: FrameType | None) -> None:
        for each in handled:
            signal.signal(each, signal.SIG_DFL)
        raise Terminated(number)

    for number in handled:
        signal.signal(number, end)
    try:
        yield
    except Terminated as terminated:
        signal.signal(terminated.number, signal.SIG_DFL)
        os.kill(os.getpid(), terminated.number)
        raise
