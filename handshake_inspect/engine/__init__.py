"""The one place that knows all stages: captures in, report out."""

from handshake_inspect.engine.analysis import Options, analyze
from handshake_inspect.engine.stream import Progress

__all__ = ["Options", "Progress", "analyze"]
