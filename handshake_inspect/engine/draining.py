"""The door to `engine.unlocked`, which only compiled modules can call."""

from handshake_inspect.capture.frames import FrameReader
from handshake_inspect.engine import unlocked
from handshake_inspect.engine.pump import Pump


def drain(pump: Pump, reader: FrameReader) -> int:
    """As `Pump.drain`; in the compiled build other threads run at the same time."""
    return unlocked.drain(pump, reader)
