"""Run `hsi live` on an open source: choose screen or event lines, handle signals, write the report and messages."""
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
from handshake_inspect.cli.ready_file import ready_file_present
from handshake_inspect.cli.watching import current_stories, drop_privileges, make_screen, run_with_screen, warm_up
from handshake_inspect.render import FORMATS, Options

if TYPE_CHECKING:
    from handshake_inspect.cli.live_options import WatchOptions
    from handshake_inspect.engine.live import LiveRun
    from handshake_inspect.expression.predicates import Predicate
    from handshake_inspect.live.base import LiveSource
    from handshake_inspect.render.screen import Screen
    from handshake_inspect.report.model import Report

UNLIMITED_WIDTH = 1 << 20  # line width where there is no terminal to cut lines


@dataclass(frozen=True)
class LiveRequest:
    """The validated options: format and target of the report, its columns, and the filter of -Y."""

    args: WatchOptions
    form: str
    target: Target
    columns: tuple[str, ...]
    test: Predicate | None

    @property
    def _file(self) -> str:
        """The input file, or an empty string if the input cannot be read again."""
        return self.args.read if self.args.read and Path(self.args.read).is_file() else ""

    def render_options(self, attempts: int | None = None) -> Options:
        """Return the render options; `attempts` is the number of connections before -Y, None if not known yet."""
        from handshake_inspect.report.headline import AppliedFilter

        return Options(
            width=self.target.width,
            color=self.target.colored("auto"),
            encoding=self.target.encoding,
            every=self.args.every,
            verbosity=-int(self.args.quiet),
            applied_filter=AppliedFilter(self.args.where, attempts) if self.args.where else None,
            fields=self.columns,
            saved=self.args.write or self._file,
        )


def watch(source: LiveSource, request: LiveRequest) -> int:
    """Drop root privileges, capture, write the report; return the exit status."""
    args, form, target = request.args, FORMATS[request.form], request.target
    busy = args.write == "-" or args.packets or (args.output == "-" and request.form != "text")
    screen = None if args.quiet or busy else make_screen(source, target)
    run = _run(source, request, _observer(request, screen))
    with signals(run), ExitStack() as stack:
        was_root = args.read is None or args.user is not None  # reading a stream does not need root
        if was_root:
            warm_up(request.form, request.render_options(), request.test, screen)
        stack.enter_context(ready_file_present(args.ready))
        account = drop_privileges(args.user) if was_root else None
        if not args.quiet:
            _print_source(source, account, args.netns)
            if request.form == "ndjson" and args.form is None and args.output == "-":
                click.echo("hsi: writing lines of JSON, for programs; -T text writes lines for people", err=True)
        report = _run_to_end(run, target, screen)
    if form.closing or not form.events:
        render_options = request.render_options(run.latest.connections if run.latest is not None else None)
        render_options = replace(render_options, stories=current_stories(run, form.starring(report, render_options)))
        target.put(lambda stream: form.render(report, stream, render_options))
    if not args.quiet:
        _print_counters(run)
    if source.failure is not None:
        raise source.failure
    return 0


def _observer(request: LiveRequest, screen: Screen | None) -> Any:
    """Return the observer of the run: it writes event lines if there is no screen; the screen polls snapshots."""
    from handshake_inspect.engine.export import Observer

    args, form = request.args, FORMATS[request.form]
    observer: Any = Observer()
    if args.packets:
        with Target.open("-") as out:
            observer = FORMATS["text"].event_writer(out.stream, _event_line_options(out, packets=True))
    elif form.events and (not form.closing or (args.output == "-" and screen is None and not args.quiet)):
        render_options = Options(fields=request.columns) if request.columns else _event_line_options(request.target)
        observer = form.event_writer(request.target.stream, render_options)
    observer.wants_picture = screen is not None or bool(form.drawn and not form.alone)
    observer.wants_single = form.alone
    return observer


def _event_line_options(out: Target, *, packets: bool = False) -> Options:
    """Return the render options of event lines: as wide as the terminal, else unlimited."""
    width = out.width if out.terminal else UNLIMITED_WIDTH
    return Options(width=width, color=out.colored("auto"), encoding=out.encoding, packets=packets)


def _run(source: LiveSource, request: LiveRequest, observer: Any) -> LiveRun:
    from handshake_inspect.engine.live import LiveOptions, LiveRun

    args = request.args
    options = LiveOptions(
        max_connections=args.max_connections or LiveOptions.max_connections,
        time_wait_ns=args.time_wait,
        unanswered_ns=args.timeout,
        names=not args.no_names,
        setup=not args.no_setup,
        keep=args.keep,
        frames=args.count,
        duration_s=args.seconds,
        where=request.test,
    )
    return LiveRun(source, options, observer)


def _run_to_end(run: LiveRun, target: Target, screen: Screen | None) -> Report:
    """Run to the end; exit quietly if the reader of standard output goes away (`| head`)."""
    reports: list[Report] = []
    target.put(lambda _: reports.append(run.run() if screen is None else run_with_screen(run, screen)))
    return reports[0]


# --- messages on stderr -----------------------------------------------------------------------------------------------


def _print_source(source: LiveSource, account: str | None, netns: str | None) -> None:
    """Print what is being captured and how to stop."""
    if source.backend == "pipe":
        what = f"reading {source.name}"
    else:
        length = source.snap_len
        taken = f"{length} bytes of each frame" if length is not None and length < 1 << 16 else "whole frames"
        where = f" in network namespace {netns}" if netns is not None else ""
        what = f"listening on {source.name}{where} ({source.backend}, {taken})"
    who = f", as {account}" if account else ""
    click.echo(f"hsi: {what}{who}; Ctrl-C stops it", err=True)


def _print_counters(run: LiveRun) -> None:
    """Print the packets captured, received and dropped, as tcpdump does."""
    counters = run.counters()
    lines = [(run.pump.frames, "captured"), (counters.received, "received by filter"), (counters.dropped, "dropped")]
    for number, what in lines:
        if number is not None:
            by = " by kernel" if what == "dropped" else ""
            click.echo(f"{number} packet{'' if number == 1 else 's'} {what}{by}", err=True)


# --- signals ----------------------------------------------------------------------------------------------------------


@contextmanager
def signals(run: LiveRun) -> Iterator[None]:
    """Handle signals: SIGINT or SIGTERM stops the capture, a second one aborts; SIGUSR1 prints counters."""

    def end(*_: object) -> None:
        if run.stopped:
            raise KeyboardInterrupt
        run.stop()

    handlers = {signal.SIGINT: end, signal.SIGTERM: end}
    if hasattr(signal, "SIGUSR1"):
        handlers[signal.SIGUSR1] = lambda *_: _print_counters(run)
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            if number != signal.SIGUSR1:
                signal.signal(number, handler)
