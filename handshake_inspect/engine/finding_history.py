"""Findings of a live run: which hold now, which held before, and what is left of those whose rows are gone.

Roll-ups of failures count all attempts of a run (`verdicts.findings.expired_failures`).  Every other finding is judged
over the rows that are kept.  Of one that was found more than once, with rows that came and went, the report has the
look with the most in it, and the time from when it first began until it was last seen.
"""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from handshake_inspect.report.event import Phase
from handshake_inspect.report.model import Evidence, Finding
from handshake_inspect.verdicts.findings import KINDS, SEVERITIES

Key = tuple[Any, ...]

OF_THE_WHOLE_RUN = {kind.id for kind in KINDS.values() if kind.of_the_run}


def key(finding: Finding) -> Key:
    """What makes two findings the same one, at different times."""
    target = finding.target
    host = target and target.ip
    port = target and target.port if finding.id not in OF_THE_WHOLE_RUN else None  # named while it is the only one
    return (finding.id, host, port, finding.variety, *(finding.metrics.get(name) for name in ("client", "direction")))


class FindingHistory:
    """Calls `notify` when a finding begins and when it ends."""

    def __init__(self, notify: Callable[[Phase, Finding], None]) -> None:
        self._notify = notify
        self._now: dict[Key, Finding] = {}
        self._ever: dict[Key, Finding] = {}

    @property
    def now(self) -> list[Finding]:
        """Those that hold."""
        return list(self._now.values())

    def note(self, findings: Iterable[Finding]) -> None:
        """Take the findings that hold now, in place of those that held before."""
        found = {key(finding): finding for finding in findings}
        for each, finding in found.items():
            if each not in self._now:
                self._notify("begin", finding)
        for each, finding in self._now.items():
            if each not in found:
                self._notify("end", finding)
        for each, finding in found.items():
            self._ever[each] = _together(self._ever[each], finding) if each in self._ever else finding
        self._now = found

    def of_the_run(self, findings: Iterable[Finding], listed: Callable[[list[int]], list[int]]) -> list[Finding]:
        """The findings of rows that are kept, and what held of rows that are gone; `listed` keeps ids that are left."""
        found = {}
        for finding in findings:
            each = key(finding)
            found[each] = _together(self._ever[each], finding) if each in self._ever else finding
        gone = {each: one for each, one in self._ever.items() if each not in found and one.id not in OF_THE_WHOLE_RUN}
        every = [_cited(finding, listed) for finding in (found | gone).values()]
        return sorted(every, key=lambda finding: (SEVERITIES.index(finding.severity), finding.start_ns or 0))


def _together(before: Finding, now: Finding) -> Finding:
    """One finding of two looks."""
    if now.id in OF_THE_WHOLE_RUN:
        return now
    more = now if _size(now) >= _size(before) else before
    start_ns = min((ns for ns in (before.start_ns, now.start_ns) if ns is not None), default=None)
    end_ns = max((ns for ns in (before.end_ns, now.end_ns) if ns is not None), default=None)
    metrics = more.metrics
    if "duration_ns" in metrics and start_ns is not None and end_ns is not None:
        metrics = metrics | {"duration_ns": end_ns - start_ns}
    return msgspec.structs.replace(more, start_ns=start_ns, end_ns=end_ns, metrics=metrics)


def _size(finding: Finding) -> int:
    size = finding.metrics.get(KINDS[finding.id].size, 0)
    return size if isinstance(size, int) else 0


def _cited(finding: Finding, listed: Callable[[list[int]], list[int]]) -> Finding:
    evidence = finding.evidence
    return msgspec.structs.replace(finding, evidence=Evidence(evidence.frames, listed(evidence.connections)))
