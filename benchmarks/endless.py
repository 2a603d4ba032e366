"""A pcap stream of as many connections as are asked for, made while it is read: no file, no list of frames.

Of every ten connections seven are established and closed by FIN from both sides, two are refused, and one SYN finds no
answer.  Addresses and ports do not repeat within 2·MSL, services do.
"""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

SYN, RST, FIN, ACK = 0x02, 0x04, 0x01, 0x10
BLOCK = 1000  # connections made at a time
START_S = 1_700_000_000
_FRAME = 54
_LONGEST_US = 3_000  # that a connection takes
RECORD = np.dtype(
    [
        ("sec", "<u4"), ("usec", "<u4"), ("captured", "<u4"), ("wire", "<u4"), ("macs", "V12"), ("ethertype", ">u2"),
        ("ip", ">u2"), ("length", ">u2"), ("ident", ">u2"), ("fragment", ">u2"), ("ttl", "u1"), ("protocol", "u1"),
        ("ip_sum", "<u2"), ("src", ">u4"), ("dst", ">u4"), ("src_port", ">u2"), ("dst_port", ">u2"), ("seq", ">u4"),
        ("ack", ">u4"), ("offset", "u1"), ("flags", "u1"), ("window", ">u2"), ("tcp_sum", "<u2"), ("urgent", ">u2"),
    ]
)  # fmt: skip
_HEADER = np.array([(0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)], dtype="<u4,<u2,<u2,<i4,<u4,<u4,<u4").tobytes()

# Side (0 is the client), flags, and what of seq and ack is beyond the ISNs; a step is half a millisecond.
_ESTABLISHED = (
    (0, SYN, 0, None), (1, SYN | ACK, 0, 1), (0, ACK, 1, 1), (0, FIN | ACK, 1, 1), (1, FIN | ACK, 1, 2), (0, ACK, 2, 2),
)  # fmt: skip
_REFUSED = ((0, SYN, 0, None), (1, RST | ACK, None, 1))
_UNANSWERED = ((0, SYN, 0, None),)
_KINDS = (*[_ESTABLISHED] * 7, *[_REFUSED] * 2, _UNANSWERED)
FRAMES_PER_TEN = sum(map(len, _KINDS))


class Endless(io.RawIOBase):
    """Reads as the capture of `connections` connections, `rate` of them a second, to `services` services."""

    name = "endless"

    def __init__(self, connections: int, rate: int = 10_000, services: int = 50) -> None:
        super().__init__()
        self.connections, self.rate, self.services = connections, rate, services
        self.begun = 0
        self._left = memoryview(_HEADER)

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, room: Any) -> int:
        """Give what there is of a block of connections; 0 at the end."""
        if not self._left and self.begun < self.connections:
            count = min(BLOCK, self.connections - self.begun)
            self._left = memoryview(frames(self.begun, count, self.rate, self.services))
            self.begun += count
        taken = min(len(room), len(self._left))
        room[:taken] = self._left[:taken]
        self._left = self._left[taken:]
        return taken


def frames(first: int, count: int, rate: int, services: int) -> bytes:
    """The records of connections `first` and on, in the order of time."""
    numbers = np.arange(first, first + count, dtype=np.int64)
    parts = [
        _step(numbers[numbers % 10 == kind], rate, services, number, *step)
        for kind, steps in enumerate(_KINDS)
        for number, step in enumerate(steps)
    ]
    made = np.concatenate(parts).astype(RECORD)  # it would be in native order
    return made[np.lexsort((made["usec"], made["sec"]))].tobytes()


def _step(
    numbers: NDArray[np.int64], rate: int, services: int, step: int, side: int, flags: int, seq: Any, ack: Any
) -> NDArray[Any]:
    """One frame of each of these connections."""
    made = np.zeros(len(numbers), dtype=RECORD)
    block = BLOCK * 1_000_000 // rate
    # The last of a block is over before the next one begins: no frame is older than the one before it.
    us = numbers // BLOCK * block + numbers % BLOCK * max(block - _LONGEST_US, 0) // BLOCK + step * 500
    made["sec"], made["usec"] = START_S + us // 1_000_000, us % 1_000_000
    made["captured"] = made["wire"] = _FRAME
    made["ethertype"], made["ip"], made["length"] = 0x0800, 0x4500, _FRAME - 14
    made["ttl"], made["protocol"], made["offset"], made["flags"], made["window"] = 64, 6, 0x50, flags, 0xFFFF
    isns = _scattered(2 * numbers), _scattered(2 * numbers + 1)
    ends = [
        (0x0A000000 + (numbers // 60_000) % 0x10000, 1024 + numbers % 60_000),
        (0x0AFF0000 + numbers * 7 // 10 % services, np.full(len(numbers), 443)),
    ]
    (made["src"], made["src_port"]), (made["dst"], made["dst_port"]) = ends[side], ends[1 - side]
    made["seq"] = 0 if seq is None else isns[side] + seq & 0xFFFFFFFF
    made["ack"] = 0 if ack is None else isns[1 - side] + ack & 0xFFFFFFFF
    words = made.view("u1").reshape(len(made), RECORD.itemsize)[:, 16 + 14 :].copy().view("<u2").astype(np.uint32)
    made["ip_sum"] = _folded(words[:, :10].sum(axis=1))
    made["tcp_sum"] = _folded(words[:, 6:].sum(axis=1) + (6 << 8) + (20 << 8))  # protocol and length, bytes swapped
    return made


def _scattered(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """32 bits from which nobody can predict the next ones (the finalizer of MurmurHash3)."""
    mixed = numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(33)
    mixed *= np.uint64(0xFF51AFD7ED558CCD)
    return (mixed >> np.uint64(32)).astype(np.int64)


def _folded(total: NDArray[Any]) -> NDArray[np.uint16]:
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return (~total & 0xFFFF).astype(np.uint16)
