"""A report does not depend on the order of the rows in a table.

A row is taken when something follows a SYN, and again when another connection left it: the order of rows is neither
that of first frames nor of times.  Whatever is said of the first ones, or of a few of many, goes by first frame.
"""

import io
import json
import struct
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import captures
from support.samples import DIRECTORY, SAMPLES
from support.wire import MS, SECOND, START, Wire

from handshake_inspect.engine import analyze, reporting
from handshake_inspect.render import Options
from handshake_inspect.render.json import render
from handshake_inspect.verdicts import gathering, position
from handshake_inspect.verdicts.findings import port_scan, predictable_isn, tally
from handshake_inspect.verdicts.numbering import AttemptRows

FEW = 12  # of those of which only some are looked at
LIMITS = [
    (position, "MAX_CONNECTIONS"),
    (port_scan, "LISTED"),
    (predictable_isn, "LOOKED_AT"),
    (predictable_isn, "ENOUGH"),
    (tally, "SERVICES"),
    (tally, "REPORTERS"),
]
STEPS = [1, 10_000_000, 1_000_000_000]  # nanoseconds


def coarse(data: bytes, step: int) -> bytes:
    """A little-endian classic pcap with times rounded down, so that many are equal."""
    unit = 1 if data[:4] == bytes.fromhex("4d3cb2a1") else 1000
    changed = bytearray(data)
    for at in captures.records(data)[:-1]:
        seconds, fraction = struct.unpack_from("<II", data, at)
        whole, rest = divmod((seconds * 10**9 + fraction * unit) // step * step, 10**9)
        struct.pack_into("<II", changed, at, whole, rest // unit)
    return bytes(changed)


def moved(trace, random):
    """Return the same attempts with permuted rows."""
    full = len(trace.connections)
    order = np.arange(len(trace))
    for part in (order[:full], order[full:]):
        random.shuffle(part)
    copy, _, _ = gathering.copied(trace, AttemptRows(order))
    rows, place = copy.connections[:], np.zeros(full + 1, dtype=np.uint32)
    place[order[:full] + 1] = np.arange(1, full + 1)
    rows["previous"] = place[rows["previous"]]
    return copy


def report_of(sources):
    out = io.BytesIO()
    render(analyze([io.BytesIO(source) for source in sources]), out, Options())
    return out.getvalue()


def check(sources, random):
    """Assert that the report does not depend on row order, with low limits."""
    attempts_of_table = reporting.attempts_of_table
    with pytest.MonkeyPatch.context() as patch:
        for module, name in LIMITS:
            patch.setattr(module, name, FEW)
        expected = report_of(sources)
        patch.setattr(
            reporting, "attempts_of_table", lambda *given, **words: moved(attempts_of_table(*given, **words), random)
        )
        assert report_of(sources) == expected


# Samples of which something was said by row once, in the times that they have or in coarser ones.
BY_ROW = [
    "accept-queue-full-syn-dropped", "dead-peer", "healthy-burst", "idle-timeout", "lookup", "path-mtu",
    "port-scan-dark", "port-scan-filtered", "predictable-isn", "stalled",
]  # fmt: skip


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("name", BY_ROW)
def test_moved_rows(name, step):
    for seed in range(3):
        check([coarse((DIRECTORY / f"{name}.pcap").read_bytes(), step)], Random(seed))


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.sampled_from(SAMPLES), min_size=1, max_size=4, unique=True), st.sampled_from(STEPS), st.integers(0, 99)
)
def test_any_order_of_rows(samples, step, seed):
    check([coarse((DIRECTORY / f"{name}.pcap").read_bytes(), step) for name in samples], Random(seed))


def test_the_clients_that_failed_most_are_named_by_first_frame():
    """With equal numbers of attempts, the five named are those that tried first."""
    late = [Wire(client=(f"192.0.2.{n}", 4000), start=START + (9 - n) * MS) for n in range(9)]
    for wire in late:
        wire.client.syn()
        wire.server.refuse()
    source = captures.pcap(sorted(each for wire in late for each in wire.frames()), nano=True)
    (finding,) = json.loads(report_of([source]))["findings"]
    assert [each["ip"] for each in finding["metrics"]["top_clients"]] == [f"192.0.2.{n}" for n in (8, 7, 6, 5, 4)]
    for seed in range(3):
        check([source], Random(seed))


def test_the_position_is_inferred_from_the_first_connections():
    """The first connections were captured near their clients, later ones near their servers."""
    wires = [
        Wire(at="client" if n < FEW else "server", client=("192.0.2.1", 4000 + n), start=START + n * SECOND)
        for n in range(3 * FEW)
    ]
    taken = sorted(each for wire in wires for each in wire.handshake().frames())
    for seed in range(3):
        check([captures.pcap(taken, nano=True)], Random(seed))


def test_connections_that_begin_at_the_same_time():
    names = ("aborted-connect", "accept-queue-full-syn-dropped", "quic", "tls-health-check")
    check([coarse((DIRECTORY / f"{name}.pcap").read_bytes(), SECOND) for name in names], Random(1))
