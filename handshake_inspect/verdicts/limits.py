"""What a user may set of the verdicts; without NumPy, so that options can be made before it is imported."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """How long an unanswered SYN is `pending`, 2 MSL, and whether names of servers and protocols may be shown."""

    unanswered_ns: int = 3_000_000_000
    time_wait_ns: int = 60_000_000_000
    names: bool = True
