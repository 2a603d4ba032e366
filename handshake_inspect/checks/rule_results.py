"""Holding rules against a report."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.checks import setup_rule_results
from handshake_inspect.checks.rules import Ceiling, Expectation, RttLimit, Rules
from handshake_inspect.expression.predicates import Predicate
from handshake_inspect.expression.select import selected
from handshake_inspect.report.checked import Assertion, Breach, Checked
from handshake_inspect.report.column import Mask, Numbers, Words
from handshake_inspect.report.columns import Columns
from handshake_inspect.report.fields import Field, find
from handshake_inspect.report.model import Finding, Report
from handshake_inspect.report.words import Severity
from handshake_inspect.verdicts.percentiles import nearest_rank
from handshake_inspect.wire.text import duration, plural, share

SHOWN = 20  # connections that are listed of those that broke an assertion
FINDINGS_SHOWN = 100


def hold(report: Report, rules: Rules, shown: int = SHOWN) -> Checked:
    """Check the report: every rule is one assertion.

    Connections that a rule ignores are out of everything.  Undecided ones are in no count, good or bad; they fail an
    assertion of their own, or a note says how many they are.
    """
    return Holder(report, rules, shown).checked()


class Holder:
    """One report and the rules that it is held against; `broken` marks the connections that broke one."""

    def __init__(self, report: Report, rules: Rules, shown: int = SHOWN) -> None:
        """`shown`: how many connections an assertion lists."""
        self.broken: Mask = np.zeros(len(report.connections), dtype=bool)
        self.report = report
        self.rules = rules
        self.shown = shown
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
        self.judged: Mask = ~ignored & (decided.values != 0)

    def _fields(self) -> Iterator[Field]:
        tests = [test for _, test in self.rules.ignore] + [ceiling.counted for ceiling in self.rules.ceilings]
        for test in tests:
            yield from test.fields()

    def checked(self) -> Checked:
        """Hold every rule."""
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
        yield self._population()
        if self.rules.undecided == "fail":
            yield self._undecided()
        yield from map(self._ceiling, self.rules.ceilings)
        yield from map(self._rtt, self.rules.rtt)
        yield from setup_rule_results.assertions(self)
        yield from map(self._expectation, self.rules.expect)
        yield from self._findings()
        if self.rules.strict:
            yield self._capture()

    # --- of connections -----------------------------------------------------------------------------------------------

    def _population(self) -> Assertion:
        count, least = int(self.judged.sum()), self.rules.min_connections
        undecided = int(self.undecided.sum())
        measured = plural(count, "connection") + (f" ({undecided:,} more undecided)" if undecided else "")
        return Assertion(
            f"min-connections {least}", "passed" if count >= least else "failed", measured, f"at least {least:,}",
            "connections", count, least, count,
        )  # fmt: skip

    def _undecided(self) -> Assertion:
        total = int((~self.ignored).sum())
        return self._counted("undecided fail", self.undecided, total, 0, "none")

    def _ceiling(self, rule: Ceiling) -> Assertion:
        about = self.about(rule.text, rule.server)
        total = int(about.sum())
        limit = int(rule.number * total / 100) if rule.percent else int(rule.number)
        most = f"{rule.number.normalize():f} %" if rule.percent else f"{limit:,}"
        allowed = "none" if not rule.number else f"at most {most}"
        return self._counted(rule.text, about & rule.counted.mask(self.columns), total, limit, allowed)

    def _counted(self, text: str, mask: Mask, total: int, limit: int, allowed: str) -> Assertion:
        count = int(mask.sum())
        failed = count > limit
        measured = f"{count:,} of {plural(total, 'connection')}" + (f" ({share(count, total)})" if count else "")
        return Assertion(
            text, "failed" if failed else "passed", measured, allowed,
            "connections", count, limit, total, count if failed else 0, self.breaches(mask) if failed else [],
        )  # fmt: skip

    def about(self, text: str, server: Predicate | None) -> Mask:
        """The judged connections that a rule is about."""
        if server is None:
            return self.judged
        about = self.judged & server.mask(self.columns)
        if not about.any():
            self.notes.append(f"{text}: matches no connection")
        return about

    def _rtt(self, rule: RttLimit) -> Assertion:
        column = self.columns.of(find(f"rtt.{rule.leg}"))
        assert isinstance(column, Numbers)  # noqa: S101
        matched = self.about(rule.text, rule.server)
        about = matched & column.known
        values = np.sort(column.values[about])
        sign = "at most" if rule.inclusive else "below"
        allowed = f"{sign} {rule.written}"
        if not len(values):
            if matched.any():
                self.notes.append(f"{rule.text}: no RTT was measured")
            return Assertion(rule.text, "failed", "nothing measured", allowed, "ns", None, rule.limit_ns, 0)
        measured = _statistic(values, rule.statistic)
        said = f"{duration(measured)} over {plural(len(values), 'connection')}"
        held = measured <= rule.limit_ns if rule.inclusive else measured < rule.limit_ns
        over = about & (column.values > rule.limit_ns if rule.inclusive else column.values >= rule.limit_ns)
        return Assertion(
            rule.text, "passed" if held else "failed", said, allowed, "ns",
            measured, rule.limit_ns, len(values), 0 if held else int(over.sum()),
            [] if held else self.breaches(over, column.values),
        )  # fmt: skip

    def _expectation(self, rule: Expectation) -> Assertion:
        about = self.about(rule.text, rule.server)
        outcome = self.columns.of(find("outcome"))
        assert isinstance(outcome, Words)  # noqa: S101
        good = about & outcome.where(lambda word: word in rule.outcomes)
        count, total = int(good.sum()), int(about.sum())
        least, most = rule.least, rule.most
        enough = count == total and count > 0 if least is None else count >= least
        few_enough = most is None or count <= most
        undecided = int((self.undecided & rule.server.mask(self.columns)).sum())
        besides = f" ({undecided:,} more undecided)" if undecided else ""
        measured = f"{count:,} of {plural(total, 'connection')}{besides}"
        wrong = about & ~good if not enough else good
        failed = not (enough and few_enough)
        return Assertion(
            rule.text, "failed" if failed else "passed", measured, _range(least, most),
            "connections", count, least if least is not None and not enough else most, total,
            int(wrong.sum()) if failed else 0, self.breaches(wrong) if failed else [],
        )  # fmt: skip

    def breaches(self, mask: Mask, values: NDArray[Any] | None = None) -> list[Breach]:
        """Note that these connections broke an assertion; the first of them, or those with the largest `values`."""
        self.broken |= mask
        places = np.flatnonzero(mask)
        if values is not None:
            places = places[np.argsort(-values[places], kind="stable")]
        return [self._breach(place, values) for place in places[: self.shown].tolist()]

    def _breach(self, place: int, values: NDArray[Any] | None) -> Breach:
        c = self.report.connections[place]
        value = None if values is None else int(values[place])
        return Breach(c.id, c.client, c.server.service, c.outcome, c.evidence, c.why, value)

    # --- of findings and of the capture -------------------------------------------------------------------------------

    def _findings(self) -> Iterator[Assertion]:
        if not self.rules.no_finding and self.rules.fail_on is None:
            return
        findings = selected(self.report, ~self.ignored).findings if self.ignored.any() else self.report.findings
        for name in self.rules.no_finding:
            yield self._found(f"no-finding {name}", [each for each in findings if each.id == name])
        if self.rules.fail_on is not None:
            order = get_args(Severity)
            grave = order[: order.index(self.rules.fail_on) + 1]
            yield self._found(f"fail-on {self.rules.fail_on}", [each for each in findings if each.severity in grave])

    def _found(self, text: str, findings: list[Finding]) -> Assertion:
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


def _statistic(values: np.ndarray, name: str) -> int:
    """Of sorted values: `min`, `max`, or a percentile, `p99.9`, as the report has it."""
    if name in ("min", "max"):
        return int(values[0 if name == "min" else -1])
    return nearest_rank(values, name[1:])


def _range(least: int | None, most: int | None) -> str:
    if least is None:
        return "all of them, and at least one"
    if most is None:
        return f"at least {least}"
    if least == most:
        return "none" if not most else f"exactly {most}"
    return f"at most {most}" if not least else f"{least} to {most}"
