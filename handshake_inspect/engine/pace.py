"""How often to look at a table: what that takes grows with its rows, and rows come while nobody looks."""

MORE = 2.0  # times as many rows, at most, are expected to take as many times as long: some of it is the same for all


class Pace:
    """Something that is done every `every_s` seconds, or less often, so that it takes at most `share` of the time."""

    def __init__(self, every_s: float, share: float, last_s: float) -> None:
        """Begin as if it had been done at `last_s`, in no time."""
        self._every_s = every_s
        self._share = share
        self._last_s = last_s
        self._took_s = 0.0
        self._rows = 1

    def note(self, now_s: float, took_s: float, rows: int) -> None:
        """Note that it was done, and how much time it took."""
        self._last_s, self._took_s, self._rows = now_s, took_s, max(rows, 1)

    def is_due(self, now_s: float, rows: int) -> bool:
        """Whether it is time to do it again, of so many rows now."""
        will_take_s = self._took_s * min(max(rows / self._rows, 1.0), MORE)
        return now_s >= self._last_s + max(self._every_s, will_take_s / self._share)
