"""Compression formats of captures: their magic numbers, and one decoder interface for the different libraries.

Decoders buffer a bounded amount of input, and return everything that precedes a damaged byte.
"""

import bz2
import lzma
import zlib
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple, Protocol

_OUTPUT_CHUNK = 1 << 12  # bytes to request at a time: at most this much is lost before a damaged byte
_MAX_DICTIONARY = 1 << 28
_INPUT_CHUNK = 1 << 10  # compressed bytes to feed a library that cannot limit its output: at most 44 MiB
_SKIPPABLE = tuple(bytes((0x50 + kind, 0x2A, 0x4D, 0x18)) for kind in range(16))  # skippable frames of zstd and lz4


class Decoder(Protocol):
    """Decompresses one member of a stream."""

    unused: bytes  # input not consumed: feed it again, or it follows the end of the member
    has_pending: bool  # more output is available without further input
    ended: bool
    damaged: bool

    def feed(self, data: bytes, room: int) -> bytes:
        """Decompress `data` and return about `room` bytes at most."""


class _GzipDecoder:
    """Decoder for gzip."""

    def __init__(self) -> None:
        self.unused = b""
        self.has_pending = self.ended = self.damaged = False
        self._inflate = zlib.decompressobj(31)

    def feed(self, data: bytes, room: int) -> bytes:
        before = self._inflate.copy()
        try:
            output = self._inflate.decompress(data, room)
        except zlib.error:
            return self._salvage(before, data)
        self.ended = self._inflate.eof
        self.unused = self._inflate.unused_data if self.ended else self._inflate.unconsumed_tail
        self.has_pending = not self.ended and len(output) == room
        return output

    def _salvage(self, inflate: Any, data: bytes) -> bytes:
        """Decompress up to the damaged byte: zlib returns nothing from a call that fails."""
        self.damaged = True
        output = bytearray()
        try:
            for at in range(len(data)):
                output += inflate.decompress(data[at : at + 1])
        except zlib.error:
            pass
        return bytes(output)


class _BufferingDecoder:
    """Decoder for bzip2, xz and lz4, whose libraries limit their output and buffer the remaining input."""

    def __init__(self, library: Any, errors: tuple[type[Exception], ...]) -> None:
        self.unused = b""
        self.has_pending = self.ended = self.damaged = False
        self._library = library
        self._errors = errors

    def feed(self, data: bytes, room: int) -> bytes:
        output = bytearray()
        try:
            while len(output) < room:
                output += self._library.decompress(data, min(room - len(output), _OUTPUT_CHUNK))
                data = b""
                if self._library.eof or self._library.needs_input:
                    break
        except self._errors:
            self.damaged = True
            return bytes(output)
        self.ended = self._library.eof
        self.unused = (self._library.unused_data or b"") if self.ended else b""
        self.has_pending = not (self.ended or self._library.needs_input)
        return bytes(output)


class _ZstdDecoder:
    """Decoder for zstd, whose library returns all output of its input at once."""

    def __init__(self) -> None:
        library = import_module("zstandard")
        self.unused = b""
        self.has_pending = self.ended = self.damaged = False
        self._error = library.ZstdError
        self._library = library.ZstdDecompressor().decompressobj()

    def feed(self, data: bytes, room: int) -> bytes:
        output = bytearray()
        at = 0
        try:
            while at < len(data) and len(output) < room and not self._library.eof:
                output += self._library.decompress(data[at : at + _INPUT_CHUNK])
                at += _INPUT_CHUNK
        except self._error:
            self.damaged = True
            return bytes(output)
        self.ended = self._library.eof
        self.unused = (self._library.unused_data if self.ended else b"") + data[at:]
        return bytes(output)


def _bzip2() -> Decoder:
    return _BufferingDecoder(bz2.BZ2Decompressor(), (OSError, ValueError))


def _xz() -> Decoder:
    return _BufferingDecoder(lzma.LZMADecompressor(lzma.FORMAT_XZ, _MAX_DICTIONARY), (lzma.LZMAError,))


def _lz4() -> Decoder:
    return _BufferingDecoder(import_module("lz4.frame").LZ4FrameDecompressor(), (RuntimeError,))


class Codec(NamedTuple):
    """A compression format."""

    name: str
    magic: bytes
    decoder: Callable[[], Decoder]
    member_magics: tuple[bytes, ...] = ()  # other magic numbers that further members may begin with

    def is_member(self, data: bytes) -> bool:
        """Return True if `data`, possibly only a few bytes, can begin another member."""
        return any(magic.startswith(data[: len(magic)]) for magic in (self.magic, *self.member_magics))


CODECS = (
    Codec("gzip", b"\x1f\x8b", _GzipDecoder),
    Codec("zstd", b"\x28\xb5\x2f\xfd", _ZstdDecoder, _SKIPPABLE),
    Codec("xz", b"\xfd7zXZ\x00", _xz),
    Codec("bzip2", b"BZh", _bzip2),
    Codec("lz4", b"\x04\x22\x4d\x18", _lz4, _SKIPPABLE),
)


def codec_of(head: bytes) -> Codec | None:
    """Return the compression format whose magic number `head` begins with, None if there is none."""
    return next((codec for codec in CODECS if head.startswith(codec.magic)), None)
