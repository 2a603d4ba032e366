"""One cause, one warning: findings that another finding of the same report explains are shown with it."""

from __future__ import annotations

from collections.abc import Sequence

from handshake_inspect.report.model import Finding

# What a kind of finding follows from, where both are about the same service.
FOLLOWS = {
    "syn-cookies": "syn-flood",  # what a server does when its queue of SYNs is full
    "syn-retransmission": "syn-flood",  # what real clients suffer meanwhile
    "tls-failed": "protocol-mismatch",  # no TLS can come of it
}


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
    places = (place for place, each in enumerate(findings) if each.id == kind and each.target == finding.target)
    return next(places, None)
