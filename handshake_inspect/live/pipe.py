"""Read a capture stream of unknown length from standard input or a child process."""

import contextlib
import os
import select
import sys

from handshake_inspect.capture.source import Source, open_source
from handshake_inspect.errors import CaptureError
from handshake_inspect.live.base import LiveSource


class PipeSource(LiveSource):
    """Frames of a pcap or pcapng stream that may never end, as in `ssh host tcpdump -U -w - | hsi live -r -`."""

    def __init__(
        self, source: Source, descriptor: int | None, backend: str = "pipe", snap_len: int | None = None
    ) -> None:
        """Take ownership of a source that reads from `descriptor`; without a descriptor, `wait` cannot poll."""
        super().__init__(source.name, backend, source.reader, snap_len)
        self.source = source
        self._fresh = True  # the bytes read to identify the format are still buffered
        self._ended = False
        self._stopping = False
        self._closed = False
        self._wake = os.pipe()
        self._poll = select.poll()
        self._cannot_poll = descriptor is None or source.compression is not None
        if descriptor is not None:
            self._poll.register(descriptor, select.POLLIN)
        self._poll.register(self._wake[0], select.POLLIN)

    @property
    def compression(self) -> str | None:  # type: ignore[override]
        """The compression of the stream, or None."""
        return self.source.compression

    @property
    def complete(self) -> bool:
        """True unless reading failed, the stream is damaged, or it ended in the middle of a record."""
        return super().complete and self.source.complete

    def wait(self, timeout_s: float) -> bool:
        """Wait for data; return False on timeout (seconds).

        Always True for a compressed stream, whose decompressor may hold buffered data.
        """
        if self._ended or self._stopping or self._fresh or self._cannot_poll:
            return True
        return bool(self._poll.poll(max(0, int(timeout_s * 1000))))

    def stop(self) -> None:
        """Stop reading; data still in the pipe is discarded."""
        if not self._stopping and not self._closed:
            self._stopping = True
            os.write(self._wake[1], b"\0")

    def _next_block(self) -> bool:
        while not self.wait(60):
            pass
        if self._ended or self._closed or (self._stopping and not self._drain()):
            return False
        self._fresh = False
        try:
            if self.source.fill():
                return True
        except CaptureError as error:  # frames read so far are still reported
            self.fail("failed", str(error))
        self._ended = True
        self._on_end()
        return False

    def _drain(self) -> bool:
        """Return True if data that arrives after `stop` is still to be read."""
        return False

    def _on_end(self) -> None:
        """Hook: called at the end of the stream."""

    def _release(self) -> None:
        if not self._closed:
            self._closed = self._ended = True
            self.source.close()
            for end in self._wake:
                with contextlib.suppress(OSError):
                    os.close(end)


def standard_input() -> PipeSource:
    """Open standard input as a capture stream; raises CaptureError if it is none.

    Blocks until the first bytes, which identify the format, arrive.
    """
    source = open_source("-")
    try:
        descriptor = sys.stdin.fileno()  # the pipe that the source reads
    except (OSError, ValueError):
        descriptor = None
    return PipeSource(source, descriptor)
