"""What a capture hides that was filtered by flags, such as `tcp[tcpflags] & tcp-syn != 0`.

pcapng has room for the filter that was used (if_filter); Wireshark, dumpcap and hsi fill it in.  Where all filters are
known and let bare ACKs pass, nothing is hidden.  Where one does not, and no bare ACK is there, all below holds.

Where nobody wrote it down, what a filter on flags leaves out is hardly missing from a whole capture: a handshake that
completes has a final ACK, which has none of SYN, FIN and RST.  Where no such segment is in the capture at all, nor any
frame of another protocol, it counts as filtered.  That no final ACK came then proves nothing of a connection (nor does
a RST of the server, which may have come long after it), unless

- the server sends its SYN-ACK again, as it does for want of the final ACK; or
- `FORGED` or more attempts were made by no kernel (their SYNs offer none of window scale, SACK and timestamps).

What came after the handshake shows that it completed: the client's FIN, also where it acknowledges bytes of the server
that were left out, or a RST of either end, whose number is beyond that of its SYN or SYN-ACK; unless that RST has just
the number that the other end acknowledged, and denies it.

Without any RST either (and no filter that is known to let it pass), a refused SYN looks just like an unanswered one,
and in a capture of SYNs alone every SYN does.  Only a client that sends its SYN `ASKED` times or more shows by itself
that nothing answered.
"""

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import (
    CHECK_DROPPED,
    CHECK_FIN_DOUBTED,
    FACT_ACKED,
    FACT_CHALLENGE_ACK,
    FACT_ICMP,
    FACT_MIDSTREAM,
    FACT_RST,
    FACT_RST_DOUBTED,
    FACT_SIMULTANEOUS,
    FACT_SYNACK,
    FACT_TFO,
    FACT_TWO_ISNS,
)
from handshake_inspect.verdicts.arrays import Bools
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.numbering import ConnectionRows
from handshake_inspect.verdicts.syn_offers import is_poor

ASKED = 3
FORGED = 20

AHEAD = 1 << 31  # a number beyond another one
OPENED = FACT_SYNACK | FACT_ACKED | FACT_MIDSTREAM | FACT_SIMULTANEOUS | FACT_TFO | FACT_TWO_ISNS
DENIED = FACT_CHALLENGE_ACK  # the server answers that it never sent what the client acknowledged
ANSWERS = FACT_SYNACK | FACT_ACKED | FACT_RST | FACT_ICMP | FACT_MIDSTREAM | FACT_RST_DOUBTED


def hides_final_acks(trace: Attempts) -> bool:
    """Whether no segment of the capture is without SYN, FIN and RST, though SYNs were answered."""
    return trace.filtered and bool((trace.facts & ANSWERS != 0).any())


def hides_answers(trace: Attempts) -> bool:
    """Whether a SYN may have been answered or refused unseen: no RST is in a capture that was filtered."""
    if trace.answers_pass:
        return False
    return trace.filtered and not bool((trace.facts & (FACT_RST | FACT_RST_DOUBTED) != 0).any())


def hidden_answers(trace: Attempts) -> Bools:
    """Attempts of which the capture cannot show that nothing answered them, in row order."""
    if not hides_answers(trace):
        return trace.mask()
    hidden: Bools = trace.column((trace.connections["syn_count"] < ASKED) & (trace.facts & ANSWERS == 0), True)
    if trace.elsewhere is not None:
        hidden[trace.elsewhere.attempts] = False
    return hidden


def completed_unseen(trace: Attempts) -> ConnectionRows:
    """Connections of which the capture lacks the final ACK, but holds what was sent later."""
    if not hides_final_acks(trace):
        return trace.tracked_where(trace.connection_mask())
    rows = trace.tracked_where(trace.facts & (OPENED | DENIED) == FACT_SYNACK)
    e, client, server = trace.endpoints, trace.client_rows[rows], trace.server_rows[rows]
    closed = e["checks"][client] & CHECK_FIN_DOUBTED != 0
    sent = trace.aliases["rst_seq"][rows, server - 2 * rows]  # from its ISN on; 0 for none
    left = trace.aliases["rst_seq"][rows, client - 2 * rows]
    asked = e["before_rst_nxt"][client] - e["iss"][server]  # what the client last acknowledged and was not believed
    denied = (e["checks"][client] & CHECK_DROPPED != 0) & (sent == asked)
    return rows[(closed | is_later(sent) | is_later(left)) & ~denied]


def is_later(numbers: NDArray[np.uint32]) -> Bools:
    """Whether the numbers of RSTs, counted from the ISN, are behind the handshake."""
    later: Bools = (numbers > 1) & (numbers < AHEAD)
    return later


def hidden_final_acks(trace: Attempts, waiting: ConnectionRows) -> Bools:
    """Of these half-open connections those whose final ACK may just not be in the capture."""
    if not hides_final_acks(trace):
        return np.zeros(len(waiting), dtype=bool)
    c = trace.connections
    poor = is_poor(trace.endpoints["options"][trace.client_rows[waiting]])
    forged = poor if np.count_nonzero(poor) >= FORGED else np.zeros(len(waiting), dtype=bool)
    hidden: Bools = (c["synack_count"][waiting] < 2) & ~forged
    return hidden
