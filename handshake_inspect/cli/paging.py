"""Long text on a terminal goes through a pager, as git's does: it starts once a screen is full, and not before."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO, cast

# As git sets them where nobody did: colours stay, the text stays when less has gone, what fits is not paged.
DEFAULTS = {"LESS": "FRX", "LV": "-c"}


def command() -> list[str]:
    """The words of the pager: `HSI_PAGER`, else `PAGER`, else less; none where nothing shall page, or nothing can."""
    wished = os.environ.get("HSI_PAGER", os.environ.get("PAGER", "less"))
    try:
        words = shlex.split(wished)
    except ValueError:
        return []
    if not words or words[0] == "cat" or os.environ.get("TERM", "dumb") == "dumb" or shutil.which(words[0]) is None:
        return []
    return words


@contextmanager
def paged(terminal: BinaryIO, words: list[str]) -> Iterator[BinaryIO]:
    """A stream for text: the terminal takes it while it fits there, else the pager, whose end is awaited."""
    rows = shutil.get_terminal_size().lines
    pages = _Pages(terminal, words, rows)
    try:
        yield cast("BinaryIO", pages)
    finally:
        pages.end()


class _Pages:
    """Keeps the first screen back, since only more than one needs a pager."""

    def __init__(self, terminal: BinaryIO, words: list[str], rows: int) -> None:
        self._terminal, self._words, self._rows = terminal, words, rows
        self._kept: list[bytes] = []
        self._lines = 0
        self._pager: subprocess.Popen[bytes] | None = None
        self._interrupts: Any = None

    def write(self, data: bytes) -> int:
        """Keep it, or hand it on."""
        if self._pager is not None:
            self._sent(data)
            return len(data)
        self._kept.append(data)
        self._lines += data.count(b"\n")
        if self._lines >= self._rows:
            self._start()
        return len(data)

    def writelines(self, lines: Iterable[bytes]) -> None:
        """Write them one after the other."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Nothing is to be seen before a screen is full."""

    def end(self) -> None:
        """Show what fits, or wait for the pager."""
        if self._pager is None:
            self._terminal.writelines(self._kept)
            self._terminal.flush()
            return
        assert self._pager.stdin is not None  # noqa: S101
        with suppress(OSError):
            self._pager.stdin.close()
        self._pager.wait()
        signal.signal(signal.SIGINT, self._interrupts)

    def _start(self) -> None:
        """Ctrl-C is for the pager from now on: it ends a search, say."""
        environment = {**DEFAULTS, **os.environ}
        self._pager = subprocess.Popen(self._words, stdin=subprocess.PIPE, env=environment)  # noqa: S603
        self._interrupts = signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._sent(b"".join(self._kept))

    def _sent(self, data: bytes) -> None:
        assert self._pager is not None  # noqa: S101
        assert self._pager.stdin is not None  # noqa: S101
        self._pager.stdin.write(data)
