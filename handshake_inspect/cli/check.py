"""`hsi check`: captures held against rules."""
# ruff: noqa: PLC0415

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from handshake_inspect.cli.inputs import analysis_options, checked_paths, report_of
from handshake_inspect.cli.judging import Judge, broken
from handshake_inspect.cli.live_options import COMMAND, WithCommand, live_options, refuse_live
from handshake_inspect.cli.output import Target
from handshake_inspect.cli.selecting import checked_write, format_option, where_option, write_frames, write_option
from handshake_inspect.cli.sparing import spare
from handshake_inspect.render import CHECKS

FAILED = 1

EPILOG = """\b
Examples:
  hsi check --profile smoke a.pcap
  hsi check --max-refused 0 --max-timed-out 1% a.pcap
  hsi check --rtt 'total.p95<50ms' --rtt '10.0.0.2:443 synack.max<5ms' a.pcap
  hsi check --expect '10.0.0.0/24:80,443 established 3..5' a.pcap
  hsi check --fail-on warning --ignore 'client.ip in 10.9.0.0/16' -o junit.xml a.pcap
  hsi check --live -i lo -f 'tcp port 8080' --profile smoke -- make test
  hsi check --live -i eth0 --duration 1m --max-timed-out 1%

\b
Rules also come from hsi.toml, or [tool.hsi] of pyproject.toml, in the working directory:
  profile = "smoke"
  max-refused = "1%"
  rtt = ["total.p95<50ms"]

\b
Exit status:
  0  every assertion passed
  1  an assertion failed; with --live also: the command did
  2  usage error, unusable rules, or input that cannot be read as a capture;
     with --live also: no permission to capture, or a command that cannot be started
"""


def _ceiling(kind: str, what: str) -> Callable[[Any], Any]:
    return click.option(
        f"--max-{kind}",
        f"max_{kind.replace('-', '_')}",
        metavar="[SERVER] N|P%",
        multiple=True,
        help=f"At most so many {what}.",
    )


@click.command(cls=WithCommand, epilog=EPILOG)
@click.argument("captures", nargs=-1, metavar="CAPTURE... | --live [-- COMMAND...]")
@click.option("-r", "--read", "read", metavar="FILE", multiple=True, help="Read this capture; - is standard input.")
@click.option("--profile", metavar="NAME", help="A set of rules to start from: smoke or strict.")
@click.option("--rules", "rules_file", metavar="FILE", help="Read rules there.")
@click.option("--no-rules", is_flag=True, help="Read no rules from the working directory.")
@_ceiling("refused", "connections refused")
@_ceiling("rejected", "rejected by ICMP errors")
@_ceiling("timed-out", "timed out")
@_ceiling("half-open", "half-open")
@_ceiling("aborted", "aborted by the client")
@_ceiling("retransmitted", "with anything sent again")
@click.option(
    "--rtt",
    metavar="[SERVER] LEG.STAT<TIME",
    multiple=True,
    help="Keep a handshake RTT below a limit. LEG: synack, ackdat, total; STAT: min, median, p95, p99.9, max.",
)
@click.option(
    "--expect",
    metavar="'SERVER OUTCOME [COUNT]'",
    multiple=True,
    help="Connections to a server that must be there. COUNT: 3, 3..5, >=2, all, none.  [default: at least 1]",
)
@click.option("--no-finding", metavar="ID", multiple=True, help="Fail on this finding, such as syn-flood.")
@click.option("--fail-on", metavar="SEVERITY", help="Fail on findings: critical, warning (or worse), info (any).")
@click.option("--min-connections", metavar="N", type=click.IntRange(min=0), help="Fail below so many.  [default: 1]")
@click.option("--ignore", metavar="EXPR", multiple=True, help="Leave out connections for which EXPR holds, as for -Y.")
@click.option("--undecided", metavar="fail|ignore", help="What to do with what the capture shows too little of.")
@click.option("--strict", is_flag=True, default=None, help="Fail when the capture is cut, damaged or lacks frames.")
@click.option(
    "--limit", metavar="N", type=click.IntRange(0, 100_000), default=20, show_default=True,
    help="List at most N connections that broke an assertion.",
)  # fmt: skip
@where_option
@write_option
@format_option(CHECKS)
@click.option("-o", "--output", metavar="FILE", default="-", help="Write there, whole or not at all.")
@click.option("-q", "--quiet", is_flag=True, help="The verdict alone.")
@analysis_options
@live_options
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> None:
    """Check captures against rules, and fail when they break one.

    CAPTURE is as for `hsi analyze`, or a JSON report that it wrote.  With --live it is the traffic of an interface
    while COMMAND runs, whose own failure is one, too.  SERVER is address:port, network/length:ports or *:port, with
    ports such as 80,443 or 8000-8100.
    """
    words: list[str] = ctx.meta.get(COMMAND, [])
    passed = _live(given, words) if given["live"] else _captures(given, words)
    if not passed:
        ctx.exit(FAILED)


def _captures(given: dict[str, Any], words: list[str]) -> bool:
    """Check captures; whether every assertion passed."""
    refuse_live(given, words)
    paths = checked_paths([*given["read"], *given["captures"], *words])
    write: str | None = given["write"]
    spare([*paths, *filter(None, [given["rules_file"]])], given["output"], write)
    checked_write(write, paths)
    judge = Judge(given)
    watched = not given["no_progress"]
    limits = {key: given[key] for key in ("time_wait", "timeout", "max_connections")}
    with Target.open(given["output"]) as target:
        report = report_of(paths, progress=watched, **limits)
        holder = judge.hold(report)
        checked = holder.checked()
        target.put(lambda stream: judge.show(checked, target, stream))
        if write is not None:
            write_frames(write, paths, report.connections, broken(holder), watched=watched)
    return checked.passed


def _live(given: dict[str, Any], words: list[str]) -> bool:
    from handshake_inspect.cli.beside import check_live

    return check_live(given, words)
