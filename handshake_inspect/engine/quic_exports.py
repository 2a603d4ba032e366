"""Export of the QUIC connections of a live run: each once it is decided, and again at the end if it has changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from handshake_inspect.engine.attempt_ids import SETTLED_NS
from handshake_inspect.report.quic import QuicConnection
from handshake_inspect.report.quic_objects import QuicReport
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.names import Names, waited_for
from handshake_inspect.verdicts.quic.quic_case import QuicCase


class QuicExports:
    """Remembers the exported connections by first frame, with their last timestamp at that time."""

    def __init__(self) -> None:
        self._exported: dict[int, int] = {}

    def news(self, case: Case) -> list[QuicConnection]:
        """Return connections that are decided, older than `SETTLED_NS` and not yet exported."""
        quics = case.quics
        if not len(quics):
            return []
        frames: NDArray[np.uint64] = quics.rows["first_frame"]
        before = np.isin(frames, np.fromiter(self._exported, dtype=np.uint64, count=len(self._exported)))
        self._exported = {frame: self._exported[frame] for frame in frames[before].tolist()}  # without evicted ones
        settled = quics.first_times <= quics.last_ns - SETTLED_NS
        news = [each for each in _made(case, np.flatnonzero(settled & ~before)) if each.decided]
        self._exported |= {each.first_frame: each.last_ns for each in news}
        return news

    def left(self, connections: Sequence[QuicConnection]) -> list[QuicConnection]:
        """Return those of these connections still to be exported when the capture ends."""
        return [each for each in connections if self._exported.get(each.first_frame) != each.last_ns]


def _made(case: Case, rows: NDArray[np.intp]) -> list[QuicConnection]:
    """Build the objects of these rows only, since each requires decryption."""
    if not len(rows):
        return []
    some = replace(case.quics, rows=case.quics.rows[rows])
    chosen = QuicCase(case.attempts, case.legs, some, Names(some, case.lookups))
    waited = waited_for(case.names, chosen.names)[1] if case.lookups else {}
    connections = QuicReport(chosen, waited).connections
    return [msgspec.structs.replace(each, id=place) for each, place in zip(connections, rows.tolist(), strict=True)]
