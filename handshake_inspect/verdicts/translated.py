"""One connection captured before and after its addresses were translated.

On `-i any` of a node that is the SYN to a service's address and to the pod's, or to an address and to the one behind
NAT.  A translation leaves sequence numbers and timestamps alone: two rows with other addresses are one connection when
both ISNs and the timestamp of the SYN agree, both ends sent as much, they began within `APART_NS`, and the translated
SYN and SYN-ACK came between the other two.  Without timestamps nothing is joined: there are hosts whose ISNs repeat.
The first is the connection; the others have no row of their own.  More than `MOST` with the same ISNs are no
translations.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import FACT_SYN, FACT_SYNACK
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.columns import batches, marked, picked
from handshake_inspect.verdicts.gathering import without
from handshake_inspect.verdicts.numbering import AttemptRows, ConnectionRows
from handshake_inspect.verdicts.sets import frequent, is_member, run_starts

APART_NS = 1_000_000_000
MOST = 4


def joined(trace: Attempts) -> Attempts:
    """The trace without the rows of translated connections, which it has in `translated` instead."""
    rows, numbers = of_same_isns(trace)
    if not len(rows):
        return trace
    order = np.argsort(numbers, kind="stable")
    starts = np.flatnonzero(run_starts(numbers[order]))
    lengths = np.diff(np.append(starts, len(order)))
    gone: list[int] = []
    asked: list[int] = []
    for at in np.flatnonzero((lengths > 1) & (lengths <= MOST)).tolist():
        same = rows[order[starts[at] : starts[at] + lengths[at]]]
        first, *others = same[np.argsort(trace.connections["first_frame"][same], kind="stable")].tolist()
        for other in others:
            if is_translated(trace, first, other):
                gone.append(other)
                asked.append(first)
    if not gone:
        return trace
    return without(trace, ConnectionRows(np.array(gone)), AttemptRows(np.array(asked)), into="translated")


def of_same_isns(trace: Attempts) -> tuple[ConnectionRows, NDArray[np.uint64]]:
    """The connections of which another one has both ISNs, and these: few, so that nothing else is put in order."""
    rows = ConnectionRows(marked(trace.facts & (FACT_SYN | FACT_SYNACK) == FACT_SYN | FACT_SYNACK))
    numbers = np.empty(len(rows), dtype=np.uint64)
    for some in batches(len(rows)):
        clients = trace.client_rows[rows[some]]
        mine, theirs = (picked(trace.endpoints["iss"], ends) for ends in (clients, clients ^ 1))
        numbers[some] = mine.astype(np.uint64) << np.uint64(32) | theirs
    same = is_member(numbers, frequent(numbers, 2))
    return rows[same], numbers[same]


def is_translated(trace: Attempts, one: int, other: int) -> bool:
    """Whether two rows with the same ISNs are one connection."""
    ends = [ends_of(trace, row) for row in (one, other)]
    if {end[:2] for end in ends[0]} == {end[:2] for end in ends[1]}:
        return False  # two incarnations of a 4-tuple, or two of one client
    pair, c = np.array([one, other]), trace.connections
    syns, answers = c["syn_ns"][pair].tolist(), c["synack_ns"][pair].tolist()
    if not syns[0] <= syns[1] <= answers[1] <= answers[0]:
        return False  # the translated ones lie within the others: to the server and back
    clients = trace.client_rows[pair]
    stamps = trace.endpoints["syn_tsval"][clients].tolist()
    if not stamps[0] or stamps[0] != stamps[1] or syns[1] - syns[0] > APART_NS:
        return False
    said = [trace.endpoints["snd_nxt"][clients ^ far].tolist() for far in (0, 1)]
    return all(mine == theirs for mine, theirs in said)


def ends_of(trace: Attempts, row: int) -> list[tuple[Any, ...]]:
    """The addresses, as two halves, and the ports of the client and of the server."""
    c = trace.connections
    client = int(c["client"][row])
    return [tuple(int(c[f"{part}{side}"][row]) for part in ("hi", "lo", "port")) for side in (client, 1 - client)]
