"""`hsi live`: watch handshakes on an interface, or in a stream that never ends."""
# ruff: noqa: PLC0415

from __future__ import annotations

import select
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from handshake_inspect.cli.manual import Documented
from handshake_inspect.cli.options import (
    argument,
    autostop,
    backend_option,
    fields_option,
    format_option,
    interface_names,
    max_connections_option,
    no_names_option,
    no_setup_option,
    option,
    output_option,
    snap_length_option,
    takes,
    time_span,
    time_wait_option,
    timeout_option,
    where_option,
)
from handshake_inspect.cli.output import Target
from handshake_inspect.cli.selecting import checked_binary, checked_fields, chosen_format, test_of
from handshake_inspect.cli.sparing import spare
from handshake_inspect.cli.watching import drop_root, screen_for, warm_up, watched
from handshake_inspect.errors import CaptureError, UsageError
from handshake_inspect.live import chosen_snap_len
from handshake_inspect.render import FORMATS, Options

if TYPE_CHECKING:
    from handshake_inspect.engine.live import LiveRun
    from handshake_inspect.expression.questions import Test
    from handshake_inspect.live.base import LiveSource
    from handshake_inspect.render.screen import Screen
    from handshake_inspect.report.model import Report

EPILOG = """\b
Examples:
  hsi live -i eth0                                     watch; Ctrl-C stops with a report
  hsi live -i any tcp port 443 and host 10.0.0.2       only what matches a tcpdump expression
  hsi live -i lo --duration 10s -T json -o report.json
  hsi live -i eth0 -T ndjson -Y 'outcome == refused' -e first_ns,client.ip,server.ip,server.port
  hsi live -i eth0 --duration 1h -o connections.parquet
  ssh host tcpdump -U -w - tcp | hsi live -r -         no root needed here

\b
Exit status:
  0  stopped by Ctrl-C, -c, --duration, or the end of the input
  2  usage error, no permission, no such interface, or the interface went away
  130  a second Ctrl-C: stopped at once, without a report
"""


@dataclass(frozen=True)
class WatchOptions:
    """What `hsi live` is asked for."""

    words: tuple[str, ...] = argument(nargs=-1, metavar="[FILTER]...")
    interface: str | None = option(
        "-i",
        "--interface",
        metavar="NAME",
        shell_complete=interface_names,
        help="Capture on this interface: a name, a number, or any for all.",
    )
    read: str | None = option(
        "-r", "--read", metavar="FILE", help="Read a stream instead, such as a pipe; - is standard input."
    )
    list_interfaces: bool = option("-D", "--list-interfaces", is_flag=True, help="List the interfaces and exit.")
    filter: str | None = option(
        "-f", "--filter", metavar="FILTER", help="Capture filter: a tcpdump expression in one argument."
    )
    handshakes_only: bool = option(
        "--handshakes-only", is_flag=True,
        help="Let the kernel drop segments that carry only data, for links too fast to capture in full.",
    )  # fmt: skip
    count: int | None = option("-c", "--count", metavar="N", type=click.IntRange(min=1), help="Stop after N frames.")
    duration: float | None = option(
        "--duration", metavar="TIME", type=time_span, help="Stop after this time: 10s, 500ms, 2m, 1h."
    )
    autostop: float | None = option(
        "-a", "--autostop", metavar="duration:N", type=autostop, help="tshark spelling of --duration."
    )
    form: str | None = format_option(
        FORMATS,
        "Output format: ndjson is written during the run, all others at the end.  [default: by the file name after -o,"
        " else text on a terminal and ndjson elsewhere]",
    )
    output: str = output_option("Write to this file instead of standard output.")
    fields: tuple[str, ...] = fields_option()
    where: str | None = where_option()
    write: str | None = option(
        "-w", "--write", metavar="FILE", help="Also save all frames to this pcapng file; - is standard output."
    )
    quiet: bool = option("-q", "--quiet", is_flag=True, help="No screen and no counters; the text report is one line.")
    every: bool = option(
        "--all", is_flag=True, help="List every connection at the end, not just a sample of those with trouble."
    )
    snap_length: int | None = snap_length_option("Capture at most this much of each frame;")
    no_promiscuous: bool = option("-p", "--no-promiscuous", is_flag=True, help="Do not capture traffic of other hosts.")
    backend: str | None = backend_option("Capture backend.  [default: ring, the kernel's own, on Linux]")
    ring_size: int | None = option(
        "-B",
        "--ring-size",
        metavar="MIB",
        type=click.IntRange(min=1),
        help="Size of the kernel's capture buffer in MiB.",
    )
    no_host: bool = option("--no-host", is_flag=True, help="Do not include the counters of this host's kernel.")
    user: str | None = option(
        "-Z", "--user", metavar="USER", help="Drop privileges to USER once the capture is open (root keeps them)."
    )
    max_connections: int | None = max_connections_option("Track at most N connections at a time, to bound memory.")
    time_wait: int = time_wait_option()
    timeout: int = timeout_option()
    no_names: bool = no_names_option()
    no_setup: bool = no_setup_option()
    keep: int = option(
        "--keep", metavar="N", type=click.IntRange(min=1), default=100_000, show_default=True,
        help="Keep the last N closed connections in full, and only totals of older ones.",
    )  # fmt: skip
    line_buffered: bool = option(
        "-l", is_flag=True, hidden=True, help="Accepted as in tcpdump; lines are always flushed at once."
    )
    numeric: bool = option("-n", is_flag=True, hidden=True, help="Addresses are never resolved.")

    @property
    def seconds(self) -> float | None:
        """How long to capture, whichever way that was said."""
        return self.duration or self.autostop


@click.command(cls=Documented, epilog=EPILOG)
@takes(WatchOptions)
def command(given: WatchOptions) -> None:
    """Watch TCP handshakes as they happen.

    FILTER is a tcpdump expression, such as: tcp port 443 and host 10.0.0.2.
    """
    if given.list_interfaces:
        _list_interfaces()
        return
    _check(given)
    with ExitStack() as stack:
        click.get_current_context().exit(_capture(stack, given))


def _capture(stack: ExitStack, given: WatchOptions) -> int:
    """Open all that is needed, let go of root, capture, report; the exit status."""
    form = _form(given)
    columns, test = checked_fields(given.fields, form), test_of(given.where)
    target = stack.enter_context(Target.held(given.output))
    checked_binary(form, target)
    source = stack.enter_context(_source(given))
    busy = given.write == "-" or (given.output == "-" and form != "text")
    screen = None if given.quiet or busy else screen_for(source, target)
    account = None
    if given.read is None or given.user is not None:  # else root was never needed
        warm_up(form, columns, test, screen)
        account = drop_root(given.user)
    run = _run(source, given, form, target, screen, columns, test)
    with _signals(run):
        if not given.quiet:
            _announce(source, account)
        report = _finished(run, target, screen)
    if not FORMATS[form].events:
        looks = Options(
            width=target.width,
            color=target.colored("auto"),
            encoding=target.encoding,
            every=given.every,
            verbosity=-int(given.quiet),
            where=given.where or "",
            fields=columns,
        )
        target.put(lambda stream: FORMATS[form].render(report, stream, looks))
    if not given.quiet:
        _count(run)
    if source.failure is not None:
        raise source.failure
    return 0


def _run(
    source: LiveSource, given: WatchOptions, form: str, target: Target, screen: Screen | None,
    columns: tuple[str, ...], test: Test | None,
) -> LiveRun:  # fmt: skip
    from handshake_inspect.engine.export import Observer
    from handshake_inspect.engine.live import LiveOptions, LiveRun

    options = LiveOptions(
        max_connections=given.max_connections or LiveOptions.max_connections,
        time_wait_ns=given.time_wait,
        unanswered_ns=given.timeout,
        names=not given.no_names,
        setup=not given.no_setup,
        keep=given.keep,
        frames=given.count,
        duration_s=given.seconds,
        where=test,
    )
    each = FORMATS[form]
    observer: Any = each.event_writer(target.stream, columns) if each.events else Observer()
    observer.wants_picture = screen is not None
    return LiveRun(source, options, observer)


def _finished(run: LiveRun, target: Target, screen: Screen | None) -> Report:
    """Run to the end; a reader of events that goes away (`| head`) ends it quietly."""
    reports: list[Report] = []
    target.put(lambda _: reports.append(run.run() if screen is None else watched(run, screen)))
    return reports[0]


# --- what is meant ----------------------------------------------------------------------------------------------------


def _check(given: WatchOptions) -> None:
    """Refuse command lines that cannot be meant."""
    if given.read is None and given.interface is None:
        raise UsageError("name an interface with -i (hsi live -D lists them), or a stream with -r")
    if given.read is not None:
        if given.interface is not None:
            raise UsageError("-i and -r exclude each other: choose one")
        capturing = {
            "-f": given.filter, "a filter": given.words, "--handshakes-only": given.handshakes_only,
            "--backend": given.backend, "--ring-size": given.ring_size,
        }  # fmt: skip
        if named := [name for name, value in capturing.items() if value]:
            raise UsageError(f"{named[0]} applies to capturing: with -r, set it in the program that captures")
    if given.words and given.filter:
        raise UsageError("give the filter after -f or at the end of the line, not both")
    spare([] if given.read is None else [given.read], given.output, given.write, "-w")
    if given.duration and given.autostop:
        raise UsageError("--duration and -a mean the same: choose one")


def _form(given: WatchOptions) -> str:
    """The format that was asked for; else of the name after -o; else text where a person looks."""
    if given.form is None and given.output == "-":
        return "text" if (sys.stdout is not None and sys.stdout.isatty()) or given.quiet else "ndjson"
    return chosen_format(given.form, given.output)


def _source(given: WatchOptions) -> LiveSource:
    from handshake_inspect.live.session import open_live

    if given.read is not None:
        return _reading(given.read, given.write, given.seconds)
    assert given.interface is not None  # noqa: S101 - it was checked
    return open_live(
        given.interface,
        backend=given.backend,
        filter_text=given.filter or " ".join(given.words),
        handshakes_only=given.handshakes_only,
        snap_len=chosen_snap_len(given.snap_length, setup=not given.no_setup),
        ring_mib=given.ring_size,
        promiscuous=not given.no_promiscuous,
        write_to=given.write,
        host=not given.no_host,
    )


def _reading(name: str, write_to: str | None, seconds: float | None) -> LiveSource:
    from handshake_inspect.live.session import open_file, open_standard_input

    if name != "-":
        return open_file(name, write_to)
    if seconds is not None and sys.stdin is not None and not sys.stdin.closed:
        with suppress(OSError, ValueError):
            if not select.select([sys.stdin.fileno()], [], [], seconds)[0]:
                raise CaptureError(
                    f"standard input: nothing arrived within {seconds:g} s; is the other side capturing?"
                )
    return open_standard_input(write_to)


# --- what is said on stderr -------------------------------------------------------------------------------------------


def _announce(source: LiveSource, account: str | None) -> None:
    """Say what is captured, and how to end it."""
    if source.backend == "pipe":
        what = f"reading {source.name}"
    else:
        length = source.snap_len
        taken = f"{length} bytes of each frame" if length is not None and length < 1 << 16 else "whole frames"
        what = f"listening on {source.name} ({source.backend}, {taken})"
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


def _list_interfaces() -> None:
    from handshake_inspect.live.interfaces import interfaces

    for each in interfaces():
        marks = [word for word, holds in (("up", each.up), ("down", each.up is False)) if holds]
        marks += ["loopback"] if each.loopback else []
        about = "all interfaces" if each.name == "any" and not each.number else ", ".join(marks)
        addresses = f"  {', '.join(each.addresses)}" if each.addresses else ""
        click.echo(f"{each.number:>3}  {each.name:<16} {about:<14}{addresses}".rstrip())


# --- signals ----------------------------------------------------------------------------------------------------------


@contextmanager
def _signals(run: LiveRun) -> Iterator[None]:
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
