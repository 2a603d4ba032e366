"""Evaluation of rules against a report: one assertion per rule."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.checks import setup_rule_results
from handshake_inspect.checks.limits import CountLimit, TimeLimit
from handshake_inspect.checks.rules import Expectation, Rules, counted
from handshake_inspect.expression.predicates import Predicate
from handshake_inspect.expression.select import selected
from handshake_inspect.report.checked import Assertion, Breach, Checked
from handshake_inspect.report.column import Mask, Numbers, Words
from handshake_inspect.report.columns import Columns
from handshake_inspect.report.fields import Field, find
from handshake_inspect.report.model import Finding, Report
from handshake_inspect.report.words import Severity
from handshake_inspect.wire.text import plural, share

MAX_BREACHES = 20  # connections listed per failed assertion
FINDINGS_SHOWN = 100


def evaluate_rules(report: Report, rules: Rules, max_breaches: int = MAX_BREACHES) -> Checked:
    """Evaluate the rules against a report; every rule becomes one assertion.

    Ignored connections are left out of everything.  Undecided ones count neither as good nor as bad: they fail their
    own assertion, or a note gives their number.
    """
    return RuleEvaluation(report, rules, max_breaches).checked()


class RuleEvaluation:
    """The evaluation of rules against one report; `broken` is a mask of the connections that broke a rule."""

    def __init__(self, report: Report, rules: Rules, max_breaches: int = MAX_BREACHES) -> None:
        """`max_breaches` is the number of connections that an assertion lists."""
        self.broken: Mask = np.zeros(len(report.connections), dtype=bool)
        self.report = report
        self.rules = rules
        self.max_breaches = max_breaches
        self.columns = Columns(report.connections, self._fields(), report.findings)
        self.notes: list[str] = []
        ignored = np.zeros(len(report.connections), dtype=bool)
        for text, test in rules.ignore:
            mask = test.mask(self.columns)
            ignored |= mask
            if not mask.any():
                self.notes.append(f"ignore {text}: matches no connection")
        decided = self.columns.of(find("decided"))
        assert isinstance(decided, Numbers)  # noqa: S101
        self.ignored = ignored
        self.undecided: Mask = ~ignored & (decided.values == 0)
        self.decided_mask: Mask = ~ignored & (decided.values != 0)

    def _fields(self) -> Iterator[Field]:
        tests = [test for _, test in self.rules.ignore] + [counted(limit.rule) for limit in self.rules.count_limits]
        for test in tests:
            yield from test.fields()

    def checked(self) -> Checked:
        """Evaluate every rule."""
        assertions = list(self._assertions())
        undecided = int(self.undecided.sum())
        if undecided and self.rules.undecided == "ignore":
            who = "1 connection is" if undecided == 1 else f"{undecided:,} connections are"
            self.notes.append(f"{who} undecided, the capture ends too soon, and not counted (undecided ignore)")
        if not self.rules.given - {"min-connections", "undecided", "ignore"}:
            self.notes.append("no rules: the only check is that there are connections; try --profile smoke")
        return Checked(
            tool=self.report.tool,
            capture=self.report.capture,
            passed=all(each.status == "passed" for each in assertions),
            connections=len(self.report.connections),
            undecided=undecided,
            ignored=int(self.ignored.sum()),
            assertions=assertions,
            notes=self.notes,
        )

    def _assertions(self) -> Iterator[Assertion]:
        yield self._min_connections()
        if self.rules.undecided == "fail":
            yield self._undecided()
        yield from map(self._count, self.rules.count_limits)
        yield from map(self._rtt, self.rules.rtt)
        yield from setup_rule_results.assertions(self)
        yield from map(self._expectation, self.rules.expect)
        yield from self._findings()
        if self.rules.strict:
            yield self._capture()

    # --- connections --------------------------------------------------------------------------------------------------

    def _min_connections(self) -> Assertion:
        count, least = int(self.decided_mask.sum()), self.rules.min_connections
        undecided = int(self.undecided.sum())
        measured = plural(count, "connection") + (f" ({undecided:,} more undecided)" if undecided else "")
        return Assertion(
            f"min-connections {least}", "passed" if count >= least else "failed", measured, f"at least {least:,}",
            "connections", count, least, count,
        )  # fmt: skip

    def _undecided(self) -> Assertion:
        total = int((~self.ignored).sum())
        return self.count_assertion("undecided fail", self.undecided, total, 0, "none")

    def _count(self, rule: CountLimit) -> Assertion:
        in_scope = self.in_scope(rule.text, rule.server)
        total = int(in_scope.sum())
        mask = in_scope & counted(rule.rule).mask(self.columns)
        return self.count_assertion(rule.text, mask, total, rule.most(total), rule.allowed)

    def count_assertion(
        self, text: str, mask: Mask, total: int, limit: int, allowed: str, noun: str = "connection", others: int = 0
    ) -> Assertion:
        """Compare the number of connections in `mask`, and `others` that have no column, with a limit."""
        count = int(mask.sum()) + others
        failed = count > limit
        measured = f"{count:,} of {plural(total, noun)}" + (f" ({share(count, total)})" if count else "")
        return Assertion(
            text, "failed" if failed else "passed", measured, allowed,
            "connections", count, limit, total, count if failed else 0, self.breaches(mask) if failed else [],
        )  # fmt: skip

    def in_scope(self, text: str, server: Predicate | None) -> Mask:
        """Return a mask of the decided connections to the rule's server; note if there are none."""
        if server is None:
            return self.decided_mask
        in_scope = self.decided_mask & server.mask(self.columns)
        if not in_scope.any():
            self.notes.append(f"{text}: matches no connection")
        return in_scope

    def _rtt(self, rule: TimeLimit) -> Assertion:
        column = self.columns.of(find(f"rtt.{rule.measure}"))
        assert isinstance(column, Numbers)  # noqa: S101
        matched = self.in_scope(rule.text, rule.server)
        in_scope = matched & column.known
        if matched.any() and not in_scope.any():
            self.notes.append(f"{rule.text}: no RTT was measured")
        over = in_scope & rule.exceeded(column.values)
        return rule.assertion(column.values[in_scope], int(over.sum()), lambda: self.breaches(over, column.values))

    def _expectation(self, rule: Expectation) -> Assertion:
        in_scope = self.in_scope(rule.text, rule.server)
        outcome = self.columns.of(find("outcome"))
        assert isinstance(outcome, Words)  # noqa: S101
        good = in_scope & outcome.where(lambda word: word in rule.outcomes)
        count, total = int(good.sum()), int(in_scope.sum())
        least, most = rule.least, rule.most
        enough = count == total and count > 0 if least is None else count >= least
        few_enough = most is None or count <= most
        undecided = int((self.undecided & rule.server.mask(self.columns)).sum())
        besides = f" ({undecided:,} more undecided)" if undecided else ""
        measured = f"{count:,} of {plural(total, 'connection')}{besides}"
        wrong = in_scope & ~good if not enough else good
        failed = not (enough and few_enough)
        return Assertion(
            rule.text, "failed" if failed else "passed", measured, _range(least, most),
            "connections", count, least if least is not None and not enough else most, total,
            int(wrong.sum()) if failed else 0, self.breaches(wrong) if failed else [],
        )  # fmt: skip

    def breaches(self, mask: Mask, values: NDArray[Any] | None = None) -> list[Breach]:
        """Mark these connections as broken; return the first of them, or those with the largest `values`."""
        self.broken |= mask
        places = np.flatnonzero(mask)
        if values is not None:
            places = places[np.argsort(-values[places], kind="stable")]
        return [self._breach(place, values) for place in places[: self.max_breaches].tolist()]

    def _breach(self, place: int, values: NDArray[Any] | None) -> Breach:
        c = self.report.connections[place]
        value = None if values is None else int(values[place])
        return Breach(c.id, c.client, c.server.service, c.outcome, c.evidence, c.why, value)

    # --- findings and capture -----------------------------------------------------------------------------------------

    def _findings(self) -> Iterator[Assertion]:
        if not self.rules.no_finding and self.rules.fail_on is None:
            return
        findings = selected(self.report, ~self.ignored).findings if self.ignored.any() else self.report.findings
        for name in self.rules.no_finding:
            yield self._finding_assertion(f"no-finding {name}", [each for each in findings if each.id == name])
        if self.rules.fail_on is not None:
            order = get_args(Severity)
            grave = order[: order.index(self.rules.fail_on) + 1]
            yield self._finding_assertion(
                f"fail-on {self.rules.fail_on}", [each for each in findings if each.severity in grave]
            )

    def _finding_assertion(self, text: str, findings: list[Finding]) -> Assertion:
        place = {int(number): i for i, number in enumerate(self._ids())} if findings else {}
        mask = np.zeros(len(self.report.connections), dtype=bool)
        mask[[place[i] for each in findings for i in each.evidence.connections if i in place]] = True
        count = len(findings)
        return Assertion(
            text, "failed" if findings else "passed", "1 finding" if count == 1 else f"{count} findings", "none",
            "findings", count, 0, count, int(mask.sum()), self.breaches(mask),
            [f"{each.severity} {each.id}: {each.title}" for each in findings[:FINDINGS_SHOWN]],
        )  # fmt: skip

    def _ids(self) -> list[int]:
        column = self.columns.of(find("id"))
        assert isinstance(column, Numbers)  # noqa: S101
        ids: list[int] = column.values.tolist()
        return ids

    def _capture(self) -> Assertion:
        capture, evicted = self.report.capture, self.report.summary.evicted
        lost = [] if capture.complete else [each.message for each in capture.problems] or ["it is cut or damaged"]
        if capture.dropped_by_kernel:
            lost.append(f"{capture.dropped_by_kernel} frames were dropped while capturing")
        if evicted:
            lost.append(f"{evicted} connections were left out to bound memory")
        return Assertion(
            "strict", "failed" if lost else "passed", "; ".join(lost) or "complete", "a complete capture", "problems",
            len(lost), 0, capture.frames,
        )  # fmt: skip


def _range(least: int | None, most: int | None) -> str:
    if least is None:
        return "all of them, and at least one"
    if most is None:
        return f"at least {least}"
    if least == most:
        return "none" if not most else f"exactly {most}"
    return f"at most {most}" if not least else f"{least} to {most}"
