"""Python entry points to `engine.unlocked`, whose functions only compiled modules can call."""

from handshake_inspect.capture.frames import FrameReader
from handshake_inspect.engine import unlocked
from handshake_inspect.engine.pump import Pump
from handshake_inspect.engine.relay import Relay


def drain(pump: Pump, reader: FrameReader) -> int:
    """Decode and track all frames in the reader's buffer; the compiled build releases the GIL meanwhile."""
    return unlocked.drain(pump, reader)


def follow(relay: Relay) -> None:
    """Body of the tracking thread: track the batches of a relay until it is closed."""
    try:
        unlocked.follow(relay)
    except BaseException as error:  # raised again in the decoding thread
        relay.fail(error)
