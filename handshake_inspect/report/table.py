"""All connections as one NumPy table, for notebooks: a row each, in order of their ids."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.verdicts.legs import Legs
from handshake_inspect.verdicts.outcome import Outcomes
from handshake_inspect.verdicts.trace import Trace
from handshake_inspect.verdicts.words import CAUSES, OUTCOMES
from handshake_inspect.wire.address import address_text

# Durations are nanoseconds, -1 where none can be named; `retransmissions` are of both directions.
DTYPE = np.dtype(
    [
        ("id", "i8"),
        ("first_frame", "u8"),
        ("first_ns", "i8"),
        ("last_ns", "i8"),
        ("client_ip", "U45"),
        ("client_port", "u2"),
        ("server_ip", "U45"),
        ("server_port", "u2"),
        ("outcome", "U12"),
        ("cause", "U24"),
        ("decided", "?"),
        ("syn_count", "u2"),
        ("synack_count", "u2"),
        ("synack_ns", "i8"),
        ("ackdat_ns", "i8"),
        ("total_ns", "i8"),
        ("client_bytes", "u8"),
        ("server_bytes", "u8"),
        ("retransmissions", "u4"),
    ]
)


def table(trace: Trace, outcomes: Outcomes, legs: Legs, names: NDArray[Any]) -> NDArray[Any]:
    """Make the table; `names` are the ids in row order."""
    made = np.zeros(len(trace), dtype=DTYPE)
    made["first_frame"] = trace.first_frame
    for who, part in (("client", trace.client), ("server", trace.server)):
        made[f"{who}_ip"] = _addresses(part("hi"), part("lo"))
        made[f"{who}_port"] = part("port")
    made["outcome"] = np.array(OUTCOMES)[outcomes.outcome]
    made["cause"] = np.array([cause or "" for cause in CAUSES])[outcomes.cause]
    made["decided"] = outcomes.decided
    _fill_connections(made[: len(trace.connections)], trace, legs)
    _fill_embryos(made[len(trace.connections) :], trace)
    made["id"] = names
    return made[trace.order]


def _addresses(hi: NDArray[np.uint64], lo: NDArray[np.uint64]) -> NDArray[Any]:
    """The text of every address; each different one is written once."""
    pairs, which = np.unique(np.stack([hi, lo], axis=1), axis=0, return_inverse=True)
    return np.array([address_text(one, other) for one, other in pairs.tolist()], dtype="U45")[which.reshape(-1)]


def _fill_connections(part: NDArray[Any], trace: Trace, legs: Legs) -> None:
    c, ends = trace.connections, trace.endpoints
    for column in ("first_ns", "last_ns", "syn_count", "synack_count"):
        part[column] = c[column]
    part["synack_ns"], part["ackdat_ns"], part["total_ns"] = legs.values
    part["client_bytes"] = ends["bytes"][trace.client_rows]
    part["server_bytes"] = ends["bytes"][trace.server_rows]
    part["retransmissions"] = ends["retransmissions"].reshape(-1, 2).sum(axis=1)


def _fill_embryos(part: NDArray[Any], trace: Trace) -> None:
    part["first_ns"] = part["last_ns"] = trace.embryos["first_ns"]
    part["syn_count"] = 1
    for column in ("synack_ns", "ackdat_ns", "total_ns"):
        part[column] = -1
