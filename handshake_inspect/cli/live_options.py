"""The options of a capture that runs beside a command, and the command behind `--`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from handshake_inspect.cli.live import BACKENDS, duration
from handshake_inspect.errors import UsageError

COMMAND = "handshake_inspect.command"  # where a context keeps the words behind --
LONE = ("interface", "filter_text", "snap_length", "no_promiscuous", "backend", "ring_size", "user", "count",
        "duration", "settle")  # fmt: skip

_OPTIONS = (
    click.option("--live", is_flag=True, help="Check the traffic of an interface while COMMAND runs."),
    click.option("-i", "--interface", metavar="NAME", help="With --live: capture there; any is all interfaces."),
    click.option("-f", "--filter", "filter_text", metavar="FILTER", help="With --live: a tcpdump expression."),
    click.option("--duration", metavar="TIME", type=duration, help="With --live: capture so long at most, as 10s, 2m."),
    click.option("-c", "--count", metavar="N", type=click.IntRange(min=1), help="With --live: take at most N frames."),
    click.option(
        "--settle",
        metavar="TIME",
        type=duration,
        help="With --live: go on after COMMAND until all connections have ended or nothing came for this time, ten"
        " times as long at most.  [default: 100ms]",
    ),
    click.option(
        "-Z", "--user", metavar="USER", help="With --live: root becomes USER, also for COMMAND; root stays root."
    ),
    click.option(
        "-s",
        "--snap-length",
        metavar="BYTES",
        type=click.IntRange(min=0),
        help="With --live: take this much of each frame; 0 is everything.  [default: 256]",
    ),
    click.option("-p", "--no-promiscuous", is_flag=True, help="With --live: only what is meant for this host."),
    click.option("--backend", type=click.Choice(BACKENDS), help="With --live: who captures, as for hsi live."),
    click.option(
        "-B", "--ring-size", metavar="MIB", type=click.IntRange(min=1), help="With --live: what the kernel may hold."
    ),
)


def live_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--live`, and what goes with it."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


class WithCommand(click.Command):
    """A command whose line may end in `--` and another command: its words are kept apart from the arguments."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the words behind the first `--` away; the context has them."""
        if "--" in args:
            at = args.index("--")
            args, ctx.meta[COMMAND] = args[:at], args[at + 1 :]
        return super().parse_args(ctx, args)


def refuse_live(given: dict[str, Any], words: Sequence[str]) -> None:
    """Refuse, without --live, what only goes with it; behind `--` may also stand captures."""
    for name in LONE:
        if given[name]:
            option = {"filter_text": "filter"}.get(name, name.replace("_", "-"))
            raise UsageError(f"--{option} is for capturing: it needs --live")
    if words and words[0] != "-" and not Path(words[0]).exists():
        raise UsageError(f"{words[0]}: no such file; to check what a command does, add --live -i INTERFACE")


def checked_live(given: dict[str, Any], words: Sequence[str]) -> None:
    """Refuse, with --live, what cannot be meant."""
    if given["captures"] or given["read"]:
        name = (*given["captures"], *given["read"])[0]
        raise UsageError(f"--live captures, and {name} is a capture already; a command goes behind --")
    if given["interface"] is None:
        raise UsageError("--live: name an interface with -i, such as -i lo (hsi live -D lists them)")
    if not words and given["duration"] is None and given["count"] is None:
        raise UsageError("--live: put a command behind --, or say with --duration how long to capture")
    if given["write"] == "-":
        raise UsageError("--write - takes standard output from the command and the report: name a file")
