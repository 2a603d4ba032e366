"""SYNs from addresses that cannot be where they were captured: somebody forged them.

No host sends from a multicast address, from 240.0.0.0/4, 0.0.0.0/8 or `::` (RFC 1122 section 3.2.1.3, RFC 6890,
RFC 4291 section 2.5.2), nor from loopback (127.0.0.0/8, `::1`) to an address outside it.  A SYN with the server's own
address as its source is forged too ("land"), but not on the loopback interface, where a host talks to itself.  Rows do
not know the interface.  A SYN that offers an MSS of `LOOPBACK_MSS` or more was sent there (its MTU is 16384 on BSD and
65536 on Linux; no Ethernet takes more than 9216), and where the capture holds both directions of some connection of
that address with itself, it was captured there.
"""

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import TRAIT_SEEN
from handshake_inspect.verdicts.arrays import Bools
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.columns import batches
from handshake_inspect.verdicts.numbering import AttemptRows
from handshake_inspect.verdicts.sets import distinct, places
from handshake_inspect.wire.const import MASK16

LOOPBACK_MSS = 16_000

Words = NDArray[np.uint64]

# IPv4 addresses by all but their last 24 bits, as rows hold them.
_V4 = MASK16 << 8
_THIS_NETWORK, _LOOPBACK, _MULTICAST, _LAST = _V4, _V4 | 127, _V4 | 224, _V4 | 255


def bogons(trace: Attempts, rows: AttemptRows) -> Bools:
    """Which of these attempts, in row order, come from an address that cannot be."""
    found = np.empty(len(rows), dtype=bool)
    for some in batches(len(rows)):
        mine = rows[some]
        hi, lo = trace.halves("client", mine)
        found[some] = never_sends(hi, lo)
        outside = np.flatnonzero(is_loopback(hi, lo))
        if len(outside):
            found[some.start + outside[~is_loopback(*trace.halves("server", mine[outside]))]] = True
        own = np.flatnonzero((trace.client_host[mine] == trace.server_host[mine]) & ~found[some])
        if len(own):
            found[some.start + own[is_land(trace, mine[own], hi[own], lo[own])]] = True
    return found


def never_sends(hi: Words, lo: Words) -> Bools:
    """Which sources cannot exist, whatever their target."""
    head = lo >> np.uint64(24)
    bogus: Bools = (hi == 0) & ((head == _THIS_NETWORK) | ((head >= _MULTICAST) & (head <= _LAST)) | (lo == 0))
    return bogus | (hi >> np.uint64(56) == 0xFF)


def is_loopback(hi: Words, lo: Words) -> Bools:
    """Which addresses are of the loopback interface."""
    loopback: Bools = (hi == 0) & ((lo == 1) | (lo >> np.uint64(24) == _LOOPBACK))
    return loopback


def is_land(trace: Attempts, rows: AttemptRows, hi: Words, lo: Words) -> Bools:
    """Which of these SYNs of an address to itself were not sent on the loopback interface."""
    local: Bools = is_loopback(hi, lo) | (trace.end("client", "mss", rows) >= LOOPBACK_MSS)
    known = self_talkers(trace)
    if len(known):
        local |= places(trace.client_host[rows], known)[1]
    return ~local


def self_talkers(trace: Attempts) -> Words:
    """Keys of the addresses that talk with themselves in this capture, sorted."""
    both = trace.both_ends & TRAIT_SEEN != 0
    clients = trace.of_connections(trace.client_host)
    return distinct(clients[both & (clients == trace.of_connections(trace.server_host))])
