"""The pytest plugin, which provides the fixture `handshakes`.

It must not slow down test runs that do not use it: this module imports no third-party library but pytest, and prints
nothing.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from handshake_inspect.errors import LiveError, NoSuchInterfaceError
from handshake_inspect.testing.captured import Captured
from handshake_inspect.testing.capturing import Capture

_CAPTURES = pytest.StashKey[list[Captured]]()


class Handshakes:
    """Creates the captures of one test."""

    def __init__(self, captures: list[Captured]) -> None:
        self._captures = captures

    def capture(self, interface: str, **options: Any) -> Capture:
        """Capture while a block runs, as `handshake_inspect.testing.capture` does; skip the test if not possible.

        An unknown interface is an error.
        """
        capture = _Skipping(interface, **options)
        self._captures.append(capture.captured)
        return capture


class _Skipping(Capture):
    def __enter__(self) -> Captured:
        try:
            return super().__enter__()
        except NoSuchInterfaceError:  # a mistake in the test: skipping would hide it for good
            raise
        except LiveError as error:
            reason = f"cannot capture: {error}"
        pytest.skip(reason)


@pytest.fixture
def handshakes(request: pytest.FixtureRequest) -> Handshakes:
    """Capture TCP connections: `with handshakes.capture("lo", port=8080) as report:`, then assert on `report`."""
    return Handshakes(request.node.stash.setdefault(_CAPTURES, []))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    """Attach the test's captures to its failure report."""
    outcome = yield
    report = outcome.get_result()
    if not report.failed:
        return
    for captured in item.stash.get(_CAPTURES, ()):
        if captured.is_filled:
            report.sections.append((f"Captured {captured.name}", captured.text()))
