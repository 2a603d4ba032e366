"""A bounded queue of segment batches from the decoding thread to the tracking thread.

Batches pass through a ring of slots, in order.  Payloads stay in the blocks that were read: while one block is decoded,
the block before it may still be tracked, but no earlier one.  A thread that is ahead sleeps until enough work is done:
waking it costs more than tracking a batch.
"""

import threading

from handshake_inspect.decode import segment as seg
from handshake_inspect.engine import counters
from handshake_inspect.tcp.tracker import Tracker

SLOTS = 128  # in the compiled build
PURE_SLOTS = 2  # in the pure build, whose records index their buffer with one byte (see `payload.py`)
# Counters: batches decoded; batches tracked; 1 while the tracking thread sleeps; value of TRACKED that `wait` needs.
DECODED, TRACKED, SLEEPING, AWAITED = range(4)
FAILED = 1 << 62  # value of TRACKED after tracking has failed


class Relay:
    """A ring of slots between two threads: one calls `put`, `end_block` and `finish`, the other `run`."""

    def __init__(self, tracker: Tracker, batch: int, slots: int) -> None:
        """Allocate `slots` slots of `batch` segments each."""
        self.tracker = tracker
        self.batch = batch
        self.slots = slots
        self.storage = seg.segments(slots * batch)
        self.records = seg.segments_of(self.storage)
        self.counter_rows = counters.counters(4)
        self.counters = counters.counters_of(self.counter_rows)
        self.size_rows = counters.counters(slots)
        self.sizes = counters.counters_of(self.size_rows)
        self.decoded = 0
        self.wake_at = max(1, slots // 8)  # batches that are worth waking the tracking thread
        self.before = 0  # `decoded` at the end of the previous block
        self.tracked = 0  # of the tracking thread
        self.over = False
        self.failure: BaseException | None = None
        self.changed = threading.Condition()

    # -- the decoding thread -------------------------------------------------------------------------------------------

    def put(self, held: int) -> int:
        """Enqueue the `held` segments of the current slot; return the index in `records` of the next, free slot."""
        counters.publish(self.sizes, self.decoded % self.slots, held)
        self.decoded += 1
        counters.publish(self.counters, DECODED, self.decoded)
        if counters.seen(self.counters, SLEEPING) and self.is_worth_waking():
            self.wake()
        if self.decoded - counters.seen(self.counters, TRACKED) >= self.slots:
            self.wait(self.decoded - self.slots // 4)
        return self.decoded % self.slots * self.batch

    def end_block(self) -> int:
        """Wait until the previous block is tracked and may be released.  Raises the tracking thread's exception."""
        if not self.before <= counters.seen(self.counters, TRACKED) <= self.decoded:
            self.wait(self.before)
        self.before = self.decoded
        return 0

    def finish(self) -> None:
        """Wait until everything is tracked.  Raises as `end_block` does."""
        self.wait(self.decoded)

    def wait(self, count: int) -> int:
        """Sleep until `count` batches are tracked."""
        with self.changed:
            counters.publish(self.counters, AWAITED, count)
            self.changed.notify_all()
            while counters.seen(self.counters, TRACKED) < count:
                self.changed.wait()
            counters.publish(self.counters, AWAITED, 0)
        if self.failure is not None:
            raise self.failure
        return 0

    def close(self) -> None:
        """Let the tracking thread end after the enqueued batches."""
        with self.changed:
            self.over = True
            self.changed.notify_all()

    # -- the tracking thread -------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Track batches until the relay is closed."""
        while not self.is_over():
            slot = self.tracked % self.slots
            self.tracker.track_all(self.records, slot * self.batch, counters.seen(self.sizes, slot))
            self.tracked += 1
            counters.publish(self.counters, TRACKED, self.tracked)
            awaited = counters.seen(self.counters, AWAITED)
            if awaited and self.tracked >= awaited:
                self.wake()
        return 0

    def is_over(self) -> bool:
        """Return True if the relay is closed and empty; sleeps while it is empty."""
        return counters.seen(self.counters, DECODED) == self.tracked and self.sleep()

    def sleep(self) -> bool:
        """Sleep until several batches wait, one is awaited or the relay is closed; return True if there is none."""
        with self.changed:
            counters.publish(self.counters, SLEEPING, 1)
            while not (self.is_worth_waking() or self.over or counters.seen(self.counters, AWAITED) > self.tracked):
                self.changed.wait()
            counters.publish(self.counters, SLEEPING, 0)
        return counters.seen(self.counters, DECODED) == self.tracked

    def is_worth_waking(self) -> bool:
        """Return True if enough batches are waiting."""
        return counters.seen(self.counters, DECODED) - counters.seen(self.counters, TRACKED) >= self.wake_at

    def fail(self, error: BaseException) -> None:
        """Record the exception that ended tracking, and wake the decoding thread."""
        self.failure = error
        counters.publish(self.counters, TRACKED, FAILED)
        self.wake()

    def wake(self) -> int:
        """Wake the other thread."""
        with self.changed:
            self.changed.notify_all()
        return 0
