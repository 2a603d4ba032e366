"""Output formats: one module each, and none imports another's.

Each module declares at its end, in `FORMATS`, what it writes.  The table here collects all of them; commands, file name
extensions and error messages are derived from it.
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
    from handshake_inspect.report.headline import AppliedFilter
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
    """Render options; every renderer uses those that apply to it."""

    width: int = 80  # columns of the terminal
    color: bool = False
    encoding: str = "utf-8"  # any other encoding gets ASCII symbols
    connections: bool = True  # False: only the summary
    every: bool = False  # list every connection, not just some with trouble
    verbosity: int = 0  # -1: one line; 1: with evidence
    applied_filter: AppliedFilter | None = None  # the filter of the report
    fields: tuple[str, ...] = ()  # columns of tabular formats; empty for the default
    brief: bool = False  # stories: only ladder and verdict
    absolute: bool = False  # stories: sequence numbers as on the wire
    packets: bool = False  # live runs: write segments instead of connections
    stories: Sequence[Story | QuicStory] = ()  # of what is drawn segment by segment, as far as it is to be had
    saved: str = ""  # the file that a live run saved its frames to
    reports: Sequence[Report] = ()  # the reports of a check or comparison


class Events(Protocol):
    """Writes the events of a live run; the interface of the engine's observers as renderers see it."""

    wants_connections: bool
    wants_picture: bool
    wants_single: bool
    wants_packets: bool

    def connections(self, connections: Connections) -> None:
        """Write connections with a new verdict or new data."""

    def quic_connections(self, connections: Sequence[QuicConnection]) -> None:
        """Write QUIC connections with a verdict."""

    def packets(self, packets: Sequence[Packet], skipped: int) -> None:
        """Write segments, and the number of segments skipped before them."""

    def finding(self, phase: Phase, finding: Finding) -> None:
        """Write that a finding begins or ends."""

    def snapshot(self, snapshot: Snapshot) -> None:
        """Write counters."""

    def ending(self, report: Report) -> None:
        """Write the last line."""


Writer = Callable[..., Any] | str


@dataclass(frozen=True)
class Format:
    """A format: its writers and properties.

    `report`, `dataset`, `check`, `diff`, `story`, `verified`, `paired` and `events` are each a function (or class) of
    the declaring module, or `module:name` of another module in this package; empty means not supported.  In the table
    all are `module:name` and imported on use.
    """

    report: Writer = ""  # `hsi analyze`, and `hsi live` at its end
    suffixes: tuple[str, ...] = ()  # file name extensions of this format
    drawn: Writer = ""  # names the connections of a report whose segments it draws, for `Options.stories`
    segments: int = 40  # maximum number of segments per story
    alone: bool = False  # draws a connection only if it is the only one of a report
    dataset: Writer = ""  # `hsi analyze`, into a directory
    binary: bool = False  # not text
    columns: bool = False  # supports `-e`
    check: Writer = ""  # `hsi check`
    diff: Writer = ""  # `hsi diff`
    story: Writer = ""  # `hsi explain`
    verified: Writer = ""  # `hsi verify`
    paired: Writer = ""  # `hsi pair`
    events: Writer = ""  # `hsi live` while it runs
    closing: bool = False  # whether its report follows these events

    def load(self) -> None:
        """Import the report writer in advance."""
        if self.report:
            _found(self.report)

    def starring(self, report: Report, options: Options) -> list[Connection | QuicConnection]:
        """The connections whose stories it would draw."""
        return list(_found(self.drawn)(report, options)) if self.drawn else []

    def render(self, report: Report, out: BinaryIO, options: Options) -> None:
        """Write a report to `out`."""
        _found(self.report)(report, out, options)

    def write_dataset(self, report: Report, directory: Path, options: Options) -> None:
        """Write a report into an empty directory."""
        _found(self.dataset)(report, directory, options)

    def render_check(self, checked: Checked, out: BinaryIO, options: Options) -> None:
        """Write the result of a check."""
        _found(self.check)(checked, out, options)

    def render_diff(self, difference: Difference, out: BinaryIO, options: Options) -> None:
        """Write the result of a comparison."""
        _found(self.diff)(difference, out, options)

    def render_story(self, story: Story | QuicStory, out: BinaryIO, options: Options) -> None:
        """Write one connection segment by segment."""
        _found(self.story)(story, out, options)

    def render_verified(self, found: Verified, out: BinaryIO, options: Options) -> None:
        """Write the result of `hsi verify`."""
        _found(self.verified)(found, out, options)

    def render_paired(self, found: Paired, out: BinaryIO, options: Options) -> None:
        """Write the result of `hsi pair`."""
        _found(self.paired)(found, out, options)

    def event_writer(self, out: BinaryIO, options: Options) -> Events:
        """Return the event writer of a live run; with `fields`, it writes only these of each connection."""
        writer: Events = _found(self.events)(out, options)
        return writer


def _found(writer: Writer) -> Callable[..., Any]:
    found: Callable[..., Any] = resolve_name(f"{__name__}.{writer}") if isinstance(writer, str) else writer
    return found


_FIRST = ("text", "json", "ndjson", "csv", "tsv", "markdown")  # order in help texts; others follow alphabetically


def _declared() -> Iterator[tuple[str, Format]]:
    """Yield the formats that the modules here declare; these are parsed, since importing them would be slow."""
    for file in sorted(Path(__file__).parent.glob("*.py")):
        _, found, table = file.read_bytes().partition(b"\nFORMATS = {")
        if found:
            yield from _formats(cast("ast.Dict", ast.parse(b"{" + table, mode="eval").body), file.stem)


def _formats(table: ast.Dict, module: str) -> Iterator[tuple[str, Format]]:
    def evaluated(value: ast.expr) -> Any:
        return f"{module}:{value.id}" if isinstance(value, ast.Name) else ast.literal_eval(value)

    for name, each in zip(table.keys, table.values, strict=True):
        call = cast("ast.Call", each)
        more: dict[str, Any] = {str(word.arg): evaluated(word.value) for word in call.keywords}
        yield ast.literal_eval(cast("ast.expr", name)), Format(*map(evaluated, call.args), **more)


FORMATS = dict(sorted(_declared(), key=lambda each: (*_FIRST, each[0]).index(each[0])))

# Names of formats by capability, in the order of the table.
REPORTS = [name for name, each in FORMATS.items() if each.report]
CHECKS = [name for name, each in FORMATS.items() if each.check]
DIFFS = [name for name, each in FORMATS.items() if each.diff]
STORIES = [name for name, each in FORMATS.items() if each.story]
VERIFIERS = [name for name, each in FORMATS.items() if each.verified]
PAIRS = [name for name, each in FORMATS.items() if each.paired]
