"""tcpdump on a host: started before the first packet, stopped after the last, nothing lost."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from pathlib import Path

from lab.namespace import Host, run

# TCP, pings and the errors that quote TCP; neighbour discovery and multicast listeners are noise.
TCP_AND_ERRORS = "tcp or icmp or (ip6 proto 58 and ip6[40] <= 129)"


class DisturbedError(RuntimeError):
    """The machine was too busy for the timing that a scenario needs: worth another try."""


class Capture:
    """A running tcpdump that writes one file."""

    def __init__(
        self,
        host: Host,
        file: Path,
        *,
        interface: str = "eth0",
        expression: str = TCP_AND_ERRORS,
        snap: int = 0,
        precision: str = "nano",
        options: tuple[str, ...] = (),
    ) -> None:
        self.host, self.file = host, file
        self.interface, self.expression, self.snap = interface, expression, snap
        self._process = host.spawn(
            "tcpdump", "-i", interface, "-nn", "-U", "--immediate-mode", "-B", "32768", "-Z", "root", "-s", str(snap),
            f"--time-stamp-precision={precision}", *options, "-w", str(file), expression,
        )  # fmt: skip
        with contextlib.suppress(PermissionError):  # a starved tcpdump would be late for the end of the capture
            os.sched_setscheduler(self._process.pid, os.SCHED_FIFO, os.sched_param(1))
        assert self._process.stderr is not None
        for line in self._process.stderr:  # the capture is open once tcpdump says so
            if "listening on" in line:
                return
        raise RuntimeError(f"tcpdump on {host.label}: it did not start")

    def settle(self, quiet: float = 0.08, limit: float = 5.0) -> None:
        """Wait until nothing has been written for a while: what is under way has arrived."""
        end = time.monotonic() + limit
        size, since = -1, time.monotonic()
        while time.monotonic() < end and time.monotonic() - since < quiet:
            time.sleep(0.02)
            now = self.file.stat().st_size
            if now != size:
                size, since = now, time.monotonic()

    def wait_for(self, text: str, count: int = 1, limit: float = 30.0) -> None:
        """Wait until tcpdump has written `count` lines with this text (`Flags [S]`, `unreachable`)."""
        end = time.monotonic() + limit
        while sum(text in line for line in read(self.file)) < count:
            if time.monotonic() > end:
                raise DisturbedError(f"{count} x {text!r} did not come within {limit} s")
            time.sleep(0.05)

    def first_at(self, text: str) -> float:
        """When the first line with this text was captured."""
        return next(float(line.split()[0]) for line in read(self.file) if text in line)

    def stop(self) -> None:
        """End the capture and see that nothing is missing."""
        self._process.send_signal(signal.SIGINT)
        _, said = self._process.communicate(timeout=10)
        counts = [int(count) for count in re.findall(r"(\d+) packets? (?:captured|received|dropped)", said)]
        twice = 2 if self.interface == "lo" else 1  # the loopback shows a packet going out and coming in
        if len(counts) != 3 or counts[0] * twice != counts[1] or counts[2] != 0:
            raise DisturbedError(f"tcpdump on {self.host.label}: {said.strip()}")

    def kill(self) -> None:
        """End the process whatever happened."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


def read(file: Path, expression: str = "") -> list[str]:
    """The capture as tcpdump prints it: an opinion of the file that owes nothing to hsi."""
    return run(
        "tcpdump", "-nn", "-tt", "-r", str(file), *([expression] if expression else []), check=False
    ).splitlines()
