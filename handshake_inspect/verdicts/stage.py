"""How far a connection had come when it died, in the terms of Cloudflare Radar's "TCP resets and timeouts".

Radar classifies connections that end in a RST or a timeout by what the server had received from the client: `post-syn`
only a SYN; `post-ack` also the final ACK; `post-psh` one packet with data (PSH); `later` several packets with data.
Radar looks only at the first ten packets from the client, on the server's side; here `later` is unlimited, and what the
client sent counts, wherever the capture was made.

No stage: connections that closed normally (both ends sent FIN), that did not end, that are undecided, or whose start is
missing (open before the capture began, unless several packets with data are in it). Established connections whose peer
stopped answering count as dead (`verdicts/silence.py`).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import FACT_ACKED, FACT_LAST_ACK_SEEN, FACT_RST, FACT_TFO, TRAIT_FIN
from handshake_inspect.verdicts import silence
from handshake_inspect.verdicts.arrays import Bools, Codes
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.masks import Rule, first_match
from handshake_inspect.verdicts.numbering import ConnectionRows
from handshake_inspect.verdicts.outcome import Outcomes
from handshake_inspect.verdicts.words import (
    ABORTED,
    ESTABLISHED,
    HALF_OPEN,
    MIDSTREAM,
    REFUSED,
    REJECTED,
    TIMED_OUT,
)
from handshake_inspect.wire.const import MASK32

STAGES = (None, "post-syn", "post-ack", "post-psh", "later")
NO_STAGE, POST_SYN, POST_ACK, POST_PSH, LATER = range(5)


def stages(trace: Attempts, outcomes: Outcomes) -> Codes:
    """Return the stage of every attempt, in row order, as an index in `STAGES`."""
    silent = (outcomes.outcome == TIMED_OUT) & outcomes.decided
    stage = np.where(silent, np.uint8(POST_SYN), np.uint8(NO_STAGE))  # uint8: Python ints would take 64 bits each
    rows = trace.tracked_where(died(trace, outcomes))
    trace.of_connections(stage)[:] = NO_STAGE
    stage[rows] = reached(trace, rows, outcomes.outcome[rows] == MIDSTREAM)
    return stage


def died(trace: Attempts, outcomes: Outcomes) -> Bools:
    """Return a mask over connections that failed or did not close normally."""
    outcome, decided = trace.of_connections(outcomes.outcome), trace.of_connections(outcomes.decided)
    failed = np.isin(outcome, (REFUSED, REJECTED, TIMED_OUT, ABORTED, HALF_OPEN)) & decided
    reset = (trace.facts & (FACT_RST | FACT_LAST_ACK_SEEN) == FACT_RST) & (trace.both_ends & TRAIT_FIN == 0)
    dead: Bools = failed | (reset & ((outcome == ESTABLISHED) | (outcome == MIDSTREAM)))
    dead[silence.silent_ends(trace, outcomes).rows] = True
    return dead


def reached(trace: Attempts, rows: ConnectionRows, midstream: Bools) -> Codes:
    """Return how far the clients of these connections had come."""
    facts, client = trace.facts[rows], trace.client_rows[rows]
    packets = data_packets(trace, rows, client, facts)
    rules: list[Rule] = [
        (packets > 1, LATER),
        (midstream, NO_STAGE),
        (facts & FACT_ACKED == 0, POST_SYN),
        (packets == 1, POST_PSH),
    ]
    return first_match(rules, POST_ACK, len(rows))


def data_packets(trace: Attempts, rows: ConnectionRows, client: NDArray[Any], facts: NDArray[np.uint64]) -> Codes:
    """Return how many packets with data each client sent: 0, 1, or 2 for more."""
    e = trace.endpoints
    fin = (e["traits"][client] & TRAIT_FIN != 0).astype(np.int64)
    with_syn = np.where(facts & FACT_TFO != 0, trace.connections["syn_payload"][rows].astype(np.int64), 0)
    sent = (e["snd_nxt"][client].astype(np.int64) - e["iss"][client] - 1 - fin - with_syn) & MASK32
    sent = np.where(e["bytes"][client] > 0, sent, 0)
    one = (sent > 0).astype(np.uint8)
    more = (sent > e["largest"][client]).astype(np.uint8)
    return np.minimum(one + more + (with_syn > 0), 2).astype(np.uint8)
