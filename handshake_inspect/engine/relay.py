"""Batches of segments on their way from the thread that decodes them to the one that tracks them.

They go through a ring of rooms, in order.  Payloads lie in the blocks that were read: while a block is decoded, that
before it may still be tracked, but none before that.  The thread that is ahead sleeps until it is worth waking.
"""

import threading

from handshake_inspect.decode import segment as seg
from handshake_inspect.engine import counters
from handshake_inspect.tcp.tracker import Tracker

ROOMS = 128  # of the compiled build
FEW = 2  # of the pure one, whose records have a byte for their place (see `payload.py`)
MADE, DONE, IDLE, WANTED = range(4)  # batches made, and tracked; whether the tracking thread sleeps; until what is done
FAILED = 1 << 62  # as many are done when no more are tracked


class Relay:
    """A ring of rooms between two threads: one calls `put`, `end_block` and `finish`, the other `run`."""

    def __init__(self, tracker: Tracker, batch: int, rooms: int) -> None:
        """Each room holds `batch` segments."""
        self.tracker = tracker
        self.batch = batch
        self.rooms = rooms
        self.storage = seg.segments(rooms * batch)
        self.records = seg.segments_of(self.storage)
        self.counter_rows = counters.counters(4)
        self.counters = counters.counters_of(self.counter_rows)
        self.size_rows = counters.counters(rooms)
        self.sizes = counters.counters_of(self.size_rows)
        self.made = 0
        self.before = 0  # made when the block before ended
        self.done = 0  # as the tracking thread knows it
        self.over = False
        self.failure: BaseException | None = None
        self.changed = threading.Condition()

    # -- who decodes ---------------------------------------------------------------------------------------------------

    def put(self, held: int) -> int:
        """Have the segments of a room tracked; where in `records` the next room begins, which is free."""
        counters.publish(self.sizes, self.made % self.rooms, held)
        self.made += 1
        counters.publish(self.counters, MADE, self.made)
        if counters.seen(self.counters, IDLE):
            self.wake()
        if self.made - counters.seen(self.counters, DONE) >= self.rooms:
            self.wait(self.made - self.rooms // 4)
        return self.made % self.rooms * self.batch

    def end_block(self) -> int:
        """A block was decoded: the one before it may go when this returns.  Raises what stopped the other thread."""
        if not self.before <= counters.seen(self.counters, DONE) <= self.made:
            self.wait(self.before)
        self.before = self.made
        return 0

    def finish(self) -> None:
        """Wait until all is tracked.  Raises as `end_block`."""
        self.wait(self.made)

    def wait(self, wanted: int) -> int:
        """Sleep until so many batches are done."""
        with self.changed:
            counters.publish(self.counters, WANTED, wanted)
            while counters.seen(self.counters, DONE) < wanted:
                self.changed.wait()
            counters.publish(self.counters, WANTED, 0)
        if self.failure is not None:
            raise self.failure
        return 0

    def close(self) -> None:
        """Let the other thread end, after what was made."""
        with self.changed:
            self.over = True
            self.changed.notify_all()

    # -- who tracks ----------------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Track what is made until the relay is closed."""
        while not self.is_over():
            room = self.done % self.rooms
            self.tracker.track_all(self.records, room * self.batch, counters.seen(self.sizes, room))
            self.done += 1
            counters.publish(self.counters, DONE, self.done)
            wanted = counters.seen(self.counters, WANTED)
            if wanted and self.done >= wanted:
                self.wake()
        return 0

    def is_over(self) -> bool:
        """Whether no batch will be made any more, which is known when there is another one, or none."""
        return counters.seen(self.counters, MADE) == self.done and self.rest()

    def rest(self) -> bool:
        """Sleep until there is another batch; whether there will be none."""
        with self.changed:
            counters.publish(self.counters, IDLE, 1)
            while counters.seen(self.counters, MADE) == self.done and not self.over:
                self.changed.wait()
            counters.publish(self.counters, IDLE, 0)
        return counters.seen(self.counters, MADE) == self.done

    def fail(self, error: BaseException) -> None:
        """Nothing more is tracked, because of this."""
        self.failure = error
        counters.publish(self.counters, DONE, FAILED)
        self.wake()

    def wake(self) -> int:
        """Wake the other thread up."""
        with self.changed:
            self.changed.notify_all()
        return 0
