"""SYNs from addresses that cannot exist where they were captured: they are forged.

No host sends from a multicast address, from 240.0.0.0/4, 0.0.0.0/8 or `::` (RFC 1122 section 3.2.1.3, RFC 6890, RFC
4291 section 2.5.2), nor from loopback (127.0.0.0/8, `::1`) to another address. A SYN from the server's own address is
forged, too ("land"), except on the loopback interface, where a host talks to itself. Rows do not store the interface.
It was loopback if the SYN offers an MSS of `LOOPBACK_MSS` or more (loopback's MTU is 16384 on BSD and 65536 on Linux;
no Ethernet frame exceeds 9216), or if the capture holds both directions of some connection of that address with itself.
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

# IPv4 addresses as stored in rows, without the low 24 bits.
_V4 = MASK16 << 8
_THIS_NETWORK, _LOOPBACK, _MULTICAST, _LAST = _V4, _V4 | 127, _V4 | 224, _V4 | 255


def bogons(trace: Attempts, rows: AttemptRows) -> Bools:
    """Return a mask over `rows` (in row order): the client's address is impossible."""
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
    """Return a mask: the source address is impossible, whatever the target."""
    head = lo >> np.uint64(24)
    bogus: Bools = (hi == 0) & ((head == _THIS_NETWORK) | ((head >= _MULTICAST) & (head <= _LAST)) | (lo == 0))
    return bogus | (hi >> np.uint64(56) == 0xFF)


def is_loopback(hi: Words, lo: Words) -> Bools:
    """Return a mask: it is a loopback address."""
    loopback: Bools = (hi == 0) & ((lo == 1) | (lo >> np.uint64(24) == _LOOPBACK))
    return loopback


def is_land(trace: Attempts, rows: AttemptRows, hi: Words, lo: Words) -> Bools:
    """Return a mask over SYNs from an address to itself: not sent on the loopback interface."""
    local: Bools = is_loopback(hi, lo) | (trace.end("client", "mss", rows) >= LOOPBACK_MSS)
    known = self_talkers(trace)
    if len(known):
        local |= places(trace.client_host[rows], known)[1]
    return ~local


def self_talkers(trace: Attempts) -> Words:
    """Return the keys of addresses that talk to themselves in this capture, sorted."""
    both = trace.both_ends & TRAIT_SEEN != 0
    clients = trace.of_connections(trace.client_host)
    return distinct(clients[both & (clients == trace.of_connections(trace.server_host))])
