"""The command `hsi verify`: compare hsi's analysis of a capture with Wireshark's."""
# ruff: noqa: PLC0415

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

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
from handshake_inspect.errors import UsageError
from handshake_inspect.render import FORMATS, VERIFIERS, Options

EXIT_DIFFERED = 1

EPILOG = """\b
Examples:
  hsi verify a.pcap
  hsi verify --all -T json -o both.json a.pcapng

\b
Exit status:
  0  every difference has a reason
  1  a difference is unexplained
  2  usage error, input that is not a readable capture, or no tshark
"""


@dataclass(frozen=True)
class VerifyOptions:
    """The options of `hsi verify`."""

    capture: str = argument(metavar="CAPTURE")
    form: str | None = format_option(VERIFIERS)
    output: str = output_option()
    every: bool = option("--all", is_flag=True, help="Show every connection, not just those that differ.")
    quiet: bool = option("-q", "--quiet", is_flag=True, help="Print one line.")
    analysis: AnalysisOptions = group(AnalysisOptions)


@click.command(cls=Documented, epilog=EPILOG, short_help="Compare with Wireshark's dissection of the same capture.")
@takes(VerifyOptions)
def command(args: VerifyOptions) -> None:
    """Compare what hsi says of each connection in CAPTURE with Wireshark's dissection, through tshark.

    Compared are streams, completeness, initial RTT, retransmissions and resets. Each difference has a reason that
    the capture shows (hsi-knows-more), or is unexplained.
    """
    from handshake_inspect.capture import wireshark
    from handshake_inspect.checks.verify import compare_with_wireshark
    from handshake_inspect.engine.segment_columns import segment_columns
    from handshake_inspect.report.model import Tool

    paths = check_paths([args.capture])
    if Path(args.capture).exists() != Path(args.capture).is_file() or args.capture == "-":
        raise UsageError(f"{args.capture}: verify reads the capture twice; name a file")
    refuse_overwrite(paths, args.output)
    form = chosen_format(args.form, args.output, VERIFIERS)
    with Target.open(args.output) as target:
        tshark = wireshark.find_program()
        with ProgressBar(wanted=not (args.analysis.no_progress or args.quiet)) as meter:
            columns = segment_columns(paths, options=args.analysis.settings, progress=meter.update)
        dissector = Tool("tshark", wireshark.version(tshark))
        found = compare_with_wireshark(columns, wireshark.dissect(tshark, args.capture), dissector)
        render_options = Options(
            target.width, target.colored(args.analysis.color), target.encoding, every=args.every,
            verbosity=-int(args.quiet),
        )  # fmt: skip
        target.put(lambda stream: FORMATS[form].render_verified(found, stream, render_options))
    if not found.passed:
        click.get_current_context().exit(EXIT_DIFFERED)
