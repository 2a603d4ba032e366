"""Python entry points to `engine.unlocked`, whose function only compiled modules can call."""

from handshake_inspect.capture.frames import FrameReader
from handshake_inspect.engine import unlocked
from handshake_inspect.engine.pump import Pump


def drain(pump: Pump, reader: FrameReader) -> int:
    """Decode and track all frames in the reader's buffer; the compiled build releases the GIL meanwhile."""
    return unlocked.drain(pump, reader)
