"""Holding rules on connection set-up and on names against a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.checks import patterns, setup_rules
from handshake_inspect.checks.rules import Rules
from handshake_inspect.checks.setup_rules import (
    QUIC,
    SPANS,
    Allowed,
    LeastResumed,
    LeastVersion,
    SetupCeiling,
    SpanLimit,
)
from handshake_inspect.expression.predicates import Predicate
from handshake_inspect.report.checked import Assertion, Breach
from handshake_inspect.report.column import Mask, Numbers, Words
from handshake_inspect.report.columns import Columns
from handshake_inspect.report.connection_parts import Server
from handshake_inspect.report.fields import find
from handshake_inspect.report.model import Report
from handshake_inspect.report.setup import Setup
from handshake_inspect.verdicts.percentiles import nearest_rank
from handshake_inspect.wire.text import duration, plural, printable, share

LISTED = 100  # servers that a rule on names lists


class Holding(Protocol):
    """What holds rules against a report: see `held.Holder`."""

    report: Report
    rules: Rules
    columns: Columns
    notes: list[str]
    ignored: Mask
    judged: Mask

    def about(self, text: str, server: Predicate | None) -> Mask:
        """The judged connections that a rule is about."""

    def breaches(self, mask: Mask, values: NDArray[Any] | None = None) -> list[Breach]:
        """Note that these connections broke an assertion; the first of them, or those with the largest `values`."""


def assertions(holder: Holding) -> Iterator[Assertion]:
    """One for each rule."""
    rules = holder.rules
    held: tuple[tuple[Callable[[Holding, Any], Assertion], Iterable[Any]], ...] = (
        (_span, rules.setup), (_version, rules.min_tls), (_resumed, rules.min_resumed),
        (_tls_failed, rules.max_tls_failed), (_extra, rules.max_extra_round_trips),
    )  # fmt: skip
    for hold, those in held:
        yield from (hold(holder, rule) for rule in those)
    if rules.allow:
        yield _allowed(holder, rules.allow)


def _numbers(holder: Holding, name: str) -> Numbers:
    column = holder.columns.of(find(name))
    assert isinstance(column, Numbers)  # noqa: S101
    return column


def _words(holder: Holding, name: str) -> Words:
    column = holder.columns.of(find(name))
    assert isinstance(column, Words)  # noqa: S101
    return column


# -- how long parts of it take ---------------------------------------------------------------------------------------


def _span(holder: Holding, rule: SpanLimit) -> Assertion:
    """Of TCP and QUIC connections.  Where no value could be named, the upper bound counts."""
    of_quic = _quic_times(holder, rule)
    late = int(_over(rule, of_quic).sum())
    if rule.span == QUIC:
        return _limit(rule, of_quic, late, list)
    value, most = (_numbers(holder, f"{SPANS[rule.span]}.{part}") for part in ("value_ns", "max_ns"))
    matched = _about(holder, rule, bool(len(of_quic)))
    about = matched & most.known
    times = np.where(value.known, value.values, most.values)
    over = about & _over(rule, times)
    if matched.any() and not about.any() and not len(of_quic):
        holder.notes.append(f"{rule.text}: nothing was measured")
    every = np.concatenate([times[about], of_quic])
    return _limit(rule, every, int(over.sum()) + late, lambda: holder.breaches(over, times))


def _about(holder: Holding, rule: SpanLimit | SetupCeiling, of_quic: bool) -> Mask:
    """The TCP connections that a rule is about: there need be none where it is about QUIC connections."""
    if of_quic and rule.server is not None:
        return holder.judged & rule.server.mask(holder.columns)
    return holder.about(rule.text, rule.server)


def _over(rule: SpanLimit, times: NDArray[Any]) -> Mask:
    over: Mask = times > rule.limit_ns if rule.inclusive else times >= rule.limit_ns
    return over


def _quic_times(holder: Holding, rule: SpanLimit) -> NDArray[np.int64]:
    """How long the span took in the QUIC connections that the rule is about, of those that have it."""
    part = attrgetter(SPANS.get(rule.span, f"setup.spans.{QUIC}").removeprefix("setup."))
    parts = [part(setup) for setup in _quic_setups(holder, rule.server)]
    found = [each.max_ns if each.value_ns is None else each.value_ns for each in parts if each is not None]
    return np.array([took for took in found if took is not None], dtype=np.int64)


def _quic_setups(holder: Holding, server: Test | None) -> list[Setup]:
    """The set-ups of the QUIC connections to a server."""
    mine = [each for each in holder.report.quic_connections if patterns.names(server, each.server.ip, each.server.port)]
    return [each.setup for each in mine if each.setup is not None]


def _limit(rule: SpanLimit, times: NDArray[Any], over: int, breaches: Callable[[], list[Breach]]) -> Assertion:
    allowed = f"{'at most' if rule.inclusive else 'below'} {rule.written}"
    if not len(times):
        return Assertion(rule.text, "failed", "nothing measured", allowed, "ns", None, rule.limit_ns, 0)
    ordered = np.sort(times)
    edge = {"min": 0, "max": -1}.get(rule.statistic)
    measured = int(ordered[edge]) if edge is not None else nearest_rank(ordered, rule.statistic[1:])
    held = measured <= rule.limit_ns if rule.inclusive else measured < rule.limit_ns
    said = f"{duration(measured)} over {plural(len(times), 'connection')}"
    return Assertion(
        rule.text, "passed" if held else "failed", said, allowed, "ns", measured, rule.limit_ns, len(times),
        0 if held else over, [] if held else breaches(),
    )  # fmt: skip


# -- what was agreed on ----------------------------------------------------------------------------------------------


def _version(holder: Holding, rule: LeastVersion) -> Assertion:
    about = holder.about(rule.text, rule.server) & setup_rules.established.mask(holder.columns)
    old = about & _words(holder, "tls.version").where(lambda word: word in rule.older)
    count, total = int(old.sum()), int(about.sum())
    measured = f"{count:,} of {plural(total, 'TLS connection')} older" + (f" ({share(count, total)})" if count else "")
    return Assertion(
        rule.text, "failed" if count else "passed", measured, f"TLS {rule.version} or newer", "connections",
        count, 0, total, count, holder.breaches(old) if count else [],
    )  # fmt: skip


def _resumed(holder: Holding, rule: LeastResumed) -> Assertion:
    about = holder.about(rule.text, rule.server) & setup_rules.established.mask(holder.columns)
    resumed = about & _words(holder, "tls.kind").where(lambda word: word == "resumed")
    count, total = int(resumed.sum()), int(about.sum())
    failed = not total or 100 * count < rule.percent * total
    full = about & ~resumed
    measured = f"{count:,} of {plural(total, 'TLS connection')}" + (f" ({share(count, total)})" if total else "")
    return Assertion(
        rule.text, "failed" if failed else "passed", measured, f"at least {rule.percent.normalize():f} %",
        "connections", count, None, total, int(full.sum()) if failed else 0, holder.breaches(full) if failed else [],
    )  # fmt: skip


def _tls_failed(holder: Holding, rule: SetupCeiling) -> Assertion:
    about = holder.about(rule.text, rule.server) & setup_rules.begun.mask(holder.columns)
    return _ceiling(holder, rule, about, about & setup_rules.failed.mask(holder.columns), "TLS connection")


def _extra(holder: Holding, rule: SetupCeiling) -> Assertion:
    of_quic = [bool(setup.extra_round_trips) for setup in _quic_setups(holder, rule.server)]
    about = _about(holder, rule, bool(of_quic)) & _words(holder, "setup.protocol").known
    extra = np.zeros(len(about), dtype=bool)
    for place in np.flatnonzero(about).tolist():
        setup = holder.report.connections[place].setup
        extra[place] = setup is not None and bool(setup.extra_round_trips)
    return _ceiling(holder, rule, about, extra, "connection", of_quic)


def _ceiling(
    holder: Holding, rule: SetupCeiling, about: Mask, counted: Mask, noun: str, others: Sequence[bool] = ()
) -> Assertion:
    count, total = int(counted.sum()) + sum(others), int(about.sum()) + len(others)
    limit = int(rule.number * total / 100) if rule.percent else int(rule.number)
    most = f"{rule.number.normalize():f} %" if rule.percent else f"{limit:,}"
    failed = count > limit
    measured = f"{count:,} of {plural(total, noun)}" + (f" ({share(count, total)})" if count else "")
    return Assertion(
        rule.text, "failed" if failed else "passed", measured, f"at most {most}" if rule.number else "none",
        "connections", count, limit, total, count if failed else 0, holder.breaches(counted) if failed else [],
    )  # fmt: skip


# -- whom clients talk to --------------------------------------------------------------------------------------------


def _allowed(holder: Holding, rules: tuple[Allowed, ...]) -> Assertion:
    """Every connection and QUIC connection must go to an allowed name or address; the others are listed by name."""
    wrong = np.zeros(len(holder.judged), dtype=bool)
    strangers: Counter[str] = Counter()
    about = np.flatnonzero(~holder.ignored)
    for place in about.tolist():
        server = holder.report.connections[place].server
        if not _is_allowed(rules, server):
            wrong[place] = True
            strangers[_whom(server)] += 1
    strangers.update(
        _whom(each.server) for each in holder.report.quic_connections if not _is_allowed(rules, each.server)
    )
    count, total = strangers.total(), len(about) + len(holder.report.quic_connections)
    listed = [f"{whom}: {plural(times, 'connection')}" for whom, times in strangers.most_common(LISTED)]
    return Assertion(
        f"allow {' '.join(rule.text for rule in rules)}", "failed" if count else "passed",
        f"{count:,} of {plural(total, 'connection')} to others", "none", "connections", count, 0, total, count,
        holder.breaches(wrong) if wrong.any() else [], listed,
    )  # fmt: skip


def _is_allowed(rules: tuple[Allowed, ...], server: Server) -> bool:
    """Whether every name that the server may have is allowed, or its address."""
    names: list[str | None] = [server.name] if server.name else list(server.names or ()) or [None]
    return all(any(rule.holds(name, server.ip) for rule in rules) for name in names)


def _whom(server: Server) -> str:
    name = server.name or " or ".join(server.names or [])
    return f"{printable(name)} ({server.service})" if name else str(server.service)
