"""A stretch of a file: records from a byte on, as if the file began with what its head says."""

from typing import NamedTuple


class Stretch(NamedTuple):
    """Which records of a file are read: those that begin at `begin` or later, and before `stop`."""

    begin: int
    stop: int | None = None  # None for the end of the file
    head: bytes | None = None  # what readers need to know of the file before; None: look for the first record yourself
    frames: int = 0  # numbers that were used up before it
    odd_times: int = 0  # of the frames before it
    ts_ns: int = 0  # time of the frame before it
