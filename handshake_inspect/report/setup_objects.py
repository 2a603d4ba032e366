"""Build set-up and TLS objects from columns, guided by the fields of the models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from handshake_inspect.report.attempt_columns import NONE, AttemptColumns
from handshake_inspect.report.fields import FIELDS
from handshake_inspect.report.leaves import PRESENCE, parts_of
from handshake_inspect.report.setup import ExtraRoundTrip, Setup, Tls
from handshake_inspect.report.setup_columns import those_with_one, whole
from handshake_inspect.report.setup_names import named, protocols_offered, versions_offered
from handshake_inspect.tcp.setup.facts import EXTRA_LOSS, EXTRA_NAGLE, EXTRA_WINDOW
from handshake_inspect.verdicts.memo import once
from handshake_inspect.verdicts.setup.setups import Setup as Found

_REASONS = {EXTRA_WINDOW: "window", EXTRA_LOSS: "loss", EXTRA_NAGLE: "nagle"}


def setups(attempts: AttemptColumns) -> list[Setup | None]:
    """Return the set-up of each connection, or None."""
    return _scattered(attempts, partial(_objects, Setup, "setup", optional=True))


def tls_of(attempts: AttemptColumns) -> list[Tls | None]:
    """Return the TLS handshake of each connection, or None."""
    return _scattered(attempts, partial(_objects, Tls, "tls", optional=True))


def list_values(path: str, attempts: AttemptColumns) -> list[Any]:
    """Return the values of a field with lists; None for connections without a set-up."""
    return _scattered(attempts, lambda some: _LISTS[path](some, whole(some)))


def _scattered(attempts: AttemptColumns, make: Callable[[AttemptColumns], Sequence[Any]]) -> list[Any]:
    """Call `make` with the attempts that have a set-up; return its values at their indices, None elsewhere."""
    places, _ = those_with_one(attempts)
    values: list[Any] = [None] * len(attempts)
    if len(places):
        for place, each in zip(places.tolist(), make(_with_setup(attempts)), strict=True):
            values[place] = each
    return values


@once
def _with_setup(attempts: AttemptColumns) -> AttemptColumns:
    """Return the attempts with a set-up; the same object for set-up and TLS, so that columns are shared."""
    return AttemptColumns(attempts.case, attempts.names, those_with_one(attempts)[1], NONE)


def _objects(model: type[Any], path: str, some: AttemptColumns, *, optional: bool = False) -> list[Any]:
    """Build objects of a model; `optional` ones are None where their `PRESENCE` field is null."""
    key = PRESENCE.get(model) if optional else None
    there = None if key is None else _column(f"{path}.{key}", some)
    if there is not None and there.count(None) == len(there):
        return there
    columns: list[list[Any]] = []
    for name, part, absent in parts_of(model):
        inside = f"{path}.{name}"
        if part is not None:
            columns.append(_objects(part, inside, some, optional=absent))
        else:
            columns.append(there if there is not None and name == key else _column(inside, some))
    if there is None or None not in there:
        return list(map(model, *columns))
    rows = zip(there, zip(*columns, strict=True), strict=True)
    return [None if value is None else model(*row) for value, row in rows]


def _column(path: str, some: AttemptColumns) -> list[Any]:
    """Return the values of one field."""
    if path in _LISTS:
        return list(_LISTS[path](some, whole(some)))
    column = FIELDS[path].column
    assert column is not None  # noqa: S101
    listed: list[Any] = column(some).to_list()  # type: ignore[union-attr]
    return listed


def _protocols(some: AttemptColumns, found: Found) -> list[Any]:
    numbers = named(found).tolist()
    texts = {number: protocols_offered(some.trace, number) for number in set(numbers) if number >= 0}
    return [texts.get(number) for number in numbers]


def _versions(some: AttemptColumns, found: Found) -> list[Any]:
    numbers = named(found).tolist()
    texts = {number: versions_offered(some.trace, number) for number in set(numbers) if number >= 0}
    return [texts.get(number) for number in numbers]


def _extras(some: AttemptColumns, found: Found) -> list[list[ExtraRoundTrip]]:
    """Return the extra round trips of each set-up in order of time, including HelloRetryRequest."""
    seen, extras = found.seen, found.waits
    values: list[list[ExtraRoundTrip]] = [[] for _ in range(len(seen))]
    again = found.spans.moment("client_hello_2")
    cost = again[1] - seen.time("hello")
    for at in np.flatnonzero(again[0] & seen.there("hello")).tolist():
        values[at].append(ExtraRoundTrip("hello-retry", int(cost[at]), int(again[2][at])))
    if len(extras.at):
        columns = (extras.at.tolist(), extras["reason"].tolist(), extras["cost_ns"].tolist(), extras.frame.tolist())
        for at, reason, took, frame, delayed in zip(*columns, extras["delayed"].tolist(), strict=True):
            nagle = bool(delayed) if reason == EXTRA_NAGLE else None
            values[at].append(ExtraRoundTrip(_REASONS[reason], took, frame or None, nagle))  # type: ignore[arg-type]
    for at in set(extras.at.tolist()):
        values[at].sort(key=lambda extra: extra.frame or 0)
    return values


# The functions that make fields with lists.
_LISTS: Mapping[str, Callable[[AttemptColumns, Found], Sequence[Any]]] = {
    "setup.extra_round_trips": _extras,
    "tls.alpn_offered": _protocols,
    "tls.versions_offered": _versions,
}
LISTS = tuple(_LISTS)
