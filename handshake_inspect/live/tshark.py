"""Capture program of last resort, on pyshark: `python -m handshake_inspect.live.tshark` with four arguments.

It runs as a child process (child.py), because pyshark brings an event loop and several processes.  It writes pcapng to
standard output, each frame as soon as tshark has printed it, and passes dumpcap's messages on to standard error.
"""

import asyncio
import datetime
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

from handshake_inspect.live import writer
from handshake_inspect.wire.const import NS_PER_SECOND

# Wireshark's frame.encap_type -> LINKTYPE.
_LINK_TYPES = {1: 1, 4: 9, 7: 101, 15: 0, 20: 105, 23: 127, 25: 113, 129: 228, 130: 229, 210: 276}
_UNKNOWN_LINK_TYPE = 147  # private use: not decoded


class Frame(NamedTuple):
    """A frame from pyshark."""

    link_type: int
    ts_ns: int
    data: bytes
    wire_len: int


def frames(interface: str, snap_len: int, promiscuous: bool, filter_text: str) -> Iterator[Frame]:
    """Capture through pyshark until SIGTERM; the section header is written once dumpcap captures."""
    capture = _capture(interface, snap_len, promiscuous, filter_text)
    signal.signal(signal.SIGTERM, lambda *_: capture.end())
    for packet in capture.sniff_continuously():
        yield frame_of(packet)


def frame_of(packet: Any) -> Frame:
    """Extract the frame from a packet of pyshark's EK mode with raw data."""
    fields = packet.frame_info
    raw = packet["FRAME_RAW"]
    text = getattr(raw, "_fields_dict", None)  # not public in this mode
    data = bytes.fromhex(text if isinstance(text, str) else raw.value)
    encapsulation = int(fields.get_field("encap_type"))
    link_type = _LINK_TYPES.get(encapsulation, _UNKNOWN_LINK_TYPE)
    return Frame(link_type, nanoseconds(str(packet.sniff_timestamp)), data, int(packet.length))


def nanoseconds(time: str) -> int:
    """Convert seconds since the epoch, or an ISO date (Wireshark 4.2 and later), to nanoseconds since the epoch."""
    whole, _, fraction = time.rstrip("Z").partition(".")
    if "T" in whole:
        date = datetime.datetime.fromisoformat(whole).replace(tzinfo=datetime.UTC)
        seconds = (date - datetime.datetime.fromtimestamp(0, datetime.UTC)) // datetime.timedelta(seconds=1)
    else:
        seconds = int(whole)
    return seconds * NS_PER_SECOND + int(fraction[:9].ljust(9, "0"))


def _capture(interface: str, snap_len: int, promiscuous: bool, filter_text: str) -> Any:
    import pyshark  # noqa: PLC0415 - half a second
    from pyshark.tshark.tshark import get_process_path  # noqa: PLC0415

    class Capture(pyshark.LiveCapture):  # type: ignore[misc]
        """pyshark's live capture, extended by a snap length, a clean end and dumpcap's messages."""

        dumpcap: Any = None
        ended = False

        def __init__(self) -> None:
            # Bypass LiveCapture, which first has tshark list all interfaces.
            super(pyshark.LiveCapture, self).__init__(use_ek=True, include_raw=True, debug=False)
            self.interfaces, self.bpf_filter, self.monitor_mode = [interface], filter_text or None, False

        def get_parameters(self, packet_count: int | None = None) -> list[str]:
            # Read dumpcap's pipe as a file: with `-i -` tshark would run every extcap program, and androiddump would
            # connect to port 5037 of this host during the capture.
            return [*super(pyshark.LiveCapture, self).get_parameters(packet_count=packet_count), "-r", "-"]

        def end(self) -> None:
            self.ended = True
            if self.dumpcap is not None and self.dumpcap.returncode is None:
                self.dumpcap.terminate()

        def _get_dumpcap_parameters(self) -> list[str]:
            parameters: list[str] = [*super()._get_dumpcap_parameters(), "-s", str(snap_len)]
            return parameters if promiscuous else [*parameters, "-p"]

        async def _get_tshark_process(self, packet_count: int | None = None, stdin: Any = None) -> Any:
            # Like pyshark, but only dumpcap keeps the write end of the pipe; otherwise tshark would never end.
            read, write = os.pipe()
            command = [get_process_path(process_name="dumpcap"), *self._get_dumpcap_parameters()]
            self.dumpcap = await asyncio.create_subprocess_exec(*command, stdout=write, stderr=subprocess.PIPE)
            os.close(write)
            self._listening = asyncio.ensure_future(_repeat(self.dumpcap.stderr))
            # Bypass LiveCapture, whose method this replaces.
            tshark = await super(pyshark.LiveCapture, self)._get_tshark_process(packet_count=packet_count, stdin=read)
            os.close(read)
            if self.ended:
                self.end()
            return tshark

        def _verify_capture_parameters(self) -> None:
            """Skip the check: dumpcap reports unknown interfaces itself."""

    return Capture()


async def _repeat(lines: Any) -> None:
    """Pass on dumpcap's messages; write the section header once it captures."""
    while line := await lines.readline():
        if line.startswith(b"File: "):
            _put(writer.section_header())
        os.write(2, line)


def _put(data: bytes) -> None:
    done = 0
    while done < len(data):
        done += os.write(1, data[done:])


def main(arguments: list[str]) -> int:
    """Capture and write to standard output; `arguments`: interface, snap length, promiscuous ("1"), filter."""
    warnings.simplefilter("ignore")
    interface, snap_len, promiscuous, filter_text = arguments
    numbers: dict[int, int] = {}
    try:
        for frame in frames(interface, int(snap_len), promiscuous == "1", filter_text):
            if frame.link_type not in numbers:
                numbers[frame.link_type] = len(numbers)
                _put(writer.interface_description(frame.link_type, interface, int(snap_len)))
            _put(writer.enhanced_packet(numbers[frame.link_type], frame.ts_ns, frame.data, frame.wire_len))
    except BrokenPipeError:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
