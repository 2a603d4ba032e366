"""SARIF 2.1.0 (OASIS): a result per finding or failed assertion, with the documentation of its rule.

It meets the requirements of GitHub code scanning: each result needs a location in a file and a fingerprint named
`primaryLocationLineHash`, and rules need help texts.  Every result counts as a problem, so passed
assertions are omitted.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, BinaryIO
from urllib.parse import quote

from handshake_inspect.render import Format, Options
from handshake_inspect.report.checked import Assertion, Checked
from handshake_inspect.report.docs import FINDING_DOCS, RULE_DOCS
from handshake_inspect.report.model import Capture, Finding, Report, Target, Tool
from handshake_inspect.report.topics import topics

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {"critical": "error", "warning": "warning", "info": "note"}
# Code hosts show only results with a location in a file; for a capture, the first line stands for all of it.
_REGION = {"startLine": 1, "startColumn": 1, "endLine": 1, "endColumn": 2}


def render(report: Report, out: BinaryIO, _: Options) -> None:
    """Write a log with one run, whose results are the findings."""
    used = sorted({finding.id for finding in report.findings}, key=list(FINDING_DOCS).index)
    rules = [_rule(name, *FINDING_DOCS[name], _pages()[name]) for name in used]
    results = [_finding(report.capture, finding, used.index(finding.id)) for finding in report.findings]
    _write(out, "hsi-analyze", report.tool, report.capture, rules, results)


def render_check(checked: Checked, out: BinaryIO, _: Options) -> None:
    """Write a log with one run, whose results are the failed assertions; its rules are those of all assertions."""
    names = list(dict.fromkeys(_kind(each) for each in checked.assertions))
    rules = []
    for name in names:
        page = _pages().get(name.removeprefix("max-"))
        rules.append(_rule(name, *RULE_DOCS[name], f"{RULE_DOCS[name][1]}\n\n{page}" if page else RULE_DOCS[name][1]))
    failed = [each for each in checked.assertions if each.status == "failed"]
    results = [_assertion(checked.capture, each, names.index(_kind(each))) for each in failed]
    _write(out, "hsi-check", checked.tool, checked.capture, rules, results)


def _pages() -> dict[str, str]:
    return topics()["finding"]


def _kind(assertion: Assertion) -> str:
    return assertion.rule.split(" ")[0]


def _rule(name: str, short: str, full: str, page: str) -> dict[str, Any]:
    rule: dict[str, Any] = {"id": name}
    if "-" in name:  # names must differ from ids (SARIF1001 of Microsoft's validator)
        rule["name"] = "".join(word.capitalize() for word in name.split("-"))
    return rule | {
        "shortDescription": {"text": short},
        "fullDescription": {"text": full},
        "help": {"text": _plain(page), "markdown": page},
    }


def _plain(markdown: str) -> str:
    return re.sub(r"```.*\n|\*\*|`|(?<!\w)\*(?=\w)|(?<=\w)\*(?!\w)", "", markdown)


def _finding(capture: Capture, finding: Finding, rule: int) -> dict[str, Any]:
    place = str(finding.target) if finding.target else None
    return {
        "ruleId": finding.id,
        "ruleIndex": rule,
        "level": _LEVELS[finding.severity],
        "message": {"text": f"{finding.title}. {finding.advice}"},
        "locations": [_location(capture, finding.target)],
        "partialFingerprints": _fingerprint(f"{finding.id} {place} {finding.variety}"),
        "properties": {
            "metrics": finding.metrics,
            "start_ns": finding.start_ns,
            "end_ns": finding.end_ns,
            "frames": finding.evidence.frames,
            "connections": finding.evidence.connections,
        },
    }


def _assertion(capture: Capture, assertion: Assertion, rule: int) -> dict[str, Any]:
    lines = [f"{assertion.rule}: {assertion.measured}; expected: {assertion.allowed}.", *assertion.findings]
    lines += [f"{breach.name}: {breach.outcome}: {breach.why}" for breach in assertion.breaches]
    return {
        "ruleId": _kind(assertion),
        "ruleIndex": rule,
        "kind": "fail",
        "level": "error",
        "message": {"text": "\n".join(lines)},
        "locations": [_location(capture, None)],
        "partialFingerprints": _fingerprint(assertion.rule),
    }


def _location(capture: Capture, target: Target | None) -> dict[str, Any]:
    uri = _uri(capture.sources[0] if capture.sources else "-")
    location: dict[str, Any] = {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": _REGION}}
    if target is not None:
        kind = "service" if target.port is not None else "network" if "/" in target.ip else "host"
        location["logicalLocations"] = [{"fullyQualifiedName": str(target), "kind": kind}]
    return location


def _uri(source: str) -> str:
    """Return the file name as a URI; relative names stay relative to the repository in which hsi was started."""
    if source == "-":
        return "stdin"
    try:
        encoded = source.encode("utf-8", "surrogateescape")  # the original bytes, if not UTF-8
    except UnicodeEncodeError:  # not a file name, but text from a loaded report
        encoded = source.encode("utf-8", "backslashreplace")
    path = quote(encoded)
    return f"file://{path}" if path.startswith("/") else path.removeprefix("./")


def _fingerprint(text: str) -> dict[str, str]:
    """Return a fingerprint that stays the same in other runs: `text` must not contain times or counts."""
    return {"primaryLocationLineHash": hashlib.sha256(text.encode()).hexdigest()[:16]}


def _numbered(results: Sequence[dict[str, Any]]) -> None:
    """Append a number to equal fingerprints, in order, as CodeQL does."""
    seen: Counter[str] = Counter()
    for result in results:
        fingerprint = result["partialFingerprints"]["primaryLocationLineHash"]
        seen[fingerprint] += 1
        result["partialFingerprints"] = {"primaryLocationLineHash": f"{fingerprint}:{seen[fingerprint]}"}


def _write(
    out: BinaryIO, category: str, tool: Tool, capture: Capture, rules: list[Any], results: list[dict[str, Any]]
) -> None:
    _numbered(results)
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
    run: dict[str, Any] = {"tool": {"driver": driver}, "invocations": [invocation]}
    # The category keeps uploads of analyze and check from replacing each other.
    run["automationDetails"] = {"id": f"{category}/"}
    sources = dict.fromkeys(map(_uri, capture.sources))
    run["artifacts"] = [{"location": {"uri": uri}, "roles": ["analysisTarget"]} for uri in sources]
    run["results"] = results
    document = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    out.write(json.dumps(document, indent=2, ensure_ascii=True).encode() + b"\n")


FORMATS = {
    "sarif": Format(render, (".sarif",), check=render_check),
}
