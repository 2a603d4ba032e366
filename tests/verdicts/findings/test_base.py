"""The parts that all findings share: the largest hundred, and one that counts the rest."""

import numpy as np
import pytest

from handshake_inspect.verdicts.finding import Finding
from handshake_inspect.verdicts.findings import KINDS
from handshake_inspect.verdicts.findings.base import MAX_LISTED, capped, largest, ratio

STALLED = KINDS["stalled"]


def describe(number):
    return Finding(STALLED, "info", str(number), None, None, None, None, {"connections": 1}, "a.")


@pytest.mark.parametrize("count", [0, 1, MAX_LISTED])
def test_findings_up_to_the_limit_are_listed(count):
    assert [each.title for each in capped(STALLED, "services", range(count), describe)] == [*map(str, range(count))]


@pytest.mark.parametrize("more", [1, 250])
def test_one_more_finding_counts_the_rest(more):
    *found, rest = capped(STALLED, "services", range(MAX_LISTED + more), describe)
    assert [each.title for each in found] == [*map(str, range(MAX_LISTED))]
    assert (rest.id, rest.severity, rest.title, rest.host) == ("stalled", "info", f"{more} more services", None)
    assert rest.metrics == {"not_listed": more}


def test_the_heaviest_come_first_and_equals_in_their_order():
    found = largest(STALLED, "services", np.array([4, 5, 6, 7]), np.array([1, 3, 1, 9], dtype=np.uint8), describe)
    assert [each.title for each in found] == ["7", "5", "4", "6"]


@pytest.mark.parametrize(("part", "whole", "share"), [(1, 3, 0.3333), (0, 5, 0.0), (5, 5, 1.0), (0, 0, None)])
def test_a_share_has_four_digits_and_none_of_nothing(part, whole, share):
    assert ratio(part, whole) == share
