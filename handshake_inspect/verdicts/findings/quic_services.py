"""QUIC connections by service, for the detectors."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.verdicts.findings.base import CITED, Host
from handshake_inspect.verdicts.quic.quic_case import QuicCase
from handshake_inspect.verdicts.quic.quics import Quics

Places = NDArray[np.intp]


def by_key(keys: NDArray[np.uint64], places: Places) -> Iterator[Places]:
    """Yield the places grouped by key."""
    mine = keys[places]
    order = np.argsort(mine, kind="stable")
    bounds = np.flatnonzero(np.diff(mine[order])) + 1
    yield from (group for group in np.split(places[order], bounds) if len(group))


def server(quics: Quics, place: int) -> tuple[Host, int]:
    """Return the server's address and port of a connection."""
    row = quics.rows[place]
    return (int(row["server_hi"]), int(row["server_lo"])), int(row["server_port"])


def client(quics: Quics, place: int) -> Host:
    """Return the client's address of a connection."""
    row = quics.rows[place]
    return int(row["client_hi"]), int(row["client_lo"])


def clients(quics: Quics, places: Places) -> int:
    """Count the distinct client addresses of these connections."""
    return len({client(quics, place) for place in places.tolist()})


def window(quics: Quics, places: Places) -> tuple[int, int]:
    """Return when the first of these connections began and the last one ended, in nanoseconds."""
    return int(quics.rows["first_ns"][places].min()), int(quics.rows["last_ns"][places].max())


def frames(quic: QuicCase, places: Places) -> tuple[int, ...]:
    """Return the first frames of the connections to cite."""
    return tuple(sorted(quic.quics.rows["first_frame"][places].tolist())[:CITED])
