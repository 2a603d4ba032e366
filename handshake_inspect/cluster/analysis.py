"""Run the stages of a partitioned analysis, inline or on the workers of a runner, and build the report."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import compress
from typing import Any, Protocol

import msgspec

from handshake_inspect.capture.path_patterns import expand_inputs
from handshake_inspect.capture.source import Input
from handshake_inspect.capture.trace import MergedSource, Trace, open_trace
from handshake_inspect.cluster import file_ranges, numbering, scanning, sharing, tables, tracking
from handshake_inspect.cluster.apart import ApartConnections
from handshake_inspect.cluster.narrow import RemoteTables, narrowed, types_for
from handshake_inspect.cluster.numbering import Outline
from handshake_inspect.cluster.parts import FileSummary, Part, Sizes, check, parts_of
from handshake_inspect.cluster.row_arrays import release
from handshake_inspect.dns.lookups import Lookups
from handshake_inspect.engine import Options, Progress
from handshake_inspect.engine.reporting import case_of, conclude, end_of, report_of
from handshake_inspect.report.model import Report

MAX_SHARDS = 16


class Runner(Protocol):
    """Executes the stages.  The return value of `submit` may be passed as an argument to another call."""

    shards: int  # number of trackers for moved segments, which may run in parallel; at most MAX_SHARDS

    def submit(self, stage: str, function: Callable[..., Any], *given: Any) -> Any:
        """Schedule a call; return a future or the result."""

    def results(self, submitted: Sequence[Any], done: Callable[[int], object] | None = None) -> list[Any]:
        """Wait for calls and return their results; `done` is called with the index of each as it completes."""

    def item(self, submitted: Any, name: str) -> Any:
        """Return an attribute of the result of a call."""


class InlineRunner:
    """Calls each function immediately, in this process."""

    shards = 1

    def submit(self, stage: str, function: Callable[..., Any], *given: Any) -> Any:
        """Call the function."""
        return function(*given)

    def results(self, submitted: Sequence[Any], done: Callable[[int], object] | None = None) -> list[Any]:
        """Return the values, which are results already."""
        if done is not None:
            for place in range(len(submitted)):
                done(place)
        return list(submitted)

    def item(self, submitted: Any, name: str) -> Any:
        """Return the attribute."""
        return getattr(submitted, name)


def analyze(
    inputs: Sequence[Input],
    runner: Runner,
    *,
    options: Options | None = None,
    progress: Progress | None = None,
    sizes: Sizes | None = None,
    apart: bool = False,
) -> Report:
    """Analyse captures as one trace, in parts; the report is the same as from `engine.analyze`.

    `apart`: connections stay on the workers, and can only be written as a dataset, while the runner lives.
    """
    options = options or Options()
    named = expand_inputs(inputs)
    check(named)
    with open_trace(named) as trace:
        parts = parts_of(trace, named, sizes or Sizes().among(runner.shards, trace.size or 0))
    run = Run(trace, parts, runner, options, progress)
    return run.report_apart() if apart else conclude(*run.pumped(), options.limits)


class ProgressMeter:
    """Progress over several passes; each pass accounts for a share of what is left before it."""

    def __init__(self, progress: Progress | None, parts: Sequence[Part]) -> None:
        self.progress = progress
        self.size = sum(part.size for part in parts)
        self.share = 0.0

    def of(self, parts: Sequence[Part], share: float) -> Callable[[int], None]:
        """Begin a pass over `parts` with this share; return the callback for the end of each part."""
        begun, size, read = self.share, sum(part.size for part in parts) or 1, 0

        def note(at: int) -> None:
            nonlocal read
            read += parts[at].size
            self.share = begun + (1 - begun) * share * read / size
            if self.progress is not None:
                self.progress(round(self.share * self.size), self.size)

        return note

    def end(self) -> None:
        """Report 100 % if an optional pass was not needed."""
        if self.progress is not None and self.share < 1:
            self.progress(self.size, self.size)


class Run:
    """The analysis of one trace."""

    def __init__(
        self, trace: Trace, parts: Sequence[Part], runner: Runner, options: Options, progress: Progress | None
    ) -> None:
        self.trace = trace
        self.parts = list(parts)
        self.runner = runner
        self.options = options
        self.is_ranked = isinstance(trace, MergedSource) and len(trace.sensors) > 1
        self.done = ProgressMeter(progress, parts)

    def pumped(self) -> tuple[Any, Any]:
        """Run all stages; return the source and the pump, or rather equivalents, for `conclude`."""
        source, sizes, parts, lookups = self.tables()
        return source, tables.merged(sizes, self.one_by_one(parts), lookups)

    def report_apart(self) -> Report:
        """Run all stages; return the report, whose connections stay in the tables of the parts."""
        source, sizes, parts, lookups = self.tables()
        types = types_for(source.reader.frames)
        narrow = [self.runner.submit("narrow", narrowed, each, types) for each in parts]
        pump = tables.merged(sizes, self.one_by_one(narrow), lookups, types)
        if types is not tables.ROW_TYPES:
            pump.tracker.table.remote = RemoteTables(self.runner, parts, sizes)
        case = case_of(source, pump, self.options.limits, end_of(source, pump))
        report = report_of(source, pump, case)
        return msgspec.structs.replace(report, connections=ApartConnections(case, sizes, parts, self.runner))

    def tables(self) -> tuple[Any, list[dict[str, int]], list[Any], Lookups]:
        """Run all stages up to the tables; return the source, the rows of each table, the tables, and the lookups."""
        runner = self.runner
        scans, outlines = self.scanned()
        starts = numbering.starts_of(outlines)
        ranks = self.ranks(scans, outlines, starts)
        fragments = self.fragments(scans, outlines, ranks)
        tracked, briefs = self.tracked(outlines, starts, ranks, self.shared(scans, outlines, fragments))
        moved = self.track_moved(tracked, briefs, fragments)
        messages = self.items(tracked, "messages", [each.has_messages for each in briefs])
        lookups = tracking.looked_up([*runner.results(messages), fragments.messages])
        sizes = [
            *(each.sizes for each in briefs),
            *runner.results([runner.submit("follow", tables.sizes_of, each) for each in moved]),
            tables.sizes_of(fragments.pumped),
        ]
        parts = [*self.items(tracked, "pumped"), *moved, fragments.pumped]
        return self.final_source(briefs, outlines, starts, ranks), sizes, parts, lookups

    def one_by_one(self, submitted: list[Any]) -> Iterator[Any]:
        """Yield the result of each call in order, and hold no reference to it afterwards."""
        submitted.reverse()
        while submitted:
            (value,) = self.runner.results([submitted.pop()])
            size = value.nbytes
            yield value
            del value
            release(size)

    def items(self, submitted: Sequence[Any], name: str, those: Sequence[bool] | None = None) -> list[Any]:
        """Return the same attribute of each result, or of those selected by the mask `those`."""
        chosen = submitted if those is None else compress(submitted, those)
        return [self.runner.item(each, name) for each in chosen]

    def scanned(self) -> tuple[list[Any], list[Outline]]:
        """Scan all parts; rescan ranges that did not start at a record boundary."""
        parts = self.parts
        scans, outlines = self.scan(parts, self.done.of(parts, 0.5))
        while (wrong := file_ranges.corrections(parts, outlines)).again:
            for at, part in wrong.again.items():
                parts[at] = part
            for at, scan, outline in zip(wrong.again, *self.scan(list(wrong.again.values())), strict=True):
                scans[at], outlines[at] = scan, outline
        kept = [at for at in range(len(parts)) if at not in wrong.behind_damage]
        outlines = [outlines[at] for at in kept]
        self.parts = file_ranges.settled([parts[at] for at in kept], outlines)
        return [scans[at] for at in kept], outlines

    def scan(
        self, parts: Sequence[Part], done: Callable[[int], object] | None = None
    ) -> tuple[list[Any], list[Outline]]:
        """Scan these parts."""
        submit = self.runner.submit
        scans = [submit("decode", scanning.scan, part, self.is_ranked) for part in parts]
        outlines = [submit("decode", numbering.outline, *each) for each in zip(parts, scans, strict=True)]
        return scans, self.runner.results(outlines, done)

    # -- between the passes --------------------------------------------------------------------------------------------

    def ranks(self, scans: Sequence[Any], outlines: Sequence[Any], starts: Sequence[Any]) -> list[Any]:
        """Return the ranks of each part: the number of frames before it, or the numbers of all its frames."""
        if not self.is_ranked:
            return [start.before for start in starts]
        keys = [
            self.runner.submit("rank", numbering.keys_of, *each)
            for each in zip(outlines, starts, self.items(scans, "times"), strict=True)
        ]
        spans = numbering.spans_of(outlines, starts)
        ranks: list[Any] = []
        for at, (outline, start) in enumerate(zip(outlines, starts, strict=True)):
            before, among = numbering.overlapping(outline, start, spans)
            before += start.before
            if among:
                before = self.runner.submit("rank", numbering.ranked, keys[at], before, [keys[one] for one in among])
            ranks.append(before)
        return ranks

    def fragments(
        self, scans: Sequence[Any], outlines: Sequence[Outline], ranks: Sequence[Any]
    ) -> tracking.Reassembled:
        """Reassemble the IP fragments of all parts."""
        submit, having = self.runner.submit, [outline.has_fragments for outline in outlines]
        mine = compress(ranks, having)
        numbered = [
            submit("split", tracking.numbered, *each)
            for each in zip(self.items(scans, "fragments", having), mine, strict=True)
        ]
        frames = [one for some in self.runner.results(numbered) for one in some]
        return tracking.reassemble(frames, self.options, self.runner.shards)

    def shared(self, scans: Sequence[Any], outlines: Sequence[Outline], fragments: tracking.Reassembled) -> Any:
        """Determine which 4-tuples and datagrams must be moved."""
        submit = self.runner.submit
        tuples = submit("split", sharing.shared_tuples, self.items(scans, "tuples"), fragments.tuples)
        if any(outline.has_wrong for outline in outlines) or len(fragments.wrong):
            tuples = self.with_paths(tuples, scans, outlines, fragments)
        serving = [outline.has_served for outline in outlines]
        seen = self.items(scans, "seen") if any(serving) else []
        return submit("split", sharing.shared, tuples, self.items(scans, "served", serving), seen)

    def with_paths(
        self, tuples: Any, scans: Sequence[Any], outlines: Sequence[Outline], fragments: tracking.Reassembled
    ) -> Any:
        """Add 4-tuples whose bad checksums must be judged by good ones in another part; takes one more pass."""
        submit = self.runner.submit
        wrongs = [
            self.runner.item(scan, "wrong") if outline.has_wrong else fragments.wrong[:0]
            for scan, outline in zip(scans, outlines, strict=True)
        ]
        wrongs.append(fragments.wrong)
        (wrong,) = self.runner.results([submit("split", sharing.paths_of, wrongs)])
        rights = [submit("decode", scanning.rights_on, part, wrong) for part in self.parts]
        self.runner.results([submit("decode", len, each) for each in rights], self.done.of(self.parts, 0.5))
        rights.append(sharing.on_paths(fragments.right, wrong))
        return submit("split", sharing.with_paths, tuples, rights, wrongs)

    def tracked(
        self, outlines: Sequence[Any], starts: Sequence[Any], ranks: Sequence[Any], shared: Any
    ) -> tuple[list[Any], list[tracking.Brief]]:
        """Track all parts; return the results, and a brief of each."""

        def track(shared: Any) -> list[Any]:
            return [
                self.runner.submit(
                    "track", tracking.track, part, own, outline.numbers, start.last_ns, shared, self.options,
                    self.runner.shards,
                )
                for part, own, outline, start in zip(self.parts, ranks, outlines, starts, strict=True)
            ]  # fmt: skip

        def briefs_of(tracked: Sequence[Any], share: float) -> list[tracking.Brief]:
            submitted = [self.runner.submit("track", tracking.brief, each) for each in tracked]
            return self.runner.results(submitted, self.done.of(self.parts, share))

        tracked = track(shared)
        (may_be_mixed,) = self.runner.results([self.runner.submit("split", sharing.may_be_mixed, shared)])
        briefs = briefs_of(tracked, 0.5 if may_be_mixed else 1)
        if any(each.is_mixed for each in briefs):
            tracked = track(self.runner.submit("split", sharing.all_ends, shared))
            briefs = briefs_of(tracked, 1)
        self.done.end()
        return tracked, briefs

    def track_moved(
        self, tracked: Sequence[Any], briefs: Sequence[tracking.Brief], fragments: tracking.Reassembled
    ) -> list[Any]:
        """Track the moved segments and datagrams."""
        submit, shards = self.runner.submit, self.runner.shards
        moved = [
            submit(
                "follow", tracking.track_shard,
                [*(submit("follow", tracking.shard_of, each, shard) for each in tracked), fragments.segments[shard]],
                self.options,
            )
            for shard in range(shards)
        ]  # fmt: skip
        datagrams = self.items(tracked, "datagrams", [each.has_datagrams for each in briefs])
        return [*moved, submit("follow", tracking.track_datagrams, datagrams, self.options)]

    # -- the trace after reading ---------------------------------------------------------------------------------------

    def final_source(
        self, briefs: Sequence[tracking.Brief], outlines: Sequence[Any], starts: Sequence[Any], ranks: Sequence[Any]
    ) -> Any:
        """Return the trace with the final state of its files and the positions of their frames."""
        files = [each.files for each in briefs]
        total = numbering.totals(outlines)
        if not isinstance(self.trace, MergedSource):
            only = file_ranges.whole([each for mine in files for each in mine])
            only.name, only.reader.frames = self.trace.name, total
            return only
        found: dict[int, list[FileSummary]] = defaultdict(list)
        begun: list[list[int]] = [[] for _ in self.trace.sensors]
        for part, outline, start, mine in zip(self.parts, outlines, starts, files, strict=True):
            if part.file_range is None or not part.file_range.begin:
                begun[part.sensor] += [start.before + before for before, _ in outline.files]
            for place, file in zip(part.file_indexes, mine, strict=True):
                found[place].append(file)
        for place, each in found.items():
            self.trace.files[place].set_results(file_ranges.whole(each))
        numbers = self.runner.results(ranks) if self.is_ranked else []
        sensors = [part.sensor for part in self.parts]
        self.trace.set_results(begun, total, numbering.pages(sensors, outlines, numbers))
        return self.trace
