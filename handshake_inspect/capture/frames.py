"""Base class of all capture format readers: gives the next frame as offsets into a buffer."""

from typing import Any

from handshake_inspect.errors import Problem

NEED_MORE = 0
FRAME = 1
MAX_FILTERS = 16
DAMAGED = 2  # cannot continue; the last of `problems` says why


class FrameReader:
    """Splits the bytes of one capture into frames; does no I/O.

    Call `feed`, then `step` until it returns something other than FRAME.  After NEED_MORE, keep the bytes from
    `position` on, append more and feed again.  A frame is `buffer[frame_start:frame_end]` and valid until the next
    feed.  The buffer may be a reused bytearray, as long as it is not resized while frames are taken from it.

    `frames` is the number of the current frame, as Wireshark shows it.  Wireshark also numbers a few records that are
    not packets (`events`): each takes a frame number and is skipped.
    """

    def __init__(self) -> None:
        self.buffer: Any = b""
        self.data: Any = b""  # the same bytes; a pointer to them in the compiled build
        self.position = 0  # next unread byte
        self.limit = 0  # end of the valid bytes
        self.offset = 0  # position of buffer[0] in the stream
        self.frame_start = 0
        self.frame_end = 0
        self.wire_len = 0  # original length of the frame, without frame check sequence
        self.ts_ns = 0  # nanoseconds since the epoch; without a timestamp (`has_time`), that of the frame before
        self.has_time = True
        self.link_type = 0
        self.interface = 0
        self.frames = 0
        self.events = 0
        self.needed = 0  # after NEED_MORE: bytes needed from `position` on, as far as known
        self.damaged = False
        self.bad_timestamps = 0  # frames with an impossible timestamp
        self.problems: list[Problem] = []
        self.link_types: list[int] = []  # declared so far, without duplicates
        self.filters: list[str | None] = []  # distinct capture filters; None for an interface that declares none

    def feed(self, buffer: Any, position: int, limit: int, offset: int) -> None:
        """Continue reading at `buffer[position:limit]`; `buffer[0]` is byte `offset` of the stream."""
        self.buffer = buffer
        self.data = buffer
        self.position = position
        self.limit = limit
        self.offset = offset

    def advance(self) -> int:
        """Call `step` from uncompiled code."""
        return self.step()

    def step(self) -> int:
        """Advance to the next frame; return FRAME, NEED_MORE or DAMAGED."""
        raise NotImplementedError

    def copy_frame(self, reader: "FrameReader") -> int:
        """Take over the current frame of another reader, except for its number."""
        if self.data is not reader.data:
            self.share_buffer(reader)
        self.frame_start = reader.frame_start
        self.frame_end = reader.frame_end
        self.wire_len = reader.wire_len
        self.ts_ns = reader.ts_ns
        self.has_time = reader.has_time
        self.link_type = reader.link_type
        self.interface = reader.interface
        return 0

    def share_buffer(self, reader: "FrameReader") -> int:
        """Refer to the same buffer as another reader."""
        self.buffer = reader.buffer
        self.data = reader.data
        return 0

    def preamble(self) -> bytes:
        """Return the header bytes that a reader needs before it can start at the next record."""
        return b""

    def resume(self, preamble: bytes) -> None:
        """Initialise a fresh reader with the `preamble` of another one."""
        self.feed(preamble, 0, len(preamble), 0)
        self.step()

    def incomplete_at(self) -> int:
        """Return where in the stream the truncated last record starts; -1 if the input ended between records."""
        return self.offset + self.position if self.position < self.limit else -1

    def dropped(self) -> int | None:
        """Return the number of packets the capture reports as dropped, None if it reports none."""
        return None

    def seen_until(self) -> int | None:
        """Return when the capture ended, in nanoseconds since the epoch; None if the file does not record it."""
        return None

    def report_damage(self, message: str) -> int:
        """Report that the record at `position` and everything after it cannot be read; return DAMAGED."""
        if not self.damaged:
            self.damaged = True
            self.problems.append(Problem("damaged", message, self.frames, self.offset + self.position))
        return DAMAGED

    def bad_timestamp(self, frame: int, message: str) -> int:
        """Count an impossible timestamp; report only the first one."""
        self.bad_timestamps += 1
        if self.bad_timestamps == 1:
            self.problems.append(Problem("damaged", message, frame, self.offset + self.position))
        return 0

    def add_link_type(self, link_type: int) -> None:
        """Record the link type of an interface."""
        if link_type not in self.link_types:
            self.link_types.append(link_type)

    def add_filter(self, text: str | None) -> None:
        """Record the capture filter of an interface; beyond MAX_FILTERS, only that there are others (None)."""
        text = text if len(self.filters) < MAX_FILTERS else None
        if text not in self.filters:
            self.filters.append(text)
