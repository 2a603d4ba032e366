"""The command `hsi`: load sub-commands on demand, and turn errors into one line and an exit status."""
# ruff: noqa: PLC0415

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

import click

from handshake_inspect.cli.manual import Documented, short_help
from handshake_inspect.errors import HsiError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

EXIT_INTERRUPTED = 130
EXIT_UNUSABLE = 2

COMMANDS = ("analyze", "live", "explain", "check", "diff", "verify", "pair", "fields", "schema", "help", "completion")

HELP = """Show what happened to TCP connections: states, RTT, outcomes and causes.

`hsi FILE` and `hsi -r FILE` mean `hsi analyze FILE`; `hsi analyze --help` lists its options.

`hsi help WORD` explains a word of a report, such as half-open or syn-flood.
"""
EPILOG = """\b
Examples:
  hsi capture.pcapng                  what happened, and where the trouble is
  hsi -T json -o report.json a.pcap   everything, for programs
  tcpdump -w - tcp | hsi -            from a pipe
  hsi explain a.pcap 7                one connection, segment by segment
  hsi live                            handshakes as they happen

\b
Exit status:
  0  analysed
  1  a check failed
  2  usage error, or input that is not a readable capture
  3  with --strict: cut or damaged input, analysed as far as it goes
"""


class Hsi(Documented, click.Group):
    """A click group that imports commands on demand and treats `hsi FILE` as `hsi analyze FILE`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module and return its `command`."""
        if cmd_name not in COMMANDS:
            return None
        return cast("click.Command", import_module(f"handshake_inspect.cli.{cmd_name}").command)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options and the commands."""
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete commands and file names."""
        from click.shell_completion import CompletionItem

        offered = super().shell_complete(ctx, incomplete)
        return offered if incomplete.startswith("-") else [CompletionItem(incomplete, type="file"), *offered]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Insert `analyze` before a first word that is neither a command nor an option of the group."""
        if args and args[0] not in {*COMMANDS, "-h", "-V", "--version", *ctx.help_option_names}:
            _reject_misspelt(args[0])
            args = ["analyze", *args]
        return super().parse_args(ctx, args)

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, **_: Any) -> NoReturn:  # type: ignore[override]
        """Run and exit; print every error as one line on stderr."""
        sys.exit(self._status(args, prog_name or "hsi"))

    def _status(self, args: Sequence[str] | None, prog_name: str) -> int:
        try:
            return int(super().main(args, prog_name, standalone_mode=False) or 0)
        except click.MissingParameter as error:
            usage = f"; {error.ctx.get_usage().replace('Usage:', 'usage:')}" if error.ctx is not None else ""
            return _print_error(f"{error.format_message().rstrip('.')}{usage}", EXIT_UNUSABLE)
        except click.NoSuchOption as error:
            return _print_error(_no_such_option(error), EXIT_UNUSABLE)
        except click.BadParameter as error:
            return _print_error(_bad_value(error), EXIT_UNUSABLE)
        except click.UsageError as error:
            return _print_error(error.format_message(), EXIT_UNUSABLE)
        except HsiError as error:
            return _print_error(str(error), error.exit_status, getattr(error, "__notes__", ()))
        except click.Abort:
            return EXIT_INTERRUPTED
        except SystemExit:  # click's reaction to a closed pipe
            return 0
        except Exception as error:  # users get one line, never a traceback
            if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
                return _print_error("out of memory; --max-connections bounds what is kept", EXIT_UNUSABLE)
            if os.environ.get("HSI_DEBUG"):
                raise
            what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            return _print_error(f"this is a bug, please report it with what HSI_DEBUG=1 shows: {what}", EXIT_UNUSABLE)


def _reject_misspelt(word: str) -> None:
    """Raise UsageError for a word that is not a file but resembles a command."""
    if Path(word).exists():
        return
    if "/" not in word and Path("/sys/class/net", word).exists():
        raise click.UsageError(f"no such file: {word} is an interface; hsi live -i {word} watches it")
    from difflib import get_close_matches

    near = ["hsi --version"] if word == "version" else get_close_matches(word, COMMANDS, n=1)
    if near:
        raise click.UsageError(f"no such file or command: {word}. Did you mean {near[0]}?")


def _no_such_option(error: click.NoSuchOption) -> str:
    """Return click's message, or a hint to `hsi --version`, which only the group accepts."""
    from difflib import get_close_matches

    near = get_close_matches(error.option_name, ["--version", *(error.possibilities or ())], n=1)
    if near == ["--version"]:
        return f"{error.message} Did you mean hsi --version?"
    if error.possibilities or error.ctx is None:
        return error.format_message()
    return f"no such option: {error.option_name}; {error.ctx.command_path} --help lists them"


def _bad_value(error: click.BadParameter) -> str:
    """Return the message for an invalid value: the parameter, the reason and the allowed values."""
    from difflib import get_close_matches

    if error.param is None:
        return error.format_message()
    name = max(error.param.opts, key=len) if isinstance(error.param, click.Option) else error.param.human_readable_name
    message = error.message.rstrip(".")
    if isinstance(error.param.type, click.Choice):
        given, choices = message.partition(" is not one of ")[0].strip("'"), error.param.type.choices
        near = get_close_matches(given, choices, n=1)
        message = f"{given!r} is not one of {', '.join(choices)}" + (f"; did you mean {near[0]}?" if near else "")
    message = re.sub(r"is not in the range x>=(\S+)", r"is too small: at least \1", message)
    message = re.sub(r"is not in the range (\S+)<=x<=(\S+)", r"is out of range: \1 to \2", message)
    return f"{name.strip('[]').removesuffix('...')}: {message}"


def _print_error(message: str, status: int, notes: Sequence[str] = ()) -> int:
    from handshake_inspect.wire.text import printable

    click.echo(f"hsi: error: {printable(message)}", err=True)
    for note in notes:
        click.echo(printable(note), err=True)
    return status


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from handshake_inspect.about import build, version

        click.echo(f"hsi {version()} ({build()})")
        ctx.exit()


@click.group(
    cls=Hsi,
    help=HELP,
    epilog=EPILOG,
    no_args_is_help=False,
    invoke_without_command=True,
    context_settings={"help_option_names": ["--help"], "max_content_width": 100},
)
@click.option(
    "-V",
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Show the version and the build.",
)
@click.pass_context
def hsi(ctx: click.Context) -> None:
    """Run a command, or say how."""
    if ctx.invoked_subcommand is None:
        click.echo(short_help(hsi, ctx))
