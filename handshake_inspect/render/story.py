"""The text output of `hsi explain`, for TCP and QUIC connections."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from handshake_inspect.render import Options, ladder, quic_ladder
from handshake_inspect.render.layout import Style, written
from handshake_inspect.report.quic_story import QuicStory
from handshake_inspect.report.story import Story


def render(story: Story | QuicStory, out: BinaryIO, options: Options) -> None:
    """Write `story` to `out` in the terminal's encoding; other characters are escaped."""
    style = Style(color=options.color, encoding=options.encoding)
    written(out, lines(story, options, style), options.encoding)


def lines(story: Story | QuicStory, options: Options, style: Style) -> Iterator[str]:
    """Yield all lines; with the option `brief` only ladder and verdict."""
    if isinstance(story, QuicStory):
        return (quic_ladder.short if options.brief else quic_ladder.page)(story, options.width, style)
    return (ladder.short if options.brief else ladder.page)(story, options, style)
