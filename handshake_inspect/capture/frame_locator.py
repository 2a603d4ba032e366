"""Map frame numbers of a merged trace to the file and the frame number there.

It is separate from the merge because it needs NumPy, which is loaded only for the report.
"""

from array import array
from collections.abc import Sequence
from functools import cached_property
from typing import Any
from zlib import decompress

import numpy as np
from numpy.typing import NDArray

_SENSOR_SHIFT = 40  # the lower bits hold a frame number within the sensor

Numbers = NDArray[np.int64]


class FrameLocator:
    """Translates frame numbers of the whole trace."""

    def __init__(
        self, names: Sequence[str], sensors: Sequence[tuple[Sequence[int], Sequence[int]]], pages: Sequence[bytes]
    ) -> None:
        """Index the files `names`.

        `sensors` holds, for each sensor, the indexes of its files in `names` and the number of its frames before each.
        `pages` gives the sensor of each frame (see `MergeReader.sensor_pages`); it is empty for a single sensor.
        """
        self.names = list(names)
        self._pages = list(pages)
        self._sensors = len(sensors)
        self._files = np.array([file for files, _ in sensors for file in files], dtype=np.int64)
        starts = [start | number << _SENSOR_SHIFT for number, (_, own) in enumerate(sensors) for start in own]
        self._starts = np.array(starts, dtype=np.int64)

    def of(self, numbers: NDArray[Any]) -> tuple[Numbers, Numbers]:
        """Return, for each frame number, the index of its file in `names` and its frame number there."""
        numbers = numbers.astype(np.int64)
        sensor, own = self._in_sensors(numbers) if self._pages else (np.zeros_like(numbers), numbers)
        at = np.searchsorted(self._starts, sensor << _SENSOR_SHIFT | own - 1, side="right") - 1
        return self._files[at], own - (self._starts[at] & (1 << _SENSOR_SHIFT) - 1)

    def _in_sensors(self, numbers: Numbers) -> tuple[Numbers, Numbers]:
        """Return the sensor of each frame, and its frame number within that sensor."""
        sensor, own = np.empty_like(numbers), np.empty_like(numbers)
        bounds = self._frames_before[0]
        page = np.searchsorted(bounds, numbers - 1, side="right") - 1
        for each in np.unique(page).tolist():
            wanted = np.flatnonzero(page == each)
            sensors_of_page = self._page(each)
            places = numbers[wanted] - 1 - bounds[each]
            sensor[wanted] = sensors_of_page[places]
            own[wanted] = (
                self._frames_before[1][each, sensors_of_page[places]] + _ranks_in_sensor(sensors_of_page)[places]
            )
        return sensor, own

    @cached_property
    def _frames_before(self) -> tuple[Numbers, Numbers]:
        """Return the frames before each page: in total, and by sensor (shape pages by sensors)."""
        counts = np.zeros((len(self._pages) + 1, self._sensors), dtype=np.int64)
        for number in range(len(self._pages)):
            counts[number + 1] = counts[number] + np.bincount(self._page(number), minlength=self._sensors)
        return counts[:-1].sum(axis=1), counts[:-1]

    def _page(self, page: int) -> NDArray[np.intp]:
        return np.array(array("I", decompress(self._pages[page])), dtype=np.intp)


def _ranks_in_sensor(sensors_of_page: NDArray[np.intp]) -> Numbers:
    """Return the position, from 1, of each frame among those of its sensor on the page."""
    order = np.argsort(sensors_of_page, kind="stable")
    sizes = np.bincount(sensors_of_page)
    ends = np.cumsum(sizes)
    ranks = np.empty(len(sensors_of_page), dtype=np.int64)
    ranks[order] = np.arange(len(sensors_of_page)) - np.repeat(ends - sizes, sizes) + 1
    return ranks
