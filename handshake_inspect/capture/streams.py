"""Byte streams: the raw bytes of a file, pipe or file object, and the same decompressed."""

import io
import select
from collections.abc import Callable
from typing import Any, Protocol

from handshake_inspect.capture.codecs import Codec

FAILED = "failed"  # an error of the device or the network, not of the data


class ByteStream(Protocol):
    """What a `Source` reads from."""

    @property
    def consumed(self) -> int:
        """Bytes read from the file itself, compressed or not."""

    error: tuple[str, str] | None  # kind and reason, if the stream ended early

    def read_into(self, view: memoryview) -> int:
        """Block until bytes are available and copy them into `view`; return their number, 0 at the end."""

    def peek(self, count: int) -> bytes:
        """Return the next `count` bytes without consuming them; fewer only at the end."""


class PlainStream:
    """The bytes of a binary file object, unchanged; an I/O error ends the stream."""

    def __init__(self, file: Any) -> None:
        self.consumed = 0
        self.error: tuple[str, str] | None = None
        self._file = file
        self._read = _reader_of(file)
        self._head = b""

    def peek(self, count: int) -> bytes:
        """Return the next `count` bytes without consuming them; fewer only at the end."""
        room = bytearray(count)
        while len(self._head) < count:
            got = self._receive(memoryview(room)[: count - len(self._head)])
            if not got:
                break
            self._head += room[:got]
        return self._head[:count]

    def read_into(self, view: memoryview) -> int:
        """Block until bytes are available and copy them into `view`; return their number, 0 at the end."""
        if self._head:
            count = min(len(self._head), len(view))
            view[:count] = self._head[:count]
            self._head = self._head[count:]
            return count
        return self._receive(view)

    def _receive(self, view: memoryview) -> int:
        try:
            count = self._read(view)
            while count is None:  # a non-blocking file without data yet
                select.select([self._file], [], [])
                count = self._read(view)
        except (OSError, ValueError) as error:
            self.error = FAILED, f"reading failed ({getattr(error, 'strerror', None) or error})"
            return 0
        self.consumed += count
        return count


def _reader_of(file: Any) -> Callable[[memoryview], int | None]:
    """Return a function that reads what is available, without waiting for a full block if the file supports that."""
    if (
        type(file) is io.FileIO
        or isinstance(file, io.RawIOBase)
        or not (hasattr(file, "readinto1") or hasattr(file, "read"))
    ):
        return file.readinto  # type: ignore[no-any-return]
    if hasattr(file, "readinto1"):
        return file.readinto1  # type: ignore[no-any-return]

    def read(view: memoryview) -> int | None:
        data = file.read(len(view))
        if data is None:
            return None
        view[: len(data)] = data
        return len(data)

    return read


class DecompressedStream:
    """The decompressed contents of a stream with one or more compressed members, up to any damage."""

    INPUT_SIZE = 1 << 16

    def __init__(self, packed: PlainStream, codec: Codec) -> None:
        self.error: tuple[str, str] | None = None
        self._packed = packed
        self._codec = codec
        self._decoder = codec.decoder()
        self._block = memoryview(bytearray(self.INPUT_SIZE))
        self._input = b""
        self._output = b""
        self._inside = False  # in the middle of a member
        self._ended = False

    @property
    def consumed(self) -> int:
        """Compressed bytes read from the file."""
        return self._packed.consumed

    def peek(self, count: int) -> bytes:
        """Return the next `count` bytes without consuming them; fewer only at the end."""
        while len(self._output) < count and self._produce(count):
            pass
        return self._output[:count]

    def read_into(self, view: memoryview) -> int:
        """Block until bytes are available and copy them into `view`; return their number, 0 at the end."""
        if not self._output and not self._produce(len(view)):
            return 0
        count = min(len(self._output), len(view))
        view[:count] = self._output[:count]
        self._output = self._output[count:]
        return count

    def _produce(self, room: int) -> bool:
        """Decompress until there is some output; return False at the end."""
        while not self._ended:
            if not self._input and not self._decoder.has_pending and not self._more_input():
                break
            if self._decoder.ended and not self._next_member():
                continue
            data = self._step(room)
            if data:
                self._output += data
                return True
        return False

    def _more_input(self) -> bool:
        count = self._packed.read_into(self._block)
        self._input = bytes(self._block[:count])
        if not count:
            self._ended = True
            self.error = self._packed.error
            if self._inside and self.error is None:
                self.error = ("cut", f"the {self._codec.name} data ends early")
        return count > 0

    def _next_member(self) -> bool:
        """Start the next member after any zero padding; return False if none follows."""
        self._input = self._input.lstrip(b"\0")
        if not self._input:
            return False
        if not self._codec.is_member(self._input):
            self._ended = True
            return False
        self._decoder = self._codec.decoder()
        return True

    def _step(self, room: int) -> bytes:
        decoder = self._decoder
        data = decoder.feed(self._input, room)
        self._input = decoder.unused
        self._inside = not decoder.ended
        if decoder.damaged:
            self._ended = True
            self.error = "damaged", f"the {self._codec.name} data is damaged"
        return data
