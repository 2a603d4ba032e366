"""Failure counts by reason for attempts whose rows have expired: a live run drops old rows, but roll-ups cover all."""

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.verdicts.arrays import Keys
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.findings.base import Host, target
from handshake_inspect.verdicts.findings.expired_services import UsedServices
from handshake_inspect.verdicts.findings.tally import Tally
from handshake_inspect.verdicts.grouping import group
from handshake_inspect.verdicts.numbering import AttemptRows

SERVICES = 20_000  # attempts are counted per service for so many; beyond that the smallest are dropped
FAILING = 1_000  # reasons kept per outcome

# Spreads causes over the key of a reason, which is made of the cause and the server's address.
_CAUSES_APART = np.uint64(0x9E37_79B9_7F4A_7C15)


def reasons(case: Case, rows: AttemptRows) -> Keys:
    """Return a 64-bit key of the cause and the server's address for each of these attempts."""
    keys: Keys = case.attempts.server_host[rows] ^ case.outcomes.cause[rows].astype(np.uint64) * _CAUSES_APART
    return keys


def expired_attempts(case: Case) -> "ExpiredAttempts | None":
    """Return the counts of expired attempts, or None if this is not a live run."""
    return case.past if isinstance(case.past, ExpiredAttempts) else None


class ExpiredAttempts:
    """Bounded counts of expired attempts; `absorb` adds to them."""

    def __init__(self) -> None:
        self.failures: dict[int, dict[int, tuple[Host, Tally]]] = {}  # by outcome, then by reason
        self.services: Keys = np.zeros(0, dtype=np.uint64)  # sorted
        self.attempts = np.zeros(0, dtype=np.int64)
        self.served = np.zeros(0, dtype=np.int64)
        self.used = UsedServices()

    def absorb(self, case: Case, rows: AttemptRows, failed: dict[int, AttemptRows], counted: NDArray[np.int64]) -> None:
        """Add rows that are about to expire.

        `failed` are the failed ones by outcome; `counted` has one value per row: bit 0 counts an attempt, bit 1 an
        established one.
        """
        self.used.absorb(case, rows)
        keys = case.attempts.server_key[rows]
        self._count(keys, counted & 1, counted >> 1)
        for outcome, mine in failed.items():
            if len(mine):
                self._fail(case, outcome, mine)

    def of(self, outcome: int, key: int) -> tuple[Host, Tally] | None:
        """Return the server and the tally of the failures with this outcome and reason key, or None."""
        return self.failures.get(outcome, {}).get(key)

    def sizes(self, outcome: int) -> tuple[Keys, NDArray[np.int64]]:
        """Return the reason keys of this outcome and the number of failures of each."""
        mine = self.failures.get(outcome, {})
        keys = np.fromiter(mine, dtype=np.uint64, count=len(mine))
        return keys, np.array([tally.connections for _, tally in mine.values()], dtype=np.int64)

    def numbers(self, key: int) -> tuple[int, int]:
        """Return how many attempts a service had and how many were established."""
        at = int(np.searchsorted(self.services, np.uint64(key)))
        if at == len(self.services) or int(self.services[at]) != key:
            return 0, 0
        return int(self.attempts[at]), int(self.served[at])

    def _count(self, keys: Keys, attempts: NDArray[np.int64], served: NDArray[np.int64]) -> None:
        self.services, at = np.unique(np.concatenate([self.services, keys]), return_inverse=True)
        self.attempts = np.bincount(at, weights=np.concatenate([self.attempts, attempts])).astype(np.int64)
        self.served = np.bincount(at, weights=np.concatenate([self.served, served])).astype(np.int64)
        if len(self.services) > SERVICES:
            kept = np.sort(np.argsort(-(self.attempts + self.served), kind="stable")[: SERVICES // 2])
            self.services, self.attempts, self.served = self.services[kept], self.attempts[kept], self.served[kept]

    def _fail(self, case: Case, outcome: int, rows: AttemptRows) -> None:
        known = self.failures.setdefault(outcome, {})
        parted = group(reasons(case, rows), rows)
        for g in np.argsort(-parted.sizes, kind="stable")[:FAILING]:
            mine = parted.of(g)
            key = int(reasons(case, mine[:1])[0])
            now = Tally.of(case, outcome, mine).gone()
            host, before = known.get(key, (target(case.attempts, int(mine[0]))[0], None))
            known[key] = host, now if before is None else before.plus(now)
        if len(known) > 2 * FAILING:
            most = sorted(known.items(), key=lambda each: -each[1][1].connections)
            self.failures[outcome] = dict(most[:FAILING])
