"""`hsi live`: watch handshakes on an interface, or in a stream that never ends."""
# ruff: noqa: PLC0415

from __future__ import annotations

import select
import sys
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import click

from handshake_inspect.cli import ready_file
from handshake_inspect.cli.input_options import checked_binary, checked_fields, chosen_format, test_of
from handshake_inspect.cli.live_options import WatchOptions
from handshake_inspect.cli.live_run import Asked, watch
from handshake_inspect.cli.manual import Documented
from handshake_inspect.cli.options import takes
from handshake_inspect.cli.output import Target
from handshake_inspect.cli.overwriting import spare
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
def command(given: WatchOptions) -> None:
    """Watch TCP handshakes as they happen.

    FILTER is a tcpdump expression, such as: tcp port 443 and host 10.0.0.2.
    """
    from handshake_inspect.live.netns import inside

    if given.list_interfaces:
        with inside(given.netns):
            _list_interfaces()
        return
    _check(given)
    click.get_current_context().exit(_captured(given))


def _captured(given: WatchOptions) -> int:
    """Open all that is needed, and capture; the exit status."""
    form = _form(given)
    columns, test = checked_fields(given.fields, form), test_of(given.where)
    with ExitStack() as stack:
        target = stack.enter_context(Target.held(given.output))
        checked_binary(form, target)
        ready_file.clear(given.ready)
        source = stack.enter_context(_source(given))
        return watch(source, Asked(given, form, target, columns, test))


# --- what is meant ----------------------------------------------------------------------------------------------------


def _check(given: WatchOptions) -> None:
    """Refuse command lines that cannot be meant."""
    if given.read is not None:
        if given.interface is not None:
            raise UsageError("-i and -r exclude each other: choose one")
        capturing = {
            "-f": given.filter, "a filter": given.words, "--handshakes-only": given.handshakes_only,
            "--backend": given.backend, "--ring-size": given.ring_size, "--netns": given.netns,
        }  # fmt: skip
        if named := [name for name, value in capturing.items() if value]:
            raise UsageError(f"{named[0]} applies to capturing: with -r, set it in the program that captures")
    if given.words and given.filter:
        raise UsageError("give the filter after -f or at the end of the line, not both")
    spare([] if given.read is None else [given.read], given.output, given.write, "-w")
    if given.duration and given.autostop:
        raise UsageError("--duration and -a mean the same: choose one")
    if given.packets:
        _check_packets(given)


def _check_packets(given: WatchOptions) -> None:
    """Segments are text on standard output, and pass before anything is judged."""
    if given.where is not None:
        raise UsageError(
            "-Y chooses connections once they are judged; with --packets, choose with a filter: tcp port 80"
        )
    if given.write == "-":
        raise UsageError("--packets writes to standard output, and so does -w -: name a file after -w")
    form = _form(given)
    if FORMATS[form].events and not FORMATS[form].closing:
        raise UsageError(f"--packets writes segments as text, and {form} has lines of its own: leave one of them out")
    if given.output == "-" and form != "text":
        raise UsageError(f"--packets writes to standard output: name a file for the {form} report with -o")


def _form(given: WatchOptions) -> str:
    """The format that was asked for; else of the name after -o; else text where a person looks."""
    if given.form is None and given.output == "-":
        watched = sys.stdout is not None and sys.stdout.isatty()
        return "text" if watched or given.quiet or given.packets else "ndjson"
    return chosen_format(given.form, given.output)


def _source(given: WatchOptions) -> LiveSource:
    from handshake_inspect.live.netns import inside
    from handshake_inspect.live.session import open_live

    if given.read is not None:
        return _reading(given.read, given.write, given.seconds)
    with inside(given.netns):
        return open_live(
            given.interface or _usual(given),
            backend=given.backend,
            filter_text=given.filter or " ".join(given.words),
            handshakes_only=given.handshakes_only,
            snap_len=chosen_snap_len(given.snap_length, setup=not given.no_setup),
            ring_mib=given.ring_size,
            promiscuous=not given.no_promiscuous,
            write_to=given.write,
            host=not given.no_host,
            sockets=True,
        )


def _usual(given: WatchOptions) -> str:
    """The interface that is meant where none is named; a line on stderr says which."""
    from handshake_inspect.live.interfaces import default_interface, interfaces

    word = given.words[0] if given.words else None
    if any(each.name == word for each in interfaces()):
        raise UsageError(f"{word} is an interface, which goes after -i: hsi live -i {word}")
    found = default_interface()
    if found is None:
        raise UsageError("name an interface with -i (hsi live -D lists them), or a stream with -r")
    name, why = found
    if not given.quiet:
        click.echo(f"hsi: no -i given, so {name} ({why}); -i any captures on all interfaces", err=True)
    return name


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


def _list_interfaces() -> None:
    from handshake_inspect.live.interfaces import interfaces

    for each in interfaces():
        marks = [word for word, holds in (("up", each.up), ("down", each.up is False)) if holds]
        marks += ["loopback"] if each.loopback else []
        about = "all interfaces" if each.name == "any" and not each.number else ", ".join(marks)
        addresses = f"  {', '.join(each.addresses)}" if each.addresses else ""
        click.echo(f"{each.number:>3}  {each.name:<16} {about:<14}{addresses}".rstrip())
