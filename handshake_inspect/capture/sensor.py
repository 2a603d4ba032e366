"""Sensors: the consecutive files of one capture point, read as a single capture.

Files are probed when the trace is opened, for the time of the first frame and, if it can be found, the last.  After
that each is open only while its frames are read, so that a trace may have thousands of files.
"""

import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import pairwise
from threading import Semaphore
from typing import Any, NamedTuple

from handshake_inspect.capture import tail
from handshake_inspect.capture.file_range import FileRange
from handshake_inspect.capture.frames import DAMAGED, FRAME, FrameReader
from handshake_inspect.capture.path_patterns import natural_key
from handshake_inspect.capture.pcap import PcapReader
from handshake_inspect.capture.pcapng import MetadataBlock, PcapngReader
from handshake_inspect.capture.record_boundaries import SCAN_SIZES, first_boundary
from handshake_inspect.capture.replayable_pipe import is_rereadable
from handshake_inspect.capture.source import Input, Source, open_source
from handshake_inspect.errors import Problem
from handshake_inspect.wire.const import NS_PER_SECOND

_PROBE_LEN = 1 << 12  # bytes to probe at both ends of a file; mostly enough for a frame
_LONG_PROBE_LEN = 1 << 18  # for a longer last frame
_DIGITS = re.compile(r"\d+")
# File names of multi-file captures by dumpcap and editcap: NAME_NUMBER_TIME.ENDING.
_NUMBERED = re.compile(r"(?P<stem>.*)_(?P<number>\d{5,})_(?P<time>\d{14})(?P<ending>\D*)", re.DOTALL)


class SensorKey(NamedTuple):
    """The properties that all files of one capture point share."""

    folder: str
    name: str  # without digits, which are counters or timestamps
    format: str
    link_type: int
    interfaces: tuple[str, ...]


class TraceFile:
    """One file of a trace: probed, then open while its frames are read, then closed."""

    def __init__(self, where: Input, block_size: int, file_range: FileRange | None = None) -> None:
        """Probe the file, or the part `file_range` of it; one that cannot be reopened, such as a pipe, stays open.

        Raises CaptureError as `open_source` does.
        """
        self.where = where
        self.file_range = file_range
        self.rank = 0  # position among all files of the trace, in the order given
        self.block_size = block_size
        self.first_ns: int | None = None  # None if there is no frame, or the first has no timestamp
        self.last_ns: int | None = None  # of the last frame stored; None if it was not found
        self.sensor_key: SensorKey | None = None  # None if it cannot be joined with other files
        path = os.fspath(where) if isinstance(where, str | os.PathLike) else "-"
        can_reopen = is_rereadable(path)
        self.source = self._open_source(_PROBE_LEN if can_reopen else block_size)
        self.name = self.source.name
        self.end = 0  # byte after the last record read
        self.metadata_before = 0  # metadata blocks that its reader got from the preamble
        self.threads: Semaphore | None = None  # limits the threads that read ahead
        self._is_ahead = False
        self._is_open = not can_reopen
        self._is_started = False
        if can_reopen:
            with self.source:
                self._probe()
            self.source.free_buffers()

    def open(self, after: FrameReader | None) -> FrameReader:
        """Open the file; its frame numbers continue those of the reader `after`."""
        if not self._is_open:
            size = self.block_size if self.source.size is None else min(self.block_size, self.source.size + 1)
            self.source = self._open_source(max(size, _PROBE_LEN))
        self._is_started = True
        if after is not None:
            self.source.continue_from(after)
        if self.file_range is not None:
            self.source.restrict_to(self.file_range)
            self.metadata_before = len(metadata_blocks(self.source.reader))
        if self.threads is not None and self.threads.acquire(blocking=False):
            self._is_ahead = True
            with suppress(RuntimeError):  # no thread available
                self.source.read_ahead()
        return self.source.reader

    def close(self) -> None:
        """Close the file; the properties of its source stay available."""
        self.source.close()
        self.end = self.source.reader.offset + self.source.reader.position
        self.source.free_buffers()
        if self._is_ahead and self.threads is not None:
            self._is_ahead = False
            self.threads.release()

    def set_results(self, source: Any) -> None:
        """Take over the results of a worker that read the file; `source` has the properties of a `Source`."""
        self.source = source
        self._is_started = True

    @property
    def problems(self) -> list[Problem]:
        """Problems with the file, each message beginning with its name; frame numbers are the file's own."""
        before = self.source.frames_before
        return [
            problem._replace(
                message=f"{self.name}: {problem.message}",
                frame=None if problem.frame is None else problem.frame - before,
            )
            for problem in (self.source.problems if self._is_started else ())
        ]

    def _open_source(self, block_size: int) -> Source:
        source = open_source(self.where, block_size)
        if self.file_range is not None and isinstance(source.reader, PcapngReader):
            source.reader.metadata = []
        return source

    def _probe(self) -> None:
        source, reader = self.source, self.source.reader
        while (got := reader.advance()) != FRAME:
            if got == DAMAGED or not source.fill():
                return
        if self.file_range is not None and self.file_range.begin and self.file_range.preamble is None:
            self.file_range = self.file_range._replace(
                begin=_find_boundary(source, self.file_range), preamble=reader.preamble()
            )
        interfaces = tuple(reader.names) if isinstance(reader, PcapngReader) else ()
        folder, name = os.path.split(self.name)
        self.sensor_key = SensorKey(folder, _DIGITS.sub("", name), source.format, reader.link_type, interfaces)
        if reader.has_time:
            self.first_ns = reader.ts_ns
            self.last_ns = _last_ns(source, reader)


def metadata_blocks(reader: FrameReader) -> list[MetadataBlock]:
    """Return the metadata blocks that a pcapng reader has kept."""
    return (reader.metadata or []) if isinstance(reader, PcapngReader) else []


def _find_boundary(source: Source, file_range: FileRange) -> int:
    """Return where the first record of a file range seems to begin; the end of the range if none is found."""
    for count in SCAN_SIZES:
        found = first_boundary(source.bytes_at(file_range.begin, count), file_range.begin, source.reader)
        if found >= 0:
            return file_range.begin + found
    return file_range.begin if file_range.stop is None else file_range.stop


def _last_ns(source: Source, reader: FrameReader) -> int | None:
    """Return the timestamp of the last frame stored; the reader, positioned at the first frame, is used up."""
    for count in (_PROBE_LEN, _LONG_PROBE_LEN):
        data = source.last_bytes(count)
        at = -1
        if isinstance(reader, PcapReader):
            at = tail.last_record(data, reader.header_len, reader.big, reader.ticks, reader.ts_ns // NS_PER_SECOND)
        elif isinstance(reader, PcapngReader):
            at = tail.last_packet(data, reader.big)
        if at >= 0:
            reader.feed(data, at, len(data), 0)
            return reader.ts_ns if reader.advance() == FRAME and reader.has_time else None
        if len(data) < count:
            break
    return None


class Sensor:
    """One or more files read as one capture, one open at a time, with continuous frame numbers."""

    def __init__(self, files: Sequence[TraceFile], after: FrameReader | None = None) -> None:
        """Continue the frame numbers of the reader `after`, if given."""
        self.files = list(files)
        self._after = after
        self.starts: list[int] = []  # frames before each file opened so far
        self.reader: FrameReader = self.files[0].source.reader  # of the open file
        self.is_open = False
        self._at = -1  # index of the open file, or of the last one
        self._ended = 0  # bytes read from files that have ended
        self._reported = 0

    @property
    def next_file(self) -> TraceFile | None:
        """The file to open after the current one; None after the last."""
        return self.files[self._at + 1] if self._at + 1 < len(self.files) else None

    def new_bytes(self) -> int:
        """Return the number of bytes read since the previous call."""
        read = self._ended + (self.files[self._at].source.consumed if self.is_open else 0)
        new, self._reported = read - self._reported, read
        return new

    def fill(self) -> bool:
        """Feed the reader of the open file; at its end, close it and return False."""
        if not self.is_open:
            return False
        file = self.files[self._at]
        if file.source.fill():
            return True
        self._ended += file.source.consumed
        file.close()
        self.is_open = False
        return False

    def fill_across_files(self) -> bool:
        """Feed the reader of the open file, or at its end that of the next; return False after the last."""
        while not self.fill():
            if self.next_file is None:
                return False
            self.open_next()
        return True

    def open_next(self) -> FrameReader:
        """Open the next file and return its reader."""
        before = self.reader if self._at >= 0 else self._after
        self._at += 1
        self.starts.append(0 if before is None else before.frames)
        self.reader = self.files[self._at].open(before)
        self.is_open = True
        return self.reader

    def close(self) -> None:
        """Close all files."""
        for file in self.files:
            file.source.close()


def sensors_of(files: Iterable[TraceFile]) -> list[Sensor]:
    """Group files by capture point and arrange each group in order."""
    groups: dict[object, list[TraceFile]] = {}
    for file in files:
        groups.setdefault(file.sensor_key or file, []).append(file)
    return [Sensor(part) for group in groups.values() for part in _end_to_end(group)]


def _end_to_end(group: list[TraceFile]) -> list[list[TraceFile]]:
    """Order files with the same key by capture time, and split them where their times overlap.

    If dumpcap's or editcap's numbers are complete, they determine the order whatever the timestamps.
    """
    numbers = {number: file for file in group if (number := _number(file)) is not None}
    if len(numbers) == len(group) == max(numbers) - min(numbers) + 1:
        return [[numbers[number] for number in sorted(numbers)]]
    group = sorted(group, key=_time_and_name)
    parts = [group[:1]]
    for before, after in pairwise(group):
        if _follows(before, after):
            parts[-1].append(after)
        else:
            parts.append([after])
    return parts


def _time_and_name(file: TraceFile) -> tuple[int, list[tuple[int, str]]]:
    return file.first_ns or 0, natural_key(file.name)


def _follows(before: TraceFile, after: TraceFile) -> bool:
    """Return True if `after` begins when `before` has ended; at equal times, the names decide."""
    if before.last_ns is None or after.first_ns is None:
        return False
    return (before.last_ns, natural_key(before.name)) <= (after.first_ns, natural_key(after.name))


def _number(file: TraceFile) -> int | None:
    found = _NUMBERED.fullmatch(os.path.basename(file.name))  # noqa: PTH119
    return None if found is None else int(found["number"])
