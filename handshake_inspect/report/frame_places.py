"""File and frame number of frames in a trace of many files, for columns of connections and evidence of findings."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np

from handshake_inspect.report.attempt_columns import AttemptColumns
from handshake_inspect.report.column import Numbers, Words, every
from handshake_inspect.report.connection_parts import FileFrame


def first_file(attempts: AttemptColumns) -> Words:
    """Return the file of each first frame."""
    locator = attempts.case.capture.frame_locator
    if locator is None:
        return Words(np.full(len(attempts), -1), ())
    return Words(locator.of(attempts.first_frame)[0], locator.names)


def frame_in_file(attempts: AttemptColumns) -> Numbers:
    """Return the number of each first frame within its file."""
    locator = attempts.case.capture.frame_locator
    if locator is None:
        return Numbers(np.zeros(len(attempts), dtype=np.int64), np.zeros(len(attempts), dtype=bool))
    return every(locator.of(attempts.first_frame)[1])


def evidence_in_files(evidence: Sequence[Sequence[int]], locator: Any) -> list[list[FileFrame] | None]:
    """Return file and number of the evidence frames of each connection; None each if the trace is one file."""
    if locator is None:
        return [None] * len(evidence)
    found = iter(in_files([frame for frames in evidence for frame in frames], locator))
    return [list(islice(found, len(frames))) for frames in evidence]


def in_files(frames: Sequence[int], locator: Any) -> list[FileFrame]:
    """Return file and number of these frames; empty if the trace is one file."""
    if locator is None or not frames:
        return []
    files, numbers = locator.of(np.array(frames))
    return [
        FileFrame(locator.names[file], number) for file, number in zip(files.tolist(), numbers.tolist(), strict=True)
    ]
