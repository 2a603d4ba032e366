"""Detail pages of the live screen: a connection with its ladder, or a finding with its metrics."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rich.text import Text

from handshake_inspect.render.finding_lines import SEVERITY_LOOKS, figures, listed
from handshake_inspect.render.layout import LOOKS
from handshake_inspect.render.screen.look import Look
from handshake_inspect.render.screen.scene import Scene
from handshake_inspect.report.model import Connection, Direction, Finding, Leg
from handshake_inspect.report.process import Kernel, owner_text
from handshake_inspect.wire.text import bounds, moment, plural

_SGR = re.compile(r"(\x1b\[[0-9;]*m)")
_METHODS = {
    "exact": "", "tsecr": "sent again; the echoed timestamp proves which copy was answered",
    "ambiguous": "sent again; nothing shows which copy was answered",
    "data-ack": "a later segment stood in for the final ACK: at most this", "one-sided": "one direction is missing",
}  # fmt: skip
SEVERITIES = {severity: f"bold {look}" for severity, look in SEVERITY_LOOKS.items()}
CITED = 12  # frames or connections of the evidence


def detail(scene: Scene) -> list[Text]:
    """Return the page of the selected connection or finding."""
    shown = scene.view.shown
    if isinstance(shown, Finding):
        return _finding(scene, shown)
    return [] if shown is None else _connection(scene, shown)


# --- connections ------------------------------------------------------------------------------------------------------


def _connection(scene: Scene, c: Connection) -> list[Text]:
    """Return the page of a connection: reason, handshake, RTT, states, processes, and its ladder if available."""
    look = scene.look
    words = c.outcome + (f", {c.cause}" if c.cause else "")
    lines = [
        look.line(),
        look.line((f"CONNECTION {c.id}", "bold"), "  ", (look.clean(words), LOOKS.get(c.outcome, "dim")), *(
            () if c.decided else (" (not decided yet)",)
        )),
        *(look.line(text) for text in look.prose(c.why, scene.width, 2, 6)),
        look.line(),
    ]  # fmt: skip
    guess = "" if c.roles == "observed" else " (no SYN in the capture: who opened is a guess)"
    age = look.age(max(scene.snapshot.at_ns - c.first_ns, 0))
    facts = [
        ("client", str(c.client) + guess), ("server", str(c.server)),
        ("began", f"{moment(c.first_ns)}, {age}"), ("handshake", _handshake(c)), *_rtt(c, look),
        ("states", f"client {c.state.client}, server {c.state.server}"),
        ("client", _direction(c.client_to_server)), ("server", _direction(c.server_to_client)), *_whose(c, look),
    ]  # fmt: skip
    for label, text in facts:
        first, *rest = look.prose(text, scene.width, 13, 3) or [""]
        lines += [look.line((f"  {label:<11}", "dim"), first.strip()), *map(look.line, rest)]
    lines += list(_kernel(scene, c))
    if scene.story is not None:
        lines += [look.line(), *_told(scene.story, look)]
    return lines


def _whose(c: Connection, look: Look) -> list[tuple[str, str]]:
    """Return labelled lines with the processes of both ends."""
    owners = [] if c.process is None else [("client", c.process.client), ("server", c.process.server)]
    known = [f"{who} {look.clean(owner_text(owner))}" for who, owner in owners if owner is not None]
    return [("process" if not place else "", text) for place, text in enumerate(known)]


def _kernel(scene: Scene, c: Connection) -> Iterator[Text]:
    """Yield the kernel's view of the ends on this host, and its differences from the wire."""
    look = scene.look
    yield from _listener(scene, c)
    if c.process is None:
        return
    ends = (("client", c.process.client, c.client_to_server), ("server", c.process.server, c.server_to_client))
    label = "kernel"
    for who, owner, sent in ends:
        kernel = owner.kernel if owner is not None else None
        if kernel is None:
            continue
        yield look.line((f"  {label:<11}", "dim"), f"{who} {_measured(kernel, look)}")
        label = ""
        for text in _differences(kernel, getattr(c.state, who), sent):
            for line in look.prose(f"{look.words.warning} {text}", scene.width, 13, 2):
                yield look.line((line, "bold yellow"))


def _listener(scene: Scene, c: Connection) -> Iterator[Text]:
    """Yield the state of the server's accept queue."""
    services = scene.snapshot.services
    listener = next((each.listener for each in services if each.server == c.server.service), None)
    if listener is None:
        return
    full = listener.is_full
    waiting = f"{listener.queued:,} waiting for accept(), backlog {listener.backlog:,}"
    mark = f"{scene.look.words.warning} full: " if full else ""
    yield scene.look.line((f"  {'listener':<11}", "dim"), (f"{mark}{waiting}", "bold yellow" if full else ""))


def _measured(kernel: Kernel, look: Look) -> str:
    rtt = ""
    if kernel.rtt_ns is not None:
        rtt = f", RTT {look.duration(kernel.rtt_ns)}"
        rtt += f" (least {look.duration(kernel.min_rtt_ns)})" if kernel.min_rtt_ns is not None else ""
    again = f", {kernel.retransmissions:,} sent again" if kernel.retransmissions is not None else ""
    return f"{kernel.state}{rtt}{again}" + (f", cwnd {kernel.cwnd}" if kernel.cwnd is not None else "")


def _differences(kernel: Kernel, state: str, sent: Direction) -> Iterator[str]:
    """Yield differences between kernel and wire; the wire may be seen later, or segments were not captured."""
    if kernel.state != state:
        yield f"state: {state} on the wire"
    if kernel.retransmissions is not None and kernel.retransmissions != sent.retransmissions:
        yield f"sent again: {sent.retransmissions:,} on the wire"


def _handshake(c: Connection) -> str:
    shake = c.handshake
    parts = [plural(shake.syn_count, "SYN"), plural(shake.synack_count, "SYN-ACK")]
    return ", ".join([*parts, "final ACK seen" if shake.ack_frame is not None else "no final ACK"])


def _rtt(c: Connection, look: Look) -> list[tuple[str, str]]:
    if c.rtt.reject_ns is not None:
        return [("RTT", f"none: answered with an error after {look.duration(c.rtt.reject_ns)}")]
    legs = {"to the server": c.rtt.synack, "to the client": c.rtt.ackdat, "total": c.rtt.total}
    known = [f"{name} {_leg(leg, look)}" for name, leg in legs.items() if leg.max_ns is not None]
    return [("" if place else "RTT", text) for place, text in enumerate(known)] or [("RTT", "not measured")]


def _leg(leg: Leg, look: Look) -> str:
    value = bounds(leg.value_ns, leg.min_ns, leg.max_ns, look.words.micro)
    how = _METHODS.get(leg.method, leg.method)
    return f"{value} ({how})" if how else value


def _direction(way: Direction) -> str:
    again = f", {plural(way.retransmissions, 'retransmission')}" if way.retransmissions else ""
    return f"sent {plural(way.frames, 'segment')}, {plural(way.bytes, 'byte')}{again}"


def _told(story: str, look: Look) -> list[Text]:
    """Convert a rendered ladder: colours are kept, all other control sequences escaped."""
    lines = []
    for row in story.splitlines():
        pieces = [piece if _SGR.fullmatch(piece) else look.clean(piece) for piece in _SGR.split(row)]
        text = Text.from_ansi("".join(pieces), no_wrap=True, overflow="crop", end="\n")
        lines.append(text if look.color else look.line(text.plain))
    return lines


# --- findings ---------------------------------------------------------------------------------------------------------


def _finding(scene: Scene, found: Finding) -> list[Text]:
    """Return the page of a finding: title, advice, metrics and evidence."""
    look = scene.look
    target = f"  {look.clean(str(found.target))}" if found.target is not None else ""
    lines = [
        look.line(),
        look.line((found.severity.upper(), SEVERITIES[found.severity]), "  ", (found.id, "bold"), target),
        *map(look.line, look.prose(found.title, scene.width, 2, 8)),
        look.line(),
        *map(look.line, look.prose(found.advice, scene.width, 2, 8)),
        look.line(),
    ]
    facts = [("since", _moment(scene, found.start_ns)), ("until", _moment(scene, found.end_ns)), *_numbers(found, look)]
    frames, connections = (listed(each, CITED) for each in (found.evidence.frames, found.evidence.connections))
    facts += [("frames", frames), ("connections", connections)]
    width = max(len(label) for label, _ in facts) + 2
    for label, text in facts:
        if text:
            first, *rest = look.prose(text, scene.width, width + 2, 4) or [""]
            lines += [look.line((f"  {label:<{width}}", "dim"), first.strip()), *map(look.line, rest)]
    return lines


def _moment(scene: Scene, ns: int | None) -> str:
    return "" if ns is None else f"{moment(ns)}, {scene.look.age(max(scene.snapshot.at_ns - ns, 0))}"


def _numbers(found: Finding, look: Look) -> list[tuple[str, str]]:
    return [(name.replace("_", " "), look.clean(value)) for name, value in figures(found.metrics, look.words)]
