"""Columns of set-ups to the objects of a report: the models say which columns make which object."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import msgspec
import numpy as np

from handshake_inspect.report.attempt_columns import NONE, AttemptColumns
from handshake_inspect.report.fields import FIELDS
from handshake_inspect.report.setup import ExtraRoundTrip, Milestone, OwnTime, Setup, Span, Tls, TlsAlert
from handshake_inspect.report.setup_columns import those_with_one, whole
from handshake_inspect.report.setup_names import named, protocols_offered, versions_offered
from handshake_inspect.tcp.setup_facts import EXTRA_LOSS, EXTRA_NAGLE, EXTRA_WINDOW
from handshake_inspect.verdicts.setup.setups import Setup as Found

_REASONS = {EXTRA_WINDOW: "window", EXTRA_LOSS: "loss", EXTRA_NAGLE: "nagle"}
Lists = Mapping[str, Callable[[AttemptColumns, Found], Sequence[Any]]]  # what makes fields that hold lists


# Of each part that may be absent the field that is known of all that are there, by its name in JSON.
_PRESENCE: dict[type[Any], str] = {
    Span: "method", OwnTime: "max_ns", Milestone: "ns", TlsAlert: "from", Tls: "outcome",
}  # fmt: skip


def setups(attempts: AttemptColumns) -> list[Setup | None]:
    """The set-up of each connection; None for none."""
    return _scattered(attempts, Setup, "setup", {"setup.extra_round_trips": _extras})


def tls_of(attempts: AttemptColumns) -> list[Tls | None]:
    """The TLS of each connection; None for none."""
    lists: Lists = {"tls.alpn_offered": _protocols, "tls.versions_offered": _versions}
    return _scattered(attempts, Tls, "tls", lists)


def _scattered(attempts: AttemptColumns, model: type[Any], path: str, lists: Lists) -> list[Any]:
    places, rows = those_with_one(attempts)
    made: list[Any] = [None] * len(attempts)
    if len(rows):
        some = _of(attempts, rows)
        objects = _objects(model, path, some, whole(some), lists, optional=True)
        if len(places) == len(made):
            return objects
        for place, each in zip(places.tolist(), objects, strict=True):
            made[place] = each
    return made


def _of(attempts: AttemptColumns, rows: Any) -> AttemptColumns:
    """The connections with a set-up alone; the same object for both of its halves."""
    known = vars(attempts)
    if "_with_setup" not in known:
        known["_with_setup"] = AttemptColumns(attempts.case, attempts.names, rows, NONE)
    some: AttemptColumns = known["_with_setup"]
    return some


@cache
def _model(kind: type[Any]) -> tuple[tuple[str, type[Any] | None, bool], ...]:
    """The fields of a model by their names in JSON: the model of a part, and whether it may be absent."""
    return tuple(_fields(kind))


def _fields(kind: type[Any]) -> Iterator[tuple[str, type[Any] | None, bool]]:
    for field in msgspec.structs.fields(kind):
        types = getattr(field.type, "__args__", (field.type,))
        part = next((each for each in types if isinstance(each, type) and issubclass(each, msgspec.Struct)), None)
        yield field.encode_name, part if _is_part(field.type) else None, type(None) in types


def _is_part(kind: Any) -> bool:
    return getattr(kind, "__origin__", None) is not list


def _objects(
    model: type[Any], path: str, some: AttemptColumns, found: Found, lists: Lists, *, optional: bool = False
) -> list[Any]:
    """Objects of a model; an `optional` one is None where the field that shows it is: nothing else is made then."""
    key = _PRESENCE.get(model) if optional else None
    there = None if key is None else _column(f"{path}.{key}", some, found, lists)
    if there is not None and there.count(None) == len(there):
        return there
    columns: list[list[Any]] = []
    for name, part, absent in _model(model):  # type: ignore[arg-type]
        inside = f"{path}.{name}"
        if part is not None:
            columns.append(_objects(part, inside, some, found, lists, optional=absent))
        else:
            columns.append(there if there is not None and name == key else _column(inside, some, found, lists))
    if there is None or None not in there:
        return list(map(model, *columns))
    rows = zip(there, zip(*columns, strict=True), strict=True)
    return [None if value is None else model(*row) for value, row in rows]


def _column(path: str, some: AttemptColumns, found: Found, lists: Lists) -> list[Any]:
    """The values of one field."""
    if path in lists:
        return list(lists[path](some, found))
    column = FIELDS[path].column
    assert column is not None  # noqa: S101
    listed: list[Any] = column(some).listed()  # type: ignore[union-attr]
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
    """The waits of each, by time: the hello that was asked for again, and those that the capture shows."""
    seen, extras = found.seen, found.waits
    made: list[list[ExtraRoundTrip]] = [[] for _ in range(len(seen))]
    again = found.spans.moment("client_hello_2")
    cost = again[1] - seen.time("hello")
    for at in np.flatnonzero(again[0]).tolist():
        made[at].append(ExtraRoundTrip("hello-retry", int(cost[at]), int(again[2][at])))
    if len(extras.at):
        columns = (extras.at.tolist(), extras["reason"].tolist(), extras["cost_ns"].tolist(), extras.frame.tolist())
        for at, reason, took, frame, delayed in zip(*columns, extras["delayed"].tolist(), strict=True):
            nagle = bool(delayed) if reason == EXTRA_NAGLE else None
            made[at].append(ExtraRoundTrip(_REASONS[reason], took, frame or None, nagle))  # type: ignore[arg-type]
    return [sorted(each, key=lambda extra: extra.frame or 0) if len(each) > 1 else each for each in made]
