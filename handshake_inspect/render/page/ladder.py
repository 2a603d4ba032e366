"""The ladder of one connection as a drawing: its segments between its two ends, with their states and what they did."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap

from markupsafe import Markup

from handshake_inspect.render.layout import Style
from handshake_inspect.render.page.svg import COLORS, SEVERITIES, tag
from handshake_inspect.render.rungs import SILENT_END, Note, Rungs
from handshake_inspect.report.story import Step, Story

WIDTH = 820
_CLIENT, _SERVER = 250, 706  # where the two ends stand
_TIME, _GAP, _FRAME = 64, 124, 130  # columns of figures
_MIDDLE = (_CLIENT + _SERVER) / 2
_ROW, _NOTE = 26, 15  # pixels of a rung, and of a line below it
_LINE = 74  # characters of a note
_INK, _MUTED = "#1d232a", "#5b6570"
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


def ladder(story: Story, *, alone: bool = False) -> Markup:
    """The drawing; `alone` makes it a file of its own."""
    rungs = Rungs(story, 200, Style(color=False, encoding="utf-8"))
    drawn = _Drawing(rungs)
    drawn.all()
    height = drawn.y + 8
    c = story.connection
    heads = [
        _words(f"client {c.client}", _CLIENT, 16, "head", "middle"),
        _words(f"server {c.server}", _SERVER, 16, "head", "middle"),
    ]
    lives = [tag("line", x1=x, x2=x, y1=24, y2=height - 4, class_="life", stroke="#c3cad2") for x in (_CLIENT, _SERVER)]
    label = f"Segments of connection {c.id} from {c.client} to {c.server}, {c.outcome}"
    more: dict[str, object] = {"xmlns": "http://www.w3.org/2000/svg"} if alone else {}
    sheet = [tag("style", _SHEET)] if alone else []
    return tag(
        "svg", *sheet, *lives, *heads, *drawn.parts, width=WIDTH, height=height, viewBox=f"0 0 {WIDTH} {height}",
        class_="ladder", role="img", aria_label=label, font_family="system-ui, sans-serif", **more,
    )  # fmt: skip


class _Drawing:
    """Rungs from the top down."""

    def __init__(self, rungs: Rungs) -> None:
        self.rungs = rungs
        self.parts: list[Markup] = []
        self.y = 30

    def all(self) -> None:
        """Every rung with its notes, and the end."""
        before: Step | None = None
        for number, step in enumerate(self.rungs.story.steps):
            if step.elided_before is not None:
                self._note(self.rungs.elision(step.elided_before))
            self._rung(number, step, before)
            for note in self._notes(step):
                self._note(note)
            before = step
        if (rest := self.rungs.rest()) is not None:
            self._note(rest)
        self._end(before)

    def _notes(self, step: Step) -> Iterator[Note]:
        yield from self.rungs.notes(step)

    def _rung(self, number: int, step: Step, before: Step | None) -> None:
        self.y += _ROW
        y, kind = self.y, _kind(step)
        self._left(self.rungs.times[number], self.rungs.deltas[number], f"#{step.frame}")
        start, end = (_CLIENT, _SERVER) if step.sender == "client" else (_SERVER, _CLIENT)
        toward = 1 if end > start else -1
        color = _KINDS.get(kind, _INK)
        self.parts.append(
            tag("path", d=f"M{start} {y - 6}L{end - toward * 7} {y}", class_=kind, stroke=color, stroke_width="1.5",
                fill="none", stroke_dasharray="4 3" if kind == "icmp" else None)
        )  # fmt: skip
        self.parts.append(tag("path", d=f"M{end} {y}l{-toward * 9} -4.5v9z", class_=kind, fill=color))
        self.parts.append(self._label(number, step, kind, color))
        self._states(step, before)

    def _label(self, number: int, step: Step, kind: str, color: str) -> Markup:
        words = self.rungs.labels[number] if step.icmp is None else f"ICMP {step.icmp.cause} from {step.icmp.ip}"
        return tag(
            "text", words, x=_MIDDLE, y=self.y - 9, class_=f"{kind} mono", fill=color, font_size=12, font_family=_MONO,
            text_anchor="middle",
        )  # fmt: skip

    def _left(self, *cells: str) -> None:
        for words, x, kind in zip(cells, (_TIME, _GAP, _FRAME), ("muted", "plain", "muted"), strict=True):
            anchor = None if x == _FRAME else "end"
            if words:
                self.parts.append(_words(words, x, self.y, kind, anchor))

    def _states(self, step: Step, before: Step | None) -> None:
        was = before.state if before is not None else None
        for state, x, anchor, changed in (
            (step.state.client, _CLIENT - 8, "end", was is None or was.client != step.state.client),
            (step.state.server, _SERVER + 8, None, was is None or was.server != step.state.server),
        ):
            if changed:
                self.parts.append(_words(state, x, self.y - 8, "state", anchor))

    def _note(self, note: Note) -> None:
        signs = self.rungs.signs
        kind = {signs.anomaly: "odd", signs.rtt: "round"}.get(note.sign, "muted")
        for number, line in enumerate(wrap(note.text, _LINE)):
            self.y += _NOTE
            words = f"{note.sign} {line}" if number == 0 else line
            words = words.replace("\N{NO-BREAK SPACE}", " ").strip()
            self.parts.append(_words(words, _MIDDLE, self.y, kind, "middle"))

    def _end(self, last: Step | None) -> None:
        state = self.rungs.story.connection.state
        self.y += _ROW
        self._left(self.rungs.times[-1], self.rungs.end_gap, "")
        self.parts.append(
            tag("line", x1=_CLIENT, x2=_SERVER, y1=self.y - 4, y2=self.y - 4, class_="gone", stroke="#c3cad2",
                stroke_dasharray="3 4")
        )  # fmt: skip
        self.parts.append(_words(state.client, _CLIENT - 8, self.y, "state", "end"))
        self.parts.append(_words(state.server, _SERVER + 8, self.y, "state", None))
        self.parts.append(_words(self.rungs.last.strip(), _MIDDLE, self.y - 8, "muted", "middle"))
        if last is not None and last.state != state:
            self._note(Note(self.rungs.signs.event, SILENT_END))


def _kind(step: Step) -> str:
    """What the arrow is painted as."""
    if step.icmp is not None:
        return "icmp"
    return next((kind for letter, kind in (("R", "rst"), ("S", "syn"), ("F", "fin")) if letter in step.flags), "plain")


_LOOKS = {
    "head": (13, _INK, "600"), "state": (11, _INK, "600"), "muted": (11, _MUTED, None), "plain": (11, _INK, None),
    "odd": (11.5, SEVERITIES["critical"], "600"), "round": (11, "#1f5fa8", None),
}  # fmt: skip


def _words(words: str, x: float, y: float, kind: str, anchor: str | None) -> Markup:
    size, fill, weight = _LOOKS[kind]
    return tag("text", words, x=x, y=y, class_=kind, fill=fill, font_size=size, font_weight=weight, text_anchor=anchor)
