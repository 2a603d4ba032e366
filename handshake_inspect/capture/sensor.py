"""The files of one capturing point, end to end as one capture: each is open only while the trace is in it.

A file is looked at when the trace is opened, for the time of its first frame and, if it can be found, of its last one.
"""

import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import pairwise
from threading import Semaphore
from typing import Any, NamedTuple

from handshake_inspect.capture import tail
from handshake_inspect.capture.file_stretch import Stretch
from handshake_inspect.capture.frames import DAMAGED, FRAME, FrameReader
from handshake_inspect.capture.path_patterns import natural
from handshake_inspect.capture.pcap import PcapReader
from handshake_inspect.capture.pcapng import PcapngReader, Said
from handshake_inspect.capture.record_borders import LOOKS, first_border
from handshake_inspect.capture.replayed_pipe import is_there_again
from handshake_inspect.capture.source import Input, Source, open_source
from handshake_inspect.errors import Problem
from handshake_inspect.wire.const import NS_PER_SECOND

_LOOK = 1 << 12  # bytes that are read of a file at first, and of its end: its first frame is mostly among them
_LONG_LOOK = 1 << 18  # where the last frame is longer than that
_DIGITS = re.compile(r"\d+")
# How dumpcap and editcap number the files of one capture: NAME_NUMBER_TIME.ENDING.
_NUMBERED = re.compile(r"(?P<stem>.*)_(?P<number>\d{5,})_(?P<time>\d{14})(?P<ending>\D*)", re.DOTALL)


class Kind(NamedTuple):
    """What the files of one capturing point have in common."""

    folder: str
    name: str  # without the digits, which count or say the time
    format: str
    link_type: int
    interfaces: tuple[str, ...]


class File:
    """One file of a trace: looked at, then open while the trace is in it, then closed."""

    def __init__(self, where: Input, block_size: int, stretch: Stretch | None = None) -> None:
        """Look at it; what has no end, or cannot be opened again, stays open.  Raises CaptureError as `open_source`.

        `stretch`: which part of it is read.
        """
        self.where = where
        self.stretch = stretch
        self.rank = 0  # its place among all files of the trace, as they were given
        self.block_size = block_size
        self.first_ns: int | None = None  # None for no frame, or one without a time
        self.last_ns: int | None = None  # of the frame that is stored last; None where it was not found
        self.kind: Kind | None = None  # None for what is nobody's next file
        path = os.fspath(where) if isinstance(where, str | os.PathLike) else "-"
        again = is_there_again(path)
        self.source = self._opened(_LOOK if again else block_size)
        self.name = self.source.name
        self.end = 0  # byte behind the last record that was read
        self.inherited = 0  # what its reader knew of `said` from the beginning
        self.threads: Semaphore | None = None  # of which one may read it ahead
        self._is_ahead = False
        self._is_held = not again
        self._is_begun = False
        if again:
            with self.source:
                self._look()
            self.source.forget()

    def open(self, after: FrameReader | None) -> FrameReader:
        """Open it; its frames count on from those of the reader before it."""
        if not self._is_held:
            least = self.block_size if self.source.size is None else min(self.block_size, self.source.size + 1)
            self.source = self._opened(max(least, _LOOK))
        self._is_begun = True
        if after is not None:
            self.source.follow(after)
        if self.stretch is not None:
            self.source.only(self.stretch)
            self.inherited = len(said_by(self.source.reader))
        if self.threads is not None and self.threads.acquire(blocking=False):
            self._is_ahead = True
            with suppress(RuntimeError):  # no thread to be had
                self.source.read_ahead()
        return self.source.reader

    def close(self) -> None:
        """Let go of the file; what it says of itself stays."""
        self.source.close()
        self.end = self.source.reader.offset + self.source.reader.position
        self.source.forget()
        if self._is_ahead and self.threads is not None:
            self._is_ahead = False
            self.threads.release()

    def conclude(self, source: Any) -> None:
        """Somebody else read it, and this is what was found: `problems` and whatever else a source says of itself."""
        self.source = source
        self._is_begun = True

    @property
    def problems(self) -> list[Problem]:
        """What is wrong with it, each message beginning with its name; frames are numbered as in this file alone."""
        before = self.source.before
        return [
            problem._replace(
                message=f"{self.name}: {problem.message}",
                frame=None if problem.frame is None else problem.frame - before,
            )
            for problem in (self.source.problems if self._is_begun else ())
        ]

    def _opened(self, block_size: int) -> Source:
        source = open_source(self.where, block_size)
        if self.stretch is not None and isinstance(source.reader, PcapngReader):
            source.reader.said = []
        return source

    def _look(self) -> None:
        source, reader = self.source, self.source.reader
        while (got := reader.advance()) != FRAME:
            if got == DAMAGED or not source.fill():
                return
        if self.stretch is not None and self.stretch.begin and self.stretch.head is None:
            self.stretch = self.stretch._replace(begin=_border(source, self.stretch), head=reader.head())
        interfaces = tuple(reader.names) if isinstance(reader, PcapngReader) else ()
        folder, name = os.path.split(self.name)
        self.kind = Kind(folder, _DIGITS.sub("", name), source.format, reader.link_type, interfaces)
        if reader.has_time:
            self.first_ns = reader.ts_ns
            self.last_ns = _last_ns(source, reader)


def said_by(reader: FrameReader) -> list[Said]:
    """The blocks of a pcapng that it came across, where they are kept."""
    return (reader.said or []) if isinstance(reader, PcapngReader) else []


def _border(source: Source, stretch: Stretch) -> int:
    """Where the first record of a stretch seems to begin; the end of the stretch where none is found."""
    for count in LOOKS:
        found = first_border(source.bytes_at(stretch.begin, count), stretch.begin, source.reader)
        if found >= 0:
            return stretch.begin + found
    return stretch.begin if stretch.stop is None else stretch.stop


def _last_ns(source: Source, reader: FrameReader) -> int | None:
    """The time of the last frame that is stored; the reader, which has its first frame, is of no use after that."""
    for count in (_LOOK, _LONG_LOOK):
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
    """One or more files as one capture, one of them open at a time; its frames are numbered through all of them."""

    def __init__(self, files: Sequence[File], after: FrameReader | None = None) -> None:
        """Its frames are numbered on from those of the reader `after`, if there is one."""
        self.files = list(files)
        self._after = after
        self.starts: list[int] = []  # frames before each file that was opened
        self.reader: FrameReader = self.files[0].source.reader  # of the file that is open
        self.is_open = False
        self._at = -1  # the file that is open, or was last
        self._ended = 0  # bytes of files that have ended
        self._counted = 0

    @property
    def next_file(self) -> File | None:
        """The file that is to be opened when this one has ended; None after the last."""
        return self.files[self._at + 1] if self._at + 1 < len(self.files) else None

    def newly_read(self) -> int:
        """Bytes of the files that were read since this was asked before."""
        read = self._ended + (self.files[self._at].source.consumed if self.is_open else 0)
        new, self._counted = read - self._counted, read
        return new

    def fill(self) -> bool:
        """Feed the reader of the file that is open; False, and the file is closed, at its end."""
        if not self.is_open:
            return False
        file = self.files[self._at]
        if file.source.fill():
            return True
        self._ended += file.source.consumed
        file.close()
        self.is_open = False
        return False

    def go_on(self) -> bool:
        """Feed the reader of the file that is open, at its end that of the next file; False after the last."""
        while not self.fill():
            if self.next_file is None:
                return False
            self.open_next()
        return True

    def open_next(self) -> FrameReader:
        """Open the next file, and give its reader."""
        before = self.reader if self._at >= 0 else self._after
        self._at += 1
        self.starts.append(0 if before is None else before.frames)
        self.reader = self.files[self._at].open(before)
        self.is_open = True
        return self.reader

    def close(self) -> None:
        """Let go of all files."""
        for file in self.files:
            file.source.close()


def sensors_of(files: Iterable[File]) -> list[Sensor]:
    """Put the files of each capturing point end to end."""
    groups: dict[object, list[File]] = {}
    for file in files:
        groups.setdefault(file.kind or file, []).append(file)
    return [Sensor(part) for group in groups.values() for part in _end_to_end(group)]


def _end_to_end(group: list[File]) -> list[list[File]]:
    """Files of one kind in the order of their capture, parted where their times overlap.

    Numbers without a gap, as dumpcap and editcap write them, say the order whatever the times are.
    """
    numbers = {number: file for file in group if (number := _number(file)) is not None}
    if len(numbers) == len(group) == max(numbers) - min(numbers) + 1:
        return [[numbers[number] for number in sorted(numbers)]]
    group = sorted(group, key=_age)
    parts = [group[:1]]
    for before, after in pairwise(group):
        if _follows(before, after):
            parts[-1].append(after)
        else:
            parts.append([after])
    return parts


def _age(file: File) -> tuple[int, list[tuple[int, str]]]:
    return file.first_ns or 0, natural(file.name)


def _follows(before: File, after: File) -> bool:
    """Whether a file begins when the other one has ended; at the same time, the names say which comes first."""
    if before.last_ns is None or after.first_ns is None:
        return False
    return (before.last_ns, natural(before.name)) <= (after.first_ns, natural(after.name))


def _number(file: File) -> int | None:
    found = _NUMBERED.fullmatch(os.path.basename(file.name))  # noqa: PTH119
    return None if found is None else int(found["number"])
