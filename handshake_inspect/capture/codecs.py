"""The compressions of captures: how each is recognised, and its library behind one interface.

Nothing a decoder was given grows without bound in it, and what it could still make out before a damaged byte is kept.
"""

import bz2
import lzma
import zlib
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple, Protocol

_STEP = 1 << 12  # bytes that a library may give at a time: as many are lost, at most, where the next one is damaged
_LARGEST_DICTIONARY = 1 << 28
_SIP = 1 << 10  # compressed bytes at a time, for a library that gives all that they become, at most 44 MiB
_SKIPPABLE = tuple(bytes((0x50 + kind, 0x2A, 0x4D, 0x18)) for kind in range(16))  # frames of zstd and lz4 without data


class Decoder(Protocol):
    """Decompresses one member of a stream."""

    rest: bytes  # what it did not take: to be given again, or behind the end of the member
    full: bool  # it has more to give, without any input
    ended: bool
    damaged: bool

    def feed(self, data: bytes, room: int) -> bytes:
        """Decompress, to about `room` bytes."""


class _Inflate:
    """Of gzip."""

    def __init__(self) -> None:
        self.rest = b""
        self.full = self.ended = self.damaged = False
        self._inflate = zlib.decompressobj(31)

    def feed(self, data: bytes, room: int) -> bytes:
        before = self._inflate.copy()
        try:
            given = self._inflate.decompress(data, room)
        except zlib.error:
            return self._salvage(before, data)
        self.ended = self._inflate.eof
        self.rest = self._inflate.unused_data if self.ended else self._inflate.unconsumed_tail
        self.full = not self.ended and len(given) == room
        return given

    def _salvage(self, inflate: Any, data: bytes) -> bytes:
        """Return what can be decompressed before the damaged byte: zlib gives nothing of a call that fails."""
        self.damaged = True
        given = bytearray()
        try:
            for at in range(len(data)):
                given += inflate.decompress(data[at : at + 1])
        except zlib.error:
            pass
        return bytes(given)


class _Stepping:
    """Of bzip2, xz and lz4, whose libraries keep what they were given until there is room for it."""

    def __init__(self, library: Any, errors: tuple[type[Exception], ...]) -> None:
        self.rest = b""
        self.full = self.ended = self.damaged = False
        self._library = library
        self._errors = errors

    def feed(self, data: bytes, room: int) -> bytes:
        given = bytearray()
        try:
            while len(given) < room:
                given += self._library.decompress(data, min(room - len(given), _STEP))
                data = b""
                if self._library.eof or self._library.needs_input:
                    break
        except self._errors:
            self.damaged = True
            return bytes(given)
        self.ended = self._library.eof
        self.rest = (self._library.unused_data or b"") if self.ended else b""
        self.full = not (self.ended or self._library.needs_input)
        return bytes(given)


class _Zstd:
    """Of zstd, whose library gives at once all that its input becomes."""

    def __init__(self) -> None:
        library = import_module("zstandard")
        self.rest = b""
        self.full = self.ended = self.damaged = False
        self._error = library.ZstdError
        self._library = library.ZstdDecompressor().decompressobj()

    def feed(self, data: bytes, room: int) -> bytes:
        given = bytearray()
        at = 0
        try:
            while at < len(data) and len(given) < room and not self._library.eof:
                given += self._library.decompress(data[at : at + _SIP])
                at += _SIP
        except self._error:
            self.damaged = True
            return bytes(given)
        self.ended = self._library.eof
        self.rest = (self._library.unused_data if self.ended else b"") + data[at:]
        return bytes(given)


def _bzip2() -> Decoder:
    return _Stepping(bz2.BZ2Decompressor(), (OSError, ValueError))


def _xz() -> Decoder:
    return _Stepping(lzma.LZMADecompressor(lzma.FORMAT_XZ, _LARGEST_DICTIONARY), (lzma.LZMAError,))


def _lz4() -> Decoder:
    return _Stepping(import_module("lz4.frame").LZ4FrameDecompressor(), (RuntimeError,))


class Codec(NamedTuple):
    """A compression."""

    name: str
    begins: bytes
    decoder: Callable[[], Decoder]
    goes_on: tuple[bytes, ...] = ()  # how another member may begin, besides

    def is_member(self, data: bytes) -> bool:
        """Whether another member begins with these bytes, which may be the first few of it."""
        return any(begins.startswith(data[: len(begins)]) for begins in (self.begins, *self.goes_on))


CODECS = (
    Codec("gzip", b"\x1f\x8b", _Inflate),
    Codec("zstd", b"\x28\xb5\x2f\xfd", _Zstd, _SKIPPABLE),
    Codec("xz", b"\xfd7zXZ\x00", _xz),
    Codec("bzip2", b"BZh", _bzip2),
    Codec("lz4", b"\x04\x22\x4d\x18", _lz4, _SKIPPABLE),
)


def codec_of(head: bytes) -> Codec | None:
    """Which compression data that begins so has; None when none is known."""
    return next((codec for codec in CODECS if head.startswith(codec.begins)), None)
