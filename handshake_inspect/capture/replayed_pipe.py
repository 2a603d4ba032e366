"""A pipe that can be read once more: what comes through it is kept, as long as it is little."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from functools import partial
from typing import IO, Any, cast

from handshake_inspect.capture.remote import is_remote
from handshake_inspect.capture.source import Input, name_of, raw_input

MOST = 1 << 25  # bytes that are kept


class Remembered(io.RawIOBase):
    """Reads from a file, and keeps what came; nothing of what is longer than `MOST`."""

    def __init__(self, opened: Callable[[], Any], name: str) -> None:
        """`opened` gives the file, when the first bytes are asked for: a pipe opens when somebody writes to it."""
        super().__init__()
        self.name = name
        self._opened = opened
        self._take: Callable[[memoryview], int | None] | None = None
        self._kept: bytearray | None = bytearray()

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read as a raw file does."""
        if self._take is None:
            self._file = self._opened()
            self._take = getattr(self._file, "readinto1", None) or self._file.readinto
        view = memoryview(buffer).cast("B")
        count = self._take(view)
        if self._kept is not None and count:
            self._kept += view[:count]
            if len(self._kept) > MOST:
                self._kept = None
        return count

    def again(self) -> io.BytesIO | None:
        """All that came, from its beginning; None where it was too long."""
        if self._kept is None:
            return None
        copy = io.BytesIO(self._kept)
        copy.name = self.name
        return copy


def is_there_again(where: str) -> bool:
    """Whether what is at a path or an address can be read once more: no pipe, no device, and not `-`."""
    return where != "-" and (is_remote(where) or os.path.isfile(where))  # noqa: PTH113 - of thousands of files


def remembered(where: Input) -> Input:
    """A pipe as one that is remembered; what can be read once more anyway stays as it is."""
    if not isinstance(where, str) or is_there_again(where):
        return where
    if where != "-" and not os.path.exists(where):  # noqa: PTH110 - opening it says what is wrong
        return where
    return cast("IO[bytes]", Remembered(partial(raw_input, where), name_of(where)))


def readable_again(where: Input) -> Input | None:
    """The same input for one more pass; None where there can be none."""
    if isinstance(where, Remembered):
        return where.again()
    return where if isinstance(where, str) and is_there_again(where) else None
