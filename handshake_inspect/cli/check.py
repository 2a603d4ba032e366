"""`hsi check`: captures held against rules."""
# ruff: noqa: PLC0415

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from handshake_inspect.cli.inputs import analysis_options, checked_paths, report_of
from handshake_inspect.cli.output import Target
from handshake_inspect.cli.selecting import (
    checked_write,
    chosen_format,
    format_option,
    narrowed,
    test_of,
    where_option,
    write_frames,
    write_option,
)
from handshake_inspect.render import CHECKS, Options, check_renderer

FAILED = 1

EPILOG = """\b
Examples:
  hsi check --profile smoke a.pcap
  hsi check --max-refused 0 --max-timed-out 1% a.pcap
  hsi check --rtt 'total.p95<50ms' --rtt '10.0.0.2:443 synack.max<5ms' a.pcap
  hsi check --expect '10.0.0.0/24:80,443 established 3..5' a.pcap
  hsi check --fail-on warning --ignore 'client.ip in 10.9.0.0/16' -o junit.xml a.pcap

\b
Rules also come from hsi.toml, or [tool.hsi] of pyproject.toml, in the working directory:
  profile = "smoke"
  max-refused = "1%"
  rtt = ["total.p95<50ms"]

\b
Exit status:
  0  every assertion passed
  1  an assertion failed
  2  usage error, unusable rules, or input that cannot be read as a capture
"""


def _ceiling(kind: str, what: str) -> Callable[[Any], Any]:
    return click.option(
        f"--max-{kind}",
        f"max_{kind.replace('-', '_')}",
        metavar="[SERVER] N|P%",
        multiple=True,
        help=f"At most so many {what}.",
    )


@click.command(epilog=EPILOG)
@click.argument("captures", nargs=-1, metavar="CAPTURE...")
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
@click.option(
    "--min-connections", "least", metavar="N", type=click.IntRange(min=0), help="Fail below so many.  [default: 1]"
)
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
def command(
    captures: tuple[str, ...], read: tuple[str, ...], profile: str | None, rules_file: str | None,
    no_rules: bool, rtt: tuple[str, ...], expect: tuple[str, ...], no_finding: tuple[str, ...], fail_on: str | None,
    least: int | None, ignore: tuple[str, ...], undecided: str | None, strict: bool | None, limit: int,
    where: str | None, write: str | None, form: str | None, output: str, quiet: bool, time_wait: int, timeout: int,
    max_connections: int | None, color: str, no_progress: bool, **maxima: tuple[str, ...],
) -> None:  # fmt: skip
    """Check captures against rules, and fail when they break one.

    CAPTURE is as for `hsi analyze`, or a JSON report that it wrote.  SERVER is address:port, network/length:ports or
    *:port, with ports such as 80,443 or 8000-8100.
    """
    from handshake_inspect.checks import settings
    from handshake_inspect.checks.held import Holder
    from handshake_inspect.expression.select import selected

    paths = checked_paths([*read, *captures])
    checked_write(write, paths)
    options: dict[str, Any] = {
        "profile": profile, "rtt": rtt, "expect": expect, "no-finding": no_finding, "fail-on": fail_on,
        "min-connections": least, "ignore": ignore, "undecided": undecided, "strict": strict,
        **{key.replace("_", "-"): value for key, value in maxima.items()},
    }  # fmt: skip
    options = {key: value for key, value in options.items() if value not in (None, ())}
    path = Path(rules_file) if rules_file else None if no_rules else settings.found(Path())
    rules = settings.rules(options, settings.read(path) if path else None, str(path or ""))
    form, test = chosen_format(form, output, CHECKS), test_of(where)
    with Target.open(output) as target:
        report = report_of(
            paths, time_wait=time_wait, timeout=timeout, max_connections=max_connections, progress=not no_progress
        )
        held = narrowed(report, test)
        holder = Holder(held, rules, limit)
        checked = holder.checked()
        looks = Options(target.width, target.colored(color), target.encoding, verbosity=-int(quiet))
        target.put(lambda stream: check_renderer(form)(checked, stream, looks))
        if write is not None:
            broken = selected(held, holder.broken).connections
            write_frames(write, paths, report.connections, broken, watched=not no_progress)
    if not checked.passed:
        click.get_current_context().exit(FAILED)
