"""Which services clients really used, for connections whose rows have expired in a live run."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import FACT_CLIENT_DATA, FACT_RST, FACT_SERVER_DATA, TRAIT_FIN
from handshake_inspect.verdicts.arrays import Bools, Keys
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.numbering import AttemptRows, ConnectionRows
from handshake_inspect.verdicts.sets import is_member

MAX_PAIRS = 200_000  # client-service pairs; beyond that the oldest are dropped
GREETING = 512  # bytes; the greetings of SSH, SMTP, MySQL and the like are shorter
_PAIR = np.dtype([("pair", "u8"), ("client", "u8"), ("service", "u8"), ("host", "u8"), ("port", "u2")])


class UsedServices:
    """A bounded set of client-service pairs; `absorb` adds to it."""

    def __init__(self) -> None:
        self._noted: NDArray[Any] = np.zeros(0, dtype=_PAIR)  # newest first
        self._pairs: Keys = np.zeros(0, dtype=np.uint64)  # of them, sorted

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self._noted)

    def absorb(self, case: Case, rows: AttemptRows) -> None:
        """Note the services that clients really used on connections about to expire."""
        tracked = case.attempts.tracked(rows)
        mine = tracked[is_used(case, tracked)]
        mine = mine[~is_member(case.attempts.pair[mine], self._pairs)]
        _, first = np.unique(case.attempts.pair[mine], return_index=True)
        if len(first):
            self._noted = np.concatenate([_noted(case, mine[np.sort(first)[::-1]]), self._noted])[:MAX_PAIRS]
            self._pairs = np.sort(self._noted["pair"])

    def by(self, client: int) -> NDArray[Any]:
        """Return the rows (`service`, `host`, `port`) of all services that a client used."""
        noted: NDArray[Any] = self._noted[self._noted["client"] == np.uint64(client)]
        return noted


def is_used(case: Case, rows: ConnectionRows) -> Bools:
    """Return a mask over `rows`: payload was exchanged, and not just a greeting that the client did not want."""
    trace = case.attempts
    facts = trace.facts[rows]
    used: Bools = facts & (FACT_CLIENT_DATA | FACT_SERVER_DATA) != 0
    greeted = rows[facts & (FACT_CLIENT_DATA | FACT_SERVER_DATA) == FACT_SERVER_DATA]
    used[facts & (FACT_CLIENT_DATA | FACT_SERVER_DATA) == FACT_SERVER_DATA] = ~is_unwanted(case, greeted)
    return used


def is_unwanted(case: Case, rows: ConnectionRows) -> Bools:
    """Return a mask over `rows`: the client sent nothing and closed after at most `GREETING` bytes from the server."""
    trace, c = case.attempts, case.attempts.connections
    client = trace.client_rows[rows]
    short = trace.endpoints["bytes"][client ^ 1] <= GREETING
    left = trace.endpoints["traits"][client] & TRAIT_FIN != 0
    left &= c["fin_side"][rows] == c["client"][rows]
    left |= (trace.facts[rows] & FACT_RST != 0) & (c["rst_side"][rows] == c["client"][rows])
    unwanted: Bools = short & left
    return unwanted


def _noted(case: Case, rows: ConnectionRows) -> NDArray[Any]:
    trace, c = case.attempts, case.attempts.connections[rows]
    noted = np.empty(len(rows), dtype=_PAIR)
    noted["pair"], noted["client"] = trace.pair[rows], trace.client_host[rows]
    noted["service"], noted["host"] = trace.server_key[rows], trace.server_host[rows]
    noted["port"] = np.where(c["client"] == 0, c["port1"], c["port0"])
    return noted
