"""Build a report from tracker rows and verdicts."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.report.afterwards_counts import of_rows
from handshake_inspect.report.connections import RowConnections
from handshake_inspect.report.frame_places import in_files
from handshake_inspect.report.model import (
    Capture,
    Evidence,
    Finding,
    Outcomes,
    Report,
    Summary,
    Target,
    Tool,
)
from handshake_inspect.report.quic_objects import QuicReport
from handshake_inspect.report.services import RowServices, rtt_distributions, summary_of
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.columns import code_counts
from handshake_inspect.verdicts.finding import Finding as Found
from handshake_inspect.verdicts.words import OUTCOMES
from handshake_inspect.wire.address import address_text, prefix_text


def build(
    tool: Tool,
    capture: Capture,
    case: Case,
    found: Iterable[Found],
    evicted: int,
    names: NDArray[np.int64] | None = None,
) -> Report:
    """Build the report of a trace; connections and services stay rows until they are accessed.

    `names` as in RowConnections.
    """
    ids, locator = case.attempts.ids if names is None else names, case.capture.frame_locator
    quic = QuicReport(case.quic, case.waited[1] if len(case.quics) else {}, locator)
    counts = code_counts(case.outcomes.outcome, len(OUTCOMES)).tolist()
    return Report(
        tool=tool,
        capture=capture,
        summary=Summary(
            len(case.attempts),
            Outcomes.of(dict(zip(OUTCOMES, counts, strict=True))),
            rtt_distributions(case.legs),
            evicted,
            summary_of(case),
            of_rows(case, ids),
        ),
        services=RowServices(case),
        connections=RowConnections(case, names=names),
        quic_services=quic.services,
        quic_connections=quic.connections,
        findings=[finding(ids, one, locator) for one in found],
    )


def finding(names: NDArray[Any], found: Found, places: Any = None) -> Finding:
    """Convert a finding: addresses to text and rows to ids; `names` are the ids in row order."""
    ids = sorted(int(names[row]) for row in found.connections)
    return Finding(
        found.id,
        found.severity,  # type: ignore[arg-type]
        found.title,
        target(found),
        found.start_ns,
        found.end_ns,
        found.metrics,
        Evidence(list(found.frames), ids, in_files(found.frames, places)),
        found.advice,
    )


def target(found: Found) -> Target | None:
    """Return the target of a finding: a service, a host or a network; None for the whole capture."""
    if found.host is None:
        return None
    if found.prefix is not None:
        return Target(prefix_text(*found.host, found.prefix))
    return Target(address_text(*found.host), found.port)
