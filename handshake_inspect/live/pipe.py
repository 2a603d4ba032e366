"""A capture without an end: from standard input, or from a child process that captures for us."""

import contextlib
import os
import select
import sys

from handshake_inspect.capture.source import Source, open_source
from handshake_inspect.errors import CaptureError
from handshake_inspect.live.base import LiveSource


class PipeSource(LiveSource):
    """Frames of a pcap or pcapng stream that may never end: `ssh host tcpdump -U -w - | hsi live -r -`."""

    def __init__(
        self, source: Source, descriptor: int | None, backend: str = "pipe", snap_len: int | None = None
    ) -> None:
        """Take over a source whose bytes come through `descriptor`; without one nobody can wait for them."""
        super().__init__(source.name, backend, source.reader, snap_len)
        self.source = source
        self._fresh = True  # the bytes that identified it were read and are waiting
        self._ended = False
        self._stopping = False
        self._closed = False
        self._wake = os.pipe()
        self._poll = select.poll()
        self._blind = descriptor is None or source.compression is not None
        if descriptor is not None:
            self._poll.register(descriptor, select.POLLIN)
        self._poll.register(self._wake[0], select.POLLIN)

    @property
    def compression(self) -> str | None:  # type: ignore[override]
        """How the stream is compressed, None when it is not."""
        return self.source.compression

    @property
    def complete(self) -> bool:
        """Ended by nothing but `stop` or its own end, and not in the middle of a record, so far."""
        return super().complete and self.source.complete

    def wait(self, timeout_s: float) -> bool:
        """Wait for bytes; False when `timeout_s` seconds pass without any.

        Of a compressed stream nobody knows what is there before it is read: always True.
        """
        if self._ended or self._stopping or self._fresh or self._blind:
            return True
        return bool(self._poll.poll(max(0, int(timeout_s * 1000))))

    def stop(self) -> None:
        """Read no more: what is still in the pipe is not waited for."""
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
        except CaptureError as error:  # what came until now is reported all the same
            self.fail("failed", str(error))
        self._ended = True
        self._at_end()
        return False

    def _drain(self) -> bool:
        """Wait for what comes after `stop`; False when nothing of it is wanted."""
        return False

    def _at_end(self) -> None:
        """See why the stream ended."""

    def _release(self) -> None:
        if not self._closed:
            self._closed = self._ended = True
            self.source.close()
            for end in self._wake:
                with contextlib.suppress(OSError):
                    os.close(end)


def standard_input() -> PipeSource:
    """Read what is piped in; CaptureError when that is no capture.

    Waits for the first bytes, which identify the format.
    """
    source = open_source("-")
    try:
        descriptor = sys.stdin.fileno()  # the same pipe that the source reads
    except (OSError, ValueError):
        descriptor = None
    return PipeSource(source, descriptor)
