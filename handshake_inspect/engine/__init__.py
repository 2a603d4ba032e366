"""The pipeline that connects all stages: reads captures or live interfaces and returns reports."""

from handshake_inspect.engine.analysis import Options, analyze
from handshake_inspect.engine.stream import Progress

__all__ = ["Options", "Progress", "analyze"]
