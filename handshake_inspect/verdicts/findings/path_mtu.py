"""`path-mtu`: short packets pass between two hosts, and longer ones never do, however often they are retransmitted.

A router on the path cannot forward a packet of that length and must not fragment it, and its ICMP error is filtered,
lost or ignored: a black hole (RFC 2923 section 2.1). Handshakes, small requests and keep-alives work; a TLS ClientHello
with post-quantum keys, of 1,900 bytes, does not.

All connections of two hosts are judged together, per direction (counts and columns: `blocked_segments.py`):

- *does not pass*: the first unacknowledged segment was retransmitted `REPEATS` times or more over `REPEATED_NS` or
  longer to a receiver with window for it, or retransmitted as often and then acknowledged once shorter pieces were
  sent. Its packet is longer than what every path takes (576 bytes, 1280 for IPv6);
- *passes*: the longest payload that was acknowledged on any connection that was still open when the first segment
  failed. If anything as long passes, the reason is a lost connection (`stalled`) or packet loss, not the length. A path
  may change: while the peer is alive on the same connection, only connections that began later prove that the length
  passes;
- *the peer is alive*: meanwhile it answers short segments on the same connection (acknowledges data after the hole, or
  sends data) or on another one, or an ICMP error "too big" arrived. If the long segment did not follow an idle period,
  so that the peer was alive until then, the other connection may also be later. Only the same connection counts after
  an idle period of `IDLE_NS`, on a connection that passed as much before, and if short segments are lost, too: a NAT or
  firewall that dropped the connection looks the same.

Segments longer than the receiver's MSS, as a capture on the sending host shows them (TSO), count as packets of the MSS;
retransmissions are counted by copies, because a large segment whose pieces pass is repaired after one.

Severity: `warning`. The target is the host that the packets do not reach; `clamp_mss_to` keeps packets below the
failing length.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.verdicts import packet_sizes, silence
from handshake_inspect.verdicts.arrays import Bools, Rows
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.finding import Finding, Kind, Metric
from handshake_inspect.verdicts.findings import accept_queue
from handshake_inspect.verdicts.findings.base import CITED, addr, endpoint, largest
from handshake_inspect.verdicts.findings.blocked_segments import (
    Failed,
    directions,
    failures,
    goes_on,
    goes_on_elsewhere,
    is_alive,
    is_long,
    newly_passed,
    passed_before,
    passed_on,
    too_big_of,
)
from handshake_inspect.verdicts.grouping import group
from handshake_inspect.verdicts.memo import once
from handshake_inspect.verdicts.numbering import ConnectionRows, chained
from handshake_inspect.verdicts.sets import distinct, is_member
from handshake_inspect.wire.text import plural


@dataclass(frozen=True)
class Hole:
    """What is known about one direction between two hosts."""

    failed: Failed
    passed: int  # longest payload that passed
    too_big: int  # ICMP errors
    mtu: int  # the smallest MTU that they named
    changed: int  # connections on which payloads as long had passed before


@once
def holes(case: Case) -> list[Hole]:
    """Return the directions between two hosts in which only short packets pass."""
    trace = case.attempts
    failed = failures(trace)
    known = silence.is_open(trace, case.outcomes, failed.rows)
    known &= ~np.isin(failed.rows, accept_queue.accused_rows(case))
    long = is_long(trace, failed)
    failed, short = failed.select(np.flatnonzero(known & long)), failed.select(np.flatnonzero(known & ~long))
    if not len(failed.rows):
        return []
    keys = directions(trace, failed.rows, failed.sides)
    groups = group(keys, np.arange(len(keys)))
    pairs = Pairs.of(trace, failed.rows)
    dead = directions(trace, short.rows, short.sides)
    found = (hole(trace, failed.select(groups.of(g)), pairs, dead) for g in range(len(groups)))
    return [each for each in found if each is not None]


@once
def hit(case: Case) -> Bools:
    """Return a mask over connections with segments too long to pass."""
    return case.attempts.connection_mask(*(each.failed.rows for each in holes(case)))


@dataclass(frozen=True, eq=False, repr=False)
class Pairs:
    """All connections between pairs of hosts that have trouble, once per direction."""

    keys: NDArray[np.uint64]  # sorted
    rows: ConnectionRows
    sides: Rows

    @classmethod
    def of(cls, trace: Attempts, troubled: ConnectionRows) -> "Pairs":
        """Build the columns for the pairs of hosts of these connections."""
        client, server = trace.of_connections(trace.client_host), trace.of_connections(trace.server_host)
        either = distinct(client[troubled] ^ server[troubled])
        rows = trace.tracked_where(is_member(client ^ server, either))
        rows = chained(rows, rows)
        sides = np.repeat(np.arange(2), len(rows) // 2)
        keys = directions(trace, rows, sides)
        order = np.argsort(keys, kind="stable")
        return cls(keys[order], rows[order], sides[order])

    def between(self, key: np.uint64) -> Rows:
        """Return the indices of the connections in one direction."""
        return np.arange(np.searchsorted(self.keys, key, "left"), np.searchsorted(self.keys, key, "right"))


def hole(trace: Attempts, failed: Failed, pairs: Pairs, dead: NDArray[np.uint64]) -> Hole | None:
    """Return what one direction between two hosts lets pass, or None if the length is not the reason.

    `dead` are the directions in which short segments fail, too, on some connection.
    """
    key = directions(trace, failed.rows[:1], failed.sides[:1])[0]
    at = pairs.between(key)
    rows, sides = pairs.rows[at], pairs.sides[at]
    stuck = np.isin(rows, failed.rows)
    begun_ns = int(failed.of(trace, "first_ns").min())
    passed = passed_on(trace, rows[~stuck], sides[~stuck])
    late = trace.connections["last_ns"][rows[~stuck]] >= begun_ns
    newer = trace.connections["first_ns"][rows[~stuck]] >= begun_ns
    before = passed_before(trace, failed)
    since = max(int(passed[newer].max(initial=0)), newly_passed(trace, failed, before, begun_ns))
    contrary = np.where(goes_on(trace, failed), since, max(int(passed[late].max(initial=0)), since))
    kept = np.flatnonzero(failed.lengths > contrary)
    if not len(kept):
        return None
    failed, before = failed.select(kept), before[kept]
    least = int(failed.lengths.min())
    too_big, mtu = too_big_of(trace, rows, sides)
    own = is_alive(trace, failed)
    if key not in dead:
        own |= goes_on_elsewhere(trace, failed, before, rows[~stuck])
    if not (too_big or own.any()):
        return None
    short = [value for value in (*passed[late].tolist(), *before.tolist()) if value < least]
    changed = len(distinct(failed.rows[before >= failed.lengths]))
    return Hole(failed, max(short, default=0), too_big, mtu, changed)


def detect(case: Case) -> list[Finding]:
    """Return one finding per direction between two hosts."""
    found = holes(case)
    sizes = np.array([len(each.failed.rows) for each in found], dtype=np.int64)
    return largest(
        KIND,
        "pairs of hosts between which long packets do not pass",
        np.arange(len(found)),
        sizes,
        lambda g: finding(case.attempts, found[g]),
    )


KIND = Kind(
    "path-mtu",
    "Large packets do not pass",
    "Small packets pass between two hosts and large ones never do, however often they are repeated: a link has a "
    "smaller MTU, and no ICMP error reports it.",
    detect,
    {
        "connections": Metric(int, "Connections on which a long segment did not pass."),
        "passed_before": Metric(int, "Those on which segments as long had passed before: the path changed."),
        "recovered": Metric(int, "Times that the sender went on with shorter segments."),
        "direction": Metric(str, "`sender > receiver`."),
        "sender": Metric(str, "Address that sends the long segments."),
        "receiver": Metric(str, "Address that they do not reach."),
        "ports": Metric(list[int], f"Ports of the servers, the lowest {CITED}."),
        "largest_passed_bytes": Metric(int, "Longest payload that passed.", "bytes"),
        "smallest_failed_bytes": Metric(int, "Shortest payload that did not pass.", "bytes"),
        "largest_passed_packet_bytes": Metric(int, "The IP packet with the longest payload that passed.", "bytes"),
        "smallest_failed_packet_bytes": Metric(int, "The IP packet with the shortest payload that did not.", "bytes"),
        "repeats_max": Metric(int, "Most repeats of one segment."),
        "icmp_too_big": Metric(int, 'ICMP errors that say "too big" to the sender.'),
        "icmp_mtu": Metric(int | None, "The least MTU that they name.", "bytes"),
        "clamp_mss_to": Metric(int, "The MSS with which segments would pass.", "bytes"),
    },
)


def finding(trace: Attempts, found: Hole) -> Finding:
    """Return the finding for one direction."""
    failed, row, side = found.failed, int(found.failed.rows[0]), int(found.failed.sides[0])
    version = int(trace.connections["ip_version"][row])
    sender, receiver = endpoint(trace, row, side)[0], endpoint(trace, row, side ^ 1)[0]
    least = int(failed.lengths.min())
    header = packet_sizes.HEADERS[version] + int(packet_sizes.timestamped(trace, failed.rows).max())
    mss = packet_sizes.clamp(version, found.passed + header, least + header, found.mtu)
    first, last = failed.of(trace, "first_ns"), failed.of(trace, "repeated_ns")
    ports = distinct(trace.server("port")[failed.rows])
    metrics: dict[str, Any] = {
        "connections": len(distinct(failed.rows)),
        "passed_before": found.changed,
        "recovered": int(failed.recovered.sum()),
        "direction": f"{addr(sender)} > {addr(receiver)}",
        "sender": addr(sender),
        "receiver": addr(receiver),
        "ports": ports[:CITED].tolist(),
        "largest_passed_bytes": found.passed,
        "smallest_failed_bytes": least,
        "largest_passed_packet_bytes": found.passed + header,
        "smallest_failed_packet_bytes": least + header,
        "repeats_max": int(failed.of(trace, "repeats").max()),
        "icmp_too_big": found.too_big,
        "icmp_mtu": found.mtu or None,
        "clamp_mss_to": mss,
    }
    cited = np.lexsort((trace.ids[failed.rows], first))[:CITED]
    icmp = f'{found.too_big} ICMP "too big" seen' if found.too_big else 'no ICMP "too big" seen'
    passed = f"payloads of {found.passed:,} bytes pass, those of {least:,} never"
    if found.changed == metrics["connections"]:
        passed = f"payloads of {least:,} bytes passed before, and no longer do"
    return Finding(
        KIND,
        "warning",
        f"Large packets do not get from {addr(sender)} to {addr(receiver)}: {passed}, on "
        f"{plural(metrics['connections'], 'connection')}; {icmp}",
        receiver,
        None,
        int(first.min()),
        int(last.max()),
        metrics,
        f"Find the link or tunnel with the smaller MTU (`tracepath {addr(receiver)}` from the sender) and let ICMP "
        f'"too big" through, or clamp MSS to {mss} on the router before it '
        f"(`nft add rule inet filter forward tcp flags syn tcp option maxseg size set {mss}`).",
        tuple(silence.whole_frames(trace, failed.rows[cited], failed.of(trace, "frame")[cited])),
        tuple(dict.fromkeys(failed.rows[cited].tolist())),
    )
