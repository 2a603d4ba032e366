"""Who sent a RST: the host in its source address, or a middlebox on the path.

A middlebox that forges a RST knows addresses, ports and sequence numbers, but not the distance of the host. Each of
these signs is enough:

* *TTL*. Stacks start at 32, 64, 128 or 255, so a TTL shows the number of hops. The RST crossed a number of hops that
  none of the host's other segments did, nor their copies at a second capture point: off by more than `HOPS_SLACK`
  (equal-cost routes differ by a hop or two), or off at all with another initial TTL. Another initial TTL alone is no
  sign: some stacks use one for RSTs.
* *Timing* (only a RST that answers a SYN, or a final ACK after which the SYN-ACK was retransmitted). It came in less
  than `TOO_SOON` of the shortest time in which the same host ever answered a SYN (of at least `KNOWN_RTTS`), and more
  than `TOO_SOON_NS` sooner: it was sent from nearby. Not used with two capture points, which differ in distance.
* *IP ID*. The host numbers the packets of this connection consecutively, and the RST's number is far off. Zero is no
  sign, because Linux uses it in every RST without a socket; nor is the number of a bare RST from a closed host, because
  older kernels number RSTs without a socket separately.
* *The host went on*. The alleged sender sends or acknowledges more afterwards.

Not judged are attempts that their own client reset: a scanner sends its SYN from a raw socket with any TTL, and the RST
comes from its kernel.

Nor are connections whose server address two hosts own (`two_hosts`): the RST is the other host's, which is no forgery
and may come from any distance. It shows in two ISNs for one SYN, or in a SYN-ACK retransmitted after a RST from the
same address. If there is only the latter, and the RST crossed a number of hops that no SYN-ACK of this address did, or
came too soon, a middlebox sent it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import (
    CHECK_WENT_ON,
    FACT_ABORTED,
    FACT_ACKED,
    FACT_BOTH_ACKED,
    FACT_REFUSED,
    FACT_RST,
    FACT_RST_IGNORED,
    FACT_SYNACK,
    FACT_SYNACK_AFTER_RST,
    FACT_TTL_TWIN,
    FACT_TWO_ISNS,
    TRAIT_FIN,
    TRAIT_HOLE,
)
from handshake_inspect.verdicts.arrays import Bools
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.legs import rejections
from handshake_inspect.verdicts.memo import once
from handshake_inspect.verdicts.numbering import ConnectionRows, EndpointRows
from handshake_inspect.verdicts.sets import distinct, places
from handshake_inspect.wire.const import ACK

HOPS_SLACK = 2
KNOWN_RTTS = 3
TOO_SOON = 0.5
TOO_SOON_NS = 1_000_000
IP_ID_FAR = 4096  # more than a host's counter advances while a RST is in flight
IP_ID_STEP = 16  # a counter advances at most so much per captured frame

_STARTS = np.repeat(np.array([32, 64, 128, 255], dtype=np.int16), [33, 32, 64, 127])  # initial TTL by TTL


@dataclass(frozen=True, eq=False, repr=False)
class Signs:
    """Masks over connections whose RST is forged, one mask per sign."""

    ttl: Bools
    timing: Bools
    ip_id: Bools
    went_on: Bools

    @property
    def any(self) -> Bools:
        """A mask over connections with any sign."""
        return self.ttl | self.timing | self.ip_id | self.went_on


def from_middlebox(trace: Attempts) -> Bools:
    """Return a mask over connections that ended by a RST which a middlebox sent."""
    forged: Bools = signs(trace).any & (trace.facts & (FACT_RST | FACT_REFUSED) != 0)
    return forged


@once
def signs(trace: Attempts) -> Signs:
    """Return the signs of all RSTs, believed or ignored, that rows store."""
    found = Signs(*(trace.connection_mask() for _ in range(4)))
    reset = trace.facts & (FACT_RST | FACT_RST_IGNORED) != 0
    rows = trace.tracked_where(reset & (trace.facts & FACT_ABORTED == 0) & ~two_hosts(trace))
    if len(rows):
        sender = EndpointRows(2 * rows + trace.connections["rst_side"][rows])
        found.ttl[rows] = odd_ttl(trace, rows, sender)
        found.timing[rows] = too_soon(trace, rows)
        found.ip_id[rows] = odd_ip_id(trace, rows, sender)
        found.went_on[rows] = trace.endpoints["checks"][sender] & CHECK_WENT_ON != 0
    return found


@once
def two_hosts(trace: Attempts) -> Bools:
    """Return a mask over connections that two hosts with the server's address answered."""
    found: Bools = trace.facts & (FACT_TWO_ISNS | FACT_BOTH_ACKED) == FACT_TWO_ISNS
    rows = trace.tracked_where(~found & (trace.facts & FACT_SYNACK_AFTER_RST != 0))
    if len(rows):
        ttl = trace.connections["rst_ttl"][rows]
        odd = odd_ttl(trace, rows, trace.server_rows[rows])
        for known_ttl in ttls_of_hosts(trace, trace.server_host[rows]):
            odd &= is_elsewhere(ttl, known_ttl)
        found[rows] = ~(odd | too_soon(trace, rows))
    return found


def hops(ttl: NDArray[np.integer]) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Return the initial value of a TTL, and the number of hops since."""
    start = _STARTS.take(ttl)
    return start, (start - ttl).astype(np.int16)


def odd_ttl(trace: Attempts, rows: ConnectionRows, sender: EndpointRows) -> Bools:
    """Return a mask over `rows`: the RST's TTL fits none of the known TTLs of its alleged sender."""
    first = trace.endpoints["syn_ttl"][sender]
    own = np.where(first > 0, first, trace.endpoints["ttl"][sender])
    low, high = own.astype(np.int16), own.astype(np.int16)
    refused = np.flatnonzero((trace.facts[rows] & FACT_REFUSED != 0) & (first == 0))
    low[refused], high[refused] = ttls_of_hosts(trace, trace.server_host[rows[refused]])
    known = high > 0
    ttl = trace.connections["rst_ttl"][rows]
    odd: Bools = known & (ttl > 0) & is_elsewhere(ttl, low) & is_elsewhere(ttl, high)
    some = np.flatnonzero(odd)
    odd[some] = ~is_of_second_point(trace, rows[some], sender[some], ttl[some])
    return odd


def is_of_second_point(trace: Attempts, rows: ConnectionRows, sender: EndpointRows, ttl: NDArray[np.integer]) -> Bools:
    """Return a mask over `rows`: the TTL fits the other one of two capture points with routers in between.

    The capture may lack either copy, of the RST or of the segment with the known TTL.
    """
    ends, hosts = trace.endpoints, trace.server_host[rows]
    served = sender == trace.server_rows[rows]
    low, high = twins_of_hosts(trace, hosts)
    twice = (ends["twin_ttl"][sender] > 0) | (served & (high > 0))
    own = [ends["twin_ttl"][sender], ends["ttl"][sender]]
    theirs = [np.where(served, column, 0) for column in (low, high, *ttls_of_hosts(trace, hosts))]
    found: Bools = ~twice & (trace.facts[rows] & FACT_TTL_TWIN != 0)  # this end's copies came first: no other TTL
    for known in own + theirs:
        found |= twice & (known > 0) & ~is_elsewhere(ttl, known)
    return found


def is_elsewhere(ttl: NDArray[np.integer], other: NDArray[np.integer]) -> Bools:
    """Return a mask: two TTLs cannot be from the same host."""
    start, distance = hops(ttl)
    other_start, other_distance = hops(np.clip(other, 1, 255))
    off = np.abs(distance - other_distance)
    elsewhere: Bools = (off > HOPS_SLACK) | ((off > 0) & (start != other_start))
    return elsewhere


def ttls_of_hosts(trace: Attempts, hosts: NDArray[np.uint64]) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Return the lowest and highest TTL of the SYN-ACKs of each host; 255 and 0 if there are none."""
    return _extremes(trace, hosts, "syn_ttl", FACT_SYNACK)


def twins_of_hosts(trace: Attempts, hosts: NDArray[np.uint64]) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Return the lowest and highest TTL of each host's packets at the second capture point; 255 and 0 if none."""
    return _extremes(trace, hosts, "twin_ttl", FACT_SYNACK | FACT_TTL_TWIN)


def _extremes(
    trace: Attempts, hosts: NDArray[np.uint64], name: str, facts: int
) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Return the lowest and highest nonzero value of a column of these servers' endpoint rows; 255 and 0 if none.

    Only connections with all of `facts` are used.
    """
    low, high = np.full(len(hosts), 255, dtype=np.int16), np.zeros(len(hosts), dtype=np.int16)
    if not len(hosts):
        return low, high
    wanted = distinct(hosts)
    place, _ = places(hosts, wanted)
    answered, at = trace.on_hosts(wanted, trace.facts & facts == facts)
    ttl = trace.endpoints[name][trace.server_rows[answered]].astype(np.int16)
    at, ttl = at[ttl > 0], ttl[ttl > 0]
    lows, highs = np.full(len(wanted), 255, dtype=np.int16), np.zeros(len(wanted), dtype=np.int16)
    np.minimum.at(lows, at, ttl)
    np.maximum.at(highs, at, ttl)
    return lows[place], highs[place]


def too_soon(trace: Attempts, rows: ConnectionRows) -> Bools:
    """Return a mask over `rows`: the RST answered a SYN, or the final ACK, sooner than its host can."""
    early = np.zeros(len(rows), dtype=bool)
    c, delay = trace.connections, answer_delay(trace, rows)
    timely = np.flatnonzero(delay >= 0)
    if not len(timely):
        return early
    hosts, delay = trace.server_host[rows[timely]], delay[timely]
    wanted = distinct(hosts)
    place, _ = places(hosts, wanted)
    timed, at = trace.on_hosts(wanted, trace.facts & (FACT_SYNACK | FACT_ACKED) != 0)
    least = c["synack_min_ns"][timed]
    at, least = at[least > 0], least[least > 0]
    if len(least) < KNOWN_RTTS:
        return early
    shortest = np.full(len(wanted), np.iinfo(np.int64).max)
    np.minimum.at(shortest, at, least)
    enough = np.bincount(at, minlength=len(wanted)) >= KNOWN_RTTS
    usual = shortest[place]
    _, twins = twins_of_hosts(trace, hosts)  # two capture points differ in distance
    early[timely] = (twins == 0) & enough[place] & (delay < TOO_SOON * usual) & (usual - delay > TOO_SOON_NS)
    return early


def answer_delay(trace: Attempts, rows: ConnectionRows) -> NDArray[np.int64]:
    """Return how long after the SYN or the final ACK each RST came that answered it, in ns; -1 for others."""
    facts, c = trace.facts[rows], trace.connections
    delay = np.full(len(rows), -1, dtype=np.int64)
    refused = np.flatnonzero(facts & FACT_REFUSED != 0)
    delay[refused] = rejections(trace).of(rows[refused])
    acked = np.flatnonzero(facts & (FACT_SYNACK_AFTER_RST | FACT_ACKED) == FACT_SYNACK_AFTER_RST | FACT_ACKED)
    delay[acked] = c["rst_ns"][rows[acked]] - c["ack_ns"][rows[acked]]
    return delay


def odd_ip_id(trace: Attempts, rows: ConnectionRows, sender: EndpointRows) -> Bools:
    """Return a mask over `rows`: the RST's IP identification is out of its host's sequence."""
    rst_id, first, newest, frames = (
        column.astype(np.int64)
        for column in (
            trace.connections["rst_ip_id"][rows],
            *(trace.endpoints[name][sender] for name in ("syn_ip_id", "ip_id", "frames")),
        )
    )
    steps = (newest - first) & 0xFFFF
    counts = (first > 0) & (steps > 0) & (frames > 2) & (steps <= IP_ID_STEP * frames)
    away = (rst_id - newest) & 0xFFFF
    odd: Bools = counts & (rst_id > 0) & (np.minimum(away, 0x10000 - away) > IP_ID_FAR)
    return odd & ~may_have_no_socket(trace, rows, sender)


def may_have_no_socket(trace: Attempts, rows: ConnectionRows, sender: EndpointRows) -> Bools:
    """Return a mask over `rows`: the RST may be from a host without a socket: bare, after its FIN, seen or not."""
    c, e = trace.connections, trace.endpoints
    bare = c["rst_flags"][rows] & ACK == 0
    closed = e["traits"][sender] & (TRAIT_FIN | TRAIT_HOLE) != 0
    unseen = (c["rst_seq"][rows] != e["before_rst_nxt"][sender]) | (e["hole_start"][sender] != e["hole_end"][sender])
    answer: Bools = bare & (closed | unseen)
    return answer
