"""One cause, one warning."""

import msgspec
import pytest
from support.reports import report

from handshake_inspect.report.consequences import FOLLOWS, shown_together
from handshake_inspect.report.headline import gravest_of
from handshake_inspect.report.model import Evidence, Finding, Target
from handshake_inspect.verdicts.findings import KINDS

HERE, THERE = Target("10.0.0.2", 80), Target("10.0.0.3", 80)


def finding(name, target=HERE, severity="warning"):
    return Finding(name, severity, f"{name} it is", target, None, None, {}, Evidence(), "Do something.")


@pytest.mark.parametrize(("effect", "cause"), FOLLOWS.items())
def test_what_follows_from_another_finding_is_shown_with_it(effect, cause):
    assert {effect, cause} <= set(KINDS)
    one, other, elsewhere = finding(effect), finding(cause), finding(effect, THERE)
    assert shown_together([one, other, elsewhere]) == [(other, [one]), (elsewhere, [])]
    assert shown_together([one, elsewhere]) == [(one, []), (elsewhere, [])]
    assert gravest_of(report([], [one, other])) == other


@pytest.mark.parametrize(("lost", "together"), [(6, True), (5, False)])
def test_a_timeout_explains_no_more_that_stalled_than_it_lost(lost, together):
    stalled = msgspec.structs.replace(finding("stalled"), metrics={"connections": 6})
    timeout = msgspec.structs.replace(finding("idle-timeout"), metrics={"lost_in_silence": lost})
    alone = [(stalled, []), (timeout, [])]
    assert shown_together([stalled, timeout]) == ([(timeout, [stalled])] if together else alone)


def test_what_is_about_no_service_stands_alone():
    one = msgspec.structs.replace(finding("syn-cookies"), target=None)
    assert shown_together([one, finding("syn-flood")]) == [(one, []), (finding("syn-flood"), [])]
