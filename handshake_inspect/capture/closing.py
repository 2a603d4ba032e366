"""What a `with` block closes."""

from types import TracebackType
from typing import Self


class Closes:
    """Closed at the end of a `with` block, however that ends."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release what it holds; once more does nothing."""
        raise NotImplementedError
