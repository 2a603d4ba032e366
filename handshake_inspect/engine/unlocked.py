"""What the pump does, without Python's lock in the compiled build: other threads go on meanwhile."""

from handshake_inspect.capture.frames import FrameReader
from handshake_inspect.engine.pump import Pump


def drain(pump: Pump, reader: FrameReader) -> int:
    """As `Pump.drain`."""
    return pump.run(reader)
