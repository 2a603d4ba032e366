"""What `hsi check` is asked to hold a report to, and how it shows what came of that."""
# ruff: noqa: PLC0415

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from handshake_inspect.cli.input_options import chosen_format, narrowed, test_of
from handshake_inspect.cli.options import (
    AnalysisOptions,
    argument,
    backend_option,
    cluster_option,
    count_option,
    duration_option,
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
    time_span,
    user_option,
    where_option,
    write_option,
)
from handshake_inspect.render import CHECKS, FORMATS, Options

if TYPE_CHECKING:
    from handshake_inspect.checks.rule_results import Holder
    from handshake_inspect.checks.rules import Rules
    from handshake_inspect.cli.output import Target
    from handshake_inspect.report.checked import Checked
    from handshake_inspect.report.model import Connections, Report


def _ceiling(kind: str, what: str) -> Any:
    return option(f"--max-{kind}", metavar="[SERVER] N|P%", multiple=True, help=f"Allow at most N (or P%) {what}.")


def _longest(what: str, words: str, *, hidden: bool = False) -> Any:
    return option(f"--max-{what}", metavar="[SERVER] TIME", multiple=True, help=words, hidden=hidden)


@dataclass(frozen=True)
class RuleOptions:
    """Rules, and where more of them are; the fields other than those of files have the names of rules."""

    profile: str | None = option("--profile", metavar="NAME", help="Start from a set of rules: smoke or strict.")
    rules_file: str | None = option("--rules", metavar="FILE", help="Read rules from this file.")
    no_rules: bool = option("--no-rules", is_flag=True, help="Do not read rules from the working directory.")
    max_refused: tuple[str, ...] = _ceiling("refused", "connections refused")
    max_rejected: tuple[str, ...] = _ceiling("rejected", "rejected by ICMP errors")
    max_timed_out: tuple[str, ...] = _ceiling("timed-out", "timed out")
    max_half_open: tuple[str, ...] = _ceiling("half-open", "half-open")
    max_aborted: tuple[str, ...] = _ceiling("aborted", "aborted by the client")
    max_failed: tuple[str, ...] = _ceiling("failed", "failed: refused, rejected, timed out or half-open")
    max_retransmitted: tuple[str, ...] = _ceiling("retransmitted", "with anything sent again")
    rtt: tuple[str, ...] = option(
        "--rtt", metavar="[SERVER] LEG.STAT<TIME", multiple=True,
        help="Require a handshake RTT below a limit. LEG: synack, ackdat, total; STAT: min, median, p95, p99.9, max.",
    )  # fmt: skip
    max_p95: tuple[str, ...] = _longest(
        "p95",
        "Allow a 95th percentile of handshake RTTs of at most TIME; also --max-p50, --max-p90, --max-p99, --max-rtt.",
    )
    max_rtt: tuple[str, ...] = _longest("rtt", "As --max-p95, for the slowest.", hidden=True)
    max_p50: tuple[str, ...] = _longest("p50", "As --max-p95.", hidden=True)
    max_p90: tuple[str, ...] = _longest("p90", "As --max-p95.", hidden=True)
    max_p99: tuple[str, ...] = _longest("p99", "As --max-p95.", hidden=True)
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
        """The file that is named, if one is."""
        return [self.rules_file] if self.rules_file else []

    def rules(self) -> Rules:
        """The rules, also of files; UsageError for those that cannot be meant."""
        from handshake_inspect.checks import settings

        values = {each.name.replace("_", "-"): getattr(self, each.name) for each in fields(self)}
        options = {key: values[key] for key in settings.KEYS if values[key] not in (None, ())}
        path = Path(self.rules_file) if self.rules_file else None if self.no_rules else settings.found(Path())
        return settings.rules(options, settings.read(path) if path else None, str(path or ""))


@dataclass(frozen=True)
class BesideOptions:
    """`--live`, and what goes only with it: a capture that runs beside a command."""

    live: bool = option("--live", is_flag=True, help="Check the traffic of an interface while COMMAND runs.")
    interface: str | None = interface_option("With --live: capture on this interface; any is all of them.")
    filter: str | None = filter_option("With --live: capture filter, a tcpdump expression.")
    duration: float | None = duration_option("With --live: capture for at most this time: 10s, 2m.")
    count: int | None = count_option("With --live: capture at most N frames.")
    settle: float | None = option(
        "--settle", metavar="TIME", type=time_span,
        help="With --live: keep capturing after COMMAND until all connections have ended or the link was idle for this"
        " time, at most ten times as long.  [default: 100ms]",
    )  # fmt: skip
    user: str | None = user_option("With --live: drop privileges to USER, also for COMMAND (root keeps them).")
    snap_length: int | None = snap_length_option("With --live: capture at most this much of each frame;")
    no_promiscuous: bool = no_promiscuous_option("With --live: do not capture traffic of other hosts.")
    backend: str | None = backend_option("With --live: capture backend, as for hsi live.")
    ring_size: int | None = ring_size_option("With --live: size of the kernel's capture buffer in MiB.")

    def without_live(self) -> str | None:
        """The option that needs --live, where it is given without; None where all is well."""
        return next((f"--{name.replace('_', '-')}" for name in _NEED_LIVE if getattr(self, name)), None)


# In the order in which they are refused.
_NEED_LIVE = ("interface", "filter", "snap_length", "no_promiscuous", "backend", "ring_size", "user", "count",
              "duration", "settle")  # fmt: skip


@dataclass(frozen=True)
class CheckOptions:
    """What `hsi check` is asked for."""

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
    beside: BesideOptions = group(BesideOptions)


LISTED, SHOWN = 5, 20  # connections for each failed assertion: for people, and for programs


class Judge:
    """The rules, the connections that they are about, and the looks of the answer."""

    def __init__(self, given: CheckOptions) -> None:
        """Read what the command line says; UsageError for rules that cannot be meant."""
        self.rules = given.rules.rules()
        self.test = test_of(given.where)
        self.form = chosen_format(given.form, given.output, CHECKS)
        self.limit = given.limit if given.limit is not None else LISTED if self.form == "text" else SHOWN
        self.color = given.analysis.color
        self.saved = (given.write or "") if given.beside.live else ""
        self.verbosity = -int(given.quiet)

    def hold(self, report: Report) -> Holder:
        """Hold the rules against the connections of a report that they are about."""
        from handshake_inspect.checks.rule_results import Holder

        return Holder(narrowed(report, self.test), self.rules, self.limit)

    def looks(self, holder: Holder, target: Target) -> Options:
        """How it is to look there."""
        return Options(
            target.width, target.colored(self.color), target.encoding, verbosity=self.verbosity,
            reports=(holder.report,), saved=self.saved,
        )  # fmt: skip

    def show(self, checked: Checked, looks: Options, stream: BinaryIO) -> None:
        """Write it in the format that was asked for."""
        FORMATS[self.form].render_check(checked, stream, looks)


def broken(holder: Holder) -> Connections:
    """The connections that broke a rule."""
    from handshake_inspect.expression.select import selected

    return selected(holder.report, holder.broken).connections
