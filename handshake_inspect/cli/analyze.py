"""The command `hsi analyze`: read captures and write a report."""
# ruff: noqa: PLC0415

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from handshake_inspect.cli.input_options import (
    add_stories,
    analyze_paths,
    check_fields,
    check_paths,
    check_write,
    chosen_format,
    expand_paths,
    filter_report,
    load_saved_report,
    open_output,
    parse_filter,
    refuse_terminal,
    replayable_inputs,
    write_frames,
    write_report,
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
from handshake_inspect.cli.output import DirectoryTarget, Target
from handshake_inspect.cli.overwriting import refuse_overwrite
from handshake_inspect.cluster import is_local
from handshake_inspect.render import FORMATS, REPORTS, Options

if TYPE_CHECKING:
    from handshake_inspect.report.model import Report

EXIT_INCOMPLETE = 3
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
    """The options of `hsi analyze`."""

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
    verbose: bool = option(
        "-v", "--verbose", is_flag=True, help="Show evidence, counters of both ends and all metrics."
    )
    cluster: str | None = cluster_option()
    no_pager: bool = no_pager_option()
    numeric: bool = option(
        "-n", is_flag=True, hidden=True, help="Accepted as in tcpdump; addresses are never resolved."
    )
    analysis: AnalysisOptions = group(AnalysisOptions)


@click.command(cls=Documented, epilog=EPILOG)
@takes(AnalyzeOptions)
def command(args: AnalyzeOptions) -> None:
    """Show what happened to the TCP connections in captures.

    CAPTURE is a pcap or pcapng file, also compressed, a directory of them, or a quoted pattern; - is standard input.
    Several captures are read as one trace. A JSON report that hsi wrote is shown again.
    """
    paths = expand_paths(check_paths([*args.read, *args.captures]))
    refuse_overwrite(paths, args.output, args.write)
    form = chosen_format(args.form, args.output)
    check_write(args.write, paths)
    columns, test = check_fields(args.fields, form), parse_filter(args.where)
    show_progress = not (args.analysis.no_progress or args.quiet)
    with open_output(args.output, form) as target, ExitStack() as held:
        refuse_terminal(form, target)
        inputs = replayable_inputs(paths, form)
        whole = load_saved_report(paths, args.cluster) or analyze_paths(
            paths,
            args.analysis,
            show_progress=show_progress,
            preload=FORMATS[form].load,
            inputs=inputs,
            cluster=args.cluster,
            keep_workers=held if _can_stay_apart(args, target) else None,
        )
        report = filter_report(whole, test)
        render_options = _render_options(args, target, columns, whole)
        render_options = add_stories(render_options, form, report, inputs, args.analysis, show_progress=show_progress)
        if not args.quiet and (form != "text" or args.output != "-"):
            _warn(report)
        write_report(target, form, report, render_options, paged=not args.no_pager)
        if args.write is not None:
            write_frames(args.write, paths, whole.connections, report.connections, show_progress=show_progress)
    if args.strict and not report.capture.complete:
        click.get_current_context().exit(EXIT_INCOMPLETE)


def _can_stay_apart(args: AnalyzeOptions, target: Target) -> bool:
    """Whether nothing but a dataset needs the connections, and they are not in this process anyway."""
    if args.cluster is None or is_local(args.cluster):
        return False
    return isinstance(target, DirectoryTarget) and args.where is None and args.write is None


def _render_options(args: AnalyzeOptions, target: Target, columns: tuple[str, ...], whole: Report) -> Options:
    from handshake_inspect.report.headline import AppliedFilter

    return Options(
        width=target.width,
        color=target.colored(args.analysis.color),
        encoding=target.encoding,
        connections=not args.no_connections,
        every=args.every,
        verbosity=int(args.verbose) - int(args.quiet),
        applied_filter=AppliedFilter(args.where, whole.summary.connections) if args.where else None,
        fields=columns,
    )


def _warn(report: Report) -> None:
    """Print the problems of the capture on stderr, for users who do not see the report at once."""
    from handshake_inspect.wire.text import printable

    problems = report.capture.problems
    for problem in problems[:_WARNINGS_SHOWN]:
        click.echo(f"hsi: warning: {printable(problem.message)}", err=True)
    if len(problems) > _WARNINGS_SHOWN:
        click.echo(f"hsi: warning: {len(problems) - _WARNINGS_SHOWN} more problems are in the report", err=True)
