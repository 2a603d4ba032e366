"""The parts of the overview, each laid out as lines for the available room."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
from rich.cells import cell_len
from rich.text import Text

from handshake_inspect.render.finding_lines import SEVERITY_LOOKS
from handshake_inspect.render.layout import LOOKS
from handshake_inspect.render.screen.details import SEVERITIES
from handshake_inspect.render.screen.look import Part
from handshake_inspect.render.screen.rows import place_of
from handshake_inspect.render.screen.scene import Scene
from handshake_inspect.report.headline import failures
from handshake_inspect.report.model import OUTCOMES, Distribution, Finding, Service
from handshake_inspect.report.process import owner_text
from handshake_inspect.report.snapshot import Second
from handshake_inspect.wire.const import NS_PER_SECOND
from handshake_inspect.wire.text import plural, rounded, share

RATE = 9  # width of a rate


def header(scene: Scene) -> Text:
    """Return the header: interface, duration, frame rate and drops."""
    look, snapshot = scene.look, scene.snapshot
    left: list[Part] = [
        (" hsi live ", "bold reverse"), " ", (look.cut(look.clean(snapshot.interface), 20), "bold"),
        f"  {look.whole_span(snapshot.elapsed_ns)}",
    ]  # fmt: skip
    right: list[Part] = []
    if scene.width >= 60:
        left.append(f"  {rounded(round(scene.frames_per_s))} frames/s")
        if scene.width >= 120:
            left.append(f"  {rounded(snapshot.frames)} frames, {rounded(snapshot.tcp_segments)} of them TCP")
        right = [*drops(scene), " "]
    if scene.view.paused:
        right.append((" PAUSED ", "bold reverse yellow"))
    return look.ends(look.line(*left), look.line(*right), scene.width)


def drops(scene: Scene) -> list[Part]:
    """Return the number of dropped frames as text."""
    dropped, received = scene.snapshot.dropped, scene.snapshot.received
    if dropped is None:
        return [("drops not known", "dim")]
    if not dropped:
        return ["no frames dropped"]
    part = f" ({share(dropped, received)})" if received and scene.width >= 90 else ""
    return [(f"{rounded(dropped)} {'frame' if dropped == 1 else 'frames'} DROPPED{part}", "bold red")]


def title(scene: Scene, words: str, remark: str = "") -> Text:
    """Return the heading of a part."""
    return scene.look.line((words, "bold"), (f"  {remark}" if remark else "", "dim"))


# --- attempts and outcomes --------------------------------------------------------------------------------------------


def attempts(scene: Scene, width: int, room: int) -> list[Text]:
    """Return a chart of attempts per second with the outcomes below."""
    look = scene.look
    series = scene.series(lambda second: second.attempts, width)
    rows = 1 if room < 8 else 2 if room < 11 else 4
    outcomes = _outcomes_shown(scene, max(room - 1 - rows, 1))
    peak = max(scene.series(lambda second: second.attempts, scene.seconds))
    head = _attempts_head(scene, rounded(series[-1]), rounded(peak), len(series), width)
    chart = [look.line((" " * (width - len(row)) + row, "cyan")) for row in look.chart(series, rows)]
    return [head, *chart, *(_outcome(scene, names, width) for names in outcomes)][:room]


def _attempts_head(scene: Scene, now: str, peak: str, seconds: int, width: int) -> Text:
    """Return the longest form of the heading that fits."""
    look = scene.look
    lasting = f"last {plural(seconds, 'second')}"
    forms = [
        (name, f"  peak {peak}/s" if peaked else "", lasting if dated else "")
        for name, peaked, dated in (
            ("ATTEMPTS TO CONNECT", True, True), ("ATTEMPTS", True, True), ("ATTEMPTS", True, False),
            ("ATTEMPTS", False, False),
        )
    ]  # fmt: skip
    fitting = (form for form in forms if len("".join(form)) + len(f"  {now}/s  ") <= width)
    name, most, period = next(fitting, forms[-1])
    return look.ends(look.line((f"{name}  ", "bold"), (f"{now}/s", "bold"), most), look.line((period, "dim")), width)


def _outcomes_shown(scene: Scene, room: int) -> list[tuple[str, ...]]:
    """Return the outcomes to show: established first, then by frequency; the rest shares one line."""
    counts = scene.snapshot.outcomes
    others = sorted((name for name in OUTCOMES[1:] if counts.get(name)), key=lambda name: -counts[name])
    names: list[tuple[str, ...]] = [("established",), *((name,) for name in others)]
    if len(names) <= room:
        return names
    return [*names[: room - 1], tuple(name for (name,) in names[room - 1 :])]


def _outcome(scene: Scene, names: tuple[str, ...], width: int) -> Text:
    look, counts = scene.look, scene.snapshot.outcomes

    def decided(second: Second) -> int:
        return sum(second.outcomes.get(name, 0) for name in names)

    count = sum(counts.get(name, 0) for name in names)
    word = names[0] if len(names) == 1 else f"{len(names)} others"
    room = max(width - 11 - 1 - RATE - 1 - 9 - 1 - 7 - 2, 0)
    series = scene.series(decided, room if room >= 8 else 1)
    looks = LOOKS.get(word, "dim") if count else "dim"
    return look.line(
        (f"{word:<11}", looks), f" {rounded(series[-1]) + '/s':>{RATE}} {rounded(count):>9}",
        f" {share(count, sum(counts.values())):>7}",
        "  " if room >= 8 else "", (look.chart(series)[0].rjust(room) if room >= 8 else "", looks),
    )  # fmt: skip


# --- RTT and half-open ------------------------------------------------------------------------------------------------

_LEGS: tuple[tuple[str, Callable[[Scene], Distribution]], ...] = (
    ("to the server", lambda scene: scene.snapshot.rtt.synack),
    ("to the client", lambda scene: scene.snapshot.rtt.ackdat),
    ("total", lambda scene: scene.snapshot.rtt.total),
)


def rtt(scene: Scene) -> list[Text]:
    """Return percentiles of each leg of the handshake RTT."""
    look = scene.look
    lines = [look.line((f"{'HANDSHAKE RTT':<13}", "bold"), (f" {'p50':>9} {'p99':>10}", "dim"))]
    for name, leg_of in _LEGS:
        leg = leg_of(scene)
        p50, p99 = (f"{look.duration(ns)}" for ns in (leg.p50_ns, leg.p99_ns))
        lines.append(look.line(f"{name:<13} {p50:>9} {p99:>10}"))
    return lines


def half_open(scene: Scene) -> list[Text]:
    """Return the current and peak number of half-open connections."""
    snapshot = scene.snapshot
    looks = "bold" if snapshot.half_open else ""
    now = f"{rounded(snapshot.half_open)} now"
    peak = f", peak {rounded(snapshot.half_open_peak)}"
    total = f"{rounded(snapshot.connections)} since start"
    return [
        scene.look.line(("HALF-OPEN", "bold"), f"{'':{max(25 - len(now + peak), 1)}}", (now, looks), peak),
        scene.look.line(("CONNECTIONS", "bold"), f" {total:>22}"),
    ]


# --- findings ---------------------------------------------------------------------------------------------------------


def findings(scene: Scene, width: int, room: int) -> list[Text]:
    """Return the current findings, worst first; with advice if there is room for all, and for the selected one."""
    look = scene.look
    held = [row.of for row in scene.lists["findings"] if isinstance(row.of, Finding)]
    if not held:
        searched = scene.snapshot.found_ns is not None
        state = ", ".join(["none", *_age(scene)]) if searched else "not looked for yet"
        return [title(scene, "FINDINGS", state)][:room]
    head = title(scene, "FINDINGS", ", ".join([*_tally(held), *_age(scene)]))
    chosen = place_of(scene, held)
    if chosen is not None:
        return [head, *_chosen_finding(scene, held, chosen, width, max(room - 1, 1))][:room]
    for advised, most in ((True, 2), (False, 2), (False, 1)):
        lines = [head, *(line for finding in held for line in _finding(scene, finding, width, most, advised=advised))]
        if len(lines) <= room:
            return lines
    if room < 3:
        return [head, *_finding(scene, held[0], width, 1, advised=False)][:room]
    more = len(held) - (room - 2)
    return [*lines[: room - 1], look.line((f"  and {more} more", "dim"))] if more > 1 else lines[:room]


def _tally(held: Sequence[Finding]) -> list[str]:
    counts = {name: sum(each.severity == name for each in held) for name in SEVERITY_LOOKS}
    return [f"{count} {name}" for name, count in counts.items() if count]


def _age(scene: Scene) -> list[str]:
    """Return when findings were last updated, if not just now; detectors run less often than other updates."""
    found_ns = scene.snapshot.found_ns
    behind_ns = 0 if found_ns is None else scene.snapshot.at_ns - found_ns
    return [f"as of {scene.look.age(behind_ns)}"] if behind_ns >= NS_PER_SECOND else []


def _chosen_finding(scene: Scene, held: Sequence[Finding], chosen: int, width: int, room: int) -> list[Text]:
    """Return a line per finding, two for the selected one, scrolled so that it is visible."""
    start = max(chosen + 2 - room, 0)
    lines = []
    for place in range(start, len(held)):
        mine = _finding(scene, held[place], width, 2 if place == chosen else 1, advised=False)
        if place == chosen:
            mine[0] = scene.look.line((f"{scene.look.cursor} ", "bold")).append_text(mine[0][2:])
            mine[0].stylize("bold")
        lines += mine
    return lines[:room]


def _finding(scene: Scene, finding: Finding, width: int, most: int, *, advised: bool) -> list[Text]:
    look = scene.look
    severity = finding.severity.upper()
    first, *rest = look.prose(finding.title, width, 11, most) or [""]
    lines = [look.line("  ", (f"{severity:<9}", SEVERITIES[finding.severity]), first.strip()), *map(look.line, rest)]
    if advised:
        lines += [look.line((line, "dim")) for line in look.prose(finding.advice, width, 11, 2)]
    return lines


# --- services ---------------------------------------------------------------------------------------------------------

_LEAST_OTHERWISE, _OTHERWISE = 15, 26  # width of the title, and of two outcomes with counts
_SHORTEST_SERVER, _IPV4_SERVER, _LONGEST_SERVER = 16, 21, 44


@dataclass(frozen=True)
class _Column:
    """A column of services; those with a higher rank are dropped first."""

    title: str
    width: int
    rank: int
    cell: Callable[[Scene, Service], str]


def _first_byte(scene: Scene, service: Service) -> str:
    return "" if service.setup is None else scene.look.duration(service.setup.spans.first_byte.p50_ns)


def _tls(scene: Scene, service: Service) -> str:
    return "" if service.setup is None else scene.look.duration(service.setup.spans.tls.p50_ns)


_COLUMNS = (
    _Column("attempts", 9, 0, lambda _, service: rounded(service.connections)),
    _Column("established", 11, 0, lambda _, service: share(service.outcomes.established, service.connections)),
    _Column("RTT p50", 9, 1, lambda scene, service: scene.look.duration(service.rtt.total.p50_ns)),
    _Column("RTT p99", 9, 4, lambda scene, service: scene.look.duration(service.rtt.total.p99_ns)),
    _Column("TLS p50", 9, 3, _tls),
    _Column("1st byte p50", 12, 2, _first_byte),
)
_LEAST_PROCESS, _PROCESS = len("process"), 18
_BEFORE_PROCESS = 1  # columns up to this rank take precedence over the process


def services(scene: Scene, width: int, room: int) -> list[Text]:
    """Return the services in the selected order; columns that do not fit are left out."""
    look, shown = scene.look, scene.services
    columns, server, process, otherwise = _fitting(scene, width)
    named = _services_counted(scene, min(len(shown), max(room - 1, 0)), server + 2)
    head = "".join(f" {column.title:>{column.width}}" for column in columns)
    head += f"  {'process':<{process}}" if process else ""
    head += "  not established" if otherwise else ""
    lines = [look.line((f"{'SERVICES':<8}", "bold"), (f"{named[8:]:<{server + 2 - 8}}{head}", "dim"))]
    if not shown:
        lines.append(look.line(("  none fits the filter" if scene.snapshot.services else "  none yet", "dim")))
    for service in shown[: max(room - 1, 0)]:
        name = look.elide(look.clean(str(service.server)), server)
        cells = "".join(f" {column.cell(scene, service):>{column.width}}" for column in columns)
        lines.append(look.line(
            f"  {name:<{server}}{cells}", (f"  {_process(scene, service, process)}" if process else "", "dim"),
            f"  {_otherwise(scene, service, otherwise)}" if otherwise else "",
        ))  # fmt: skip
    return lines[:room]


def _services_named(scene: Scene) -> str:
    return f"SERVICES  {scene.view.sort}"


def _services_counted(scene: Scene, count: int, width: int) -> str:
    """Return the heading; says how many services are shown if there are more and the width suffices."""
    named, total = _services_named(scene), len(scene.services)
    if count == total:
        return named
    forms = (f"{named} {count} of {total}", f"{named} {count}/{total}")
    return next((form for form in forms if len(form) <= width), named)


def _fitting(scene: Scene, width: int) -> tuple[list[_Column], int, int, int]:
    """Return the columns that fit, and the widths of server, process and other outcomes."""
    longest = max((len(scene.look.clean(str(each.server))) for each in scene.services), default=0)
    least = max(_SHORTEST_SERVER, len(_services_named(scene)) - 2, min(longest, _LONGEST_SERVER))
    columns: list[_Column] = []
    server = min(least, _IPV4_SERVER)
    otherwise = _LEAST_OTHERWISE
    left = width - server - 4 - otherwise
    process = 0
    for column in sorted(_COLUMNS, key=lambda column: column.rank):
        if column.rank > _BEFORE_PROCESS and not process and _has_listeners(scene) and left >= _LEAST_PROCESS + 2:
            spare = left - 2 - _LEAST_PROCESS
            failed = min(max(_longest_failed(scene) - otherwise, 0), spare)
            process = _LEAST_PROCESS + min(spare - failed, max(_longest_process(scene) - _LEAST_PROCESS, 0))
            otherwise += failed
            left -= process + 2 + failed
        is_useful = column.rank < 2 or any(column.cell(scene, each) not in ("", "-") for each in scene.services)
        if is_useful and left >= column.width + 1:
            columns.append(column)
            left -= column.width + 1
    more = max(min(least - server, left), 0)
    return (
        [column for column in _COLUMNS if column in columns], server + more, process,
        max(left - more, 0) + otherwise,
    )  # fmt: skip


def _has_listeners(scene: Scene) -> bool:
    return any(each.listener is not None for each in scene.services)


def _longest_process(scene: Scene) -> int:
    """Return the width of the longest process text that fits the limit."""
    forms = [form for each in scene.services for form in _process_forms(scene, each)]
    return max((cell_len(form) for form in forms if cell_len(form) <= _PROCESS), default=_PROCESS)


def _process_forms(scene: Scene, service: Service) -> list[str]:
    """Return the listener's process from the longest to the shortest form."""
    listener = service.listener
    if listener is None:
        return []
    bare = msgspec.structs.replace(listener, unit=None, container=None)
    texts = owner_text(listener), owner_text(bare), listener.name or owner_text(bare)
    return [scene.look.clean(text) for text in texts]


def _process(scene: Scene, service: Service, width: int) -> str:
    """The longest form that has room whole."""
    forms = _process_forms(scene, service) or [""]
    fitting = (form for form in forms if cell_len(form) <= width)
    return f"{scene.look.cut(next(fitting, forms[-1]), width):<{width}}"


def _failed(service: Service) -> str:
    """Return the outcomes other than established as text."""
    failed = failures(service.outcomes, rounded)
    if service.setup is not None and service.setup.tls.failed:
        failed = ", ".join(filter(None, [failed, f"{rounded(service.setup.tls.failed)} TLS failed"]))
    return failed


def _longest_failed(scene: Scene) -> int:
    return min(max((cell_len(_failed(each)) for each in scene.services), default=0), _OTHERWISE)


def _otherwise(scene: Scene, service: Service, width: int) -> str:
    """Return as many of these outcomes as fit, in whole words."""
    words, more = _failed(service).split(", "), ""
    while len(words) > 1 and cell_len(", ".join(words) + more) > width:
        words, more = words[:-1], f", {scene.look.words.ellipsis}"
    return scene.look.cut(", ".join(words) + more, width)
