"""The end of a command whose traffic is checked: an assertion of its own."""

from __future__ import annotations

import signal
from contextlib import suppress

import msgspec

from handshake_inspect.report.checked import Assertion, Checked

_BY_SIGNAL = 128  # added by shells to the number of the signal


def ended(name: str, status: int) -> Assertion:
    """Measure an exit status against 0; `status` is negative for a signal, as subprocess has it."""
    number = _BY_SIGNAL - status if status < 0 else status
    how = f"killed by {_signal(-status)} (exit status {number})" if status < 0 else f"exit status {number}"
    return Assertion(
        f"command {name}", "failed" if status else "passed", how, "exit status 0", "exit-status", number, 0, 1
    )


def behind(assertion: Assertion, checked: Checked) -> Checked:
    """Put an assertion in front of those of a check: it passes only when this one did, too."""
    passed = checked.passed and assertion.status == "passed"
    return msgspec.structs.replace(checked, passed=passed, assertions=[assertion, *checked.assertions])


def _signal(number: int) -> str:
    with suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"
