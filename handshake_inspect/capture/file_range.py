"""A byte range of a capture file that can be read on its own, given what preceded it."""

from typing import NamedTuple


class FileRange(NamedTuple):
    """Which records of a file are read: those that begin at `begin` or later, and before `stop`."""

    begin: int
    stop: int | None = None  # None for the end of the file
    preamble: bytes | None = (
        None  # what readers need to know of the file before; None: look for the first record yourself
    )
    frames: int = 0  # numbers that were used up before it
    bad_timestamps: int = 0  # of the frames before it
    ts_ns: int = 0  # time of the frame before it
