"""SARIF 2.1.0 (OASIS): every finding a result, with the documentation of its rule; of a check, every assertion."""

from __future__ import annotations

import hashlib
import json
from typing import Any, BinaryIO
from urllib.parse import quote

from handshake_inspect.render import Options
from handshake_inspect.render.units import address
from handshake_inspect.report.checked import Checked
from handshake_inspect.report.finding_docs import FINDING_DOCS
from handshake_inspect.report.model import Capture, Endpoint, Finding, Report, Tool

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {"critical": "error", "warning": "warning", "info": "note"}


def render(report: Report, out: BinaryIO, _: Options) -> None:
    """Write a log of one run, whose results are the findings."""
    used = sorted({finding.id for finding in report.findings}, key=list(FINDING_DOCS).index)
    rules = [
        {
            "id": name,
            "name": "".join(word.capitalize() for word in name.split("-")),
            "shortDescription": {"text": FINDING_DOCS[name][0]},
            "fullDescription": {"text": FINDING_DOCS[name][1]},
            "help": {"text": FINDING_DOCS[name][1]},
        }
        for name in used
    ]
    results = [_result(report.capture, finding, used.index(finding.id), _place(finding)) for finding in report.findings]
    _write(out, report.tool, report.capture, rules, results)


def render_check(checked: Checked, out: BinaryIO, _: Options) -> None:
    """Write a log of one run, whose results are the assertions: of kind `pass`, or `fail` and an error."""
    names = list(dict.fromkeys(each.rule.split(" ")[0] for each in checked.assertions))
    rules = [{"id": name, "shortDescription": {"text": f"hsi check --{name}"}} for name in names]
    results = []
    for each in checked.assertions:
        failed = each.status == "failed"
        lines = [f"{each.rule}: {each.measured}; allowed: {each.allowed}", *each.findings]
        lines += [f"{breach.name}: {breach.outcome}: {breach.why}" for breach in each.breaches]
        name = each.rule.split(" ")[0]
        results.append(
            {
                "ruleId": name,
                "ruleIndex": names.index(name),
                "kind": "fail" if failed else "pass",
                "level": "error" if failed else "none",
                "message": {"text": "\n".join(lines)},
                "locations": [_location(checked.capture, None)],
                "partialFingerprints": {"rule/v1": _fingerprint(each.rule)},
            }
        )
    _write(out, checked.tool, checked.capture, rules, results)


def _result(capture: Capture, finding: Finding, rule: int, place: str | None) -> dict[str, Any]:
    return {
        "ruleId": finding.id,
        "ruleIndex": rule,
        "level": _LEVELS[finding.severity],
        "message": {"text": f"{finding.title}. {finding.advice}"},
        "locations": [_location(capture, place)],
        "partialFingerprints": {"target/v1": _fingerprint(f"{finding.id} {place}")},
        "properties": {
            "metrics": finding.metrics,
            "start_ns": finding.start_ns,
            "end_ns": finding.end_ns,
            "frames": finding.evidence.frames,
            "connections": finding.evidence.connections,
        },
    }


def _place(finding: Finding) -> str | None:
    target = finding.target
    if target is None:
        return None
    return target.ip if target.port is None else address(Endpoint(target.ip, target.port))


def _location(capture: Capture, place: str | None) -> dict[str, Any]:
    source = capture.sources[0] if capture.sources else "-"
    name = "stdin" if source == "-" else source.encode("utf-8", "surrogateescape")
    # Code hosts show only results with a line; a capture has none, so the first stands for all.
    location: dict[str, Any] = {
        "physicalLocation": {"artifactLocation": {"uri": quote(name)}, "region": {"startLine": 1}}
    }
    if place is not None:
        location["logicalLocations"] = [{"fullyQualifiedName": place, "kind": "service" if "]:" in place else "host"}]
        if place.count(":") == 1:
            location["logicalLocations"][0]["kind"] = "service"
    return location


def _fingerprint(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _write(out: BinaryIO, tool: Tool, capture: Capture, rules: list[Any], results: list[Any]) -> None:
    driver = {
        "name": tool.name,
        "fullName": "handshake-inspect",
        "version": tool.version,
        "rules": rules,
    }
    notes = [{"level": "warning", "message": {"text": problem.message}} for problem in capture.problems]
    invocation: dict[str, Any] = {"executionSuccessful": True}
    if notes:
        invocation["toolExecutionNotifications"] = notes
    run = {"tool": {"driver": driver}, "invocations": [invocation], "results": results}
    document = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    out.write(json.dumps(document, indent=2, ensure_ascii=True).encode() + b"\n")
