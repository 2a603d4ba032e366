"""Captures in, a report out, by the stages of a trace in parts: called here, or by the workers of a scheduler."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import compress
from typing import Any, Protocol

from handshake_inspect.capture.path_patterns import expanded
from handshake_inspect.capture.source import Input
from handshake_inspect.capture.trace import MergedSource, Trace, open_trace
from handshake_inspect.cluster import numbering, scanning, sharing, stretches, tables, tracking
from handshake_inspect.cluster.numbering import Outline
from handshake_inspect.cluster.parts import Ended, Part, Sizes, check, parts_of
from handshake_inspect.engine import Options, Progress
from handshake_inspect.engine.reporting import conclude
from handshake_inspect.report.model import Report

MOST_WAYS = 16


class Runner(Protocol):
    """Who calls the stages.  What `submit` gives may stand among the arguments of another call."""

    ways: int  # how many may follow what moves at the same time, MOST_WAYS or fewer

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
        if done is not None:
            for place in range(len(submitted)):
                done(place)
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
    sizes: Sizes | None = None,
) -> Report:
    """Analyse captures as one trace, in parts; the report is that of `engine.analyze`."""
    options = options or Options()
    named = expanded(inputs)
    check(named)
    with open_trace(named) as trace:
        parts = parts_of(trace, named, sizes or Sizes().among(runner.ways, trace.size or 0))
    run = Run(trace, parts, runner, options, progress)
    return conclude(*run.pumped(), options.limits)


class Done:
    """How much is done, in passes over all parts that have each a share of what is left."""

    def __init__(self, progress: Progress | None, parts: Sequence[Part]) -> None:
        self.progress = progress
        self.size = sum(part.size for part in parts)
        self.share = 0.0

    def of(self, parts: Sequence[Part], share: float) -> Callable[[int], None]:
        """What is called at the end of each part of a pass."""
        begun, size, read = self.share, sum(part.size for part in parts) or 1, 0

        def note(at: int) -> None:
            nonlocal read
            read += parts[at].size
            self.share = begun + (1 - begun) * share * read / size
            if self.progress is not None:
                self.progress(round(self.share * self.size), self.size)

        return note

    def end(self) -> None:
        """No further pass came, though one might have."""
        if self.progress is not None and self.share < 1:
            self.progress(self.size, self.size)


class Run:
    """One trace on its way through the stages."""

    def __init__(
        self, trace: Trace, parts: Sequence[Part], runner: Runner, options: Options, progress: Progress | None
    ) -> None:
        self.trace = trace
        self.parts = list(parts)
        self.runner = runner
        self.options = options
        self.is_ranked = isinstance(trace, MergedSource) and len(trace.sensors) > 1
        self.done = Done(progress, parts)

    def pumped(self) -> tuple[Any, Any]:
        """The trace as it is when it was read, and what was pumped of it."""
        runner = self.runner
        scans, outlines = self.scanned()
        starts = numbering.starts_of(outlines)
        ranks = self.ranks(scans, outlines, starts)
        loose = self.loose(scans, outlines, ranks)
        tracked, said = self.tracked(outlines, starts, ranks, self.shared(scans, outlines, loose))
        followed = self.followed(tracked, said, loose)
        messages = self.items(tracked, "messages", [each.has_messages for each in said])
        lookups = tracking.looked_up([*runner.results(messages), loose.messages])
        everything = [*runner.results(self.items(tracked, "pumped")), *runner.results(followed), loose.pumped]
        return self.ended(said, outlines, starts, ranks), tables.merged(everything, lookups)

    def items(self, submitted: Sequence[Any], name: str, those: Sequence[bool] | None = None) -> list[Any]:
        """The same attribute of each, or of those alone."""
        chosen = submitted if those is None else compress(submitted, those)
        return [self.runner.item(each, name) for each in chosen]

    def scanned(self) -> tuple[list[Any], list[Outline]]:
        """What each part has; stretches that were read from a wrong place are read again from the right one."""
        parts = self.parts
        scans, outlines = self.scan(parts, self.done.of(parts, 0.5))
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

    # -- between the passes --------------------------------------------------------------------------------------------

    def ranks(self, scans: Sequence[Any], outlines: Sequence[Any], starts: Sequence[Any]) -> list[Any]:
        """The numbers of the frames of each part."""
        if not self.is_ranked:
            return [start.before for start in starts]
        keys = [
            self.runner.submit("rank", numbering.keys_of, *each)
            for each in zip(outlines, starts, self.items(scans, "times"), strict=True)
        ]
        spans = numbering.spans_of(outlines, starts)
        ranks: list[Any] = []
        for at, (outline, start) in enumerate(zip(outlines, starts, strict=True)):
            before, among = numbering.rivals_of(outline, start, spans)
            before += start.before
            if among:
                before = self.runner.submit("rank", numbering.ranked, keys[at], before, [keys[one] for one in among])
            ranks.append(before)
        return ranks

    def loose(self, scans: Sequence[Any], outlines: Sequence[Outline], ranks: Sequence[Any]) -> tracking.PutTogether:
        """What came of fragments, of all parts."""
        submit, having = self.runner.submit, [outline.has_loose for outline in outlines]
        mine = compress(ranks, having)
        numbered = [
            submit("split", tracking.numbered, *each)
            for each in zip(self.items(scans, "loose", having), mine, strict=True)
        ]
        frames = [one for some in self.runner.results(numbered) for one in some]
        return tracking.put_together(frames, self.options, self.runner.ways)

    def shared(self, scans: Sequence[Any], outlines: Sequence[Outline], loose: tracking.PutTogether) -> Any:
        """What is moved."""
        submit = self.runner.submit
        tuples = submit("split", sharing.shared_tuples, self.items(scans, "tuples"), loose.tuples)
        if any(outline.has_wrong for outline in outlines) or len(loose.wrong):
            tuples = self.with_paths(tuples, scans, outlines, loose)
        serving = [outline.has_served for outline in outlines]
        seen = self.items(scans, "seen") if any(serving) else []
        return submit("split", sharing.shared, tuples, self.items(scans, "served", serving), seen)

    def with_paths(
        self, tuples: Any, scans: Sequence[Any], outlines: Sequence[Outline], loose: tracking.PutTogether
    ) -> Any:
        """The same with those whose wrong checksums are judged by right ones of another part: one more pass."""
        submit = self.runner.submit
        wrongs = [
            self.runner.item(scan, "wrong") if outline.has_wrong else loose.wrong[:0]
            for scan, outline in zip(scans, outlines, strict=True)
        ]
        wrongs.append(loose.wrong)
        (wrong,) = self.runner.results([submit("split", sharing.paths_of, wrongs)])
        rights = [submit("decode", scanning.rights_on, part, wrong) for part in self.parts]
        self.runner.results([submit("decode", len, each) for each in rights], self.done.of(self.parts, 0.5))
        rights.append(sharing.on_paths(loose.right, wrong))
        return submit("split", sharing.with_paths, tuples, rights, wrongs)

    def tracked(
        self, outlines: Sequence[Any], starts: Sequence[Any], ranks: Sequence[Any], shared: Any
    ) -> tuple[list[Any], list[tracking.Brief]]:
        """What came of each part, and what is to be known of it."""

        def track(shared: Any) -> list[Any]:
            return [
                self.runner.submit(
                    "track", tracking.track, part, own, outline.numbers, start.last_ns, shared, self.options,
                    self.runner.ways,
                )
                for part, own, outline, start in zip(self.parts, ranks, outlines, starts, strict=True)
            ]  # fmt: skip

        def briefs(tracked: Sequence[Any], share: float) -> list[tracking.Brief]:
            submitted = [self.runner.submit("track", tracking.brief, each) for each in tracked]
            return self.runner.results(submitted, self.done.of(self.parts, share))

        tracked = track(shared)
        (may_be_mixed,) = self.runner.results([self.runner.submit("split", sharing.may_be_mixed, shared)])
        said = briefs(tracked, 0.5 if may_be_mixed else 1)
        if any(each.is_mixed for each in said):
            tracked = track(self.runner.submit("split", sharing.all_ends, shared))
            said = briefs(tracked, 1)
        self.done.end()
        return tracked, said

    def followed(
        self, tracked: Sequence[Any], said: Sequence[tracking.Brief], loose: tracking.PutTogether
    ) -> list[Any]:
        """What came of what moved."""
        submit, ways = self.runner.submit, self.runner.ways
        followed = [
            submit(
                "follow", tracking.follow_segments,
                [*(submit("follow", tracking.one_way, each, way) for each in tracked), loose.segments[way]],
                self.options,
            )
            for way in range(ways)
        ]  # fmt: skip
        datagrams = self.items(tracked, "datagrams", [each.has_datagrams for each in said])
        return [*followed, submit("follow", tracking.follow_datagrams, datagrams, self.options)]

    # -- the trace as it was read --------------------------------------------------------------------------------------

    def ended(
        self, said: Sequence[tracking.Brief], outlines: Sequence[Any], starts: Sequence[Any], ranks: Sequence[Any]
    ) -> Any:
        """The trace, which knows now what its files are, and where their frames are."""
        files = [each.files for each in said]
        total = numbering.totals(outlines)
        if not isinstance(self.trace, MergedSource):
            only = stretches.whole([each for mine in files for each in mine])
            only.name, only.reader.frames = self.trace.name, total
            return only
        found: dict[int, list[Ended]] = defaultdict(list)
        begun: list[list[int]] = [[] for _ in self.trace.sensors]
        for part, outline, start, mine in zip(self.parts, outlines, starts, files, strict=True):
            if part.stretch is None or not part.stretch.begin:
                begun[part.sensor] += [start.before + before for before, _ in outline.files]
            for place, file in zip(part.places, mine, strict=True):
                found[place].append(file)
        for place, each in found.items():
            self.trace.files[place].conclude(stretches.whole(each))
        numbers = self.runner.results(ranks) if self.is_ranked else []
        sensors = [part.sensor for part in self.parts]
        self.trace.conclude(begun, total, numbering.pages(sensors, outlines, numbers))
        return self.trace
