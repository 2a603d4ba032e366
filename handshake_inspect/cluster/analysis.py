"""Captures in, a report out, by the stages of a trace in parts: called here, or by the workers of a scheduler."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from handshake_inspect.capture.named import expanded
from handshake_inspect.capture.source import Input
from handshake_inspect.capture.trace import MergedSource, Trace, open_trace
from handshake_inspect.cluster import numbering, scanning, sharing, stretches, tables, tracking
from handshake_inspect.cluster.numbering import Outline
from handshake_inspect.cluster.parts import Ended, Part, Sizes, check, parts_of
from handshake_inspect.engine import Options, Progress
from handshake_inspect.engine.reporting import conclude
from handshake_inspect.report.model import Report


class Runner(Protocol):
    """Who calls the stages.  What `submit` gives may stand among the arguments of another call."""

    ways: int  # how many may follow what moves at the same time

    def submit(self, stage: str, function: Callable[..., Any], *given: Any) -> Any:
        """Have a function called, in time."""

    def results(self, submitted: Sequence[Any], done: Callable[[int], object] | None = None) -> list[Any]:
        """What these functions returned; `done` is called with the place of each that has ended."""

    def item(self, submitted: Any, name: str) -> Any:
        """An attribute of what a function returns."""


class Here:
    """Calls each function at once, in this process."""

    ways = 1

    def submit(self, stage: str, function: Callable[..., Any], *given: Any) -> Any:
        """Call it."""
        return function(*given)

    def results(self, submitted: Sequence[Any], done: Callable[[int], object] | None = None) -> list[Any]:
        """They are what was returned."""
        return list(submitted)

    def item(self, submitted: Any, name: str) -> Any:
        """An attribute."""
        return getattr(submitted, name)


def analyze(
    inputs: Sequence[Input],
    runner: Runner,
    *,
    options: Options | None = None,
    progress: Progress | None = None,
    sizes: Sizes = Sizes(),  # noqa: B008  a tuple
) -> Report:
    """Analyse captures as one trace, in parts; the report is that of `engine.analyze`."""
    options = options or Options()
    named = expanded(inputs)
    check(named)
    with open_trace(named) as trace:
        parts = parts_of(trace, named, sizes)
    run = Run(trace, parts, runner, options, progress)
    return conclude(*run.pumped(), options.limits)


class Run:
    """One trace on its way through the stages."""

    def __init__(
        self, trace: Trace, parts: Sequence[Part], runner: Runner, options: Options, progress: Progress | None
    ) -> None:
        self.trace = trace
        self.parts = list(parts)
        self.runner = runner
        self.options = options
        self.progress = progress
        self.is_ranked = isinstance(trace, MergedSource) and len(trace.sensors) > 1
        self.read = 0  # bytes, of two passes

    def pumped(self) -> tuple[Any, Any]:
        """The trace as it is when it was read, and what was pumped of it."""
        runner = self.runner
        scans, outlines = self.scanned()
        starts = numbering.starts_of(outlines)
        ranks = self.ranks(scans, outlines, starts)
        loose = self.loose(scans, ranks)
        tracked = self.tracked(scans, outlines, starts, ranks, self.shared(scans, loose))
        followed = self.followed(tracked, loose)
        lookups = tracking.looked_up([*runner.results(self.items(tracked, "messages")), loose.messages])
        everything = [*runner.results(self.items(tracked, "pumped")), *runner.results(followed), loose.pumped]
        return self.ended(tracked, outlines, starts, ranks), tables.merged(everything, lookups)

    def items(self, submitted: Sequence[Any], name: str) -> list[Any]:
        """The same attribute of each."""
        return [self.runner.item(each, name) for each in submitted]

    def scanned(self) -> tuple[list[Any], list[Outline]]:
        """What each part has; stretches that were read from a wrong place are read again from the right one."""
        parts = self.parts
        scans, outlines = self.scan(parts, self.note)
        while (wrong := stretches.corrected(parts, outlines)).again:
            for at, part in wrong.again.items():
                parts[at] = part
            for at, scan, outline in zip(wrong.again, *self.scan(list(wrong.again.values())), strict=True):
                scans[at], outlines[at] = scan, outline
        kept = [at for at in range(len(parts)) if at not in wrong.behind_damage]
        outlines = [outlines[at] for at in kept]
        self.parts = stretches.settled([parts[at] for at in kept], outlines)
        return [scans[at] for at in kept], outlines

    def scan(
        self, parts: Sequence[Part], done: Callable[[int], object] | None = None
    ) -> tuple[list[Any], list[Outline]]:
        """What these parts have."""
        submit = self.runner.submit
        scans = [submit("decode", scanning.scan, part, self.is_ranked) for part in parts]
        outlines = [submit("decode", numbering.outline, *each) for each in zip(parts, scans, strict=True)]
        return scans, self.runner.results(outlines, done)

    def note(self, at: int) -> None:
        """A part was read once more."""
        self.read += self.parts[at].size
        if self.progress is not None:
            self.progress(self.read // 2, sum(part.size for part in self.parts))

    # -- between the passes --------------------------------------------------------------------------------------------

    def ranks(self, scans: Sequence[Any], outlines: Sequence[Any], starts: Sequence[Any]) -> list[Any]:
        """The numbers of the frames of each part."""
        if not self.is_ranked:
            return [start.before for start in starts]
        keys = [
            self.runner.submit("rank", numbering.keys_of, *each)
            for each in zip(outlines, starts, self.items(scans, "times"), strict=True)
        ]
        ranks: list[Any] = []
        for at, start in enumerate(starts):
            before, among = numbering.rivals_of(at, outlines, starts)
            before += start.before
            if among:
                before = self.runner.submit("rank", numbering.ranked, keys[at], before, [keys[one] for one in among])
            ranks.append(before)
        return ranks

    def loose(self, scans: Sequence[Any], ranks: Sequence[Any]) -> tracking.PutTogether:
        """What came of fragments, of all parts."""
        submit = self.runner.submit
        each = zip(self.items(scans, "loose"), ranks, strict=True)
        frames = self.runner.results([submit("split", tracking.numbered, *mine) for mine in each])
        return tracking.put_together([one for some in frames for one in some], self.options, self.runner.ways)

    def shared(self, scans: Sequence[Any], loose: tracking.PutTogether) -> Any:
        """What is moved."""
        submit = self.runner.submit
        tuples = submit("split", sharing.shared_tuples, self.items(scans, "tuples"), loose.tuples)
        wrongs = [*self.items(scans, "wrong"), loose.wrong]
        (wrong,) = self.runner.results([submit("split", sharing.paths_of, wrongs)])
        if len(wrong):
            rights = [submit("decode", scanning.rights_on, part, wrong) for part in self.parts]
            rights.append(sharing.on_paths(loose.right, wrong))
            tuples = submit("split", sharing.with_paths, tuples, rights, wrongs)
        served, seen = self.items(scans, "served"), self.items(scans, "seen")
        return submit("split", sharing.shared, tuples, served, seen)

    def tracked(
        self, scans: Sequence[Any], outlines: Sequence[Any], starts: Sequence[Any], ranks: Sequence[Any], shared: Any
    ) -> list[Any]:
        """What came of each part."""

        def track(shared: Any) -> list[Any]:
            return [
                self.runner.submit(
                    "track", tracking.track, part, own, outline.numbers, start.last_ns, shared, self.options,
                    self.runner.ways,
                )
                for part, own, outline, start in zip(self.parts, ranks, outlines, starts, strict=True)
            ]  # fmt: skip

        tracked = track(shared)
        if any(self.runner.results(self.items(tracked, "mixed"), self.note)):
            tracked = track(self.runner.submit("split", sharing.all_ends, shared))
        return tracked

    def followed(self, tracked: Sequence[Any], loose: tracking.PutTogether) -> list[Any]:
        """What came of what moved."""
        submit, ways = self.runner.submit, self.runner.ways
        segments = self.items(tracked, "segments")
        followed = [
            submit(
                "follow", tracking.follow_segments,
                [*(submit("follow", tracking.one_way, each, way) for each in segments), loose.segments[way]],
                self.options,
            )
            for way in range(ways)
        ]  # fmt: skip
        return [*followed, submit("follow", tracking.follow_datagrams, self.items(tracked, "datagrams"), self.options)]

    # -- the trace as it was read --------------------------------------------------------------------------------------

    def ended(
        self, tracked: Sequence[Any], outlines: Sequence[Any], starts: Sequence[Any], ranks: Sequence[Any]
    ) -> Any:
        """The trace, which knows now what its files are, and where their frames are."""
        files = self.runner.results(self.items(tracked, "files"))
        total = numbering.totals(outlines)
        if not isinstance(self.trace, MergedSource):
            only = stretches.whole([each for mine in files for each in mine])
            only.name, only.reader.frames = self.trace.name, total
            return only
        found: dict[int, list[Ended]] = defaultdict(list)
        begun: list[list[int]] = [[] for _ in self.trace.sensors]
        for part, outline, start, mine in zip(self.parts, outlines, starts, files, strict=True):
            if part.stretch is None or not part.stretch.begin:
                begun[part.sensor] += [start.before + before for before, _ in outline.stretches]
            for place, file in zip(part.places, mine, strict=True):
                found[place].append(file)
        for place, each in found.items():
            self.trace.files[place].conclude(stretches.whole(each))
        numbers = self.runner.results(ranks) if self.is_ranked else []
        sensors = [part.sensor for part in self.parts]
        self.trace.conclude(begun, total, numbering.pages(sensors, outlines, numbers))
        return self.trace
