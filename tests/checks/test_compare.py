"""`hsi diff`: what is a change, what is noise, what is a regression."""

import io
import json
import random
import re
from decimal import Decimal

import jsonschema
import msgspec
import numpy as np
import pytest
from support import reports
from support.reports import MS, connection

from handshake_inspect.checks.compare import Tolerance, compare, mann_whitney, proportions
from handshake_inspect.render import DIFFS, FORMATS, Options
from handshake_inspect.render.diff_text import render_diff
from handshake_inspect.report.model import Endpoint
from handshake_inspect.report.schema import diff_schema
from handshake_inspect.report.setup import Setup, Span, Spans

HERE, THERE = Endpoint("10.0.0.2", 443), Endpoint("10.0.0.3", 443)


def report(good=40, refused=0, rtt_ms=40, server=HERE, seed=1):
    noise = random.Random(seed)
    made = [
        connection(number, rtt_ns=int(rtt_ms * MS * noise.uniform(0.9, 1.1)), server=server) for number in range(good)
    ]
    made += [connection(good + number, "refused", server=server) for number in range(refused)]
    return reports.report(made)


def only(difference):
    (service,) = difference.services
    return service


def test_the_same_capture_is_no_change():
    difference = compare(report(), report())
    assert not difference.regressed
    assert only(difference).status == "same"
    assert {leg.status for leg in only(difference).rtt} == {"noise"}


def test_noise_is_no_regression():
    assert not compare(report(seed=1), report(seed=2)).regressed


def test_slower():
    difference = compare(report(rtt_ms=40), report(rtt_ms=60))
    total = only(difference).rtt[2]
    assert (total.leg, total.status, total.p_value < 0.001) == ("total", "slower", True)
    assert any("median total RTT" in each for each in difference.regressions)
    assert not compare(report(rtt_ms=60), report(rtt_ms=40)).regressed
    assert only(compare(report(rtt_ms=60), report(rtt_ms=40))).rtt[2].status == "faster"


def test_a_round_trip_and_its_halves_are_one_regression():
    """The whole has become slower because a half has."""
    (said,) = compare(report(rtt_ms=40), report(rtt_ms=60)).regressions
    assert re.fullmatch(
        r"10.0.0.2:443: median total RTT [\d.]+ ms, before [\d.]+ ms \(p < 0.001\): synack [\d.]+ ms, before [\d.]+ ms",
        said,
    )


def test_a_service_that_became_slower_is_not_called_the_same():
    def words(*reports_):
        out = io.BytesIO()
        render_diff(compare(*reports_), out, Options())
        return out.getvalue().decode()

    slower = words(report(rtt_ms=40), report(rtt_ms=60))
    assert re.search(r"10.0.0.2:443 +slower +0 of \d+ +0 of \d+ +[\d.]+ ms to [\d.]+ ms$", slower, re.MULTILINE)
    assert "(p < 0.001)" in slower
    assert re.search(r"10.0.0.2:443 +faster ", words(report(rtt_ms=60), report(rtt_ms=40)))


@pytest.mark.parametrize(
    ("tolerance", "regressed"),
    [
        (Tolerance(), True),
        (Tolerance(rtt_increase_percent=Decimal(60)), False),
        (Tolerance(rtt_shift_ns=30 * MS), False),
    ],
)
def test_how_much_slower_matters(tolerance, regressed):
    assert compare(report(rtt_ms=40), report(rtt_ms=60), tolerance=tolerance).regressed == regressed


def test_few_values_show_nothing():
    difference = compare(report(good=5), report(good=5, rtt_ms=400))
    assert {leg.status for leg in only(difference).rtt} == {"too-few"}
    assert not difference.regressed


@pytest.mark.parametrize(
    ("old", "new", "status", "regressed"),
    [
        ((40, 0), (40, 1), "newly-failing", True),
        ((40, 1), (40, 0), "recovered", False),
        ((40, 10), (40, 12), "same", False),
        ((400, 10), (400, 100), "worse", True),
        ((400, 100), (400, 10), "better", False),
        ((0, 9), (0, 9), "same", False),
    ],
)
def test_failures(old, new, status, regressed):
    difference = compare(report(*old), report(*new))
    assert (only(difference).status, difference.regressed) == (status, regressed)


def test_a_share_of_failures_can_be_tolerated():
    tolerance = Tolerance(failure_increase_percent=Decimal(5))
    assert not compare(report(40), report(40, 2), tolerance=tolerance).regressed
    assert compare(report(40), report(40, 3), tolerance=tolerance).regressed


def test_a_rise_that_is_just_as_large_as_allowed_is_allowed():
    """From 10 to 60 per cent."""
    rise = compare(report(90, 10), report(40, 60), tolerance=Tolerance(failure_increase_percent=Decimal("49.99")))
    assert [each for each in rise.regressions if "fail" in each]
    allowed = compare(report(90, 10), report(40, 60), tolerance=Tolerance(failure_increase_percent=Decimal(50)))
    assert not [each for each in allowed.regressions if "fail" in each]


def test_services_come_and_go():
    difference = compare(report(), report(server=THERE))
    assert {each.name: each.status for each in difference.services} == {
        "10.0.0.2:443": "vanished",
        "10.0.0.3:443": "new",
    }
    assert not difference.regressed
    gone = compare(report(), report(server=THERE), tolerance=Tolerance(vanished=False))
    assert gone.regressions == ["10.0.0.2:443: vanished"]
    assert only(compare(report(), report(server=THERE), by="port")).name == "*:443"


def test_empty_reports():
    assert compare(reports.empty(), reports.empty()).services == []
    assert only(compare(reports.empty(), report())).status == "new"


def test_findings():
    difference = compare(reports.healthy(), reports.troubled())
    assert [each.id for each in difference.new_findings] == ["accept-queue-overflow"]
    assert difference.new_findings[0].target == "10.0.0.2:80"
    assert [each.id for each in compare(reports.troubled(), reports.healthy()).gone_findings]


def test_mann_whitney():
    # Mann and Whitney's own table is for exact values; these are of R's wilcox.test(exact=FALSE, correct=TRUE).
    one, other = np.arange(1, 11), np.arange(6, 16)
    assert mann_whitney(one, other) == mann_whitney(other, one)
    assert 0.004 < mann_whitney(one, other) < 0.006
    assert mann_whitney(one, one) == 1.0
    assert mann_whitney(np.ones(10), np.ones(10)) == 1.0
    assert mann_whitney(one[:7], other) is None


def test_chance_is_called_chance_about_as_often_as_it_should():
    source = np.random.default_rng(7)
    below = sum(mann_whitney(source.normal(size=30), source.normal(size=40)) < 0.05 for _ in range(400))
    assert 8 <= below <= 34


def test_proportions():
    assert proportions(0, 0, 1, 2) is None
    assert proportions(0, 10, 0, 10) == 1.0
    assert proportions(10, 100, 30, 100) == proportions(30, 100, 10, 100)
    assert 0.0003 < proportions(10, 100, 30, 100) < 0.0005


@pytest.mark.parametrize("form", DIFFS)
def test_formats(form):
    difference = compare(reports.healthy(), reports.troubled())
    written = []
    for _ in range(2):
        out = io.BytesIO()
        FORMATS[form].render_diff(difference, out, Options())
        written.append(out.getvalue())
    assert written[0] == written[1]
    text = written[0].decode()
    if form == "json":
        jsonschema.validate(json.loads(text), diff_schema())
    else:
        assert "10.0.0.2:80" in text
        assert "regression" in text.lower()


def test_the_command(hsi, pcaps, tmp_path):
    saved = tmp_path / "old.json"
    hsi("-o", saved, pcaps / "healthy-burst.pcap")
    done = hsi("diff", saved, pcaps / "healthy-burst.pcap")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.endswith(b"hsi diff: no regression, 400 connections before, 400 now\n")
    done = hsi("diff", "--by", "host", "-T", "json", saved, pcaps / "refused-storm.pcap")
    assert done.returncode == 1
    assert json.loads(done.stdout)["regressions"] == ["10.0.0.2: 300 of 300 fail (100.0 %), before 0 of 400"]
    assert hsi("diff", saved, "no-such-file").returncode == 2
    assert hsi("diff", saved).returncode == 2
    assert hsi("diff", "--max-rtt-increase", "x", saved, saved).returncode == 2


def with_tls(tls_ms, seed=1):
    """Connections whose TLS handshake takes so long."""
    noise = random.Random(seed)
    made = []
    for number in range(40):
        took = int(tls_ms * MS * noise.uniform(0.9, 1.1))
        spans = Spans(tls=Span(0, took, took, took, 1, "exact"))
        made.append(msgspec.structs.replace(connection(number, rtt_ns=40 * MS), setup=Setup("tls", spans=spans)))
    return reports.report(made)


def test_a_slower_part_of_set_up():
    difference = compare(with_tls(40), with_tls(80))
    spans = {each.span: each for each in only(difference).setup}
    assert (spans["tls"].status, spans["response"].status) == ("slower", "too-few")
    assert any("median tls " in each for each in difference.regressions)
    assert not compare(with_tls(40), with_tls(40, seed=2)).regressed
    assert not compare(with_tls(80), with_tls(40)).regressed
