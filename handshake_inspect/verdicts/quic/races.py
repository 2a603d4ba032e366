"""TCP and QUIC connections of one client to one service that begin together: a race, or a fallback to TCP."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.verdicts.arrays import Times
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.legs import Legs
from handshake_inspect.verdicts.quic.quics import Quics
from handshake_inspect.verdicts.sets import distinct, is_member

TOGETHER_NS = 10_000_000_000

Places = NDArray[np.int64]


def races(attempts: Attempts, quics: Quics) -> tuple[Places, Places]:
    """Return the TCP connection that each QUIC connection raced with, and vice versa; -1 for none.

    It is the nearest one of the same client and service, if both begin within `TOGETHER_NS`; ties are broken by frame.
    """
    if not len(quics):
        return np.zeros(0, dtype=np.int64), np.broadcast_to(np.int64(-1), len(attempts.connections))
    tcp = Starts(attempts.pair, attempts.connections["first_ns"], attempts.connections["first_frame"])
    quic = Starts(quics.pair, quics.rows["first_ns"], quics.rows["first_frame"])
    return nearest(quic, tcp), nearest(tcp, quic)


class Starts(NamedTuple):
    """Client and service key, start time and first frame of connections."""

    keys: NDArray[np.uint64]
    times: Times
    frames: NDArray[np.uint64]


def nearest(own: Starts, others: Starts) -> Places:
    """Return the index of the nearest of `others` with the same key for each of `own`, -1 if none is near enough."""
    keys, times, _ = own
    found = np.full(len(keys), -1, dtype=np.int64)
    mine = np.flatnonzero(is_member(keys, distinct(others.keys)))
    if not len(mine):
        return found
    # One number that sorts by key, then by time: ranks fit into 32 bits each.
    _, moments = np.unique(np.concatenate([times[mine], others.times]), return_inverse=True)
    _, ranks = np.unique(np.concatenate([keys[mine], others.keys]), return_inverse=True)
    codes = ranks.astype(np.int64) << 32 | moments
    order = np.lexsort((others.frames, codes[len(mine) :]))
    after = np.searchsorted(codes[len(mine) :][order], codes[: len(mine)])
    best = np.full(len(mine), TOGETHER_NS + 1, dtype=np.int64)
    for candidate in (np.maximum(after - 1, 0), np.minimum(after, len(order) - 1)):
        place = order[candidate]
        apart = np.abs(others.times[place] - times[mine])
        closer = (others.keys[place] == keys[mine]) & (apart < best)
        found[mine[closer]], best[closer] = place[closer], apart[closer]
    return found


def least_round_trips(attempts: Attempts, legs: Legs, quics: Quics) -> Times:
    """Return the smallest TCP round trip between the same ends for every QUIC connection, -1 for none."""
    least = np.full(len(quics), -1, dtype=np.int64)
    rows = np.flatnonzero(is_member(attempts.pair, distinct(quics.pair))) if len(quics) else np.zeros(0, dtype=np.intp)
    values = legs.of(rows).values[0] if len(rows) else np.zeros(0, dtype=np.int64)
    rows, values = rows[values >= 0], values[values >= 0]
    if not len(rows):
        return least
    names, places = np.unique(attempts.pair[rows], return_inverse=True)
    smallest = np.full(len(names), np.iinfo(np.int64).max)
    np.minimum.at(smallest, places, values)
    at = np.minimum(np.searchsorted(names, quics.pair), len(names) - 1)
    return np.where(names[at] == quics.pair, smallest[at], least)
