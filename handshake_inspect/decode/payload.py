"""Access to the captured payload of a segment, without copying it.

The bytes stay in the block that the frame was read from, and are valid while its batch is tracked.  For records other
than ICMP errors, `reporter_hi` holds the position and `reporter_lo` the number of captured bytes (0 if never set).
In the pure build the position is an offset into `owners[batch_slot]`, a list that belongs to the batch; in the compiled
build it is an address, and the list only keeps buffers of the slow decoder alive.
"""

from typing import Any


def set_payload(data: Any, at: int, captured: int, out: Any) -> None:
    """Record that `captured` bytes of payload begin at `data[at]`."""
    out.reporter_hi = at
    out.reporter_lo = captured


def owners_of(storage: Any) -> Any:
    """Return the list of buffers that hold the payloads of `storage`; NULL in the compiled build, which needs none."""
    return storage.owners


def captured(segment: Any) -> int:
    """Return the number of captured payload bytes."""
    held: int = segment.reporter_lo
    sent: int = segment.payload_len
    return min(held, sent)


def byte(owners: Any, segment: Any, i: int) -> int:
    """Return byte `i` of the captured payload."""
    value: int = owners[segment.batch_slot][segment.reporter_hi + i]
    return value


def append(kept: bytearray, owners: Any, segment: Any) -> None:
    """Append the captured payload to `kept`."""
    at = start(segment)
    kept += memory(owners, segment)[at : at + captured(segment)]


def memory(owners: Any, segment: Any) -> Any:
    """Return the buffer that holds the payload from index `start` on."""
    return owners[segment.batch_slot]


def start(segment: Any) -> int:
    """Return the index in `memory` where the payload begins; 0 in the compiled build."""
    at: int = segment.reporter_hi
    return at
