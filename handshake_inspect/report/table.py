"""All connections as one NumPy structured array, for notebooks: one row each, in id order."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.report.column import Addresses, Column, Numbers
from handshake_inspect.wire.address import address_text

# The columns: type, and the fields whose sum each is.
COLUMNS: dict[str, tuple[str, tuple[str, ...]]] = {
    "id": ("i8", ("id",)),
    "first_frame": ("u8", ("first_frame",)),
    "first_ns": ("i8", ("first_ns",)),
    "last_ns": ("i8", ("last_ns",)),
    "client_ip": ("U45", ("client.ip",)),
    "client_port": ("u2", ("client.port",)),
    "server_ip": ("U45", ("server.ip",)),
    "server_port": ("u2", ("server.port",)),
    "outcome": ("U12", ("outcome",)),
    "cause": ("U24", ("cause",)),
    "decided": ("?", ("decided",)),
    "syn_count": ("u2", ("handshake.syn_count",)),
    "synack_count": ("u2", ("handshake.synack_count",)),
    "synack_ns": ("i8", ("rtt.synack.value_ns",)),
    "ackdat_ns": ("i8", ("rtt.ackdat.value_ns",)),
    "total_ns": ("i8", ("rtt.total.value_ns",)),
    "client_bytes": ("u8", ("client_to_server.bytes",)),
    "server_bytes": ("u8", ("server_to_client.bytes",)),
    "retransmissions": ("u4", ("client_to_server.retransmissions", "server_to_client.retransmissions")),
}
DTYPE = np.dtype([(name, kind) for name, (kind, _) in COLUMNS.items()])


def table(connections: Any) -> NDArray[Any]:
    """Return the table of RowConnections; unknown values are masked."""
    result = np.ma.zeros(len(connections), dtype=DTYPE)
    for name, (_, fields) in COLUMNS.items():
        columns = [column for column in map(connections.column, fields) if column is not None]
        result[name] = sum(map(_values, columns[1:]), _values(columns[0]))
        result[name] = np.ma.array(result[name].data, mask=~np.logical_and.reduce([each.known for each in columns]))
    return result


def _values(column: Column) -> NDArray[Any]:
    if isinstance(column, Numbers):
        return column.values
    return _addresses(column) if isinstance(column, Addresses) else np.array([*column.vocabulary, ""])[column.codes]


def _addresses(column: Addresses) -> NDArray[Any]:
    """Return the text of every address; distinct addresses are formatted once."""
    pairs, which = np.unique(np.stack([column.hi, column.lo], axis=1), axis=0, return_inverse=True)
    return np.array([address_text(one, other) for one, other in pairs.tolist()], dtype="U45")[which.reshape(-1)]
