"""Where the frames of a trace of many files are: in which file, and which number they have there.

It needs NumPy: it is made when the report is.
"""

from array import array
from collections.abc import Sequence
from functools import cached_property
from typing import Any
from zlib import decompress

import numpy as np
from numpy.typing import NDArray

_SENSOR = 40  # bits of a number in a sensor's own count, below those of the sensor

Numbers = NDArray[np.int64]


class Places:
    """Translates numbers of frames of the whole trace."""

    def __init__(
        self, names: Sequence[str], sensors: Sequence[tuple[Sequence[int], Sequence[int]]], pages: Sequence[bytes]
    ) -> None:
        """`sensors` have the places in `names` of their files, and how many of their frames come before each.

        `pages` say which sensor each number belongs to, as MergeReader keeps that; there are none of one sensor.
        """
        self.names = list(names)
        self._pages = list(pages)
        self._sensors = len(sensors)
        self._files = np.array([file for files, _ in sensors for file in files], dtype=np.int64)
        starts = [start | number << _SENSOR for number, (_, own) in enumerate(sensors) for start in own]
        self._starts = np.array(starts, dtype=np.int64)

    def of(self, numbers: NDArray[Any]) -> tuple[Numbers, Numbers]:
        """The file of each of these frames, as its place in `names`, and its number there."""
        numbers = numbers.astype(np.int64)
        sensor, own = self._in_sensors(numbers) if self._pages else (np.zeros_like(numbers), numbers)
        at = np.searchsorted(self._starts, sensor << _SENSOR | own - 1, side="right") - 1
        return self._files[at], own - (self._starts[at] & (1 << _SENSOR) - 1)

    def _in_sensors(self, numbers: Numbers) -> tuple[Numbers, Numbers]:
        """The sensor of each frame, and its number there."""
        sensor, own = np.empty_like(numbers), np.empty_like(numbers)
        bounds = self._befores[0]
        page = np.searchsorted(bounds, numbers - 1, side="right") - 1
        for each in np.unique(page).tolist():
            wanted = np.flatnonzero(page == each)
            marks = self._marks(each)
            places = numbers[wanted] - 1 - bounds[each]
            sensor[wanted] = marks[places]
            own[wanted] = self._befores[1][each, marks[places]] + _ranks(marks)[places]
        return sensor, own

    @cached_property
    def _befores(self) -> tuple[Numbers, Numbers]:
        """The frames before each page, and of them those of each sensor."""
        counts = np.zeros((len(self._pages) + 1, self._sensors), dtype=np.int64)
        for number in range(len(self._pages)):
            counts[number + 1] = counts[number] + np.bincount(self._marks(number), minlength=self._sensors)
        return counts[:-1].sum(axis=1), counts[:-1]

    def _marks(self, page: int) -> NDArray[np.intp]:
        return np.array(array("I", decompress(self._pages[page])), dtype=np.intp)


def _ranks(marks: NDArray[np.intp]) -> Numbers:
    """Which of its sensor's frames each one is, from 1."""
    order = np.argsort(marks, kind="stable")
    sizes = np.bincount(marks)
    ends = np.cumsum(sizes)
    ranks = np.empty(len(marks), dtype=np.int64)
    ranks[order] = np.arange(len(marks)) - np.repeat(ends - sizes, sizes) + 1
    return ranks
