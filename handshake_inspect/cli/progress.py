"""A progress bar on stderr for work that takes longer than a second, if stderr is a terminal.

If an input is a pipe and nothing arrives for two seconds, a message names the pipe.
"""
# ruff: noqa: PLC0415

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from threading import Timer

    from rich.progress import Progress

DELAY_S = 1.0
PIPE_TIMEOUT_S = 2.0


class ProgressBar:
    """Progress in bytes of a total; draws nothing for quick work or without a terminal."""

    def __init__(self, *, wanted: bool, inputs: Sequence[str] = ()) -> None:
        """`wanted` enables the bar; the pipes among `inputs` are named if nothing arrives."""
        self._shown = wanted and sys.stderr is not None and sys.stderr.isatty()
        self._started = time.monotonic()
        self._bar: Progress | None = None
        self._task: Any = None
        self._timer = _timer(inputs) if self._shown else None

    def __enter__(self) -> ProgressBar:
        if self._timer is not None:
            self._timer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop_waiting()
        if self._bar is not None:
            self._bar.stop()

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def update(self, done: int, total: int | None) -> None:
        """Show that `done` of `total` bytes were read; `total` is None for a pipe."""
        self._stop_waiting()
        if not self._shown or time.monotonic() - self._started < DELAY_S:
            return
        if self._bar is None:
            self._bar = _bar()
            self._task = self._bar.add_task("analysing", total=total)
            self._bar.start()
        self._bar.update(self._task, completed=done, total=total)


def _timer(inputs: Sequence[str]) -> Timer | None:
    pipes = [name for name in inputs if _is_pipe(name)]
    if not pipes:
        return None
    from threading import Timer

    timer = Timer(PIPE_TIMEOUT_S, _report_silence, (pipes,))
    timer.daemon = True
    return timer


def _is_pipe(name: str) -> bool:
    try:
        status = os.fstat(sys.stdin.fileno()) if name == "-" else os.stat(name)  # noqa: PTH116
    except (OSError, ValueError, AttributeError):  # the analysis reports errors; sys.stdin may lack a descriptor
        return False
    return stat.S_ISFIFO(status.st_mode)


def _report_silence(pipes: Sequence[str]) -> None:
    from handshake_inspect.wire.text import printable

    names = ", ".join("standard input" if name == "-" else printable(name) for name in pipes)
    click.echo(f"hsi: waiting: nobody has written to {names} yet (Ctrl-C ends)", err=True)


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    return Progress(
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(),
        console=Console(file=sys.stderr, stderr=True), transient=True,
    )  # fmt: skip
