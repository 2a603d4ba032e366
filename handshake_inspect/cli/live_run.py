"""`hsi live` from the open source to the report: who sees what, signals, and what is said on standard error."""
# ruff: noqa: PLC0415

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from handshake_inspect.cli.output import Target
from handshake_inspect.cli.ready_file import announced
from handshake_inspect.cli.watching import drop_root, screen_for, stories_so_far, warm_up, watched
from handshake_inspect.render import FORMATS, Options

if TYPE_CHECKING:
    from handshake_inspect.cli.live_options import WatchOptions
    from handshake_inspect.engine.live import LiveRun
    from handshake_inspect.expression.questions import Test
    from handshake_inspect.live.base import LiveSource
    from handshake_inspect.render.screen import Screen
    from handshake_inspect.report.model import Report

ENDLESS = 1 << 20  # columns of lines that no terminal cuts


@dataclass(frozen=True)
class Asked:
    """What was asked for, checked: the format of the report and where it goes, its columns, and -Y."""

    given: WatchOptions
    form: str
    target: Target
    columns: tuple[str, ...]
    test: Test | None

    @property
    def _file(self) -> str:
        """The file that is read, if it can be read once more."""
        return self.given.read if self.given.read and Path(self.given.read).is_file() else ""

    def looks(self, attempts: int | None = None) -> Options:
        """How the report is to look; of so many attempts -Y was asked, None before that is known."""
        from handshake_inspect.report.headline import Narrowed

        return Options(
            width=self.target.width,
            color=self.target.colored("auto"),
            encoding=self.target.encoding,
            every=self.given.every,
            verbosity=-int(self.given.quiet),
            narrowed=Narrowed(self.given.where, attempts) if self.given.where else None,
            fields=self.columns,
            saved=self.given.write or self._file,
        )


def watch(source: LiveSource, asked: Asked) -> int:
    """Let go of root, capture, report; the exit status."""
    given, form, target = asked.given, FORMATS[asked.form], asked.target
    busy = given.write == "-" or given.packets or (given.output == "-" and asked.form != "text")
    screen = None if given.quiet or busy else screen_for(source, target)
    run = _run(source, asked, _observer(asked, screen))
    with signals(run), ExitStack() as stack:
        was_root = given.read is None or given.user is not None  # else root was never needed
        if was_root:
            warm_up(asked.form, asked.looks(), asked.test, screen)
        stack.enter_context(announced(given.ready))
        account = drop_root(given.user) if was_root else None
        if not given.quiet:
            _announce(source, account, given.netns)
            if asked.form == "ndjson" and given.form is None and given.output == "-":
                click.echo("hsi: writing lines of JSON, for programs; -T text writes lines for people", err=True)
        report = _finished(run, target, screen)
    if form.closing or not form.events:
        looks = asked.looks(run.latest.connections if run.latest is not None else None)
        looks = replace(looks, stories=stories_so_far(run, form.starring(report, looks)))
        target.put(lambda stream: form.render(report, stream, looks))
    if not given.quiet:
        _count(run)
    if source.failure is not None:
        raise source.failure
    return 0


def _observer(asked: Asked, screen: Screen | None) -> Any:
    """Who sees it while the capture goes on: the screen looks for itself, lines go where no screen can be."""
    from handshake_inspect.engine.export import Observer

    given, form = asked.given, FORMATS[asked.form]
    observer: Any = Observer()
    if given.packets:
        with Target.open("-") as out:
            observer = FORMATS["text"].event_writer(out.stream, _line_looks(out, packets=True))
    elif form.events and (not form.closing or (given.output == "-" and screen is None and not given.quiet)):
        looks = Options(fields=asked.columns) if asked.columns else _line_looks(asked.target)
        observer = form.event_writer(asked.target.stream, looks)
    observer.wants_picture = screen is not None or bool(form.drawn and not form.alone)
    observer.wants_single = form.alone
    return observer


def _line_looks(out: Target, *, packets: bool = False) -> Options:
    """How lines are to look: as wide as a terminal, else without an end."""
    width = out.width if out.terminal else ENDLESS
    return Options(width=width, color=out.colored("auto"), encoding=out.encoding, packets=packets)


def _run(source: LiveSource, asked: Asked, observer: Any) -> LiveRun:
    from handshake_inspect.engine.live import LiveOptions, LiveRun

    given = asked.given
    options = LiveOptions(
        max_connections=given.max_connections or LiveOptions.max_connections,
        time_wait_ns=given.time_wait,
        unanswered_ns=given.timeout,
        names=not given.no_names,
        setup=not given.no_setup,
        keep=given.keep,
        frames=given.count,
        duration_s=given.seconds,
        where=asked.test,
    )
    return LiveRun(source, options, observer)


def _finished(run: LiveRun, target: Target, screen: Screen | None) -> Report:
    """Run to the end; a reader of lines that goes away (`| head`) ends it quietly."""
    reports: list[Report] = []
    target.put(lambda _: reports.append(run.run() if screen is None else watched(run, screen)))
    return reports[0]


# --- what is said on stderr -------------------------------------------------------------------------------------------


def _announce(source: LiveSource, account: str | None, netns: str | None) -> None:
    """Say what is captured, and how to end it."""
    if source.backend == "pipe":
        what = f"reading {source.name}"
    else:
        length = source.snap_len
        taken = f"{length} bytes of each frame" if length is not None and length < 1 << 16 else "whole frames"
        where = f" in network namespace {netns}" if netns is not None else ""
        what = f"listening on {source.name}{where} ({source.backend}, {taken})"
    who = f", as {account}" if account else ""
    click.echo(f"hsi: {what}{who}; Ctrl-C stops it", err=True)


def _count(run: LiveRun) -> None:
    """Say what was captured, received and dropped, as tcpdump does."""
    counters = run.counters()
    lines = [(run.pump.frames, "captured"), (counters.received, "received by filter"), (counters.dropped, "dropped")]
    for number, what in lines:
        if number is not None:
            by = " by kernel" if what == "dropped" else ""
            click.echo(f"{number} packet{'' if number == 1 else 's'} {what}{by}", err=True)


# --- signals ----------------------------------------------------------------------------------------------------------


@contextmanager
def signals(run: LiveRun) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the capture and leave the report; the second one ends all; SIGUSR1 asks for counters."""

    def end(*_: object) -> None:
        if run.stopped:
            raise KeyboardInterrupt
        run.stop()

    handlers = {signal.SIGINT: end, signal.SIGTERM: end}
    if hasattr(signal, "SIGUSR1"):
        handlers[signal.SIGUSR1] = lambda *_: _count(run)
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            if number != signal.SIGUSR1:
                signal.signal(number, handler)
