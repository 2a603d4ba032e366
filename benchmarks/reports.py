"""What a report of many connections or services takes as JSON, beside the same as text.

    python benchmarks/reports.py [--rounds 3] [--hsi hsi]

Connections have five frames each, a handshake, a request and its response; services are asked once each, by one client,
and do not answer.  Printed are seconds of the processor, reading the capture included, the least of the rounds.
"""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from growth import connections, turns
from make_captures import EPOCH
from packets import FRAME, SYN, write_pcap
from run import seconds

OPEN = 15_000  # connections at a time
FORMATS = {"text": (), "JSON": ("-T", "json"), "JSON, no connections": ("-T", "json", "--no-connections")}


def conversations(count, path):
    """Write so many connections."""
    conns = connections(count)
    write_pcap(path, turns(np.random.default_rng(9293), conns, OPEN), conns)


def services(count, path):
    """Write a SYN to each of so many services."""
    conns, frames, numbers = connections(count), np.zeros(count, FRAME), np.arange(count)
    conns["client_ip"], conns["client_port"] = 0x0A00_0001, 40_000 + numbers % 20_000
    conns["server_ip"], conns["server_port"] = 0xC612_0000 + numbers // 20, 1 + numbers % 20
    frames["conn"], frames["time"], frames["flags"], frames["window"] = numbers, EPOCH + 50 * numbers, SYN, 502
    frames["seq"] = conns["client_isn"]
    write_pcap(path, frames, conns)


CAPTURES = {
    "150,000 connections": (conversations, 150_000),
    "1,000,000 connections": (conversations, 1_000_000),
    "1,200,000 services": (services, 1_200_000),
}


def main():
    """Make the captures, and report on them in turn."""
    parser = argparse.ArgumentParser(description="Processor time of large reports.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--hsi", default=None, help="the hsi to measure (default: beside this Python)")
    given = parser.parse_args()
    beside = Path(sys.executable).parent / "hsi"
    hsi = given.hsi or (str(beside) if beside.exists() else shutil.which("hsi"))
    print(f"load average at the start {os.getloadavg()[0]:.2f}")
    with tempfile.TemporaryDirectory() as folder:
        for name, (make, count) in CAPTURES.items():
            path = Path(folder) / "capture.pcap"
            make(count, path)
            took = {}
            for _ in range(given.rounds):
                for form, words in FORMATS.items():
                    once = seconds([hsi, *words, str(path)])
                    took[form] = min(once, took.get(form, once))
            print(f"{name}: " + ", ".join(f"{form} {least:.2f} s" for form, least in took.items()), flush=True)


if __name__ == "__main__":
    main()
