"""Open live sources: an interface with any backend, standard input, or a file."""

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

_WHOLE_FRAMES = 262_144  # the snap length that libpcap and Wireshark use for whole frames


def default_backend() -> str:
    """Return the default backend: the ring on Linux, else the first capture program installed."""
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
    """Start capturing on an interface, given by name or number, or `any`.

    `filter_text` is a tcpdump expression; `handshakes_only` drops segments that only carry data.  `snap_len` is in
    bytes, 0 for whole frames; `ring_mib` is the size of the kernel's buffer in MiB.  `write_to` names a pcapng file
    (`-` for standard output) to which every frame read is written.  `host` enables the kernel counters; `sockets`, in
    addition, starts a program that maps sockets to processes.

    On return, capturing has started.  Raises LiveError, a line with the cause and the remedy, if capturing is not
    possible, and UsageError for an invalid argument.
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
        request = child.CaptureRequest(_name(interface), filter_text, snap_len, ring_mib, promiscuous)
        source = child.ChildSource(backend, request)
    if host:
        source.host = watch_host(source.name)
        source.sockets = watch_sockets() if sockets and source.host is not None else None
    source.filter_text = filter_text
    return _recorded(source, write_to, snap_len, filter_text)


def open_standard_input(write_to: str | None = None) -> LiveSource:
    """Open a pcap or pcapng stream on standard input, which may never end."""
    return _recorded(standard_input(), write_to, 0, "")


def open_file(where: Input, write_to: str | None = None) -> LiveSource:
    """Open a file, or a named pipe, as if it were captured live."""
    return _recorded(PipeSource(open_source(where), None), write_to, 0, "")


def _ring(interface: str, filter_text: str, snap_len: int, ring_mib: int | None, promiscuous: bool) -> LiveSource:
    if not sys.platform.startswith("linux"):
        raise UsageError("--backend ring: available on Linux only; choose tcpdump or dumpcap")
    from handshake_inspect.live.packet_socket import RingSource  # noqa: PLC0415 - cannot be imported elsewhere

    return RingSource(interfaces.resolve(interface), filter_text, snap_len, ring_mib, promiscuous)


def _name(interface: str) -> str:
    """Convert an interface number to its name; names are passed on, since a capture program may have its own."""
    if interface.isascii() and interface.isdigit():
        return interfaces.resolve(interface).name
    if interface.startswith("-") or not interface or "\0" in interface:
        raise NoSuchInterfaceError(interfaces.no_such(interface, [each.name for each in interfaces.interfaces()]))
    return interface


def _recorded(source: LiveSource, write_to: str | None, snap_len: int, filter_text: str) -> LiveSource:
    if write_to is not None:
        try:
            source.record(PcapngWriter(write_to, source.name, snap_len, filter_text))
        except BaseException:
            source.close()
            raise
    return source
