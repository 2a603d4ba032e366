"""Compute a value once per trace or case, however often it is used."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Protocol, TypeVar


class Memoizes(Protocol):
    """An object that stores computed values by the function that computed them."""

    @property
    def memo(self) -> dict[Callable[..., Any], Any]:
        """The values computed so far."""


Subject = TypeVar("Subject", bound=Memoizes)
Result = TypeVar("Result")


def once(compute: Callable[[Subject], Result]) -> Callable[[Subject], Result]:
    """Make `compute` run once per subject; the shared result must not be modified."""

    @wraps(compute)
    def remembered(subject: Subject) -> Result:
        if compute not in subject.memo:
            subject.memo[compute] = compute(subject)
        result: Result = subject.memo[compute]
        return result

    return remembered
