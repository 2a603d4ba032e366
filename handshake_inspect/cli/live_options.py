"""The options of `hsi live`."""

from __future__ import annotations

from dataclasses import dataclass

import click

from handshake_inspect.cli.options import (
    argument,
    autostop_seconds,
    backend_option,
    count_option,
    duration_option,
    fields_option,
    filter_option,
    format_option,
    interface_option,
    max_connections_option,
    no_names_option,
    no_promiscuous_option,
    no_setup_option,
    option,
    output_option,
    ring_size_option,
    snap_length_option,
    time_wait_option,
    timeout_option,
    user_option,
    where_option,
)
from handshake_inspect.render import REPORTS


@dataclass(frozen=True)
class WatchOptions:
    """The options of `hsi live`."""

    words: tuple[str, ...] = argument(nargs=-1, metavar="[FILTER]...")
    interface: str | None = interface_option(
        "Capture on this interface: a name, a number, or any for all.  [default: that of the default route]"
    )
    read: str | None = option(
        "-r", "--read", metavar="FILE", help="Read a stream instead, such as a pipe; - is standard input."
    )
    list_interfaces: bool = option("-D", "--list-interfaces", is_flag=True, help="List the interfaces and exit.")
    netns: str | None = option(
        "--netns",
        metavar="NAME|PID",
        help="Capture in another network namespace: one of ip netns, or that of a process.",
    )
    filter: str | None = filter_option("Capture filter: a tcpdump expression in one argument.")
    handshakes_only: bool = option(
        "--handshakes-only", is_flag=True,
        help="Let the kernel drop segments that carry only data, for links too fast to capture in full.",
    )  # fmt: skip
    count: int | None = count_option("Stop after N frames.")
    duration: float | None = duration_option("Stop after this time: 10s, 500ms, 2m, 1h.")
    autostop: float | None = option(
        "-a", "--autostop", metavar="duration:N", type=autostop_seconds, help="tshark spelling of --duration."
    )
    form: str | None = format_option(
        REPORTS,
        " ndjson, and text where there is no screen, are written during the run, all others at the end.",
        "by the file name after -o, else text on a terminal or with --packets, and ndjson elsewhere",
    )
    output: str = output_option("Write to this file instead of standard output.")
    fields: tuple[str, ...] = fields_option()
    where: str | None = where_option()
    write: str | None = option(
        "-w", "--write", metavar="FILE", help="Also save all frames to this pcapng file; - is standard output."
    )
    packets: bool = option(
        "--packets", is_flag=True,
        help="Write a line for each notable segment as it passes, with the states of both ends.",
    )  # fmt: skip
    quiet: bool = option("-q", "--quiet", is_flag=True, help="No screen and no counters; the text report is one line.")
    every: bool = option(
        "--all", is_flag=True, help="List every connection at the end, not just a sample of those with trouble."
    )
    snap_length: int | None = snap_length_option("Capture at most this much of each frame;")
    no_promiscuous: bool = no_promiscuous_option("Do not capture traffic of other hosts.")
    backend: str | None = backend_option("Capture backend.  [default: ring, the kernel's own, on Linux]")
    ring_size: int | None = ring_size_option("Size of the kernel's capture buffer in MiB.")
    no_host: bool = option(
        "--no-host",
        is_flag=True,
        help="Leave out what this host knows itself: its kernel's counters, and which process has which socket.",
    )
    ready: str | None = option(
        "--ready",
        metavar="FILE",
        help="Create this file once frames are being captured; scripts wait for it instead of sleeping.",
    )
    user: str | None = user_option("Drop privileges to USER once the capture is open (root keeps them).")
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
        """How long to capture, from `--duration` or `-a`."""
        return self.duration or self.autostop
