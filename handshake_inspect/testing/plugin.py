"""The pytest plugin: the fixture `handshakes`.

It costs a test run that does not use it next to nothing: pytest imports this module and what it imports, which is no
library, and nothing is printed.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from handshake_inspect.errors import LiveError, NoSuchInterfaceError
from handshake_inspect.testing.captured import Captured
from handshake_inspect.testing.capturing import Capture

_TAKEN = pytest.StashKey[list[Captured]]()


class Handshakes:
    """Makes captures for one test."""

    def __init__(self, taken: list[Captured]) -> None:
        self._taken = taken

    def capture(self, interface: str, **options: Any) -> Capture:
        """Capture while a block runs, as `handshake_inspect.testing.capture` does; skip the test where none can be.

        An interface that does not exist is an error.
        """
        made = _Skipping(interface, **options)
        self._taken.append(made.captured)
        return made


class _Skipping(Capture):
    def __enter__(self) -> Captured:
        try:
            return super().__enter__()
        except NoSuchInterfaceError:  # a slip of the test: were it skipped, it would stay so for ever
            raise
        except LiveError as error:
            reason = f"cannot capture: {error}"
        pytest.skip(reason)


@pytest.fixture
def handshakes(request: pytest.FixtureRequest) -> Handshakes:
    """What happened to TCP connections: `with handshakes.capture("lo", port=8080) as report:`, then ask the report."""
    return Handshakes(request.node.stash.setdefault(_TAKEN, []))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    """Add what was captured to the report of a failure."""
    outcome = yield
    report = outcome.get_result()
    if not report.failed:
        return
    for captured in item.stash.get(_TAKEN, ()):
        if captured.is_filled:
            report.sections.append((f"Captured {captured.name}", captured.text()))
