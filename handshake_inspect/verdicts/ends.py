"""Columns of the ends of some attempts: of connections, then of the SYNs that nothing answered.

Here rows ascend, so that the connections among them come first.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.verdicts.trace import Trace, end_of, host_key

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
    tracked, alone = split(trace, rows)
    if not len(tracked):
        return trace.of_embryos(f"{who}_hi", alone), trace.of_embryos(f"{who}_lo", alone)
    hi, lo, _ = halves(trace, rows, who)
    return hi, lo


def halves(trace: Trace, rows: Rows, who: str) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """The addresses, as two halves, and the ports of the clients or the servers of these attempts."""
    tracked, alone = split(trace, rows)
    connections = trace.connections[tracked]
    hi, lo, port = (
        np.concatenate([end_of(connections, part, who), trace.of_embryos(f"{who}_{part}", alone)])
        for part in ("hi", "lo", "port")
    )
    return hi, lo, port


def client_keys(trace: Trace, rows: Rows) -> NDArray[np.uint64]:
    """The address and port of the client of each of these attempts, named as services are."""
    return host_key(*halves(trace, rows, "client"))
