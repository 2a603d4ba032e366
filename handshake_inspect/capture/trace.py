"""Open one or more captures as a single trace, which is what the engine reads."""

from collections.abc import Iterable, Iterator, Sequence
from threading import Semaphore
from typing import TYPE_CHECKING, TypeVar

from handshake_inspect.capture.closable import Closable
from handshake_inspect.capture.frames import FrameReader
from handshake_inspect.capture.merge import MergeReader
from handshake_inspect.capture.path_patterns import DiscoveredPath, expand_inputs
from handshake_inspect.capture.remote import is_remote
from handshake_inspect.capture.sensor import Sensor, TraceFile, sensors_of
from handshake_inspect.capture.source import BLOCK_SIZE, Input, Source, open_source
from handshake_inspect.errors import CaptureError, NoCaptureError, Problem

if TYPE_CHECKING:
    from handshake_inspect.capture.frame_locator import FrameLocator

_Value = TypeVar("_Value")

_MAX_BUFFERS = 1 << 24  # bytes for the buffers of all files of a merge
_MIN_BLOCK = 1 << 14
_BEFORE_ANY_FRAME = -(2**63 - 1)  # stands for an unknown time of a file's first frame
_MAX_PARALLEL_OPENS = 16  # remote files
_MAX_NAMED = 5  # skipped files that are listed by name


class MergedSource(Closable):
    """Several files as one trace, with the interface of `Source`.

    The files of each sensor are concatenated, and the sensors are merged by time.  Problems name the file and use its
    own frame numbers.
    """

    def __init__(
        self, files: Sequence[TraceFile], skipped: Sequence[Problem] = (), block_size: int = BLOCK_SIZE
    ) -> None:
        self.files = list(files)
        self.sensors = sensors_of(files)
        for rank, file in enumerate(self.files):
            file.rank = rank
            file.block_size = _block_size_for(len(self.sensors), block_size)
        self.skipped = list(skipped)
        self._merge = _merged(self.sensors) if len(self.sensors) > 1 else None
        self._sensor_pages: list[bytes] | None = None  # sensor of each frame number, if workers read the trace
        self.consumed = 0  # bytes read, of `size`
        sizes = [file.source.size for file in files]
        self.size = None if None in sizes else sum(size or 0 for size in sizes)  # None if the size of any is unknown

    @property
    def reader(self) -> FrameReader:
        """The reader to take frames from; may change with each `fill`.  With one sensor: that of the open file."""
        return self._merge or self.sensors[0].reader

    @property
    def name(self) -> str:
        """All file names, joined by commas."""
        return ", ".join(self.names)

    @property
    def names(self) -> list[str]:
        """The files, in the order they were given."""
        return [file.name for file in self.files]

    @property
    def format(self) -> str:
        """`pcap`, `pcapng`, or both."""
        return ", ".join(_unique(file.source.format for file in self.files))

    @property
    def compression(self) -> str | None:
        """The compression formats used, None if no file is compressed."""
        found = (file.source.compression for file in self.files)
        return ", ".join(_unique(compression for compression in found if compression)) or None

    @property
    def link_types(self) -> list[int]:
        """Link types declared so far, in order of the files."""
        return _unique(link_type for file in self.files for link_type in file.source.link_types)

    @property
    def filters(self) -> list[str | None]:
        """The distinct capture filters of all files."""
        return _unique(text for file in self.files for text in file.source.filters)

    @property
    def dropped(self) -> int | None:
        """Packets reported as dropped by all captures, None if none reports it."""
        counts = [file.source.dropped for file in self.files if file.source.dropped is not None]
        return sum(counts) if counts else None

    @property
    def seen_until_ns(self) -> int | None:
        """The latest reported end of a capture, in nanoseconds since the epoch; None if none reports it."""
        ends = [file.source.seen_until_ns for file in self.files if file.source.seen_until_ns is not None]
        return max(ends) if ends else None

    @property
    def problems(self) -> list[Problem]:
        """Problems of all files, each message beginning with the file name."""
        return [*self.skipped, *(problem for file in self.files for problem in file.problems)]

    @property
    def frame_locator(self) -> "FrameLocator":
        """Maps the frame numbers read so far to files and their own frame numbers."""
        from handshake_inspect.capture.frame_locator import FrameLocator  # noqa: PLC0415  it needs NumPy

        sensors = [
            ([file.rank for file in sensor.files[: len(sensor.starts)]], sensor.starts) for sensor in self.sensors
        ]
        pages = self._sensor_pages
        if pages is None:
            pages = [] if self._merge is None else self._merge.sensor_pages()
        return FrameLocator(self.names, sensors, pages)

    def set_results(self, starts: Sequence[Sequence[int]], frames: int, sensor_pages: Sequence[bytes]) -> None:
        """Take over the frame count and numbering after workers have read all files.

        `starts` are the frame numbers before each file, by sensor; `sensor_pages` as from `MergeReader.sensor_pages`.
        """
        for sensor, own in zip(self.sensors, starts, strict=True):
            sensor.starts = list(own)
            sensor.reader = FrameReader()
        self._sensor_pages = list(sensor_pages)
        self.reader.frames = frames

    @property
    def complete(self) -> bool:
        """True while no file has proved truncated or damaged."""
        return all(file.source.complete for file in self.files)

    def fill(self) -> bool:
        """Feed the reader that needs more bytes; return False when all files have ended."""
        merge = self._merge
        if merge is None:
            more = self.sensors[0].fill_across_files()
            self.consumed += self.sensors[0].new_bytes()
            return more
        if merge.active and merge.starved >= 0:
            self._serve(merge, merge.starved)
        return merge.active > 0

    def read_ahead(self, most: int = 1) -> None:
        """Read slow files ahead in a thread while they are open, at most `most` files at a time."""
        threads = Semaphore(most)
        for file in self.files:
            file.threads = threads if file.source.reads_slowly else None

    @property
    def reads_slowly(self) -> bool:
        """True if any file does."""
        return any(file.source.reads_slowly for file in self.files)

    def close(self) -> None:
        """Close all files."""
        for sensor in self.sensors:
            sensor.close()

    def _serve(self, merge: MergeReader, index: int) -> None:
        """Feed a sensor, or open its next file if that is due."""
        sensor = self.sensors[index]
        if not sensor.is_open:
            merge.begin(index, sensor.open_next())
        elif not self._fill_sensor(sensor):
            following = sensor.next_file
            if following is None:
                merge.finish(index)
            else:
                merge.pause(index, _due_ns(following, sensor.reader.ts_ns), following.rank)

    def _fill_sensor(self, sensor: Sensor) -> bool:
        filled = sensor.fill()
        self.consumed += sensor.new_bytes()
        return filled


Trace = Source | MergedSource


def open_trace(inputs: Sequence[Input], block_size: int = BLOCK_SIZE) -> Trace:
    """Open captures as one trace; return a plain `Source` for a single file.

    A directory stands for all captures below it, a pattern for the matching files.  Files found that way are skipped if
    they are not captures, and reported in `problems`.  Raises CaptureError for the first other input that cannot be
    read.
    """
    if not inputs:
        raise CaptureError("no capture given; name a file, or - for standard input")
    if sum(1 for where in inputs if where == "-") > 1:
        raise CaptureError("standard input: given twice; it can be read only once")
    inputs = expand_inputs(inputs)
    if len(inputs) == 1:
        return open_source(inputs[0], block_size)
    files: list[TraceFile] = []
    skipped: list[str] = []
    try:
        for where, file in zip(inputs, _probe_all(inputs, _block_size_for(len(inputs), block_size)), strict=True):
            if isinstance(file, TraceFile):
                files.append(file)
            elif isinstance(file, NoCaptureError) and isinstance(where, DiscoveredPath):
                skipped.append(str(file))
            else:
                raise file  # noqa: TRY301 - the open files are closed below
    except BaseException:
        for file in files:
            file.source.close()
        raise
    if not files:
        raise NoCaptureError(f"none of the {len(inputs)} files is a capture; {skipped[0]}")
    return MergedSource(files, _skipped_problem(skipped), block_size)


def _block_size_for(open_at_once: int, most: int) -> int:
    """Return the buffer size in bytes if `open_at_once` files are open."""
    return min(most, max(_MIN_BLOCK, _MAX_BUFFERS // open_at_once))


def _probe_all(inputs: Sequence[Input], block_size: int) -> Iterator[TraceFile | CaptureError]:
    """Yield each input as a probed file, or the error; remote files are opened in parallel."""

    def look(where: Input) -> TraceFile | CaptureError:
        try:
            return TraceFile(where, block_size)
        except CaptureError as error:
            return error

    if not any(map(is_remote, inputs)):
        yield from map(look, inputs)
        return
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415  few inputs are remote

    with ThreadPoolExecutor(_MAX_PARALLEL_OPENS) as pool:
        yield from pool.map(look, inputs)


def _merged(sensors: Sequence[Sensor]) -> MergeReader:
    first = [sensor.files[0] for sensor in sensors]
    return MergeReader([_due_ns(file, _BEFORE_ANY_FRAME) for file in first], [file.rank for file in first])


def _due_ns(file: TraceFile, otherwise: int) -> int:
    return otherwise if file.first_ns is None else file.first_ns


def _skipped_problem(names: Sequence[str]) -> list[Problem]:
    """Return one problem that covers all skipped files."""
    if not names:
        return []
    more = f"; and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
    what = "1 file is no capture and was" if len(names) == 1 else f"{len(names)} files are no captures and were"
    return [Problem("left-out", f"{what} left out: {'; '.join(names[:_MAX_NAMED])}{more}")]


def _unique(values: Iterable[_Value]) -> list[_Value]:
    return list(dict.fromkeys(values))
