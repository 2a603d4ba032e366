"""Text layout: tables that fit the terminal, wrapped paragraphs, colours and symbols."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from handshake_inspect.wire.text import printable

INDENT = "  "
LABEL = 10  # columns of a label
LOOKS = {
    "established": "green", "refused": "red", "rejected": "red", "timed-out": "red", "half-open": "red",
    "aborted": "yellow", "pending": "yellow",
}  # fmt: skip
_GAP = 2  # spaces between columns
SHADES = {"green": 28, "yellow": 130, "cyan": 30}  # 256-colour palette: readable on both dark and light backgrounds
_CODES = {"bold": "1", "dim": "2", "red": "31", **{name: f"38;5;{shade}" for name, shade in SHADES.items()}}


class Style:
    """The terminal's capabilities: colours or none, UTF-8 or ASCII.  Colours only repeat what the words say."""

    def __init__(self, *, color: bool, encoding: str) -> None:
        try:
            unicode = codecs.lookup(encoding).name == "utf-8"
        except LookupError:
            unicode = False
        self.color = color
        self.arrow, self.ellipsis, self.micro = ("→", "…", "µ") if unicode else ("->", "~", "u")
        self.full, self.thin = ("█", "▏") if unicode else ("#", "|")
        self.dash, self.warning = ("\N{EN DASH}", "▲") if unicode else ("-", "!")
        server, client, either = ("░", "▒", "╌") if unicode else ("s", "c", ".")
        self.bars: dict[str, str] = {
            "network": self.full, "prologue": self.full, "server": server, "client": client, "either": either,
        }  # fmt: skip

    def clean(self, text: str) -> str:
        """Return text for the terminal, with control characters escaped."""
        return printable(text).replace("µ", self.micro)

    def paint(self, text: str, *looks: str) -> str:
        """Return `text` in these colours or weights if colour is enabled."""
        if not self.color or not looks or not text:
            return text
        return f"\x1b[{';'.join(_CODES[look] for look in looks)}m{text}\x1b[0m"

    def elide(self, text: str, width: int) -> str:
        """Shorten in the middle, so that both the network and the port of an address stay readable."""
        if len(text) <= width:
            return text
        tail = (width - len(self.ellipsis) + 1) // 2
        return text[: width - len(self.ellipsis) - tail] + self.ellipsis + text[len(text) - tail :]

    def bar(self, part: int, whole: int, width: int) -> str:
        """Draw a bar for `part` of `whole`; at least a thin one."""
        return self.full * (part * width // whole) or self.thin

    def shorten(self, text: str, width: int) -> str:
        """Shorten at the end."""
        return text if len(text) <= width else text[: max(width - len(self.ellipsis), 0)] + self.ellipsis

    def shorten_list(self, text: str, width: int) -> str:
        """Leave out the last items of a list, each whole: `929 half-open, 70 pending,…`."""
        items, more = text.split(", "), ""
        while len(items) > 1 and len(", ".join(items) + more) > width:
            items, more = items[:-1], f",{self.ellipsis}"
        return self.shorten(", ".join(items) + more, width)


@dataclass
class Column:
    """A column: those of `rank` 0 are always shown, others in order of rank while they fit.

    Cells may be shortened to `floor` (0: never), or to `soft` to make room for a column of rank 1.
    """

    title: str
    cells: Sequence[str]
    right: bool = False
    rank: int = 0
    floor: int = 0
    soft: int = 0
    cut: Callable[[str, int], str] | None = None
    paint: Callable[[str], str] = str

    def width(self, least: int = 0) -> int:
        """Width of the widest cell or the title."""
        return max(least, len(self.title), *map(len, self.cells), 0)


@dataclass
class Table:
    """A table laid out in chunks of rows, which share columns and widths."""

    width: int
    style: Style
    growing: bool = False  # later chunks may have wider cells
    chosen: list[str] = field(default_factory=list)
    widths: dict[str, int] = field(default_factory=dict)

    def lines(self, columns: Sequence[Column], *, header: bool = True) -> list[str]:
        """Lay out rows; the first call chooses the columns, later ones only widen them."""
        wanted = {column.title: column.width(self.widths.get(column.title, 0)) for column in columns}
        if not self.chosen:
            kept = {c.title: max(wanted[c.title], c.floor if self.growing else 0) for c in columns}
            self.chosen = self._choose(columns, kept)
        shown = [column for column in columns if column.title in self.chosen]
        self._shrink(shown, wanted)
        self.widths = {column.title: wanted[column.title] for column in shown}
        body = [self._cells(column, header=header) for column in shown]
        return [(INDENT + (" " * _GAP).join(cells)).rstrip() for cells in zip(*body, strict=True)]

    def _choose(self, columns: Sequence[Column], wanted: dict[str, int]) -> list[str]:
        least = {c.title: min(wanted[c.title], c.soft or wanted[c.title]) for c in columns}
        chosen = [column.title for column in columns if column.rank == 0]
        for column in sorted((column for column in columns if column.rank), key=lambda column: column.rank):
            widths = least if column.rank == 1 else wanted
            if any(column.cells) and self._total(widths, [*chosen, column.title]) <= self.width:
                chosen.append(column.title)
        return chosen

    def _total(self, wanted: dict[str, int], titles: Sequence[str]) -> int:
        return len(INDENT) + sum(wanted[title] for title in titles) + _GAP * (len(titles) - 1)

    def _shrink(self, shown: Sequence[Column], wanted: dict[str, int]) -> None:
        """Shrink the widest column that may be shortened, one character at a time, until the table fits."""
        elastic = [column for column in shown if column.floor]
        while self._total(wanted, [column.title for column in shown]) > self.width:
            widest = max(elastic, key=lambda column: wanted[column.title] - column.floor, default=None)
            if widest is None or wanted[widest.title] <= widest.floor:
                return
            wanted[widest.title] -= 1

    def _cells(self, column: Column, *, header: bool) -> list[str]:
        """Return the padded cells of a column; colour codes do not count as width."""
        cut, room = column.cut or self.style.elide, self.widths[column.title]
        plain = [cut(cell, room).strip() for cell in column.cells]
        painted = [column.paint(cell) for cell in plain]
        if header:
            plain.insert(0, column.title)
            painted.insert(0, self.style.paint(column.title, "dim"))
        pads = [" " * (room - len(cell)) for cell in plain]
        return [pad + cell if column.right else cell + pad for pad, cell in zip(pads, painted, strict=True)]


def written(out: BinaryIO, lines: Iterable[str], encoding: str) -> None:
    """Write lines in the terminal's encoding; other characters are escaped."""
    out.writelines(line.encode(encoding, "backslashreplace") + b"\n" for line in lines)


_SPACES = str.maketrans(dict.fromkeys("\t\n\x0b\x0c\r", " "))


def heading(title: str, remark: str, style: Style) -> Iterator[str]:
    """Yield an empty line and a section title."""
    yield ""
    yield style.paint(title, "bold") + (f"  {remark}" if remark else "")


def labelled(label: str, text: str, width: int, style: Style, *looks: str) -> Iterator[str]:
    """Yield a label with wrapped text beside it."""
    lines = paragraph(style.clean(text), width, INDENT + " " * LABEL) or [""]
    for number, line in enumerate(lines):
        margin = style.paint(label, "dim") + " " * (LABEL - len(label)) if number == 0 else " " * LABEL
        yield INDENT + margin + style.paint(line.strip(), *looks)


def paragraph(text: str, width: int, indent: str) -> list[str]:
    """Wrap prose with an indent; long words (addresses) stay whole.

    Faster than `textwrap.wrap`, which is noticeable in reports with many findings.  Numbers stay with their units, and
    commands that fit on a line are not broken, so that they can be copied.
    """
    room = max(min(width, 120) - len(indent), 1)
    left = text.translate(_SPACES).rstrip(" ")
    if len(left) > room:
        left = _WHOLE.sub(lambda found: _glued(found.group(), room), left)
    lines = []
    while len(left) > room:
        begin = len(left) - len(left.lstrip(" "))
        end = left.rfind(" ", begin, room + 1)
        if end <= begin:
            end = left.find(" ", max(room, begin))
        if end < 0:
            break
        lines.append(indent + left[:end].rstrip(" "))
        left = left[end:].lstrip(" ")
    if left:
        lines.append(indent + left)
    return [line.replace(_GLUE, " ") for line in lines]


_GLUE = "\N{NO-BREAK SPACE}"
_WHOLE = re.compile(r"(?<!\S)[^\s`]*`[^`]*`[^\s`]*|(?<=\d) (?=(?:ns|µs|us|ms|s|min|h|d|%)(?![\w/]))")


def _glued(text: str, room: int) -> str:
    """Replace spaces with no-break spaces if the text fits on a line."""
    return text.replace(" ", _GLUE) if len(text) <= room else text
