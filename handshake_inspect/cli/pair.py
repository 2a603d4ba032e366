"""The command `hsi pair`: join two captures of the same traffic."""
# ruff: noqa: PLC0415

from __future__ import annotations

from dataclasses import dataclass

import click

from handshake_inspect.cli.input_options import check_paths, chosen_format
from handshake_inspect.cli.manual import Documented
from handshake_inspect.cli.options import (
    AnalysisOptions,
    argument,
    format_option,
    group,
    option,
    output_option,
    takes,
)
from handshake_inspect.cli.output import Target
from handshake_inspect.cli.overwriting import refuse_overwrite
from handshake_inspect.cli.progress import ProgressBar
from handshake_inspect.render import FORMATS, PAIRS, Options

EPILOG = """\b
Examples:
  hsi pair client.pcap server.pcap
  hsi pair inside.pcapng outside.pcapng -T json
  hsi pair --explain 7 client.pcap server.pcap

\b
Exit status:
  0  joined
  2  usage error, input that is not a readable capture, or no connection in
     both
"""


@dataclass(frozen=True)
class PairOptions:
    """The options of `hsi pair`."""

    a: str = argument(metavar="A")
    b: str = argument(metavar="B")
    explain: int | None = option(
        "--explain", metavar="ID", type=click.IntRange(min=0),
        help="List the segments of the connection with this id in A, as two ladders side by side.",
    )  # fmt: skip
    form: str | None = format_option(PAIRS)
    output: str = output_option()
    every: bool = option("--all", is_flag=True, help="List every connection, not just those with losses.")
    quiet: bool = option("-q", "--quiet", is_flag=True, help="Print one line.")
    analysis: AnalysisOptions = group(AnalysisOptions)


@click.command(
    cls=Documented, epilog=EPILOG, short_help="Join two captures of the same traffic: losses, delays, changes."
)
@takes(PairOptions)
def command(args: PairOptions) -> None:
    """Join two captures of the same traffic, such as the client's and the server's, or before and after a firewall.

    Connections are recognised by addresses and ports or, through NAT, by sequence numbers and timestamps. Shown are
    the segments that were lost between, one-way delays as intervals, and what a box between changed.
    """
    from handshake_inspect.checks.pair import pair_captures
    from handshake_inspect.engine.segment_columns import segment_columns

    paths = check_paths([args.a, args.b])
    refuse_overwrite(paths, args.output)
    form = chosen_format(args.form, args.output, PAIRS)
    show_progress = not (args.analysis.no_progress or args.quiet)
    with Target.open(args.output) as target:
        columns = []
        for path in paths:
            with ProgressBar(wanted=show_progress, inputs=[path]) as meter:
                columns.append(segment_columns([path], options=args.analysis.settings, progress=meter.update))
        found = pair_captures(columns[0], columns[1], args.explain)
        render_options = Options(
            target.width, target.colored(args.analysis.color), target.encoding, every=args.every,
            verbosity=-int(args.quiet),
        )  # fmt: skip
        target.put(lambda stream: FORMATS[form].render_paired(found, stream, render_options))
