"""Verify that each stretch of a large file begins where the previous one ended, and merge their summaries.

The start of a stretch is a guess.  Its scan is valid only if the previous stretch ended exactly there, with the same
reader state; otherwise it is scanned again from the right offset.  So no report depends on a guess.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import NamedTuple

from handshake_inspect.capture.file_range import FileRange
from handshake_inspect.capture.pcapng import PcapngReader
from handshake_inspect.cluster.numbering import EARLIEST, Outline
from handshake_inspect.cluster.parts import FileSummary, Part


class Corrections(NamedTuple):
    """Parts to be scanned again, by index, and indexes of parts after damage, which are not read."""

    again: dict[int, Part]
    behind_damage: list[int]


def corrections(parts: Sequence[Part], outlines: Sequence[Outline]) -> Corrections:
    """Return corrections, for each file, of the first wrong stretch and of later ones with another reader state."""
    made = Corrections({}, [])
    for each in _by_file(parts):
        _correct(each, parts, outlines, made)
    return made


def _by_file(parts: Sequence[Part]) -> Iterator[list[int]]:
    """Yield the indexes of the stretches of each file that has several."""
    for _, group in groupby(range(len(parts)), key=lambda at: parts[at].places):
        places = list(group)
        if len(places) > 1:
            yield places


def _correct(places: Sequence[int], parts: Sequence[Part], outlines: Sequence[Outline], made: Corrections) -> None:
    last_ns = 0
    for number, at in enumerate(places[1:], 1):
        before = outlines[places[number - 1]]
        if not before.is_whole:
            made.behind_damage.extend(places[number:])
            return
        last_ns = last_ns if before.last_ns is None else before.last_ns
        right = FileRange(before.ended, _stop(parts[at]), before.head, ts_ns=last_ns)
        if _is_wrong(outlines[at], right):
            made.again[at] = replace(parts[at], stretch=right)
            for later in places[number + 1 :]:
                if outlines[later].begun.preamble != right.preamble:
                    made.again[later] = replace(
                        parts[later], stretch=outlines[later].begun._replace(preamble=right.preamble)
                    )
            return


def _is_wrong(outline: Outline, right: FileRange) -> bool:
    begun = outline.begun
    if (begun.begin, begun.preamble) != (right.begin, right.preamble):
        return True
    # A first frame without a timestamp inherits that of the previous frame, which affects its rank.
    return outline.first != EARLIEST and outline.first[0] == begun.ts_ns != right.ts_ns


def _stop(part: Part) -> int | None:
    return None if part.stretch is None else part.stretch.stop


def settled(parts: Sequence[Part], outlines: Sequence[Outline]) -> list[Part]:
    """Return the parts for the second pass, with the start of each stretch and the state before it."""
    made = list(parts)
    for places in _by_file(parts):
        frames = bad_timestamps = last_ns = 0
        for at in places:
            outline = outlines[at]
            stretch = outline.begun._replace(
                stop=_stop(parts[at]), frames=frames, bad_timestamps=bad_timestamps, ts_ns=last_ns
            )
            made[at] = replace(parts[at], stretch=stretch)
            frames, bad_timestamps = frames + outline.numbers, bad_timestamps + outline.bad_timestamps
            last_ns = last_ns if outline.last_ns is None else outline.last_ns
    return made


def whole(stretches: Sequence[FileSummary]) -> FileSummary:
    """Merge the summaries of a file's stretches."""
    if len(stretches) == 1:
        return stretches[0]
    made = replace(
        stretches[0],
        link_types=list(dict.fromkeys(kind for each in stretches for kind in each.link_types)),
        problems=[problem for each in stretches for problem in each.problems],
        complete=all(each.complete for each in stretches),
    )
    if made.format == "pcapng":
        reader = _replayed(stretches)
        made.link_types, made.filters = reader.link_types, reader.filters or [None]
        made.dropped, made.seen_until_ns = reader.dropped(), reader.seen_until()
    return made


def _replayed(stretches: Sequence[FileSummary]) -> PcapngReader:
    """Return a reader with the metadata of all stretches."""
    reader = PcapngReader()
    events = 0
    for each in stretches:
        for said in each.said:
            reader.replay(said._replace(events=events + said.events))
        events += each.events
    reader.frames, reader.events = stretches[-1].frames, events
    counted = [each.lost for each in stretches if each.lost >= 0]
    reader.lost = sum(counted) if counted else -1
    return reader
