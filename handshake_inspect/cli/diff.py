"""The command `hsi diff`: compare two captures or reports."""
# ruff: noqa: PLC0415

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

import click

from handshake_inspect.cli.input_options import check_paths, chosen_format, filter_report, load_or_analyze, parse_filter
from handshake_inspect.cli.manual import Documented
from handshake_inspect.cli.options import (
    AnalysisOptions,
    argument,
    duration_to_ns,
    format_option,
    group,
    option,
    output_option,
    percentage,
    takes,
    where_option,
)
from handshake_inspect.cli.output import Target
from handshake_inspect.cli.overwriting import refuse_overwrite
from handshake_inspect.render import DIFFS, FORMATS, Options

EXIT_REGRESSED = 1

EPILOG = """\b
Examples:
  hsi diff old.json new.json
  hsi diff --max-rtt-increase 10% main.pcap branch.pcap
  hsi diff --by port -T markdown yesterday.pcap today.pcap

\b
Exit status:
  0  no regression
  1  a regression
  2  usage error, or input that cannot be read
"""


@dataclass(frozen=True)
class DiffOptions:
    """The options of `hsi diff`."""

    old: str = argument(metavar="OLD")
    new: str = argument(metavar="NEW")
    by: Literal["service", "port", "host"] = option(
        "--by", type=click.Choice(["service", "port", "host"]), default="service", show_default=True,
        help="What to compare by: the server's address and port, or just one of them.",
    )  # fmt: skip
    rtt_increase: Decimal = option(
        "--max-rtt-increase", metavar="P%", type=percentage, default="20%", show_default=True,
        help="Allow a median RTT to rise by at most this share.",
    )  # fmt: skip
    rtt_shift: int = option(
        "--min-rtt-shift", metavar="TIME", type=duration_to_ns, default="1ms", show_default=True,
        help="Ignore rises of a median RTT smaller than this.",
    )  # fmt: skip
    failure_increase: Decimal = option(
        "--max-failure-increase", metavar="P%", type=percentage, default="0%", show_default=True,
        help="Allow the share of failures to rise by at most this many percentage points.",
    )  # fmt: skip
    no_vanished: bool = option("--no-vanished", is_flag=True, help="Treat a service that is gone as a regression.")
    where: str | None = where_option()
    form: str | None = format_option(DIFFS)
    output: str = output_option()
    analysis: AnalysisOptions = group(AnalysisOptions)


@click.command(cls=Documented, epilog=EPILOG, short_help="Compare two captures, and fail if the new one is worse.")
@takes(DiffOptions)
def command(args: DiffOptions) -> None:
    """Compare two captures, service by service, and fail on regressions.

    OLD and NEW are captures, or JSON reports of `hsi analyze`.  RTTs count as different only if the difference is
    significant (Mann-Whitney U test, p < 0.01).
    """
    from handshake_inspect.checks.compare import Tolerance, compare

    paths = check_paths([args.old, args.new])
    refuse_overwrite(paths, args.output)
    form, test = chosen_format(args.form, args.output, DIFFS), parse_filter(args.where)
    with Target.open(args.output) as target:
        old, new = (filter_report(load_or_analyze([path], args.analysis), test) for path in paths)
        tolerance = Tolerance(args.rtt_increase, args.rtt_shift, args.failure_increase, not args.no_vanished)
        difference = compare(old, new, args.by, tolerance)
        render_options = Options(target.width, target.colored(args.analysis.color), target.encoding, reports=(old, new))
        target.put(lambda stream: FORMATS[form].render_diff(difference, stream, render_options))
    if difference.regressed:
        click.get_current_context().exit(EXIT_REGRESSED)
