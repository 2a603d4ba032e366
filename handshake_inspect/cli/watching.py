"""Helpers of live runs: run the screen beside the capture, drop root privileges, and import everything before that."""
# ruff: noqa: PLC0415

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any

from handshake_inspect.cli.output import Target
from handshake_inspect.cli.root import EXIT_INTERRUPTED, EXIT_UNUSABLE
from handshake_inspect.render import FORMATS, Options

if TYPE_CHECKING:
    from handshake_inspect.engine.live import LiveRun
    from handshake_inspect.expression.predicates import Predicate
    from handshake_inspect.live.base import LiveSource
    from handshake_inspect.render.layout import Style
    from handshake_inspect.render.screen import Screen
    from handshake_inspect.render.screen.lists import Passing
    from handshake_inspect.report.model import Connection, Report
    from handshake_inspect.report.quic import QuicConnection
    from handshake_inspect.report.snapshot import Snapshot
    from handshake_inspect.report.story import Story

_SEGMENTS_GONE = (
    "Its segments are gone: too many newer ones have arrived since. hsi live -w FILE keeps all, and hsi explain"
    " shows them."
)
_PARTIAL = "Only the newest notable segments are kept; plain data and ACKs are just counted."
_STOP_TIMEOUT_S = 2.0  # limit for the capture thread to stop

# A pcap file with two raw IPv4 packets: a SYN and the RST that refuses it.
SAMPLE_PCAP = bytes.fromhex(
    "d4c3b2a1020004000000000000000000ffff000065000000"
    "00000000000000002800000028000000450000280000400040060000c0000201c000020204d2000900000001000000005002000000000000"
    "00000000010000002800000028000000450000280000400040060000c0000202c0000201000904d200000000000000025014000000000000"
)


def make_screen(source: LiveSource, target: Target) -> Screen | None:
    """Return the live screen, or None if stdout is not a terminal that can show it."""
    from handshake_inspect.render.screen import Screen, can_show

    if not can_show():
        return None
    color = not os.environ.get("NO_COLOR")
    screen = Screen(ascii=target.encoding == "ascii", color=color, interface=source.name)
    screen.story = lambda snapshot, connection: ladder(snapshot, connection, screen.width, screen.style)
    return screen


def ladder(snapshot: Snapshot, connection: Connection, width: int, style: Style) -> str:
    """Return the ladder of a connection so far, as far as its segments are still kept."""
    from handshake_inspect.render.layout import paragraph
    from handshake_inspect.render.rungs import NARROWEST, Rungs
    from handshake_inspect.report.explain import explain_now

    def note(text: str) -> list[str]:
        return [style.paint(line, "dim") for line in paragraph(text, width, "  ")]

    if width < NARROWEST:
        return "\n".join(note(f"The segments need a terminal of {NARROWEST} columns."))
    story = explain_now(snapshot, connection)
    if story is None:
        return "\n".join(note(_SEGMENTS_GONE))
    return "\n".join([*Rungs(story, width, style, end="now").lines(), *note(_PARTIAL)])


def current_stories(run: LiveRun, drawn: Sequence[Connection | QuicConnection]) -> list[Story]:
    """Return the stories of the TCP connections among these, as far as their segments are still kept."""
    from handshake_inspect.report import model
    from handshake_inspect.report.explain import explain_now

    snapshot = run.latest
    if snapshot is None:
        return []
    found = (explain_now(snapshot, each) for each in drawn if isinstance(each, model.Connection))
    return [story for story in found if story is not None]


def run_with_screen(run: LiveRun, screen: Screen) -> Report:
    """Run the capture in a thread and the screen in this one; return the report."""
    reports: list[Report] = []
    errors: list[BaseException] = []

    def capture() -> None:
        try:
            reports.append(run.run())
        except BaseException as error:
            errors.append(error)
        finally:
            screen.stop()

    screen.reads = partial(_set_display_filter, run)
    thread = threading.Thread(target=capture, name="capture", daemon=True)
    thread.start()
    try:
        screen.run(lambda: run.latest, on_quit=run.stop)
        thread.join()
    except BaseException as error:
        run.stop()
        thread.join(_STOP_TIMEOUT_S)
        if thread.is_alive():  # unmapping the ring while the thread reads it would crash
            os._exit(EXIT_INTERRUPTED if isinstance(error, KeyboardInterrupt) else EXIT_UNUSABLE)
        raise
    if errors:
        raise errors[0]
    return reports[0]


def _set_display_filter(run: LiveRun, expression: str) -> Passing | None:
    """Set the run's display filter; return a function that applies it to connections already shown."""
    from handshake_inspect.expression.language import parse
    from handshake_inspect.expression.select import passing
    from handshake_inspect.report.model import ListedConnections

    if not expression:
        run.shown = None
        return None
    test = parse(expression)
    run.shown = test

    def chosen(connections: Sequence[Connection]) -> list[Connection]:
        if not connections:
            return []
        mask = passing(ListedConnections(connections), test).tolist()
        return [each for each, passes in zip(connections, mask, strict=True) if passes]

    return chosen


def drop_privileges(user: str | None) -> str | None:
    """Drop root privileges; return the new user's name, or None if the user did not change."""
    from handshake_inspect.live import privileges

    account = privileges.drop(user)
    return None if account is None else account.name


def import_lazy_modules() -> None:
    """Import modules that are otherwise imported on first use."""
    import_module("numpy.ma")  # NumPy imports it on first use
    import_module("handshake_inspect.wire.text")  # for error messages


def warm_up(form: str, render_options: Options, test: Predicate | None, screen: Screen | None) -> None:
    """Import everything that a report needs, because modules may be unreadable after dropping root.

    Does so by analysing and rendering a small capture.
    """
    from handshake_inspect.engine.live import LiveOptions, LiveRun
    from handshake_inspect.live.session import open_file

    import_lazy_modules()
    with open_file(BytesIO(SAMPLE_PCAP)) as source:
        observer: Any = FORMATS["ndjson"].event_writer(BytesIO(), Options())
        observer.wants_picture = screen is not None or bool(FORMATS[form].drawn)
        observer.packets = FORMATS["text"].event_writer(BytesIO(), Options()).packets
        observer.wants_packets = True
        run = LiveRun(source, LiveOptions(where=test), observer)
        report = run.run()
    if FORMATS[form].closing or not FORMATS[form].events:
        stories = current_stories(run, FORMATS[form].starring(report, render_options))
        FORMATS[form].render(report, BytesIO(), replace(render_options, every=True, verbosity=1, stories=stories))
    if screen is not None:
        from rich.console import Console
        from rich.live import Live

        from handshake_inspect.render.screen import Screen

        import_module("handshake_inspect.render.screen.terminal")

        console = Console(file=StringIO(), force_terminal=True, width=80, height=24)
        scratch_screen = Screen()
        scratch_screen.story = lambda snapshot, connection: ladder(
            snapshot, connection, scratch_screen.width, scratch_screen.style
        )
        scratch_screen.reads = partial(_set_display_filter, run)
        scratch_screen.show(run.latest)
        for key in ("f", *"id == 0", "enter", "enter"):
            scratch_screen.press(key)
        with Live(scratch_screen.render(run.latest, 80, 24), console=console, screen=True, auto_refresh=False):
            pass
