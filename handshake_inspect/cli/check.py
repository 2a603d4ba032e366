"""`hsi check`: captures held against rules."""
# ruff: noqa: PLC0415

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from handshake_inspect.cli.check_options import CheckOptions, Judge, broken
from handshake_inspect.cli.input_options import (
    checked_paths,
    checked_write,
    files_in,
    inputs_for,
    report_of,
    with_stories,
    write_frames,
)
from handshake_inspect.cli.manual import Documented
from handshake_inspect.cli.options import takes
from handshake_inspect.cli.output import Target
from handshake_inspect.cli.overwriting import spare
from handshake_inspect.errors import UsageError

if TYPE_CHECKING:
    from handshake_inspect.report.checked import Checked
    from handshake_inspect.report.model import Connection, Report

FAILED = 1
DRAWN = 10  # connections that broke an assertion
COMMAND = "handshake_inspect.command"  # where a context keeps the words behind --

EPILOG = """\b
Examples:
  hsi check --profile smoke a.pcap
  hsi check --max-refused 0 --max-timed-out 1% a.pcap
  hsi check --rtt 'total.p95<50ms' --rtt '10.0.0.2:443 synack.max<5ms' a.pcap
  hsi check --expect '10.0.0.0/24:80,443 established 3..5' a.pcap
  hsi check --fail-on warning --ignore 'client.ip in 10.9.0.0/16' a.pcap
  hsi check --live -i lo -f 'tcp port 8080' --profile smoke -- make test
  hsi check --live -i eth0 --duration 1m --max-timed-out 1%

\b
Rules also come from hsi.toml here, or from [tool.hsi] of pyproject.toml:
  profile = "smoke"
  max-refused = "1%"
  rtt = ["total.p95<50ms"]

\b
Exit status:
  0  every assertion passed
  1  an assertion failed; with --live also: the command did
  2  usage error, unusable rules, or input that cannot be read as a capture;
     with --live also: no permission to capture, or no such command
"""


class WithCommand(Documented):
    """A command whose line may end in `--` and another command: its words are kept apart from the arguments."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the words behind the first `--` away; the context has them."""
        if "--" in args:
            at = args.index("--")
            args, ctx.meta[COMMAND] = args[:at], args[at + 1 :]
        return super().parse_args(ctx, args)


@click.command(cls=WithCommand, epilog=EPILOG)
@takes(CheckOptions)
def command(given: CheckOptions) -> None:
    """Check captures against rules, and fail if one is broken.

    CAPTURE is as for `hsi analyze`, or a JSON report that it wrote.  With --live, the traffic of an interface is
    checked while COMMAND runs, and the check also fails if COMMAND does.  SERVER is address:port,
    network/length:ports or *:port, with ports such as 80,443 or 8000-8100.
    """
    context = click.get_current_context()
    words: list[str] = context.meta.get(COMMAND, [])
    passed = _live(given, words) if given.beside.live else _captures(given, words)
    if not passed:
        context.exit(FAILED)


def _captures(given: CheckOptions, words: list[str]) -> bool:
    """Check captures; whether every assertion passed."""
    if (name := given.beside.without_live()) is not None:
        raise UsageError(f"{name} is for capturing: it needs --live")
    if words and words[0] != "-" and not Path(words[0]).exists():  # captures may follow --, too
        raise UsageError(f"{words[0]}: no such file; to check the traffic of a command, add --live -i INTERFACE")
    paths = files_in(checked_paths([*given.read, *given.captures, *words]))
    spare([*paths, *given.rules.files], given.output, given.write)
    checked_write(given.write, paths)
    judge = Judge(given)
    with Target.open(given.output) as target:
        inputs = inputs_for(paths, judge.form)
        report = report_of(paths, given.analysis, inputs, given.cluster)
        holder = judge.hold(report)
        checked = holder.checked()
        watched = not given.analysis.no_progress
        looks = judge.looks(holder, target)
        looks = with_stories(
            looks,
            judge.form,
            holder.report,
            inputs,
            given.analysis,
            watched=watched,
            also=_first_broken(checked, report),
        )
        target.put(lambda stream: judge.show(checked, looks, stream))
        if given.write is not None:
            write_frames(given.write, paths, report.connections, broken(holder), watched=watched)
    return checked.passed


def _first_broken(checked: Checked, report: Report) -> list[Connection]:
    """Of each assertion that failed the first connection that broke it, of a few."""
    first = {each.breaches[0].id: each.breaches[0] for each in checked.assertions if each.breaches}
    there = [breach for breach in first.values() if breach.id < len(report.connections)][:DRAWN]
    found = ((breach, report.connections[breach.id]) for breach in there)
    return [connection for breach, connection in found if connection.client == breach.client]  # not of QUIC


def _live(given: CheckOptions, words: list[str]) -> bool:
    if given.cluster is not None:
        raise UsageError("--cluster is for captures, not for --live")
    from handshake_inspect.cli.check_live import check_live

    return check_live(given, words)
