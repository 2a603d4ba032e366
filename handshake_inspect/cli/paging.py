"""Paging of long text on a terminal, as in git: the pager starts only when the output exceeds one screen."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO, cast

# The defaults that git sets: keep colours, do not clear the screen on exit, do not page what fits one screen.
DEFAULTS = {"LESS": "FRX", "LV": "-c"}


def command() -> list[str]:
    """Return the pager command: `HSI_PAGER`, else `PAGER`, else less; empty if paging is disabled or impossible."""
    setting = os.environ.get("HSI_PAGER", os.environ.get("PAGER", "less"))
    try:
        words = shlex.split(setting)
    except ValueError:
        return []
    if not words or words[0] == "cat" or os.environ.get("TERM", "dumb") == "dumb" or shutil.which(words[0]) is None:
        return []
    return words


@contextmanager
def paged(terminal: BinaryIO, words: list[str]) -> Iterator[BinaryIO]:
    """Yield a stream that writes to the terminal, or to a pager if the text exceeds one screen; wait for the pager."""
    rows = shutil.get_terminal_size().lines
    pages = _Pager(terminal, words, rows)
    try:
        yield cast("BinaryIO", pages)
    finally:
        pages.finish()


class _Pager:
    """Buffers the first screen of text and starts the pager if there is more."""

    def __init__(self, terminal: BinaryIO, words: list[str], rows: int) -> None:
        self._terminal, self._words, self._rows = terminal, words, rows
        self._buffered: list[bytes] = []
        self._lines = 0
        self._pager: subprocess.Popen[bytes] | None = None
        self._interrupts: Any = None

    def write(self, data: bytes) -> int:
        """Buffer the data, or write it to the pager if that has started."""
        if self._pager is not None:
            self._send(data)
            return len(data)
        self._buffered.append(data)
        self._lines += data.count(b"\n")
        if self._lines >= self._rows:
            self._start()
        return len(data)

    def writelines(self, lines: Iterable[bytes]) -> None:
        """Write all lines."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Do nothing: output is held back until a screen is full."""

    def finish(self) -> None:
        """Write the buffered text to the terminal, or wait for the pager to exit."""
        if self._pager is None:
            self._terminal.writelines(self._buffered)
            self._terminal.flush()
            return
        assert self._pager.stdin is not None  # noqa: S101
        with suppress(OSError):
            self._pager.stdin.close()
        self._pager.wait()
        signal.signal(signal.SIGINT, self._interrupts)

    def _start(self) -> None:
        """Start the pager and ignore Ctrl-C in hsi, since pagers use it, for example to cancel a search."""
        environment = {**DEFAULTS, **os.environ}
        self._pager = subprocess.Popen(self._words, stdin=subprocess.PIPE, env=environment)  # noqa: S603
        self._interrupts = signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._send(b"".join(self._buffered))

    def _send(self, data: bytes) -> None:
        assert self._pager is not None  # noqa: S101
        assert self._pager.stdin is not None  # noqa: S101
        self._pager.stdin.write(data)
