"""What findings about set-ups look at: columns of all connections with TLS, and groups of them by service."""

from dataclasses import dataclass, fields
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.setup_facts import EXTRA_NAGLE, EXTRA_WINDOW, SPAN_TLS
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.columns import AT_ONCE, batches
from handshake_inspect.verdicts.grouping import Groups, group
from handshake_inspect.verdicts.numbering import ConnectionRows
from handshake_inspect.verdicts.once import once
from handshake_inspect.verdicts.setup.intervals import Bools, Times
from handshake_inspect.verdicts.setup.setups import Setup, setups_of

Places = NDArray[np.intp]


@dataclass(frozen=True)
class Handshakes:
    """Columns of all connections whose client began TLS; durations are -1 where they are not known."""

    rows: NDArray[Any]
    flags: NDArray[np.int64]
    version: NDArray[np.int64]
    outcome: NDArray[np.uint8]
    hello: NDArray[np.int64]  # the number of what its ClientHello says
    alert: NDArray[np.int64]  # its code
    upgraded: Bools
    server_hello: Times  # the server's own time
    client_finished: Times  # the client's own time
    before_tls: Times
    network: Times  # its round trip
    retry: Times  # the wait for another ClientHello
    window: Times  # waits in a flight of the handshake
    response: Bools  # there was an answer

    def connections(self, places: Any) -> ConnectionRows:
        """The connections at these places."""
        return ConnectionRows(self.rows[places])

    def has(self, bits: int) -> Bools:
        """Where any of these SETUP_* bits is set."""
        return self.flags & bits != 0


def _of(setup: Setup) -> list[NDArray[Any]]:
    seen, spans = setup.seen, setup.spans
    tls = np.flatnonzero(seen.tls)
    again = seen.there("hello_2")
    columns = [
        np.asarray(seen.rows), seen["flags"], seen["version"], setup.outcomes, seen["hello"], seen["alert_code"],
        seen["upgrade"] > 0, spans.server_hello.value, spans.client_finished.value, spans.before_tls.length.value,
        seen.network.value, np.where(again, seen.time("hello_2") - seen.time("hello"), -1),
        setup.extras.cost(EXTRA_WINDOW, SPAN_TLS), spans.response[0].known,
    ]  # fmt: skip
    return [column[tls] for column in columns]


@once
def handshakes(case: Case) -> Handshakes:
    """All connections whose client began TLS."""
    found = setups_of(case.attempts)
    rows = found.rows[found.values.tls] if len(found.rows) else found.rows
    parts = [_of(found.of(rows[some])) for some in batches(len(rows), AT_ONCE)]
    if not parts:
        return Handshakes(rows, *(np.zeros(0, dtype=np.int64) for _ in fields(Handshakes)[1:]))  # type: ignore[arg-type]
    return Handshakes(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


@dataclass(frozen=True)
class Waits:
    """Nagle's algorithm in set-ups, plain ones too: a row for each wait."""

    rows: NDArray[Any]  # of connections
    cost: Times
    by_client: Bools  # whose segment was held back
    delayed: Bools


@once
def nagle_waits(case: Case) -> Waits:
    """All waits for Nagle's algorithm."""
    found = setups_of(case.attempts)
    some = found.rows[found.values.extras["nagle"] > 0] if len(found.rows) else found.rows
    setup = found.of(some)
    extras = setup.extras
    mine = np.flatnonzero(extras["reason"] == EXTRA_NAGLE)
    at = extras.at[mine]
    by_client = extras["side"][mine] == setup.seen.of("client")[at]
    return Waits(some[at], extras["cost_ns"][mine].astype(np.int64), by_client, extras["delayed"][mine] != 0)


def by_service(case: Case, told: Handshakes, places: Places, at_least: int = 1) -> Groups[Places]:
    """These handshakes by the service of their connections."""
    service = case.attempts.of_connections(case.attempts.service)
    return group(service[told.rows[places]], places, at_least=at_least)


def by_keys(keys: list[NDArray[Any]], places: Places, at_least: int = 1) -> Groups[Places]:
    """These places by several keys together."""
    numbers = [np.unique(key, return_inverse=True)[1].reshape(-1) for key in keys]
    joined = reduce(lambda one, other: one * (int(other.max(initial=0)) + 1) + other, numbers)
    return group(np.unique(joined, return_inverse=True)[1].reshape(-1), places, at_least=at_least)
