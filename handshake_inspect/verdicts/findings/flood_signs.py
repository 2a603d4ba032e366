"""Signs that SYNs were forged rather than sent by a kernel; used by `syn_flood.py`.

ISN and source port patterns are looked for in the first `LOOKED_AT` SYNs in capture order. A pattern counts if `MOSTLY`
of the steps from one SYN to the next show it: tools send all SYNs in one loop, and captures lose few.

Impossible sources (`verdicts/impossible.py`) are looked for in the same SYNs. A share of `IMPOSSIBLE` is enough: one in
eight random addresses is impossible, and no real host has one.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.columns import batches
from handshake_inspect.verdicts.finding import Metric
from handshake_inspect.verdicts.findings.base import client, ratio
from handshake_inspect.verdicts.impossible import bogons
from handshake_inspect.verdicts.numbering import AttemptRows, ascending
from handshake_inspect.verdicts.sets import counts
from handshake_inspect.verdicts.syn_offers import is_bare, is_poor

LOOKED_AT = 10_000
MOSTLY = 0.5
IMPOSSIBLE = 0.01
ONE_TTL = 0.98
MANY_SOURCES = 100
SCATTERED = 1000  # sources sampled: of so many random ones, 1 % share their upper 16 bits with another
ONCE = 0.9  # sources per attempt: nearly every source appears once

SIGNS = {
    "no_options_ratio": Metric(float | None, "SYNs without any TCP option.", "ratio"),
    "poor_options_ratio": Metric(float | None, "SYNs without SACK, timestamps and window scale.", "ratio"),
    "ttl": Metric(int, "The most frequent TTL (hop limit)."),
    "ttl_ratio": Metric(float | None, "SYNs with this TTL.", "ratio"),
    "sources_per_syn_ratio": Metric(float | None, "Sources for each SYN.", "ratio"),
    "impossible_sources_ratio": Metric(float | None, "SYNs from addresses that no host can have.", "ratio"),
    "isn_pattern": Metric(str | None, "Their ISNs are `constant`, `sequential` or `arithmetic`."),
    "source_port_pattern": Metric(str | None, "The same of their source ports."),
    "made_by_a_tool": Metric(bool, "Whether no kernel made most of the SYNs."),
    "looks_forged": Metric(bool, "Whether the sources look forged."),
}


def first_sent(trace: Attempts, rows: AttemptRows) -> AttemptRows:
    """Return the first `LOOKED_AT` of these attempts in capture order."""
    return trace.earliest(rows, LOOKED_AT)


def options_and_ttls(trace: Attempts, rows: AttemptRows) -> tuple[int, int, NDArray[np.intp]]:
    """Return how many of these SYNs have poor options, how many have none, and a histogram of their TTLs."""
    poor, bare, ttls = 0, 0, np.zeros(1 << 8, dtype=np.intp)
    for some in batches(len(rows)):
        options = trace.end("client", "options", rows[some])
        poor += int(np.count_nonzero(is_poor(options)))
        bare += int(np.count_nonzero(is_bare(options)))
        ttls += np.bincount(trace.end("client", "syn_ttl", rows[some]), minlength=len(ttls))
    return poor, bare, ttls


def pattern(values: NDArray[Any], bits: int) -> str | None:
    """Return `constant`, `sequential` or `arithmetic` for a progression modulo 2^bits, or None."""
    if len(values) < MANY_SOURCES:
        return None
    steps, often = counts(np.bitwise_and(np.diff(values.astype(np.int64)), (1 << bits) - 1))
    best = int(np.argmax(often))
    if often[best] < MOSTLY * (len(values) - 1):
        return None
    return {0: "constant", 1: "sequential"}.get(int(steps[best]), "arithmetic")


def from_everywhere(trace: Attempts, rows: AttemptRows, sources: int) -> bool:
    """Return whether the sources are scattered over the address space and nearly every source appears once."""
    return sources >= max(MANY_SOURCES, ONCE * len(rows)) and is_scattered(trace, first_sent(trace, rows))


def is_scattered(trace: Attempts, rows: AttemptRows) -> bool:
    """Return whether nearly every source has a network of its own: 16 bits of an IPv4 address, 64 of IPv6."""
    networks = {(hi, lo >> 16 if hi == 0 else 0) for hi, lo in (client(trace, int(row))[0] for row in rows[:SCATTERED])}
    return len(networks) >= ONCE * min(len(rows), SCATTERED)


def spoofing_signs(trace: Attempts, rows: AttemptRows, sources: int) -> dict[str, Any]:
    """Return the signs as metrics, including the conclusion whether a tool made most of these SYNs."""
    poor, bare, ttls = options_and_ttls(trace, rows)
    early = first_sent(trace, rows)
    isn_pattern = pattern(trace.end("client", "iss", early), 32)
    impossible = int(np.count_nonzero(bogons(trace, ascending(early))))
    ttl = int(np.argmax(ttls))
    by_a_tool = bool(poor >= MOSTLY * len(rows) or isn_pattern)
    return {
        "no_options_ratio": ratio(bare, len(rows)),
        "poor_options_ratio": ratio(poor, len(rows)),
        "ttl": ttl,
        "ttl_ratio": ratio(ttls[ttl], len(rows)),
        "sources_per_syn_ratio": ratio(sources, len(rows)),
        "impossible_sources_ratio": ratio(impossible, len(early)),
        "isn_pattern": isn_pattern,
        "source_port_pattern": pattern(trace.address("client", "port", early), 16),
        "made_by_a_tool": by_a_tool,
        "looks_forged": by_a_tool
        or impossible >= max(IMPOSSIBLE * len(early), 2)
        or (bool(ttls[ttl] >= ONE_TTL * len(rows)) and from_everywhere(trace, rows, sources)),
    }
