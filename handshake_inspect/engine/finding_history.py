"""Findings of a live run: those that hold now, and those that held earlier, even if their rows have expired.

Roll-ups of failures count all attempts of a run (`verdicts.findings.expired_failures`).  All other findings are judged
over the rows still kept.  If such a finding recurs while rows come and go, the report shows its largest occurrence,
with the time span from the first begin to the last end.
"""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from handshake_inspect.report.event import Phase
from handshake_inspect.report.model import Evidence, Finding
from handshake_inspect.verdicts.findings import KINDS, SEVERITIES

Key = tuple[Any, ...]

OF_THE_WHOLE_RUN = {kind.id for kind in KINDS.values() if kind.whole_run}


def key(finding: Finding) -> Key:
    """Return the identity of a finding, equal for the same finding at different times."""
    target = finding.target
    host = target and target.ip
    port = target and target.port if finding.id not in OF_THE_WHOLE_RUN else None  # set only while it is the only port
    return (finding.id, host, port, finding.variety, *(finding.metrics.get(name) for name in ("client", "direction")))


class FindingHistory:
    """Calls `notify` when a finding begins and when it ends."""

    def __init__(self, notify: Callable[[Phase, Finding], None]) -> None:
        self._notify = notify
        self._now: dict[Key, Finding] = {}
        self._ever: dict[Key, Finding] = {}

    @property
    def now(self) -> list[Finding]:
        """The findings that hold."""
        return list(self._now.values())

    def note(self, findings: Iterable[Finding]) -> None:
        """Replace the findings that hold, and notify of each that begins or ends."""
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
        """Return `findings`, merged with those that held earlier; `listed` filters connection ids to those kept."""
        found = {}
        for finding in findings:
            each = key(finding)
            found[each] = _together(self._ever[each], finding) if each in self._ever else finding
        gone = {each: one for each, one in self._ever.items() if each not in found and one.id not in OF_THE_WHOLE_RUN}
        every = [_cited(finding, listed) for finding in (found | gone).values()]
        return sorted(every, key=lambda finding: (SEVERITIES.index(finding.severity), finding.start_ns or 0))


def _together(before: Finding, now: Finding) -> Finding:
    """Merge two occurrences of a finding."""
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
