"""The live screen: draws snapshots at a steady rate, reacts to keys, and restores the terminal."""
# ruff: noqa: PLC0415

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TextIO

from handshake_inspect.errors import HsiError
from handshake_inspect.render.screen.lists import Lists, Passing, Row
from handshake_inspect.render.screen.view import View
from handshake_inspect.report.model import Connection
from handshake_inspect.report.snapshot import Snapshot, TroubleGroup

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

    from handshake_inspect.render.screen.terminal import Terminal

GetSnapshot = Callable[[], Snapshot | None]
Story = Callable[[Snapshot, Connection], str | None]
Reads = Callable[[str], Passing | None]


def can_show(out: TextIO | None = None) -> bool:
    """Whether the output is a terminal that can show a screen."""
    out = out or sys.stdout
    try:
        return out is not None and out.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")
    except ValueError:  # closed
        return False


class Screen:
    """The screen of `hsi live`.

    `ascii`: draw with ASCII signs only; `color`: use colours (words and signs alone carry the meaning); `interface` is
    shown until the first snapshot; `out` is the terminal, standard output by default.  `story` returns the ladder of a
    connection as lines for the screen's `width` and `style`, or None; it may raise HsiError.  `reads` compiles an
    expression of -Y, raising HsiError if it is wrong; an empty one matches all.
    """

    def __init__(
        self,
        *,
        ascii: bool = False,  # noqa: A002 - the user's word for it
        color: bool = True,
        interface: str = "",
        out: TextIO | None = None,
    ) -> None:
        from handshake_inspect.render.layout import Style
        from handshake_inspect.render.screen.look import Look
        from handshake_inspect.render.screen.scene import Pace

        self.view = View()
        self.interface = interface
        self.width = 80  # columns of the last frame drawn
        self.style = Style(color=color, encoding="ascii" if ascii else "utf-8")
        self.story: Story | None = None
        self.reads: Reads | None = None
        self.passing: Passing | None = None  # applies the filter expression
        self._filter = ""  # the last filter parsed
        self._fault = ""  # its error
        self._look = Look(ascii=ascii, color=color)
        self._pace = Pace()
        self._out = out
        self._held: Snapshot | None = None  # the snapshot on the screen
        self._told: str | None = None  # the ladder of the connection shown
        self._story_snapshot: Snapshot | None = None  # the newest snapshot with that connection
        self._terminal: Terminal | None = None
        self._stopped = threading.Event()
        self._gone = False  # the terminal has gone away

    # --- drawing ------------------------------------------------------------------------------------------------------

    def render(self, snapshot: Snapshot | None, width: int, height: int) -> RenderableType:
        """Return the screen: exactly `height` lines of at most `width` columns."""
        from rich.console import Group

        return Group(*self.lines(snapshot, width, height))

    def lines(self, snapshot: Snapshot | None, width: int, height: int) -> list[Text]:
        """Return the lines of the screen."""
        from handshake_inspect.render.screen import pages
        from handshake_inspect.render.screen.scene import Scene

        if self.width != width:
            self.width = width
            self._tell()
        if snapshot is None:
            return pages.waiting(self._look, self.interface, width, height)
        rate = self._pace.rate(snapshot)
        lists = self._lists(snapshot)
        return pages.page(Scene(snapshot, self.view, self._look, width, height, rate, lists, self._told, self._fault))

    def press(self, key: str) -> None:
        """Handle a key."""
        held = self._held
        before, typing = self.view.shown, self.view.mode == "filter"
        self.view.press(key, self._lists(held))
        if typing and key == "enter" and self._fault:
            self.view.mode = "filter"  # stay there to show the error; Esc clears the filter
        if self.view.filter != self._filter:
            self._read_filter()
        if self.view.shown is not before:
            self._story_snapshot = held
            self._tell()

    def _lists(self, snapshot: Snapshot | None) -> Lists:
        from handshake_inspect.render.screen.lists import lists

        return lists(snapshot, self.view.words, self.passing, self.view.unfolded)

    def _read_filter(self) -> None:
        """Parse the filter; while it is invalid (still being typed), the last valid one stays in effect."""
        self._filter, self._fault = self.view.filter, ""
        if self.reads is None or not self.view.is_expression:
            self.passing = None if self.reads is None else self.reads("")
            return
        try:
            self.passing = self.reads(self._filter)
        except HsiError as error:
            self._fault = str(error)

    def show(self, snapshot: Snapshot | None) -> None:
        """Show a new snapshot, unless the screen is paused."""
        if snapshot is None:
            return
        if self.view.paused and self._held is not None:
            return
        self._pace.note(snapshot)
        is_new, self._held = snapshot is not self._held, snapshot
        shown = self.view.shown
        if shown is None or not is_new:
            return
        rows = {row.key: row.of for row in self._followed(snapshot)}
        newest = rows.get(Row(shown).key)
        if isinstance(newest, TroubleGroup):
            return
        if newest is not None:
            self.view.shown, self._story_snapshot = newest, snapshot
            self._tell()

    def _followed(self, snapshot: Snapshot) -> Iterator[Row]:
        """Yield everything that may be shown in detail, regardless of the filter."""
        yield from map(Row, snapshot.trouble)
        yield from map(Row, snapshot.newest)
        yield from map(Row, snapshot.findings)

    def _tell(self) -> None:
        """Update the ladder of the connection shown."""
        shown, snapshot = self.view.shown, self._story_snapshot
        self._told = None
        if not isinstance(shown, Connection) or snapshot is None or self.story is None:
            return
        try:
            self._told = self.story(snapshot, shown)
        except HsiError as error:
            self._told = f"  {error}"

    # --- terminal -----------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """End `run` soon; may be called from any thread or signal handler, also before `run`."""
        self._stopped.set()
        terminal = self._terminal
        if terminal is not None:
            from handshake_inspect.render.screen.terminal import STOPPED

            terminal.events.put(STOPPED)

    def run(self, get_snapshot: GetSnapshot, *, on_quit: Callable[[], None], refresh_hz: float = 4) -> None:
        """Own the terminal until `q` or `stop`.

        `get_snapshot` gives the newest snapshot, or None before there is one; it is called `refresh_hz` times a second
        and must not wait.  `on_quit` is called when the user quits, or when the terminal is gone.  An exception from
        any of them, and KeyboardInterrupt, come out of here when the terminal is as it was.  Best run in the main
        thread (a resize is then shown at once) with the capture in another; the other way round works too.
        """
        from rich.console import ConsoleDimensions
        from rich.live import Live

        from handshake_inspect.render.screen.terminal import Terminal

        out = self._out or sys.stdout
        try:
            with Terminal(out) as terminal:
                self._terminal = terminal
                console = self._console(out)
                live = Live(
                    console=console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
                )
                console.size = ConsoleDimensions(*terminal.size)
                terminal.drawn = True
                with live:
                    self._draw(terminal, console, live.update, get_snapshot, 1 / refresh_hz)
                terminal.drawn = False
        except OSError:
            if not self._gone:  # restoring a terminal that has gone away fails, too
                raise
        finally:
            self._terminal = None
        if self.view.quitting:
            on_quit()

    def _draw(
        self, terminal: Terminal, console: Console, update: Callable[..., None], get_snapshot: GetSnapshot, every: float
    ) -> None:
        from rich.console import ConsoleDimensions

        due = time.monotonic()
        drawn, drawn_size = None, (0, 0)
        while not self._stopped.is_set() and not self.view.quitting:
            if time.monotonic() >= due:
                self.show(get_snapshot())
                due = time.monotonic() + every
            size = terminal.size
            if drawn is not self._held or drawn_size != size:  # do not redraw the same
                console.size = ConsoleDimensions(*size)
                picture = self.render(self._held, *size)
                try:
                    update(picture, refresh=True)
                except OSError:  # the terminal has gone away
                    self._gone = self.view.quitting = True
                    return
                drawn, drawn_size = self._held, size
            events = _events(terminal, max(due - time.monotonic(), 0))
            for event in events:
                self.press(event)
            if events:
                drawn_size = (0, 0)

    def _console(self, out: TextIO) -> Console:
        from rich.console import Console

        return Console(
            file=out, force_terminal=True, no_color=None if self._look.color else True, legacy_windows=False,
            highlight=False, markup=False, emoji=False,
        )  # fmt: skip


def _events(terminal: Terminal, timeout_s: float) -> list[str]:
    """Wait for an event and return all pending ones, so that key repeat does not cause extra redraws."""
    events = []
    try:
        events.append(terminal.events.get(timeout=timeout_s))
        while True:
            events.append(terminal.events.get_nowait())
    except queue.Empty:
        return events
