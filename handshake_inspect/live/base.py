"""The interface of live sources, as the pump sees them."""

from typing import NamedTuple

from handshake_inspect.capture.closable import Closable
from handshake_inspect.capture.frames import FrameReader
from handshake_inspect.errors import LiveError, Problem
from handshake_inspect.live.host import HostWatch
from handshake_inspect.live.sockets import SocketWatch
from handshake_inspect.live.writer import PcapngWriter


class Counters(NamedTuple):
    """Frames that passed the filter, and how many of them were dropped because a buffer was full; None if unknown.

    As in tcpdump, `received` includes `dropped`.
    """

    received: int | None
    dropped: int | None


class LiveSource(Closable):
    """Frames of an interface, in blocks; read like a capture file.

    Call `reader.step()` until it returns NEED_MORE, then `fill()`, which blocks until the next block of frames arrives
    and returns False at the end of the source.  Call `wait(timeout)` first to bound the delay: it returns True when
    `fill` will not block, False when the timeout expired and the link was idle.  A frame is valid until the next `wait`
    or `fill`.

    `stop()` is safe to call from a signal handler or another thread.  Frames captured before it can still be read; then
    the source ends.
    """

    format = "live"
    compression: str | None = None
    size: int | None = None  # unknown while capturing
    host: HostWatch | None = None  # kernel counters, if the interface is on this host
    sockets: SocketWatch | None = None  # sockets of this host and their processes
    filter_text: str | None = None  # the capture filter; None if another program captured the frames

    def __init__(self, name: str, backend: str, reader: FrameReader, snap_len: int | None) -> None:
        self.name = name
        self.backend = backend
        self.reader = reader
        self.snap_len = snap_len
        self.problems: list[Problem] = reader.problems
        self.failure: LiveError | None = None  # why the source ended without being stopped
        self._writer: PcapngWriter | None = None
        self._ended_ns: int | None = None

    @property
    def names(self) -> list[str]:
        """The names of the inputs: here only one."""
        return [self.name]

    @property
    def link_types(self) -> list[int]:
        """Link types declared so far."""
        return self.reader.link_types

    @property
    def filters(self) -> list[str | None]:
        """Capture filters: the one of this source, or those recorded by the capturing program."""
        return (self.reader.filters or [None]) if self.filter_text is None else [self.filter_text]

    @property
    def complete(self) -> bool:
        """Return True unless the source failed or its stream was damaged."""
        return self.failure is None and not self.reader.damaged

    @property
    def consumed(self) -> int:
        """Frames read so far (of a file: bytes)."""
        return self.reader.frames

    @property
    def received(self) -> int | None:
        """Frames that passed the filter, including dropped ones; None if not (yet) known."""
        return self.counters().received

    @property
    def dropped(self) -> int | None:
        """Frames dropped because this process was too slow; None if not (yet) known."""
        return self.counters().dropped

    @property
    def seen_until_ns(self) -> int | None:
        """End of the capture, as set by `note_end` or reported by the capturing program; None if unknown."""
        ends = [ns for ns in (self._ended_ns, self.reader.seen_until()) if ns is not None]
        return max(ends) if ends else None

    def note_end(self, ns: int) -> None:
        """Set the end of the capture (nanoseconds since the epoch) to after the last frame; also recorded in files."""
        self._ended_ns = ns

    def record(self, writer: PcapngWriter) -> None:
        """Also write every frame to `writer`, which is closed with the source."""
        self._writer = writer
        self.reader = writer.record(self.reader)

    def wait(self, timeout_s: float) -> bool:
        """Wait until `fill` will not block; return False on timeout (seconds)."""
        raise NotImplementedError

    def fill(self) -> bool:
        """Load the next block into the reader, blocking if necessary; return False at the end of the source."""
        if self._writer is not None:
            self._writer.flush()
        return self._next_block()

    def pending(self) -> bool | None:
        """Return True if captured frames are waiting to be read; None if unknown."""
        return None

    def counters(self) -> Counters:
        """Return the counts of received and dropped frames so far."""
        return Counters(None, None)

    def stop(self) -> None:
        """Stop capturing: `fill` returns the frames captured so far, then False."""
        raise NotImplementedError

    def close(self) -> None:
        """Release all resources; the counters stay available."""
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
        """Record why the source ends without being stopped."""
        self.failure = LiveError(message)
        self.problems.append(Problem(kind, message, self.reader.frames))

    def _next_block(self) -> bool:
        raise NotImplementedError

    def _release(self) -> None:
        raise NotImplementedError
