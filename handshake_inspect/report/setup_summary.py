"""The set-ups of many connections in a few numbers: of rows, or of connections that were made already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.report.connection import Connection
from handshake_inspect.report.setup import Savings, SetupSummary, SpanDistribution, SpanDistributions, TlsCounts
from handshake_inspect.verdicts.percentiles import nearest_rank
from handshake_inspect.verdicts.setup.setups import Values
from handshake_inspect.verdicts.setup.tls_words import version_text
from handshake_inspect.verdicts.setup.words import SAVEABLE, TLS_FAILED, TLS_NO_ANSWER, TLS_NOT_TLS

_FAILED = ("failed", "no-answer", "not-tls")


def of_values(values: Values) -> SetupSummary | None:
    """Of rows; None of none."""
    if not len(values.rows):
        return None
    versions, counts = np.unique(values.version[values.tls & (values.version > 0)], return_counts=True)
    failed = np.isin(values.outcome[values.tls], (TLS_FAILED, TLS_NO_ANSWER, TLS_NOT_TLS))
    tls = TlsCounts(
        int(np.count_nonzero(values.tls)),
        {version_text(int(version)): int(count) for version, count in zip(versions[::-1], counts[::-1], strict=True)},
        int(np.count_nonzero(values.resumed)),
        int(np.count_nonzero(values.early)),
        int(np.count_nonzero(failed)),
    )
    extras = {name: int(each.sum()) for name, each in values.extras.items()}
    return SetupSummary(
        len(values.rows),
        tls,
        SpanDistributions(**{name: distribution(each) for name, each in values.spans.items()}),
        _counted(extras),
        Savings(*(_sum(values.saveable[name]) for name in SAVEABLE)),
    )


def of_connections(connections: Sequence[Connection]) -> SetupSummary | None:
    """Of connections that were made already."""
    setups = [connection.setup for connection in connections if connection.setup is not None]
    if not setups:
        return None
    told = [connection.tls for connection in connections if connection.tls is not None]
    versions = Counter(each.version for each in told if each.version is not None)
    tls = TlsCounts(
        len(told),
        dict(sorted(versions.items(), reverse=True)),
        sum(each.kind == "resumed" for each in told),
        sum(each.early_data == "accepted" for each in told),
        sum(each.outcome in _FAILED for each in told),
    )
    spans = {
        name: distribution(_values(getattr(setup.spans, name) for setup in setups))
        for name in SpanDistributions.__struct_fields__
    }
    saved = (np.array([_or(getattr(setup.saveable, name), -1) for setup in setups]) for name in SAVEABLE)
    return SetupSummary(
        len(setups),
        tls,
        SpanDistributions(**spans),
        _counted(Counter(extra.reason for setup in setups for extra in setup.extra_round_trips)),
        Savings(*map(_sum, saved)),
    )


def distribution(values: NDArray[np.int64]) -> SpanDistribution:
    """Percentiles of the values that could be named: -1 is none, -2 one of which bounds are known and no value."""
    uncertain = int(np.count_nonzero(values == -2))
    known = np.sort(values[values >= 0])
    if not len(known):
        return SpanDistribution(uncertain=uncertain)
    p50, p90, p95, p99 = (nearest_rank(known, percent) for percent in (50, 90, 95, 99))
    return SpanDistribution(len(known), uncertain, int(known[0]), p50, p90, p95, p99, int(known[-1]))


def _values(spans: Iterable[Any]) -> NDArray[np.int64]:
    listed = [-1 if span is None or span.max_ns is None else _or(span.value_ns, -2) for span in spans]
    return np.array(listed, dtype=np.int64)


def _or(value: int | None, other: int) -> int:
    return other if value is None else value


def _sum(values: NDArray[np.int64]) -> int | None:
    known = values[values >= 0]
    return int(known.sum()) if len(known) else None


def _counted(extras: Mapping[str, int]) -> dict[str, int]:
    return {name: extras[name] for name in sorted(extras) if extras[name]}
