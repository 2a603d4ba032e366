"""The text output of `hsi diff`: the services that changed, then the regressions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from handshake_inspect.render import Options
from handshake_inspect.render.layout import Column, Style, Table, paragraph
from handshake_inspect.report.difference import Difference, LegDifference, ServiceDifference
from handshake_inspect.wire.text import durations, plural, printable, share

SHOWN = 40


def render_diff(difference: Difference, out: BinaryIO, options: Options) -> None:
    """Write the lines in the terminal's encoding."""
    style = Style(color=options.color, encoding=options.encoding)
    out.writelines(
        line.encode(options.encoding, "backslashreplace") + b"\n" for line in _lines(difference, options, style)
    )


def _lines(difference: Difference, options: Options, style: Style) -> Iterator[str]:
    changed = interesting(difference)
    same = len(difference.services) - len(changed)
    yield style.paint("SERVICES", "bold") + f"  {len(changed)} changed, {same} as before"
    shown = changed[:SHOWN]
    if shown:
        columns = [
            Column("service", [printable(each.name) for each in shown], floor=15, soft=28),
            Column("change", [change(each) for each in shown]),
            Column("failed then", [failures(each.old_failed, each.old_tried) for each in shown]),
            Column("now", [failures(each.new_failed, each.new_tried) for each in shown]),
            Column("median connect RTT", [rtt(each, style.micro) for each in shown], rank=1),
        ]
        yield from Table(options.width, style).lines(columns, header=True)
    if len(changed) > SHOWN:
        yield f"  and {len(changed) - SHOWN:,} more"
    for title, findings in (("NEW FINDINGS", difference.new_findings), ("GONE FINDINGS", difference.gone_findings)):
        if findings:
            yield ""
            yield style.paint(title, "bold")
            for each in findings:
                yield from paragraph(f"{each.severity} {each.id}: {printable(each.title)}", options.width, "  ")
    yield ""
    yield style.paint("REGRESSIONS", "bold") + ("" if difference.regressions else "  none")
    for regression in difference.regressions:
        yield from paragraph(printable(regression), options.width, "  ")
    counted = f"{plural(sum(difference.old_outcomes.as_dict().values()), 'connection')} before"
    yield f"hsi diff: {verdict(difference)}, {counted}, {sum(difference.new_outcomes.as_dict().values()):,} now"


# --- shared with Markdown ---------------------------------------------------------------------------------------------


def verdict(difference: Difference) -> str:
    """Return the number of regressions as text."""
    count = len(difference.regressions)
    return "no regression" if not count else "1 regression" if count == 1 else f"{count} regressions"


def interesting(difference: Difference) -> list[ServiceDifference]:
    """Return the services that changed."""
    return [each for each in difference.services if each.status != "same" or each.regressions or _moved(each)]


def change(service: ServiceDifference) -> str:
    """Return how a service changed: in its failures, else in its RTT."""
    leg = next((each.status for each in service.rtt if each.leg == "total"), None)
    if service.status == "same" and leg in ("slower", "faster"):
        return str(leg)
    return service.status


def _moved(service: ServiceDifference) -> bool:
    return any(leg.status in ("slower", "faster") for leg in service.rtt)


def failures(failed: int, tried: int) -> str:
    """Format a share of failures: `2 of 40 (5.0 %)`."""
    if not tried:
        return ""
    return f"{failed} of {tried}" + (f" ({share(failed, tried)})" if failed else "")


def rtt(service: ServiceDifference, micro: str = "µ") -> str:
    """Return the change of the median connect RTT."""
    leg = next((each for each in service.rtt if each.leg == "total"), None)
    return _shift(leg, micro) if leg is not None else ""


def _shift(leg: LegDifference, micro: str = "µ") -> str:
    """Format the change of a median: `40.1 ms to 52.0 ms`, with a remark if it is not significant."""
    if leg.old.p50_ns is None or leg.new.p50_ns is None:
        return ""
    then, now = durations([leg.old.p50_ns, leg.new.p50_ns], micro)
    remark = "" if leg.status in ("slower", "faster") else f", {leg.status.replace('-', ' ')}"
    return f"{then} to {now}{remark}"
