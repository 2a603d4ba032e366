"""Limit a report to some of its connections: ids stay the same; summary and services are recomputed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from handshake_inspect.expression.predicates import Predicate
from handshake_inspect.report import afterwards_counts
from handshake_inspect.report.column import Addresses, Mask, Numbers
from handshake_inspect.report.columns import Columns
from handshake_inspect.report.connections import RowConnections
from handshake_inspect.report.fields import find
from handshake_inspect.report.model import (
    Connection,
    Connections,
    Distribution,
    Endpoint,
    Finding,
    ListedConnections,
    Outcomes,
    Report,
    RttDistributions,
    Service,
    Summary,
)
from handshake_inspect.report.server_names import waits_of
from handshake_inspect.report.services import RowServices, distribution, rtt_distributions
from handshake_inspect.report.setup_summary import of_connections, of_values
from handshake_inspect.verdicts.numbering import ReportIds
from handshake_inspect.verdicts.setup.setups import setups_of
from handshake_inspect.verdicts.words import OUTCOMES
from handshake_inspect.wire.address import halves_within

_LEGS = ("synack", "ackdat", "total")


def filtered(report: Report, test: Predicate) -> Report:
    """Return the report limited to the connections that satisfy `test`."""
    return selected(report, passing(report.connections, test, report.findings))


def passing(connections: Connections, test: Predicate, findings: Sequence[Finding] = ()) -> Mask:
    """Return a boolean mask over `connections`: True where `test` holds.  `findings` are those of the report."""
    return test.mask(Columns(connections, test.fields(), findings))


def selected(report: Report, mask: Mask) -> Report:
    """Return the report limited to the connections whose `mask` entry, in id order, is True.

    Findings are kept if they concern the whole capture or an endpoint of a remaining connection.
    """
    if mask.all():
        return report
    findings = findings_about(report.findings, report.connections, mask)
    if isinstance(report.connections, RowConnections):
        return _of_rows(report, report.connections, mask, findings)
    kept = [connection for connection, stays in zip(report.connections, mask.tolist(), strict=True) if stays]
    return _of_listed(report, kept, findings)


def _of_rows(report: Report, connections: RowConnections, mask: Mask, findings: list[Finding]) -> Report:
    ids = ReportIds(np.flatnonzero(mask)) if connections.ids is None else connections.ids[mask]
    attempts = connections.attempts
    case = connections.case.select(attempts.mask(attempts.order[ids]))
    setups = setups_of(case.attempts)
    setups.take_tickets(connections.case.attempts)
    counts = np.bincount(case.outcomes.outcome, minlength=len(OUTCOMES)).tolist()
    counted = Outcomes.of(dict(zip(OUTCOMES, counts, strict=True)))
    return msgspec.structs.replace(
        report,
        summary=Summary(
            len(ids),
            counted,
            rtt_distributions(case.legs),
            report.summary.evicted,
            of_values(setups.values, waits_of(case)),
            afterwards_counts.of_rows(connections.case, connections.names, attempts.order[ids]),
        ),
        services=RowServices(case),
        connections=RowConnections(connections.case, ids, connections.names),
        findings=findings,
    )


def _of_listed(report: Report, kept: Sequence[Connection], findings: list[Finding]) -> Report:
    by_server: defaultdict[Endpoint, list[Connection]] = defaultdict(list)
    for connection in kept:
        by_server[connection.server.service].append(connection)
    busiest = sorted(by_server.values(), key=lambda group: (-len(group), group[0].id))
    return msgspec.structs.replace(
        report,
        summary=Summary(
            len(kept),
            _outcomes(kept),
            _rtt(kept),
            report.summary.evicted,
            of_connections(kept),
            afterwards_counts.of_connections(kept),
        ),
        services=[
            Service(group[0].server.service, len(group), _outcomes(group), _rtt(group), of_connections(group))
            for group in busiest
        ],
        connections=ListedConnections(kept),
        findings=findings,
    )


def _outcomes(connections: Sequence[Connection]) -> Outcomes:
    return Outcomes.of(Counter(connection.outcome for connection in connections))


def _rtt(connections: Sequence[Connection]) -> RttDistributions:
    return RttDistributions(*(_distribution(connections, leg) for leg in _LEGS))


def _distribution(connections: Sequence[Connection], leg: str) -> Distribution:
    named = [getattr(connection.rtt, leg).value_ns for connection in connections]
    values = np.array([-1 if value is None else value for value in named], dtype=np.int64)
    return distribution(values)


def findings_about(findings: Sequence[Finding], connections: Connections, mask: Mask) -> list[Finding]:
    """Return the findings about the whole capture or about an endpoint of a connection whose `mask` entry is True."""
    if not any(finding.target for finding in findings):
        return list(findings)
    ends = _Ends(connections, mask)
    return [finding for finding in findings if finding.target is None or ends.have(finding)]


class _Ends:
    """Addresses and ports of the remaining connections, as arrays."""

    def __init__(self, connections: Connections, mask: Mask) -> None:
        columns = Columns(connections)
        self._sides = [self._side(columns, who, mask) for who in ("server", "client")]

    @staticmethod
    def _side(columns: Columns, who: str, mask: Mask) -> tuple[NDArray[Any], ...]:
        address, port = columns.of(find(f"{who}.ip")), columns.of(find(f"{who}.port"))
        assert isinstance(address, Addresses)  # noqa: S101
        assert isinstance(port, Numbers)  # noqa: S101
        return address.hi[mask], address.lo[mask], port.values[mask]

    def have(self, finding: Finding) -> bool:
        """Whether the finding's target is one of these endpoints."""
        target = finding.target
        if target is None:
            return False
        hi, low, high = (np.uint64(half) for half in halves_within(target.ip))
        for his, los, ports in self._sides:
            same = (his == hi) & (los >= low) & (los <= high)
            if bool((same if target.port is None else same & (ports == target.port)).any()):
                return True
        return False
