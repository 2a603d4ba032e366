"""The ladder of one connection as a drawing: its segments between its two ends, with their states and what they did."""

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

WIDTH = 820
_CLIENT, _SERVER = 250, 706  # where the two ends stand
_FIGURES = ((64, 9, "muted", "end"), (124, 9, "plain", "end"), (130, 3, "muted", None))  # place, characters, look
_CHARACTER = 7  # pixels, of a figure
_MIDDLE = (_CLIENT + _SERVER) / 2
_ROW, _NOTE = 26, 15  # pixels of a rung, and of a line below it
_HEAD = 28  # characters of a name that stands in the middle
_LINE = 74  # characters of a note
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
    """One arrow: what stands to the left of it and on it, who sent it, the states that changed, and its notes."""

    figures: tuple[str, str, str]  # time, gap, frame
    sender: Side
    kind: str
    label: str
    states: tuple[str, str] = ("", "")
    before: tuple[Note, ...] = ()
    notes: tuple[Note, ...] = ()


def ladder(story: Story | QuicStory, *, alone: bool = False) -> Markup:
    """The drawing; `alone` makes it a file of its own."""
    ended = ("", "", "")
    if isinstance(story, QuicStory):
        rows, rest = quic_rows(QuicRungs(story, 200, _STYLE))
    else:
        rungs = Rungs(story, 200, _STYLE)
        rows, rest = list(tcp_rows(rungs)), rungs.rest()
        ended = (rungs.times[-1], rungs.end_gap, "")
    drawn = _Drawing([*(row.figures for row in rows), ended])
    for row in rows:
        drawn.row(row)
    if rest is not None:
        drawn.note(rest)
    if isinstance(story, Story):
        drawn.end(rungs)
    c, height = story.connection, drawn.y + 8
    heads = [_head(f"client {c.client}", _CLIENT, 8, None), _head(f"server {c.server}", _SERVER, WIDTH - 8, "end")]
    lives = [tag("line", x1=x, x2=x, y1=24, y2=height - 4, class_="life", stroke=_PALE) for x in (_CLIENT, _SERVER)]
    label = f"Segments of connection {c.id} from {c.client} to {c.server}, {c.outcome}"
    more: dict[str, object] = {"xmlns": "http://www.w3.org/2000/svg"} if alone else {}
    sheet = [tag("style", _SHEET)] if alone else []
    moved = tag("g", *lives, *heads, *drawn.parts, transform=f"translate({drawn.shift} 0)")
    width = WIDTH + drawn.shift
    return tag(
        "svg", *sheet, *drawn.figures, moved, width=width, height=height, viewBox=f"0 0 {width} {height}",
        class_="ladder", role="img", aria_label=label, font_family="system-ui, sans-serif", **more,
    )  # fmt: skip


def _head(words: str, x: int, edge: int, anchor: str | None) -> Markup:
    """The name of an end above it; one that is too long for that at the edge."""
    long = len(words) > _HEAD
    return _words(words, edge if long else x, 16, "head", anchor if long else "middle")


def tcp_rows(rungs: Rungs) -> Iterator[Row]:
    """A row for each segment."""
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
    """A row for each datagram, and what is said of those that are not listed."""
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
    """Rows from the top down; what is right of the figures makes room for long ones."""

    def __init__(self, figures: Sequence[tuple[str, str, str]]) -> None:
        self.figures: list[Markup] = []
        self.parts: list[Markup] = []
        self.y = 30
        self.shift = 0
        self._places = []
        for (x, room, kind, anchor), cells in zip(_FIGURES, zip(*figures, strict=True), strict=True):
            more = _CHARACTER * max(max(map(len, cells)) - room, 0)
            self._places.append((x + self.shift + (more if anchor else 0), kind, anchor))
            self.shift += more

    def row(self, row: Row) -> None:
        """An arrow, with what belongs to it."""
        for note in row.before:
            self.note(note)
        self.y += _ROW
        y, kind = self.y, row.kind
        self._left(row.figures)
        start, end = (_CLIENT, _SERVER) if row.sender == "client" else (_SERVER, _CLIENT)
        toward, color = (1 if end > start else -1), _KINDS.get(kind, INK)
        dashes = "4 3" if kind == "icmp" else None
        shaft = f"M{start} {y - 6}L{end - toward * 7} {y}"
        self.parts += [
            tag("path", d=shaft, class_=kind, stroke=color, stroke_width="1.5", fill="none", stroke_dasharray=dashes),
            tag("path", d=f"M{end} {y}l{-toward * 9} -4.5v9z", class_=kind, fill=color),
            tag(
                "text", row.label, x=_MIDDLE, y=y - 9, class_=f"{kind} mono", fill=color, font_size=12,
                font_family=_MONO, text_anchor="middle",
            ),
        ]  # fmt: skip
        self._states(y - 8, row.states)
        for note in row.notes:
            self.note(note)

    def _left(self, figures: tuple[str, str, str]) -> None:
        for words, (x, kind, anchor) in zip(figures, self._places, strict=True):
            if words:
                self.figures.append(_words(words, x, self.y, kind, anchor))

    def _states(self, y: int, states: tuple[str, str]) -> None:
        client, server = states
        if client:
            self.parts.append(_words(client, _CLIENT - 8, y, "state", "end"))
        if server:
            self.parts.append(_words(server, _SERVER + 8, y, "state", None))

    def note(self, note: Note) -> None:
        """A note, wrapped."""
        kind = {_SIGNS.anomaly: "odd", _SIGNS.rtt: "round"}.get(note.sign, "muted")
        for number, line in enumerate(wrap(note.text, _LINE)):
            self.y += _NOTE
            words = f"{note.sign} {line}" if number == 0 else line
            words = words.replace("\N{NO-BREAK SPACE}", " ").strip()
            self.parts.append(_words(words, _MIDDLE, self.y, kind, "middle"))

    def end(self, rungs: Rungs) -> None:
        """What both ends are in when the capture ends."""
        state, steps = rungs.story.connection.state, rungs.story.steps
        self.y += _ROW
        y = self.y
        self._left((rungs.times[-1], rungs.end_gap, ""))
        self.parts.append(
            tag(
                "line", x1=_CLIENT, x2=_SERVER, y1=y - 4, y2=y - 4, class_="gone", stroke=_PALE, stroke_dasharray="3 4"
            )
        )  # fmt: skip
        self._states(y, (rungs.client_state(state.client), state.server))
        self.parts.append(_words(rungs.last.strip(), _MIDDLE, y - 8, "muted", "middle"))
        if steps and steps[-1].state != state:
            self.note(Note(_SIGNS.event, SILENT_END))


def _kind(step: Step) -> str:
    """What the arrow is painted as."""
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
