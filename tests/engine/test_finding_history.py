"""Findings of a live run: their begin and end, and how the report shows those whose rows have expired."""

from handshake_inspect.engine.finding_history import FindingHistory
from handshake_inspect.report.model import Evidence, Finding, Target


def found(kind, connections, *, name="capture-quality", start_ns=1, end_ns=2, target=None, cited=()):
    metrics = {"kind": kind, "connections": connections, "duration_ns": end_ns - start_ns}
    return Finding(name, "info", kind, target, start_ns, end_ns, metrics, Evidence([7], list(cited)), "")


def history():
    calls = []
    return FindingHistory(lambda phase, finding: calls.append((phase, finding.metrics["kind"]))), calls


def test_findings_about_the_capture_are_distinguished():
    findings, calls = history()
    findings.note([found("one-sided", 3), found("midstream", 1)])
    findings.note([found("midstream", 5)])
    findings.note([found("midstream", 2)])
    assert calls == [("begin", "one-sided"), ("begin", "midstream"), ("end", "one-sided")]
    assert [each.metrics["connections"] for each in findings.now] == [2]
    last = findings.of_the_run([found("midstream", 2)], list)
    assert {each.metrics["kind"]: each.metrics["connections"] for each in last} == {"one-sided": 3, "midstream": 5}


def test_the_largest_occurrence_is_reported_over_the_whole_time():
    findings, _ = history()
    findings.note([found("midstream", 5, start_ns=10, end_ns=20)])
    findings.note([])
    (last,) = findings.of_the_run([found("midstream", 2, start_ns=30, end_ns=45)], list)
    assert (last.start_ns, last.end_ns) == (10, 45)
    assert (last.metrics["connections"], last.metrics["duration_ns"]) == (5, 35)


def test_roll_ups_count_the_whole_run_and_are_not_repeated():
    target = Target("10.9.0.1", 80)
    findings, _ = history()
    findings.note([found("a", 50, name="refused", target=target)])
    assert findings.of_the_run([], list) == []
    (last,) = findings.of_the_run([found("b", 20, name="refused", target=Target("10.9.0.1", None))], list)
    assert last.metrics["connections"] == 20


def test_only_listed_connections_are_cited():
    findings, _ = history()
    findings.note([found("midstream", 5, cited=[1, 2, 3])])
    (last,) = findings.of_the_run([], lambda ids: [number for number in ids if number > 1])
    assert last.evidence == Evidence([7], [2, 3])
