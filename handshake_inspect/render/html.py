"""HTML reports: one self-contained page that is complete without scripts, for browsers, mail and CI artifacts.

Text from captures is always escaped: by Jinja in templates, by `page.svg` in drawings.  The page's content security
policy forbids loading anything and running scripts other than its own, which sorts, filters and expands.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup, escape

from handshake_inspect.render import Format, Options
from handshake_inspect.render.capture_lines import capture_facts
from handshake_inspect.render.check_text import verdict as check_verdict
from handshake_inspect.render.diff_text import change, failures, interesting, rtt, verdict
from handshake_inspect.render.page import svg
from handshake_inspect.render.page.changes import changes
from handshake_inspect.render.page.connections import Shown, starring
from handshake_inspect.render.page.ladder import ladder, ladders
from handshake_inspect.render.page.sections import FINDINGS, ROOM, SERVICES, SOURCES, STYLE, Sections
from handshake_inspect.render.page.waterfall import WHOSE, waterfall
from handshake_inspect.render.quic_ladder import headline, round_trips
from handshake_inspect.report.checked import Assertion, Breach, Checked
from handshake_inspect.report.difference import Difference
from handshake_inspect.report.encoding import encoded
from handshake_inspect.report.model import Report
from handshake_inspect.report.quic_story import QuicStory
from handshake_inspect.report.story import Story
from handshake_inspect.wire.text import duration, offsets, plural, printable

__all__ = ["render", "render_check", "render_diff", "render_drawing", "render_story", "starring"]

_SOURCES = {  # read at import: they may be unreadable after a live run has dropped privileges
    file.name: file.read_text(encoding="utf-8")
    for file in Path(__file__).with_name("page").iterdir()
    if file.suffix in (".j2", ".css", ".js")
}
CHANGES = 100  # services listed in a comparison
ASSERTIONS = 500
BREACHES = 500  # over all assertions
LADDERS = 10  # of offending connections
ASCII = 0x7F
JSON = 300_000  # bytes of the JSON in the page, from which on fewer connections are in it


def render(report: Report, out: BinaryIO, options: Options) -> None:
    """Write the page of a report, with the ladders of `options.stories`."""
    page = Sections(report, options)
    body = _rendered("report_body.html.j2", page=page)  # rendered first, since it decides which connections are listed
    _write(out, "report.html.j2", page=page, body=body, json=_inside(page))


def render_check(checked: Checked, out: BinaryIO, options: Options) -> None:
    """Write the result of a check and, if available, its report below."""
    page = Sections(options.reports[0], options) if options.reports else None
    body = "" if page is None else _rendered("report_body.html.j2", page=page)
    _write(
        out, "check.html.j2", checked=checked, page=page, body=body, verdict=check_verdict(checked, STYLE, sys.maxsize),
        most=ASSERTIONS, broken=list(_broken(checked, options)), json=None if page is None else _inside(page),
        facts=list(capture_facts(checked.capture, ROOM, STYLE)),
    )  # fmt: skip


Drawn = tuple[Breach, Markup | None]


def _broken(checked: Checked, options: Options) -> Iterator[tuple[Assertion, list[Drawn], int]]:
    """Yield failed assertions with offending connections (some with a ladder) and the number of unlisted ones."""
    by_id = {story.connection.id: story for story in options.stories if isinstance(story, Story)}
    room, left = BREACHES, LADDERS
    for each in checked.assertions[:ASSERTIONS]:
        if each.status == "failed" and (each.breaches or each.findings):
            listed = each.breaches[:room]
            story = by_id.get(listed[0].id) if listed and left else None
            left -= story is not None
            drawn = [None if story is None else ladders(story), *([None] * len(listed))]
            room -= len(listed)
            yield each, list(zip(listed, drawn, strict=False)), each.broken - len(listed) if each.breaches else 0


def render_diff(difference: Difference, out: BinaryIO, options: Options) -> None:
    """Write the result of a comparison, with overlaid RTT histograms if the reports are available."""
    changed = interesting(difference)
    rows = [
        (each.name, change(each), failures(each.old_failed, each.old_tried),
         failures(each.new_failed, each.new_tried), rtt(each))
        for each in changed[:CHANGES]
    ]  # fmt: skip
    then, now = difference.old_outcomes.as_dict(), difference.new_outcomes.as_dict()
    outcomes = [(word, f"{then[word]:,}", f"{now[word]:,}") for word in then if then[word] or now[word]]
    _write(
        out, "diff.html.j2", difference=difference, verdict=f"hsi diff: {verdict(difference)}", rows=rows,
        same=len(difference.services) - len(changed), more=max(len(changed) - CHANGES, 0), outcomes=outcomes,
        bars=[svg.shares(then, "outcomes then"), svg.shares(now, "outcomes now")],
        pictures=list(changes(options.reports)),
        facts=[
            (when, list(capture_facts(capture, ROOM, STYLE)))
            for when, capture in (("then", difference.old), ("now", difference.new))
        ],
    )  # fmt: skip


def render_story(story: Story | QuicStory, out: BinaryIO, _: Options) -> None:
    """Write the page of one connection."""
    c, drawn = story.connection, ladders(story)
    fall = None if c.setup is None else waterfall(c.setup)
    facts = list(capture_facts(story.capture, ROOM, STYLE))
    if isinstance(story, QuicStory):
        trips, setup = list(round_trips(story.connection, "µ")), headline(story.connection, "µ")
        _write(
            out, "quic_story.html.j2", story=story, ladder=drawn, waterfall=fall, facts=facts, trips=trips, setup=setup
        )
        return
    (at,) = offsets([c.first_ns - (story.capture.first_ns or c.first_ns)], story.duration_ns)
    _write(out, "story.html.j2", story=story, each=Shown(story.connection, at, drawn, fall), facts=facts)


def render_drawing(story: Story | QuicStory, out: BinaryIO, _: Options) -> None:
    """Write the ladder of one connection as an SVG file."""
    out.write(f"{ladder(story, alone=True)}\n".encode())


# --- the page ---------------------------------------------------------------------------------------------------------


def _write(out: BinaryIO, template: str, **context: Any) -> None:
    out.write(_rendered(template, **context).encode())


def _rendered(template: str, **context: Any) -> Markup:
    return Markup(_templates().get_template(template).render(**context))  # noqa: S704 - it is escaped


@cache
def _templates() -> Environment:
    templates = Environment(
        loader=DictLoader(_SOURCES), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True, undefined=StrictUndefined, finalize=_shown,
    )  # fmt: skip
    style, script = _source("style.css"), _source("script.js")
    templates.globals.update(
        style=style, script=script, style_hash=_hash(style), script_hash=_hash(script), colors=svg.COLORS,
        probed=svg.PROBED, whose=WHOSE,
    )  # fmt: skip
    templates.filters.update(prose=_prose, plural=plural, duration=duration)
    return templates


def _source(name: str) -> Markup:
    return Markup(_SOURCES[name])  # noqa: S704 - it is ours


def _hash(source: str) -> str:
    """Return the hash that allows a style sheet or script in the page's policy (CSP level 2)."""
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()


def _shown(value: object) -> object:
    """Make text printable before a template outputs it."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _prose(text: str) -> Markup:
    """Convert our own prose, with commands in backticks, to markup."""
    parts = [escape(part) for part in printable(text).split("`")]
    if len(parts) % 2 == 0:  # unbalanced backticks
        return escape(printable(text))
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else part for place, part in enumerate(parts)
    )


def _inside(page: Sections) -> Markup:
    """Return the report, without connections that the page does not list, as JSON for embedding."""
    report, shown = page.report, [each.connection for each in page.shown]
    capture = msgspec.structs.replace(
        report.capture, sources=report.capture.sources[:SOURCES], problems=report.capture.problems[:SOURCES]
    )
    document: dict[str, Any] = {
        "schema": report.schema, "tool": report.tool, "capture": capture, "summary": report.summary,
        "services": [], "findings": [], "connections": [],
    }  # fmt: skip
    room = JSON - len(encoded(document))
    lists = {"findings": report.findings[:FINDINGS], "services": report.services[:SERVICES], "connections": shown}
    for name, rows in lists.items():
        for row in rows:
            room -= len(encoded(row))
            if room < 0:
                break
            document[name].append(row)
    return _escaped(encoded(document))


def _escaped(data: bytes) -> Markup:
    """Escape JSON so that it cannot end the script element around it (HTML section 4.12.1.3)."""
    text = data.decode()
    for sign in {"<", ">", "&"} | {sign for sign in set(text) if not sign.isprintable()}:
        text = text.replace(sign, json.dumps(sign)[1:-1] if ord(sign) > ASCII else f"\\u{ord(sign):04x}")
    return Markup(text)  # noqa: S704 - it is escaped


FORMATS = {
    "html": Format(render, (".html", ".htm"), drawn=starring, check=render_check, diff=render_diff, story=render_story),
    "svg": Format(suffixes=(".svg",), story=render_drawing),
}
