"""Mixin for classes that a `with` block closes."""

from types import TracebackType
from typing import Self


class Closable:
    """Context manager that calls `close` on exit."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release all resources; calling it again has no effect."""
        raise NotImplementedError
