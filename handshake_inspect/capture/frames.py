"""What every container reader offers the pump: the next frame, as offsets into a buffer."""

from typing import Any

from handshake_inspect.errors import Problem

NEED_MORE = 0
FRAME = 1
MOST_FILTERS = 16
DAMAGED = 2  # cannot go on; the last of `problems` says why


class FrameReader:
    """Turns the bytes of one container into frames; knows nothing of files.

    The pump feeds `buffer`, then calls `step` until it answers something else than FRAME.  After
    NEED_MORE the caller keeps the bytes from `position` on, appends more and feeds again.
    A frame is `buffer[frame_start:frame_end]`; it is valid until the next feed.  The buffer may be a
    bytearray that is used again and again, as long as it is not resized between a feed and the last frame of it.

    `frames` is the number of the frame that `step` found, the one Wireshark shows.  Wireshark also numbers
    a few records that are no packets (`events`): these use up a number and are passed over.
    """

    def __init__(self) -> None:
        self.buffer: Any = b""
        self.data: Any = b""  # the same bytes: a pointer to them in the compiled build
        self.position = 0  # next unread byte
        self.limit = 0  # end of what was fed
        self.offset = 0  # byte of the stream that buffer[0] is
        self.frame_start = 0
        self.frame_end = 0
        self.wire_len = 0  # original length of the frame, without the check sequence of the link
        self.ts_ns = 0  # without a time of its own: that of the frame before
        self.has_time = True
        self.link_type = 0
        self.interface = 0
        self.frames = 0
        self.events = 0
        self.wanted = 0  # after NEED_MORE: bytes needed from `position` on, as far as known
        self.damaged = False
        self.odd_times = 0  # frames whose timestamp cannot be
        self.problems: list[Problem] = []
        self.link_types: list[int] = []  # declared so far, each once
        self.filters: list[str | None] = []  # by which it was captured, each once; None where that is not said

    def feed(self, buffer: Any, position: int, limit: int, offset: int) -> None:
        """Go on reading at `buffer[position:limit]`; `buffer[0]` is byte `offset` of the stream."""
        self.buffer = buffer
        self.data = buffer
        self.position = position
        self.limit = limit
        self.offset = offset

    def advance(self) -> int:
        """Step to the next frame: the door for plain Python."""
        return self.step()

    def step(self) -> int:
        """Step to the next frame: FRAME, NEED_MORE or DAMAGED."""
        raise NotImplementedError

    def adopt(self, reader: "FrameReader") -> int:
        """Make another reader's frame one's own, but for its number."""
        if self.data is not reader.data:
            self.adopt_buffer(reader)
        self.frame_start = reader.frame_start
        self.frame_end = reader.frame_end
        self.wire_len = reader.wire_len
        self.ts_ns = reader.ts_ns
        self.has_time = reader.has_time
        self.link_type = reader.link_type
        self.interface = reader.interface
        return 0

    def adopt_buffer(self, reader: "FrameReader") -> int:
        """Look at the bytes that another reader looks at."""
        self.buffer = reader.buffer
        self.data = reader.data
        return 0

    def head(self) -> bytes:
        """What must be known of the container before the next record: bytes that it could begin with."""
        return b""

    def resume(self, head: bytes) -> None:
        """Know what another reader of the container knew; no byte was read yet."""
        self.feed(head, 0, len(head), 0)
        self.step()

    def unfinished(self) -> int:
        """Byte of the stream where the record starts that the input broke off in; -1 if it ended between records."""
        return self.offset + self.position if self.position < self.limit else -1

    def dropped(self) -> int | None:
        """Packets that the capturing side lost, None when the container does not say."""
        return None

    def seen_until(self) -> int | None:
        """When the capture ended, in nanoseconds since the epoch; None when the container does not say."""
        return None

    def damage(self, message: str) -> int:
        """Note that the record at `position` cannot be read, nor anything behind it."""
        if not self.damaged:
            self.damaged = True
            self.problems.append(Problem("damaged", message, self.frames, self.offset + self.position))
        return DAMAGED

    def odd_time(self, frame: int, message: str) -> int:
        """Count an impossible timestamp, and read on; the first one of a container is reported."""
        self.odd_times += 1
        if self.odd_times == 1:
            self.problems.append(Problem("damaged", message, frame, self.offset + self.position))
        return 0

    def saw_link_type(self, link_type: int) -> None:
        """Remember a link type that an interface of this container declares."""
        if link_type not in self.link_types:
            self.link_types.append(link_type)

    def saw_filter(self, text: str | None) -> None:
        """Remember by which filter an interface of this container was captured; of very many, that there are more."""
        text = text if len(self.filters) < MOST_FILTERS else None
        if text not in self.filters:
            self.filters.append(text)
