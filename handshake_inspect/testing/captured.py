"""The result of a capture: the connections and statistics that tests assert on."""
# ruff: noqa: PLC0415

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from handshake_inspect.report.model import Connection, Finding, Outcomes, Report, RttDistributions, Service
    from handshake_inspect.report.setup import SpanDistributions

_SHOWN = 3  # connections with trouble listed in a repr
_LISTED = 20  # up to this many connections, a failed test's report lists all of them


class NotCapturedError(RuntimeError):
    """There is no report: the block has not ended, or capturing failed."""


class Captured:
    """The connections opened while the block ran; available once the block has ended.

    Like the `summary` of a report, it has `connections` (a count), `outcomes` and `rtt`.  Iterate over it or index it
    to get the connections themselves.  All of that raises `NotCapturedError` until there is a report.
    """

    def __init__(self, name: str) -> None:
        """Create an empty result; `name` describes the capture in messages."""
        self.name = name
        self._whole: Report | None = None
        self._view: Report | None = None
        self._unavailable = "the block has not ended yet"

    def fill(self, whole: Report, view: Report) -> Captured:
        """Store the report of everything captured (`whole`) and of the requested connections (`view`)."""
        self._whole, self._view = whole, view
        return self

    def set_unavailable(self, reason: str) -> None:
        """Record why there will be no report."""
        self._unavailable = reason

    @property
    def is_filled(self) -> bool:
        """Whether there is a report."""
        return self._view is not None

    @property
    def report(self) -> Report:
        """The report of everything captured, as `handshake_inspect.analyze` returns it for a file."""
        if self._whole is None:
            raise NotCapturedError(f"{self.name}: {self._unavailable}")
        return self._whole

    @property
    def connections(self) -> int:
        """The number of connections."""
        return self._narrowed.summary.connections

    @property
    def outcomes(self) -> Outcomes:
        """The number of connections per outcome: `outcomes.established`, `outcomes.timed_out` …"""
        return self._narrowed.summary.outcomes

    @property
    def setup(self) -> SpanDistributions:
        """Percentiles of set-up times in nanoseconds, such as `setup.first_byte.p95`; None if none was measured."""
        from handshake_inspect.report.setup import SpanDistributions

        summary = self._narrowed.summary.setup
        return SpanDistributions() if summary is None else summary.spans

    @property
    def rtt(self) -> RttDistributions:
        """Percentiles of handshake RTTs in nanoseconds, such as `rtt.total.p95`; None if none was measured."""
        return self._narrowed.summary.rtt

    @property
    def services(self) -> Sequence[Service]:
        """The servers with the outcomes of the connections to each, busiest first."""
        return self._narrowed.services

    @property
    def findings(self) -> list[Finding]:
        """The findings about services, hosts and the capture."""
        return self._narrowed.findings

    def where(self, expression: str) -> Captured:
        """Return the connections that match `expression` (as for `hsi -Y`); UsageError if it is invalid."""
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
            return f"<{self.name}: {self._unavailable}>"
        return f"<{self.name}: {_summary_line(self._view)}>"

    def text(self) -> str:
        """Return the report as text; it lists every connection if there are few."""
        from io import BytesIO

        from handshake_inspect.render import FORMATS, Options

        out = BytesIO()
        FORMATS["text"].render(self._narrowed, out, Options(every=self.connections <= _LISTED))
        return out.getvalue().decode()

    @property
    def _narrowed(self) -> Report:
        if self._view is None:
            raise NotCapturedError(f"{self.name}: {self._unavailable}")
        return self._view


def _summary_line(report: Report) -> str:
    """Return one line: the number of connections per outcome, and the causes of the first ones with trouble."""
    from handshake_inspect.wire.text import plural

    counts = [f"{count} {outcome}" for outcome, count in report.summary.outcomes.as_dict().items() if count]
    line = ", ".join([plural(report.summary.connections, "connection"), *counts])
    connections = report.connections
    for each in connections.trouble(_SHOWN):
        line += f"; #{each.id} {each.client} > {each.server} {each.outcome}: {each.why}"
    more = connections.trouble_count - _SHOWN
    return f"{line}; and {more} more with trouble" if more > 0 else line
