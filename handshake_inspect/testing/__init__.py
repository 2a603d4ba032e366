"""For tests: what happened to the TCP connections that were made in a block of code.

>>> from handshake_inspect.testing import capture
>>> with capture("lo", port=8080) as report:  # doctest: +SKIP
...     fetch("http://127.0.0.1:8080/")
>>> report.outcomes.established == report.connections  # doctest: +SKIP
True

pytest has the fixture `handshakes`, whose `capture` does the same, and skips the test where it is not possible.  NumPy
and all else that costs time is imported when the first capture begins.
"""

from handshake_inspect.testing.captured import Captured, NotCapturedError
from handshake_inspect.testing.capturing import Capture, capture

__all__ = ["Capture", "Captured", "NotCapturedError", "capture"]
