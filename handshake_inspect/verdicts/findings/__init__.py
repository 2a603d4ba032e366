"""The detectors, one file each, and all that they found.

A detector is a function from a `Case` to findings.  Its module's docstring is its rule, with the thresholds and why
they are what they are.
"""

from handshake_inspect.verdicts.finding import Case, Detector, Finding
from handshake_inspect.verdicts.findings import (
    accept_queue,
    address_conflict,
    backscatter,
    capture_quality,
    connection_churn,
    early_reset,
    host_evidence,
    idle_timeout,
    keep_alive_race,
    path_mtu,
    port_reuse,
    port_scan,
    predictable_isn,
    reflection,
    rollups,
    rst_injection,
    slow_handshake,
    stale_peer,
    stalled,
    stray_flood,
    syn_cookies,
    syn_flood,
    syn_retransmission,
    time_wait,
)

SEVERITIES = ("critical", "warning", "info")

# Of two findings equally severe and equally early, the earlier detector's comes first.
DETECTORS: tuple[Detector, ...] = (
    rollups.detect,
    syn_flood.detect,
    syn_cookies.detect,
    accept_queue.detect,
    address_conflict.detect,
    port_scan.detect,
    backscatter.detect,
    reflection.detect,
    stray_flood.detect,
    syn_retransmission.detect,
    slow_handshake.detect,
    slow_handshake.detect_slow_client_ack,
    rst_injection.detect,
    early_reset.detect,
    stale_peer.detect,
    path_mtu.detect,
    stalled.detect,
    idle_timeout.detect,
    keep_alive_race.detect,
    port_reuse.detect,
    time_wait.detect,
    connection_churn.detect,
    predictable_isn.detect,
    capture_quality.detect,
)


def find_all(case: Case) -> list[Finding]:
    """Everything that any detector found: the most severe first, then by when it began."""
    found = [host_evidence.with_host(case, finding) for detect in DETECTORS for finding in detect(case)]
    return sorted(found, key=lambda finding: (SEVERITIES.index(finding.severity), finding.start_ns or 0))
