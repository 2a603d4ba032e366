"""`hsi analyze`: captures in, a report out."""
# ruff: noqa: PLC0415

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from handshake_inspect.cli.input_options import (
    analyzed,
    checked_fields,
    checked_paths,
    checked_write,
    chosen_format,
    files_in,
    inputs_for,
    narrowed,
    opened,
    put_report,
    refuse_terminal,
    saved_report,
    test_of,
    with_stories,
    write_frames,
)
from handshake_inspect.cli.manual import Documented
from handshake_inspect.cli.options import (
    AnalysisOptions,
    argument,
    cluster_option,
    fields_option,
    format_option,
    group,
    no_pager_option,
    option,
    output_option,
    read_option,
    takes,
    where_option,
    write_option,
)
from handshake_inspect.cli.output import Target
from handshake_inspect.cli.overwriting import spare
from handshake_inspect.render import FORMATS, REPORTS, Options

if TYPE_CHECKING:
    from handshake_inspect.report.model import Report

INCOMPLETE = 3
_WARNINGS_SHOWN = 3

EPILOG = """\b
Examples:
  hsi a.pcapng                         what happened, and where the trouble is
  hsi -T json --no-connections a.pcap  the summary alone, for programs
  hsi monday.pcap tuesday.pcap         several files as one trace
  hsi captures/                        all captures in a directory
  zcat a.pcap.gz | hsi -q -            one line

\b
Exit status:
  0  analysed
  1  a check failed
  2  usage error, or input that is not a readable capture
  3  with --strict: cut or damaged input, analysed as far as it goes
"""


@dataclass(frozen=True)
class AnalyzeOptions:
    """What `hsi analyze` is asked for."""

    captures: tuple[str, ...] = argument(nargs=-1, metavar="CAPTURE...")
    read: tuple[str, ...] = read_option("Read this capture (as in tcpdump); - is standard input. Repeatable.")
    form: str | None = format_option(REPORTS)
    output: str = output_option("Write the report to this file, all or nothing.")
    fields: tuple[str, ...] = fields_option()
    where: str | None = where_option()
    write: str | None = write_option()
    every: bool = option("--all", is_flag=True, help="List every connection, not just a sample of those with trouble.")
    no_connections: bool = option("--no-connections", is_flag=True, help="Print only the summary.")
    strict: bool = option("--strict", is_flag=True, help="Exit with status 3 if the input is cut or damaged.")
    quiet: bool = option("-q", "--quiet", is_flag=True, help="Print one line; no warnings, no progress bar.")
    verbose: bool = option("-v", "--verbose", is_flag=True, help="Show the evidence under each connection.")
    cluster: str | None = cluster_option()
    no_pager: bool = no_pager_option()
    numeric: bool = option(
        "-n", is_flag=True, hidden=True, help="Accepted as in tcpdump; addresses are never resolved."
    )
    analysis: AnalysisOptions = group(AnalysisOptions)


@click.command(cls=Documented, epilog=EPILOG)
@takes(AnalyzeOptions)
def command(given: AnalyzeOptions) -> None:
    """Show what happened to the TCP connections in captures.

    CAPTURE is a pcap or pcapng file, also compressed, a directory of them, or a quoted pattern; - is standard input.
    Several captures are read as one trace. A JSON report that hsi wrote is shown again.
    """
    paths = files_in(checked_paths([*given.read, *given.captures]))
    spare(paths, given.output, given.write)
    form = chosen_format(given.form, given.output)
    checked_write(given.write, paths)
    columns, test = checked_fields(given.fields, form), test_of(given.where)
    watched = not (given.analysis.no_progress or given.quiet)
    with opened(given.output, form) as target:
        refuse_terminal(form, target)
        inputs = inputs_for(paths, form)
        whole = saved_report(paths, given.cluster) or analyzed(
            paths, given.analysis, watched=watched, background=FORMATS[form].load, inputs=inputs, cluster=given.cluster
        )
        report = narrowed(whole, test)
        looks = _looks(given, target, columns, whole)
        looks = with_stories(looks, form, report, inputs, given.analysis, watched=watched)
        if not given.quiet and (form != "text" or given.output != "-"):
            _warn(report)
        put_report(target, form, report, looks, paged=not given.no_pager)
        if given.write is not None:
            write_frames(given.write, paths, whole.connections, report.connections, watched=watched)
    if given.strict and not report.capture.complete:
        click.get_current_context().exit(INCOMPLETE)


def _looks(given: AnalyzeOptions, target: Target, columns: tuple[str, ...], whole: Report) -> Options:
    from handshake_inspect.report.headline import Narrowed

    return Options(
        width=target.width,
        color=target.colored(given.analysis.color),
        encoding=target.encoding,
        connections=not given.no_connections,
        every=given.every,
        verbosity=int(given.verbose) - int(given.quiet),
        narrowed=Narrowed(given.where, whole.summary.connections) if given.where else None,
        fields=columns,
    )


def _warn(report: Report) -> None:
    """Say on stderr what is wrong with the capture, for those who do not read the report at once."""
    from handshake_inspect.wire.text import printable

    problems = report.capture.problems
    for problem in problems[:_WARNINGS_SHOWN]:
        click.echo(f"hsi: warning: {printable(problem.message)}", err=True)
    if len(problems) > _WARNINGS_SHOWN:
        click.echo(f"hsi: warning: {len(problems) - _WARNINGS_SHOWN} more problems are in the report", err=True)
