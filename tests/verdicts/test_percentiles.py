"""One definition of a percentile, used everywhere."""

from fractions import Fraction
from math import ceil
from pathlib import Path

import numpy as np
import pytest
from support import reports

from handshake_inspect.checks import settings
from handshake_inspect.checks.compare import compare
from handshake_inspect.checks.rule_results import evaluate_rules
from handshake_inspect.engine.expiry import Histogram
from handshake_inspect.report.services import distribution
from handshake_inspect.verdicts import percentiles
from handshake_inspect.verdicts.findings.base import median, quantiles

COUNTS = range(1, 61)
SAID = {50: "p50_ns", 90: "p90_ns", 95: "p95_ns", 99: "p99_ns"}


def truth(count, percent):
    """Place from 1 by the definition of the nearest rank."""
    return ceil(Fraction(percent) * count / 100)


def values_of(count):
    """`count` values of which the k-th, from 1, is k thousand."""
    return np.arange(1, count + 1, dtype=np.int64) * 1000


@pytest.mark.parametrize("count", COUNTS)
def test_nearest_rank(count):
    values = values_of(count)
    shuffled = np.random.default_rng(count).permutation(values)
    for percent in range(1, 100):
        assert percentiles.nearest_rank(values, percent) == 1000 * truth(count, percent)
        assert percentiles.selected(shuffled, percent) == 1000 * truth(count, percent)
        assert percentiles.places(np.array([count, 1]), percent).tolist() == [truth(count, percent) - 1, 0]
    assert percentiles.nearest_rank(values, 100) == 1000 * count


@pytest.mark.parametrize(
    ("count", "percent", "rank"), [(1000, "99.9", 999), (1001, "99.9", 1000), (3, "0.001", 1), (100, "7", 7)]
)
def test_fractions_of_a_percent(count, percent, rank):
    assert percentiles.place(count, percent) == rank - 1 == truth(count, percent) - 1


@pytest.mark.parametrize("count", COUNTS)
def test_reports_and_findings_say_the_same(count):
    values = values_of(count)
    said = distribution(np.append(values, -1))  # one that could not be named
    assert {percent: getattr(said, name) for percent, name in SAID.items()} == {
        percent: 1000 * truth(count, percent) for percent in SAID
    }
    found = quantiles(values[::-1], "gap")
    assert found == {
        "gap_p50_ns": 1000 * truth(count, 50), "gap_p90_ns": 1000 * truth(count, 90), "gap_max_ns": 1000 * count,
    }  # fmt: skip
    assert median(values[::-1]) == said.p50_ns
    gone = Histogram()
    gone.add(values)
    rough = gone.distribution()
    for name in SAID.values():
        assert getattr(rough, name) == pytest.approx(getattr(said, name), rel=0.011)


@pytest.mark.parametrize("count", COUNTS)
def test_checks_say_the_same(count):
    report = report_of(values_of(count).tolist())
    rules = settings.rules({"rtt": [f"synack.p{percent}<=1h" for percent in range(1, 100)]})
    measured = [each.value for each in evaluate_rules(report, rules).assertions if each.unit == "ns"]
    assert measured == [1000 * truth(count, percent) for percent in range(1, 100)]


@pytest.mark.parametrize("count", [1, 2, 7, 10, 21, 60])
def test_comparisons_say_the_same(count):
    report = report_of(values_of(count).tolist())
    (service,) = compare(report, report).services
    leg = next(each for each in service.rtt if each.leg == "synack")
    assert {percent: getattr(leg.old, name) for percent, name in SAID.items()} == {
        percent: 1000 * truth(count, percent) for percent in SAID
    }


def report_of(values):
    """A report of one connection for each RTT between capture point and server."""
    return reports.report([reports.connection(number, rtt_ns=value) for number, value in enumerate(values)])


def test_nobody_else_counts_ranks(root: Path):
    """No other module takes a percentile its own way."""
    own = [
        path
        for path in sorted((root / "handshake_inspect").rglob("*.py"))
        if path.name != "percentiles.py" and ("np.percentile" in path.read_text() or "np.quantile" in path.read_text())
    ]
    assert not own
