"""The story of one connection for people, of TCP or of QUIC."""

from __future__ import annotations

from typing import BinaryIO

from handshake_inspect.render import Options, ladder, quic_ladder
from handshake_inspect.render.layout import Style, written
from handshake_inspect.report.quic_story import QuicStory
from handshake_inspect.report.story import Story


def render(story: Story | QuicStory, out: BinaryIO, options: Options) -> None:
    """Write `story` to `out` in the terminal's encoding; what it lacks is escaped."""
    style = Style(color=options.color, encoding=options.encoding)
    if isinstance(story, QuicStory):
        lines = quic_ladder.page(story, options.width, style)
    else:
        lines = (ladder.short if options.brief else ladder.page)(story, options, style)
    written(out, lines, options.encoding)
