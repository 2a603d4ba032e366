"""The command `hsi check`: check captures against rules."""
# ruff: noqa: PLC0415

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from handshake_inspect.cli.check_options import CheckOptions, CheckRunner, broken
from handshake_inspect.cli.input_options import (
    add_stories,
    check_paths,
    check_write,
    expand_paths,
    load_or_analyze,
    replayable_inputs,
    write_frames,
)
from handshake_inspect.cli.manual import Documented
from handshake_inspect.cli.options import takes
from handshake_inspect.cli.output import Target
from handshake_inspect.cli.overwriting import refuse_overwrite
from handshake_inspect.errors import UsageError

if TYPE_CHECKING:
    from handshake_inspect.report.checked import Checked
    from handshake_inspect.report.model import Connection, Report

EXIT_FAILED = 1
MAX_DRAWN = 10  # connections that broke an assertion
COMMAND = "handshake_inspect.command"  # key in the click context for the words after --

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
    """A click command that accepts `--` and another command at the end of its line."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Move the words after the first `--` from the arguments to `ctx.meta`."""
        if "--" in args:
            at = args.index("--")
            args, ctx.meta[COMMAND] = args[:at], args[at + 1 :]
        return super().parse_args(ctx, args)


@click.command(cls=WithCommand, epilog=EPILOG)
@takes(CheckOptions)
def command(args: CheckOptions) -> None:
    """Check captures against rules, and fail if one is broken.

    CAPTURE is as for `hsi analyze`, or a JSON report that it wrote.  With --live, the traffic of an interface is
    checked while COMMAND runs, and the check also fails if COMMAND does.  SERVER is address:port,
    network/length:ports or *:port, with ports such as 80,443 or 8000-8100.
    """
    context = click.get_current_context()
    command_words: list[str] = context.meta.get(COMMAND, [])
    passed = _check_live(args, command_words) if args.capture.live else _check_captures(args, command_words)
    if not passed:
        context.exit(EXIT_FAILED)


def _check_captures(args: CheckOptions, command_words: list[str]) -> bool:
    """Check captures; return True if every assertion passed."""
    if (name := args.capture.option_without_live()) is not None:
        raise UsageError(f"{name} is for capturing: it needs --live")
    if command_words and command_words[0] != "-" and not Path(command_words[0]).exists():  # captures may follow --, too
        raise UsageError(
            f"{command_words[0]}: no such file; to check the traffic of a command, add --live -i INTERFACE"
        )
    paths = expand_paths(check_paths([*args.read, *args.captures, *command_words]))
    refuse_overwrite([*paths, *args.rules.files], args.output, args.write)
    check_write(args.write, paths)
    runner = CheckRunner(args)
    with Target.open(args.output) as target:
        inputs = replayable_inputs(paths, runner.form)
        report = load_or_analyze(paths, args.analysis, inputs, args.cluster)
        evaluation = runner.evaluate(report)
        checked = evaluation.checked()
        show_progress = not args.analysis.no_progress
        render_options = runner.render_options(evaluation, target)
        render_options = add_stories(
            render_options,
            runner.form,
            evaluation.report,
            inputs,
            args.analysis,
            show_progress=show_progress,
            also=_first_broken(checked, report),
        )
        target.put(lambda stream: runner.show(checked, render_options, stream))
        if args.write is not None:
            write_frames(args.write, paths, report.connections, broken(evaluation), show_progress=show_progress)
    return checked.passed


def _first_broken(checked: Checked, report: Report) -> list[Connection]:
    """Return, for each of the first few failed assertions, the first connection that broke it."""
    first = {each.breaches[0].id: each.breaches[0] for each in checked.assertions if each.breaches}
    there = [breach for breach in first.values() if breach.id < len(report.connections)][:MAX_DRAWN]
    found = ((breach, report.connections[breach.id]) for breach in there)
    return [connection for breach, connection in found if connection.client == breach.client]  # QUIC ids differ


def _check_live(args: CheckOptions, command_words: list[str]) -> bool:
    if args.cluster is not None:
        raise UsageError("--cluster is for captures, not for --live")
    from handshake_inspect.cli.check_live import check_live

    return check_live(args, command_words)
