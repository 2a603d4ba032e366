"""The kinds of finding, one file each, and all that their detectors found.

A detector is a function from a `Case` to findings.  Its module's docstring is its rule, with the thresholds and why
they are what they are; its `Kind` says what it finds.  This file only lists them.
"""

from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.finding import Detector, Finding, Kind
from handshake_inspect.verdicts.findings import (
    accept_queue,
    address_conflict,
    backscatter,
    capture_quality,
    connection_churn,
    dead_address,
    early_reset,
    host_evidence,
    idle_timeout,
    ipv6_broken,
    keep_alive_race,
    lookup_failed,
    nagle_stall,
    path_mtu,
    port_reuse,
    port_scan,
    predictable_isn,
    protocol_mismatch,
    quic_blocked,
    quic_extra_trip,
    quic_failed,
    reflection,
    rollups,
    rst_injection,
    slow_handshake,
    slow_lookup,
    stale_peer,
    stalled,
    stray_flood,
    syn_cookies,
    syn_flood,
    syn_retransmission,
    time_wait,
    tls_extra_round_trip,
    tls_failed,
    tls_no_resumption,
    tls_old_version,
    tls_slow,
)

SEVERITIES = ("critical", "warning", "info")

# Of two findings equally severe and equally early, that of the earlier kind comes first.
KINDS: dict[str, Kind] = {
    kind.id: kind
    for kind in (
        *rollups.KINDS.values(),
        syn_flood.KIND,
        syn_cookies.KIND,
        accept_queue.KIND,
        address_conflict.KIND,
        port_scan.KIND,
        backscatter.KIND,
        reflection.KIND,
        *stray_flood.KINDS.values(),
        syn_retransmission.KIND,
        *slow_handshake.KINDS.values(),
        rst_injection.KIND,
        early_reset.KIND,
        stale_peer.KIND,
        path_mtu.KIND,
        stalled.KIND,
        idle_timeout.KIND,
        keep_alive_race.KIND,
        port_reuse.KIND,
        time_wait.KIND,
        connection_churn.KIND,
        tls_failed.KIND,
        protocol_mismatch.KIND,
        *tls_slow.KINDS.values(),
        tls_extra_round_trip.KIND,
        nagle_stall.KIND,
        tls_no_resumption.KIND,
        tls_old_version.KIND,
        lookup_failed.KIND,
        slow_lookup.KIND,
        ipv6_broken.KIND,
        dead_address.KIND,
        quic_blocked.KIND,
        quic_failed.KIND,
        *quic_extra_trip.KINDS.values(),
        predictable_isn.KIND,
        capture_quality.KIND,
    )
}
DETECTORS: tuple[Detector, ...] = tuple(dict.fromkeys(kind.detect for kind in KINDS.values()))


def find_all(case: Case) -> list[Finding]:
    """Everything that any detector found: the most severe first, then by when it began."""
    found = [host_evidence.with_host(case, finding) for detect in DETECTORS for finding in detect(case)]
    return sorted(found, key=lambda finding: (SEVERITIES.index(finding.severity), finding.start_ns or 0))
