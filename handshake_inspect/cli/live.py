"""`hsi live`: watch handshakes on an interface, or in a stream that never ends."""
# ruff: noqa: PLC0415

from __future__ import annotations

import re
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import click

from handshake_inspect.cli.analyze import seconds as exactly
from handshake_inspect.cli.output import Target
from handshake_inspect.cli.selecting import (
    checked_binary,
    checked_fields,
    chosen_format,
    fields_option,
    test_of,
    where_option,
)
from handshake_inspect.cli.sparing import spare
from handshake_inspect.cli.watching import drop_root, screen_for, watched
from handshake_inspect.errors import CaptureError, UsageError
from handshake_inspect.render import RENDERERS, Options

if TYPE_CHECKING:
    from handshake_inspect.engine.live import LiveRun
    from handshake_inspect.live.base import LiveSource
    from handshake_inspect.render.screen import Screen
    from handshake_inspect.report.model import Report

BACKENDS = ("ring", "dumpcap", "tcpdump", "tshark")
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h|d)?", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, None: 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

EPILOG = """\b
Examples:
  hsi live -i eth0                                     watch; Ctrl-C ends with a report
  hsi live -i any tcp port 443 and host 10.0.0.2       what a tcpdump expression lets through
  hsi live -i lo --duration 10s -T json -o report.json
  hsi live -i eth0 -T ndjson -Y 'outcome == refused' -e first_ns,client.ip,server.ip,server.port
  hsi live -i eth0 --duration 1h -o connections.parquet
  ssh host tcpdump -U -w - tcp | hsi live -r -         no root needed here

\b
Exit status:
  0  ended by Ctrl-C, -c, --duration, or the end of the input
  2  usage error, no permission, no such interface; or the interface went away
  130  a second Ctrl-C: ended at once, without a report
"""


def duration(text: str) -> float:
    """Read 10s, 500ms, 2m, 1h, or plain seconds."""
    found = _DURATION.fullmatch(text.strip())
    if found is None or not float(found[1]):
        raise click.BadParameter(f"{text!r} is not a time; write 10s, 500ms, 2m or 1h.")
    return float(found[1]) * _SECONDS[found[2]]


def autostop(text: str) -> float:
    """Read tshark's `-a duration:10`."""
    kind, _, value = text.partition(":")
    if kind != "duration":
        raise click.BadParameter(f"{text!r}: only duration:SECONDS is known; -c N ends after N frames.")
    return duration(value)


@click.command(epilog=EPILOG)
@click.argument("words", nargs=-1, metavar="[FILTER]...")
@click.option("-i", "--interface", metavar="NAME", help="Capture on this interface, by name or number; any is all.")
@click.option("-r", "--read", metavar="FILE", help="Read a capture that may never end instead; - is what is piped in.")
@click.option("-D", "--list-interfaces", is_flag=True, help="List the interfaces and exit.")
@click.option("-f", "--filter", "filter_text", metavar="FILTER", help="A tcpdump expression, in one argument.")
@click.option(
    "--handshakes-only",
    is_flag=True,
    help="Have the kernel leave out segments that only carry data: for links too fast for everything.",
)
@click.option("-c", "--count", metavar="N", type=click.IntRange(min=1), help="End after N frames.")
@click.option("--duration", metavar="TIME", type=duration, help="End after this time: 10s, 500ms, 2m, 1h.")
@click.option("-a", "--autostop", metavar="duration:N", type=autostop, help="As --duration, the way tshark says it.")
@click.option(
    "-T",
    "--format",
    "form",
    type=click.Choice(list(RENDERERS)),
    help="What to write: ndjson as things happen, all else at the end.  [default: what the name after -o says, else"
    " text on a terminal and ndjson elsewhere]",
)
@click.option("-o", "--output", metavar="FILE", default="-", help="Write it there instead of standard output.")
@fields_option
@where_option
@click.option(
    "-w", "--write", metavar="FILE", help="Also write all frames to this file, as pcapng; - is standard output."
)
@click.option("-q", "--quiet", is_flag=True, help="No screen, no counters; as text, one line.")
@click.option("--all", "every", is_flag=True, help="List every connection at the end, not just some with trouble.")
@click.option(
    "-s",
    "--snap-length",
    metavar="BYTES",
    type=click.IntRange(min=0),
    default=256,
    show_default=True,
    help="Take this much of each frame: the default is the headers; 0 is everything.",
)
@click.option("-p", "--no-promiscuous", is_flag=True, help="Take only what is meant for this host.")
@click.option(
    "--backend", type=click.Choice(BACKENDS), help="Who captures.  [default: ring, the kernel's own, on Linux]"
)
@click.option(
    "-B", "--ring-size", metavar="MIB", type=click.IntRange(min=1), help="How much the kernel may hold, in MiB."
)
@click.option("--no-host", is_flag=True, help="Leave out what the kernel of this host counts meanwhile.")
@click.option("-Z", "--user", metavar="USER", help="Root becomes USER when all is open; root stays root.")
@click.option(
    "--max-connections", metavar="N", type=click.IntRange(min=1), help="Bound memory: track at most N at a time."
)
@click.option(
    "--time-wait", metavar="SECONDS", type=exactly, default="60", show_default=True,
    help="How long TIME_WAIT lasts (2 MSL).",
)  # fmt: skip
@click.option(
    "--timeout", metavar="SECONDS", type=exactly, default="3", show_default=True,
    help="After how much capture an unanswered SYN has timed out.",
)  # fmt: skip
@click.option(
    "--keep",
    metavar="N",
    type=click.IntRange(min=1),
    default=100_000,
    show_default=True,
    help="Keep N connections that have ended whole; of older ones only totals.",
)
@click.option("-l", "line_buffered", is_flag=True, hidden=True, help="Lines are flushed at once anyway.")
@click.option("-n", "numeric", is_flag=True, hidden=True, help="Addresses are never resolved.")
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> None:
    """Watch TCP handshakes as they happen.

    FILTER is a tcpdump expression, such as: tcp port 443 and host 10.0.0.2.
    """
    if given["list_interfaces"]:
        _list_interfaces()
        return
    _check(given)
    with ExitStack() as stack:
        ctx.exit(_capture(stack, given))


def _capture(stack: ExitStack, given: dict[str, Any]) -> int:
    """Open all that is needed, let go of root, capture, report; the exit status."""
    form = _form(given)
    given["fields"], given["test"] = checked_fields(given["fields"], form), test_of(given["where"])
    target = stack.enter_context(Target.held(given["output"]))
    checked_binary(form, target)
    seconds = given["duration"] or given["autostop"]
    source = stack.enter_context(_source(given, seconds))
    screen = screen_for(given, form, source, target)
    account = drop_root(given, form, screen)
    run = _run(source, given, form, target, screen, seconds)
    with _signals(run):
        if not given["quiet"]:
            _announce(source, account)
        report = _finished(run, target, screen)
    if form != "ndjson":
        looks = Options(
            width=target.width,
            color=target.colored("auto"),
            encoding=target.encoding,
            every=given["every"],
            verbosity=-int(given["quiet"]),
            where=given["where"] or "",
            fields=given["fields"],
        )
        target.put(lambda stream: RENDERERS[form](report, stream, looks))
    if not given["quiet"]:
        _count(run)
    if source.failure is not None:
        raise source.failure
    return 0


def _run(
    source: LiveSource, given: dict[str, Any], form: str, target: Target, screen: Screen | None, seconds: float | None
) -> LiveRun:
    from handshake_inspect.engine.live import LiveOptions, LiveRun
    from handshake_inspect.engine.observer import Nobody
    from handshake_inspect.render.events import EventWriter

    settings: dict[str, Any] = {
        "keep": given["keep"],
        "frames": given["count"],
        "duration_s": seconds,
        "where": given["test"],
        "time_wait_ns": given["time_wait"],
        "unanswered_ns": given["timeout"],
    }
    if given["max_connections"] is not None:
        settings["max_connections"] = given["max_connections"]
    observer: Any = EventWriter(target.stream, given["fields"]) if form == "ndjson" else Nobody()
    observer.wants_picture = screen is not None
    return LiveRun(source, LiveOptions(**settings), observer)


def _finished(run: LiveRun, target: Target, screen: Screen | None) -> Report:
    """Run to the end; whoever reads events and goes away (`| head`) ends it quietly."""
    reports: list[Report] = []
    target.put(lambda _: reports.append(run.run() if screen is None else watched(run, screen)))
    return reports[0]


# --- what is meant ----------------------------------------------------------------------------------------------------


def _check(given: dict[str, Any]) -> None:
    """Refuse command lines that cannot be meant."""
    if given["read"] is None and given["interface"] is None:
        raise UsageError("name an interface with -i (hsi live -D lists them), or a stream with -r")
    if given["read"] is not None:
        if given["interface"] is not None:
            raise UsageError("-i captures and -r reads: choose one")
        named = [name for name in ("filter_text", "words", "handshakes_only", "backend", "ring_size") if given[name]]
        if named:
            what = {"filter_text": "-f", "words": "a filter", "handshakes_only": "--handshakes-only"}
            option = what.get(named[0], "--" + named[0].replace("_", "-"))
            raise UsageError(f"{option} is for capturing: with -r, give it to whatever captures")
    if given["words"] and given["filter_text"]:
        raise UsageError("a filter follows -f or stands at the end of the line, not both")
    spare([] if given["read"] is None else [given["read"]], given["output"], given["write"], "-w")
    if given["duration"] and given["autostop"]:
        raise UsageError("--duration and -a say the same: choose one")


def _form(given: dict[str, Any]) -> str:
    """The format that was asked for; else of the name after -o; else text where a person looks."""
    if given["form"] is None and given["output"] == "-":
        return "text" if (sys.stdout is not None and sys.stdout.isatty()) or given["quiet"] else "ndjson"
    return chosen_format(given["form"], given["output"])


def _source(given: dict[str, Any], seconds: float | None) -> LiveSource:
    from handshake_inspect.live.session import open_live

    if given["read"] is not None:
        return _reading(given["read"], given["write"], seconds)
    return open_live(
        given["interface"],
        backend=given["backend"],
        filter_text=given["filter_text"] or " ".join(given["words"]),
        handshakes_only=given["handshakes_only"],
        snap_len=given["snap_length"],
        ring_mib=given["ring_size"],
        promiscuous=not given["no_promiscuous"],
        write_to=given["write"],
        host=not given["no_host"],
    )


def _reading(name: str, write_to: str | None, seconds: float | None) -> LiveSource:
    from handshake_inspect.live.session import open_file, open_standard_input

    if name != "-":
        return open_file(name, write_to)
    if seconds is not None and sys.stdin is not None and not sys.stdin.closed:
        with suppress(OSError, ValueError):
            if not select.select([sys.stdin.fileno()], [], [], seconds)[0]:
                raise CaptureError(f"standard input: nothing came within {seconds:g} s; does the other side capture?")
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
    click.echo(f"hsi: {what}{who}; Ctrl-C ends it", err=True)


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
