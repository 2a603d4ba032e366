"""The detectors: each file one kind of finding, each a function from a Case to findings."""

from handshake_inspect.verdicts.finding import Case, Detector, Finding

DETECTORS: tuple[Detector, ...] = ()

_RANK = {"critical": 0, "warning": 1, "info": 2}


def find_all(case: Case) -> list[Finding]:
    """All findings, gravest first, then by the time they begin."""
    found = [finding for detector in DETECTORS for finding in detector(case)]
    return sorted(found, key=lambda one: (_RANK[one.severity], one.start_ns or 0, one.id))
