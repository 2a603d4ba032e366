"""The round trip of a handshake, as the kernel that took part in it measured it, and as hsi does from the capture.

The kernel stamps a SYN or SYN-ACK before this process reads it from the device, which is when it is captured, and the
answer after it was captured and written there.  So its round trip is never shorter than the one in the capture, and
never longer than the time from before it sent to after it received: these bounds need no quiet machine.  What is
between them is how late this process read, and what the kernel needs for a packet (it prints the longest).

Prints a line for each handshake: the leg, IPv4 or 6, what hsi says, the kernel, the upper bound, in microseconds.
"""

from __future__ import annotations

import itertools
import socket
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from edge_kernel import Kernel, Play
from lab.packet import ACK, SYN
from support.wire import report_of

TCPI_RTT, TCPI_MIN_RTT = 68, 148  # offsets in struct tcp_info
CLOCK_US = 1  # both are cut to microseconds


def round_trips(sock: socket.socket) -> tuple[int, int]:
    """tcpi_rtt and tcpi_min_rtt, microseconds."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    return struct.unpack_from("I", info, TCPI_RTT)[0], struct.unpack_from("I", info, TCPI_MIN_RTT)[0]


def opened(play: Play) -> None:
    play.connect().say(SYN | ACK)


def accepted(play: Play) -> None:
    play.say(SYN).say(ACK)


WAYS = {"synack": opened, "ackdat": accepted}  # the leg behind the capture point, by how the kernel comes to it


def handshakes(kernel: Kernel) -> Iterator[tuple[str, int, bool, int, int, int, int]]:
    """Leg, version, timestamps; hsi, tcpi_rtt, tcpi_min_rtt and the bound."""
    for leg, version, timestamps in itertools.product(WAYS, (4, 6), (False, True)):
        play = Play(kernel, version, timestamps)
        began = time.monotonic_ns()
        WAYS[leg](play)
        longest_ns = time.monotonic_ns() - began
        assert play.sock is not None
        rtt, least = round_trips(play.sock)
        said = report_of(play.pcap())["connections"][0]["rtt"][leg]
        assert said["method"] == "exact", said
        play.end()
        yield leg, version, timestamps, said["value_ns"], rtt, least, longest_ns


def main() -> int:
    wrong = latest = 0
    for leg, version, timestamps, ns, rtt, least, longest_ns in handshakes(Kernel(timers=True)):
        right = ns // 1000 - CLOCK_US <= rtt == least <= longest_ns // 1000 + CLOCK_US
        latest = max(latest, rtt - ns // 1000)
        wrong += not right
        kind = f"IPv{version} {'timestamps' if timestamps else 'plain'}"
        print(f"{leg} {kind}: {ns / 1000:.1f}, {rtt}, {longest_ns / 1000:.1f} {'' if right else 'WRONG'}")
    print(f"wrong: {wrong}; the kernel measured up to {latest} us more")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
