"""Evaluation of the rules on connection set-up and server names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.checks import patterns, setup_rules
from handshake_inspect.checks.limits import CountLimit, TimeLimit
from handshake_inspect.checks.rules import Rules
from handshake_inspect.checks.setup_rules import (
    QUIC,
    SPANS,
    AllowedServer,
    MinResumedShare,
    MinTlsVersion,
)
from handshake_inspect.expression.predicates import Predicate
from handshake_inspect.report.checked import Assertion, Breach
from handshake_inspect.report.column import Mask, Numbers, Words
from handshake_inspect.report.columns import Columns
from handshake_inspect.report.connection_parts import Server
from handshake_inspect.report.fields import find
from handshake_inspect.report.model import Report
from handshake_inspect.report.setup import Setup
from handshake_inspect.wire.text import plural, printable, share

MAX_SERVERS = 100  # servers listed by the `allow` assertion


class EvaluationContext(Protocol):
    """The part of `rule_results.RuleEvaluation` that these rules need."""

    report: Report
    rules: Rules
    columns: Columns
    notes: list[str]
    ignored: Mask
    decided_mask: Mask

    def in_scope(self, text: str, server: Predicate | None) -> Mask:
        """Return a mask of the decided connections to the rule's server."""

    def breaches(self, mask: Mask, values: NDArray[Any] | None = None) -> list[Breach]:
        """Mark these connections as broken; return the first of them, or those with the largest `values`."""

    def count_assertion(
        self, text: str, mask: Mask, total: int, limit: int, allowed: str, noun: str = "connection", others: int = 0
    ) -> Assertion:
        """Compare the number of connections in `mask`, and `others` that have no column, with a limit."""


def assertions(context: EvaluationContext) -> Iterator[Assertion]:
    """Yield one assertion per rule."""
    rules = context.rules
    held: tuple[tuple[Callable[[EvaluationContext, Any], Assertion], Iterable[Any]], ...] = (
        (_span, rules.setup), (_version, rules.min_tls), (_resumed, rules.min_resumed),
        (_tls_failed, rules.max_tls_failed), (_extra, rules.max_extra_round_trips),
    )  # fmt: skip
    for evaluate, those in held:
        yield from (evaluate(context, rule) for rule in those)
    if rules.allow:
        yield _allowed(context, rules.allow)


def _numbers(context: EvaluationContext, name: str) -> Numbers:
    column = context.columns.of(find(name))
    assert isinstance(column, Numbers)  # noqa: S101
    return column


def _words(context: EvaluationContext, name: str) -> Words:
    column = context.columns.of(find(name))
    assert isinstance(column, Words)  # noqa: S101
    return column


# -- durations of spans ----------------------------------------------------------------------------------------------


def _span(context: EvaluationContext, rule: TimeLimit) -> Assertion:
    """Evaluate a limit on a span of TCP and QUIC connections; spans with bounds only count with their upper bound."""
    of_quic = _quic_times(context, rule)
    late = int(rule.exceeded(of_quic).sum())
    if rule.measure == QUIC:
        return rule.assertion(of_quic, late, list)
    value, most = (_numbers(context, f"{SPANS[rule.measure]}.{part}") for part in ("value_ns", "max_ns"))
    matched = _in_scope(context, rule, bool(len(of_quic)))
    in_scope = matched & most.known
    times = np.where(value.known, value.values, most.values)
    over = in_scope & rule.exceeded(times)
    if matched.any() and not in_scope.any() and not len(of_quic):
        context.notes.append(f"{rule.text}: nothing was measured")
    every = np.concatenate([times[in_scope], of_quic])
    return rule.assertion(every, int(over.sum()) + late, lambda: context.breaches(over, times))


def _in_scope(context: EvaluationContext, rule: TimeLimit | CountLimit, of_quic: bool) -> Mask:
    """Return a mask of the TCP connections to the rule's server; it may be empty if QUIC connections match."""
    if of_quic and rule.server is not None:
        return context.decided_mask & rule.server.mask(context.columns)
    return context.in_scope(rule.text, rule.server)


def _quic_times(context: EvaluationContext, rule: TimeLimit) -> NDArray[np.int64]:
    """Return the durations of the span (ns) in the QUIC connections to the rule's server."""
    part = attrgetter(SPANS.get(rule.measure, f"setup.spans.{QUIC}").removeprefix("setup."))
    parts = [part(setup) for setup in _quic_setups(context, rule.server)]
    found = [each.max_ns if each.value_ns is None else each.value_ns for each in parts if each is not None]
    return np.array([took for took in found if took is not None], dtype=np.int64)


def _quic_setups(context: EvaluationContext, server: Predicate | None) -> list[Setup]:
    """Return the set-ups of the QUIC connections to a server."""
    mine = [
        each for each in context.report.quic_connections if patterns.names(server, each.server.ip, each.server.port)
    ]
    return [each.setup for each in mine if each.setup is not None]


# -- TLS and round trips ---------------------------------------------------------------------------------------------


def _version(context: EvaluationContext, rule: MinTlsVersion) -> Assertion:
    in_scope = context.in_scope(rule.text, rule.server) & setup_rules.established.mask(context.columns)
    old = in_scope & _words(context, "tls.version").where(lambda word: word in rule.older)
    count, total = int(old.sum()), int(in_scope.sum())
    measured = f"{count:,} of {plural(total, 'TLS connection')} older" + (f" ({share(count, total)})" if count else "")
    return Assertion(
        rule.text, "failed" if count else "passed", measured, f"TLS {rule.version} or newer", "connections",
        count, 0, total, count, context.breaches(old) if count else [],
    )  # fmt: skip


def _resumed(context: EvaluationContext, rule: MinResumedShare) -> Assertion:
    in_scope = context.in_scope(rule.text, rule.server) & setup_rules.established.mask(context.columns)
    resumed = in_scope & _words(context, "tls.kind").where(lambda word: word == "resumed")
    count, total = int(resumed.sum()), int(in_scope.sum())
    failed = not total or 100 * count < rule.percent * total
    full = in_scope & ~resumed
    measured = f"{count:,} of {plural(total, 'TLS connection')}" + (f" ({share(count, total)})" if total else "")
    return Assertion(
        rule.text, "failed" if failed else "passed", measured, f"at least {rule.percent.normalize():f} %",
        "connections", count, None, total, int(full.sum()) if failed else 0, context.breaches(full) if failed else [],
    )  # fmt: skip


def _tls_failed(context: EvaluationContext, rule: CountLimit) -> Assertion:
    in_scope = context.in_scope(rule.text, rule.server) & setup_rules.begun.mask(context.columns)
    return _count(context, rule, in_scope, in_scope & setup_rules.failed.mask(context.columns), "TLS connection")


def _extra(context: EvaluationContext, rule: CountLimit) -> Assertion:
    of_quic = [bool(setup.extra_round_trips) for setup in _quic_setups(context, rule.server)]
    in_scope = _in_scope(context, rule, bool(of_quic)) & _words(context, "setup.protocol").known
    extra = in_scope & _words(context, "setup.extra_round_trips").where(bool)
    return _count(context, rule, in_scope, extra, "connection", of_quic)


def _count(
    context: EvaluationContext, rule: CountLimit, in_scope: Mask, counted: Mask, noun: str, others: Sequence[bool] = ()
) -> Assertion:
    total = int(in_scope.sum()) + len(others)
    return context.count_assertion(rule.text, counted, total, rule.most(total), rule.allowed, noun, sum(others))


# -- allowed servers -------------------------------------------------------------------------------------------------


def _allowed(context: EvaluationContext, rules: tuple[AllowedServer, ...]) -> Assertion:
    """Require that every TCP and QUIC connection goes to an allowed name or address; list the other servers."""
    wrong = np.zeros(len(context.decided_mask), dtype=bool)
    others: Counter[str] = Counter()
    in_scope = np.flatnonzero(~context.ignored)
    for place in in_scope.tolist():
        server = context.report.connections[place].server
        if not _is_allowed(rules, server):
            wrong[place] = True
            others[_server_text(server)] += 1
    others.update(
        _server_text(each.server) for each in context.report.quic_connections if not _is_allowed(rules, each.server)
    )
    count, total = others.total(), len(in_scope) + len(context.report.quic_connections)
    listed = [f"{server_text}: {plural(times, 'connection')}" for server_text, times in others.most_common(MAX_SERVERS)]
    return Assertion(
        f"allow {' '.join(rule.text for rule in rules)}", "failed" if count else "passed",
        f"{count:,} of {plural(total, 'connection')} to others", "none", "connections", count, 0, total, count,
        context.breaches(wrong) if wrong.any() else [], listed,
    )  # fmt: skip


def _is_allowed(rules: tuple[AllowedServer, ...], server: Server) -> bool:
    """Whether all possible names of the server, or its address, are allowed."""
    names: list[str | None] = [server.name] if server.name else list(server.names or ()) or [None]
    return all(any(rule.holds(name, server.ip) for rule in rules) for name in names)


def _server_text(server: Server) -> str:
    name = server.name or " or ".join(server.names or [])
    return f"{printable(name)} ({server.service})" if name else str(server.service)
