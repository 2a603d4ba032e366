"""Columns of connections straight from the rows of a trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.expression.column import Addresses, Column, Numbers, Words
from handshake_inspect.report.connections import RowConnections
from handshake_inspect.report.parts import METHODS, STATE_NAMES
from handshake_inspect.tcp.facts import FACT_SYN
from handshake_inspect.tcp.transitions import TcpState
from handshake_inspect.verdicts.stage import STAGES
from handshake_inspect.verdicts.words import CAUSES, OUTCOMES

_LEGS = ("synack", "ackdat", "total")
_BOUNDS = {"value_ns": "value", "min_ns": "low", "max_ns": "high"}
_COUNTERS = ("frames", "bytes", "retransmissions", "out_of_order", "duplicates", "keep_alives", "zero_windows")
_EMBRYO_METHOD = "none"


def row_column(connections: RowConnections, name: str) -> Column | None:
    """The column of the field with this name; None where the rows have no such column."""
    column = _in_row_order(connections, name)
    if column is None:
        return None
    order = connections.trace.order
    return _ordered(column, order if connections.ids is None else order[connections.ids])


def _in_row_order(connections: RowConnections, name: str) -> Column | None:
    made = _MAKERS.get(name)
    if made is not None:
        return made(connections)
    parts = name.split(".")
    if parts[0] in ("client", "server") and len(parts) == 2:
        return _end(connections, *parts)
    if parts[0] == "rtt" and len(parts) == 3 and parts[1] in _LEGS and parts[2] in (*_BOUNDS, "method"):
        return _leg(connections, parts[1], parts[2])
    if parts[0] in ("client_to_server", "server_to_client") and parts[-1] in _COUNTERS:
        return _counter(connections, *parts)
    return None


def _ordered(column: Column, order: NDArray[Any]) -> Column:
    if isinstance(column, Numbers):
        return Numbers(column.values[order], column.known[order])
    if isinstance(column, Words):
        return Words(column.codes[order], column.vocabulary)
    return Addresses(column.hi[order], column.lo[order], column.known[order])


def _numbers(connections: RowConnections, full: Any, embryos: Any, known: Any = True) -> Numbers:
    """One value for each connection row, and one for each unanswered SYN."""
    values = np.empty(len(connections.trace), dtype=np.int64)
    count = len(connections.trace.connections)
    values[:count], values[count:] = full, embryos
    mask = np.ones(len(connections.trace), dtype=bool)
    mask[:] = known
    return Numbers(values, mask)


def _words(connections: RowConnections, full: Any, embryos: Any, vocabulary: Any) -> Words:
    return Words(_numbers(connections, full, embryos).values.astype(np.intp), vocabulary)


def _end(connections: RowConnections, who: str, part: str) -> Column:
    read = getattr(connections.trace, who)
    known = np.ones(len(connections.trace), dtype=bool)
    if part == "port":
        return Numbers(read("port").astype(np.int64), known)
    return Addresses(read("hi"), read("lo"), known)


def _leg(connections: RowConnections, leg: str, part: str) -> Column:
    measured = getattr(connections.legs, leg)
    if part == "method":
        methods = list(dict.fromkeys(METHODS))
        codes = np.array([methods.index(word) for word in METHODS])[measured.method]
        none = methods.index(_EMBRYO_METHOD)
        return _words(connections, np.where(measured.high >= 0, codes, none), none, methods)
    return _measured(connections, getattr(measured, _BOUNDS[part]))


def _measured(connections: RowConnections, values: NDArray[Any]) -> Numbers:
    column = _numbers(connections, values, -1)
    return Numbers(column.values, column.values >= 0)


def _counter(connections: RowConnections, direction: str, name: str) -> Column:
    trace = connections.trace
    from_client = direction == "client_to_server"
    sent = trace.endpoints[name][trace.client_rows if from_client else trace.server_rows]
    return _numbers(connections, sent, int(from_client and name == "frames"))


def _outcome(connections: RowConnections) -> Column:
    return Words(connections.outcome.astype(np.intp), OUTCOMES)


def _stage(connections: RowConnections) -> Column:
    return Words(connections.stages.astype(np.intp) - 1, [stage or "" for stage in STAGES[1:]])


def _cause(connections: RowConnections) -> Column:
    return Words(connections.outcomes.cause.astype(np.intp) - 1, [cause or "" for cause in CAUSES[1:]])


def _client_state(connections: RowConnections) -> Column:
    return _words(connections, connections.states[0], connections.embryo_clients, STATE_NAMES)


def _server_state(connections: RowConnections) -> Column:
    return _words(connections, connections.states[1], STATE_NAMES.index(TcpState.CLOSED.name), STATE_NAMES)


def _roles(connections: RowConnections) -> Column:
    return _words(connections, connections.trace.facts & FACT_SYN == 0, 0, ("observed", "inferred"))


_MAKERS: dict[str, Callable[[RowConnections], Column]] = {
    "id": lambda c: Numbers(c.names.astype(np.int64), np.ones(len(c.trace), dtype=bool)),
    "first_frame": lambda c: Numbers(c.trace.first_frame.astype(np.int64), np.ones(len(c.trace), dtype=bool)),
    "first_ns": lambda c: Numbers(c.trace.first_times, np.ones(len(c.trace), dtype=bool)),
    "last_ns": lambda c: _numbers(c, c.trace.connections["last_ns"], c.trace.embryos["first_ns"]),
    "decided": lambda c: Numbers(c.outcomes.decided, np.ones(len(c.trace), dtype=bool)),
    "outcome": _outcome,
    "stage": _stage,
    "cause": _cause,
    "roles": _roles,
    "state.client": _client_state,
    "state.server": _server_state,
    "handshake.syn_count": lambda c: _numbers(c, c.trace.connections["syn_count"], 1),
    "handshake.synack_count": lambda c: _numbers(c, c.trace.connections["synack_count"], 0),
    "rtt.reject_ns": lambda c: _measured(c, c.legs.reject_ns),
}
