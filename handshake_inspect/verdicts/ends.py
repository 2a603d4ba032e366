"""Columns of the ends of some attempts: of connections, then of the SYNs that nothing answered.

Here rows ascend, so that the connections among them come first.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.verdicts.trace import Trace, host_key

Rows = NDArray[Any]


def split(trace: Trace, rows: Rows) -> tuple[Rows, Rows]:
    """The connections among these attempts, and the numbers of the embryos."""
    count = len(trace.connections)
    tracked = rows[: np.searchsorted(rows, count)]
    return tracked, rows[len(tracked) :] - count


def of_client(trace: Trace, rows: Rows, column: str, embryo: str | None = None) -> NDArray[Any]:
    """A column of the clients of these attempts, by its names in rows of endpoints and of embryos."""
    tracked, alone = split(trace, rows)
    values = trace.endpoints[column][trace.client_rows[tracked]]
    return np.concatenate([values, trace.of_embryos(embryo or column, alone)]) if len(alone) else values


def addresses(trace: Trace, rows: Rows, who: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """The halves of the addresses of the clients or the servers of these attempts."""
    return of_end(trace, rows, "hi", who), of_end(trace, rows, "lo", who)


def halves(trace: Trace, rows: Rows, who: str) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """The addresses, as two halves, and the ports of the clients or the servers of these attempts."""
    return (*addresses(trace, rows, who), of_end(trace, rows, "port", who))


def of_end(trace: Trace, rows: Rows, part: str, who: str) -> NDArray[Any]:
    """`hi`, `lo` or `port` of the clients or the servers of these attempts."""
    tracked, alone = split(trace, rows)
    embryos = trace.of_embryos(f"{who}_{part}", alone)
    if not len(tracked):
        return embryos
    c, far = trace.connections, int(who == "server")
    mine = np.where(c["client"][tracked] == far, c[f"{part}0"][tracked], c[f"{part}1"][tracked])
    return np.concatenate([mine, embryos]) if len(alone) else mine


def client_keys(trace: Trace, rows: Rows) -> NDArray[np.uint64]:
    """The address and port of the client of each of these attempts, named as services are."""
    return host_key(*halves(trace, rows, "client"))
