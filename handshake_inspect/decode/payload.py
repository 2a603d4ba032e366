"""Where the payload of a segment lies: in the block that its frame was read from, as long as its batch is tracked.

`reporter_hi` and `reporter_lo` of a segment that is no ICMP error say so: place and captured bytes.  The pure build
has offsets, and the owner of record `spare` in a list beside the records; the compiled build has addresses, and the
list only keeps alive what the slow decoder made.  A record that nobody gave a place has captured nothing.
"""

from typing import Any


def place(data: Any, at: int, captured: int, out: Any) -> None:
    """Note that so many bytes of payload were captured from `data[at]` on."""
    out.reporter_hi = at
    out.reporter_lo = captured


def owners_of(storage: Any) -> Any:
    """Who owns the bytes of the records of `storage`; nothing that the compiled build needs to know."""
    return storage.owners


def captured(segment: Any) -> int:
    """How many bytes of payload the capture holds."""
    held: int = segment.reporter_lo
    sent: int = segment.payload_len
    return min(held, sent)


def byte(owners: Any, segment: Any, i: int) -> int:
    """Byte `i` of what was captured of the payload."""
    value: int = owners[segment.spare][segment.reporter_hi + i]
    return value


def append(kept: bytearray, owners: Any, segment: Any) -> None:
    """Put what was captured of the payload behind the bytes of `kept`."""
    at = start(segment)
    kept += memory(owners, segment)[at : at + captured(segment)]


def memory(owners: Any, segment: Any) -> Any:
    """The bytes that hold the payload, from `start` on."""
    return owners[segment.spare]


def start(segment: Any) -> int:
    """Where in `memory` the payload begins: the compiled build's begin with it."""
    at: int = segment.reporter_hi
    return at
