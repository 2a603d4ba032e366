"""Run Wireshark's command-line tools: convert foreign capture formats, and dissect TCP segments for comparison."""

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
# Override what the user's profile may have set.
_PREFERENCES = ("tcp.analyze_sequence_numbers:TRUE", "tcp.check_checksum:FALSE")
_SEGMENTS = "tcp && !icmp && !icmpv6"  # not the segments that ICMP errors quote


class DissectedSegment(NamedTuple):
    """Wireshark's analysis of one segment; `completeness` is the final value of its stream."""

    frame: int
    stream: int
    completeness: int
    initial_rtt_ns: int  # -1 if Wireshark gives none
    is_retransmission: bool
    is_out_of_order: bool
    is_reset: bool


def find_program(name: str = "tshark") -> str:
    """Return the path of a Wireshark program, searched as pyshark does; raise HsiError if it is not installed."""
    from pyshark.tshark.tshark import TSharkNotFoundException, get_process_path  # noqa: PLC0415  half a second

    try:
        path: str = get_process_path(process_name=name)
    except TSharkNotFoundException:
        raise HsiError(f"{name} is not installed, or not on the path; install Wireshark's command line tools") from None
    return path


def version(tshark: str) -> str:
    """Return tshark's version, such as `4.0.17`, or `unknown`."""
    done = subprocess.run([tshark, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    words = done.stdout.split("\n", 1)[0].split()
    return next((word.rstrip(".") for word in words if word[:1].isdigit()), "unknown")


class ConvertedCapture(io.RawIOBase):
    """The pcapng output of tshark as it converts a capture; reading raises ValueError if tshark fails."""

    def __init__(self, command: list[str]) -> None:
        super().__init__()
        # Error output is a few lines, which fit into the pipe until the process ends.
        self._child: Any = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
        )

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, view: Any) -> int:
        """Block until tshark has written bytes; return 0 at the end."""
        count: int = self._child.stdout.readinto(view) or 0
        if not count and self._child.wait():
            reason = _first_error(self._child.stderr.read().decode(errors="replace").splitlines())
            raise ValueError(f"tshark cannot convert it: {reason}")
        return count

    def close(self) -> None:
        """Kill the conversion."""
        if not self.closed:
            self._child.kill()
            self._child.communicate()
        super().close()


def convert(path: str | os.PathLike[str]) -> ConvertedCapture | None:
    """Convert a foreign capture to pcapng; return None if tshark is not installed."""
    try:
        tshark = find_program()
    except HsiError:
        return None
    return ConvertedCapture([tshark, "-n", "-r", os.fspath(path), "-F", "pcapng", "-w", "-"])


def dissect(tshark: str, path: str) -> Iterator[DissectedSegment]:
    """Yield Wireshark's two-pass analysis of each TCP segment of a file; raise CaptureError if tshark fails."""
    command = [tshark, "-2", "-n", "-r", path, "-Y", _SEGMENTS, "-T", "fields", "-E", "occurrence=l"]
    for preference in _PREFERENCES:
        command += ["-o", preference]
    for field in FIELDS:
        command += ["-e", field]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:  # noqa: S603
        assert child.stdout is not None  # noqa: S101
        for line in child.stdout:
            yield _parse_row(line.rstrip("\n").split("\t"))
        reason = _first_error(child.stderr or ())
    if child.returncode:
        raise CaptureError(f"{path}: tshark cannot read it: {reason}")


def _first_error(output: Iterable[str]) -> str:
    lines = [line.strip() for line in output if "Running as user" not in line]
    return next((line for line in lines if line), "it does not say why")


def _parse_row(row: Sequence[str]) -> DissectedSegment:
    frame, stream, completeness, rtt, retransmission, out_of_order, reset = row
    return DissectedSegment(
        int(frame), int(stream), int(completeness or 0), round(float(rtt) * 1e9) if rtt else -1,
        bool(retransmission), bool(out_of_order), reset in ("1", "True"),
    )  # fmt: skip
