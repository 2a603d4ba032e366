"""The parts of the overview, each a list of lines for the room that it gets."""

from __future__ import annotations

from collections.abc import Callable

from rich.text import Text

from handshake_inspect.render.layout import LOOKS
from handshake_inspect.render.screen.look import Part
from handshake_inspect.render.screen.scene import Scene
from handshake_inspect.report.headline import failures
from handshake_inspect.report.model import OUTCOMES, Connection, Distribution, Finding, Service
from handshake_inspect.report.snapshot import Second
from handshake_inspect.wire.text import plural, rounded, share

SEVERITIES = {"critical": "bold red", "warning": "bold yellow", "info": "bold cyan"}
_RANKS = {"critical": 0, "warning": 1, "info": 2}
RATE = 9  # columns of a rate
SERVER = 21  # columns of an IPv4 address and port
WHEN = 11  # columns of an age


def header(scene: Scene) -> Text:
    """Where, how long, how fast, and whether anything was lost."""
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
    """What was lost before it could be read, in words."""
    dropped, received = scene.snapshot.dropped, scene.snapshot.received
    if dropped is None:
        return [("drops not known", "dim")]
    if not dropped:
        return ["no frames dropped"]
    part = f" ({share(dropped, received)})" if received and scene.width >= 90 else ""
    return [(f"{rounded(dropped)} {'frame' if dropped == 1 else 'frames'} DROPPED{part}", "bold red")]


def title(scene: Scene, words: str, remark: str = "") -> Text:
    """The heading of a part."""
    return scene.look.line((words, "bold"), (f"  {remark}" if remark else "", "dim"))


# --- attempts and outcomes --------------------------------------------------------------------------------------------


def attempts(scene: Scene, width: int, room: int) -> list[Text]:
    """Attempts per second as a chart, and under it what becomes of them."""
    look = scene.look
    series = scene.series(lambda second: second.attempts, width)
    rows = 1 if room < 8 else 2 if room < 11 else 4
    outcomes = _outcomes_shown(scene, max(room - 1 - rows, 1))
    peak = max(scene.series(lambda second: second.attempts, scene.seconds))
    lasting = f"last {plural(len(series), 'second')}"
    head = look.ends(
        look.line(
            ("ATTEMPTS TO CONNECT  " if width >= 56 else "ATTEMPTS  ", "bold"), (f"{rounded(series[-1])}/s", "bold"),
            f"  peak {rounded(peak)}/s" if width >= 40 else "",
        ),
        look.line((lasting if width >= 56 else "", "dim")),
        width,
    )  # fmt: skip
    chart = [look.line((" " * (width - len(row)) + row, "cyan")) for row in look.chart(series, rows)]
    return [head, *chart, *(_outcome(scene, names, width) for names in outcomes)][:room]


def _outcomes_shown(scene: Scene, room: int) -> list[tuple[str, ...]]:
    """Established first, then what happens most; what finds no room is one line."""
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
    """Percentiles of each leg of the handshake."""
    look = scene.look
    lines = [look.line((f"{'HANDSHAKE RTT':<13}", "bold"), (f" {'p50':>9} {'p99':>10}", "dim"))]
    for name, leg_of in _LEGS:
        leg = leg_of(scene)
        p50, p99 = (f"{look.duration(ns)}" for ns in (leg.p50_ns, leg.p99_ns))
        lines.append(look.line(f"{name:<13} {p50:>9} {p99:>10}"))
    return lines


def half_open(scene: Scene) -> list[Text]:
    """Handshakes that are unfinished now, and the most there were."""
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
    """What is wrong now, the worst first; advice where there is room for all."""
    look = scene.look
    held = sorted(scene.snapshot.findings, key=lambda finding: _RANKS[finding.severity])
    if not held:
        return [title(scene, "FINDINGS", "none now")][:room]
    tally = [f"{sum(each.severity == name for each in held)} {name}" for name in _RANKS]
    head = title(scene, "FINDINGS", ", ".join(words for words in tally if not words.startswith("0 ")))
    for advised, most in ((True, 2), (False, 2), (False, 1)):
        lines = [head, *(line for finding in held for line in _finding(scene, finding, width, most, advised=advised))]
        if len(lines) <= room:
            return lines
    if room < 3:
        return [head, *_finding(scene, held[0], width, 1, advised=False)][:room]
    more = len(held) - (room - 2)
    return [*lines[: room - 1], look.line((f"  and {more} more", "dim"))] if more > 1 else lines[:room]


def _finding(scene: Scene, finding: Finding, width: int, most: int, *, advised: bool) -> list[Text]:
    look = scene.look
    severity = finding.severity.upper()
    first, *rest = look.prose(finding.title, width, 11, most) or [""]
    lines = [look.line("  ", (f"{severity:<9}", SEVERITIES[finding.severity]), first.strip()), *map(look.line, rest)]
    if advised:
        lines += [look.line((line, "dim")) for line in look.prose(finding.advice, width, 11, 2)]
    return lines


# --- services ---------------------------------------------------------------------------------------------------------


def services(scene: Scene, width: int, room: int) -> list[Text]:
    """The services, in the order chosen."""
    look, shown = scene.look, scene.services
    wide = width >= 90
    server = min(max(SERVER, width - 64), 44)
    total = len(scene.snapshot.services)
    named = f"SERVICES  {scene.view.sort}"
    ahead = f"{'attempts':>9} {'established':>11} {'RTT p50':>9}" + (f" {'RTT p99':>10}" if wide else "")
    lines = [look.line((f"{'SERVICES':<8}", "bold"), (f"{named[8:]:<{server + 2 - 8}} {ahead}  otherwise", "dim"))]
    if not shown:
        lines.append(look.line(("  none fits the filter" if total else "  none yet", "dim")))
    lines += [_service(scene, service, server, wide=wide, width=width) for service in shown[: max(room - 1, 0)]]
    return lines[:room]


def _service(scene: Scene, service: Service, server: int, *, wide: bool, width: int) -> Text:
    look, outcomes = scene.look, service.outcomes
    name = look.elide(look.clean(str(service.server)), server)
    cells = f" {rounded(service.connections):>9} {share(outcomes.established, service.connections):>11}"
    cells += f" {look.duration(service.rtt.total.p50_ns):>9}"
    if wide:
        cells += f" {look.duration(service.rtt.total.p99_ns):>10}"
    otherwise = look.cut(failures(outcomes, rounded), width - server - 2 - len(cells) - 2)
    return look.line(f"  {name:<{server}}{cells}  ", (otherwise, "yellow"))


# --- trouble ----------------------------------------------------------------------------------------------------------


def trouble(scene: Scene, width: int, room: int) -> list[Text]:
    """The newest connections in trouble; the first of a kind says why, and so does the selected one."""
    shown, total = scene.trouble, len(scene.snapshot.trouble)
    remark = "newest first"
    if scene.view.filter:
        remark += f", {len(shown)} of {total} fit the filter"
    head = title(scene, "TROUBLE", remark if total else "none so far")
    chosen = scene.view.chosen(shown)
    blocks = []
    for place in range(min(len(shown), room + (chosen or 0))):
        told = place in (0, chosen) or not _alike(shown[place], shown[place - 1])
        blocks.append(_trouble(scene, shown[place], width, selected=place == chosen, told=told, roomy=room > 12))
    return [head, *_around(blocks, chosen, max(room - 1, 0))][:room]


def _alike(one: Connection, other: Connection) -> bool:
    """Whether one explanation serves both: of the same service, they differ in figures only."""
    same = one.outcome == other.outcome and one.cause == other.cause and one.server.service == other.server.service
    return same and (one.cause is not None or one.why == other.why)


def _around(blocks: list[list[Text]], chosen: int | None, room: int) -> list[Text]:
    """Lines from the first block on, or from where the chosen one still fits whole."""
    start = 0
    if chosen is not None:
        while start < chosen and sum(map(len, blocks[start : chosen + 1])) > room:
            start += 1
    return [line for block in blocks[start:] for line in block][:room]


def _trouble(
    scene: Scene, connection: Connection, width: int, *, selected: bool, told: bool, roomy: bool
) -> list[Text]:
    look = scene.look
    age = look.age(max(scene.snapshot.at_ns - connection.first_ns, 0))
    room = max(width - 2 - 12 - WHEN - 1, 6)
    line = look.line(
        (f"{look.cursor} " if selected else "  ", "bold"),
        (f"{connection.outcome:<12}", LOOKS.get(connection.outcome, "dim")),
        f"{_ends(scene, connection, room):<{room}} ", (f"{age:>{WHEN}}", "dim"),
    )  # fmt: skip
    if selected:
        line.stylize("bold")
    if not told:
        return [line]
    why = f"{connection.cause}: {connection.why}" if connection.cause else connection.why
    most = 3 if selected or roomy else 1
    return [line, *(look.line((text, "" if selected else "dim")) for text in look.prose(why, width, 4, most))]


def _ends(scene: Scene, connection: Connection, room: int) -> str:
    """Client and server; the server alone where there is no room for both."""
    look = scene.look
    client, server = (look.clean(str(end)) for end in (connection.client, connection.server))
    arrow = f" {look.words.arrow} "
    if room < 30:
        return look.elide(server, room)
    half = (room - len(arrow)) // 2
    # What one end does not need of its half is the other's.
    client = look.elide(client, max(half, room - len(arrow) - len(server)))
    return f"{client}{arrow}{look.elide(server, room - len(arrow) - len(client))}"
