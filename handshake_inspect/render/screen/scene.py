"""The input of a page: a snapshot, the user's choices, and the size of the terminal."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from rich.cells import cell_len

from handshake_inspect.render.screen.lists import Lists, Panel
from handshake_inspect.render.screen.look import Look
from handshake_inspect.render.screen.view import View
from handshake_inspect.report.model import Connection, Service
from handshake_inspect.report.snapshot import Second, Snapshot, TroubleGroup
from handshake_inspect.wire.const import NS_PER_SECOND

_LONGEST = 600  # limit for seconds of history, because the clock may jump
_SPAN_NS = 3 * NS_PER_SECOND  # averaging window of the frame rate


@dataclass(frozen=True)
class Scene:
    """One screen to draw."""

    snapshot: Snapshot
    view: View
    look: Look
    width: int
    height: int
    frames_per_s: float
    lists: Lists
    story: str | None = None
    fault: str = ""  # the error in the filter

    @property
    def focus(self) -> Panel:
        """The list that has the cursor."""
        return self.view.focus(self.lists)

    @cached_property
    def services(self) -> list[Service]:
        """The services that match the filter, in the selected order."""
        return self.view.services(self.snapshot.services)

    @cached_property
    def ends_width(self) -> int:
        """The width of the longest client and server in the list of connections."""
        ends = (f"{each.client} > {each.server}" for each in self._listed)
        return max((cell_len(self.look.clean(each)) for each in ends), default=0)

    @cached_property
    def owned(self) -> bool:
        """Whether the process of any listed connection is known."""
        return any(each.process is not None for each in self._listed)

    @cached_property
    def server_width(self) -> int:
        """The width of the longest server of a group in the list of trouble, with its arrow."""
        groups = (row.of for row in self.lists["trouble"] if isinstance(row.of, TroubleGroup))
        return 2 + max((cell_len(self.look.clean(str(group.server))) for group in groups), default=0)

    @property
    def _listed(self) -> list[Connection]:
        return [row.of for row in self.lists["connections"] if isinstance(row.of, Connection)]

    @cached_property
    def _pieces(self) -> list[tuple[int, int, Second]]:
        """The parts of the history with their start and end as ages in ns, oldest first.

        A part lasts from the previous report to its own, because reports of a busy capture may be more than a second
        apart.
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
        """The number of seconds of history."""
        return min(max(-(-self._pieces[0][0] // NS_PER_SECOND), 1), _LONGEST) if self._pieces else 1

    def series(self, value: Callable[[Second], int], most: int) -> list[float]:
        """Return a value for each of the last seconds, oldest first; the last one ends now."""
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
    """Computes frames per second from successive snapshots."""

    def __init__(self) -> None:
        self._seen: deque[tuple[int, int]] = deque(maxlen=64)

    def note(self, snapshot: Snapshot) -> None:
        """Record a snapshot; repeating it has no effect."""
        seen = self._seen
        if seen and snapshot.elapsed_ns <= seen[-1][0]:
            return
        seen.append((snapshot.elapsed_ns, snapshot.frames))
        while len(seen) > 2 and seen[1][0] <= snapshot.elapsed_ns - _SPAN_NS:
            seen.popleft()

    def rate(self, snapshot: Snapshot) -> float:
        """Return the mean over the last seconds, or over the whole capture before there are two snapshots."""
        began, frames = self._seen[0] if len(self._seen) > 1 else (0, 0)
        lasting = snapshot.elapsed_ns - began
        return max(snapshot.frames - frames, 0) * NS_PER_SECOND / lasting if lasting > 0 else 0.0
