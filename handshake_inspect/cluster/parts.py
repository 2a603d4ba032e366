"""Divide a trace into parts (files of one sensor, or ranges of a file), and read them."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import NamedTuple

from handshake_inspect.capture.file_range import FileRange
from handshake_inspect.capture.frames import FrameReader
from handshake_inspect.capture.part_readers import PartReader
from handshake_inspect.capture.pcapng import MetadataBlock, PcapngReader
from handshake_inspect.capture.remote import is_remote
from handshake_inspect.capture.replayable_pipe import is_rereadable
from handshake_inspect.capture.sensor import Sensor, TraceFile, metadata_blocks
from handshake_inspect.capture.source import BLOCK_SIZE, Input, Source
from handshake_inspect.capture.trace import MergedSource, Trace
from handshake_inspect.engine.draining import drain
from handshake_inspect.engine.pump import Pump
from handshake_inspect.errors import Problem, UsageError


@dataclass(frozen=True)
class Part:
    """Consecutive files, or a range of one, to be read by one worker."""

    files: tuple[str, ...]
    file_indexes: tuple[int, ...]  # indexes of the files within the trace
    sensor: int
    size: int  # bytes; 0 if unknown
    file_range: FileRange | None = None  # of the only file


@dataclass
class FileSummary:
    """The properties of a file after reading; has the attributes of a source."""

    name: str
    format: str
    compression: str | None
    size: int | None
    link_types: list[int]
    filters: list[str | None]
    dropped: int | None
    seen_until_ns: int | None
    problems: list[Problem]
    complete: bool
    frames_before: int  # frames before the file that the frame numbers of its problems include
    metadata: list[MetadataBlock]  # metadata in a range of a pcapng file
    lost: int  # dropped packets by pcapng packet options; -1 if unknown
    frames: int  # frames read
    events: int
    reader: FrameReader = field(default_factory=FrameReader)  # holds only the total of frames

    def __getstate__(self) -> dict[str, object]:
        """Return all attributes except the reader, which is still empty."""
        return {name: value for name, value in vars(self).items() if name != "reader"}

    def __setstate__(self, state: dict[str, object]) -> None:
        """Restore the attributes, with an empty reader."""
        vars(self).update(state, reader=FrameReader())

    @property
    def names(self) -> list[str]:
        """The names of the files: only one."""
        return [self.name]


def summary_of(file: TraceFile) -> FileSummary:
    """Return the summary of a file that was read to its end."""
    source, reader = file.source, file.source.reader
    return FileSummary(
        file.name,
        source.format,
        source.compression,
        source.size,
        list(source.link_types),
        list(source.filters),
        source.dropped,
        source.seen_until_ns,
        list(source.problems),
        source.complete,
        source.frames_before,
        [
            block._replace(frames=block.frames - source.frames_before)
            for block in metadata_blocks(reader)[file.metadata_before :]
        ],
        reader.lost if isinstance(reader, PcapngReader) else -1,
        reader.frames - source.frames_before,
        reader.events,
    )


def read(part: Part, pump: Pump, after: FrameReader | None = None, through: PartReader | None = None) -> Sensor:
    """Pump a part to its end; frame numbers continue from those of `after`, or are assigned by `through`."""
    sensor = Sensor([TraceFile(where, BLOCK_SIZE, part.file_range) for where in part.files], after)
    try:
        while sensor.fill_across_files():
            if through is None:
                drain(pump, sensor.reader)
            else:
                through.switch_to(sensor.reader)
                drain(pump, through)
    finally:
        sensor.close()
    return sensor


class Sizes(NamedTuple):
    """Limits for the size of parts, in bytes."""

    least: int = 64 << 20  # smaller files of one sensor are combined up to this size
    most: int = 256 << 20  # larger files are divided into ranges

    def among(self, workers: int, size: int) -> "Sizes":
        """Return sizes that give each of so many workers a part of a trace of this size, if it is large enough."""
        return self._replace(most=min(self.most, max(self.least, -(-size // workers))))


def parts_of(trace: Trace, inputs: Sequence[Input], sizes: Sizes) -> list[Part]:
    """Return the parts of a trace, in the order of its sensors: combined small files, and ranges of large ones."""
    if not isinstance(trace, MergedSource):
        return list(_in_ranges(Part((_absolute(inputs[0]),), (0,), 0, trace.size or 0), trace, sizes))
    return [part for number, sensor in enumerate(trace.sensors) for part in _together(sensor, number, sizes)]


def _together(sensor: Sensor, number: int, sizes: Sizes) -> Iterator[Part]:
    """Yield the parts of a sensor; a file whose first frame has no time stays with the file before it."""
    files: list[TraceFile] = []
    for file in sensor.files:
        if files and file.first_ns is not None and (_size(files) >= sizes.least or _size([file]) > sizes.most):
            yield from _part(files, number, sizes)
            files = []
        files.append(file)
    yield from _part(files, number, sizes)


def _in_ranges(part: Part, source: Source, sizes: Sizes) -> Iterator[Part]:
    """Divide a part of one file into ranges if it is too large."""
    count = -(-part.size // sizes.most)
    if count < 2 or not source.is_seekable:
        yield part
        return
    bounds: list[int | None] = [part.size * number // count for number in range(count)]
    for begin, stop in pairwise([*bounds, None]):
        size = (part.size if stop is None else stop) - (begin or 0)
        yield replace(part, size=size, file_range=FileRange(begin or 0, stop))


def _part(files: Sequence[TraceFile], sensor: int, sizes: Sizes) -> Iterator[Part]:
    part = Part(
        tuple(_absolute(file.where) for file in files), tuple(file.rank for file in files), sensor, _size(files)
    )
    return iter([part]) if len(files) > 1 else _in_ranges(part, files[0].source, sizes)


def check(inputs: Sequence[Input]) -> None:
    """Raise UsageError for inputs that cannot be opened in other processes, or cannot be read twice."""
    for where in inputs:
        if not isinstance(where, str | os.PathLike):
            raise UsageError("a cluster reads paths and addresses, no open files")
        if where == "-" or _is_there_once(where):
            name = "standard input" if where == "-" else os.fspath(where)
            raise UsageError(f"{name}: cannot be read twice, as a cluster does; write it to a file")


def _is_there_once(where: str | os.PathLike[str]) -> bool:
    """Return True for a pipe or a device."""
    return not is_rereadable(os.fspath(where)) and os.path.exists(where)  # noqa: PTH110


def _absolute(where: Input) -> str:
    """Return the absolute path or address."""
    assert isinstance(where, str | os.PathLike)  # noqa: S101
    return str(where) if is_remote(where) else os.path.abspath(os.fspath(where))  # noqa: PTH100


def _size(files: Sequence[TraceFile]) -> int:
    return sum(file.source.size or 0 for file in files)
