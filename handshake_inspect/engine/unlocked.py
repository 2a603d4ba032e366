"""What the pump does, without Python's lock in the compiled build, so that other threads can run."""

from handshake_inspect.capture.frames import FrameReader
from handshake_inspect.engine.pump import Pump
from handshake_inspect.engine.relay import Relay


def drain(pump: Pump, reader: FrameReader) -> int:
    """Decode and track all frames that the reader has; see `Pump.drain`."""
    return pump.run(reader)


def follow(relay: Relay) -> int:
    """Track what comes through a relay."""
    return relay.run()
