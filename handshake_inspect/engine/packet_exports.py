"""Export of segments as they pass, in a live run that is asked for them."""

import math
from collections.abc import Callable
from typing import Any

from handshake_inspect.engine.export import Observer
from handshake_inspect.engine.fresh_segments import FreshSegments
from handshake_inspect.live.base import LiveSource
from handshake_inspect.report.packet import packet

LONGEST_S = 0.02  # after a block of frames, segments are exported for so long where frames do not wait for us
AT_ONCE = 64


class PacketExports:
    """Exports the segments of one block of frames after the other."""

    def __init__(self, tracker: Any, observer: Observer, clock: Callable[[], float], source: LiveSource) -> None:
        self._fresh = FreshSegments(tracker)
        self._observer = observer
        self._clock = clock
        self._source = source

    def go_on(self) -> None:
        """Export the segments of a block; of an interface only as many as there is time for before its next frames."""
        places, skipped = self._fresh.take()
        until = self._clock() + LONGEST_S if self._source.pending() is not None else math.inf
        for at in range(0, len(places), AT_ONCE):
            if self._clock() >= until:
                skipped += len(places) - at
                break
            some = self._fresh.read(places[at : at + AT_ONCE])
            self._observer.packets([packet(each) for each in some], skipped)
            skipped = 0
        if skipped:
            self._observer.packets([], skipped)
