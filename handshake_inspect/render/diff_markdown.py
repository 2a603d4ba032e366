"""What `hsi diff` found, as Markdown for a job summary or a pull request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from handshake_inspect.render import Options
from handshake_inspect.render.cells import code, plain, table
from handshake_inspect.render.diff_words import failures, interesting, rtt, verdict
from handshake_inspect.report.difference import Difference

SHOWN = 100


def render_diff(difference: Difference, out: BinaryIO, _: Options) -> None:
    """Write the regressions, then the services that changed."""
    out.writelines(line.encode("utf-8", "backslashreplace") + b"\n" for line in _lines(difference))


def _lines(difference: Difference) -> Iterator[str]:
    yield f"## hsi diff {'❌' if difference.regressed else '✅'} {verdict(difference)}"
    yield ""
    yield from (f"- {plain(regression)}" for regression in difference.regressions)
    then, now = difference.old_outcomes.as_dict(), difference.new_outcomes.as_dict()
    rows = [[code(word), f"{then[word]:,}", f"{now[word]:,}"] for word in then if then[word] or now[word]]
    yield "\n### Outcomes\n"
    yield from table(["outcome", "then", "now"], rows, (1, 2))
    changed = interesting(difference)
    if changed:
        yield "\n### Services\n"
        cells = [
            [code(each.name), each.status, failures(each.old_failed, each.old_tried),
             failures(each.new_failed, each.new_tried), rtt(each)]
            for each in changed[:SHOWN]
        ]  # fmt: skip
        yield from table(["service", "change", "failed then", "now", "median connect RTT"], cells)
    if len(changed) > SHOWN:
        yield f"\nand {len(changed) - SHOWN:,} more"
    for title, findings in (("New findings", difference.new_findings), ("Gone findings", difference.gone_findings)):
        if findings:
            yield f"\n### {title}\n"
            yield from (f"- {each.severity} **{each.id}**: {plain(each.title)}" for each in findings)
