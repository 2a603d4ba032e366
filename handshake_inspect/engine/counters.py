"""Lock-free counters, each written by one thread and read by another, in a cache line of its own.

Access is sequentially consistent: a reader of a counter also sees everything written before it, and of two threads
that each write one counter and then read the other's, at least one sees the new value.
"""

from typing import Any

from handshake_inspect.tcp.row_memory import reserve_words
from handshake_inspect.tcp.rows import words_of

LINE = 16  # words between counters: processors fetch cache lines in pairs


def counters(count: int) -> Any:
    """Allocate `count` counters, all 0."""
    return reserve_words(LINE * count)


def counters_of(storage: Any) -> Any:
    """Return the counters in `storage`: `storage` itself in the pure build, a pointer in the compiled one."""
    return words_of(storage)


def publish(numbers: Any, which: int, value: int) -> None:
    """Store a value."""
    numbers[LINE * which] = value


def seen(numbers: Any, which: int) -> int:
    """Load the current value."""
    value: int = numbers[LINE * which]
    return value
