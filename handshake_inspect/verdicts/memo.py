"""What is computed of attempts or of a case only once, however many ask for it."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Protocol, TypeVar


class Remembers(Protocol):
    """An object that keeps what was computed from it, by the function that computed it."""

    @property
    def made(self) -> dict[Callable[..., Any], Any]:
        """What was computed so far."""


Subject = TypeVar("Subject", bound=Remembers)
Result = TypeVar("Result")


def once(compute: Callable[[Subject], Result]) -> Callable[[Subject], Result]:
    """Let `compute` run once for each subject; the result is shared, and not to be written to."""

    @wraps(compute)
    def remembered(subject: Subject) -> Result:
        if compute not in subject.made:
            subject.made[compute] = compute(subject)
        result: Result = subject.made[compute]
        return result

    return remembered
