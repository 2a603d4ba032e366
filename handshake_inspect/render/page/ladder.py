"""The ladder of one connection as an SVG drawing: segments between both ends, with states and notes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap

from markupsafe import Markup

from handshake_inspect.render.layout import Style
from handshake_inspect.render.page.svg import COLORS, INK, MUTED, SEVERITIES, tag
from handshake_inspect.render.quic_ladder import WORDS, QuicRungs
from handshake_inspect.render.rungs import SILENT_END, Note, Rungs, Signs
from handshake_inspect.report.quic_story import QuicStory
from handshake_inspect.report.story import Step, Story
from handshake_inspect.report.words import Side


@dataclass(frozen=True)
class Shape:
    """The dimensions of a drawing: widths and positions in pixels; `head`, `label` and `note` in characters.

    Narrow drawings have figures above the arrows and states below; wide ones have both beside them.
    """

    name: str
    width: int
    client: int
    server: int
    narrow: bool
    head: int  # a name centred above its end
    label: int  # a line on an arrow
    note: int  # a line of a note

    @property
    def middle(self) -> float:
        """The middle between both ends."""
        return (self.client + self.server) / 2


WIDE = Shape("wide", 820, 250, 706, False, 28, 200, 74)
NARROW = Shape("narrow", 360, 14, 346, True, 0, 44, 50)  # for phones
_FIGURES = ((64, 9, "muted", "end"), (124, 9, "plain", "end"), (130, 3, "muted", None))  # x, characters, look, anchor
_CHARACTER = 7  # pixels per character of a figure
_ROW, _NOTE = 26, 15  # height of a rung and of a line of a note, in pixels
_APART = 6  # pixels between notes and the rung below
_FIGURES_ROOM = 22  # height of a line of figures, in pixels
_PALE = "#c3cad2"
_STYLE = Style(color=False, encoding="utf-8")
_SIGNS = Signs(_STYLE)
_QUIC = {"initial": "syn", "retry": "rst", "version-negotiation": "rst"}  # the kinds of arrows
_MONO = "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
_KINDS = {
    "syn": COLORS["established"],
    "rst": SEVERITIES["critical"],
    "fin": SEVERITIES["info"],
    "icmp": SEVERITIES["critical"],
}
_SHEET = Markup("""
svg{background:#fff}
@media(prefers-color-scheme:dark){svg{background:#14181d}text{fill:#e4e8ec}.muted{fill:#9aa5b1}.life,.gone{stroke:#4a535e}
.plain{stroke:#e4e8ec;fill:#e4e8ec}text.plain{stroke:none}.odd{fill:#ff8a80}.round{fill:#6fb1ff}}
""")


@dataclass(frozen=True)
class Row:
    """One arrow: figures to its left, sender, label, changed states and notes."""

    figures: tuple[str, str, str]  # time, gap, frame
    sender: Side
    kind: str
    label: str
    states: tuple[str, str] = ("", "")
    before: tuple[Note, ...] = ()
    notes: tuple[Note, ...] = ()


def ladders(story: Story | QuicStory) -> Markup:
    """Return a wide and a narrow drawing; the style sheet shows the one that fits."""
    return ladder(story) + ladder(story, NARROW)


def ladder(story: Story | QuicStory, shape: Shape = WIDE, *, alone: bool = False) -> Markup:
    """Return the drawing; `alone` makes it a standalone SVG file."""
    ended = ("", "", "")
    if isinstance(story, QuicStory):
        rows, rest = quic_rows(QuicRungs(story, 200, _STYLE))
    else:
        rungs = Rungs(story, 200, _STYLE)
        rows, rest = list(tcp_rows(rungs)), rungs.rest()
        ended = (rungs.times[-1], rungs.end_gap, "")
    bracketed = any(row.states[0].startswith("(") for row in rows)
    drawn = _Drawing(shape, [*(row.figures for row in rows), ended], bracketed=bracketed)
    for row in rows:
        drawn.row(row)
    if rest is not None:
        drawn.note(rest)
    if isinstance(story, Story):
        drawn.end(rungs)
    c, height, top = story.connection, drawn.y + 8, drawn.top - 6
    heads = _heads(shape, f"client {c.client}", f"server {c.server}")
    ends = (shape.client, shape.server)
    lives = [tag("line", x1=x, x2=x, y1=top, y2=height - 4, class_="life", stroke=_PALE) for x in ends]
    what = f"Segments of connection {c.id}" if isinstance(story, Story) else f"Datagrams of connection q{c.id}"
    label = f"{what} from {c.client} to {c.server}, {c.outcome}"
    more: dict[str, object] = {"xmlns": "http://www.w3.org/2000/svg"} if alone else {}
    sheet = [tag("style", _SHEET)] if alone else []
    moved = tag("g", *lives, *heads, *drawn.parts, transform=f"translate({drawn.shift} 0)")
    width = shape.width + drawn.shift
    return tag(
        "svg", *sheet, *drawn.figures, moved, width=width, height=height, viewBox=f"0 0 {width} {height}",
        class_=f"ladder {shape.name}", display="none" if shape.narrow else None, role="img", aria_label=label,
        font_family="system-ui, sans-serif", **more,
    )  # fmt: skip


def _heads(shape: Shape, client: str, server: str) -> tuple[Markup, Markup]:
    """Return the names of both ends: centred above them, or at the edge if too long; stacked in narrow drawings."""
    edge = shape.width - 8
    return (
        _words(client, 8, 16, "head", None)
        if len(client) > shape.head
        else _words(client, shape.client, 16, "head", "middle"),
        _words(server, edge, 16 + _NOTE * shape.narrow, "head", "end")
        if len(server) > shape.head
        else _words(server, shape.server, 16, "head", "middle"),
    )


def tcp_rows(rungs: Rungs) -> Iterator[Row]:
    """Yield a row per segment."""
    client = server = ""
    for number, step in enumerate(rungs.story.steps):
        states = step.state
        shown = rungs.client_state(states.client) if states.client != client else ""
        yield Row(
            (rungs.times[number], rungs.deltas[number], f"#{step.frame}"),
            step.sender,
            _kind(step),
            rungs.labels[number] if step.icmp is None else f"ICMP {step.icmp.cause} from {step.icmp.ip}",
            (shown, states.server if states.server != server else ""),
            () if step.elided_before is None else (rungs.elision(step.elided_before),),
            tuple(rungs.notes(step)),
        )
        client, server = states.client, states.server


def quic_rows(rungs: QuicRungs) -> tuple[list[Row], Note | None]:
    """Return a row per datagram, and a note about unlisted ones."""
    rows = [
        Row(
            (rungs.times[number], rungs.gaps[number], f"#{step.frame}"),
            step.sender,
            "icmp" if step.icmp is not None else _QUIC.get(step.packets[0] if step.packets else "", "plain"),
            f"ICMP {step.icmp}" if step.icmp else f"{', '.join(WORDS[kind] for kind in step.packets)} +{step.length:,}",
            notes=tuple(rungs.notes(step)),
        )
        for number, step in enumerate(rungs.story.steps)
    ]
    return rows, rungs.rest()


class _Drawing:
    """Draws rows from the top down; everything right of the figures shifts to make room for long ones."""

    def __init__(self, shape: Shape, figures: Sequence[tuple[str, str, str]], *, bracketed: bool = False) -> None:
        self.shape = shape
        self.figures: list[Markup] = []
        self.parts: list[Markup] = []
        self.top = self.y = 30 + _NOTE * shape.narrow
        self._noted = False  # there are notes directly above, so leave a gap
        self.shift = 0
        self._places = []
        if shape.narrow:
            return
        for (x, room, kind, anchor), cells in zip(_FIGURES, zip(*figures, strict=True), strict=True):
            more = _CHARACTER * max(max(map(len, cells)) - room, 0)
            self._places.append((x + self.shift + (more if anchor else 0), kind, anchor))
            self.shift += more
        self.shift += 3 * _CHARACTER * bracketed

    def row(self, row: Row) -> None:
        """Draw an arrow with its figures, label, states and notes."""
        self._keep_away()
        for note in row.before:
            self.note(note)
        self._noted = False
        lines = wrap(row.label, self.shape.label) or [""]
        self.y += _ROW + _NOTE * (len(lines) - 1) + _FIGURES_ROOM * self.shape.narrow
        y, kind = self.y, row.kind
        self._figures(row.figures, y - 9 - _NOTE * len(lines))
        ends = (self.shape.client, self.shape.server)
        start, end = ends if row.sender == "client" else ends[::-1]
        toward, color = (1 if end > start else -1), _KINDS.get(kind, INK)
        dashes = "4 3" if kind == "icmp" else None
        shaft = f"M{start} {y - 6}L{end - toward * 7} {y}"
        self.parts += [
            tag("path", d=shaft, class_=kind, stroke=color, stroke_width="1.5", fill="none", stroke_dasharray=dashes),
            tag("path", d=f"M{end} {y}l{-toward * 9} -4.5v9z", class_=kind, fill=color),
            *(self._label(line, y - 9 - _NOTE * above, kind, color) for above, line in enumerate(reversed(lines))),
        ]
        self._states(y - 8, row.states)
        for note in row.notes:
            self.note(note)

    def _keep_away(self) -> None:
        self.y += _APART * self._noted
        self._noted = False

    def _label(self, line: str, y: int, kind: str, color: str) -> Markup:
        return tag(
            "text", line, x=self.shape.middle, y=y, class_=f"{kind} mono", fill=color, font_size=12,
            font_family=_MONO, text_anchor="middle",
        )  # fmt: skip

    def _figures(self, figures: tuple[str, str, str], above: int) -> None:
        """Draw time, gap and frame: at the left, or in narrow drawings in a line at `above`."""
        if self.shape.narrow and any(figures):
            words = " \N{MIDDLE DOT} ".join(filter(None, (each.strip() for each in figures)))
            self.parts.append(_words(words, self.shape.middle, above, "muted", "middle"))
        for words, (x, kind, anchor) in zip(figures, self._places, strict=False):
            if words:
                self.figures.append(_words(words, x, self.y, kind, anchor))

    def _states(self, y: int, states: tuple[str, str]) -> None:
        client, server = states
        if self.shape.narrow:
            y = self.y = self.y + _NOTE * any(states)
        out = -6 if self.shape.narrow else 8  # distance from the ends
        if client:
            self.parts.append(_words(client, self.shape.client - out, y, "state", None if out < 0 else "end"))
        if server:
            self.parts.append(_words(server, self.shape.server + out, y, "state", "end" if out < 0 else None))

    def note(self, note: Note) -> None:
        """Draw a wrapped note."""
        self._noted = True
        kind = {_SIGNS.anomaly: "odd", _SIGNS.rtt: "round"}.get(note.sign, "muted")
        room = self.shape.note * 7 // 8 if kind == "odd" else self.shape.note  # bold letters are wider
        for number, line in enumerate(wrap(note.text, room)):
            self.y += _NOTE
            words = f"{note.sign} {line}" if number == 0 else line
            words = words.replace("\N{NO-BREAK SPACE}", " ").strip()
            self.parts.append(_words(words, self.shape.middle, self.y, kind, "middle"))

    def end(self, rungs: Rungs) -> None:
        """Draw the final states of both ends."""
        state, steps = rungs.story.connection.state, rungs.story.steps
        self._keep_away()
        self.y += _ROW + _FIGURES_ROOM * self.shape.narrow
        y, ends = self.y, {"x1": self.shape.client, "x2": self.shape.server}
        self._figures((rungs.times[-1], rungs.end_gap, ""), y - 8 - _NOTE)
        self.parts.append(tag("line", **ends, y1=y - 4, y2=y - 4, class_="gone", stroke=_PALE, stroke_dasharray="3 4"))
        self.parts.append(_words(rungs.last.strip(), self.shape.middle, y - 8, "muted", "middle"))
        self._states(y, (rungs.client_state(state.client), state.server))
        if steps and steps[-1].state != state:
            self.note(Note(_SIGNS.event, SILENT_END))


def _kind(step: Step) -> str:
    """Return the style of an arrow."""
    if step.icmp is not None:
        return "icmp"
    return next((kind for letter, kind in (("R", "rst"), ("S", "syn"), ("F", "fin")) if letter in step.flags), "plain")


_LOOKS = {
    "head": (13, INK, "600"), "state": (11, INK, "600"), "muted": (11, MUTED, None), "plain": (11, INK, None),
    "odd": (11.5, SEVERITIES["critical"], "600"), "round": (11, "#1f5fa8", None),
}  # fmt: skip


def _words(words: str, x: float, y: float, kind: str, anchor: str | None) -> Markup:
    size, fill, weight = _LOOKS[kind]
    return tag("text", words, x=x, y=y, class_=kind, fill=fill, font_size=size, font_weight=weight, text_anchor=anchor)
