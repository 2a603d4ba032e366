"""The command `hsi live`: watch handshakes on an interface or in an endless stream."""
# ruff: noqa: PLC0415

from __future__ import annotations

import select
import sys
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import click

from handshake_inspect.cli import ready_file
from handshake_inspect.cli.input_options import check_binary, check_fields, chosen_format, parse_filter
from handshake_inspect.cli.live_options import WatchOptions
from handshake_inspect.cli.live_run import LiveRequest, watch
from handshake_inspect.cli.manual import Documented
from handshake_inspect.cli.options import takes
from handshake_inspect.cli.output import Target
from handshake_inspect.cli.overwriting import refuse_overwrite
from handshake_inspect.errors import CaptureError, UsageError
from handshake_inspect.live import chosen_snap_len
from handshake_inspect.render import FORMATS

if TYPE_CHECKING:
    from handshake_inspect.live.base import LiveSource

EPILOG = """\b
Examples:
  hsi live                                        until Ctrl-C, then a report
  hsi live -i lo --packets tcp port 8000          a line per segment; try nc
  hsi live -i any tcp port 443 and host 10.0.0.2  a tcpdump filter
  hsi live -i lo --duration 10s -T json -o report.json
  hsi live -i eth0 -T ndjson -Y 'outcome == refused' -e client.ip,server
  hsi live -i eth0 --duration 1h -o connections.parquet
  ssh host tcpdump -U -w - tcp | hsi live -r -    no root needed here

\b
Exit status:
  0  stopped by Ctrl-C, -c, --duration, or the end of the input
  2  usage error, no permission, no such interface, or the interface went away
  130  a second Ctrl-C: stopped at once, without a report
"""


@click.command(cls=Documented, epilog=EPILOG)
@takes(WatchOptions)
def command(args: WatchOptions) -> None:
    """Watch TCP handshakes as they happen.

    FILTER is a tcpdump expression, such as: tcp port 443 and host 10.0.0.2.
    """
    from handshake_inspect.live.netns import inside

    if args.list_interfaces:
        with inside(args.netns):
            _list_interfaces()
        return
    _validate(args)
    click.get_current_context().exit(_capture(args))


def _capture(args: WatchOptions) -> int:
    """Open outputs and the source, then capture; return the exit status."""
    form = _format_name(args)
    columns, test = check_fields(args.fields, form), parse_filter(args.where)
    with ExitStack() as stack:
        target = stack.enter_context(Target.held(args.output))
        check_binary(form, target)
        ready_file.clear(args.ready)
        source = stack.enter_context(_open_source(args))
        return watch(source, LiveRequest(args, form, target, columns, test))


# --- options ----------------------------------------------------------------------------------------------------------


def _validate(args: WatchOptions) -> None:
    """Raise UsageError for options that contradict each other."""
    if args.read is not None:
        if args.interface is not None:
            raise UsageError("-i and -r exclude each other: choose one")
        capturing = {
            "-f": args.filter, "a filter": args.words, "--handshakes-only": args.handshakes_only,
            "--backend": args.backend, "--ring-size": args.ring_size, "--netns": args.netns,
        }  # fmt: skip
        if named := [name for name, value in capturing.items() if value]:
            raise UsageError(f"{named[0]} applies to capturing: with -r, set it in the program that captures")
    if args.words and args.filter:
        raise UsageError("give the filter after -f or at the end of the line, not both")
    refuse_overwrite([] if args.read is None else [args.read], args.output, args.write, "-w")
    if args.duration and args.autostop:
        raise UsageError("--duration and -a mean the same: choose one")
    if args.packets:
        _validate_packets(args)


def _validate_packets(args: WatchOptions) -> None:
    """Raise UsageError for options that conflict with `--packets`: it writes text to stdout, before any verdict."""
    if args.where is not None:
        raise UsageError(
            "-Y chooses connections once they are judged; with --packets, choose with a filter: tcp port 80"
        )
    if args.write == "-":
        raise UsageError("--packets writes to standard output, and so does -w -: name a file after -w")
    form = _format_name(args)
    if FORMATS[form].events and not FORMATS[form].closing:
        raise UsageError(f"--packets writes segments as text, and {form} has lines of its own: leave one of them out")
    if args.output == "-" and form != "text":
        raise UsageError(f"--packets writes to standard output: name a file for the {form} report with -o")


def _format_name(args: WatchOptions) -> str:
    """Return the format from `-T`, else from the name after `-o`, else text on a terminal and ndjson elsewhere."""
    if args.form is None and args.output == "-":
        on_terminal = sys.stdout is not None and sys.stdout.isatty()
        return "text" if on_terminal or args.quiet or args.packets else "ndjson"
    return chosen_format(args.form, args.output)


def _open_source(args: WatchOptions) -> LiveSource:
    from handshake_inspect.live.netns import inside
    from handshake_inspect.live.session import open_live

    if args.read is not None:
        return _open_stream(args.read, args.write, args.seconds)
    with inside(args.netns):
        return open_live(
            args.interface or _default_interface(args),
            backend=args.backend,
            filter_text=args.filter or " ".join(args.words),
            handshakes_only=args.handshakes_only,
            snap_len=chosen_snap_len(args.snap_length, setup=not args.no_setup),
            ring_mib=args.ring_size,
            promiscuous=not args.no_promiscuous,
            write_to=args.write,
            host=not args.no_host,
            sockets=True,
        )


def _default_interface(args: WatchOptions) -> str:
    """Return the default interface and name it on stderr; UsageError if there is none."""
    from handshake_inspect.live.interfaces import default_interface, interfaces

    word = args.words[0] if args.words else None
    if any(each.name == word for each in interfaces()):
        raise UsageError(f"{word} is an interface, which goes after -i: hsi live -i {word}")
    found = default_interface()
    if found is None:
        raise UsageError("name an interface with -i (hsi live -D lists them), or a stream with -r")
    name, why = found
    if not args.quiet:
        click.echo(f"hsi: no -i given, so {name} ({why}); -i any captures on all interfaces", err=True)
    return name


def _open_stream(name: str, write_to: str | None, seconds: float | None) -> LiveSource:
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


def _list_interfaces() -> None:
    from handshake_inspect.live.interfaces import interfaces

    for each in interfaces():
        marks = [word for word, holds in (("up", each.up), ("down", each.up is False)) if holds]
        marks += ["loopback"] if each.loopback else []
        about = "all interfaces" if each.name == "any" and not each.number else ", ".join(marks)
        addresses = f"  {', '.join(each.addresses)}" if each.addresses else ""
        click.echo(f"{each.number:>3}  {each.name:<16} {about:<14}{addresses}".rstrip())
