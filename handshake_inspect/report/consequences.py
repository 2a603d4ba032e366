"""Group findings by cause: a finding that another one explains is shown with it."""

from __future__ import annotations

from collections.abc import Sequence

from handshake_inspect.report.finding import Finding

# What a kind of finding follows from, where both are about the same service.
FOLLOWS = {
    "syn-cookies": "syn-flood",  # what a server does when its queue of SYNs is full
    "syn-retransmission": "syn-flood",  # what real clients suffer meanwhile
    "tls-failed": "protocol-mismatch",  # no TLS can come of it
    "stalled": "idle-timeout",  # data sent after the timeout, if that explains all that stalled
}
LOST_SO = {"stalled": "lost_in_silence"}  # the metric of the cause that counts them: it has to cover all


def shown_together(findings: Sequence[Finding]) -> list[tuple[Finding, list[Finding]]]:
    """The findings, each with those that follow from it, which are then not listed alone."""
    main: dict[int, list[Finding]] = {}
    followers: list[tuple[int, Finding]] = []
    for place, finding in enumerate(findings):
        cause = _cause(finding, findings)
        if cause is None:
            main[place] = []
        else:
            followers.append((cause, finding))
    for cause, finding in followers:
        main[cause].append(finding)
    return [(findings[place], others) for place, others in main.items()]


def _cause(finding: Finding, findings: Sequence[Finding]) -> int | None:
    """The place of the finding that explains this one."""
    kind = FOLLOWS.get(finding.id)
    if kind is None or finding.target is None:
        return None
    for place, each in enumerate(findings):
        if each.id == kind and each.target == finding.target and _explains_all(each, finding):
            return place
    return None


def _explains_all(cause: Finding, finding: Finding) -> bool:
    counter = LOST_SO.get(finding.id)
    return counter is None or bool(cause.metrics.get(counter, 0) >= finding.metrics.get("connections", 0))
