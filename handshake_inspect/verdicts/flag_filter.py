"""What a capture hides that was filtered by TCP flags, such as `tcp[tcpflags] & tcp-syn != 0`.

pcapng can store the capture filter (if_filter); Wireshark, dumpcap and hsi do. If all filters are known and pass bare
ACKs, nothing is hidden. If one does not, and no bare ACK is in the capture, the rules below apply.

If no filter is recorded, the segments themselves show one: a completed handshake has a final ACK without SYN, FIN and
RST. A capture without any such segment and without frames of other protocols counts as filtered. Then a missing final
ACK proves nothing about a connection (nor does a RST of the server, which may have come long after it), unless

- the server retransmits its SYN-ACK, as it does without the final ACK; or
- `MIN_FORGED` or more attempts were not made by a kernel (their SYNs offer none of window scale, SACK and timestamps).

Later segments show that the handshake completed: the client's FIN, even if it acknowledges server data that was
filtered out, or a RST of either end whose sequence number is beyond its SYN or SYN-ACK; except one that may be a stray
(`tcp/resets.py`), one after which the SYN-ACK comes again, and one with exactly the number that the other end
acknowledged, which rejects that acknowledgment.

If RSTs are missing, too, and no recorded filter passes them, a refused SYN looks like an unanswered one; in a capture
of SYNs alone, every SYN does. Only a client that sends its SYN `MIN_SYNS` times or more shows that nothing answered.

Bare ACKs or not, where no RST is in the capture, SYN-ACKs that are not repeated may have been reset by their client, as
health checks do, if it leaves `MIN_CHECKS` or more so and completes others: its kernel answers a SYN-ACK in any case.
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
    FACT_RST_IGNORED,
    FACT_SIMULTANEOUS,
    FACT_SYNACK,
    FACT_TFO,
    FACT_TWO_ISNS,
    RST_OVERTAKEN_NS,
)
from handshake_inspect.verdicts.arrays import Bools, Keys
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.memo import once
from handshake_inspect.verdicts.numbering import ConnectionRows
from handshake_inspect.verdicts.sets import distinct, frequent, is_member
from handshake_inspect.verdicts.syn_offers import is_poor

MIN_SYNS = 3
MIN_CHECKS = 3  # health checks come again and again; fewer attempts without an end are no habit of their client
MIN_FORGED = 20

AHEAD = 1 << 31  # sequence distances below this are ahead
OPENED = FACT_SYNACK | FACT_ACKED | FACT_MIDSTREAM | FACT_SIMULTANEOUS | FACT_TFO | FACT_TWO_ISNS
DENIED = FACT_CHALLENGE_ACK  # the server never sent what the client acknowledged
RESETS = FACT_RST | FACT_RST_DOUBTED | FACT_RST_IGNORED
ANSWERS = FACT_SYNACK | FACT_ACKED | FACT_RST | FACT_ICMP | FACT_MIDSTREAM | FACT_RST_DOUBTED


def hides_final_acks(trace: Attempts) -> bool:
    """Return whether the capture holds answered SYNs but no segment without SYN, FIN and RST."""
    return trace.filtered and bool((trace.facts & ANSWERS != 0).any())


def hides_answers(trace: Attempts) -> bool:
    """Return whether SYNs may have been answered or refused without trace: a filtered capture without RSTs."""
    if trace.answers_pass:
        return False
    return trace.filtered and not bool((trace.facts & (FACT_RST | FACT_RST_DOUBTED) != 0).any())


def hidden_answers(trace: Attempts) -> Bools:
    """Return a mask over attempts that may have been answered although the capture shows no answer."""
    if not hides_answers(trace):
        return trace.mask()
    hidden: Bools = trace.column((trace.connections["syn_count"] < MIN_SYNS) & (trace.facts & ANSWERS == 0), True)
    if trace.elsewhere is not None:
        hidden[trace.elsewhere.attempts] = False
    return hidden


def completed_unseen(trace: Attempts) -> ConnectionRows:
    """Return connections whose final ACK was filtered out, but whose later segments prove it."""
    if not hides_final_acks(trace):
        return trace.tracked_where(trace.connection_mask())
    rows = trace.tracked_where(trace.facts & (OPENED | DENIED) == FACT_SYNACK)
    client, server = trace.client_rows[rows], trace.server_rows[rows]
    closed = trace.endpoints["checks"][client] & CHECK_FIN_DOUBTED != 0
    sent = trace.aliases["rst_seq"][rows, server - 2 * rows]  # relative to the ISN; 0 for none
    left = trace.aliases["rst_seq"][rows, client - 2 * rows]
    believed = trace.facts[rows] & FACT_RST != 0  # else it may be a stray one, far ahead and soon
    reset = believed & (is_later(sent) | is_later(left)) & ~waits_on(trace, rows)
    return rows[(closed | reset) & ~is_denied(trace, rows)]


def waits_on(trace: Attempts, rows: ConnectionRows) -> Bools:
    """Return a mask: the server resent its SYN-ACK after the RST, so this did not come behind the handshake."""
    c = trace.connections
    waits: Bools = c["last_synack_ns"][rows] - c["rst_ns"][rows] > RST_OVERTAKEN_NS
    return waits & (c["synack_count"][rows] > 1)


def is_later(numbers: NDArray[np.uint32]) -> Bools:
    """Return a mask: the RST's sequence number, relative to the ISN, is beyond the handshake."""
    later: Bools = (numbers > 1) & (numbers < AHEAD)
    return later


def hidden_final_acks(trace: Attempts, waiting: ConnectionRows) -> Bools:
    """Return a mask over these half-open connections: the final ACK may just have been filtered out."""
    if not hides_final_acks(trace):
        return np.zeros(len(waiting), dtype=bool)
    c = trace.connections
    poor = is_poor(trace.endpoints["options"][trace.client_rows[waiting]])
    forged = poor if np.count_nonzero(poor) >= MIN_FORGED else np.zeros(len(waiting), dtype=bool)
    hidden: Bools = (c["synack_count"][waiting] < 2) & ~forged
    return hidden


def hidden_resets(trace: Attempts, waiting: ConnectionRows) -> Bools:
    """Return a mask over half-open connections: the RST of a client that completes others may be hidden."""
    due = trace.last_ns - trace.connections["synack_ns"][waiting] >= trace.limits.unanswered_ns
    return due & answered_once(trace, waiting) & is_member(trace.client_host[waiting], checking_clients(trace))


def answered_once(trace: Attempts, rows: ConnectionRows) -> Bools:
    """Return a mask over connections: a SYN-ACK that was neither acknowledged nor repeated."""
    once_only: Bools = (trace.facts[rows] & OPENED == FACT_SYNACK) & (trace.connections["synack_count"][rows] < 2)
    return once_only


@once
def checking_clients(trace: Attempts) -> Keys:
    """Return the hosts that completed handshakes and left `MIN_CHECKS` or more, sorted; none if a RST is captured."""
    if trace.answers_pass or (trace.facts & RESETS != 0).any():
        return np.zeros(0, dtype=np.uint64)
    left = trace.tracked_where(trace.facts & FACT_SYNACK != 0)
    often = frequent(trace.client_host[left[answered_once(trace, left)]], MIN_CHECKS)
    completing = distinct(trace.client_host[trace.tracked_where(trace.facts & FACT_ACKED != 0)])
    return often[is_member(often, completing)]


def may_have_gone_on(trace: Attempts, waiting: ConnectionRows) -> Bools:
    """Return a mask over half-open connections: a RST is far ahead, either a stray or after a gap in the capture."""
    soon = trace.connections["synack_count"][waiting] < 2
    return soon & has_reset_ahead(trace, waiting)


def has_reset_ahead(trace: Attempts, rows: ConnectionRows) -> Bools:
    """Return a mask: an end sent a RST beyond its SYN or SYN-ACK, other than to reject an acknowledgment."""
    later = is_later(trace.aliases["rst_seq"][rows])
    return (later[:, 0] | later[:, 1]) & ~is_denied(trace, rows)


def is_denied(trace: Attempts, rows: ConnectionRows) -> Bools:
    """Return a mask: the server's RST has just the number that the client acknowledged last, and was not believed."""
    e, client, server = trace.endpoints, trace.client_rows[rows], trace.server_rows[rows]
    sent = trace.aliases["rst_seq"][rows, server - 2 * rows]
    asked = e["before_rst_nxt"][client] - e["iss"][server]
    denied: Bools = (e["checks"][client] & CHECK_DROPPED != 0) & (sent == asked)
    return denied
