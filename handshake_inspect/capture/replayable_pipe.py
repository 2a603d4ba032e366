"""Make a pipe readable a second time by keeping its bytes, up to a limit."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from functools import partial
from typing import IO, Any, cast

from handshake_inspect.capture.remote import is_remote
from handshake_inspect.capture.source import Input, input_name, open_raw

MAX_KEPT = 1 << 25  # bytes


class ReplayablePipe(io.RawIOBase):
    """Reads from a file and keeps a copy of the bytes; discards it once it exceeds `MAX_KEPT`."""

    def __init__(self, opened: Callable[[], Any], name: str) -> None:
        """Defer `opened()`, which opens the file, to the first read: opening a pipe blocks until it has a writer."""
        super().__init__()
        self.name = name
        self._opened = opened
        self._take: Callable[[memoryview], int | None] | None = None
        self._kept: bytearray | None = bytearray()

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read as `io.RawIOBase.readinto` does."""
        if self._take is None:
            self._file = self._opened()
            self._take = getattr(self._file, "readinto1", None) or self._file.readinto
        view = memoryview(buffer).cast("B")
        count = self._take(view)
        if self._kept is not None and count:
            self._kept += view[:count]
            if len(self._kept) > MAX_KEPT:
                self._kept = None
        return count

    def copy(self) -> io.BytesIO | None:
        """Return all bytes read so far as a new file, None if they exceeded the limit."""
        if self._kept is None:
            return None
        copy = io.BytesIO(self._kept)
        copy.name = self.name
        return copy


def is_rereadable(where: str) -> bool:
    """Return True if a path or URL can be opened again: not a pipe, a device or standard input."""
    return where != "-" and (is_remote(where) or os.path.isfile(where))  # noqa: PTH113 - of thousands of files


def replayable(where: Input) -> Input:
    """Wrap a pipe in a `ReplayablePipe`; return any other input unchanged."""
    if not isinstance(where, str) or is_rereadable(where):
        return where
    if where != "-" and not os.path.exists(where):  # noqa: PTH110 - opening it reports the error
        return where
    return cast("IO[bytes]", ReplayablePipe(partial(open_raw, where), input_name(where)))


def reopened(where: Input) -> Input | None:
    """Return the input for another pass, None if it cannot be read again."""
    if isinstance(where, ReplayablePipe):
        return where.copy()
    return where if isinstance(where, str) and is_rereadable(where) else None
