"""A progress bar on stderr, for work that takes longer than a second and somebody who watches."""
# ruff: noqa: PLC0415

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress

PATIENCE_S = 1.0


class Meter:
    """Progress in bytes of a total; draws nothing for quick work or without a terminal."""

    def __init__(self, *, wanted: bool) -> None:
        self._shown = wanted and sys.stderr is not None and sys.stderr.isatty()
        self._started = time.monotonic()
        self._bar: Progress | None = None
        self._task: Any = None

    def __enter__(self) -> Meter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, done: int, total: int | None) -> None:
        """Note that `done` bytes are read; `total` is None for a pipe."""
        if not self._shown or time.monotonic() - self._started < PATIENCE_S:
            return
        if self._bar is None:
            self._bar = _bar()
            self._task = self._bar.add_task("analysing", total=total)
            self._bar.start()
        self._bar.update(self._task, completed=done, total=total)


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    return Progress(
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(),
        console=Console(file=sys.stderr, stderr=True), transient=True,
    )  # fmt: skip
