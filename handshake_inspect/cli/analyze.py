"""`hsi analyze`: captures in, a report out."""
# ruff: noqa: PLC0415

from __future__ import annotations

import os
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import click

from handshake_inspect.cli.output import Target
from handshake_inspect.cli.progress import Meter
from handshake_inspect.cli.root import COMMANDS
from handshake_inspect.cli.selecting import (
    checked_fields,
    checked_write,
    chosen_format,
    fields_option,
    format_option,
    narrowed,
    refuse_terminal,
    test_of,
    where_option,
    write_frames,
    write_option,
)
from handshake_inspect.cli.sparing import spare
from handshake_inspect.render import RENDERERS, Options

if TYPE_CHECKING:
    from handshake_inspect.report.model import Report

INCOMPLETE = 3
_WARNINGS_SHOWN = 3
_LONGEST_NS = 1 << 62

EPILOG = """\b
Examples:
  hsi a.pcapng                         what happened, and where the trouble is
  hsi -T json --no-connections a.pcap  the summary alone, for programs
  hsi monday.pcap tuesday.pcap         several files as one trace
  zcat a.pcap.gz | hsi -q -            one line

\b
Exit status:
  0  analysed
  1  a check failed
  2  usage error, or input that cannot be read as a capture
  3  with --strict: cut or damaged input, analysed as far as it goes
"""


def seconds(text: str) -> int:
    """Read a decimal number of seconds as nanoseconds, exactly."""
    try:
        ns = Decimal(text).scaleb(9)
        if 0 <= ns <= _LONGEST_NS:
            return int(ns)
    except InvalidOperation:
        pass
    raise click.BadParameter(f"{text!r} is not a number of seconds.")


@click.command(epilog=EPILOG)
@click.argument("captures", nargs=-1, metavar="CAPTURE...")
@click.option(
    "-r",
    "--read",
    "read",
    metavar="FILE",
    multiple=True,
    help="Read this capture (as in tcpdump); - is standard input. May be given again.",
)
@format_option()
@click.option("-o", "--output", metavar="FILE", default="-", help="Write the report there, whole or not at all.")
@fields_option
@where_option
@write_option
@click.option("--all", "every", is_flag=True, help="List every connection, not just some of those with trouble.")
@click.option("--no-connections", is_flag=True, help="The summary alone.")
@click.option("--strict", is_flag=True, help="Exit 3 when the input is cut or damaged.")
@click.option("-q", "--quiet", is_flag=True, help="One line; no warnings, no progress.")
@click.option("-v", "--verbose", is_flag=True, help="Show the evidence under each connection.")
@click.option(
    "-n", "numeric", is_flag=True, hidden=True, help="Addresses are never resolved; accepted for tcpdump's sake."
)
@click.option(
    "--time-wait",
    metavar="SECONDS",
    type=seconds,
    default="60",
    show_default=True,
    help="How long TIME_WAIT lasts (2 MSL).",
)
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=seconds,
    default="3",
    show_default=True,
    help="After how much capture an unanswered SYN has timed out.",
)
@click.option(
    "--max-connections",
    metavar="N",
    type=click.IntRange(min=1),
    help="Bound memory: keep at most N connections at a time.",
)
@click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    help="When to colour the text.",
)
@click.option("--no-progress", is_flag=True, help="No progress bar.")
@click.pass_context
def command(
    ctx: click.Context, captures: tuple[str, ...], read: tuple[str, ...], form: str | None, output: str,
    fields: tuple[str, ...], where: str | None, write: str | None, every: bool, no_connections: bool, strict: bool,
    quiet: bool, verbose: bool, numeric: bool, time_wait: int, timeout: int, max_connections: int | None, color: str,
    no_progress: bool,
) -> None:  # fmt: skip
    """Tell what happened to the TCP connections of captures.

    CAPTURE is a pcap or pcapng file, also compressed; - is standard input.  Several are read as one trace.
    """
    from handshake_inspect import engine

    paths = _checked([*read, *captures])
    settings: dict[str, Any] = {"time_wait_ns": time_wait, "unanswered_ns": timeout}
    if max_connections is not None:
        settings["max_connections"] = max_connections
    spare(paths, output, write)
    form = chosen_format(form, output)
    checked_write(write, paths)
    columns, test = checked_fields(fields, form), test_of(where)
    with Target.open(output) as target:
        refuse_terminal(form, target)
        with Meter(wanted=not (no_progress or quiet)) as meter:
            report = engine.analyze(
                paths,
                options=engine.Options(**settings),
                progress=meter.update,
                meanwhile=lambda: RENDERERS[form],  # which imports it
            )
        whole = report.connections
        report = narrowed(report, test)
        looks = Options(
            width=target.width,
            color=target.colored(color),
            encoding=target.encoding,
            connections=not no_connections,
            every=every,
            verbosity=int(verbose) - int(quiet),
            where=where or "",
            fields=columns,
        )
        if not quiet and (form != "text" or output != "-"):
            _warn(report)
        target.put(lambda stream: RENDERERS[form](report, stream, looks))
        if write is not None:
            write_frames(write, paths, whole, report.connections, watched=not (no_progress or quiet))
    if strict and not report.capture.complete:
        ctx.exit(INCOMPLETE)


def _checked(paths: Sequence[str]) -> list[str]:
    """Refuse command lines that cannot be meant."""
    if not paths:
        raise click.UsageError("name a capture, or - for standard input")
    if paths.count("-") > 1:
        raise click.UsageError("standard input can be read only once")
    for path in paths:
        if path in COMMANDS and not os.path.exists(path):  # noqa: PTH110 - no Path of what may not be one
            raise click.UsageError(f"options come after the command: hsi {path} ...")
    return list(paths)


def _warn(report: Report) -> None:
    """Say on stderr what is wrong with the capture, for those who do not read the report at once."""
    from handshake_inspect.render.units import printable

    problems = report.capture.problems
    for problem in problems[:_WARNINGS_SHOWN]:
        click.echo(f"hsi: warning: {printable(problem.message)}", err=True)
    if len(problems) > _WARNINGS_SHOWN:
        click.echo(f"hsi: warning: {len(problems) - _WARNINGS_SHOWN} more problems are in the report", err=True)
