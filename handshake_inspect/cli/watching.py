"""What is around a live run: letting go of root, and the screen."""
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
from handshake_inspect.cli.root import INTERRUPTED, UNUSABLE
from handshake_inspect.render import FORMATS, Options

if TYPE_CHECKING:
    from handshake_inspect.engine.live import LiveRun
    from handshake_inspect.expression.questions import Test
    from handshake_inspect.live.base import LiveSource
    from handshake_inspect.render.layout import Style
    from handshake_inspect.render.screen import Screen
    from handshake_inspect.render.screen.lists import Passing
    from handshake_inspect.report.model import Connection, Report
    from handshake_inspect.report.quic import QuicConnection
    from handshake_inspect.report.snapshot import Snapshot
    from handshake_inspect.report.story import Story

_FORGOTTEN = (
    "Its segments are gone: too many newer ones have arrived since. hsi live -w FILE keeps all, and hsi explain"
    " shows them."
)
_NOT_ALL = "Only the newest notable segments are kept; plain data and ACKs are just counted."
_PATIENCE_S = 2.0  # with a thread that was asked to end

# A pcap file of two bare IPv4 packets.
REFUSED = bytes.fromhex(
    "d4c3b2a1020004000000000000000000ffff000065000000"
    "00000000000000002800000028000000450000280000400040060000c0000201c000020204d2000900000001000000005002000000000000"
    "00000000010000002800000028000000450000280000400040060000c0000202c0000201000904d200000000000000025014000000000000"
)


def screen_for(source: LiveSource, target: Target) -> Screen | None:
    """The screen, where a person watches."""
    from handshake_inspect.render.screen import Screen, can_show

    if not can_show():
        return None
    color = not os.environ.get("NO_COLOR")
    screen = Screen(ascii=target.encoding == "ascii", color=color, interface=source.name)
    screen.story = lambda snapshot, connection: ladder(snapshot, connection, screen.width, screen.style)
    return screen


def ladder(snapshot: Snapshot, connection: Connection, width: int, style: Style) -> str:
    """How a connection came to where it is, segment by segment, as far as that is kept."""
    from handshake_inspect.render.layout import paragraph
    from handshake_inspect.render.rungs import NARROWEST, Rungs
    from handshake_inspect.report.explain import explain_now

    def remark(text: str) -> list[str]:
        return [style.paint(line, "dim") for line in paragraph(text, width, "  ")]

    if width < NARROWEST:
        return "\n".join(remark(f"The segments need a terminal of {NARROWEST} columns."))
    story = explain_now(snapshot, connection)
    if story is None:
        return "\n".join(remark(_FORGOTTEN))
    return "\n".join([*Rungs(story, width, style, end="now").lines(), *remark(_NOT_ALL)])


def stories_so_far(run: LiveRun, drawn: Sequence[Connection | QuicConnection]) -> list[Story]:
    """How these connections of the report came to where they are, as far as their segments are kept: of TCP alone."""
    from handshake_inspect.report import model
    from handshake_inspect.report.explain import explain_now

    snapshot = run.latest
    if snapshot is None:
        return []
    told = (explain_now(snapshot, each) for each in drawn if isinstance(each, model.Connection))
    return [story for story in told if story is not None]


def watched(run: LiveRun, screen: Screen) -> Report:
    """Run to the end in a thread of its own, with the screen in this one."""
    reports: list[Report] = []
    errors: list[BaseException] = []

    def capture() -> None:
        try:
            reports.append(run.run())
        except BaseException as error:
            errors.append(error)
        finally:
            screen.stop()

    screen.reads = partial(_shown, run)
    thread = threading.Thread(target=capture, name="capture", daemon=True)
    thread.start()
    try:
        screen.run(lambda: run.latest, on_quit=run.stop)
        thread.join()
    except BaseException as error:
        run.stop()
        thread.join(_PATIENCE_S)
        if thread.is_alive():  # it may be reading what would be unmapped now
            os._exit(INTERRUPTED if isinstance(error, KeyboardInterrupt) else UNUSABLE)
        raise
    if errors:
        raise errors[0]
    return reports[0]


def _shown(run: LiveRun, expression: str) -> Passing | None:
    """Have the run choose for the screen by an expression, and choose by it among what is there already."""
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


def drop_root(user: str | None) -> str | None:
    """Let go of root; who this process is now, None where it is who it was."""
    from handshake_inspect.live import privileges

    account = privileges.drop(user)
    return None if account is None else account.name


def import_late() -> None:
    """Import what is imported only when it is needed, wherever that may be."""
    import_module("numpy.ma")  # NumPy imports it when it first meets certain arrays
    import_module("handshake_inspect.wire.text")  # for error messages


def warm_up(form: str, looks: Options, test: Test | None, screen: Screen | None) -> None:
    """Have everything imported that a report needs: later imports may lie where only root may read.

    By a report, in every format, of a capture that is a SYN and the RST that refuses it.
    """
    from handshake_inspect.engine.live import LiveOptions, LiveRun
    from handshake_inspect.live.session import open_file

    import_late()
    with open_file(BytesIO(REFUSED)) as source:
        observer: Any = FORMATS["ndjson"].event_writer(BytesIO(), Options())
        observer.wants_picture = screen is not None or bool(FORMATS[form].drawn)
        observer.packets = FORMATS["text"].event_writer(BytesIO(), Options()).packets
        observer.wants_packets = True
        run = LiveRun(source, LiveOptions(where=test), observer)
        report = run.run()
    if FORMATS[form].closing or not FORMATS[form].events:
        stories = stories_so_far(run, FORMATS[form].starring(report, looks))
        FORMATS[form].render(report, BytesIO(), replace(looks, every=True, verbosity=1, stories=stories))
    if screen is not None:
        from rich.console import Console
        from rich.live import Live

        from handshake_inspect.render.screen import Screen

        import_module("handshake_inspect.render.screen.terminal")

        console = Console(file=StringIO(), force_terminal=True, width=80, height=24)
        own = Screen()
        own.story = lambda snapshot, connection: ladder(snapshot, connection, own.width, own.style)
        own.reads = partial(_shown, run)
        own.show(run.latest)
        for key in ("f", *"id == 0", "enter", "enter"):
            own.press(key)
        with Live(own.render(run.latest, 80, 24), console=console, screen=True, auto_refresh=False):
            pass
