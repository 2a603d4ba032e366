"""QUIC connections of a live run, exported when they are decided: each once, and again at the end if it changed."""

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
    """Which were exported, by their first frames, and when they were last seen then."""

    def __init__(self) -> None:
        self._exported: dict[int, int] = {}

    def news(self, case: Case) -> list[QuicConnection]:
        """Those that are decided, are old enough for it to last, and were not exported yet."""
        quics = case.quics
        if not len(quics):
            return []
        frames: NDArray[np.uint64] = quics.rows["first_frame"]
        before = np.isin(frames, np.fromiter(self._exported, dtype=np.uint64, count=len(self._exported)))
        self._exported = {frame: self._exported[frame] for frame in frames[before].tolist()}  # others have made room
        settled = quics.first_times <= quics.last_ns - SETTLED_NS
        news = [each for each in _made(case, np.flatnonzero(settled & ~before)) if each.decided]
        self._exported |= {each.first_frame: each.last_ns for each in news}
        return news

    def left(self, connections: Sequence[QuicConnection]) -> list[QuicConnection]:
        """What is still to be exported of these when the capture ends."""
        return [each for each in connections if self._exported.get(each.first_frame) != each.last_ns]


def _made(case: Case, rows: NDArray[np.intp]) -> list[QuicConnection]:
    """These alone: a cipher runs over each."""
    if not len(rows):
        return []
    some = replace(case.quics, rows=case.quics.rows[rows])
    chosen = QuicCase(case.attempts, case.legs, some, Names(some, case.lookups))
    waited = waited_for(case.names, chosen.names)[1] if case.lookups else {}
    made = QuicReport(chosen, waited).connections
    return [msgspec.structs.replace(each, id=place) for each, place in zip(made, rows.tolist(), strict=True)]
