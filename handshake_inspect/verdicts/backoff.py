"""Which stack retransmits its SYN like this, and when it gives up: SYN intervals compared with known profiles.

RFC 6298 section 5.5 requires doubling, but stacks differ in the first timeout, in how often they repeat it before they
double it, and in when connect() fails. A few intervals fit several profiles; then all of them are candidates, except
those that the client's TTL rules out.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.numbering import ConnectionRows
from handshake_inspect.verdicts.repeats import repeated_syns

SECOND_NS = 1_000_000_000
# Timers run a few per cent late, and queues delay what the capture sees.
TIMER_SLACK = 0.08
TIMER_SLACK_NS = 60_000_000
# No stack retransmits a SYN sooner (RFC 6298 section 2.4 rounds every RTO up to 1 s); raw-socket tools do.
RAW_SOCKET_NS = 800_000_000


@dataclass(frozen=True)
class Profile:
    """One retransmission schedule: intervals and time until connect() fails in seconds, and the initial TTL."""

    name: str
    gaps: tuple[int, ...]
    gives_up_s: int
    ttl: int


PROFILES = (
    Profile("linux-exponential", (1, 2, 4, 8, 16, 32), 127, 64),  # tcp_syn_linear_timeouts=0, the only way before 6.5
    Profile("linux-linear", (1, 1, 1, 1, 1, 2, 4, 8, 16, 32), 133, 64),  # tcp_syn_linear_timeouts=4, default since 6.5
    Profile("macos-bsd", (1, 1, 1, 1, 1, 2, 4, 8, 16, 32), 75, 64),  # net.inet.tcp.keepinit ends it, not a count
    Profile("vpp", (1, 1, 1, 2, 4, 8, 16, 32), 127, 64),
    Profile("windows", (1, 2, 4, 8), 21, 128),
    Profile("windows-before-10", (3, 6), 21, 128),
    Profile("linux-before-3.1", (3, 6, 12, 24, 48), 189, 64),  # the 3 s of RFC 2988
    Profile("freebsd-before-13", (3, 3, 3, 3, 3, 6, 12, 24), 75, 64),
)
RAW_SOCKET = "raw-socket"  # nmap, hping3 and other tools that build their own SYNs
UNKNOWN = "unknown"


@dataclass(frozen=True, eq=False, repr=False)
class Fits:
    """`candidates[i, p]`: profile `p` fits connection `rows[i]`; `raw[i]`: no stack's timer fits."""

    rows: ConnectionRows
    candidates: NDArray[np.bool_]
    raw: NDArray[np.bool_]

    def name(self, i: int) -> str:
        """Return one profile, several joined by "or", `raw-socket` or `unknown`."""
        if self.raw[i]:
            return RAW_SOCKET
        names = [profile.name for profile, fits in zip(PROFILES, self.candidates[i], strict=True) if fits]
        return " or ".join(names) or UNKNOWN

    def counts(self, rows: ConnectionRows) -> dict[str, int]:
        """Count these connections by name, the most frequent first; those without retransmitted SYNs are left out."""
        if not len(self.rows):
            return {}
        at = np.minimum(np.searchsorted(self.rows, rows), len(self.rows) - 1)
        at = at[self.rows[at] == rows]
        codes = self.candidates[at] @ (1 << np.arange(len(PROFILES))) - self.raw[at]
        _, first, sizes = np.unique(codes, return_index=True, return_counts=True)
        named = sorted(zip((-sizes).tolist(), (self.name(i) for i in at[first].tolist()), strict=True))
        return {name: -size for size, name in named}


def fit(gaps_ns: NDArray[np.int64], counts: NDArray[np.intp], ttl: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Return a mask (row, profile): the profile explains the first `counts` intervals of each row."""
    longest = gaps_ns.shape[1]
    used = np.arange(longest) < counts[:, None]
    fits = np.zeros((len(gaps_ns), len(PROFILES)), dtype=bool)
    for number, profile in enumerate(PROFILES):
        expected = np.full(longest, -1, dtype=np.int64)
        known = min(longest, len(profile.gaps))
        expected[:known] = np.array(profile.gaps[:known]) * SECOND_NS
        near = np.abs(gaps_ns - expected) <= TIMER_SLACK * expected + TIMER_SLACK_NS
        fits[:, number] = ((near & (expected > 0)) | ~used).all(axis=1) & (ttl <= profile.ttl)
        fits[:, number] &= (ttl > 64) | (profile.ttl <= 64)
    return fits & (counts > 0)[:, None]


def profiles(trace: Attempts) -> Fits:
    """Fit every connection whose SYN was retransmitted."""
    again = repeated_syns(trace)
    rows, copies, counts = again.rows, again.times, again.counts
    if not len(rows):
        return Fits(rows, np.zeros((0, len(PROFILES)), dtype=bool), np.zeros(0, dtype=bool))
    before = np.concatenate([trace.connections["syn_ns"][rows][:, None], copies[:, :-1]], axis=1)
    gaps = copies - before
    candidates = fit(gaps, counts, trace.endpoints["syn_ttl"][trace.client_rows[rows]])
    used = np.arange(gaps.shape[1]) < counts[:, None]
    raw = (used & (gaps < RAW_SOCKET_NS)).any(axis=1) & ~candidates.any(axis=1)
    return Fits(rows, candidates, raw)


def gives_up_ns(names: str) -> list[int]:
    """Return the times after the first SYN at which connect() of these stacks fails; empty for unknown stacks."""
    known = names.split(" or ")
    return sorted({profile.gives_up_s * SECOND_NS for profile in PROFILES if profile.name in known})
