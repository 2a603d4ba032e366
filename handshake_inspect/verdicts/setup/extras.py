"""What cost round trips besides, as columns: the chains of waits that set-ups name."""

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.verdicts.arrays import Bools, Times
from handshake_inspect.verdicts.setup.seen import Seen, frame_numbers


class Extras:
    """The waits of some set-ups: `at` are places among the connections that were seen, `rows` those of the waits."""

    def __init__(self, seen: Seen) -> None:
        self.seen = seen

    def before(self, there: Bools, frames: NDArray[np.uint64]) -> "Extras":
        """Those that ended in these frames of their connections or before, where there is such a frame.

        What fills a hole comes after the frames behind it, for which one waited all the same.
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
        """For each wait, the place of its connection, ascending."""
        return self._chains[0]

    def __getitem__(self, name: str) -> NDArray[Any]:
        """A column of the waits."""
        assert self.seen.trace.extras is not None  # noqa: S101
        column: NDArray[Any] = self.seen.trace.extras[name][self._chains[1]]
        return column

    @property
    def frame(self) -> NDArray[np.uint64]:
        """The frame that ended each wait."""
        return frame_numbers(self.seen.of("first_frame")[self.at], self["frame"])

    def any(self, reason: int, span: int) -> Bools:
        """Which connections have a wait for this reason inside of this span."""
        found = np.zeros(len(self.seen), dtype=bool)
        if len(self.at):
            found[self.at[(self["reason"] == reason) & (self["span"] == span)]] = True
        return found

    def count(self, reason: int) -> NDArray[np.uint16]:
        """How many waits of this kind each connection has."""
        at = self.at[self["reason"] == reason] if len(self.at) else self.at
        return np.bincount(at, minlength=len(self.seen)).astype(np.uint16)

    def cost(self, reason: int, span: int) -> Times:
        """How long the waits for this reason inside of this span took together; -1 for none."""
        total = np.full(len(self.seen), -1, dtype=np.int64)
        if len(self.at):
            mine = (self["reason"] == reason) & (self["span"] == span)
            sums = np.bincount(self.at[mine], self["cost_ns"][mine].astype(np.float64), len(self.seen))
            there = np.bincount(self.at[mine], minlength=len(self.seen)) > 0
            total[there] = sums[there].astype(np.int64)
        return total
