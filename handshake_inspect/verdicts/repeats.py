"""When SYNs and SYN-ACKs were retransmitted, as far as rows store it."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.rows import RETRIES_KEPT
from handshake_inspect.verdicts.arrays import Times
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.memo import once
from handshake_inspect.verdicts.numbering import ConnectionRows
from handshake_inspect.verdicts.sets import shared

Kind = Literal["syn", "synack"]


@dataclass(frozen=True, eq=False, repr=False)
class Repeats:
    """Connections with retransmitted SYNs (or SYN-ACKs); `times[i, :counts[i]]` are those of the copies."""

    rows: ConnectionRows
    times: Times
    counts: NDArray[np.intp]

    def among(self, rows: ConnectionRows) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the indices in `rows` of connections with copies, and their indices here."""
        return shared(rows, self.rows)


def repeats(attempts: Attempts, kind: Kind) -> Repeats:
    """Return the retransmitted SYNs or SYN-ACKs of all connections."""
    c = attempts.connections
    rows = attempts.tracked_where((c["retries"] > 0) & (c[f"{kind}_count"] > 1))
    times = attempts.retries[f"{kind}_ns"][c["retries"][rows].astype(np.intp) - 1]
    return Repeats(rows, times, np.minimum(c[f"{kind}_count"][rows].astype(np.intp) - 1, RETRIES_KEPT))


@once
def repeated_syns(attempts: Attempts) -> Repeats:
    """Return the retransmitted SYNs."""
    return repeats(attempts, "syn")


def last_syn_ns(attempts: Attempts, rows: ConnectionRows) -> Times:
    """Return when these connections last sent their SYN."""
    times: Times = attempts.connections["syn_ns"][rows]
    again = repeated_syns(attempts)
    mine, at = again.among(rows)
    times[mine] = again.times[at, again.counts[at] - 1]
    return times


def last_gap_ns(attempts: Attempts, kind: Kind) -> Times:
    """Return the interval between the last two SYNs (or SYN-ACKs) of every connection, 0 for a single one."""
    gaps = np.zeros(len(attempts.connections), dtype=np.int64)
    again = repeated_syns(attempts) if kind == "syn" else repeats(attempts, kind)
    at = np.arange(len(again.rows))
    last = again.times[at, again.counts - 1]
    before = again.times[at, np.maximum(again.counts - 2, 0)]
    before = np.where(again.counts > 1, before, attempts.connections[f"{kind}_ns"][again.rows])
    gaps[again.rows] = last - before
    return gaps
