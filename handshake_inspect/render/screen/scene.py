"""All that a page is drawn from: a snapshot, what the user has chosen, and how much room there is."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from handshake_inspect.render.screen.lists import Lists, Panel
from handshake_inspect.render.screen.look import Look
from handshake_inspect.render.screen.view import View
from handshake_inspect.report.model import Service
from handshake_inspect.report.snapshot import Second, Snapshot
from handshake_inspect.wire.const import NS_PER_SECOND

_LONGEST = 600  # seconds of history; a clock that jumps has a longer one
_SPAN_NS = 3 * NS_PER_SECOND  # the rate of frames is the mean over so much of the capture


@dataclass(frozen=True)
class Scene:
    """One picture to draw."""

    snapshot: Snapshot
    view: View
    look: Look
    width: int
    height: int
    frames_per_s: float
    lists: Lists
    story: str | None = None
    fault: str = ""  # what is wrong with the filter

    @property
    def focus(self) -> Panel:
        """The list that the arrow keys move in."""
        return self.view.focus(self.lists)

    @cached_property
    def services(self) -> list[Service]:
        """The services that the filter lets through, in the order chosen."""
        return self.view.services(self.snapshot.services)

    @cached_property
    def _pieces(self) -> list[tuple[int, int, Second]]:
        """From how long ago to how long ago each part of the history lasted, oldest first.

        A part ends when it is reported, and begins with the one before: looks at a busy capture are not a second apart.
        """
        now = self.snapshot.at_ns
        before = min(now - self.snapshot.elapsed_ns, now)
        pieces: list[tuple[int, int, Second]] = []
        for part in self.snapshot.history:
            end = min(part.at_ns, now)
            began = min(max(before, end - NS_PER_SECOND) if not pieces else before, end)
            pieces.append((now - began, now - end, part))
            before = end
        return pieces

    @property
    def seconds(self) -> int:
        """How many seconds of history there are to show."""
        return min(max(-(-self._pieces[0][0] // NS_PER_SECOND), 1), _LONGEST) if self._pieces else 1

    def series(self, value: Callable[[Second], int], most: int) -> list[float]:
        """A value in each of the last seconds, oldest first; the last one ends now."""
        count = max(min(self.seconds, most), 1)
        bins = [0.0] * count
        for began, ended, part in self._pieces:
            amount = value(part)
            if not amount:
                continue
            lasting = max(began - ended, 1)
            last = min(max(began - 1, ended) // NS_PER_SECOND, count - 1)
            for each in range(ended // NS_PER_SECOND, last + 1):
                shared = min(began, (each + 1) * NS_PER_SECOND) - max(ended, each * NS_PER_SECOND)
                bins[each] += amount * max(shared, 1 if lasting == 1 else 0) / lasting
        return [round(each, 1) for each in reversed(bins)]


class Pace:
    """Frames per second, from the snapshots as they come."""

    def __init__(self) -> None:
        self._seen: deque[tuple[int, int]] = deque(maxlen=64)

    def note(self, snapshot: Snapshot) -> None:
        """Take a snapshot into account; the same one again changes nothing."""
        seen = self._seen
        if seen and snapshot.elapsed_ns <= seen[-1][0]:
            return
        seen.append((snapshot.elapsed_ns, snapshot.frames))
        while len(seen) > 2 and seen[1][0] <= snapshot.elapsed_ns - _SPAN_NS:
            seen.popleft()

    def rate(self, snapshot: Snapshot) -> float:
        """The mean over the last seconds; over all of the capture before there are two snapshots."""
        began, frames = self._seen[0] if len(self._seen) > 1 else (0, 0)
        lasting = snapshot.elapsed_ns - began
        return max(snapshot.frames - frames, 0) * NS_PER_SECOND / lasting if lasting > 0 else 0.0
