"""Tables in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from handshake_inspect.render.units import printable

# What Markdown or the HTML within it would take for markup.
_MARKUP = re.compile(r"([\\`*_\[\]<>|~])")


def plain(text: str) -> str:
    """Text that shows as it is."""
    return _MARKUP.sub(r"\\\1", printable(text))


def advice(text: str) -> str:
    """Text of our own, in which commands stand in backticks."""
    return printable(text).replace("<", "&lt;").replace("|", "\\|")


def code(text: str) -> str:
    """Text in a fixed pitch; a table's bar would end the cell even there."""
    return f"`{printable(text).replace('`', chr(39)).replace('|', '/')}`"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> Iterator[str]:
    """Lines of a table; columns of numbers stand to the right."""
    yield f"| {' | '.join(header)} |"
    yield f"|{'|'.join('---:' if i in right else '---' for i in range(len(header)))}|"
    for row in rows:
        yield f"| {' | '.join(row)} |"
