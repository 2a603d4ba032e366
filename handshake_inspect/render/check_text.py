"""The text output of `hsi check`: one line per assertion, and the offending connections below failed ones."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import BinaryIO

from handshake_inspect.render import Options
from handshake_inspect.render.layout import Style, paragraph, written
from handshake_inspect.render.next_step import explaining
from handshake_inspect.report.checked import Assertion, Checked
from handshake_inspect.wire.text import duration, plural, printable

_MARGIN = " " * 6  # before offending connections
_LONGEST_RULE = 40
FAILED_NAMED = 5  # failed rules named in the last line


def render_check(checked: Checked, out: BinaryIO, options: Options) -> None:
    """Write the lines in the terminal's encoding; with negative verbosity, only the last one."""
    style = Style(color=options.color, encoding=options.encoding)
    quiet = options.verbosity < 0
    last = verdict(checked, style, sys.maxsize if quiet else options.width)  # do not shorten the only line
    written(out, chain(() if quiet else _check(checked, options, style), [last]), options.encoding)


def _check(checked: Checked, options: Options, style: Style) -> Iterator[str]:
    width = min(_LONGEST_RULE, max((len(printable(each.rule)) for each in checked.assertions), default=0))
    listed: dict[tuple[int | str, ...], str] = {}
    for each in checked.assertions:
        sign = style.paint("FAIL", "red") if each.status == "failed" else style.paint("ok  ", "green")
        rule = printable(each.rule).ljust(width)
        yield f"{sign}  {rule}  {printable(each.measured)}; expected: {printable(each.allowed)}"
        if each.status == "failed":
            yield from _broken(each, listed, options, style)
    for note in checked.notes:
        yield f"{style.paint('note', 'yellow')}  {printable(note)}"
    yield from _next(checked, options, style)


def _broken(each: Assertion, listed: dict[tuple[int | str, ...], str], options: Options, style: Style) -> Iterator[str]:
    """Yield findings and connections; refer to the rule under which the same ones are already `listed`."""
    for finding in each.findings:
        yield from paragraph(printable(finding), options.width, _MARGIN)
    same = tuple(breach.id for breach in each.breaches if breach.value is None)
    if same and same in listed:
        yield f"{_MARGIN}connections: as under {listed[same]}"
        return
    listed[same] = printable(each.rule)
    for breach in each.breaches:
        if breach.value is not None:
            yield f"{_MARGIN}{printable(breach.name)}  {duration(breach.value, style.micro)}"
            continue
        yield f"{_MARGIN}{printable(breach.name)}"
        why = f"{breach.outcome}: {printable(breach.why)}"
        yield from (style.paint(line, "dim") for line in paragraph(why, options.width, _MARGIN + "   "))
    if each.broken > len(each.breaches) and each.breaches:
        yield f"{_MARGIN}and {each.broken - len(each.breaches):,} more"


def verdict(checked: Checked, style: Style, width: int) -> str:
    """Return the last line, which names as many failed rules as fit; logs are read from the end."""
    failed = [each for each in checked.assertions if each.status == "failed"]
    total = plural(len(checked.assertions), "assertion")
    word = style.paint("passed", "green") if checked.passed else style.paint("failed", "red")
    count = total if checked.passed else f"{len(failed)} of {total}"
    short = f"hsi check: {word}, {count}"
    line = f"{short}, {plural(checked.connections, 'connection')}"
    for beginning in (line, short):  # names of rules are worth more than the number of connections
        room = width - len(beginning) + len(word) - len("failed")
        if names := next((names for names in _names(failed) if len(names) <= room), ""):
            return beginning + names
    return line


def _names(failed: Sequence[Assertion]) -> Iterator[str]:
    """Yield names of failed rules with measurements, from the longest to the shortest version."""
    for measured in (True, False):
        for most in range(min(FAILED_NAMED, len(failed)), 0, -1):
            rules = (printable(each.rule) + f": {printable(each.measured)}" * measured for each in failed[:most])
            more = f" and {len(failed) - most} more" if len(failed) > most else ""
            yield f"; {'; '.join(rules)}{more}"


def _next(checked: Checked, options: Options, style: Style) -> Iterator[str]:
    """Yield the command that explains the first offending connection; by address for a saved file, whose ids differ."""
    broken = next((breach for each in checked.assertions for breach in each.breaches), None)
    if broken is None:
        return
    which = str(broken.client) if options.saved else broken.id
    if command := explaining(checked.capture, which, options.saved):
        yield style.paint("next  ", "dim") + command
