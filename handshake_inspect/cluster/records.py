"""Records that one pump decoded and another one follows: the fixed part as rows, what was captured of payloads beside.

A record has the place of its payload in `octets` where a pump has the place in its own block.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.capture.frames import FrameReader
from handshake_inspect.decode.segment import Segment
from handshake_inspect.engine.pump import Pump
from handshake_inspect.verdicts.arrays import Array, Bools
from handshake_inspect.wire.const import KIND_ICMP_ERROR, KIND_UDP_ERROR

RECORD = np.dtype(Segment)
_WORDS = RECORD.itemsize // 8


@dataclass
class Records:
    """Records in the order of their frames."""

    rows: Array
    octets: NDArray[np.uint8]

    @classmethod
    def none(cls) -> "Records":
        """No records."""
        return cls(np.zeros(0, dtype=RECORD), np.zeros(0, dtype=np.uint8))

    @property
    def nbytes(self) -> int:
        """How many bytes move."""
        return self.rows.nbytes + len(self.octets)

    def chosen(self, mask: Bools) -> "Records":
        """The marked ones."""
        rows = rows_of(words_of(self.rows)[mask])
        held = has_payload(rows)
        lengths = np.where(held, rows["reporter_lo"], 0).astype(np.int64)
        starts = np.cumsum(lengths) - lengths
        shift = np.where(held, rows["reporter_hi"], 0).astype(np.int64) - starts
        octets = self.octets[np.repeat(shift, lengths) + np.arange(lengths.sum())]
        rows["reporter_hi"] = np.where(held, starts.astype(np.uint64), rows["reporter_hi"])
        return Records(rows, octets)


class Gatherer:
    """Takes records out of a pump's batches."""

    def __init__(self) -> None:
        self._words: list[Array] = []
        self._octets = bytearray()

    def take(self, words: Array, payload_at: Callable[[int], bytes], places: Sequence[int]) -> None:
        """Keep these records, which are in these places of a batch, and their payloads."""
        rows = rows_of(words)
        own = np.flatnonzero(has_payload(rows))
        payloads = [payload_at(places[at]) for at in own.tolist()]
        lengths = np.array([len(each) for each in payloads], dtype=np.uint64)
        rows["reporter_hi"][own] = len(self._octets) + np.cumsum(lengths) - lengths
        rows["reporter_lo"][own] = lengths
        self._octets += b"".join(payloads)
        self._words.append(words)

    def records(self) -> Records:
        """All that was taken."""
        words = np.concatenate(self._words) if self._words else np.zeros((0, _WORDS), dtype=np.uint64)
        return Records(rows_of(words), np.frombuffer(bytes(self._octets), dtype=np.uint8))


def words_of(storage: Any) -> Array:
    """The records of a pump as words of 64 bits, which NumPy copies faster than fields: a view."""
    return np.frombuffer(storage, dtype=np.uint64).reshape(-1, _WORDS)


def rows_of(words: Array) -> Array:
    """The same with the names of fields: a view."""
    return words.view(RECORD)[:, 0]


def has_payload(rows: Array) -> Bools:
    """Which records are no errors: these have an address where others have their payload."""
    held: Bools = (rows["kind"] != KIND_ICMP_ERROR) & (rows["kind"] != KIND_UDP_ERROR)
    return held


def joined(records: Sequence[Records]) -> Records:
    """All of these in the order of their frames."""
    records = [each for each in records if len(each.rows)]
    if not records:
        return Records.none()
    rows = np.concatenate([each.rows for each in records])
    places = np.concatenate([[0], np.cumsum([len(each.octets) for each in records])[:-1]]).astype(np.uint64)
    shift = np.repeat(places, [len(each.rows) for each in records])
    rows["reporter_hi"] += shift * has_payload(rows)
    order = np.argsort(rows["frame"], kind="stable")
    return Records(rows_of(words_of(rows)[order]), np.concatenate([each.octets for each in records]))


def follow(pump: Pump, records: Records, datagrams: bool = False) -> None:
    """Have a pump follow them."""
    reader = FrameReader()
    octets = records.octets.tobytes()
    reader.feed(octets, 0, len(octets), 0)
    view = np.frombuffer(pump.storage, dtype=RECORD)
    batch = len(view)
    for start in range(0, len(records.rows), batch):
        some = records.rows[start : start + batch]
        view[: len(some)] = some
        if datagrams:
            pump.follow_datagrams(reader, len(some))
        else:
            pump.follow(reader, len(some))
