"""The door to `engine.unlocked`, which only compiled modules can call."""

from handshake_inspect.capture.frames import FrameReader
from handshake_inspect.engine import unlocked
from handshake_inspect.engine.pump import Pump
from handshake_inspect.engine.relay import Relay


def drain(pump: Pump, reader: FrameReader) -> int:
    """Take all frames that are in the reader's buffer; in the compiled build other threads run at the same time."""
    return unlocked.drain(pump, reader)


def follow(relay: Relay) -> None:
    """Track what comes through a relay until it is closed: a thread does nothing else."""
    try:
        unlocked.follow(relay)
    except BaseException as error:  # it is raised where segments are put
        relay.fail(error)
