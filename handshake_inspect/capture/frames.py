"""What every container reader offers the pump: the next frame, as offsets into a buffer."""

from typing import Any

NEED_MORE = 0
FRAME = 1
DAMAGED = 2  # cannot go on; `problem` says why


class FrameReader:
    """Turns the bytes of one container into frames; knows nothing of files.

    The pump fills `octets`, says how far with `feed`, then calls `advance` until it answers
    something else than FRAME.  After NEED_MORE it keeps the bytes from `position` on, puts more
    behind them and feeds again.  A frame is `octets[frame_start:frame_end]`; it is valid until the next feed.
    """

    def __init__(self) -> None:
        self.octets: Any = b""
        self.position = 0  # next unread byte
        self.limit = 0  # end of what was fed
        self.offset = 0  # byte of the stream that octets[0] is
        self.frame_start = 0
        self.frame_end = 0
        self.wire_len = 0  # original length of the frame
        self.ts_ns = 0
        self.link_type = 0
        self.interface = 0
        self.wanted = 0  # after NEED_MORE: bytes needed from `position` on, if known

    def feed(self, octets: Any, position: int, limit: int, offset: int) -> None:
        """Go on reading at `octets[position:limit]`; `octets[0]` is byte `offset` of the stream."""
        self.octets = octets
        self.position = position
        self.limit = limit
        self.offset = offset

    def advance(self) -> int:
        """Step to the next frame: FRAME, NEED_MORE or DAMAGED."""
        raise NotImplementedError
