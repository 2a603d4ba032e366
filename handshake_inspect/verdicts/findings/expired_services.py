"""Which services clients really used, of connections whose rows are gone: a live run does not keep all rows."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import FACT_CLIENT_DATA, FACT_RST, FACT_SERVER_DATA, TRAIT_FIN
from handshake_inspect.verdicts.arrays import Bools, Keys
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.findings.keys import is_member
from handshake_inspect.verdicts.numbering import AttemptRows, ConnectionRows

MOST = 200_000  # pairs of a client and a service; beyond that those that were noted first are forgotten
GREETING = 512  # bytes that a server says before it is asked: SSH, SMTP, MySQL and their like say less
_PAIR = np.dtype([("pair", "u8"), ("client", "u8"), ("service", "u8"), ("host", "u8"), ("port", "u2")])


class Used:
    """Grows with every `absorb`, up to its bound."""

    def __init__(self) -> None:
        self._noted: NDArray[Any] = np.zeros(0, dtype=_PAIR)  # newest first
        self._pairs: Keys = np.zeros(0, dtype=np.uint64)  # of them, sorted

    def __len__(self) -> int:
        """How many pairs are noted."""
        return len(self._noted)

    def absorb(self, case: Case, rows: AttemptRows) -> None:
        """Note which services the clients of these connections, which are about to go, really used."""
        tracked = case.attempts.tracked(rows)
        mine = tracked[is_used(case, tracked)]
        mine = mine[~is_member(case.attempts.pair[mine], self._pairs)]
        _, first = np.unique(case.attempts.pair[mine], return_index=True)
        if len(first):
            self._noted = np.concatenate([_noted(case, mine[np.sort(first)[::-1]]), self._noted])[:MOST]
            self._pairs = np.sort(self._noted["pair"])

    def by(self, client: int) -> NDArray[Any]:
        """The `service`, `host` and `port` of all that a client used."""
        noted: NDArray[Any] = self._noted[self._noted["client"] == np.uint64(client)]
        return noted


def is_used(case: Case, rows: ConnectionRows) -> Bools:
    """Which of these connections carried payload, other than a greeting that its client did not want."""
    trace = case.attempts
    facts = trace.facts[rows]
    used: Bools = facts & (FACT_CLIENT_DATA | FACT_SERVER_DATA) != 0
    greeted = rows[facts & (FACT_CLIENT_DATA | FACT_SERVER_DATA) == FACT_SERVER_DATA]
    used[facts & (FACT_CLIENT_DATA | FACT_SERVER_DATA) == FACT_SERVER_DATA] = ~is_unwanted(case, greeted)
    return used


def is_unwanted(case: Case, rows: ConnectionRows) -> Bools:
    """Which of these connections their clients ended, without a word, after a few bytes of the server."""
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
