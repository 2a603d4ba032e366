"""Report to text: a file for each format; none imports another's.

A file says at its end, in `FORMATS`, what it writes.  The table here has them all: the commands, what the name of an
output file says, and the refusals come from it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, cast

if TYPE_CHECKING:
    from handshake_inspect.report.checked import Checked
    from handshake_inspect.report.difference import Difference
    from handshake_inspect.report.event import Phase
    from handshake_inspect.report.headline import Narrowed
    from handshake_inspect.report.model import Connection, Connections, Finding, Report
    from handshake_inspect.report.packet import Packet
    from handshake_inspect.report.paired import Paired
    from handshake_inspect.report.quic import QuicConnection
    from handshake_inspect.report.quic_story import QuicStory
    from handshake_inspect.report.snapshot import Snapshot
    from handshake_inspect.report.story import Story
    from handshake_inspect.report.verified import Verified


@dataclass(frozen=True)
class Options:
    """How a report is to look; every renderer takes what concerns it."""

    width: int = 80  # columns of the terminal
    color: bool = False
    encoding: str = "utf-8"  # what is not UTF-8 gets plain ASCII signs
    connections: bool = True  # False: the summary alone
    every: bool = False  # every connection, not just some of those with trouble
    verbosity: int = 0  # -1: one line; 1: with the evidence
    narrowed: Narrowed | None = None  # what all connections of the report match
    fields: tuple[str, ...] = ()  # columns of formats that have rows; none: the usual ones
    brief: bool = False  # of a story: the ladder and the verdict alone
    absolute: bool = False  # of a story: numbers as on the wire
    packets: bool = False  # of a live run: its segments instead of its connections
    stories: Sequence[Story | QuicStory] = ()  # of what is drawn segment by segment, as far as it is to be had
    saved: str = ""  # the file that a live run saved its frames to
    reports: Sequence[Report] = ()  # what a check or a comparison is of


class Events(Protocol):
    """Writes a live run while it goes on: what the engine's observers are, as far as a renderer may know."""

    wants_connections: bool
    wants_picture: bool
    wants_single: bool
    wants_packets: bool

    def connections(self, connections: Connections) -> None:
        """Write connections that were decided, or of which something is new."""

    def quic_connections(self, connections: Sequence[QuicConnection]) -> None:
        """Write connections of QUIC that were decided."""

    def packets(self, packets: Sequence[Packet], skipped: int) -> None:
        """Write segments as they pass, and how many before them were passed over."""

    def finding(self, phase: Phase, finding: Finding) -> None:
        """Write that a finding begins or ends to hold."""

    def snapshot(self, snapshot: Snapshot) -> None:
        """Write the counters."""

    def ending(self, report: Report) -> None:
        """Write the last line."""


Writer = Callable[..., Any] | str


@dataclass(frozen=True)
class Format:
    """A format: what writes it, and what the commands must know of it.

    `report`, `dataset`, `check`, `diff`, `story`, `verified`, `paired` and `events` are a function (or class) of the
    file that declares it, or `module:name` of another one in this folder; one that is empty is not to be had in this
    format.  The table has all of them as `module:name`: they are imported when they are used.
    """

    report: Writer = ""  # of `hsi analyze`, and of `hsi live` at its end
    suffixes: tuple[str, ...] = ()  # endings of file names that mean this format
    drawn: Writer = ""  # names the connections of a report whose segments it draws, for `Options.stories`
    segments: int = 40  # how many of each of these
    alone: bool = False  # draws a connection only where it is the single one of a report
    dataset: Writer = ""  # of `hsi analyze`, into a directory
    binary: bool = False  # bytes that are no text
    columns: bool = False  # its columns can be chosen (-e)
    check: Writer = ""  # of `hsi check`
    diff: Writer = ""  # of `hsi diff`
    story: Writer = ""  # of `hsi explain`
    verified: Writer = ""  # of `hsi verify`
    paired: Writer = ""  # of `hsi pair`
    events: Writer = ""  # of `hsi live` while it goes on
    closing: bool = False  # whether its report follows these events

    def load(self) -> None:
        """Import what writes a report, before there is one."""
        if self.report:
            _found(self.report)

    def starring(self, report: Report, options: Options) -> list[Connection | QuicConnection]:
        """The connections whose stories it would draw."""
        return list(_found(self.drawn)(report, options)) if self.drawn else []

    def render(self, report: Report, out: BinaryIO, options: Options) -> None:
        """Write a report."""
        _found(self.report)(report, out, options)

    def write_dataset(self, report: Report, directory: Path, options: Options) -> None:
        """Write a report into an empty directory."""
        _found(self.dataset)(report, directory, options)

    def render_check(self, checked: Checked, out: BinaryIO, options: Options) -> None:
        """Write what a check found."""
        _found(self.check)(checked, out, options)

    def render_diff(self, difference: Difference, out: BinaryIO, options: Options) -> None:
        """Write what a comparison found."""
        _found(self.diff)(difference, out, options)

    def render_story(self, story: Story | QuicStory, out: BinaryIO, options: Options) -> None:
        """Write one connection segment by segment."""
        _found(self.story)(story, out, options)

    def render_verified(self, found: Verified, out: BinaryIO, options: Options) -> None:
        """Write both views of the connections of a capture."""
        _found(self.verified)(found, out, options)

    def render_paired(self, found: Paired, out: BinaryIO, options: Options) -> None:
        """Write what two captures of the same traffic show together."""
        _found(self.paired)(found, out, options)

    def event_writer(self, out: BinaryIO, options: Options) -> Events:
        """What writes a live run; with `fields` only these of each connection."""
        writer: Events = _found(self.events)(out, options)
        return writer


def _found(writer: Writer) -> Callable[..., Any]:
    found: Callable[..., Any] = resolve_name(f"{__name__}.{writer}") if isinstance(writer, str) else writer
    return found


_FIRST = ("text", "json", "ndjson", "csv", "tsv", "markdown")  # in help texts; the others follow as the files do


def _declared() -> Iterator[tuple[str, Format]]:
    """What the files of this folder declare at their ends, read but not imported: they need hundreds of modules."""
    for file in sorted(Path(__file__).parent.glob("*.py")):
        _, found, table = file.read_bytes().partition(b"\nFORMATS = {")
        if found:
            yield from _formats(cast("ast.Dict", ast.parse(b"{" + table, mode="eval").body), file.stem)


def _formats(table: ast.Dict, module: str) -> Iterator[tuple[str, Format]]:
    def said(value: ast.expr) -> Any:
        return f"{module}:{value.id}" if isinstance(value, ast.Name) else ast.literal_eval(value)

    for name, each in zip(table.keys, table.values, strict=True):
        call = cast("ast.Call", each)
        more: dict[str, Any] = {str(word.arg): said(word.value) for word in call.keywords}
        yield ast.literal_eval(cast("ast.expr", name)), Format(*map(said, call.args), **more)


FORMATS = dict(sorted(_declared(), key=lambda each: (*_FIRST, each[0]).index(each[0])))

# The same by what is written: names of formats in the order of the table.
REPORTS = [name for name, each in FORMATS.items() if each.report]
CHECKS = [name for name, each in FORMATS.items() if each.check]
DIFFS = [name for name, each in FORMATS.items() if each.diff]
STORIES = [name for name, each in FORMATS.items() if each.story]
VERIFIERS = [name for name, each in FORMATS.items() if each.verified]
PAIRS = [name for name, each in FORMATS.items() if each.paired]
