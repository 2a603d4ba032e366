"""Verify that each range of a large file begins where the previous one ended, and merge their summaries.

The start of a range is a guess.  Its scan is valid only if the previous range ended exactly there, with the same
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
    """Return corrections, for each file, of the first wrong range and of later ones with another reader state."""
    found = Corrections({}, [])
    for each in _by_file(parts):
        _correct(each, parts, outlines, found)
    return found


def _by_file(parts: Sequence[Part]) -> Iterator[list[int]]:
    """Yield the indexes of the ranges of each file that has several."""
    for _, group in groupby(range(len(parts)), key=lambda at: parts[at].file_indexes):
        indexes = list(group)
        if len(indexes) > 1:
            yield indexes


def _correct(indexes: Sequence[int], parts: Sequence[Part], outlines: Sequence[Outline], found: Corrections) -> None:
    last_ns = 0
    for number, at in enumerate(indexes[1:], 1):
        before = outlines[indexes[number - 1]]
        if not before.is_whole:
            found.behind_damage.extend(indexes[number:])
            return
        last_ns = last_ns if before.last_ns is None else before.last_ns
        right = FileRange(before.ended, _stop(parts[at]), before.head, ts_ns=last_ns)
        if _is_wrong(outlines[at], right):
            found.again[at] = replace(parts[at], file_range=right)
            for later in indexes[number + 1 :]:
                if outlines[later].begun.preamble != right.preamble:
                    found.again[later] = replace(
                        parts[later], file_range=outlines[later].begun._replace(preamble=right.preamble)
                    )
            return


def _is_wrong(outline: Outline, right: FileRange) -> bool:
    begun = outline.begun
    if (begun.begin, begun.preamble) != (right.begin, right.preamble):
        return True
    # A first frame without a timestamp inherits that of the previous frame, which affects its rank.
    return outline.first != EARLIEST and outline.first[0] == begun.ts_ns != right.ts_ns


def _stop(part: Part) -> int | None:
    return None if part.file_range is None else part.file_range.stop


def settled(parts: Sequence[Part], outlines: Sequence[Outline]) -> list[Part]:
    """Return the parts for the second pass, with the start of each range and the state before it."""
    ranged = list(parts)
    for indexes in _by_file(parts):
        frames = bad_timestamps = last_ns = 0
        for at in indexes:
            outline = outlines[at]
            file_range = outline.begun._replace(
                stop=_stop(parts[at]), frames=frames, bad_timestamps=bad_timestamps, ts_ns=last_ns
            )
            ranged[at] = replace(parts[at], file_range=file_range)
            frames, bad_timestamps = frames + outline.numbers, bad_timestamps + outline.bad_timestamps
            last_ns = last_ns if outline.last_ns is None else outline.last_ns
    return ranged


def whole(ranges: Sequence[FileSummary]) -> FileSummary:
    """Merge the summaries of a file's ranges."""
    if len(ranges) == 1:
        return ranges[0]
    merged = replace(
        ranges[0],
        link_types=list(dict.fromkeys(kind for each in ranges for kind in each.link_types)),
        problems=[problem for each in ranges for problem in each.problems],
        complete=all(each.complete for each in ranges),
    )
    if merged.format == "pcapng":
        reader = _replayed(ranges)
        merged.link_types, merged.filters = reader.link_types, reader.filters or [None]
        merged.dropped, merged.seen_until_ns = reader.dropped(), reader.seen_until()
    return merged


def _replayed(ranges: Sequence[FileSummary]) -> PcapngReader:
    """Return a reader with the metadata of all ranges."""
    reader = PcapngReader()
    events = 0
    for each in ranges:
        for block in each.metadata:
            reader.replay(block._replace(events=events + block.events))
        events += each.events
    reader.frames, reader.events = ranges[-1].frames, events
    counted = [each.lost for each in ranges if each.lost >= 0]
    reader.lost = sum(counted) if counted else -1
    return reader
