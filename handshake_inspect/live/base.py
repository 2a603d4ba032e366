"""What every live source offers the pump."""

from typing import NamedTuple

from handshake_inspect.capture.closing import Closes
from handshake_inspect.capture.frames import FrameReader
from handshake_inspect.errors import LiveError, Problem
from handshake_inspect.live.host import HostWatch
from handshake_inspect.live.sockets import SocketWatch
from handshake_inspect.live.writer import PcapngWriter


class Counters(NamedTuple):
    """Frames that passed the filter and those of them that were lost for want of room; None when nobody counts.

    As tcpdump counts: what was received includes what was dropped.
    """

    received: int | None
    dropped: int | None


class LiveSource(Closes):
    """Frames of an interface, block by block; driven as a capture file is.

    The pump calls `reader.step()`; at NEED_MORE it calls `fill()`, which waits for the next block and is False when
    the source has ended.  Who has other things to do calls `wait` first: True says that `fill` will answer at once,
    False that the time is up and the link idle.  A frame is valid until the next `wait` or `fill`.

    `stop()` may be called from a signal handler or another thread: what was captured until then is still given, then
    the source ends.
    """

    format = "live"
    compression: str | None = None
    size: int | None = None  # a live source has no end yet
    host: HostWatch | None = None  # the kernel's own view, where this host owns the interface
    sockets: SocketWatch | None = None  # and whose its sockets are
    filter_text: str | None = None  # what this source lets pass; None where somebody else captures

    def __init__(self, name: str, backend: str, reader: FrameReader, snap_len: int | None) -> None:
        self.name = name
        self.backend = backend
        self.reader = reader
        self.snap_len = snap_len
        self.problems: list[Problem] = reader.problems
        self.failure: LiveError | None = None  # why the source ended, when nobody stopped it
        self._writer: PcapngWriter | None = None
        self._ended_ns: int | None = None

    @property
    def names(self) -> list[str]:
        """The name, as the only one of a list."""
        return [self.name]

    @property
    def link_types(self) -> list[int]:
        """Link types that were declared so far."""
        return self.reader.link_types

    @property
    def filters(self) -> list[str | None]:
        """The capture filter: one of its own, or what the capturing program reports."""
        return (self.reader.filters or [None]) if self.filter_text is None else [self.filter_text]

    @property
    def complete(self) -> bool:
        """Ended by nothing but `stop`, so far."""
        return self.failure is None and not self.reader.damaged

    @property
    def consumed(self) -> int:
        """Frames, for want of bytes of a file, that were read."""
        return self.reader.frames

    @property
    def received(self) -> int | None:
        """Frames that passed the filter, those that were dropped among them; None when not known (yet)."""
        return self.counters().received

    @property
    def dropped(self) -> int | None:
        """Frames that were lost because this process was too slow; None when not known (yet)."""
        return self.counters().dropped

    @property
    def seen_until_ns(self) -> int | None:
        """When the capture ended: as noted by the run, or reported by the capturing program; None if unknown."""
        ends = [ns for ns in (self._ended_ns, self.reader.seen_until()) if ns is not None]
        return max(ends) if ends else None

    def note_end(self, ns: int) -> None:
        """Remember that nothing was sent from the last frame until `ns` (since the epoch): files say so too."""
        self._ended_ns = ns

    def record(self, writer: PcapngWriter) -> None:
        """Write every frame of this source also to `writer`; it is closed with the source."""
        self._writer = writer
        self.reader = writer.record(self.reader)

    def wait(self, timeout_s: float) -> bool:
        """Wait until `fill` can answer at once; False when `timeout_s` seconds pass without that."""
        raise NotImplementedError

    def fill(self) -> bool:
        """Put the next block into the reader, however long that takes; False when the source has ended."""
        if self._writer is not None:
            self._writer.flush()
        return self._next_block()

    def pending(self) -> bool | None:
        """Whether frames were captured that `fill` has not given yet; None when nobody knows."""
        return None

    def counters(self) -> Counters:
        """Say what was received and dropped so far."""
        return Counters(None, None)

    def stop(self) -> None:
        """Capture no more: `fill` gives what was captured until now, and then is False."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of everything; the counters stay."""
        counters = self.counters()
        try:
            self._release()
        finally:
            if self.host is not None:
                self.host.close()
            if self.sockets is not None:
                self.sockets.close()
            if self._writer is not None:
                self._writer.close(counters.received, counters.dropped, self.seen_until_ns)

    def fail(self, kind: str, message: str) -> None:
        """Note why the source ends though nobody stopped it."""
        self.failure = LiveError(message)
        self.problems.append(Problem(kind, message, self.reader.frames))

    def _next_block(self) -> bool:
        raise NotImplementedError

    def _release(self) -> None:
        raise NotImplementedError
