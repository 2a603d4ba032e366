"""Command-line options as frozen dataclasses, plus the options that several commands share and their value parsers.

A field is an `option`, an `argument` or a `group` (another such class); the click parameter takes the field's name.
The decorator `takes` adds all parameters of a class to a command and calls it with one instance.
"""
# ruff: noqa: PLC0415

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, fields
from decimal import Decimal, InvalidOperation
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from handshake_inspect.live import BACKENDS, DEFAULT_SNAP_LEN, HEADERS_SNAP_LEN
from handshake_inspect.render import FORMATS

if TYPE_CHECKING:
    from handshake_inspect.engine import Options

_T = TypeVar("_T")
_Decorator = Callable[[Callable[..., None]], Callable[..., None]]

_MAX_NS = 1 << 62
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h|d)?", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, None: 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


# --- option classes ---------------------------------------------------------------------------------------------------


def _complete_files(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[Any]:
    """Complete file names in the shell."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def _complete_interfaces(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Complete interface names."""
    from handshake_inspect.live.interfaces import interfaces

    return [each.name for each in interfaces() if each.name.startswith(incomplete)]


# Shell completion of option values, by metavar.
_COMPLETIONS = {"FILE": _complete_files, "FILE.pcapng": _complete_files}


def option(*declarations: str, **settings: Any) -> Any:
    """Return a dataclass field for an option; arguments as for `click.option`."""
    settings.setdefault("shell_complete", _COMPLETIONS.get(settings.get("metavar", "")))
    return field(metadata={"parameter": lambda name: click.option(*declarations, name, **settings)})


def argument(**settings: Any) -> Any:
    """Return a dataclass field for an argument; settings as for `click.argument`."""
    settings.setdefault("shell_complete", _complete_files)
    return field(metadata={"parameter": lambda name: click.argument(name, **settings)})


def group(options: type[Any]) -> Any:
    """Return a dataclass field that holds an instance of another option class."""
    return field(metadata={"group": options})


def takes(options: type[_T]) -> Callable[[Callable[[_T], None]], Callable[..., None]]:
    """Decorate a command with the parameters of an option class; it is called with one instance."""

    def decorate(command: Callable[[_T], None]) -> Callable[..., None]:
        @wraps(command)
        def called(**given: object) -> None:
            command(_build(options, given))

        decorated: Callable[..., None] = called
        for decorator in reversed(list(_parameters(options))):
            decorated = decorator(decorated)
        return decorated

    return decorate


def _parameters(options: type[Any]) -> Iterator[_Decorator]:
    for each in fields(options):
        if "group" in each.metadata:
            yield from _parameters(each.metadata["group"])
        else:
            yield each.metadata["parameter"](each.name)


def _build(options: type[_T], given: dict[str, object]) -> _T:
    values = {
        each.name: _build(each.metadata["group"], given) if "group" in each.metadata else given[each.name]
        for each in fields(options)  # type: ignore[arg-type]
    }
    return options(**values)


# --- value parsers ----------------------------------------------------------------------------------------------------


def seconds_to_ns(text: str) -> int:
    """Convert a decimal number of seconds to nanoseconds, exactly."""
    try:
        ns = Decimal(text).scaleb(9)
        if 0 <= ns <= _MAX_NS:
            return int(ns)
    except InvalidOperation:
        pass
    raise click.BadParameter(f"{text!r} is not a number of seconds.")


def duration_seconds(text: str) -> float:
    """Convert 10s, 500ms, 2m, 1h or a plain number of seconds to seconds."""
    found = _DURATION.fullmatch(text.strip())
    if found is None or not float(found[1]):
        raise click.BadParameter(f"{text!r} is not a duration; write 10s, 500ms, 2m or 1h.")
    return float(found[1]) * _SECONDS[found[2]]


def autostop_seconds(text: str) -> float:
    """Convert tshark's `-a duration:10` to seconds."""
    kind, _, value = text.partition(":")
    if kind != "duration":
        raise click.BadParameter(f"{text!r}: only duration:SECONDS is supported; -c N stops after N frames.")
    return duration_seconds(value)


def duration_to_ns(text: str) -> int:
    """Convert a duration such as `1ms` to nanoseconds."""
    from handshake_inspect.expression.literals import duration_ns

    try:
        return duration_ns(text)
    except ValueError as error:
        raise click.BadParameter(f"{error}.") from None


def percentage(text: str) -> Decimal:
    """Convert `20%` or `20` to the number 20."""
    try:
        number = Decimal(text.removesuffix("%").strip())
        if 0 <= number <= 1_000_000:
            return number
    except InvalidOperation:
        pass
    raise click.BadParameter(f"{text!r} is not a percentage.")


# --- shared options ---------------------------------------------------------------------------------------------------


def read_option(help_text: str) -> Any:
    """`-r`: captures to read, as an alternative to arguments."""
    return option("-r", "--read", metavar="FILE", multiple=True, help=help_text)


def format_option(
    known: Collection[str], remark: str = "", default: str = "by the file name after -o, else text"
) -> Any:
    """`-T`: the output format, one of `known`."""
    words = f"Output format: {', '.join(known)}.{remark}  [default: {default}]"
    return option("-T", "--format", metavar="FORMAT", type=click.Choice(list(known)), help=words)


def output_option(help_text: str = "Write to this file, all or nothing.") -> Any:
    """`-o`: where the report goes; `-` is standard output."""
    return option("-o", "--output", metavar="FILE", default="-", help=help_text)


def fields_option() -> Any:
    """`-e`: the columns of tabular formats; the help names csv and tsv first."""
    known = [name for name, each in FORMATS.items() if each.columns]
    known.sort(key=lambda name: name not in ("csv", "tsv"))
    return option(
        "-e", "--fields", metavar="FIELD,...", multiple=True,
        help=f"Columns of {', '.join(known)}, by their names in the schema; * for all.",
    )  # fmt: skip


def no_pager_option() -> Any:
    """`--no-pager`: write long text straight to the terminal."""
    return option(
        "--no-pager", is_flag=True,
        help="On a terminal, do not page text longer than a screen through HSI_PAGER, PAGER or less.",
    )  # fmt: skip


def where_option() -> Any:
    """`-Y`: a filter expression on connections."""
    return option(
        "-Y", "--where", metavar="EXPR",
        help="Only connections that match EXPR, such as 'outcome == refused and rtt.total > 50ms'.",
    )  # fmt: skip


def write_option() -> Any:
    """`--write`: save the frames of the reported connections."""
    return option(
        "--write", metavar="FILE.pcapng",
        help="Save the frames of the reported connections (for a check: of those that broke a rule), annotated with"
        " the verdicts.",
    )  # fmt: skip


def cluster_option() -> Any:
    """`--cluster`: the Dask cluster that reads the captures."""
    return option(
        "--cluster", metavar="ADDRESS",
        help="Have the workers of a Dask cluster read the captures: tcp://HOST:8786, or local:N for N threads here.",
    )  # fmt: skip


def interface_option(help_text: str) -> Any:
    """`-i`: the interface to capture on."""
    return option("-i", "--interface", metavar="NAME", shell_complete=_complete_interfaces, help=help_text)


def filter_option(help_text: str) -> Any:
    """`-f`: the capture filter, in libpcap syntax."""
    return option("-f", "--filter", metavar="FILTER", help=help_text)


def duration_option(help_text: str) -> Any:
    """`--duration`: how long to capture, in seconds."""
    return option("--duration", metavar="TIME", type=duration_seconds, help=help_text)


def count_option(help_text: str) -> Any:
    """`-c`: the number of frames to capture."""
    return option("-c", "--count", metavar="N", type=click.IntRange(min=1), help=help_text)


def user_option(help_text: str) -> Any:
    """`-Z`: the user to become once the capture is open."""
    return option("-Z", "--user", metavar="USER", help=help_text)


def no_promiscuous_option(help_text: str) -> Any:
    """`-p`: do not put the interface into promiscuous mode."""
    return option("-p", "--no-promiscuous", is_flag=True, help=help_text)


def ring_size_option(help_text: str) -> Any:
    """`--ring-size`, in MiB; None chooses a size for this machine."""
    return option("-B", "--ring-size", metavar="MIB", type=click.IntRange(min=1), help=help_text)


def backend_option(help_text: str) -> Any:
    """`--backend`: the capture backend; None chooses one for this system."""
    return option("--backend", type=click.Choice(BACKENDS), help=help_text)


def snap_length_option(help_text: str) -> Any:
    """`--snap-length` in bytes, 0 for whole frames; None chooses as much as the analysis reads."""
    return option(
        "-s", "--snap-length", metavar="BYTES", type=click.IntRange(min=0),
        help=f"{help_text} 0 captures all of it.  [default: {DEFAULT_SNAP_LEN}, enough for TLS and QUIC hellos;"
        f" {HEADERS_SNAP_LEN} with --no-setup]",
    )  # fmt: skip


def time_wait_option() -> Any:
    """`--time-wait`, in nanoseconds."""
    return option(
        "--time-wait", metavar="SECONDS", type=seconds_to_ns, default="60", show_default=True,
        help="How long TIME_WAIT lasts (2 MSL).",
    )  # fmt: skip


def timeout_option() -> Any:
    """`--timeout`, in nanoseconds."""
    return option(
        "--timeout", metavar="SECONDS", type=seconds_to_ns, default="3", show_default=True,
        help="Capture time after which an unanswered SYN counts as timed out.",
    )  # fmt: skip


def max_connections_option(help_text: str) -> Any:
    """`--max-connections`, which bounds memory; None keeps the engine's default."""
    return option("--max-connections", metavar="N", type=click.IntRange(min=1), help=help_text)


def no_names_option() -> Any:
    """`--no-names`: leave out names, because the sites that somebody visits are personal data."""
    return option(
        "--no-names",
        is_flag=True,
        help="Leave out the names that clients look up, and those of servers and protocols that they ask for.",
    )


def no_setup_option() -> Any:
    """`--no-setup`: analyse headers only."""
    return option("--no-setup", is_flag=True, help="Read headers alone: no set-up, lookups or QUIC.")


@dataclass(frozen=True)
class AnalysisOptions:
    """The options of every command that analyses captures."""

    time_wait: int = time_wait_option()
    timeout: int = timeout_option()
    max_connections: int | None = max_connections_option("Keep at most N connections at a time, to bound memory.")
    no_names: bool = no_names_option()
    no_setup: bool = no_setup_option()
    color: str = option(
        "--color", type=click.Choice(["auto", "always", "never"]), default="auto", show_default=True,
        help="When to colour the text.",
    )  # fmt: skip
    no_progress: bool = option("--no-progress", is_flag=True, help="No progress bar.")
    jobs: int | None = option(
        "--jobs", metavar="N", type=click.IntRange(0, 256),
        help="Read ahead in at most N large compressed or remote files, in threads; default: one per processor.",
    )  # fmt: skip

    @property
    def settings(self) -> Options:
        """The engine's options."""
        from handshake_inspect.engine import Options

        max_connections = self.max_connections or Options.max_connections
        parsed = {"names": not self.no_names, "setup": not self.no_setup}
        return Options(max_connections, self.time_wait, self.timeout, jobs=self.jobs, **parsed)
