"""Counts of attempts on one host that failed for one reason; they add up over current and expired rows."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.verdicts.arrays import Keys, Times
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.elsewhere import server_of
from handshake_inspect.verdicts.findings.base import CITED, Host, cite, client, target
from handshake_inspect.verdicts.numbering import AttemptRows, ReportIds
from handshake_inspect.verdicts.paws import older
from handshake_inspect.verdicts.sets import run_starts
from handshake_inspect.verdicts.words import CAUSE, REFUSED, REJECTED
from handshake_inspect.wire.address import address_text
from handshake_inspect.wire.const import OPT_SIGNED

LISTED = 5  # clients in the metrics
NAMED = 20  # clients whose addresses are kept when rows expire
CLIENTS = 4096  # clients counted separately after rows expire, the busiest ones
DELAYS = 1024  # delays sampled for the median when rows expire
REPORTERS = 5  # senders of ICMP errors
ELSEWHERE = 5  # endpoints that answered in place of the server
SERVICES = 1024  # ports of the host that are counted separately


@dataclass(frozen=True, eq=False, repr=False)
class Tally:
    """Counts of failed attempts.

    `clients` are address keys, the one with the most attempts first; `delays` are those of refusals.
    """

    connections: int
    undecided: int
    cause: int  # index in CAUSES
    services: dict[int, int]  # service key to port
    clients: NDArray[np.uint64]
    attempts: NDArray[np.int64]  # per client
    named: dict[int, Host]  # client key to address, for the first clients
    start_ns: int
    end_ns: int
    frames: tuple[int, ...]
    rows: tuple[int, ...]  # rows to cite; empty once expired
    repeated_syns: int = 0
    waited_max_ns: int = 0
    delays: Times = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    weights: Times = field(default_factory=lambda: np.zeros(0, dtype=np.int64))  # attempts per sampled delay
    reporters: frozenset[Host] = frozenset()
    answered_from: frozenset[tuple[Host, int]] = frozenset()
    older_timestamps: int = 0  # SYNs with a timestamp older than one their address sent before
    signed_syns: int = 0

    @classmethod
    def of(cls, case: Case, outcome: int, rows: AttemptRows) -> "Tally":
        """Count these attempts."""
        trace, c = case.attempts, case.attempts.connections
        tracked = trace.tracked(rows)
        keys, attempts, named = _clients(case, rows)
        last = int(c["last_ns"][tracked].max()) if len(tracked) else 0
        frames, cited = cite(case, rows)
        times = trace.connection("first_ns", rows)
        return cls(
            connections=len(rows),
            undecided=int(np.count_nonzero(~case.outcomes.decided[rows])),
            cause=int(case.outcomes.cause[rows[0]]),
            services=_services(case, rows),
            clients=keys,
            attempts=attempts,
            named=named,
            start_ns=int(times.min()),
            end_ns=max(int(times.max()), last),
            frames=frames,
            rows=cited,
            reporters=frozenset(_reporters(case, rows)) if outcome == REJECTED else frozenset(),
            answered_from=frozenset(_answered_from(case, rows)),
            older_timestamps=older(trace, rows) if case.outcomes.cause[rows[0]] == CAUSE["syn-dropped"] else 0,
            signed_syns=int(np.count_nonzero(trace.end("client", "options", rows) & OPT_SIGNED)),
            **_cost(case, outcome, tracked),
        )

    def plus(self, later: "Tally") -> "Tally":
        """Return the sum; beyond `CLIENTS` and `DELAYS` the clients and delays with the highest counts are kept."""
        delays, weights = _thinned(
            *(np.concatenate(both) for both in zip(self._delays(), later._delays(), strict=True))
        )
        keys, attempts = _summed_clients(self, later)
        known = self.named | later.named
        return replace(
            self,
            connections=self.connections + later.connections,
            undecided=self.undecided + later.undecided,
            services=dict([*self.services.items(), *later.services.items()][:SERVICES]),
            clients=keys,
            attempts=attempts,
            named={key: known[key] for key in keys.tolist() if key in known},
            start_ns=min(self.start_ns, later.start_ns),
            end_ns=max(self.end_ns, later.end_ns),
            frames=tuple(sorted({*self.frames, *later.frames})[:CITED]),
            rows=later.rows,
            repeated_syns=self.repeated_syns + later.repeated_syns,
            waited_max_ns=max(self.waited_max_ns, later.waited_max_ns),
            delays=delays,
            weights=weights,
            reporters=self.reporters | later.reporters,
            answered_from=frozenset(sorted(self.answered_from | later.answered_from)[:ELSEWHERE]),
            older_timestamps=self.older_timestamps + later.older_timestamps,
            signed_syns=self.signed_syns + later.signed_syns,
        )

    @property
    def is_signed(self) -> bool:
        """Return whether most attempts have a signed SYN; a peer without that key drops them."""
        return 2 * self.signed_syns >= self.connections

    def gone(self) -> "Tally":
        """Return the tally without rows to cite."""
        return replace(self, rows=())

    def _delays(self) -> tuple[Times, Times]:
        return self.delays, self.weights if len(self.weights) else np.ones(len(self.delays), dtype=np.int64)

    @property
    def top_clients(self) -> list[dict[str, Any]]:
        """Return the clients with the most attempts whose address is known."""
        often = zip(self.clients.tolist(), self.attempts.tolist(), strict=True)
        listed = [{"ip": address_text(*self.named[key]), "connections": n} for key, n in often if key in self.named]
        return listed[:LISTED]

    @property
    def delay_p50_ns(self) -> int | None:
        """Return the median delay of the refusals (the lower of two), or None."""
        delays, weights = self._delays()
        if not len(delays):
            return None
        order = np.argsort(delays, kind="stable")
        upto = np.cumsum(weights[order])
        return int(delays[order][np.searchsorted(upto, (int(upto[-1]) + 1) // 2)])


def _services(case: Case, rows: AttemptRows) -> dict[int, int]:
    trace = case.attempts
    keys, _, first = _by_key(trace, trace.server_key, rows)
    return {int(keys[at]): target(trace, int(trace.order[first[at]]))[1] for at in np.argsort(first)[:SERVICES]}


def _clients(case: Case, rows: AttemptRows) -> tuple[NDArray[np.uint64], NDArray[np.int64], dict[int, Host]]:
    trace = case.attempts
    keys, sizes, first = _by_key(trace, trace.client_host, rows)
    best = np.lexsort((first, -sizes))
    names = {int(keys[at]): client(trace, int(trace.order[first[at]]))[0] for at in best[:NAMED]}
    return keys[best], sizes[best], names


def _by_key(trace: Attempts, every: Any, rows: AttemptRows) -> tuple[Keys, Times, ReportIds]:
    """Return the distinct keys of these attempts, the count of each, and the id of the first attempt with it."""
    keys = every[rows]
    order = np.argsort(keys)
    starts = np.flatnonzero(run_starts(keys[order]))
    first = np.minimum.reduceat(trace.ids[rows[order]], starts)
    return keys[order[starts]], np.diff(np.append(starts, len(keys))), ReportIds(first)


def _summed_clients(one: Tally, other: Tally) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    both = np.concatenate([one.clients, other.clients])
    keys, first, at = np.unique(both, return_index=True, return_inverse=True)
    attempts = np.bincount(at, weights=np.concatenate([one.attempts, other.attempts])).astype(np.int64)
    best = np.lexsort((first, -attempts))[:CLIENTS]
    return keys[best], attempts[best]


def _thinned(delays: Times, weights: Times) -> tuple[Times, Times]:
    """Reduce to at most `DELAYS` delays at even quantiles, each weighted by the number it stands for."""
    if len(delays) <= DELAYS:
        return delays, weights
    order = np.argsort(delays, kind="stable")
    upto = np.cumsum(weights[order])
    steps = np.linspace(0, int(upto[-1]), DELAYS + 1).astype(np.int64)
    middles = (steps[:-1] + steps[1:]) // 2 + 1
    return delays[order][np.searchsorted(upto, middles)], np.diff(steps)


def _cost(case: Case, outcome: int, tracked: AttemptRows) -> dict[str, Any]:
    """Return the delays of refusals, or the count and duration of retransmissions, as fields of a tally."""
    if outcome in (REFUSED, REJECTED):
        delays = case.legs.of(tracked).reject_ns
        return {"delays": delays[delays >= 0]}
    c = case.attempts.connections
    waited = c["last_ns"][tracked] - c["first_ns"][tracked]
    return {
        "repeated_syns": int(np.maximum(c["syn_count"][tracked], 1).sum(dtype=np.int64)) - len(tracked),
        "waited_max_ns": int(waited.max()) if len(waited) else 0,
    }


def _answered_from(case: Case, rows: AttemptRows) -> list[tuple[Host, int]]:
    """Return who answered these attempts from elsewhere, at most `ELSEWHERE`."""
    elsewhere = case.attempts.elsewhere
    if elsewhere is None:
        return []
    found = map(server_of, elsewhere.select(rows).answers)
    return sorted({((hi, lo), port) for hi, lo, port in found})[:ELSEWHERE]


def _reporters(case: Case, rows: AttemptRows) -> list[Host]:
    """Return who sent the ICMP errors, at most `REPORTERS`."""
    trace = case.attempts
    rows = trace.earliest(rows[trace.connection("retries", rows) > 0], 100 * REPORTERS)
    reports = trace.retries[trace.connection("retries", rows).astype(np.intp) - 1]
    found = {(int(one["reporter_hi"]), int(one["reporter_lo"])) for one in reports}
    return [each for each in sorted(found) if each != (0, 0)][:REPORTERS]
