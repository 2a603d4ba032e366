"""`slow-lookup`: name lookups take long, and every connection waits for them.

One finding per name server if the median of `LEAST` or more answered lookups is at least `SLOW_NS`, or if any lookup
was answered only after its query had been repeated `REPEATED_NS` or later: resolvers wait 5 s, some 1 s, before they
ask again, and the user waits with them. Severity: `warning`.
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from handshake_inspect.dns.lookups import Lookup
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.finding import Finding, Kind, Metric
from handshake_inspect.verdicts.findings.base import CITED, addr, capped, median
from handshake_inspect.verdicts.findings.named_attempts import address_halves
from handshake_inspect.wire.text import duration, plural

LEAST = 3
SLOW_NS = 100_000_000
REPEATED_NS = 900_000_000
PORT = 53


def detect(case: Case) -> list[Finding]:
    """Return one finding per slow name server, the one with the highest total time first."""
    groups: dict[bytes, list[Lookup]] = defaultdict(list)
    for one in case.lookups:
        if one.answer_ns:
            groups[one.server].append(one)
    slow = [(server, lookups) for server, lookups in groups.items() if is_slow(lookups)]
    slow.sort(key=lambda item: -sum(map(took, item[1])))
    return capped(KIND, "slow name servers", slow, lambda item: finding(*item))


KIND = Kind(
    "slow-lookup",
    "Slow lookups",
    "A name server answers late, or only when it is asked again: all that begins with a name waits for it.",
    detect,
    {
        "lookups": Metric(int, "Lookups that it answered."),
        "took_p50_ns": Metric(int | None, "First query to answer, the median.", "ns"),
        "took_max_ns": Metric(int, "The longest.", "ns"),
        "repeated": Metric(int, "Lookups that were answered only after the query had come again."),
    },
    size="lookups",
)


def took(lookup: Lookup) -> int:
    """Return the time from the first query to the answer, in nanoseconds."""
    return lookup.answer_ns - lookup.first_ns


def was_repeated(lookup: Lookup) -> bool:
    """Return whether the answer came only after the query was repeated on a timeout."""
    return lookup.queries > 1 and took(lookup) >= REPEATED_NS


def is_slow(lookups: Sequence[Lookup]) -> bool:
    """Return whether a name server is slow, judged by the lookups that it answered."""
    times = np.array([took(one) for one in lookups], dtype=np.int64)
    return any(map(was_repeated, lookups)) or (len(lookups) >= LEAST and (median(times) or 0) >= SLOW_NS)


def finding(server: bytes, lookups: Sequence[Lookup]) -> Finding:
    """Return the finding for one name server."""
    host = address_halves(server)
    times = np.array([took(one) for one in lookups], dtype=np.int64)
    repeated = sum(map(was_repeated, lookups))
    middle, longest = median(times), int(times.max())
    again = f"; {plural(repeated, 'lookup')} had to be asked again" if repeated else ""
    slowest = sorted(lookups, key=took, reverse=True)[:CITED]
    return Finding(
        KIND,
        "warning",
        f"{addr(host, PORT)} takes {duration(middle or 0)} for a lookup in the median, "
        f"up to {duration(longest)}{again}",
        host,
        PORT,
        lookups[0].first_ns,
        max(one.answer_ns for one in lookups),
        {"lookups": len(lookups), "took_p50_ns": middle, "took_max_ns": longest, "repeated": repeated},
        "Ask a nearer server or one that caches (`resolvectl query NAME`, `dig +stats`); where queries are lost, "
        "shorten the wait with `options timeout:1` in /etc/resolv.conf, and find out who drops UDP port 53.",
        tuple(sorted(one.answer_frame for one in slowest)),
    )
