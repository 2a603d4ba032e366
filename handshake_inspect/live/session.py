"""One way in to every live source."""

import sys

from handshake_inspect.capture.source import Input, open_source
from handshake_inspect.errors import LiveError, NoSuchInterfaceError, UsageError
from handshake_inspect.live import BACKENDS, DEFAULT_SNAP_LEN, child, filters, interfaces
from handshake_inspect.live.base import Counters, LiveSource
from handshake_inspect.live.host import watch_host
from handshake_inspect.live.pipe import PipeSource, standard_input
from handshake_inspect.live.sockets import watch_sockets
from handshake_inspect.live.writer import PcapngWriter

__all__ = [
    "BACKENDS",
    "DEFAULT_SNAP_LEN",
    "Counters",
    "LiveSource",
    "default_backend",
    "open_file",
    "open_live",
    "open_standard_input",
]

_WHOLE_FRAMES = 262_144  # what libpcap and Wireshark take as everything


def default_backend() -> str:
    """Say how this system captures when nobody chooses: the ring on Linux, else what is installed."""
    if sys.platform.startswith("linux"):
        return "ring"
    for program in ("tcpdump", "dumpcap", "tshark"):
        if child.installed(program):
            return program
    raise LiveError("no capture program found: install tcpdump or Wireshark's dumpcap")


def open_live(
    interface: str,
    *,
    backend: str | None = None,
    filter_text: str = "",
    handshakes_only: bool = False,
    snap_len: int = DEFAULT_SNAP_LEN,
    ring_mib: int | None = None,
    promiscuous: bool = True,
    write_to: str | None = None,
    host: bool = True,
    sockets: bool = False,
) -> LiveSource:
    """Begin to capture on an interface, given by name or number, or `any`.

    `filter_text` is a tcpdump expression; `handshakes_only` leaves out segments that only carry data.  A `snap_len` of
    0 takes whole frames.  `ring_mib` is how much the kernel may hold for us.  `write_to` names a pcapng file (`-`:
    standard output) that gets every frame that is read.  With `host` the kernel's own counters are read over the same
    time; with `sockets`, too, a program is started that finds out which process has which socket.

    When it returns, what crosses the interface is captured.  LiveError, one line with the cause and the fix, when it
    cannot be; UsageError for an argument that cannot be meant.
    """
    backend = backend or default_backend()
    if backend not in BACKENDS:
        raise UsageError(f"--backend {backend}: no such backend; choose from {', '.join(BACKENDS)}")
    if snap_len < 0 or snap_len > _WHOLE_FRAMES:
        raise UsageError(f"a snap length of {snap_len} bytes: must be from 0 (whole frames) to {_WHOLE_FRAMES}")
    snap_len = snap_len or _WHOLE_FRAMES
    if handshakes_only:
        filter_text = f"({filters.HANDSHAKES_ONLY}) and ({filter_text})" if filter_text else filters.HANDSHAKES_ONLY
    if backend == "ring":
        source = _ring(interface, filter_text, snap_len, ring_mib, promiscuous)
    else:
        wish = child.Wish(_name(interface), filter_text, snap_len, ring_mib, promiscuous)
        source = child.ChildSource(backend, wish)
    if host:
        source.host = watch_host(source.name)
        source.sockets = watch_sockets() if sockets and source.host is not None else None
    source.filter_text = filter_text
    return _written(source, write_to, snap_len, filter_text)


def open_standard_input(write_to: str | None = None) -> LiveSource:
    """Read a pcap or pcapng stream that is piped in and may never end."""
    return _written(standard_input(), write_to, 0, "")


def open_file(where: Input, write_to: str | None = None) -> LiveSource:
    """Read a file, or a named pipe, as if it were captured now."""
    return _written(PipeSource(open_source(where), None), write_to, 0, "")


def _ring(interface: str, filter_text: str, snap_len: int, ring_mib: int | None, promiscuous: bool) -> LiveSource:
    if not sys.platform.startswith("linux"):
        raise UsageError("--backend ring: available on Linux only; choose tcpdump or dumpcap")
    from handshake_inspect.live.packet_socket import RingSource  # noqa: PLC0415 - cannot be imported elsewhere

    return RingSource(interfaces.resolve(interface), filter_text, snap_len, ring_mib, promiscuous)


def _name(interface: str) -> str:
    """Give a number its name; names that only the capturing program knows stay as they are."""
    if interface.isascii() and interface.isdigit():
        return interfaces.resolve(interface).name
    if interface.startswith("-") or not interface or "\0" in interface:
        raise NoSuchInterfaceError(interfaces.no_such(interface, [each.name for each in interfaces.interfaces()]))
    return interface


def _written(source: LiveSource, write_to: str | None, snap_len: int, filter_text: str) -> LiveSource:
    if write_to is not None:
        try:
            source.record(PcapngWriter(write_to, source.name, snap_len, filter_text))
        except BaseException:
            source.close()
            raise
    return source
