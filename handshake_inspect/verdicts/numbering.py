"""Row numbers of four kinds, which mypy keeps apart; at run time each is a NumPy array of integers of any width.

`ConnectionRows(numbers)` says what the numbers are of, and costs nothing.  What is taken out of such numbers, by a
mask, a slice or places, are numbers of the same kind.  Every connection is the attempt of the same number, so
`ConnectionRows` stand wherever `AttemptRows` do, and not the other way round.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NewType, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from typing import Self, overload

    class _Numbers(np.ndarray[Any, np.dtype[np.intp]]):
        def __new__(cls, numbers: NDArray[Any]) -> Self: ...

        @overload  # type: ignore[override]
        def __getitem__(self, key: int | np.integer[Any]) -> np.intp: ...
        @overload
        def __getitem__(self, key: Any) -> Self: ...
        def __getitem__(self, key: Any) -> Any: ...

    class AttemptRows(_Numbers):
        """Attempts in row order: connections first, then the SYNs that nothing answered."""

    class ConnectionRows(AttemptRows):
        """Rows of connections."""

    class EndpointRows(_Numbers):
        """Rows of ends: `2 * connection + side`; `^ 1` is the other end."""

        def __xor__(self, other: Any) -> Self: ...

    class ReportIds(_Numbers):
        """Places in the order of first frames, from 0: the ids of a report."""
else:
    AttemptRows = NewType("AttemptRows", np.ndarray)
    ConnectionRows = NewType("ConnectionRows", AttemptRows)
    EndpointRows = NewType("EndpointRows", np.ndarray)
    ReportIds = NewType("ReportIds", np.ndarray)

Numbered = TypeVar("Numbered", bound="_Numbers")


def chained(*parts: Numbered) -> Numbered:
    """All of these, one after the other."""
    return np.concatenate(parts)  # type: ignore[return-value]


def ascending(numbers: Numbered) -> Numbered:
    """The same in ascending order."""
    return np.sort(numbers)  # type: ignore[return-value]
