"""What a command may look at: captures, or a JSON report made from them before."""
# ruff: noqa: PLC0415

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from handshake_inspect.cli.analyze import seconds
from handshake_inspect.cli.progress import Meter
from handshake_inspect.cli.root import COMMANDS
from handshake_inspect.errors import UsageError

if TYPE_CHECKING:
    from handshake_inspect.report.model import Report


def analysis_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of an analysis that every command has which makes one."""
    for option in (
        click.option("--no-progress", is_flag=True, help="No progress bar."),
        click.option(
            "--color",
            type=click.Choice(["auto", "always", "never"]),
            default="auto",
            show_default=True,
            help="When to colour the text.",
        ),
        click.option(
            "--max-connections",
            metavar="N",
            type=click.IntRange(min=1),
            help="Bound memory: keep at most N connections at a time.",
        ),
        click.option(
            "--timeout",
            metavar="SECONDS",
            type=seconds,
            default="3",
            show_default=True,
            help="After how much capture an unanswered SYN has timed out.",
        ),
        click.option(
            "--time-wait",
            metavar="SECONDS",
            type=seconds,
            default="60",
            show_default=True,
            help="How long TIME_WAIT lasts (2 MSL).",
        ),
    ):
        command = option(command)
    return command


def checked_paths(paths: Sequence[str]) -> list[str]:
    """Refuse command lines that cannot be meant."""
    if not paths:
        raise click.UsageError("name a capture, or - for standard input")
    if paths.count("-") > 1:
        raise click.UsageError("standard input can be read only once")
    for path in paths:
        if path in COMMANDS and not os.path.exists(path):  # noqa: PTH110 - no Path of what may not be one
            raise click.UsageError(f"options come after the command: hsi {path} ...")
    return list(paths)


def report_of(
    paths: Sequence[str], *, time_wait: int, timeout: int, max_connections: int | None, progress: bool
) -> Report:
    """The report of captures that make one trace, or the one that a JSON file holds."""
    if len(paths) == 1 and _is_json(paths[0]):
        from handshake_inspect.report.schema import load

        report = load(paths[0])
        if report.summary.connections and not len(report.connections):
            raise UsageError(f"{paths[0]}: a report without its connections; make it without --no-connections")
        return report
    from handshake_inspect import engine

    settings: dict[str, Any] = {"time_wait_ns": time_wait, "unanswered_ns": timeout}
    if max_connections is not None:
        settings["max_connections"] = max_connections
    with Meter(wanted=progress) as meter:
        return engine.analyze(paths, options=engine.Options(**settings), progress=meter.update)


def _is_json(path: str) -> bool:
    """Whether a file begins as a JSON object does, which no capture does."""
    try:
        if path == "-" or not os.path.isfile(path):  # noqa: PTH113
            return False
        with open(path, "rb") as stream:  # noqa: PTH123
            return stream.read(64).lstrip()[:1] == b"{"
    except OSError:
        return False
