"""Findings of reports, and crowds of wires to find something in."""

import random
import zlib

from support.wire import MS, SECOND, START, Wire, merged


def found(report: dict, kind: str) -> list[dict]:
    """The findings of one id."""
    return [finding for finding in report["findings"] if finding["id"] == kind]


def only(report: dict, kind: str) -> dict:
    """The one finding of an id; its evidence must be there to be looked at."""
    findings = found(report, kind)
    assert len(findings) == 1, [finding["title"] for finding in report["findings"]]
    finding = findings[0]
    assert finding["title"]
    assert finding["advice"].endswith(".")
    assert finding["start_ns"] <= finding["end_ns"]
    return finding


def chance(number: int) -> int:
    """32 bits that look random, and are the same every time."""
    return random.Random(number).getrandbits(32)


def crowd(count: int, act, *, every=100 * MS, address="192.0.2.1", **words) -> list[Wire]:
    """`count` wires from one client, each from its own port a bit later, on which `act(wire, number)` was done."""
    wires = []
    for number in range(count):
        own = number ^ zlib.crc32(address.encode())  # two hosts with the same ISNs would be one, translated
        isns = {"client_isn": chance(own), "server_isn": chance(~own)}
        wire = Wire(**({"client": (address, 30000 + number), "start": START + number * every} | isns | words))
        act(wire, number)
        wires.append(wire)
    return wires


def repeats(end, size, copies, *, rto=200 * MS, **words):
    """A segment and so many copies, with doubled timers, all lost behind the capture point."""
    seq = end.snd_nxt
    end.data(size, lost="after", **words)
    for _ in range(copies):
        end.wire.wait(rto)
        rto *= 2
        end.data(size, seq=seq, lost="after", **words)


__all__ = ["MS", "SECOND", "START", "Wire", "chance", "crowd", "found", "merged", "only", "repeats"]
