"""Numbers that one thread writes and another one reads, each in a cache line of its own.

What was written before a number is seen by who reads the number, and two threads that each write theirs before they
read the other's do not miss each other.
"""

from typing import Any

from handshake_inspect.tcp.room import reserve_words
from handshake_inspect.tcp.rows import words_of

LINE = 16  # words from one number to the next: processors fetch cache lines in pairs


def counters(count: int) -> Any:
    """Room for so many numbers, all of which are 0."""
    return reserve_words(LINE * count)


def counters_of(storage: Any) -> Any:
    """The numbers of `storage`: itself here, a pointer to them in the compiled build."""
    return words_of(storage)


def publish(numbers: Any, which: int, value: int) -> None:
    """Write a number."""
    numbers[LINE * which] = value


def seen(numbers: Any, which: int) -> int:
    """The number as it is now."""
    value: int = numbers[LINE * which]
    return value
