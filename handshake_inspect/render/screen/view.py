"""What the user has chosen to see, and how keys change it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from handshake_inspect.report.model import Connection, Service

Mode = Literal["overview", "filter", "detail", "help"]
Sort = Literal["busiest", "most trouble", "slowest", "by address"]
SORTS: tuple[Sort, ...] = ("busiest", "most trouble", "slowest", "by address")
LONGEST_FILTER = 60
PAGE = 10  # lines that a page key scrolls


@dataclass
class View:
    """The choices; `press` changes them and knows nothing of terminals.

    `selected` is the id of a connection in trouble, None to follow the newest.  `place` is where it was last seen in
    the list, so that the selection stays near when the connection leaves it.
    """

    mode: Mode = "overview"
    paused: bool = False
    quitting: bool = False
    sort: Sort = "busiest"
    filter: str = ""
    selected: int | None = None
    place: int = 0
    shown: Connection | None = None  # whose detail is shown
    scroll: int = 0

    def press(self, key: str, trouble: Sequence[Connection]) -> None:
        """React to a key; `trouble` is the list on the screen."""
        if self.mode == "filter":
            self._type(key)
        elif self.mode == "overview":
            self._choose(key, trouble)
        else:
            self._read(key)

    def chosen(self, trouble: Sequence[Connection]) -> int | None:
        """The place of the selected connection in the list; None when none is selected."""
        if self.selected is None or not trouble:
            return None
        for place, connection in enumerate(trouble):
            if connection.id == self.selected:
                return place
        return min(self.place, len(trouble) - 1)

    def _common(self, key: str) -> None:
        if key == "q":
            self.quitting = True
        elif key == "p":
            self.paused = not self.paused

    def _choose(self, key: str, trouble: Sequence[Connection]) -> None:
        place = self.chosen(trouble)
        last = len(trouble) - 1
        if key in ("f", "/"):
            self.mode = "filter"
        elif key == "s":
            self.sort = SORTS[(SORTS.index(self.sort) + 1) % len(SORTS)]
        elif key in ("?", "h"):
            self.mode, self.scroll = "help", 0
        elif key in ("down", "j"):
            self._select(trouble, 0 if place is None else min(place + 1, last))
        elif key in ("up", "k"):
            self._select(trouble, None if not place else place - 1)
        elif key in ("page-down", "page-up"):
            step = PAGE if key == "page-down" else -PAGE
            self._select(trouble, min(max((place or 0) + step, 0), last))
        elif key in ("end", "G"):
            self._select(trouble, last)
        elif key in ("home", "g"):
            self._select(trouble, None)
        elif key == "escape":
            self.selected, self.filter = None, self.filter if self.selected is not None else ""
        elif key == "enter" and trouble:
            self.shown, self.mode, self.scroll = trouble[place or 0], "detail", 0
        else:
            self._common(key)

    def _select(self, trouble: Sequence[Connection], place: int | None) -> None:
        if place is None or not trouble:
            self.selected = None
        else:
            self.selected, self.place = trouble[place].id, place

    def _type(self, key: str) -> None:
        if key == "enter":
            self.mode = "overview"
        elif key == "escape":
            self.mode, self.filter = "overview", ""
        elif key == "backspace":
            self.filter = self.filter[:-1]
        elif key == "clear":
            self.filter = ""
        elif len(key) == 1 and key.isprintable() and len(self.filter) < LONGEST_FILTER:
            self.filter += key

    def _read(self, key: str) -> None:
        if key in ("escape", "backspace", "enter") or (self.mode == "help" and key in ("?", "h")):
            if self.mode == "detail":
                self.shown = None
            self.mode, self.scroll = ("detail" if self.shown is not None else "overview"), 0
        elif key in ("down", "j"):
            self.scroll += 1
        elif key in ("up", "k"):
            self.scroll = max(self.scroll - 1, 0)
        elif key in ("page-down", " "):
            self.scroll += PAGE
        elif key == "page-up":
            self.scroll = max(self.scroll - PAGE, 0)
        elif key in ("home", "g"):
            self.scroll = 0
        elif key == "?":
            self.mode, self.scroll = "help", 0
        else:
            self._common(key)

    def services(self, services: Sequence[Service]) -> list[Service]:
        """The services that the filter lets through, in the order chosen."""
        words = self.filter.lower().split()
        kept = [service for service in services if not words or _about_service(service, words)]
        if self.sort == "most trouble":
            kept.sort(key=lambda service: -_troubled(service))
        elif self.sort == "slowest":
            kept.sort(key=lambda service: -(service.rtt.total.p99_ns or -1))
        elif self.sort == "by address":
            kept.sort(key=lambda service: (":" in service.server.ip, service.server.ip, service.server.port))
        else:
            kept.sort(key=lambda service: -service.connections)
        return kept

    def trouble(self, connections: Sequence[Connection]) -> list[Connection]:
        """The connections that the filter lets through."""
        words = self.filter.lower().split()
        return [each for each in connections if not words or _about_connection(each, words)]


def _troubled(service: Service) -> int:
    outcomes = service.outcomes
    return outcomes.refused + outcomes.rejected + outcomes.timed_out + outcomes.half_open + outcomes.aborted


def _about_connection(connection: Connection, words: list[str]) -> bool:
    about = [str(connection.client), str(connection.server), connection.outcome, connection.cause or ""]
    text = " ".join(about).lower()
    return all(word in text for word in words)


def _about_service(service: Service, words: list[str]) -> bool:
    """By address, port, or an outcome that some of its connections had."""
    had = [outcome for outcome, count in service.outcomes.as_dict().items() if count]
    text = " ".join([str(service.server), *had]).lower()
    return all(word in text for word in words)
