"""The options of `hsi check`, and how they are applied: filter, evaluate rules, render the result."""
# ruff: noqa: PLC0415

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from handshake_inspect.cli.input_options import chosen_format, filter_report, parse_filter
from handshake_inspect.cli.options import (
    AnalysisOptions,
    argument,
    backend_option,
    cluster_option,
    count_option,
    duration_option,
    duration_seconds,
    filter_option,
    format_option,
    group,
    interface_option,
    no_promiscuous_option,
    option,
    output_option,
    read_option,
    ring_size_option,
    snap_length_option,
    user_option,
    where_option,
    write_option,
)
from handshake_inspect.render import CHECKS, FORMATS, Options

if TYPE_CHECKING:
    from handshake_inspect.checks.rule_results import RuleEvaluation
    from handshake_inspect.checks.rules import Rules
    from handshake_inspect.cli.output import Target
    from handshake_inspect.report.checked import Checked
    from handshake_inspect.report.model import Connections, Report


def _max_count(kind: str, what: str) -> Any:
    return option(f"--max-{kind}", metavar="[SERVER] N|P%", multiple=True, help=f"Allow at most N (or P%) {what}.")


def _max_rtt(what: str, help_text: str, *, hidden: bool = False) -> Any:
    return option(f"--max-{what}", metavar="[SERVER] TIME", multiple=True, help=help_text, hidden=hidden)


@dataclass(frozen=True)
class RuleOptions:
    """Options for rules.  Every field is named after its rule, except those for rules files."""

    profile: str | None = option("--profile", metavar="NAME", help="Start from a set of rules: smoke or strict.")
    rules_file: str | None = option("--rules", metavar="FILE", help="Read rules from this file.")
    no_rules: bool = option("--no-rules", is_flag=True, help="Do not read rules from the working directory.")
    max_refused: tuple[str, ...] = _max_count("refused", "connections refused")
    max_rejected: tuple[str, ...] = _max_count("rejected", "rejected by ICMP errors")
    max_timed_out: tuple[str, ...] = _max_count("timed-out", "timed out")
    max_half_open: tuple[str, ...] = _max_count("half-open", "half-open")
    max_aborted: tuple[str, ...] = _max_count("aborted", "aborted by the client")
    max_failed: tuple[str, ...] = _max_count("failed", "failed: refused, rejected, timed out or half-open")
    max_retransmitted: tuple[str, ...] = _max_count("retransmitted", "with anything sent again")
    rtt: tuple[str, ...] = option(
        "--rtt", metavar="[SERVER] LEG.STAT<TIME", multiple=True,
        help="Require a handshake RTT below a limit. LEG: synack, ackdat, total; STAT: min, median, p95, p99.9, max.",
    )  # fmt: skip
    max_p95: tuple[str, ...] = _max_rtt(
        "p95",
        "Allow a 95th percentile of handshake RTTs of at most TIME; also --max-p50, --max-p90, --max-p99, --max-rtt.",
    )
    max_rtt: tuple[str, ...] = _max_rtt("rtt", "As --max-p95, for the slowest.", hidden=True)
    max_p50: tuple[str, ...] = _max_rtt("p50", "As --max-p95.", hidden=True)
    max_p90: tuple[str, ...] = _max_rtt("p90", "As --max-p95.", hidden=True)
    max_p99: tuple[str, ...] = _max_rtt("p99", "As --max-p95.", hidden=True)
    setup: tuple[str, ...] = option(
        "--setup", metavar="[SERVER] SPAN.STAT<TIME", multiple=True,
        help="Require a part of connection set-up below a limit, such as tls.p95<100ms, first_byte.median<300ms,"
        " server.hello.max<50ms; hsi help setup.spans lists the spans.",
    )  # fmt: skip
    min_tls: tuple[str, ...] = option(
        "--min-tls", metavar="[SERVER] VERSION", multiple=True, help="Require this version of TLS or a newer one."
    )
    min_resumed: tuple[str, ...] = option(
        "--min-resumed", metavar="[SERVER] P%", multiple=True,
        help="Require that at least this share of TLS connections resume a session.",
    )  # fmt: skip
    max_tls_failed: tuple[str, ...] = option(
        "--max-tls-failed", metavar="[SERVER] N|P%", multiple=True,
        help="Allow at most N (or P%) of the TLS connections to fail.",
    )  # fmt: skip
    max_extra_round_trips: tuple[str, ...] = option(
        "--max-extra-round-trips", metavar="[SERVER] N|P%", multiple=True,
        help="Allow at most N (or P%) connections whose set-up waited for more round trips than it needs.",
    )  # fmt: skip
    allow: tuple[str, ...] = option(
        "--allow", metavar="NAME|NETWORK", multiple=True,
        help="Fail if a connection goes to any other name or address, such as '*.example.org' or 10.0.0.0/8.",
    )  # fmt: skip
    expect: tuple[str, ...] = option(
        "--expect", metavar="'SERVER OUTCOME [COUNT]'", multiple=True,
        help="Require connections to a server with this outcome. COUNT: 3, 3..5, >=2, all, none.  [default: at least"
        " 1]",
    )  # fmt: skip
    no_finding: tuple[str, ...] = option(
        "--no-finding", metavar="ID", multiple=True, help="Fail if there is such a finding, such as syn-flood."
    )
    fail_on: str | None = option(
        "--fail-on", metavar="SEVERITY", help="Fail on any finding of this severity or worse: critical, warning, info."
    )
    min_connections: int | None = option(
        "--min-connections",
        metavar="N",
        type=click.IntRange(min=0),
        help="Fail if there are fewer than N connections.  [default: 1]",
    )
    ignore: tuple[str, ...] = option(
        "--ignore", metavar="EXPR", multiple=True, help="Ignore connections that match EXPR (as for -Y)."
    )
    undecided: str | None = option(
        "--undecided", metavar="fail|ignore", help="How to treat connections that the capture cannot decide."
    )
    strict: bool | None = option(
        "--strict", is_flag=True, default=None, help="Fail if the capture is cut, damaged or lacks frames."
    )

    @property
    def files(self) -> list[str]:
        """The rules file given by `--rules`, as a list of at most one."""
        return [self.rules_file] if self.rules_file else []

    def rules(self) -> Rules:
        """Return the rules from options and files; UsageError for invalid ones."""
        from handshake_inspect.checks import settings

        values = {each.name.replace("_", "-"): getattr(self, each.name) for each in fields(self)}
        options = {key: values[key] for key in settings.KEYS if values[key] not in (None, ())}
        path = Path(self.rules_file) if self.rules_file else None if self.no_rules else settings.found(Path())
        return settings.rules(options, settings.read(path) if path else None, str(path or ""))


@dataclass(frozen=True)
class LiveCheckOptions:
    """`--live` and the options that require it: capture while a command runs."""

    live: bool = option("--live", is_flag=True, help="Check the traffic of an interface while COMMAND runs.")
    interface: str | None = interface_option("With --live: capture on this interface; any is all of them.")
    filter: str | None = filter_option("With --live: capture filter, a tcpdump expression.")
    duration: float | None = duration_option("With --live: capture for at most this time: 10s, 2m.")
    count: int | None = count_option("With --live: capture at most N frames.")
    settle: float | None = option(
        "--settle", metavar="TIME", type=duration_seconds,
        help="With --live: keep capturing after COMMAND until all connections have ended or the link was idle for this"
        " time, at most ten times as long.  [default: 100ms]",
    )  # fmt: skip
    user: str | None = user_option("With --live: drop privileges to USER, also for COMMAND (root keeps them).")
    snap_length: int | None = snap_length_option("With --live: capture at most this much of each frame;")
    no_promiscuous: bool = no_promiscuous_option("With --live: do not capture traffic of other hosts.")
    backend: str | None = backend_option("With --live: capture backend, as for hsi live.")
    ring_size: int | None = ring_size_option("With --live: size of the kernel's capture buffer in MiB.")

    def option_without_live(self) -> str | None:
        """Return the name of an option that is set and requires --live, or None."""
        return next((f"--{name.replace('_', '-')}" for name in _REQUIRE_LIVE if getattr(self, name)), None)


# The first one that is set is named in the error.
_REQUIRE_LIVE = ("interface", "filter", "snap_length", "no_promiscuous", "backend", "ring_size", "user", "count",
              "duration", "settle")  # fmt: skip


@dataclass(frozen=True)
class CheckOptions:
    """The options of `hsi check`."""

    captures: tuple[str, ...] = argument(nargs=-1, metavar="CAPTURE... | --live [-- COMMAND...]")
    read: tuple[str, ...] = read_option("Read this capture; - is standard input.")
    rules: RuleOptions = group(RuleOptions)
    limit: int | None = option(
        "--limit", metavar="N", type=click.IntRange(0, 100_000),
        help="List at most N connections per failed assertion.  [default: 5 as text, else 20]",
    )  # fmt: skip
    where: str | None = where_option()
    write: str | None = write_option()
    form: str | None = format_option(CHECKS)
    output: str = output_option()
    quiet: bool = option("-q", "--quiet", is_flag=True, help="Print only the verdict.")
    cluster: str | None = cluster_option()
    analysis: AnalysisOptions = group(AnalysisOptions)
    capture: LiveCheckOptions = group(LiveCheckOptions)


TEXT_LIMIT, DATA_LIMIT = 5, 20  # default --limit per failed assertion: for text, and for all other formats


class CheckRunner:
    """Evaluates the rules of a command line against reports, and renders the results."""

    def __init__(self, args: CheckOptions) -> None:
        """Parse rules, filter and format; UsageError if they are invalid."""
        self.rules = args.rules.rules()
        self.test = parse_filter(args.where)
        self.form = chosen_format(args.form, args.output, CHECKS)
        self.limit = args.limit if args.limit is not None else TEXT_LIMIT if self.form == "text" else DATA_LIMIT
        self.color = args.analysis.color
        self.saved = (args.write or "") if args.capture.live else ""
        self.verbosity = -int(args.quiet)

    def evaluate(self, report: Report) -> RuleEvaluation:
        """Evaluate the rules against the connections of `report` that pass the filter."""
        from handshake_inspect.checks.rule_results import RuleEvaluation

        return RuleEvaluation(filter_report(report, self.test), self.rules, self.limit)

    def render_options(self, evaluation: RuleEvaluation, target: Target) -> Options:
        """Return the render options for `target`."""
        return Options(
            target.width, target.colored(self.color), target.encoding, verbosity=self.verbosity,
            reports=(evaluation.report,), saved=self.saved,
        )  # fmt: skip

    def show(self, checked: Checked, render_options: Options, stream: BinaryIO) -> None:
        """Write the result to `stream` in the requested format."""
        FORMATS[self.form].render_check(checked, stream, render_options)


def broken(evaluation: RuleEvaluation) -> Connections:
    """Return the connections that broke a rule."""
    from handshake_inspect.expression.select import selected

    return selected(evaluation.report, evaluation.broken).connections
