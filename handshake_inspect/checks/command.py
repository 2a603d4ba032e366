"""The assertion that the command run by `hsi check --live` succeeded."""

from __future__ import annotations

import signal
from contextlib import suppress

import msgspec

from handshake_inspect.report.checked import Assertion, Checked

_SIGNAL_BASE = 128  # shells add it to the signal number


def exit_assertion(name: str, status: int) -> Assertion:
    """Return the assertion that the exit status is 0; `status` is minus the signal number, as in subprocess."""
    number = _SIGNAL_BASE - status if status < 0 else status
    how = f"killed by {_signal(-status)} (exit status {number})" if status < 0 else f"exit status {number}"
    return Assertion(
        f"command {name}", "failed" if status else "passed", how, "exit status 0", "exit-status", number, 0, 1
    )


def prepend(assertion: Assertion, checked: Checked) -> Checked:
    """Insert an assertion before the others; the check then passes only if this one does, too."""
    passed = checked.passed and assertion.status == "passed"
    return msgspec.structs.replace(checked, passed=passed, assertions=[assertion, *checked.assertions])


def _signal(number: int) -> str:
    with suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"
