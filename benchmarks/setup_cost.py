#!/usr/bin/env python3
"""What reading connection set-up costs: TLS-shaped and plain traffic, with it and with `--no-setup`, in one run.

Handshakes are OpenSSL's own, made once in memory and repeated with other addresses, ports and times.  Instructions are
those of the whole process as valgrind counts them, Python's and NumPy's too; a busy machine does not change them.
"""

import argparse
import random
import re
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from run import seconds
from support.captures import pcap_header, pcap_record
from support.frames import CLIENT
from support.tls import START, Talk, client, handshake, server

from handshake_inspect.wire.checksum import fold

PLAIN = [(0, b"GET / HTTP/1.1\r\n\r\n" + b"x" * 300), (1, b"HTTP/1.1 200 OK\r\n\r\n" + b"y" * 5000)]
GAP_NS = 400_000  # between two connections, on average


def conversation(said):
    """The frames of one connection, each flight acknowledged, by their times since it began."""
    talk = Talk()
    for side, data in said:
        talk.say(side, data)
        talk.acknowledge(side ^ 1, at=talk.free[side ^ 1] + 0.02)
    return [(ns - START, frame) for ns, frame in talk.frames()]


def moved(frame, number):
    """The same frame of another client; the checksum of TCP is left to the card."""
    data = bytearray(frame)
    address, port = bytes([10, 1, number // 60000 & 255, number % 7]), struct.pack(">H", 1024 + number % 60000)
    client_first = data[34:36] == struct.pack(">H", CLIENT[1])
    at_address, at_port = (26, 34) if client_first else (30, 36)
    data[at_address : at_address + 4] = address
    data[at_port : at_port + 2] = port
    data[24:26] = data[50:52] = b"\0\0"
    data[24:26] = struct.pack(">H", 0xFFFF - fold(sum(struct.unpack(">10H", data[14:34]))))
    return bytes(data)


def make(path, talks, count):
    """Write `count` connections, interleaved; how many frames they are."""
    rng = random.Random(8446)
    frames = []
    for number in range(count):
        began = START + rng.randrange(count * GAP_NS)
        frames += [(began + ns, moved(frame, number)) for ns, frame in rng.choice(talks)]
    frames.sort(key=lambda each: each[0])
    with path.open("wb") as out:
        out.write(pcap_header(nano=True))
        for ns, frame in frames:
            out.write(pcap_record(ns, frame, nano=True))
    return len(frames)


def instructions(command):
    """How many instructions a command takes, in millions."""
    grind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *command]
    ran = subprocess.run(grind, capture_output=True, text=True, check=True)
    return int(re.search(r"Collected : (\d+)", ran.stderr)[1]) // 1_000_000


def more(read, left):
    """How much more, in percent."""
    return f"{100 * (read / left - 1):+.1f} %"


def main():
    """Make the captures, run, and print a line for each."""
    parser = argparse.ArgumentParser(description="The cost of reading connection set-up.")
    parser.add_argument("--connections", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--instructions", action="store_true", help="count instructions, too: a minute each")
    parser.add_argument("--hsi", default=f"{sys.executable} -P -m handshake_inspect", help="how hsi is run")
    given = parser.parse_args()
    if given.instructions and not shutil.which("valgrind"):
        sys.exit("valgrind is not here")
    kinds = {"tls": [handshake(client(), server())], "plain": [PLAIN]}
    with tempfile.TemporaryDirectory() as folder:
        for kind, said in kinds.items():
            path = Path(folder) / f"{kind}.pcap"
            frames = make(path, [conversation(each) for each in said], given.connections)
            commands = [[*given.hsi.split(), "analyze", *extra, str(path)] for extra in ((), ("--no-setup",))]
            runs = [[seconds(command) for command in commands] for _ in range(given.rounds)]
            read, left = (statistics.median(run[i] for run in runs) for i in range(2))
            print(
                f"{kind}: {frames:,} frames, {given.connections:,} connections: {read:.2f} s, "
                f"with --no-setup {left:.2f} s: {more(read, left)}"
            )
            if given.instructions:
                read, left = map(instructions, commands)
                print(f"    {read:,} million instructions, with --no-setup {left:,}: {more(read, left)}")


if __name__ == "__main__":
    main()
