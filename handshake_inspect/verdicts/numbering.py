"""Row numbers of four kinds, which mypy keeps apart; at run time each is a NumPy integer array of any width.

`ConnectionRows(numbers)` only declares the kind, at no cost. Indexing with a mask, slice or indices keeps the kind.
Every connection is the attempt with the same number, so `ConnectionRows` are valid `AttemptRows`, but not vice versa.
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
        """Attempts in row order: connections first, then lone SYNs."""

    class ConnectionRows(AttemptRows):
        """Connection rows."""

    class EndpointRows(_Numbers):
        """Endpoint rows: `2 * connection + side`; `^ 1` is the other end."""

        def __xor__(self, other: Any) -> Self: ...

    class ReportIds(_Numbers):
        """Report ids: positions in the order of first frames, from 0."""
else:
    AttemptRows = NewType("AttemptRows", np.ndarray)
    ConnectionRows = NewType("ConnectionRows", AttemptRows)
    EndpointRows = NewType("EndpointRows", np.ndarray)
    ReportIds = NewType("ReportIds", np.ndarray)

Numbered = TypeVar("Numbered", bound="_Numbers")


def chained(*parts: Numbered) -> Numbered:
    """Concatenate row numbers of one kind."""
    return np.concatenate(parts)  # type: ignore[return-value]


def ascending(numbers: Numbered) -> Numbered:
    """Return the row numbers sorted."""
    return np.sort(numbers)  # type: ignore[return-value]
