"""Decoded segments in transit from one pump to another: records as rows, and their captured payloads.

The payload position of a record is an offset in `payloads` instead of an offset in the pump's block.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.capture.frames import FrameReader
from handshake_inspect.cluster.sieves import RecordBuffer
from handshake_inspect.decode.segment import Segment
from handshake_inspect.engine.pump import Pump
from handshake_inspect.verdicts.arrays import Array, Bools
from handshake_inspect.wire.const import KIND_ICMP_ERROR, KIND_UDP_ERROR

RECORD = np.dtype(Segment)
_WORDS = RECORD.itemsize // 8


@dataclass
class Records:
    """Records in frame order."""

    rows: Array
    payloads: NDArray[np.uint8]

    @property
    def nbytes(self) -> int:
        """Bytes to transfer."""
        return self.rows.nbytes + len(self.payloads)

    @classmethod
    def of(cls, gathered: RecordBuffer) -> "Records":
        """Return views of the records in a buffer."""
        return cls(np.frombuffer(gathered.records, dtype=RECORD), np.frombuffer(gathered.payloads, dtype=np.uint8))


def words_of(storage: Any) -> Array:
    """Return a view of a pump's records as 64-bit words, which NumPy copies faster than structured fields."""
    return np.frombuffer(storage, dtype=np.uint64).reshape(-1, _WORDS)


def rows_of(words: Array) -> Array:
    """Return a view with named fields."""
    return words.view(RECORD)[:, 0]


def has_payload(rows: Array) -> Bools:
    """Return a mask of the records with a payload, not ICMP errors, which have an address in its fields."""
    held: Bools = (rows["kind"] != KIND_ICMP_ERROR) & (rows["kind"] != KIND_UDP_ERROR)
    return held


def in_order(records: Sequence[Records]) -> list[Records]:
    """Return the records in frame order, merged if their frames are interleaved."""
    having = sorted((each for each in records if len(each.rows)), key=lambda each: int(each.rows["frame"][0]))
    frames = [each.rows["frame"] for each in having]
    apart = all(before[-1] < after[0] for before, after in pairwise(frames))
    if apart and all((each[1:] >= each[:-1]).all() for each in frames):
        return having
    return [_merged(having)]


def _merged(records: Sequence[Records]) -> Records:
    rows = np.concatenate([each.rows for each in records])
    places = np.concatenate([[0], np.cumsum([len(each.payloads) for each in records])[:-1]]).astype(np.uint64)
    shift = np.repeat(places, [len(each.rows) for each in records])
    rows["reporter_hi"] += shift * has_payload(rows)
    order = np.argsort(rows["frame"], kind="stable")
    return Records(rows_of(words_of(rows)[order]), np.concatenate([each.payloads for each in records]))


def track_records(pump: Pump, records: Sequence[Records], datagrams: bool = False) -> None:
    """Track the records with a pump, in frame order."""
    view = np.frombuffer(pump.storage, dtype=RECORD)
    batch = len(view)
    for each in in_order(records):
        reader = FrameReader()
        data = each.payloads.tobytes()
        reader.feed(data, 0, len(data), 0)
        for start in range(0, len(each.rows), batch):
            some = each.rows[start : start + batch]
            view[: len(some)] = some
            if datagrams:
                pump.track_decoded_datagrams(reader, len(some))
            else:
                pump.track_decoded(reader, len(some))
