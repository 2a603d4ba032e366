"""The old name of `verdicts.attempts`."""

from handshake_inspect.verdicts.attempts import Attempts as Trace
from handshake_inspect.verdicts.sets import host_key

__all__ = ["Trace", "host_key"]
