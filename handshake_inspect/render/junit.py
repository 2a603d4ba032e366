"""JUnit XML for GitLab and Jenkins: a test case per assertion or, for reports, per service and finding."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import BinaryIO
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from handshake_inspect.render import Format, Options
from handshake_inspect.report.checked import Checked
from handshake_inspect.report.model import TROUBLE_OUTCOMES, Finding, Report, Service
from handshake_inspect.wire.text import printable

SERVICES_SHOWN = 10_000
# Characters not allowed in XML 1.0 (section 2.2).
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(report: Report, out: BinaryIO, _: Options) -> None:
    """Write test cases for services, which fail if any connection failed, and findings, which fail above `info`."""
    suites = Element("testsuites", name="hsi analyze")
    services = SubElement(suites, "testsuite", name="services")
    for service in report.services[:SERVICES_SHOWN]:
        case = SubElement(services, "testcase", classname="hsi.services", name=printable(str(service.server)))
        trouble = _trouble(service)
        if trouble:
            SubElement(case, "failure", message=_clean(trouble), type="outcome")
    findings = SubElement(suites, "testsuite", name="findings")
    for finding, name in zip(report.findings, _names(report.findings), strict=True):
        case = SubElement(findings, "testcase", classname="hsi.findings", name=_clean(name))
        if finding.severity == "info":
            SubElement(case, "system-out").text = _clean(f"{finding.title}. {finding.advice}")
        else:
            failure = SubElement(case, "failure", message=_clean(finding.title), type=finding.severity)
            failure.text = _clean(finding.advice)
    _write(suites, out)


def render_check(checked: Checked, out: BinaryIO, _: Options) -> None:
    """Write a test case per assertion; failed ones list the offending connections."""
    suites = Element("testsuites", name="hsi check")
    suite = SubElement(suites, "testsuite", name="hsi check")
    for each in checked.assertions:
        case = SubElement(suite, "testcase", classname="hsi.check", name=_clean(each.rule))
        text = f"{each.measured}; expected: {each.allowed}"
        if each.status == "passed":
            SubElement(case, "system-out").text = _clean(text)
            continue
        failure = SubElement(case, "failure", message=_clean(text), type="assertion")
        lines = [*each.findings, *(f"{breach.name}: {breach.outcome}: {breach.why}" for breach in each.breaches)]
        if each.broken > len(each.breaches) and each.breaches:
            lines.append(f"and {each.broken - len(each.breaches)} more")
        failure.text = _clean("\n".join(lines))
    if checked.notes:
        SubElement(suite, "system-err").text = _clean("\n".join(checked.notes))
    _write(suites, out)


def _names(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield unique names of findings: kind, target and a number if needed, since GitLab drops duplicate names."""
    seen: Counter[str] = Counter()
    for finding in findings:
        target, kind = finding.target, finding.variety
        about = "" if target is None else f" {target}"
        name = f"{finding.id}{about}{f' ({kind})' if kind else ''}"
        seen[name] += 1
        yield name if seen[name] == 1 else f"{name} #{seen[name]}"


def _trouble(service: Service) -> str:
    counts = service.outcomes.as_dict()
    failed = [f"{counts[word]} {word}" for word in TROUBLE_OUTCOMES if counts[word]]
    return f"{', '.join(failed)} of {service.connections} connections" if failed else ""


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("?", text)


def _write(suites: Element, out: BinaryIO) -> None:
    total = {"tests": 0, "failures": 0}
    for suite in suites:
        cases = suite.findall("testcase")
        counts = {"tests": len(cases), "failures": sum(case.find("failure") is not None for case in cases)}
        for key, count in counts.items():
            suite.set(key, str(count))
            total[key] += count
        suite.set("errors", "0")
        suite.set("skipped", "0")
    for key, count in total.items():
        suites.set(key, str(count))
    suites.set("errors", "0")
    indent(suites)
    out.write(b'<?xml version="1.0" encoding="UTF-8"?>\n')
    ElementTree(suites).write(out, encoding="utf-8", xml_declaration=False)
    out.write(b"\n")


FORMATS = {
    "junit": Format(render, (".xml",), check=render_check),
}
