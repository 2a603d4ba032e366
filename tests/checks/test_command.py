"""How a command ended, as an assertion."""

import pytest

from handshake_inspect.checks.command import exit_assertion, prepend
from handshake_inspect.checks.rule_results import evaluate_rules
from handshake_inspect.checks.rules import Rules
from handshake_inspect.engine import analyze


@pytest.mark.parametrize(
    ("status", "measured", "value"),
    [
        (0, "exit status 0", 0),
        (1, "exit status 1", 1),
        (-15, "killed by SIGTERM (exit status 143)", 143),
        (-35, "killed by signal 35 (exit status 163)", 163),
    ],
)
def test_the_exit_status_is_measured_against_0(status, measured, value):
    found = exit_assertion("make", status)
    assert (found.rule, found.measured, found.allowed) == ("command make", measured, "exit status 0")
    assert (found.status, found.value, found.limit, found.unit) == (
        "failed" if status else "passed",
        value,
        0,
        "exit-status",
    )


@pytest.mark.parametrize("command", [0, 1])
@pytest.mark.parametrize("least", [1, 2])
def test_both_must_pass(pcaps, command, least):
    checked = evaluate_rules(analyze([pcaps / "handshake.pcap"]), Rules(min_connections=least))
    both = prepend(exit_assertion("make", command), checked)
    assert both.passed == (command == 0 and least == 1)
    assert [each.rule.split()[0] for each in both.assertions] == ["command", "min-connections"]
    assert checked.assertions == both.assertions[1:]
