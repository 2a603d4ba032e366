"""Run the pump without the GIL in the compiled build, so that other threads can run."""

from handshake_inspect.capture.frames import FrameReader
from handshake_inspect.engine.pump import Pump


def drain(pump: Pump, reader: FrameReader) -> int:
    """Decode and track all frames in the reader's buffer; see `Pump.drain`."""
    return pump.run(reader)
