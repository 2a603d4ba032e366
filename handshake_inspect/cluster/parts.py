"""Parts of a trace: files of one sensor, end to end, and what was found of them when they were read."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import NamedTuple

from handshake_inspect.capture.file_stretch import Stretch
from handshake_inspect.capture.frames import FrameReader
from handshake_inspect.capture.pcapng import PcapngReader, Said
from handshake_inspect.capture.ranks import PartReader
from handshake_inspect.capture.remote import is_remote
from handshake_inspect.capture.replayed_pipe import is_there_again
from handshake_inspect.capture.sensor import File, Sensor, said_by
from handshake_inspect.capture.source import BLOCK_SIZE, Input, Source
from handshake_inspect.capture.trace import MergedSource, Trace
from handshake_inspect.engine.draining import drain
from handshake_inspect.engine.pump import Pump
from handshake_inspect.errors import Problem, UsageError


@dataclass(frozen=True)
class Part:
    """Files that one worker reads, end to end."""

    files: tuple[str, ...]
    places: tuple[int, ...]  # of these among the files of the trace
    sensor: int
    size: int  # bytes, as far as known
    stretch: Stretch | None = None  # of its only file


@dataclass
class Ended:
    """What a file says of itself when it was read; offers what a source offers."""

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
    before: int  # frames that are counted in the numbers of its problems
    said: list[Said]  # of a stretch of a pcapng
    lost: int  # as packets of a pcapng say, -1 where none does
    frames: int  # numbers up to its end
    events: int
    reader: FrameReader = field(default_factory=FrameReader)  # knows how many frames there are

    def __getstate__(self) -> dict[str, object]:
        """All but the reader, which knows nothing yet."""
        return {name: value for name, value in vars(self).items() if name != "reader"}

    def __setstate__(self, state: dict[str, object]) -> None:
        """Restore what was pickled, with a reader that knows nothing yet."""
        vars(self).update(state, reader=FrameReader())

    @property
    def names(self) -> list[str]:
        """The name, as of a trace of one file."""
        return [self.name]


def ended(file: File) -> Ended:
    """What is known of a file that was read to its end."""
    source, reader = file.source, file.source.reader
    return Ended(
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
        source.before,
        [said._replace(frames=said.frames - source.before) for said in said_by(reader)[file.inherited :]],
        reader.lost if isinstance(reader, PcapngReader) else -1,
        reader.frames - source.before,
        reader.events,
    )


def read(part: Part, pump: Pump, after: FrameReader | None = None, through: PartReader | None = None) -> Sensor:
    """Pump a part to its end: its numbers go on from those of `after`, or are those that `through` gives."""
    sensor = Sensor([File(where, BLOCK_SIZE, part.stretch) for where in part.files], after)
    try:
        while sensor.go_on():
            if through is None:
                drain(pump, sensor.reader)
            else:
                through.follow(sensor.reader)
                drain(pump, through)
    finally:
        sensor.close()
    return sensor


class Sizes(NamedTuple):
    """How large parts are, in bytes."""

    least: int = 64 << 20  # smaller files of one sensor are read together until they have as many
    most: int = 256 << 20  # larger ones are read in stretches

    def among(self, workers: int, size: int) -> "Sizes":
        """The same where so many have a trace of this size to read: none is idle if there is enough for each."""
        return self._replace(most=min(self.most, max(self.least, -(-size // workers))))


def parts_of(trace: Trace, inputs: Sequence[Input], sizes: Sizes) -> list[Part]:
    """The parts of a trace, in the order of its sensors: small files together, and stretches of large ones."""
    if not isinstance(trace, MergedSource):
        return list(_stretched(Part((_place(inputs[0]),), (0,), 0, trace.size or 0), trace, sizes))
    return [part for number, sensor in enumerate(trace.sensors) for part in _together(sensor, number, sizes)]


def _together(sensor: Sensor, number: int, sizes: Sizes) -> Iterator[Part]:
    """A file whose first frame has no time has that of the frame before it, which must be known."""
    files: list[File] = []
    for file in sensor.files:
        if files and file.first_ns is not None and (_size(files) >= sizes.least or _size([file]) > sizes.most):
            yield from _part(files, number, sizes)
            files = []
        files.append(file)
    yield from _part(files, number, sizes)


def _stretched(part: Part, source: Source, sizes: Sizes) -> Iterator[Part]:
    """A part of one file, in so many stretches as it is too large."""
    count = -(-part.size // sizes.most)
    if count < 2 or not source.has_stretches:
        yield part
        return
    bounds: list[int | None] = [part.size * number // count for number in range(count)]
    for begin, stop in pairwise([*bounds, None]):
        size = (part.size if stop is None else stop) - (begin or 0)
        yield replace(part, size=size, stretch=Stretch(begin or 0, stop))


def _part(files: Sequence[File], sensor: int, sizes: Sizes) -> Iterator[Part]:
    part = Part(tuple(_place(file.where) for file in files), tuple(file.rank for file in files), sensor, _size(files))
    return iter([part]) if len(files) > 1 else _stretched(part, files[0].source, sizes)


def check(inputs: Sequence[Input]) -> None:
    """Refuse what cannot be opened elsewhere, or not twice."""
    for where in inputs:
        if not isinstance(where, str | os.PathLike):
            raise UsageError("a cluster reads paths and addresses, no open files")
        if where == "-" or _is_there_once(where):
            name = "standard input" if where == "-" else os.fspath(where)
            raise UsageError(f"{name}: cannot be read twice, as a cluster does; write it to a file")


def _is_there_once(where: str | os.PathLike[str]) -> bool:
    """Whether it is a pipe or a device."""
    return not is_there_again(os.fspath(where)) and os.path.exists(where)  # noqa: PTH110


def _place(where: Input) -> str:
    """The same from any directory."""
    assert isinstance(where, str | os.PathLike)  # noqa: S101
    return str(where) if is_remote(where) else os.path.abspath(os.fspath(where))  # noqa: PTH100


def _size(files: Sequence[File]) -> int:
    return sum(file.source.size or 0 for file in files)
