"""What a check found, for people: one line per assertion, and under those that failed what broke them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from handshake_inspect.render import Options
from handshake_inspect.render.layout import Style, paragraph, written
from handshake_inspect.report.checked import Assertion, Checked
from handshake_inspect.wire.text import plural, printable

_MARGIN = " " * 6  # before what broke an assertion
_LONGEST_RULE = 40


def render_check(checked: Checked, out: BinaryIO, options: Options) -> None:
    """Write the lines in the terminal's encoding; with verbosity below 0 the last one alone."""
    style = Style(color=options.color, encoding=options.encoding)
    lines = _check(checked, options, style) if options.verbosity >= 0 else iter([_verdict(checked, style)])
    written(out, lines, options.encoding)


def _check(checked: Checked, options: Options, style: Style) -> Iterator[str]:
    width = min(_LONGEST_RULE, max((len(printable(each.rule)) for each in checked.assertions), default=0))
    for each in checked.assertions:
        sign = style.paint("FAIL", "red") if each.status == "failed" else style.paint("ok  ", "green")
        rule = printable(each.rule).ljust(width)
        yield f"{sign}  {rule}  {printable(each.measured)}; allowed: {printable(each.allowed)}"
        if each.status == "failed":
            yield from _broken(each, options, style)
    for note in checked.notes:
        yield f"{style.paint('note', 'yellow')}  {printable(note)}"
    yield _verdict(checked, style)


def _broken(each: Assertion, options: Options, style: Style) -> Iterator[str]:
    for finding in each.findings:
        yield from paragraph(printable(finding), options.width, _MARGIN)
    for breach in each.breaches:
        yield f"{_MARGIN}{printable(breach.name)}"
        why = f"{breach.outcome}: {printable(breach.why)}"
        yield from (style.paint(line, "dim") for line in paragraph(why, options.width, _MARGIN + "   "))
    if each.broken > len(each.breaches) and each.breaches:
        yield f"{_MARGIN}and {each.broken - len(each.breaches):,} more"


def _verdict(checked: Checked, style: Style) -> str:
    failed = sum(each.status == "failed" for each in checked.assertions)
    total = plural(len(checked.assertions), "assertion")
    word = style.paint("passed", "green") if checked.passed else style.paint("failed", "red")
    count = total if checked.passed else f"{failed} of {total}"
    return f"hsi check: {word}, {count}, {plural(checked.connections, 'connection')}"
