"""Data for findings about connection set-up: all connections with TLS as columns, and groups of them by service."""

from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.setup.facts import EXTRA_NAGLE
from handshake_inspect.verdicts.arrays import Bools, Times
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.grouping import Groups, group
from handshake_inspect.verdicts.memo import once
from handshake_inspect.verdicts.sets import host_key
from handshake_inspect.verdicts.setup.handshakes import Handshakes
from handshake_inspect.verdicts.setup.setups import setups_of

Places = NDArray[np.intp]


def handshakes(case: Case) -> Handshakes:
    """Return all connections whose client started TLS."""
    return setups_of(case.attempts).handshakes


@dataclass(frozen=True, eq=False, repr=False)
class Waits:
    """Waits caused by Nagle's algorithm in set-ups, with or without TLS; one row per wait."""

    rows: NDArray[Any]  # connection rows
    cost: Times
    by_client: Bools  # the client's segment was held back
    delayed: Bools  # the peer delayed its acknowledgment


@once
def nagle_waits(case: Case) -> Waits:
    """Return all waits caused by Nagle's algorithm."""
    found = setups_of(case.attempts)
    some = found.rows[found.values.extras["nagle"] > 0] if len(found.rows) else found.rows
    setup = found.of(some)
    extras = setup.waits
    mine = np.flatnonzero(extras["reason"] == EXTRA_NAGLE)
    at = extras.at[mine]
    by_client = extras["side"][mine] == setup.seen.of("client")[at]
    return Waits(some[at], extras["cost_ns"][mine].astype(np.int64), by_client, extras["delayed"][mine] != 0)


def by_service(case: Case, tls: Handshakes, places: Places, at_least: int = 1) -> Groups[Places]:
    """Group these handshakes by service."""
    service = case.attempts.of_connections(case.attempts.service)
    return group(service[tls.rows[places]], places, at_least=at_least)


def by_keys(keys: list[NDArray[Any]], places: Places, at_least: int = 1) -> Groups[Places]:
    """Group these places by several keys together; the groups are in the order of the first key, then the second …"""
    wide = [key.astype(np.uint64, copy=False) for key in keys]
    groups = group(reduce(host_key, wide), np.arange(len(places)), at_least=at_least)
    first = groups.rows[groups.starts]
    groups = groups.select(np.lexsort([key[first] for key in reversed(keys)]))
    return Groups(places[groups.rows], groups.starts, groups.ends)
