"""From a path, standard input or a file object to frames: opens it, says what it is, feeds its reader."""

import errno
import io
import os
import stat
import sys
from typing import IO, TYPE_CHECKING, Any

from handshake_inspect.capture import sniff
from handshake_inspect.capture.closing import Closes
from handshake_inspect.capture.codecs import codec_of
from handshake_inspect.capture.file_stretch import Stretch
from handshake_inspect.capture.frames import FrameReader
from handshake_inspect.capture.pcap import PcapReader
from handshake_inspect.capture.pcapng import PcapngReader
from handshake_inspect.capture.remote import RemoteFile, is_remote, shown
from handshake_inspect.capture.streams import FAILED, ByteStream, PackedStream, PlainStream
from handshake_inspect.errors import CaptureError, NoCaptureError, Problem

if TYPE_CHECKING:
    from handshake_inspect.capture.read_ahead import ReadAhead

BLOCK_SIZE = 1 << 18
LARGE = 1 << 21  # bytes of a capture that is worth threads
_LEAST_BUFFER = 1 << 12
_STANDARD_INPUT = "standard input"
_LEAST_REQUEST = 1 << 16  # bytes asked for at a time of what lies elsewhere

_READERS: dict[str, type[FrameReader]] = {"pcap": PcapReader, "pcapng": PcapngReader}

Input = str | os.PathLike[str] | IO[bytes]


class Source(Closes):
    """One capture and the reader of its frames.

    The pump calls `reader.step()`; at NEED_MORE it calls `fill()`, and ends when that is False; at DAMAGED
    it ends.  Blocks go into one buffer that is used again: a frame is valid until the next `fill`.
    """

    def __init__(
        self, file: Any, name: str, size: int | None = None, block_size: int = BLOCK_SIZE, owned: bool = True
    ) -> None:
        """Recognise what `file` holds; raises CaptureError when that is nothing or no capture.

        The file is closed at its end if it is `owned`.
        """
        self.name = name
        self.size = size  # bytes of the file, None when it has no end yet
        self.compression: str | None = None
        self._file = file if owned else None
        self._stream: ByteStream = PlainStream(file)
        self.format = self._recognise()
        self.reader = _READERS[self.format]()
        self.problems: list[Problem] = self.reader.problems
        self.before = 0  # frames of the trace before this file, which are counted in the numbers of its frames
        self._block_size = block_size
        self._buffer = bytearray(max(block_size, _LEAST_BUFFER))
        self._view = memoryview(self._buffer)
        self._base = 0  # byte of the stream that the buffer begins with
        self._ahead: ReadAhead | None = None
        self._ended = False
        self._cut = False
        self._stop: int | None = None  # the first record that begins here or later is none of ours

    @property
    def names(self) -> list[str]:
        """The name, as the only one of a list (a merged trace has several)."""
        return [self.name]

    @property
    def consumed(self) -> int:
        """Bytes of the file that were read, to be compared with `size`."""
        return self._stream.consumed

    @property
    def complete(self) -> bool:
        """Neither cut nor damaged, so far."""
        return not (self._cut or self.reader.damaged)

    @property
    def link_types(self) -> list[int]:
        """Link types that were declared so far, in order of appearance."""
        return self.reader.link_types

    @property
    def filters(self) -> list[str | None]:
        """The filters that the frames passed when they were captured, each once; None stands for what is not said."""
        return self.reader.filters or [None]

    @property
    def dropped(self) -> int | None:
        """Packets that the capturing side says it lost, None when it does not say."""
        return self.reader.dropped()

    @property
    def seen_until_ns(self) -> int | None:
        """When the capturing side ended the capture, None when it does not say: known when all is read."""
        return self.reader.seen_until()

    def read_ahead(self, most: int = 1) -> None:
        """Have a thread read, and unpack, the blocks from now on; for files, since a pipe may be silent for ever.

        `most` threads, none if it is 0: as of a trace of many files.
        Raises RuntimeError when there can be no thread; then nothing changes.
        """
        from handshake_inspect.capture.read_ahead import ReadAhead  # noqa: PLC0415  most captures are small

        if most:
            self._ahead = ReadAhead(self._stream)

    @property
    def is_read_ahead(self) -> bool:
        """Whether a thread reads it, and so the bytes of a block stay until the one behind the next is asked for."""
        return self._ahead is not None

    def follow(self, reader: FrameReader) -> None:
        """Count the frames of this file, of which none was read yet, on from those of the file before it."""
        self.before = self.reader.frames = reader.frames
        self.reader.ts_ns = reader.ts_ns

    @property
    def has_stretches(self) -> bool:
        """Whether any part of it can be read without what is before: a file that is not compressed, with its size."""
        is_there = self._file is not None and bool(self.size) and self.compression is None
        return is_there and (not isinstance(self._file, RemoteFile) or self._file.in_parts)

    def last_bytes(self, count: int) -> bytes:
        """Show the last bytes of a file that is not compressed; none of what has no end yet."""
        return self.bytes_at(max((self.size or 0) - count, 0), count)

    def bytes_at(self, start: int, count: int) -> bytes:
        """Show `count` bytes from `start` on, of a file that is not compressed; none of what has no end yet."""
        if self._file is None or not self.has_stretches:
            return b""
        if isinstance(self._file, RemoteFile):
            return self._file.bytes_at(start, count)
        return os.pread(self._file.fileno(), count, start)

    def only(self, stretch: Stretch) -> None:
        """Read no more than a stretch of the file, of which no frame was read yet."""
        assert self._file is not None  # noqa: S101
        self._stop = stretch.stop
        if not stretch.begin:
            return
        self._file.seek(stretch.begin)
        self._stream = PlainStream(self._file)
        self._base = stretch.begin
        self.before -= stretch.frames
        self.reader.resume(stretch.head or b"")
        self.reader.odd_times = stretch.odd_times
        self.reader.ts_ns = stretch.ts_ns
        self.reader.feed(self._buffer, 0, 0, stretch.begin)

    def fill(self) -> bool:
        """Put another block behind what the reader left unread; False at the end of the input, or where it is damaged.

        CaptureError, with how far it came, where reading failed: that is no shorter capture.
        """
        if self._ended or self.reader.damaged:
            return False
        count = self._fill() if self._ahead is None else self._ahead.feed(self.reader)
        if not count:
            self._end()
        return count > 0

    def close(self) -> None:
        """Let go of the file; what was read stays."""
        self._ended = True
        if self._ahead is not None:
            self._ahead.close()
            self._ahead = None
        if self._file is not None:
            self._file.close()

    def forget(self) -> None:
        """Free the buffers of what is closed; what it says of itself stays."""
        self._buffer = bytearray()
        self._view = memoryview(self._buffer)
        self.reader.feed(b"", 0, 0, 0)

    def _fill(self) -> int:
        reader = self.reader
        start, end = self._make_room(reader.position, reader.limit)
        room = self._block_size if self._stop is None else min(self._block_size, self._left(self._stop))
        count = self._stream.read_into(self._view[end : end + room]) if room else 0
        reader.feed(self._buffer, start, end + count, self._base)
        return count

    def _left(self, stop: int) -> int:
        """How many bytes there are before `stop`, then how many are wanted for the record that begins before it."""
        reader = self.reader
        to_stop = stop - (reader.offset + reader.limit)
        if to_stop > 0:
            return to_stop
        is_open = reader.offset + reader.position < stop or reader.unfinished() >= 0
        return reader.wanted - (reader.limit - reader.position) if is_open else 0

    def _make_room(self, start: int, end: int) -> tuple[int, int]:
        """Where the unread bytes begin and end, with room behind them."""
        size = len(self._buffer)
        if start and size - end < size // 2:
            self._view[: end - start] = self._view[start:end]
            self._base += start
            start, end = 0, end - start
        if end == size:
            # A frame longer than the buffer.  Growth follows the bytes that came, not the length that was claimed.
            larger = bytearray(2 * size)
            larger[:end] = self._view
            self._buffer, self._view = larger, memoryview(larger)
        return start, end

    def _end(self) -> None:
        self.close()
        reader = self.reader
        where = reader.unfinished()
        frames = reader.frames - self.before
        trouble = self._stream.trouble
        if where < 0 and trouble is None:
            return
        self._cut = True
        kind, reason = trouble or ("cut", "the capture is cut")
        if kind == FAILED:
            how_far = f"after frame {frames}, {self._stream.consumed} bytes into the file"
            raise CaptureError(
                f"{self.name}: {reason} {how_far}; nothing after that was read: copy the file and try again"
            )
        if where >= 0:
            reason += f": the record at byte {where}, after frame {frames}, is incomplete"
        else:
            where = reader.offset + reader.limit
            reason += f" at byte {where}, after frame {frames}"
        self.problems.append(Problem(kind, reason, reader.frames, where))

    def _recognise(self) -> str:
        head = self._stream.peek(sniff.SNIFFED)
        codec = codec_of(head)
        if codec is not None and isinstance(self._stream, PlainStream):
            self.compression = codec.name
            self._stream = PackedStream(self._stream, codec)
            head = self._stream.peek(sniff.SNIFFED)
        found = sniff.container(head)
        refusal = self._refusal(head) if found is None else self._header_refusal(found)
        if found is None or refusal is not None:
            if self._file is not None:
                self._file.close()
            raise NoCaptureError(f"{self.name}: {refusal}")
        return found

    def _header_refusal(self, found: str) -> str | None:
        """Why a file that begins as a capture does is none: its header is not whole, or says what cannot be."""
        wanted = sniff.HEADERS[found]
        head = self._stream.peek(wanted)
        if len(head) == wanted:
            flaw = sniff.flaw(found, head)
            if flaw is not None:
                return f"not a capture that hsi can read: {flaw}; get the file again"
            wanted = sniff.header_len(found, head)
            head = self._stream.peek(wanted)
        if len(head) == wanted:
            return None
        why = f"{self._stream.trouble[1]}: it" if self._stream.trouble else "it"
        return f"not a capture yet: {why} ends inside its file header, after {len(head)} bytes; get the file again"

    def _refusal(self, head: bytes) -> str:
        if self._stream.trouble and not head:
            return f"{self._stream.trouble[1]} before the first byte of a capture; get the file again"
        if not head and self.compression:
            return f"the {self.compression} file is empty inside; capture again"
        if not head:
            return "is empty (0 bytes); was anything captured, and did the capture program end properly?"
        if len(head) < 4:
            return f"is too short to be a capture ({len(head)} bytes); get the file again"
        what, fix = sniff.nature(head)
        inside = f", packed with {self.compression}" if self.compression else ""
        return f"not a capture that hsi can read: {what}{inside}; {fix}"


def open_source(where: Input, block_size: int = BLOCK_SIZE) -> Source:
    """Open the capture at a path, on standard input (`-`), or in a binary file object.

    Raises CaptureError, with a message for the user, when there is none.
    """
    if not isinstance(where, str | os.PathLike):
        return Source(where, _name_of(where), None, block_size, owned=False)
    if where == "-":
        file, name, ours = _standard_input()
        return Source(file, name, None, block_size, owned=ours)
    if is_remote(where):
        return _remote(str(where), block_size)
    name = _shown(os.fspath(where))
    file = _open(where, name)
    try:
        status = os.fstat(file.fileno())
        if stat.S_ISREG(status.st_mode) and sniff.is_foreign(os.pread(file.fileno(), sniff.SNIFFED, 0)):
            from handshake_inspect.capture import wireshark  # noqa: PLC0415  seldom needed

            if (converted := wireshark.converted(where)) is not None:
                file.close()
                return Source(converted, name, None, block_size)
        return Source(file, name, status.st_size if stat.S_ISREG(status.st_mode) else None, block_size)
    except BaseException:
        file.close()
        raise


def _remote(url: str, block_size: int) -> Source:
    file = RemoteFile(url) if block_size >= BLOCK_SIZE else RemoteFile(url, max(block_size, _LEAST_REQUEST))
    try:
        return Source(file, shown(url), file.size, block_size)
    except BaseException:
        file.close()
        raise


def _open(path: str | os.PathLike[str], name: str) -> Any:
    try:
        return open(path, "rb", buffering=0)  # noqa: PTH123 - of thousands of files
    except FileNotFoundError:
        reason = "no such file; check the path"
    except IsADirectoryError:
        reason = "is a directory; name the capture files in it"
    except PermissionError:
        reason = "permission denied; read it as a user who may, for example with sudo"
    except ValueError:
        reason = "is not a possible path; check the spelling"
    except OSError as error:
        reason = f"cannot be opened ({error.strerror}); check the path"
        if error.errno == errno.EMFILE:
            reason = "too many files are open; raise the limit with ulimit -n, or merge them first with mergecap"
    raise CaptureError(f"{name}: {reason}")


def raw_input(where: str) -> Any:
    """The raw file of a path or of standard input (`-`); raises CaptureError as `open_source`."""
    return _standard_input()[0] if where == "-" else _open(where, name_of(where))


def name_of(where: str) -> str:
    """The name of a path or of standard input (`-`), as it is shown."""
    return _STANDARD_INPUT if where == "-" else _shown(where)


def _standard_input() -> tuple[Any, str, bool]:
    """The file, its name, and whether it is ours to close."""
    name = _STANDARD_INPUT
    if sys.stdin is None or sys.stdin.closed:
        raise CaptureError(f"{name}: is closed; pipe a capture into hsi or name a file")
    if sys.stdin.isatty():
        raise CaptureError(f"{name}: is a terminal; pipe a capture into hsi or name a file")
    try:
        # A descriptor of our own: closing it leaves sys.stdin alone.
        file = open(os.dup(sys.stdin.fileno()), "rb", buffering=0)  # noqa: PTH123, SIM115
    except io.UnsupportedOperation:  # a stand-in without a descriptor
        return sys.stdin.buffer, name, False
    return file, name, True


def _name_of(file: Any) -> str:
    name = getattr(file, "name", None)
    return _shown(name) if isinstance(name, str) else "input"


def _shown(name: str) -> str:
    """Give a name on one line, whatever bytes it has."""
    return str(name) if name.isprintable() else ascii(str(name))[1:-1]
