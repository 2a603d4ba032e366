"""Blocks of a stream that a thread reads ahead, while those before them are worked on."""

import threading
from collections import deque
from queue import SimpleQueue
from typing import Any

from handshake_inspect.capture.frames import FrameReader
from handshake_inspect.capture.streams import ByteStream

BLOCK = 1 << 19
BLOCKS = 4  # one is read into, one waits, two are worked on
WORKED_ON = 2  # of them
HEAD = 1 << 16  # bytes in front of a block, for what was left unread of the one before it


class ReadAhead:
    """Reads a stream that has an end from now on; nobody else may."""

    def __init__(self, stream: ByteStream) -> None:
        """Raises RuntimeError when there can be no thread."""
        self._stream = stream
        self._free: SimpleQueue[bytearray | None] = SimpleQueue()
        self._ready: SimpleQueue[tuple[bytearray, int] | BaseException] = SimpleQueue()
        self._fed: deque[tuple[bytearray, Any]] = deque()  # each block being worked on, and what was fed
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        for _ in range(BLOCKS):
            self._free.put(bytearray(HEAD + BLOCK))

    def feed(self, reader: FrameReader) -> int:
        """Feed the next block behind what the reader left unread; how many bytes it has, 0 at the end.

        The block that the reader had stays as it is until the next feed.  Raises what was raised in the thread.
        """
        got = self._ready.get()
        if isinstance(got, BaseException):
            raise got
        block, count = got
        if not count:
            return 0
        left = memoryview(reader.buffer)[reader.position : reader.limit]
        where, start = reader.offset + reader.position, HEAD - len(left)
        if 0 <= start <= where:
            block[start:HEAD] = left
            reader.feed(block, start, HEAD + count, where - start)
        else:  # a frame longer than there is room for, or the first block
            whole = bytearray(left)
            whole += memoryview(block)[HEAD : HEAD + count]
            reader.feed(whole, 0, len(whole), where)
        self._fed.append((block, reader.buffer))
        if len(self._fed) > WORKED_ON:
            self._free.put(self._fed.popleft()[0])
        return count

    def close(self) -> None:
        """End the thread, after the block that it reads."""
        self._free.put(None)
        self._thread.join()

    def _read(self) -> None:
        try:
            while (block := self._free.get()) is not None:
                count = self._fill(memoryview(block)[HEAD:])
                self._ready.put((block, count))
                if not count:
                    return
        except BaseException as error:  # raised where the block is asked for
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
