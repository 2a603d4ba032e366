"""Export segments as they pass, for a live run whose observer wants packets."""

import math
from collections.abc import Callable
from typing import Any

from handshake_inspect.engine.export import Observer
from handshake_inspect.engine.fresh_segments import FreshSegments
from handshake_inspect.live.base import LiveSource
from handshake_inspect.report.packet import packet

MAX_EXPORT_S = 0.02  # time limit per block of frames if the kernel may drop frames meanwhile
BATCH_SIZE = 64


class PacketExports:
    """Exports the segments of each block of frames."""

    def __init__(self, tracker: Any, observer: Observer, clock: Callable[[], float], source: LiveSource) -> None:
        self._fresh = FreshSegments(tracker)
        self._observer = observer
        self._clock = clock
        self._source = source

    def export(self) -> None:
        """Export the segments of the last block; of an interface, only as many as `MAX_EXPORT_S` permits."""
        places, skipped = self._fresh.take()
        until = self._clock() + MAX_EXPORT_S if self._source.pending() is not None else math.inf
        for at in range(0, len(places), BATCH_SIZE):
            if self._clock() >= until:
                skipped += len(places) - at
                break
            some = self._fresh.read(places[at : at + BATCH_SIZE])
            self._observer.packets([packet(each) for each in some], skipped)
            skipped = 0
        if skipped:
            self._observer.packets([], skipped)
