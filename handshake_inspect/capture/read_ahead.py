"""Read blocks of a stream ahead in a thread while earlier blocks are processed."""

import threading
from queue import SimpleQueue

from handshake_inspect.capture.frames import FrameReader
from handshake_inspect.capture.streams import ByteStream

BLOCK = 1 << 19
BLOCKS = 3  # one being filled, one waiting, one being processed
HEADROOM = 1 << 16  # bytes in front of a block for the unread rest of the previous one


class ReadAhead:
    """Reads a finite stream in a thread; nothing else may read from that stream."""

    def __init__(self, stream: ByteStream) -> None:
        """Start the thread; raise RuntimeError if that fails."""
        self._stream = stream
        self._free: SimpleQueue[bytearray | None] = SimpleQueue()
        self._ready: SimpleQueue[tuple[bytearray, int] | BaseException] = SimpleQueue()
        self._fed: bytearray | None = None  # the block being processed
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        for _ in range(BLOCKS):
            self._free.put(bytearray(HEADROOM + BLOCK))

    def feed(self, reader: FrameReader) -> int:
        """Feed the next block after what the reader left unread; return its length in bytes, 0 at the end.

        The block before it becomes invalid.  Re-raises any exception of the thread.
        """
        got = self._ready.get()
        if isinstance(got, BaseException):
            raise got
        block, count = got
        if not count:
            return 0
        left = memoryview(reader.buffer)[reader.position : reader.limit]
        where, start = reader.offset + reader.position, HEADROOM - len(left)
        if 0 <= start <= where:
            block[start:HEADROOM] = left
            reader.feed(block, start, HEADROOM + count, where - start)
        else:  # the unread part exceeds the headroom, or the first block
            whole = bytearray(left)
            whole += memoryview(block)[HEADROOM : HEADROOM + count]
            reader.feed(whole, 0, len(whole), where)
        if self._fed is not None:
            self._free.put(self._fed)
        self._fed = block
        return count

    def close(self) -> None:
        """Stop the thread after its current block."""
        self._free.put(None)
        self._thread.join()

    def _read(self) -> None:
        try:
            while (block := self._free.get()) is not None:
                count = self._fill(memoryview(block)[HEADROOM:])
                self._ready.put((block, count))
                if not count:
                    return
        except BaseException as error:  # re-raised in `feed`
            self._ready.put(error)

    def _fill(self, view: memoryview) -> int:
        """Read until the block is full or the stream ends."""
        count = 0
        while count < len(view):
            more = self._stream.read_into(view[count:])
            if not more:
                break
            count += more
        return count
