"""`connection-churn`: many short connections in sequence between the same pair, which a connection pool would avoid.

Counted are established and closed connections of one client address to one service that lasted less than `SHORT_NS`. A
pool needs as many connections as were ever open at once, so all other handshakes could have been saved. These must be
`SAVED` or more of at least `LEAST` connections; a crowd behind one address that arrives all at once is below that. And
the median pause to the next connection must be at most `PAUSE_NS`: after a longer one the idle timeout of common
servers (5 s to 75 s) would have closed the pooled connection.

Not reported, because a pool would not help or not be used:

- *health checks*: a timer opens the connections. `STEADY` of the intervals between starts (or between every second or
  third start, if several checkers share an address) agree within `MAX_JITTER`, are at least `LEAST_EVERY_NS` per
  checker, and the connections last no longer than half of them. (A client that waits for each answer is regular, too.)
- *password guessing*: the server ends `STEADY` of the connections after at most `MAX_GUESS_BYTES`, and the client
  returns within `AT_ONCE_NS` in the median.

If the mean set-up took less than `QUICK_NS`, and the saved ones together less than `SMALL_SHARE` of the time from the
first connection to the end of the last, a pool saves little; title and advice say so. Only ports would be saved.

Severity: `info`. It costs time and ports and breaks nothing; `time-wait-pressure` reports scarce ports.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import FACT_RST, TRAIT_FIN
from handshake_inspect.verdicts import grouping
from handshake_inspect.verdicts.arrays import Times
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.finding import Finding, Kind, Metric
from handshake_inspect.verdicts.findings.base import addr, client, earliest, largest, median, ratio, target
from handshake_inspect.verdicts.host import PORT_SETTINGS, HostEvidence
from handshake_inspect.verdicts.numbering import ConnectionRows
from handshake_inspect.verdicts.pairs import by_pair
from handshake_inspect.verdicts.percentiles import in_places
from handshake_inspect.verdicts.setup.setups import setups_of
from handshake_inspect.verdicts.words import ESTABLISHED
from handshake_inspect.wire.address import address_text
from handshake_inspect.wire.text import duration

SHORT_NS = 30_000_000_000
LEAST = 50
SAVED = 0.5
PAUSE_NS = 5_000_000_000
STEADY = 0.9
MAX_JITTER = 0.05
LEAST_EVERY_NS = 1_000_000_000
CHECKERS = 3
MAX_GUESS_BYTES = 10_000  # of both directions: an SSH login that fails takes 5 to 8 thousand, key exchange and all
AT_ONCE_NS = 1_000_000_000
QUICK_NS = 1_000_000  # a set-up within a host or a rack
SMALL_SHARE = 0.05

_ADVICE = (
    "Use a connection pool or HTTP keep-alive in the client, and give the server an idle timeout that "
    "is longer than the client's pauses (nginx `keepalive_timeout`, and `keepalive` in `upstream` blocks)."
)
_LITTLE_TO_GAIN = (
    "A connection pool or HTTP keep-alive would save little time here. It is worthwhile if ports get scarce: each of "
    "these connections leaves one in TIME_WAIT."
)


@dataclass(frozen=True, eq=False, repr=False)
class ShortConnections:
    """Short connections in time order, as parallel columns."""

    rows: ConnectionRows
    first: Times
    last: Times
    moved: Times  # payload of both ends
    waited: Times  # set-up time, from `setup_ns`

    @classmethod
    def of(cls, case: Case, rows: ConnectionRows) -> "ShortConnections":
        """Build the columns for these connections."""
        c, sent = case.attempts.connections, case.attempts.endpoints["bytes"]
        moved = (sent[2 * rows] + sent[2 * rows + 1]).astype(np.int64)
        return cls(rows, c["first_ns"][rows], c["last_ns"][rows], moved, setup_ns(case, rows))

    def __getitem__(self, some: slice) -> "ShortConnections":
        return ShortConnections(self.rows[some], self.first[some], self.last[some], self.moved[some], self.waited[some])

    @property
    def pauses(self) -> Times:
        """Return the time from the end of each connection to the start of the next."""
        return self.first[1:] - self.last[:-1]


def detect(case: Case) -> list[Finding]:
    """Return one finding per pair of client and service."""
    groups = short_lived(case)
    if not len(groups):
        return []
    lives = ShortConnections.of(case, groups.rows)
    one = [slice(*ends) for ends in zip(groups.starts.tolist(), groups.ends.tolist(), strict=True)]
    parallel = most_at_once(lives.first, lives.last, groups)
    wasteful = groups.sizes - parallel >= SAVED * groups.sizes
    picked = np.flatnonzero(wasteful & are_soon(lives.pauses, groups) & ~are_guessing(case, lives, groups))
    picked = picked[[not is_timed(lives[one[g]]) for g in picked.tolist()]]
    return largest(
        KIND,
        "pairs with many short connections",
        picked,
        groups.sizes[picked],
        lambda g: pair_finding(case, lives[one[g]], int(parallel[g])),
    )


def short_lived(case: Case) -> grouping.Groups[ConnectionRows]:
    """Group the short connections by pair, in time order; only pairs with `LEAST` or more. Groups are in key order."""
    trace, c = case.attempts, case.attempts.connections
    closed = (trace.either_end & TRAIT_FIN != 0) | (trace.facts & FACT_RST != 0)
    closed &= trace.of_connections(case.outcomes.outcome) == ESTABLISHED
    many = by_pair(trace).among(closed, LEAST)
    short = trace.connection_mask(many.rows[c["last_ns"][many.rows] - c["first_ns"][many.rows] < SHORT_NS])
    many = many.among(short, LEAST)
    return grouping.group(trace.pair_of(many.rows), many.rows, by=c["first_ns"][many.rows])


KIND = Kind(
    "connection-churn",
    "Connection churn",
    "Many short connections between the same two hosts: pooling would have saved their handshakes.",
    detect,
    {
        "client": Metric(str, "Address that opens the connections."),
        "connections": Metric(int, "Short connections between the two."),
        "open_at_once": Metric(int, "Peak number of connections open at the same time."),
        "handshakes_saved": Metric(int, "Handshakes that a pool would have saved."),
        "saved_ratio": Metric(float | None, "`handshakes_saved` of `connections`.", "ratio"),
        "handshake_mean_ns": Metric(int, "Time of a set-up, the mean: TCP, and TLS where it is spoken.", "ns"),
        "handshake_saved_ns": Metric(int, "Time of all set-ups that a pool would have saved.", "ns"),
        "life_p50_ns": Metric(int | None, "Time from the first to the last segment, the median.", "ns"),
        "pause_p50_ns": Metric(int | None, "Pause between one connection and the next, the median.", "ns"),
        "bytes_p50": Metric(int | None, "Payload of a connection in both directions, the median.", "bytes"),
        "connections_per_second": Metric(float, "Short connections per second.", "1/s"),
    },
    at_client=(HostEvidence((), PORT_SETTINGS),),
)


def is_timed(lives: ShortConnections) -> bool:
    """Return whether a timer opens these connections."""
    begun, count = lives.first, len(lives.first)
    if begun[-1] - begun[0] < (count - CHECKERS) // 2 * LEAST_EVERY_NS:  # not even half of the gaps can be so long
        return False
    life = middle_of(lives.last - begun)
    for many in range(1, CHECKERS + 1):
        gaps = begun[many:] - begun[:-many]
        middle = middle_of(gaps)
        if middle >= many * LEAST_EVERY_NS and life * 2 * many <= middle:
            even = np.count_nonzero(np.abs(gaps - middle) <= MAX_JITTER * middle)
            if even / len(gaps) >= STEADY:
                return True
    return False


def middle_of(values: NDArray[np.int64]) -> float:
    """Return the median, as NumPy's, which takes ten times as long for so few values."""
    low, high = in_places(values, [(len(values) - 1) // 2, len(values) // 2]).tolist()
    return (low + high) / 2


def are_guessing(case: Case, lives: ShortConnections, groups: grouping.Groups[ConnectionRows]) -> NDArray[np.bool_]:
    """Return a mask over groups: the server soon ends the connections and the client returns at once."""
    trace, rows = case.attempts, groups.rows
    c = trace.connections
    reset = trace.facts[rows] & FACT_RST != 0
    closed = trace.either_end[rows] & TRAIT_FIN != 0
    side = np.where(closed, c["fin_side"][rows], np.where(reset, c["rst_side"][rows], 2))
    ended = groups.sums((side == (c["client"][rows] ^ 1)) & (lives.moved <= MAX_GUESS_BYTES))
    guessing = ended / groups.sizes >= STEADY
    for g in np.flatnonzero(guessing).tolist():
        guessing[g] = middle_of(lives.pauses[groups.starts[g] : groups.ends[g] - 1]) <= AT_ONCE_NS
    return guessing


def are_soon(pauses: NDArray[np.int64], groups: grouping.Groups[Any]) -> NDArray[np.bool_]:
    """Return a mask over groups: the median pause is within `PAUSE_NS`. `pauses` lie between adjacent rows."""
    steps = groups.sizes - 1
    soon = groups.sums(np.append(pauses <= PAUSE_NS, False) & groups.followed)
    # If exactly half of the pauses are short, the median is the mean of the two in the middle.
    even = np.flatnonzero(2 * soon == steps)
    median_is_soon: NDArray[np.bool_] = 2 * soon > steps
    for g in even.tolist():
        mine = np.maximum(pauses[groups.starts[g] : groups.ends[g] - 1], 0)
        median_is_soon[g] = in_places(mine, [steps[g] // 2 - 1, steps[g] // 2]).sum() <= 2 * PAUSE_NS
    return median_is_soon


def most_at_once(begun: NDArray[np.int64], ended: NDArray[np.int64], groups: grouping.Groups[Any]) -> NDArray[np.intp]:
    """Return the peak number of concurrent connections per group."""
    number = groups.number
    count = len(begun)
    when = np.concatenate([begun, ended])
    step = np.concatenate([np.ones(count, dtype=np.int64), -np.ones(count, dtype=np.int64)])
    order = grouping.sorting(np.concatenate([number, number]), (when - when.min()) * 2 + (step > 0))
    # Each group opens as many as it closes, so the running sum starts at 0 in each.
    running = np.cumsum(step[order])
    most: NDArray[np.intp] = np.maximum.reduceat(running, 2 * groups.starts).astype(np.intp)
    return most


def setup_ns(case: Case, rows: ConnectionRows) -> Times:
    """Return the set-up time of each connection (TCP, and TLS if spoken), or -1 if unknown."""
    values = setups_of(case.attempts).values
    handshake = case.legs.of(rows).values[2]
    if not len(values.rows):
        return handshake
    reuse = np.full(len(case.attempts.connections), -1, dtype=np.int64)
    reuse[values.rows] = values.saveable["reuse_ns"]
    reuse = reuse[rows]
    return np.where(reuse >= 0, reuse, handshake)


def pair_finding(case: Case, lives: ShortConnections, parallel: int) -> Finding:
    """Return the finding for one pair."""
    trace, rows = case.attempts, lives.rows
    c = trace.connections
    saved = len(rows) - parallel
    known = lives.waited[lives.waited >= 0]
    each = int(known.mean()) if len(known) else 0
    host, port = target(trace, int(rows[0]))
    opener, _ = client(trace, int(rows[0]))
    start, end = int(lives.first[0]), int(lives.last.max())
    little = len(known) > 0 and each < QUICK_NS and saved * each < SMALL_SHARE * (end - start)
    waiting = f"{'only ' if little else ''}{duration(saved * each)} of waiting"
    cited = earliest(trace, rows)
    frames = np.where(c["syn_frame"][cited] > 0, c["syn_frame"][cited], c["first_frame"][cited])
    return Finding(
        KIND,
        "info",
        f"{addr(opener)} opened {len(rows):,} short connections to {addr(host, port)}, at most {parallel:,} "
        f"at once: pooling would have saved {saved:,} handshakes{f' and {waiting}' if len(known) else ''}",
        host,
        port,
        start,
        end,
        metrics={
            "client": address_text(*opener),
            "connections": len(rows),
            "open_at_once": parallel,
            "handshakes_saved": saved,
            "saved_ratio": ratio(saved, len(rows)),
            "handshake_mean_ns": each,
            "handshake_saved_ns": saved * each,
            "life_p50_ns": median(lives.last - lives.first),
            "pause_p50_ns": median(np.maximum(lives.pauses, 0)),
            "bytes_p50": median(lives.moved),
            "connections_per_second": round(len(rows) * 1e9 / max(end - start, 1), 1),
        },
        advice=_LITTLE_TO_GAIN if little else _ADVICE,
        frames=tuple(frames.tolist()),
        connections=tuple(cited.tolist()),
    )
