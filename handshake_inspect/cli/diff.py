"""`hsi diff`: two captures, or two reports, compared."""
# ruff: noqa: PLC0415

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from importlib import import_module

import click

from handshake_inspect.cli.inputs import analysis_options, checked_paths, report_of
from handshake_inspect.cli.output import Target
from handshake_inspect.cli.selecting import chosen_format, format_option, narrowed, test_of, where_option
from handshake_inspect.cli.sparing import spare
from handshake_inspect.errors import UsageError
from handshake_inspect.render import DIFFS, Options

REGRESSED = 1

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


def percent(text: str) -> Decimal:
    """Read `20%` or `20`."""
    try:
        number = Decimal(text.removesuffix("%").strip())
        if 0 <= number <= 1_000_000:
            return number
    except InvalidOperation:
        pass
    raise click.BadParameter(f"{text!r} is no percentage.")


def time(text: str) -> int:
    """Read `1ms`."""
    from handshake_inspect.expression.literals import duration_ns

    try:
        return duration_ns(text)
    except ValueError as error:
        raise click.BadParameter(f"{error}.") from None


@click.command(epilog=EPILOG, short_help="Compare two captures, and fail when the new one is worse.")
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@click.option(
    "--by", type=click.Choice(["service", "port", "host"]), default="service", show_default=True,
    help="What is compared: a server's address and port, or one of them.",
)  # fmt: skip
@click.option(
    "--max-rtt-increase", "rtt_increase", metavar="P%", type=percent, default="20%", show_default=True,
    help="How much a median RTT may rise.",
)  # fmt: skip
@click.option(
    "--min-rtt-shift", "rtt_shift", metavar="TIME", type=time, default="1ms", show_default=True,
    help="By how much it must rise to matter.",
)  # fmt: skip
@click.option(
    "--max-failure-increase", "failure_increase", metavar="P%", type=percent, default="0%", show_default=True,
    help="By how many percentage points the share of failures may rise.",
)  # fmt: skip
@click.option("--no-vanished", is_flag=True, help="Count a service that is gone as a regression.")
@where_option
@format_option(DIFFS)
@click.option("-o", "--output", metavar="FILE", default="-", help="Write there, whole or not at all.")
@analysis_options
def command(
    old: str, new: str, by: str, rtt_increase: Decimal, rtt_shift: int, failure_increase: Decimal, no_vanished: bool,
    where: str | None, form: str | None, output: str, time_wait: int, timeout: int, max_connections: int | None,
    color: str, no_progress: bool,
) -> None:  # fmt: skip
    """Compare two captures, service by service, and fail on regressions.

    OLD and NEW are captures, or JSON reports of `hsi analyze`.  RTTs differ only where chance would hardly part them so
    far (Mann-Whitney U test, p below 0.01).
    """
    from handshake_inspect.checks.compare import Tolerance, compare

    checked_paths([old, new])
    if old == new == "-":
        raise UsageError("standard input can be read only once")
    spare([old, new], output)
    form, test = chosen_format(form, output, DIFFS), test_of(where)
    with Target.open(output) as target:
        reports = [
            narrowed(
                report_of(
                    [path], time_wait=time_wait, timeout=timeout, max_connections=max_connections,
                    progress=not no_progress,
                ),
                test,
            )
            for path in (old, new)
        ]  # fmt: skip
        tolerance = Tolerance(rtt_increase, rtt_shift, failure_increase, not no_vanished)
        difference = compare(reports[0], reports[1], by, tolerance)  # type: ignore[arg-type]
        looks = Options(target.width, target.colored(color), target.encoding)
        module = import_module(f"handshake_inspect.render.{DIFFS[form]}")
        target.put(lambda stream: module.render_diff(difference, stream, looks))
    if difference.regressed:
        click.get_current_context().exit(REGRESSED)
