"""Limits of rules: on a number or percentage of connections, and on a statistic of their durations."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.checks import patterns
from handshake_inspect.errors import UsageError
from handshake_inspect.expression.predicates import Predicate
from handshake_inspect.report.checked import Assertion, Breach
from handshake_inspect.report.column import Mask
from handshake_inspect.verdicts.percentiles import nearest_rank
from handshake_inspect.wire.text import duration, plural

STATISTIC = r"\.(?P<statistic>min|max|median|p[0-9]{1,3}(?:\.[0-9]{1,3})?) *(?P<sign><=?) *(?P<limit>[0-9.]+ ?[a-zµμ]+)"
_COUNT = re.compile(r"(?:(?P<server>\S+) +)?(?P<number>[0-9]{1,12}(?:\.[0-9]{1,6})?)(?P<percent> ?%)?")


@dataclass(frozen=True)
class CountLimit:
    """A limit on the number or percentage of connections of a kind."""

    text: str
    rule: str
    number: Decimal
    percent: bool
    server: Predicate | None = None

    @classmethod
    def of(cls, rule: str, text: str) -> CountLimit:
        """Parse `5`, `2.5%` or `10.0.0.2:443 5`."""
        match = _COUNT.fullmatch(text.strip())
        number = Decimal(match["number"]) if match else Decimal(-1)
        percent = bool(match and match["percent"])
        if match is None or (number > 100 if percent else number != int(number)):
            raise UsageError(f"{rule}: {text!r} is neither a number nor a percentage (such as 3, 5%, or '*:443 0')")
        return cls(f"{rule} {text.strip()}", rule, number, percent, patterns.server_of(match))

    def most(self, total: int) -> int:
        """Return the limit as a number of connections, of `total`."""
        return int(self.number * total / 100) if self.percent else int(self.number)

    @property
    def allowed(self) -> str:
        """The limit for people."""
        if not self.number:
            return "none"
        return f"at most {self.number.normalize():f} %" if self.percent else f"at most {int(self.number):,}"


@dataclass(frozen=True)
class TimeLimit:
    """A limit on a statistic of a duration, an RTT or a span of the set-up; `written` is the limit as typed."""

    text: str
    measure: str
    statistic: str
    inclusive: bool
    limit_ns: int
    written: str
    server: Predicate | None = None

    @classmethod
    def of(
        cls, rule: str, text: str, match: re.Match[str], measure: str, statistic: str = "", *, inclusive: bool = False
    ) -> TimeLimit:
        """Create from the match of a rule; statistic and sign are part of it unless given."""
        if not statistic:
            statistic, inclusive = patterns.statistic_of(rule, text, match), match["sign"] == "<="
        limit = patterns.limit_ns(rule, text, match)
        server = patterns.server_of(match)
        return cls(f"{rule} {text.strip()}", measure, statistic, inclusive, limit, match["limit"], server)

    def exceeded(self, times: NDArray[Any]) -> Mask:
        """Return a mask over durations (ns): it breaks the limit."""
        over: Mask = times > self.limit_ns if self.inclusive else times >= self.limit_ns
        return over

    def assertion(self, times: NDArray[Any], over: int, breaches: Callable[[], list[Breach]]) -> Assertion:
        """Compare the statistic of these durations (ns) with the limit; `over` of them exceed it."""
        allowed = f"{'at most' if self.inclusive else 'below'} {self.written}"
        if not len(times):
            return Assertion(self.text, "failed", "nothing measured", allowed, "ns", None, self.limit_ns, 0)
        measured = _statistic(np.sort(times), self.statistic)
        failed = bool(self.exceeded(np.array([measured]))[0])
        return Assertion(
            self.text, "failed" if failed else "passed",
            f"{duration(measured)} over {plural(len(times), 'connection')}", allowed, "ns",
            measured, self.limit_ns, len(times), over if failed else 0, breaches() if failed else [],
        )  # fmt: skip


def _statistic(ordered: NDArray[Any], name: str) -> int:
    """Return a statistic of sorted values: `min`, `max` or a percentile such as `p99.9` (nearest rank)."""
    if name in ("min", "max"):
        return int(ordered[0 if name == "min" else -1])
    return nearest_rank(ordered, name[1:])
