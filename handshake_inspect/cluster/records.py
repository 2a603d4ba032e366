"""Records that one pump decoded and another one follows: the fixed part as rows, what was captured of payloads beside.

A record has the place of its payload in `octets` where a pump has the place in its own block.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from handshake_inspect.capture.frames import FrameReader
from handshake_inspect.decode.segment import Segment
from handshake_inspect.engine.pump import Pump
from handshake_inspect.verdicts.arrays import Array, Bools

RECORD = np.dtype(Segment)


@dataclass
class Records:
    """Records in the order of their frames."""

    rows: Array
    octets: Any  # bytes, or an array of them

    @classmethod
    def none(cls) -> "Records":
        """No records."""
        return cls(np.zeros(0, dtype=RECORD), b"")

    @property
    def nbytes(self) -> int:
        """How many bytes move."""
        return self.rows.nbytes + len(self.octets)

    def chosen(self, mask: Bools) -> "Records":
        """The marked ones."""
        rows = self.rows[mask]
        lengths = rows["reporter_lo"] * has_payload(rows)
        octets = bytearray()
        held = memoryview(self.octets)
        for place, length in zip(rows["reporter_hi"].tolist(), lengths.tolist(), strict=True):
            octets += held[place : place + length] if length else b""
        _move(rows, lengths)
        return Records(rows, bytes(octets))


class Gatherer:
    """Takes records out of a pump's batches."""

    def __init__(self) -> None:
        self._rows: list[Array] = []
        self._octets = bytearray()

    def take(self, rows: Array, payloads: Sequence[bytes]) -> None:
        """Keep copies of these records, and the payloads of those that have some."""
        kept = rows.copy()
        own = np.flatnonzero(has_payload(kept))
        places = len(self._octets)
        for at, octets in zip(own.tolist(), payloads, strict=True):
            kept["reporter_hi"][at], kept["reporter_lo"][at] = places, len(octets)
            self._octets += octets
            places += len(octets)
        self._rows.append(kept)

    def records(self) -> Records:
        """All that was taken."""
        rows = np.concatenate(self._rows) if self._rows else np.zeros(0, dtype=RECORD)
        return Records(rows, bytes(self._octets))


def has_payload(rows: Array) -> Bools:
    """Which records are no errors: these have an address where others have their payload."""
    from handshake_inspect.wire.const import KIND_ICMP_ERROR, KIND_UDP_ERROR  # noqa: PLC0415

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
    return Records(rows[np.argsort(rows["frame"], kind="stable")], b"".join(bytes(each.octets) for each in records))


def follow(pump: Pump, records: Records, datagrams: bool = False) -> None:
    """Have a pump follow them."""
    reader = FrameReader()
    octets = bytes(records.octets)
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


def _move(rows: Array, lengths: Array) -> None:
    held = has_payload(rows)
    ends = np.cumsum(lengths)
    rows["reporter_hi"] = np.where(held, ends - lengths, rows["reporter_hi"])
