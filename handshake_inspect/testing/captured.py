"""What a test may ask of the connections that were captured."""
# ruff: noqa: PLC0415

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from handshake_inspect.report.model import Connection, Finding, Outcomes, Report, RttDistributions, Service
    from handshake_inspect.report.setup import SpanDistributions

_SHOWN = 3  # connections with trouble that a repr lists
_LISTED = 20  # connections that are all listed where a test has failed


class NotCapturedError(RuntimeError):
    """What was asked for is not there: the block has not ended, or it ended in a way that left no report."""


class Captured:
    """The connections that were begun while the block ran: filled when it has ended.

    As the `summary` of a report it has `connections`, which is their number, `outcomes` and `rtt`.  Iteration, an index
    and `len` give the connections themselves.
    """

    def __init__(self, name: str) -> None:
        """Name what is captured, for messages."""
        self.name = name
        self._whole: Report | None = None
        self._view: Report | None = None
        self._absent = "the block has not ended yet"

    def fill(self, whole: Report, view: Report) -> Captured:
        """Take the report of all that was captured, and that of what was asked for."""
        self._whole, self._view = whole, view
        return self

    def leave(self, reason: str) -> None:
        """Remember why there will be no report."""
        self._absent = reason

    @property
    def is_filled(self) -> bool:
        """Whether there is a report to ask."""
        return self._view is not None

    @property
    def report(self) -> Report:
        """The report of all that was captured, as `handshake_inspect.analyze` gives it of a file."""
        if self._whole is None:
            raise NotCapturedError(f"{self.name}: {self._absent}")
        return self._whole

    @property
    def connections(self) -> int:
        """How many connections there are."""
        return self._narrowed.summary.connections

    @property
    def outcomes(self) -> Outcomes:
        """How many of them came to each outcome: `outcomes.established`, `outcomes.timed_out` …"""
        return self._narrowed.summary.outcomes

    @property
    def setup(self) -> SpanDistributions:
        """Percentiles of the parts of their set-up, in nanoseconds: `setup.first_byte.p95`; None for none."""
        from handshake_inspect.report.setup import SpanDistributions

        summary = self._narrowed.summary.setup
        return SpanDistributions() if summary is None else summary.spans

    @property
    def rtt(self) -> RttDistributions:
        """Percentiles of their handshake RTTs, in nanoseconds: `rtt.total.p95`; None for none."""
        return self._narrowed.summary.rtt

    @property
    def services(self) -> Sequence[Service]:
        """The servers, with what became of the attempts to reach each, the busiest first."""
        return self._narrowed.services

    @property
    def findings(self) -> list[Finding]:
        """What is wrong with a service, a host or the capture."""
        return self._narrowed.findings

    def where(self, expression: str) -> Captured:
        """Only the connections for which an expression holds, as for `hsi -Y`; UsageError for one that is not valid."""
        from handshake_inspect.expression.language import parse
        from handshake_inspect.expression.select import filtered

        view = filtered(self._narrowed, parse(expression))
        return Captured(f"{self.name}, {expression}").fill(self.report, view)

    def __iter__(self) -> Iterator[Connection]:
        return iter(self._narrowed.connections)

    def __len__(self) -> int:
        return self.connections

    def __getitem__(self, index: int) -> Connection:
        return self._narrowed.connections[index]

    def __repr__(self) -> str:
        if self._view is None:
            return f"<{self.name}: {self._absent}>"
        return f"<{self.name}: {_told(self._view)}>"

    def text(self) -> str:
        """The report as text, with all connections where these are few."""
        from io import BytesIO

        from handshake_inspect.render import FORMATS, Options

        out = BytesIO()
        FORMATS["text"].render(self._narrowed, out, Options(every=self.connections <= _LISTED))
        return out.getvalue().decode()

    @property
    def _narrowed(self) -> Report:
        if self._view is None:
            raise NotCapturedError(f"{self.name}: {self._absent}")
        return self._view


def _told(report: Report) -> str:
    """One line: how many connections came to what, and of the first ones in trouble why."""
    from handshake_inspect.wire.text import plural

    counts = [f"{count} {outcome}" for outcome, count in report.summary.outcomes.as_dict().items() if count]
    line = ", ".join([plural(report.summary.connections, "connection"), *counts])
    connections = report.connections
    for each in connections.trouble(_SHOWN):
        line += f"; #{each.id} {each.client} > {each.server} {each.outcome}: {each.why}"
    more = connections.trouble_count - _SHOWN
    return f"{line}; and {more} more with trouble" if more > 0 else line
