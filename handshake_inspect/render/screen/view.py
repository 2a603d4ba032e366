"""The state of the user interface, and how keys change it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from handshake_inspect.render.screen.lists import PANELS, Key, Lists, Panel, Row
from handshake_inspect.report.model import Connection, Finding, Service
from handshake_inspect.report.snapshot import TroubleGroup

Mode = Literal["overview", "filter", "detail", "help"]
Sort = Literal["busiest", "most trouble", "slowest", "by address"]
SORTS: tuple[Sort, ...] = ("busiest", "most trouble", "slowest", "by address")
LONGEST_FILTER = 120
# Characters and words that mark a filter as an expression; addresses and ports contain none of them.
_OPERATOR = re.compile(r"[=<>!~&|()'\"]|(?:^|\s)(?:not|and|or|in|eq|ne|gt|lt|ge|le|matches|contains)(?:\s|$)")
PAGE = 10  # lines scrolled by page keys


@dataclass
class View:
    """The user's choices, which `press` changes.

    `panel` is the list with the cursor; None means trouble while there is any, else connections.  `selected` are the
    keys of the selected rows, absent to follow the newest.  `places` are their last indices, so that the cursor stays
    near when a row leaves the list.
    """

    mode: Mode = "overview"
    paused: bool = False
    quitting: bool = False
    sort: Sort = "busiest"
    filter: str = ""
    panel: Panel | None = None
    selected: dict[Panel, Key] = field(default_factory=dict)
    places: dict[Panel, int] = field(default_factory=dict)
    unfolded: set[Key] = field(default_factory=set)
    shown: Connection | Finding | None = None  # the object of the detail page
    scroll: int = 0

    def press(self, key: str, lists: Lists) -> None:
        """Handle a key; `lists` are those on the screen."""
        if self.mode == "filter":
            self._type(key)
        elif self.mode == "overview":
            self._choose(key, lists)
        else:
            self._read(key)

    def focus(self, lists: Lists) -> Panel:
        """Return the list that has the cursor."""
        return self.panel or ("trouble" if lists["trouble"] or not lists["connections"] else "connections")

    def chosen(self, panel: Panel, rows: Sequence[Row]) -> int | None:
        """Return the index of the selected row, or None."""
        wanted = self.selected.get(panel)
        if wanted is None or not rows:
            return None
        for place, row in enumerate(rows):
            if row.key == wanted:
                return place
        return min(self.places.get(panel, 0), len(rows) - 1)

    @property
    def is_expression(self) -> bool:
        """Whether the filter is an expression rather than words."""
        return _OPERATOR.search(self.filter) is not None

    @property
    def words(self) -> list[str]:
        """The words of the filter; empty for an expression."""
        return [] if self.is_expression else self.filter.lower().split()

    def _common(self, key: str) -> None:
        if key == "q":
            self.quitting = True
        elif key == "p":
            self.paused = not self.paused

    def _choose(self, key: str, lists: Lists) -> None:
        panel = self.focus(lists)
        rows = lists[panel]
        place, last = self.chosen(panel, rows), len(rows) - 1
        if key in _STEPS:
            self._select(panel, rows, _STEPS[key](place, last))
        elif key in ("f", "/"):
            self.mode = "filter"
        elif key == "tab":
            self.panel = PANELS[(PANELS.index(panel) + 1) % len(PANELS)]
        elif key == "s":
            self.sort = SORTS[(SORTS.index(self.sort) + 1) % len(SORTS)]
        elif key in ("?", "h"):
            self.mode, self.scroll = "help", 0
        elif key == "escape":
            self.filter = self.filter if self.selected else ""
            self.selected = {}
        elif key == "enter" and rows:
            self._open(panel, rows, place or 0)
        else:
            self._common(key)

    def _select(self, panel: Panel, rows: Sequence[Row], place: int | None) -> None:
        if place is None or not rows:
            self.selected.pop(panel, None)
        else:
            self.selected[panel], self.places[panel] = rows[place].key, place

    def _open(self, panel: Panel, rows: Sequence[Row], place: int) -> None:
        """Show the details of a row; expand or collapse a group."""
        row = rows[place]
        if isinstance(row.of, TroubleGroup):
            self.unfolded ^= {row.key}
            self._select(panel, rows, place)
        else:
            self.shown, self.mode, self.scroll = row.of, "detail", 0

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
        """Return the services that match the filter, in the selected order."""
        words = self.words
        kept = [service for service in services if not words or _about_service(service, words)]
        kept.sort(key=_ORDERS[self.sort])
        return kept


def _troubled(service: Service) -> int:
    outcomes = service.outcomes
    return outcomes.refused + outcomes.rejected + outcomes.timed_out + outcomes.half_open + outcomes.aborted


_ORDERS: dict[Sort, Callable[[Service], Any]] = {
    "busiest": lambda service: -service.connections,
    "most trouble": lambda service: -_troubled(service),
    "slowest": lambda service: -(service.rtt.total.p99_ns or -1),
    "by address": lambda service: (":" in service.server.ip, service.server.ip, service.server.port),
}
# Functions from the selected index (None for none) and the last index to the next index.
_STEPS: dict[str, Callable[[int | None, int], int | None]] = {
    "down": lambda place, last: 0 if place is None else min(place + 1, last),
    "up": lambda place, _: None if not place else place - 1,
    "page-down": lambda place, last: min((place or 0) + PAGE, last),
    "page-up": lambda place, _: max((place or 0) - PAGE, 0),
    "end": lambda _, last: last,
    "home": lambda *_: None,
}
_STEPS |= {letter: _STEPS[name] for letter, name in (("j", "down"), ("k", "up"), ("G", "end"), ("g", "home"))}


def _about_service(service: Service, words: list[str]) -> bool:
    """Whether all words occur in the address, port, process or outcomes of a service."""
    had = [outcome for outcome, count in service.outcomes.as_dict().items() if count]
    owner = service.listener.name or "" if service.listener is not None else ""
    text = " ".join([str(service.server), owner, *had]).lower()
    return all(word in text for word in words)
