"""What a frame costs the pump while few connections are open at a time, and while many are.

    python benchmarks/growth.py [--few 15000] [--many 1500000] [--rounds 3]

Both captures have the same connections and as many frames, five for each: a handshake, a request and its response.  In
one of them so few are open at a time that their rows stay in the caches, in the other one all are, and take turns in
no order.  What is printed is CPU time for each frame, by the process's own clock, rounds in turn, the least of each.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from make_captures import EPOCH
from packets import ACK, CONNECTION, FRAME, PSH, SYN, Column, write_pcap

# Side, flags, payload, and what of the sequence space of each side was used before.
TURNS = (
    (0, SYN, 0, (0, 0)), (1, SYN | ACK, 0, (0, 1)), (0, ACK, 0, (1, 1)), (0, PSH | ACK, 300, (1, 1)),
    (1, PSH | ACK, 900, (1, 301)),
)  # fmt: skip
PUMP = """
import sys, time
from handshake_inspect.capture.trace import open_trace
from handshake_inspect.engine.pump import Pump
from handshake_inspect.engine.stream import pump_all
from handshake_inspect.tcp.tracker import Tracker
pump = Pump(Tracker(1 << 21))
with open_trace([sys.argv[1]]) as source:
    begun = time.process_time()
    pump_all(source, pump)
    print((time.process_time() - begun) / pump.frames)
"""


def connections(count: int) -> Column:
    """So many, from 2^16 clients to one service."""
    conns = np.zeros(count, CONNECTION)
    numbers = np.arange(count)
    conns["client_ip"] = 0x0A00_0000 + (numbers & 0xFFFF)
    conns["client_port"] = 32768 + (numbers >> 16)
    conns["server_ip"], conns["server_port"] = 0xC000_020A, 443
    conns["client_isn"], conns["server_isn"] = numbers * 2_654_435_761, numbers * 2_246_822_519
    conns["timestamps"], conns["mss"], conns["client_ttl"], conns["server_ttl"] = True, 1460, 60, 63
    return conns


def turns(rng: np.random.Generator, conns: Column, open_: int) -> Column:
    """The frames of all connections, `open_` of which take turns at a time."""
    parts = []
    for first in range(0, len(conns), open_):
        numbers = np.arange(first, min(first + open_, len(conns)))
        for side, flags, payload, used in TURNS:
            part = np.zeros(len(numbers), FRAME)
            who = part["conn"] = rng.permutation(numbers)
            isns = conns["client_isn"][who], conns["server_isn"][who]
            part["seq"] = isns[side] + np.uint32(used[0])
            part["ack"] = isns[1 - side] + np.uint32(used[1]) if flags & ACK else 0
            part["from_server"], part["flags"], part["payload"], part["window"] = side, flags, payload, 502
            part["tsval"] = 1000 * len(parts)
            parts.append(part)
    frames = np.concatenate(parts)
    frames["time"] = EPOCH + np.arange(len(frames))
    return frames


def main() -> None:
    """Make both captures, and pump them in turn."""
    parser = argparse.ArgumentParser(description="CPU time of a frame while few connections are open, and many.")
    parser.add_argument("--few", type=int, default=15_000)
    parser.add_argument("--many", type=int, default=1_500_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rng, conns, least = np.random.default_rng(9293), connections(options.many), {}
    with tempfile.TemporaryDirectory() as folder:
        captures = {count: Path(folder) / f"{count}.pcap" for count in (options.few, options.many)}
        for count, capture in captures.items():
            write_pcap(capture, turns(rng, conns, count), conns)
        for _ in range(options.rounds):
            for count, capture in captures.items():
                command = [sys.executable, "-P", "-c", PUMP, str(capture)]
                took = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
                least[count] = min(took, least.get(count, took))
    for count, took in least.items():
        print(f"{count:>9,} open at a time: {took * 1e9:.0f} ns a frame")
    print(f"{least[options.many] / least[options.few]:.2f} times as much")


if __name__ == "__main__":
    main()
