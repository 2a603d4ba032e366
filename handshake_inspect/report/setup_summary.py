"""Summaries of many set-ups, from rows or from `Connection` objects."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, runtime_checkable
from typing import Protocol as Like

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.report.connection import Connection
from handshake_inspect.report.setup import (
    OwnTime,
    Savings,
    Setup,
    SetupGroup,
    SetupSummary,
    SpanDistribution,
    SpanDistributions,
    Spans,
    Tls,
    TlsCounts,
)
from handshake_inspect.verdicts.percentiles import ranked, selected
from handshake_inspect.verdicts.setup.setups import Values, is_constant
from handshake_inspect.verdicts.setup.tls_words import version_text
from handshake_inspect.verdicts.setup.words import (
    SAVEABLE,
    TLS_FAILED,
    TLS_NO_ANSWER,
    TLS_NOT_TLS,
    TLS_OUTCOMES,
    Protocol,
)

if TYPE_CHECKING:
    from handshake_inspect.report.connection_parts import Endpoint
    from handshake_inspect.report.model import Service
    from handshake_inspect.report.server_names import Waited


@runtime_checkable
class MadeWhenAsked(Like):
    """A lazy sequence of services."""

    def slowest(self, count: int) -> list[Service]:
        """Return the services with the longest median time to first byte."""


_WAITS = ("before_tls", "before_request")
_FAILED = ("failed", "no-answer", "not-tls")


def slowest(services: Sequence[Service], count: int) -> list[tuple[Endpoint, SetupSummary]]:
    """Return the services with the longest median time to first byte, with their set-up summaries."""
    chosen = services.slowest(count) if isinstance(services, MadeWhenAsked) else services
    having = [(service.server, service.setup) for service in chosen if service.setup is not None]
    medians = [(setup.spans.first_byte.p50_ns, server, setup) for server, setup in having]
    medians.sort(key=lambda each: (-(each[0] or 0), each[0] is None))
    return [(server, setup) for _, server, setup in medians[:count]]


def of_values(values: Values, waits: Mapping[int, Waited]) -> SetupSummary | None:
    """Summarise rows; None if there are none.  `waits` are the lookups that connections waited for, by row."""
    if not len(values.rows):
        return None
    extras = {name: _total(each) for name, each in values.extras.items()}
    spans = {name: distribution(each) for name, each in {**values.spans, **_before(values, waits)}.items()}
    return SetupSummary(
        len(values.rows),
        _tls_counts(values),
        SpanDistributions(**spans),
        _counted(extras),
        Savings(*(_sum(values.saveable[name]) for name in SAVEABLE)),
        _groups(values, spans),
    )


def _is_plain(values: Values) -> bool:
    """Return whether none of the set-ups has TLS."""
    return is_constant(values.tls) and not values.tls[0]


def _tls_counts(values: Values) -> TlsCounts:
    if _is_plain(values):
        return TlsCounts()
    version, outcome = values.version, values.outcome
    if not values.tls.all():
        version, outcome = version[values.tls], outcome[values.tls]
    versions, counts = (each[::-1].tolist() for each in np.unique(version, return_counts=True))
    outcomes = np.bincount(outcome, minlength=len(TLS_OUTCOMES))
    return TlsCounts(
        _total(values.tls),
        {version_text(each): count for each, count in zip(versions, counts, strict=True) if each > 0},
        _total(values.resumed),
        _total(values.early),
        int(outcomes[[TLS_FAILED, TLS_NO_ANSWER, TLS_NOT_TLS]].sum()),
    )


def _total(column: NDArray[Any]) -> int:
    """Return the sum of a column of counts or flags."""
    if is_constant(column):
        return int(column[0]) * len(column)
    return int(np.count_nonzero(column) if column.dtype == np.bool_ else column.sum())


def _before(values: Values, waits: Mapping[int, Waited]) -> dict[str, NDArray[np.int64]]:
    """Return the spans before the first SYN."""
    rows = values.rows[np.isin(values.rows, list(waits))].tolist() if waits else ()
    return {
        name: np.array([waits[row].spans[name].value_ns for row in rows], dtype=np.int64)
        for name in ("lookup", "before_connect")
    }


def _groups(values: Values, spans: Mapping[str, SpanDistribution]) -> list[SetupGroup]:
    """Return groups by protocol and version, largest first; `spans` are the distributions over all of them."""
    if _is_plain(values):
        return [_group(values, -1, len(values.rows), spans)]
    kind = np.where(values.tls, values.version.astype(np.int64), -1)
    if (kind == kind[0]).all():
        return [_group(values, int(kind[0]), len(kind), spans)]
    kinds, which, counts = np.unique(kind, return_inverse=True, return_counts=True)
    return [
        _group(values.of(np.flatnonzero(which == at)), int(kinds[at]), int(counts[at]))
        for at in np.argsort(-counts, kind="stable").tolist()
    ]


def _group(values: Values, kind: int, count: int, spans: Mapping[str, SpanDistribution] | None = None) -> SetupGroup:
    names = ("tcp", "tls", "response", "first_byte")
    medians = {
        name: _median(spans[name])
        if spans and name not in values.lows
        else _medians(values.spans[name], *values.bounds(name))
        for name in names
    }
    waits = _waits(*(values.spans[name] for name in _WAITS))
    low = high = waits
    if any(name in values.lows for name in _WAITS):
        low, high = (_waits(*both) for both in zip(*map(values.bounds, _WAITS), strict=True))
    protocol: Protocol = "plain" if kind < 0 else "tls"
    version = version_text(kind) if kind > 0 else None
    return SetupGroup(protocol, version, count, waits=_medians(waits, low, high), **medians)


def _waits(first: NDArray[np.int64], later: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the sum of both client waits (ns); an unknown one counts as 0; -2 if only bounds are known."""
    if is_constant(first) and first[0] == -1:
        return later
    both = np.maximum(first, 0) + np.maximum(later, 0)
    return np.where((first < -1) | (later < -1), -2, np.where((first >= 0) | (later >= 0), both, -1))


def _median(span: SpanDistribution) -> OwnTime | None:
    """Return the median of a span whose values are all exact."""
    return None if span.p50_ns is None else OwnTime(span.p50_ns, span.p50_ns, span.p50_ns)


def _medians(values: NDArray[np.int64], lows: NDArray[np.int64], highs: NDArray[np.int64]) -> OwnTime | None:
    known, sure = highs >= 0, values >= 0
    if not known.any():
        return None
    if values is lows is highs:  # all values are exact
        middle = selected(values[sure], 50)
        return OwnTime(middle, middle, middle)
    value = selected(values[sure], 50) if 2 * np.count_nonzero(sure) > np.count_nonzero(known) else None
    return OwnTime(value, selected(lows[known], 50), selected(highs[known], 50))


def of_connections(connections: Sequence[Connection]) -> SetupSummary | None:
    """Summarise `Connection` objects; None if there is no set-up."""
    setups = [connection.setup for connection in connections if connection.setup is not None]
    handshakes = [connection.tls for connection in connections if connection.tls is not None]
    return of_setups(setups, handshakes, _groups_of(connections))


def of_setups(
    setups: Sequence[Setup], handshakes: Sequence[Tls] = (), groups: Sequence[SetupGroup] = ()
) -> SetupSummary | None:
    """Summarise set-ups and their TLS handshakes; None if there are none."""
    if not setups:
        return None
    versions = Counter(each.version for each in handshakes if each.version is not None)
    tls = TlsCounts(
        len(handshakes),
        dict(sorted(versions.items(), reverse=True)),
        sum(each.kind == "resumed" for each in handshakes),
        sum(each.early_data == "accepted" for each in handshakes),
        sum(each.outcome in _FAILED for each in handshakes),
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
        list(groups),
    )


def _groups_of(connections: Sequence[Connection]) -> list[SetupGroup]:
    kinds: defaultdict[tuple[Protocol, str | None], list[Spans]] = defaultdict(list)
    for each in connections:
        if each.setup is not None:
            kinds[each.setup.protocol, each.tls.version if each.tls else None].append(each.setup.spans)
    return [
        group_of(*kind, spans) for kind, spans in sorted(kinds.items(), key=lambda item: (-len(item[1]), str(item[0])))
    ]


def group_of(protocol: Protocol, version: str | None, spans: Sequence[Spans]) -> SetupGroup:
    """Return the medians of the set-ups of one protocol."""
    columns = [
        {name: _values((getattr(each, name) for each in spans), part) for name in Spans.__struct_fields__}
        for part in ("value_ns", "min_ns", "max_ns")
    ]
    names = ("tcp", "tls", "quic", "response", "first_byte")
    waits = _medians(*(_waits(*(column[name] for name in _WAITS)) for column in columns))
    medians = {name: _medians(*(column[name] for column in columns)) for name in names}
    return SetupGroup(protocol, version, len(spans), waits=waits, **medians)


def distribution(values: NDArray[np.int64]) -> SpanDistribution:
    """Return the percentiles of known values (ns); -1 means unknown, and -2 that only bounds are known."""
    if is_constant(values) and values[0] == -1:
        return SpanDistribution()
    there = values >= 0
    every = bool(there.all())
    uncertain = 0 if every else int(np.count_nonzero(values == -2))
    known = values if every else values[there]
    if not len(known):
        return SpanDistribution(uncertain=uncertain)
    return SpanDistribution(len(known), uncertain, int(known.min()), *ranked(known, (50, 90, 95, 99, 100)))


def _values(spans: Iterable[Any], part: str = "value_ns") -> NDArray[np.int64]:
    listed = [-1 if span is None or span.max_ns is None else _or(getattr(span, part), -2) for span in spans]
    return np.array(listed, dtype=np.int64)


def _or(value: int | None, other: int) -> int:
    return other if value is None else value


def _sum(values: NDArray[np.int64]) -> int | None:
    if is_constant(values) and values[0] < 0:
        return None
    there = values >= 0
    return int(values.sum(where=there)) if there.any() else None


def _counted(extras: Mapping[str, int]) -> dict[str, int]:
    return {name: extras[name] for name in sorted(extras) if extras[name]}
