"""User settings for the verdicts; imports no NumPy, so that command-line options can be built quickly."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """How long an unanswered SYN is `pending`, 2 MSL, and whether server names and protocols may be shown."""

    unanswered_ns: int = 3_000_000_000
    time_wait_ns: int = 60_000_000_000
    names: bool = True
