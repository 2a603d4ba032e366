"""Capture the TCP connections that a block of code makes, for assertions in tests.

>>> from handshake_inspect.testing import capture
>>> with capture("lo", port=8080) as report:  # doctest: +SKIP
...     fetch("http://127.0.0.1:8080/")
>>> report.outcomes.established == report.connections  # doctest: +SKIP
True

The pytest fixture `handshakes` has a `capture` that does the same and skips the test where capturing is not possible.
NumPy and other slow imports are deferred until the first capture starts.
"""

from handshake_inspect.testing.captured import Captured, NotCapturedError
from handshake_inspect.testing.capturing import Capture, capture

__all__ = ["Capture", "Captured", "NotCapturedError", "capture"]
