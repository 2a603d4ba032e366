"""Open one capture (path, URL, standard input or file object), detect its format and feed its frame reader."""

import errno
import io
import os
import stat
import sys
from typing import IO, TYPE_CHECKING, Any

from handshake_inspect.capture import sniff
from handshake_inspect.capture.closable import Closable
from handshake_inspect.capture.codecs import codec_of
from handshake_inspect.capture.file_range import FileRange
from handshake_inspect.capture.frames import FrameReader
from handshake_inspect.capture.pcap import PcapReader
from handshake_inspect.capture.pcapng import PcapngReader
from handshake_inspect.capture.remote import RemoteFile, display_name, is_remote
from handshake_inspect.capture.streams import FAILED, ByteStream, DecompressedStream, PlainStream
from handshake_inspect.errors import CaptureError, NoCaptureError, Problem

if TYPE_CHECKING:
    from handshake_inspect.capture.read_ahead import ReadAhead

BLOCK_SIZE = 1 << 18
LARGE_CAPTURE = 1 << 21  # bytes; from this size on, threads pay off
_MIN_BUFFER = 1 << 12
_STANDARD_INPUT = "standard input"
_MIN_REQUEST = 1 << 16  # bytes per request to a remote file

_READERS: dict[str, type[FrameReader]] = {"pcap": PcapReader, "pcapng": PcapngReader}

Input = str | os.PathLike[str] | IO[bytes]


class Source(Closable):
    """One capture and the reader of its frames.

    Call `reader.step()`; on NEED_MORE call `fill()` and stop when that returns False; on DAMAGED, stop.  All blocks go
    into one reused buffer: a frame is valid until the next `fill`.
    """

    def __init__(
        self, file: Any, name: str, size: int | None = None, block_size: int = BLOCK_SIZE, owned: bool = True
    ) -> None:
        """Detect the format of `file`; raise CaptureError if it is empty or not a capture.

        An `owned` file is closed at its end.
        """
        self.name = name
        self.size = size  # bytes of the file, None if unknown
        self.compression: str | None = None
        self._file = file if owned else None
        self._stream: ByteStream = PlainStream(file)
        self.format = self._detect_format()
        self.reader = _READERS[self.format]()
        self.problems: list[Problem] = self.reader.problems
        self.frames_before = 0  # frames of the trace before this file; frame numbers include them
        self._block_size = block_size
        self._buffer = bytearray(max(block_size, _MIN_BUFFER))
        self._view = memoryview(self._buffer)
        self._base = 0  # position of the buffer's first byte in the stream
        self._ahead: ReadAhead | None = None
        self._ended = False
        self._cut = False
        self._stop: int | None = None  # do not read records that begin here or later

    @property
    def names(self) -> list[str]:
        """The name as a list of one, as a merged trace has several."""
        return [self.name]

    @property
    def consumed(self) -> int:
        """Bytes of the file read so far, of `size`."""
        return self._stream.consumed

    @property
    def complete(self) -> bool:
        """True while the capture has not proved truncated or damaged."""
        return not (self._cut or self.reader.damaged)

    @property
    def link_types(self) -> list[int]:
        """Link types declared so far, in order of appearance."""
        return self.reader.link_types

    @property
    def filters(self) -> list[str | None]:
        """The distinct capture filters; None stands for an interface that declares none."""
        return self.reader.filters or [None]

    @property
    def dropped(self) -> int | None:
        """Packets reported as dropped by the capture, None if it reports none."""
        return self.reader.dropped()

    @property
    def seen_until_ns(self) -> int | None:
        """The recorded end of the capture, in nanoseconds since the epoch; None if not recorded or not yet read."""
        return self.reader.seen_until()

    def read_ahead(self, most: int = 1) -> None:
        """Read and decompress further blocks in a thread; for files only, since a pipe may never deliver.

        `most` is the number of threads, as for a trace of many files: 0 starts none.  Raises RuntimeError, without
        effect, if no thread can be started.
        """
        from handshake_inspect.capture.read_ahead import ReadAhead  # noqa: PLC0415  most captures are small

        if most:
            self._ahead = ReadAhead(self._stream)

    @property
    def reads_slowly(self) -> bool:
        """True if reading takes long enough for a thread to pay: a large file that is compressed or remote.

        An uncompressed local file does not: passing blocks between threads takes as long as reading them.
        """
        return (self.size or 0) >= LARGE_CAPTURE and (
            self.compression is not None or isinstance(self._file, RemoteFile)
        )

    def continue_from(self, reader: FrameReader) -> None:
        """Continue the frame numbers and time of the previous file's reader; no frame must have been read yet."""
        self.frames_before = self.reader.frames = reader.frames
        self.reader.ts_ns = reader.ts_ns

    @property
    def is_seekable(self) -> bool:
        """True if any part can be read without what precedes it: an uncompressed file of known size."""
        is_there = self._file is not None and bool(self.size) and self.compression is None
        return is_there and (not isinstance(self._file, RemoteFile) or self._file.supports_ranges)

    def last_bytes(self, count: int) -> bytes:
        """Return the last `count` bytes of the file, empty if it is not seekable; does not move the read position."""
        return self.bytes_at(max((self.size or 0) - count, 0), count)

    def bytes_at(self, start: int, count: int) -> bytes:
        """Return `count` bytes from `start` on, empty if it is not seekable; does not move the read position."""
        if self._file is None or not self.is_seekable:
            return b""
        if isinstance(self._file, RemoteFile):
            return self._file.bytes_at(start, count)
        return os.pread(self._file.fileno(), count, start)

    def restrict_to(self, file_range: FileRange) -> None:
        """Read only `file_range` of the file; no frame must have been read yet."""
        assert self._file is not None  # noqa: S101
        self._stop = file_range.stop
        if not file_range.begin:
            return
        self._file.seek(file_range.begin)
        self._stream = PlainStream(self._file)
        self._base = file_range.begin
        self.frames_before -= file_range.frames
        self.reader.resume(file_range.preamble or b"")
        self.reader.bad_timestamps = file_range.bad_timestamps
        self.reader.ts_ns = file_range.ts_ns
        self.reader.feed(self._buffer, 0, 0, file_range.begin)

    def fill(self) -> bool:
        """Append another block to what the reader left unread; return False at the end of the input or after damage.

        Raises CaptureError if reading fails, since the result would look like a complete but shorter capture.
        """
        if self._ended or self.reader.damaged:
            return False
        count = self._fill() if self._ahead is None else self._ahead.feed(self.reader)
        if not count:
            self._end()
        return count > 0

    def close(self) -> None:
        """Close the file; all that was read stays available."""
        self._ended = True
        if self._ahead is not None:
            self._ahead.close()
            self._ahead = None
        if self._file is not None:
            self._file.close()

    def free_buffers(self) -> None:
        """Free the buffers of a closed source; its properties stay available."""
        self._buffer = bytearray()
        self._view = memoryview(self._buffer)
        self.reader.feed(b"", 0, 0, 0)

    def _fill(self) -> int:
        reader = self.reader
        start, end = self._make_room(reader.position, reader.limit)
        room = self._block_size if self._stop is None else min(self._block_size, self._bytes_left(self._stop))
        count = self._stream.read_into(self._view[end : end + room]) if room else 0
        reader.feed(self._buffer, start, end + count, self._base)
        return count

    def _bytes_left(self, stop: int) -> int:
        """Return the bytes left before `stop`; after those, the bytes missing from a record that began before it."""
        reader = self.reader
        to_stop = stop - (reader.offset + reader.limit)
        if to_stop > 0:
            return to_stop
        is_open = reader.offset + reader.position < stop or reader.incomplete_at() >= 0
        return reader.needed - (reader.limit - reader.position) if is_open else 0

    def _make_room(self, start: int, end: int) -> tuple[int, int]:
        """Make space after the unread bytes; return their new start and end."""
        size = len(self._buffer)
        if start and size - end < size // 2:
            self._view[: end - start] = self._view[start:end]
            self._base += start
            start, end = 0, end - start
        if end == size:
            # A frame longer than the buffer.  Grow with the bytes received, not to the length that a header claims.
            larger = bytearray(2 * size)
            larger[:end] = self._view
            self._buffer, self._view = larger, memoryview(larger)
        return start, end

    def _end(self) -> None:
        self.close()
        reader = self.reader
        where = reader.incomplete_at()
        frames = reader.frames - self.frames_before
        error = self._stream.error
        if where < 0 and error is None:
            return
        self._cut = True
        kind, reason = error or ("cut", "the capture is cut")
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

    def _detect_format(self) -> str:
        head = self._stream.peek(sniff.SNIFF_LEN)
        codec = codec_of(head)
        if codec is not None and isinstance(self._stream, PlainStream):
            self.compression = codec.name
            self._stream = DecompressedStream(self._stream, codec)
            head = self._stream.peek(sniff.SNIFF_LEN)
        found = sniff.container(head)
        rejection = self._rejection(head) if found is None else self._header_rejection(found)
        if found is None or rejection is not None:
            if self._file is not None:
                self._file.close()
            raise NoCaptureError(f"{self.name}: {rejection}")
        return found

    def _header_rejection(self, found: str) -> str | None:
        """Return why a file with a capture's magic number is rejected (truncated or invalid header), or None."""
        wanted = sniff.MIN_HEADER_LEN[found]
        head = self._stream.peek(wanted)
        if len(head) == wanted:
            header_error = sniff.header_error(found, head)
            if header_error is not None:
                return f"not a capture that hsi can read: {header_error}; get the file again"
            wanted = sniff.header_len(found, head)
            head = self._stream.peek(wanted)
        if len(head) == wanted:
            return None
        why = f"{self._stream.error[1]}: it" if self._stream.error else "it"
        return f"not a capture yet: {why} ends inside its file header, after {len(head)} bytes; get the file again"

    def _rejection(self, head: bytes) -> str:
        if self._stream.error and not head:
            return f"{self._stream.error[1]} before the first byte of a capture; get the file again"
        if not head and self.compression:
            return f"the {self.compression} file is empty inside; capture again"
        if not head:
            return "is empty (0 bytes); was anything captured, and did the capture program end properly?"
        if len(head) < 4:
            return f"is too short to be a capture ({len(head)} bytes); get the file again"
        what, fix = sniff.identify(head)
        inside = f", packed with {self.compression}" if self.compression else ""
        return f"not a capture that hsi can read: {what}{inside}; {fix}"


def open_source(where: Input, block_size: int = BLOCK_SIZE) -> Source:
    """Open the capture at a path or URL, on standard input (`-`), or in a binary file object.

    Raises CaptureError, with a message for the user, if there is none.
    """
    if not isinstance(where, str | os.PathLike):
        return Source(where, _file_object_name(where), None, block_size, owned=False)
    if where == "-":
        file, name, owned = _standard_input()
        return Source(file, name, None, block_size, owned=owned)
    if is_remote(where):
        return _open_remote(str(where), block_size)
    name = _printable(os.fspath(where))
    file = _open(where, name)
    try:
        status = os.fstat(file.fileno())
        if stat.S_ISREG(status.st_mode) and sniff.is_foreign(os.pread(file.fileno(), sniff.SNIFF_LEN, 0)):
            from handshake_inspect.capture import wireshark  # noqa: PLC0415  seldom needed

            if (converted := wireshark.convert(where)) is not None:
                file.close()
                return Source(converted, name, None, block_size)
        return Source(file, name, status.st_size if stat.S_ISREG(status.st_mode) else None, block_size)
    except BaseException:
        file.close()
        raise


def _open_remote(url: str, block_size: int) -> Source:
    file = RemoteFile(url) if block_size >= BLOCK_SIZE else RemoteFile(url, max(block_size, _MIN_REQUEST))
    try:
        return Source(file, display_name(url), file.size, block_size)
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


def open_raw(where: str) -> Any:
    """Open a path or standard input (`-`) as an unbuffered file; raise CaptureError as `open_source` does."""
    return _standard_input()[0] if where == "-" else _open(where, input_name(where))


def input_name(where: str) -> str:
    """Return the name of a path or of standard input (`-`) for messages."""
    return _STANDARD_INPUT if where == "-" else _printable(where)


def _standard_input() -> tuple[Any, str, bool]:
    """Return standard input as a file, its name, and whether the caller must close it."""
    name = _STANDARD_INPUT
    if sys.stdin is None or sys.stdin.closed:
        raise CaptureError(f"{name}: is closed; pipe a capture into hsi or name a file")
    if sys.stdin.isatty():
        raise CaptureError(f"{name}: is a terminal; pipe a capture into hsi or name a file")
    try:
        # Duplicate the descriptor: closing it must leave sys.stdin open.
        file = open(os.dup(sys.stdin.fileno()), "rb", buffering=0)  # noqa: PTH123, SIM115
    except io.UnsupportedOperation:  # a stand-in without a descriptor
        return sys.stdin.buffer, name, False
    return file, name, True


def _file_object_name(file: Any) -> str:
    name = getattr(file, "name", None)
    return _printable(name) if isinstance(name, str) else "input"


def _printable(name: str) -> str:
    """Return the name on one line, with unprintable characters escaped."""
    return str(name) if name.isprintable() else ascii(str(name))[1:-1]
