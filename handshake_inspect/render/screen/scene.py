"""All that a page is drawn from: a snapshot, what the user has chosen, and how much room there is."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from handshake_inspect.render.screen.look import Look
from handshake_inspect.render.screen.view import View
from handshake_inspect.render.units import NS_PER_SECOND
from handshake_inspect.report.model import Connection, Service
from handshake_inspect.report.snapshot import Second, Snapshot

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
    story: str | None = None

    @cached_property
    def trouble(self) -> list[Connection]:
        """The connections in trouble that the filter lets through, newest first."""
        return self.view.trouble(self.snapshot.trouble)

    @cached_property
    def services(self) -> list[Service]:
        """The services that the filter lets through, in the order chosen."""
        return self.view.services(self.snapshot.services)

    @cached_property
    def _seconds(self) -> dict[int, Second]:
        """The seconds of the history by how many seconds ago they began; 0 is not over yet."""
        now = self.snapshot.at_ns
        return {max(now - second.at_ns, 0) // NS_PER_SECOND: second for second in self.snapshot.history}

    @property
    def seconds(self) -> int:
        """How many seconds of history there are to show."""
        return max(max(self._seconds, default=0), 1)

    def series(self, value: Callable[[Second], int], most: int) -> list[int]:
        """A value of each of the last seconds that are over, oldest first; of the first second while it lasts."""
        seconds = self._seconds
        if max(seconds, default=0) == 0:
            return [value(seconds[0]) if seconds else 0]
        ago = range(min(self.seconds, max(most, 1)), 0, -1)
        return [value(seconds[each]) if each in seconds else 0 for each in ago]


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
