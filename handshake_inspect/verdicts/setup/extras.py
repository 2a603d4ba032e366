"""Additional waits of set-ups, as columns; rows of set-ups refer to them as linked lists."""

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.verdicts.arrays import Bools, Times
from handshake_inspect.verdicts.setup.seen import Seen, frame_numbers


class Extras:
    """The waits of some set-ups: `at` are indices of the connections in `seen`; columns have one value per wait."""

    def __init__(self, seen: Seen) -> None:
        self.seen = seen

    def before(self, there: Bools, frames: NDArray[np.uint64]) -> "Extras":
        """Return the waits that ended in or before these frames of their connections, or all where `there` is false.

        The segment that fills a hole comes after the frames behind the hole, but its wait counts.
        """
        kept = Extras(self.seen)
        at, numbers = self._chains
        if len(at):
            sooner = ~there[at] | (self.frame <= frames[at]) | (self["filled"] != 0)
            at, numbers = at[sooner], numbers[sooner]
        kept._chains = at, numbers
        return kept

    @cached_property
    def _chains(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        extras = self.seen.trace.extras
        assert extras is not None  # noqa: S101
        ats, numbers = [], []
        number = self.seen["extras"].astype(np.intp)
        at = np.flatnonzero(number)
        while len(at):
            ats.append(at)
            numbers.append(number[at] - 1)
            following = np.zeros(len(number), dtype=np.intp)
            following[at] = extras["next"][numbers[-1]]
            number, at = following, np.flatnonzero(following)
        if not ats:
            return np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.intp)
        order = np.argsort(np.concatenate(ats), kind="stable")
        return np.concatenate(ats)[order], np.concatenate(numbers)[order]

    @property
    def at(self) -> NDArray[np.intp]:
        """The index of each wait's connection, ascending."""
        return self._chains[0]

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return a column of the waits."""
        assert self.seen.trace.extras is not None  # noqa: S101
        column: NDArray[Any] = self.seen.trace.extras[name][self._chains[1]]
        return column

    @property
    def frame(self) -> NDArray[np.uint64]:
        """The frame that ended each wait."""
        return frame_numbers(self.seen.of("first_frame")[self.at], self["frame"])

    def any(self, reason: int, span: int) -> Bools:
        """Return a mask over connections with a wait for this reason within this span."""
        found = np.zeros(len(self.seen), dtype=bool)
        if len(self.at):
            found[self.at[(self["reason"] == reason) & (self["span"] == span)]] = True
        return found

    def count(self, reason: int) -> NDArray[np.uint16]:
        """Return the number of waits for this reason per connection."""
        at = self.at[self["reason"] == reason] if len(self.at) else self.at
        return np.bincount(at, minlength=len(self.seen)).astype(np.uint16)

    def cost(self, reason: int, span: int) -> Times:
        """Return the total of the waits for this reason within this span per connection, -1 for none."""
        total = np.full(len(self.seen), -1, dtype=np.int64)
        if len(self.at):
            mine = (self["reason"] == reason) & (self["span"] == span)
            sums = np.bincount(self.at[mine], self["cost_ns"][mine].astype(np.float64), len(self.seen))
            there = np.bincount(self.at[mine], minlength=len(self.seen)) > 0
            total[there] = sums[there].astype(np.int64)
        return total
