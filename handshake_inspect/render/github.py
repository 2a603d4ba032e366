"""Findings as annotations in GitHub workflows: `::error title=…::…`, most severe first.

https://docs.github.com/actions/reference/workflow-commands-for-github-actions
"""

from __future__ import annotations

from typing import BinaryIO

from handshake_inspect.render import Format, Options
from handshake_inspect.report.checked import Checked
from handshake_inspect.report.model import Report, Target
from handshake_inspect.wire.text import printable

_LEVELS = {"critical": "error", "warning": "warning", "info": "notice"}


def render(report: Report, out: BinaryIO, _: Options) -> None:
    """Write an annotation for each finding and each problem of the capture."""
    for finding in report.findings:
        text = f"{_about(finding.target)}{finding.title}. {finding.advice}"
        out.write(_annotation(_LEVELS[finding.severity], f"hsi: {finding.id}", text))
    out.writelines(_annotation("warning", f"hsi: {each.kind}", each.message) for each in report.capture.problems)


def render_check(checked: Checked, out: BinaryIO, _: Options) -> None:
    """Write an error for each assertion that failed, and a warning for each rule that matched nothing."""
    for each in checked.assertions:
        if each.status == "failed":
            shown = "".join(f"\n{breach.name}: {breach.outcome}: {breach.why}" for breach in each.breaches)
            text = f"{each.measured}; expected: {each.allowed}{shown}"
            out.write(_annotation("error", f"hsi check: {each.rule}", text))
    out.writelines(_annotation("warning", "hsi check", note) for note in checked.notes)


def _about(target: Target | None) -> str:
    return f"{target}: " if target else ""


def _annotation(level: str, title: str, text: str) -> bytes:
    lines = "\n".join(map(printable, text.split("\n")))
    data = lines.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    name = printable(title).replace("%", "%25").replace(":", "%3A").replace(",", "%2C")
    return f"::{level} title={name}::{data}\n".encode("utf-8", "backslashreplace")


FORMATS = {
    "github": Format(render, check=render_check),
}
