"""Pages of the live screen: the overview in several sizes, details, and help."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.text import Text

from handshake_inspect.render.screen import details, panels
from handshake_inspect.render.screen.look import Look, Part
from handshake_inspect.render.screen.rows import lists
from handshake_inspect.render.screen.scene import Scene
from handshake_inspect.wire.text import plural, rounded

NARROW, WIDE = 60, 150  # columns: below NARROW only key figures; from WIDE on, parts are side by side
SERVED = 54  # percent of a wide screen that services have: processes and two kinds of failure fit from 160 columns on
LOW = 18  # lines; below, only key figures


def page(scene: Scene) -> list[Text]:
    """Return the lines of the screen, exactly as many as it has, none wider than it."""
    body = {"help": help_page, "detail": details.detail}.get(scene.view.mode)
    if body is not None:
        lines = _scrolled(scene, body(scene))
    elif scene.width < NARROW or scene.height < LOW:
        lines = small(scene)
    else:
        lines = overview(scene)
    foot = footer(scene)
    lines = lines[: max(scene.height - 1, 0)]
    lines += [scene.look.line()] * (scene.height - 1 - len(lines))
    lines.append(foot)
    for line in lines:
        line.truncate(scene.width, overflow="crop")
    return lines[: scene.height]


def _scrolled(scene: Scene, lines: list[Text]) -> list[Text]:
    """Return a header and the visible part of scrolled lines."""
    room = max(scene.height - 3, 1)
    scene.view.scroll = max(min(scene.view.scroll, len(lines) - room), 0)
    below = len(lines) - scene.view.scroll - room
    rest = scene.look.rule * scene.width
    if below > 0:
        note = f" {plural(below, 'more line')} below "
        rest = scene.look.rule * max(scene.width - len(note) - 3, 0) + note + scene.look.rule * 3
    shown = lines[scene.view.scroll : scene.view.scroll + room]
    shown += [scene.look.line()] * (room - len(shown))
    return [panels.header(scene), *shown, scene.look.line((rest, "dim"))]


def footer(scene: Scene) -> Text:
    """Return the line with the keys available now."""
    look, view = scene.look, scene.view
    if view.mode == "filter":
        return _typing(scene)
    if view.mode == "detail":
        keys = [("Esc", "back"), (look.updown, "scroll"), ("p", "pause"), ("?", "help"), ("q", "quit")]
    elif view.mode == "help":
        keys = [("Esc", "back"), (look.updown, "scroll"), ("q", "quit")]
    elif scene.width < NARROW:
        keys = [("q", "quit"), ("p", "pause"), ("/", "filter"), ("?", "help")]
    else:
        keys = [
            ("q", "quit"), ("p", "go on" if view.paused else "pause"), ("s", "sort"), ("/", "filter"),
            (look.updown, "choose"), ("Tab", "next list"), ("Enter", "details"), ("?", "help"),
        ]  # fmt: skip
    parts: list[Part] = [" "]
    if view.filter and view.mode == "overview":
        parts += [(f"filter: {look.cut(look.clean(view.filter), 24)}", "bold yellow"), "   "]
    return look.line(*parts, *_keys(keys, scene.width - look.line(*parts).cell_len))


def _keys(keys: Sequence[tuple[str, str]], room: int) -> list[Part]:
    """Return as many key descriptions as fit; those in the middle are dropped first."""
    kept = list(keys)
    while len(kept) > 1 and sum(len(f"{key} {does}   ") for key, does in kept) - 3 > room:
        del kept[len(kept) // 2]
    parts: list[Part] = [part for key, does in kept for part in ((key, "bold"), (f" {does}", "dim"), "   ")]
    return parts[:-1]


def _typing(scene: Scene) -> Text:
    """Return the input line of the filter, with any error."""
    look, typed = scene.look, scene.look.clean(scene.view.filter)
    hint = "address, port, outcome or process; or as -Y: server.port == 443; Enter, Esc"
    if scene.view.is_expression:
        hint = look.clean(scene.fault) or "understood; Enter keeps it, Esc drops it"
    room = scene.width - len(" filter:  _   ") - len(typed) - 1
    hints: list[Part] = [f"   {look.cut(hint, room)}"] if room >= 12 else []
    return look.line((" filter: ", "bold reverse"), " ", typed, ("_", "bold"), *hints)


# --- overview ---------------------------------------------------------------------------------------------------------


def overview(scene: Scene) -> list[Text]:
    """Return the overview: rates and RTT on top, then findings, services and lists as room permits."""
    look, width = scene.look, scene.width
    gap = [look.line()] if scene.height >= 22 else []
    rule = look.line((look.rule * width, "dim"))
    top = _top(scene, 6 if scene.height < 32 else 9 if scene.height < 44 else 12)
    lines = [panels.header(scene), rule, *top, *gap]
    room = scene.height - len(lines) - 1
    found = panels.findings(scene, width, max(room * 2 // 5, 2))
    lines += [*found, *gap]
    room -= len(found) + len(gap)
    if width >= WIDE:
        left = width * SERVED // 100
        return lines + look.columns(panels.services(scene, left, room), lists(scene, width - left - 3, room), left)
    # Lists may use the room that services leave, and vice versa.
    least = max(room * 2 // 5, 2)
    wanted = 1 + max(len(scene.services), 1)
    listed = lists(scene, width, max(room - min(wanted, least) - len(gap), 1))
    served = panels.services(scene, width, max(room - len(listed) - len(gap), 1))
    return [*lines, *served, *gap, *listed]


def _top(scene: Scene, room: int) -> list[Text]:
    """Return attempts and outcomes beside RTT and half-open connections."""
    right = 35
    left = scene.width - right - 3
    legs, half = panels.rtt(scene), panels.half_open(scene)
    beside = [*legs, scene.look.line(), *half] if room > len(legs) + len(half) else [*legs, *half]
    return scene.look.columns(panels.attempts(scene, left, room), beside[:room], left)


def small(scene: Scene) -> list[Text]:
    """Return the key figures for tiny terminals, one per line, most important first."""
    look, snapshot, width = scene.look, scene.snapshot, scene.width
    half_open = snapshot.half_open
    series = scene.series(lambda second: second.attempts, max(width - 22, 1))
    lines = [
        panels.header(scene),
        look.line(f"{rounded(round(scene.frames_per_s))} frames/s, ", *panels.drops(scene)),
        look.line(("attempts ", "bold"), f"{rounded(series[-1])}/s ", (look.chart(series)[0], "cyan")),
        look.line(("half-open ", "bold"), f"{rounded(half_open)} now, peak {rounded(snapshot.half_open_peak)}"),
        look.line(
            ("RTT ", "bold"),
            f"p50 {look.duration(snapshot.rtt.total.p50_ns)}, p99 {look.duration(snapshot.rtt.total.p99_ns)}",
        ),
    ]
    counts = sorted(snapshot.outcomes.items(), key=lambda item: (item[0] != "established", -item[1]))
    outcomes = ", ".join(f"{rounded(count)} {name}" for name, count in counts if count) or "nothing decided yet"
    lines += map(look.line, look.prose(outcomes, width, 0, 2))
    room = max(scene.height - 1 - len(lines), 0)
    found = panels.findings(scene, width, min(2, room)) if snapshot.findings else []
    return [*lines, *found, *(lists(scene, width, room - len(found)) if room > len(found) else [])]


# --- help -------------------------------------------------------------------------------------------------------------

_HELP = (
    ("KEYS", (
        ("q", "stop the capture and print the report (Ctrl-C does too)"),
        ("p", "hold the screen still, or let it go on; the capture always goes on"),
        ("s", "sort services: busiest, most trouble, slowest, by address"),
        ("/", "show only what has an address, port, outcome or process that you type, or passes an expression of -Y"),
        ("Tab", "go to the next list: trouble, connections, findings"),
        ("{updown} j k", "choose a row of the list; Home: follow the newest again"),
        ("Enter", "unfold a kind of trouble; details: why, handshake, RTT, states, process, segments, numbers"),
        ("Esc", "back; drop the choice, then the filter"),
    )),
    ("WORDS", (
        ("attempt", "a client sends a SYN; sending it again is the same attempt"),
        ("established", "the handshake completed: SYN, SYN-ACK, ACK"),
        ("refused", "a RST answered the SYN: nothing listens there"),
        ("rejected", "an ICMP error answered the SYN"),
        ("timed-out", "nothing answered the SYN"),
        ("half-open", "a SYN-ACK answered, but the handshake was not completed"),
        ("aborted", "the client itself reset the attempt"),
        ("pending", "too early to know"),
    )),
    ("HANDSHAKE RTT", (
        ("to the server", "SYN to SYN-ACK: from here to the server and back"),
        ("to the client", "SYN-ACK to ACK: from here to the client and back"),
        ("total", "their sum: what connecting takes"),
        ("p50, p99", "half, or 99 of 100, of the handshakes took no longer"),
    )),
    ("DROPS", (
        ("dropped", "frames that came faster than they could be read: verdicts on them may be wrong"),
    )),
)  # fmt: skip


def help_page(scene: Scene) -> list[Text]:
    """Return the help page: keys and terms."""
    look = scene.look
    lines = []
    for heading, entries in _HELP:
        lines += [look.line(), look.line((heading, "bold"))]
        for name, meaning in entries:
            label = name.format(updown=look.updown)
            first, *rest = look.prose(meaning, scene.width, 17, 3)
            lines += [look.line((f"  {label:<15}", "cyan"), first.strip()), *map(look.line, rest)]
    return lines


def waiting(look: Look, interface: str, width: int, height: int) -> list[Text]:
    """Return the lines shown before the first snapshot."""
    where = f" on {look.clean(interface)}" if interface else ""
    makers: list[Callable[[], Text]] = [
        lambda: look.line((" hsi live ", "bold reverse"), f" waiting for the first frames{where}"),
        look.line,
        lambda: look.line((" q", "bold"), (" quit", "dim")),
    ]
    lines = [make() for make in makers][:height]
    for line in lines:
        line.truncate(width, overflow="crop")
    return lines + [look.line()] * (height - len(lines))
