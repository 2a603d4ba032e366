"""Which copy of a retransmitted SYN or SYN-ACK was answered, and what that copy offered.

It is proved

- by a timestamp echo that identifies the copy (`tsecr`, see `tcp/rtt.py`): the RTT leg then begins at that copy;
- by the ISN: if a server sent two ISNs, the final ACK acknowledges the later one.

Otherwise (no timestamps, an echo that fits several copies, or no answer) the copy is unknown, and the first one is
reported.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import (
    FACT_ACKED,
    FACT_ISN_CHANGED,
    FACT_SYNACK,
    METHOD_DATA_ACK,
    METHOD_EXACT,
    METHOD_TSECR,
)
from handshake_inspect.tcp.rows import RETRIES_KEPT
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.wire.const import OPT_TIMESTAMPS

OFFERS = ("options", "mss", "window_scale")


@dataclass(frozen=True, eq=False, repr=False)
class AnsweredCopies:
    """The SYN or SYN-ACK to report per connection, as parallel columns.

    `number` counts copies from 1; it is 0 if none was sent or the answered one is unknown.
    """

    ns: NDArray[np.int64]
    frame: NDArray[Any]  # as stored in the rows
    number: NDArray[np.int64]
    options: NDArray[np.uint16]
    mss: NDArray[np.uint16]
    window_scale: NDArray[np.uint8]

    def put(self, at: Any, retries: Any, kind: str, place: Any, number: int) -> None:
        """Report at index `at` the copy that `retries` stores as `kind`, at index `place` if it stores several."""
        self.ns[at] = retries[f"{kind}_ns"][place]
        self.frame[at] = retries[f"{kind}_frame"][place]
        self.number[at] = number
        for name in OFFERS:
            getattr(self, name)[at] = retries[f"{kind}_{name}"][place]


def first_copies(connections: Any, end: Any, kind: str, method: str) -> AnsweredCopies:
    """Return the first SYN or SYN-ACK of these connection rows; `end` are the sender's endpoint rows.

    It is known to be the answered one if it was the only copy by then, as `method` shows.
    """
    only = (connections[f"{kind}_count"] == 1) | (connections[method] == METHOD_EXACT)
    own = (connections[f"{kind}_ns"].copy(), connections[f"{kind}_frame"].copy(), only.astype(np.int64))
    return AnsweredCopies(*own, *(end[name].copy() for name in OFFERS))


def answered_syns(trace: Attempts, connections: Any, client: Any) -> AnsweredCopies:
    """Return the SYNs that were answered; `connections` and `client` are aligned rows."""
    copies = first_copies(connections, client, "syn", "synack_method")
    proved = (connections["synack_method"] == METHOD_TSECR) & (connections["facts"] & FACT_SYNACK != 0)
    since = connections["synack_ns"] - connections["synack_max_ns"]
    for i in repeated(connections, "syn", proved):
        show(trace, connections, copies, "syn", i, int(since[i]))
    return copies


def answered_syn_acks(trace: Attempts, connections: Any, server: Any) -> AnsweredCopies:
    """Return the SYN-ACKs that were acknowledged; `connections` and `server` are aligned rows."""
    copies = first_copies(connections, server, "synack", "ackdat_method")
    acked = connections["facts"] & FACT_ACKED != 0
    since = connections["ack_ns"] - connections["ackdat_max_ns"]
    for i in repeated(connections, "synack", acked & (connections["ackdat_method"] == METHOD_TSECR)):
        show(trace, connections, copies, "synack", i, int(since[i]))
    for i in repeated(connections, "synack", acked & (connections["ackdat_method"] == METHOD_DATA_ACK)):
        by_last_echo(trace, connections, server, copies, i)
    renewed = acked & (connections["facts"] & FACT_ISN_CHANGED != 0) & (connections["retries"] > 0)
    for i in np.flatnonzero(renewed).tolist():
        retries = trace.retries[int(connections["retries"][i]) - 1]
        if retries["other_iss"] == server["iss"][i] and retries["other_ns"]:
            copies.put(i, retries, "other", ..., 2)
    return copies


def repeated(connections: Any, kind: str, which: NDArray[np.bool_]) -> list[int]:
    """Return the indices of marked rows with more than one `kind` segment."""
    rows: list[int] = np.flatnonzero(which & (connections[f"{kind}_count"] > 1) & (connections["retries"] > 0)).tolist()
    return rows


def show(trace: Attempts, connections: Any, copies: AnsweredCopies, kind: str, i: int, sent_ns: int) -> None:
    """Report the copy that was sent at `sent_ns`."""
    if connections[f"{kind}_ns"][i] == sent_ns:
        copies.number[i] = 1
        return
    retries = trace.retries[int(connections["retries"][i]) - 1]
    count = int(connections[f"{kind}_count"][i])
    found = np.flatnonzero(retries[f"{kind}_ns"][: min(count - 1, RETRIES_KEPT)] == sent_ns)
    if len(found):
        place = int(found[0])
        copies.put(i, retries, kind, place, place + 2 if place + 1 < RETRIES_KEPT else count)


def by_last_echo(trace: Attempts, connections: Any, server: Any, copies: AnsweredCopies, i: int) -> None:
    """Report the last SYN-ACK if the final segment of the handshake echoes its TSval and no other copy has it."""
    retries = trace.retries[int(connections["retries"][i]) - 1]
    count = int(connections["synack_count"][i])
    kept = min(count - 1, RETRIES_KEPT)
    before = int(np.count_nonzero(retries["synack_ns"][:kept] <= connections["ack_ns"][i]))
    clocks = [int(server["syn_tsval"][i]), *retries["synack_tsval"][:before].tolist()]
    if not before or not server["options"][i] & OPT_TIMESTAMPS:
        return
    if clocks[-1] == connections["ack_tsecr"][i] and clocks.count(clocks[-1]) == 1:
        copies.put(i, retries, "synack", before - 1, before + 1 if before < RETRIES_KEPT else count)
