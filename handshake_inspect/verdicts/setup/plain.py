"""Spans of simple plain-text connections, which most are: a few sums of columns.

They have no set-up row: the client sent first, nothing was retransmitted, and nobody waited. The results equal those of
`spans.py`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import FACT_ACKED, FACT_MIDSTREAM, FACT_SYN, METHOD_DATA_ACK
from handshake_inspect.tcp.setup.facts import EXCHANGE_SETUP
from handshake_inspect.verdicts.arrays import Bools, Times
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.columns import batches, take_column
from handshake_inspect.verdicts.legs import Legs

SPANS = ("tcp", "before_request", "response", "first_byte")


@dataclass(frozen=True, eq=False, repr=False)
class Plain:
    """Which set-ups are simple, and the lengths of their spans, -1 for none."""

    easy: Bools
    spans: dict[str, Times]


def plain_spans(trace: Attempts, rows: NDArray[Any]) -> Plain:
    """Return the simple ones among the set-ups of these connections."""
    easy = np.zeros(len(rows), dtype=bool)
    parts: list[list[Times]] = [[] for _ in SPANS]
    if trace.exchanges is None:
        return Plain(easy, dict.fromkeys(SPANS, np.zeros(0, dtype=np.int64)))
    back = Legs(trace).values[1]
    for some in batches(len(rows)):
        mine = is_easy(trace, rows[some], back)
        easy[some] = mine
        for part, column in zip(parts, lengths(trace, rows[some][mine], back), strict=True):
            part.append(column)
    none = [np.zeros(0, dtype=np.int64)]
    return Plain(easy, {name: np.concatenate(part or none) for name, part in zip(SPANS, parts, strict=True)})


def is_easy(trace: Attempts, rows: NDArray[Any], back: Times) -> Bools:
    """Return a mask over `rows`: an opening with exact times, a request, and no set-up row."""
    assert trace.exchanges is not None  # noqa: S101
    setup, asked = (take_column(trace.exchanges[name], rows) for name in ("setup", "request_frame"))
    opened = trace.facts[rows] & (FACT_SYN | FACT_ACKED | FACT_MIDSTREAM) == FACT_SYN | FACT_ACKED
    simple = opened & ~trace.untimed[rows] & (back[rows] >= 0)
    simple &= (setup & EXCHANGE_SETUP == 0) & (asked != 0)
    easy: Bools = simple & (trace.connections["ackdat_method"][rows] != METHOD_DATA_ACK)
    return easy


def lengths(trace: Attempts, rows: NDArray[Any], back: Times) -> tuple[Times, Times, Times, Times]:
    """Return the lengths of SPANS."""
    assert trace.exchanges is not None  # noqa: S101
    request, response, answer = (
        take_column(trace.exchanges[name], rows) for name in ("request_ns", "response_ns", "response_frame")
    )
    syn, ack = trace.connections["syn_ns"][rows], trace.connections["ack_ns"][rows]
    answered = answer != 0
    return (
        np.maximum(ack - syn, 0),
        np.maximum(request - ack, 0),
        np.where(answered, np.maximum(response - request, 0) + back[rows], -1),
        np.where(answered, np.maximum(response - syn, 0) + back[rows], -1),
    )
