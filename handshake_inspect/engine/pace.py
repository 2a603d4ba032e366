"""Pacing of periodic work on a table: the interval grows with the cost, which grows with the number of rows."""

MAX_GROWTH = 2.0  # limit of the factor by which the expected cost grows with the rows: part of the cost is constant


class Pace:
    """A schedule: run every `every_s` seconds, or less often so that the work takes at most `share` of the time."""

    def __init__(self, every_s: float, share: float, last_s: float) -> None:
        """Start as if the work had last run at `last_s`, in no time."""
        self._every_s = every_s
        self._share = share
        self._last_s = last_s
        self._took_s = 0.0
        self._rows = 1

    def note(self, now_s: float, took_s: float, rows: int) -> None:
        """Record a run that ended at `now_s` and took `took_s` seconds for `rows` rows."""
        self._last_s, self._took_s, self._rows = now_s, took_s, max(rows, 1)

    def is_due(self, now_s: float, rows: int) -> bool:
        """Return True if the next run is due, given the present number of rows."""
        will_take_s = self._took_s * min(max(rows / self._rows, 1.0), MAX_GROWTH)
        return now_s >= self._last_s + max(self._every_s, will_take_s / self._share)
