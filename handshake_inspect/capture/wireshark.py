"""Wireshark's command line: where it is, and what it says of the TCP segments of a file."""

from __future__ import annotations

import io
import os
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from handshake_inspect.errors import CaptureError, HsiError

FIELDS = (
    "frame.number", "tcp.stream", "tcp.completeness", "tcp.analysis.initial_rtt", "tcp.analysis.retransmission",
    "tcp.analysis.out_of_order", "tcp.flags.reset",
)  # fmt: skip
# What a profile of the user may have set otherwise.
_PREFERENCES = ("tcp.analyze_sequence_numbers:TRUE", "tcp.check_checksum:FALSE")
_SEGMENTS = "tcp && !icmp && !icmpv6"  # an ICMP error quotes a segment, which is none


class Dissected(NamedTuple):
    """What Wireshark says of one segment; of a stream, completeness is what it was in the end."""

    frame: int
    stream: int
    completeness: int
    initial_rtt_ns: int  # -1 where it has none
    is_retransmission: bool
    is_out_of_order: bool
    is_reset: bool


def program(name: str = "tshark") -> str:
    """The path of one of Wireshark's programs, found as pyshark does; HsiError where it is not installed."""
    from pyshark.tshark.tshark import TSharkNotFoundException, get_process_path  # noqa: PLC0415  half a second

    try:
        path: str = get_process_path(process_name=name)
    except TSharkNotFoundException:
        raise HsiError(f"{name} is not installed, or not on the path; install Wireshark's command line tools") from None
    return path


def version(tshark: str) -> str:
    """Such as `4.0.17`."""
    done = subprocess.run([tshark, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    words = done.stdout.split("\n", 1)[0].split()
    return next((word.rstrip(".") for word in words if word[:1].isdigit()), "unknown")


class Converted(io.RawIOBase):
    """A capture of another program as pcapng, while tshark converts it; OSError where it cannot."""

    def __init__(self, command: list[str]) -> None:
        super().__init__()
        # What it complains about is a few lines; a pipe holds these until the end.
        self._child: Any = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
        )

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, view: Any) -> int:
        """Wait for bytes; 0 at the end."""
        count: int = self._child.stdout.readinto(view) or 0
        if not count and self._child.wait():
            complaint = _complaint(self._child.stderr.read().decode(errors="replace").splitlines())
            raise ValueError(f"tshark cannot convert it: {complaint}")
        return count

    def close(self) -> None:
        """End the conversion."""
        if not self.closed:
            self._child.kill()
            self._child.communicate()
        super().close()


def converted(path: str | os.PathLike[str]) -> Converted | None:
    """A capture of another program, converted; None where tshark is not installed."""
    try:
        tshark = program()
    except HsiError:
        return None
    return Converted([tshark, "-n", "-r", os.fspath(path), "-F", "pcapng", "-w", "-"])


def dissected(tshark: str, path: str) -> Iterator[Dissected]:
    """What Wireshark's dissector says of each TCP segment of a file, in its two passes."""
    command = [tshark, "-2", "-n", "-r", path, "-Y", _SEGMENTS, "-T", "fields", "-E", "occurrence=l"]
    for preference in _PREFERENCES:
        command += ["-o", preference]
    for field in FIELDS:
        command += ["-e", field]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:  # noqa: S603
        assert child.stdout is not None  # noqa: S101
        for line in child.stdout:
            yield _read(line.rstrip("\n").split("\t"))
        complaint = _complaint(child.stderr or ())
    if child.returncode:
        raise CaptureError(f"{path}: tshark cannot read it: {complaint}")


def _complaint(said: Iterable[str]) -> str:
    lines = [line.strip() for line in said if "Running as user" not in line]
    return next((line for line in lines if line), "it does not say why")


def _read(row: Sequence[str]) -> Dissected:
    frame, stream, completeness, rtt, retransmission, out_of_order, reset = row
    return Dissected(
        int(frame), int(stream), int(completeness or 0), round(float(rtt) * 1e9) if rtt else -1,
        bool(retransmission), bool(out_of_order), reset in ("1", "True"),
    )  # fmt: skip
