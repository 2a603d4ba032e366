"""One or more captures as one trace: what the engine opens."""

from collections.abc import Iterable, Iterator, Sequence
from threading import Semaphore
from typing import TYPE_CHECKING, TypeVar

from handshake_inspect.capture.closing import Closes
from handshake_inspect.capture.frames import FrameReader
from handshake_inspect.capture.merge import MergeReader
from handshake_inspect.capture.path_patterns import Found, expanded
from handshake_inspect.capture.remote import is_remote
from handshake_inspect.capture.sensor import File, Sensor, sensors_of
from handshake_inspect.capture.source import BLOCK_SIZE, LARGE, Input, Source, open_source
from handshake_inspect.errors import CaptureError, NoCaptureError, Problem

if TYPE_CHECKING:
    from handshake_inspect.capture.file_places import Places

_Value = TypeVar("_Value")

_BUFFERS = 1 << 24  # bytes that all buffers of a merge share
_LEAST_BLOCK = 1 << 14
_NEVER = -(2**63 - 1)  # earlier than any frame: when the first one of a file is not known
_ASKED_AT_ONCE = 16  # files that lie elsewhere
_NAMED = 5  # files left out that are named


class MergedSource(Closes):
    """Several files as one; offers what a Source offers.

    The files of each sensor come end to end, and sensors are merged by time.  Problems name the file, and frame numbers
    in them are those of that file alone.
    """

    def __init__(self, files: Sequence[File], left_out: Sequence[Problem] = (), block_size: int = BLOCK_SIZE) -> None:
        self.files = list(files)
        self.sensors = sensors_of(files)
        for rank, file in enumerate(self.files):
            file.rank = rank
            file.block_size = _block_of(len(self.sensors), block_size)
        self.left_out = list(left_out)
        self._merge = _merged(self.sensors) if len(self.sensors) > 1 else None
        self._marks: list[bytes] | None = None  # where others read the trace: the sensor of each number
        self.consumed = 0  # bytes of the files that were read, to be compared with `size`
        sizes = [file.source.size for file in files]
        self.size = None if None in sizes else sum(size or 0 for size in sizes)  # None when one has no end yet

    @property
    def reader(self) -> FrameReader:
        """The reader of all frames, another one after each `fill`: of one sensor, that of the file that is open."""
        return self._merge or self.sensors[0].reader

    @property
    def name(self) -> str:
        """All names, for a line of text."""
        return ", ".join(self.names)

    @property
    def names(self) -> list[str]:
        """The files, in the order they were given."""
        return [file.name for file in self.files]

    @property
    def format(self) -> str:
        """`pcap`, `pcapng`, or both."""
        return ", ".join(_each_once(file.source.format for file in self.files))

    @property
    def compression(self) -> str | None:
        """How files are compressed, None when none is."""
        found = (file.source.compression for file in self.files)
        return ", ".join(_each_once(compression for compression in found if compression)) or None

    @property
    def link_types(self) -> list[int]:
        """Link types that were declared so far, in order of the files."""
        return _each_once(link_type for file in self.files for link_type in file.source.link_types)

    @property
    def filters(self) -> list[str | None]:
        """The filters of all files, each once."""
        return _each_once(text for file in self.files for text in file.source.filters)

    @property
    def dropped(self) -> int | None:
        """Packets that the capturing sides say they lost, None when none says."""
        counts = [file.source.dropped for file in self.files if file.source.dropped is not None]
        return sum(counts) if counts else None

    @property
    def seen_until_ns(self) -> int | None:
        """When the last of the capturing sides that say so ended its capture, None when none says."""
        ends = [file.source.seen_until_ns for file in self.files if file.source.seen_until_ns is not None]
        return max(ends) if ends else None

    @property
    def problems(self) -> list[Problem]:
        """What is wrong with any of the files, each message beginning with its name."""
        return [*self.left_out, *(problem for file in self.files for problem in file.problems)]

    @property
    def places(self) -> "Places":
        """Where the frames that were read until now are."""
        from handshake_inspect.capture.file_places import Places  # noqa: PLC0415  it needs NumPy

        sensors = [
            ([file.rank for file in sensor.files[: len(sensor.starts)]], sensor.starts) for sensor in self.sensors
        ]
        marks = self._marks if self._marks is not None else [] if self._merge is None else self._merge.marks()
        return Places(self.names, sensors, marks)

    def conclude(self, starts: Sequence[Sequence[int]], frames: int, marks: Sequence[bytes]) -> None:
        """Others read all files, in the numbers of which there are so many.

        `starts` are the numbers before each file, by sensor; `marks` say the sensor of each, as those of MergeReader.
        """
        for sensor, own in zip(self.sensors, starts, strict=True):
            sensor.starts = list(own)
            sensor.reader = FrameReader()
        self._marks = list(marks)
        self.reader.frames = frames

    @property
    def complete(self) -> bool:
        """No file is cut or damaged, so far."""
        return all(file.source.complete for file in self.files)

    def fill(self) -> bool:
        """Feed the reader that needs more; False when all have ended."""
        merge = self._merge
        if merge is None:
            more = self.sensors[0].go_on()
            self.consumed += self.sensors[0].newly_read()
            return more
        if merge.running and merge.hungry >= 0:
            self._serve(merge, merge.hungry)
        return merge.running > 0

    def read_ahead(self, most: int = 1) -> None:
        """Have a thread read each large file ahead while it is open: of so many files at a time, at most."""
        threads = Semaphore(most)
        for file in self.files:
            file.threads = threads if (file.source.size or 0) >= LARGE else None

    def close(self) -> None:
        """Let go of all files."""
        for sensor in self.sensors:
            sensor.close()

    def _serve(self, merge: MergeReader, index: int) -> None:
        """Feed a sensor, or open its next file if its time has come."""
        sensor = self.sensors[index]
        if not sensor.is_open:
            merge.begin(index, sensor.open_next())
        elif not self._filled(sensor):
            following = sensor.next_file
            if following is None:
                merge.finish(index)
            else:
                merge.pause(index, _due_ns(following, sensor.reader.ts_ns), following.rank)

    def _filled(self, sensor: Sensor) -> bool:
        filled = sensor.fill()
        self.consumed += sensor.newly_read()
        return filled


Trace = Source | MergedSource


def open_trace(inputs: Sequence[Input], block_size: int = BLOCK_SIZE) -> Trace:
    """Open captures as one trace; a single one is opened as it is.

    A directory stands for the captures in it and below it, and a pattern for the files that fit.  Raises CaptureError
    for the first that cannot be read; what nobody named, and is no capture, is left out, and a problem of the trace.
    """
    if not inputs:
        raise CaptureError("no capture given; name a file, or - for standard input")
    if sum(1 for where in inputs if where == "-") > 1:
        raise CaptureError("standard input: given twice; it can be read only once")
    inputs = expanded(inputs)
    if len(inputs) == 1:
        return open_source(inputs[0], block_size)
    files: list[File] = []
    left_out: list[str] = []
    try:
        for where, file in zip(inputs, _looked_at(inputs, _block_of(len(inputs), block_size)), strict=True):
            if isinstance(file, File):
                files.append(file)
            elif isinstance(file, NoCaptureError) and isinstance(where, Found):
                left_out.append(str(file))
            else:
                raise file  # noqa: TRY301 - the files that are open are closed
    except BaseException:
        for file in files:
            file.source.close()
        raise
    if not files:
        raise NoCaptureError(f"none of the {len(inputs)} files is a capture; {left_out[0]}")
    return MergedSource(files, _left_out(left_out), block_size)


def _block_of(open_at_once: int, most: int) -> int:
    """Bytes of a buffer, where so many files are open at once."""
    return min(most, max(_LEAST_BLOCK, _BUFFERS // open_at_once))


def _looked_at(inputs: Sequence[Input], block_size: int) -> Iterator[File | CaptureError]:
    """The files, or why there is none; several at a time where each must be asked for."""

    def look(where: Input) -> File | CaptureError:
        try:
            return File(where, block_size)
        except CaptureError as error:
            return error

    if not any(map(is_remote, inputs)):
        yield from map(look, inputs)
        return
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415  few name addresses

    with ThreadPoolExecutor(_ASKED_AT_ONCE) as pool:
        yield from pool.map(look, inputs)


def _merged(sensors: Sequence[Sensor]) -> MergeReader:
    first = [sensor.files[0] for sensor in sensors]
    return MergeReader([_due_ns(file, _NEVER) for file in first], [file.rank for file in first])


def _due_ns(file: File, otherwise: int) -> int:
    return otherwise if file.first_ns is None else file.first_ns


def _left_out(names: Sequence[str]) -> list[Problem]:
    """One problem for all files that are no captures."""
    if not names:
        return []
    more = f"; and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    what = "1 file is no capture and was" if len(names) == 1 else f"{len(names)} files are no captures and were"
    return [Problem("left-out", f"{what} left out: {'; '.join(names[:_NAMED])}{more}")]


def _each_once(values: Iterable[_Value]) -> list[_Value]:
    return list(dict.fromkeys(values))
