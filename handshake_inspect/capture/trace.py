"""One or more captures as one trace: what the engine opens."""

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import TypeVar

from handshake_inspect.capture.merge import MergeReader
from handshake_inspect.capture.source import BLOCK_SIZE, Input, Source, open_source
from handshake_inspect.errors import CaptureError, Problem

_Value = TypeVar("_Value")

_BUFFERS = 1 << 24  # bytes that all buffers of a merge share
_LEAST_BLOCK = 1 << 14


class MergedSource:
    """Several sources as one, merged by time; offers what a Source offers.

    Problems name the file, and frame numbers in them are those of that file alone.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = list(sources)
        self.reader = MergeReader([source.reader for source in sources])

    def __enter__(self) -> "MergedSource":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def name(self) -> str:
        """All names, for a line of text."""
        return ", ".join(self.names)

    @property
    def names(self) -> list[str]:
        """The files, in the order they were given."""
        return [source.name for source in self.sources]

    @property
    def format(self) -> str:
        """`pcap`, `pcapng`, or both."""
        return ", ".join(_each_once(source.format for source in self.sources))

    @property
    def compression(self) -> str | None:
        """How files are compressed, None when none is."""
        return ", ".join(_each_once(source.compression for source in self.sources if source.compression)) or None

    @property
    def link_types(self) -> list[int]:
        """Link types that were declared so far, in order of the files."""
        return _each_once(link_type for source in self.sources for link_type in source.link_types)

    @property
    def filters(self) -> list[str | None]:
        """The filters of all files, each once."""
        return _each_once(text for source in self.sources for text in source.filters)

    @property
    def size(self) -> int | None:
        """Bytes of all files, None when one has no end yet."""
        sizes = [source.size for source in self.sources]
        return None if None in sizes else sum(size or 0 for size in sizes)

    @property
    def consumed(self) -> int:
        """Bytes of the files that were read, to be compared with `size`."""
        return sum(source.consumed for source in self.sources)

    @property
    def dropped(self) -> int | None:
        """Packets that the capturing sides say they lost, None when none says."""
        counts = [source.dropped for source in self.sources if source.dropped is not None]
        return sum(counts) if counts else None

    @property
    def seen_until_ns(self) -> int | None:
        """When the last of the capturing sides that say so ended its capture, None when none says."""
        ends = [source.seen_until_ns for source in self.sources if source.seen_until_ns is not None]
        return max(ends) if ends else None

    @property
    def problems(self) -> list[Problem]:
        """What is wrong with any of the files, each message beginning with its name."""
        return [
            problem._replace(message=f"{source.name}: {problem.message}")
            for source in self.sources
            for problem in source.problems
        ]

    @property
    def complete(self) -> bool:
        """No file is cut or damaged, so far."""
        return all(source.complete for source in self.sources)

    def fill(self) -> bool:
        """Feed the reader that needs more; False when all have ended."""
        hungry = self.reader.hungry
        if hungry < 0:
            return False
        if not self.sources[hungry].fill():
            self.reader.finish(hungry)
        return self.reader.running > 0

    def close(self) -> None:
        """Let go of all files."""
        for source in self.sources:
            source.close()


Trace = Source | MergedSource


def open_trace(inputs: Sequence[Input], block_size: int = BLOCK_SIZE) -> Trace:
    """Open captures as one trace, merged by time; a single one is opened as it is.

    Raises CaptureError for the first that cannot be read.
    """
    if len(inputs) == 1:
        return open_source(inputs[0], block_size)
    if not inputs:
        raise CaptureError("no capture given; name a file, or - for standard input")
    if sum(1 for where in inputs if where == "-") > 1:
        raise CaptureError("standard input: given twice; it can be read only once")
    block_size = min(block_size, max(_LEAST_BLOCK, _BUFFERS // len(inputs)))
    sources: list[Source] = []
    try:
        sources.extend(open_source(where, block_size) for where in inputs)
        return MergedSource(sources)
    except BaseException:
        for source in sources:
            source.close()
        raise


def _each_once(values: Iterable[_Value]) -> list[_Value]:
    return list(dict.fromkeys(values))
