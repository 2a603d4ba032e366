"""Formatting for the terminal of the live screen: symbols, colours, charts, and safe text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from textwrap import wrap

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from handshake_inspect.render.layout import SHADES, Style
from handshake_inspect.wire.const import NS_PER_SECOND
from handshake_inspect.wire.text import duration, span

_COLORS = frozenset({"red", "green", "yellow", "cyan", "blue", "magenta"})
Part = str | tuple[str, str]  # text, or text and style


class Look:
    """Formats text for the terminal, with UTF-8 or ASCII symbols and with or without colours."""

    def __init__(self, *, ascii: bool, color: bool) -> None:  # noqa: A002 - the user's word for it
        self.ascii = ascii
        self.color = color
        self.words = Style(color=False, encoding="ascii" if ascii else "utf-8")
        self.steps = "_.:-=+*#@" if ascii else " ▁▂▃▄▅▆▇█"
        self.rule = "-" if ascii else "─"
        self.cursor = ">" if ascii else "▶"
        self.times = "x" if ascii else "\N{MULTIPLICATION SIGN}"
        self.folded, self.unfolded = ("+", "-") if ascii else ("▸", "▾")
        self.updown = "up/down" if ascii else "↑↓"

    def style(self, looks: str) -> str:
        """Return a rich style with the shades of reports, without colours if the terminal has none."""
        words = [look for look in looks.split() if self.color or look not in _COLORS]
        return " ".join(f"color({SHADES[word]})" if word in SHADES else word for word in words)

    def clean(self, text: str) -> str:
        """Return text for the terminal, with control characters escaped."""
        text = self.words.clean(text)
        return text.encode("ascii", "backslashreplace").decode() if self.ascii else text

    def cut(self, text: str, width: int) -> str:
        """Shorten at the end to `width` columns."""
        if cell_len(text) <= width:
            return text
        mark = self.words.ellipsis
        return set_cell_size(text, max(width - len(mark), 0)) + mark if width > 0 else ""

    def elide(self, text: str, width: int) -> str:
        """Shorten in the middle, so that the port of an address stays visible."""
        return self.words.elide(text, width) if width > len(self.words.ellipsis) else self.cut(text, width)

    def line(self, *parts: Part) -> Text:
        """Return a line made of parts."""
        text = Text(no_wrap=True, overflow="crop", end="\n")
        for part in parts:
            if isinstance(part, str):
                text.append(part)
            else:
                text.append(part[0], self.style(part[1]))
        return text

    def columns(self, left: Sequence[Text], right: Sequence[Text], width: int, gap: int = 3) -> list[Text]:
        """Return two blocks side by side; the left one is `width` columns wide."""
        lines = []
        for number in range(max(len(left), len(right))):
            line = left[number].copy() if number < len(left) else self.line()
            line.truncate(width, overflow="crop", pad=True)
            line.append(" " * gap)
            if number < len(right):
                line.append_text(right[number])
            lines.append(line)
        return lines

    def ends(self, left: Text, right: Text, width: int) -> Text:
        """Return a line with one text at each end; the left one is cut if necessary."""
        room = max(width - right.cell_len - 1, 0)
        line = left.copy()
        line.truncate(room, overflow="crop", pad=True)
        line.append(" ")
        return line.append_text(right)

    def prose(self, text: str, width: int, indent: int, most: int) -> list[str]:
        """Wrap to at most `most` lines; an ellipsis marks omitted text."""
        lines = wrap(self.clean(text), max(width - indent, 8), break_on_hyphens=False)
        if len(lines) > most:
            rest = self.cut(" ".join(lines[most - 1 :]), max(width - indent, 8))
            lines = [*lines[: most - 1], rest]
        return [" " * indent + line for line in lines[:most]]

    def chart(self, values: Sequence[float], rows: int = 1) -> list[str]:
        """Return a bar chart of at most `rows` lines; every value above zero is visible."""
        full = len(self.steps) - 1
        most = max(max(values, default=0), 0.1)
        # Zero is a thin base line, so other values are at least one step above it.
        heights = [max(math.ceil(value * rows * full / most), 2 if value else 1) for value in values]
        lines = []
        for row in reversed(range(rows)):
            level = [min(max(height - row * full, 0), full) for height in heights]
            lines.append("".join(self.steps[each] if each or not self.ascii else " " for each in level))
        if self.ascii:  # the base line is a line, not a dot
            lines[-1] = "".join("_" if not value else sign for value, sign in zip(values, lines[-1], strict=True))
        return lines

    def duration(self, ns: int | None) -> str:
        """Format a duration; a dash if unknown."""
        return duration(ns, self.words.micro) if ns is not None else "-"

    def age(self, ns: int) -> str:
        """Format an age: `5 s ago`."""
        return "just now" if ns < NS_PER_SECOND else f"{self.whole_span(ns)} ago"

    def about(self, ns: int) -> str:
        """Format an age in its largest unit only, to save room: `2 h ago`."""
        if ns < NS_PER_SECOND:
            return "just now"
        return f"{' '.join(self.whole_span(ns).split(' ')[:2])} ago"

    def whole_span(self, ns: int) -> str:
        """Format a duration in whole seconds, so that it counts up steadily; hours without seconds."""
        if ns < NS_PER_SECOND:
            return "0 s"
        return span(ns // NS_PER_SECOND * NS_PER_SECOND, self.words.micro)
