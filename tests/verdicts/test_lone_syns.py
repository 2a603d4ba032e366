"""Unanswered SYNs as columns, with IPv4 and IPv6 addresses."""

import io
import ipaddress

import numpy as np
import pytest
from support import captures
from support.frames import syn, syn_ack

from handshake_inspect.capture.trace import open_trace
from handshake_inspect.engine.pump import Pump
from handshake_inspect.engine.stream import pump_all
from handshake_inspect.tcp.tracker import Tracker
from handshake_inspect.verdicts.gathering import attempts_of_table
from handshake_inspect.verdicts.limits import Limits
from handshake_inspect.wire.address import address_text

PAIRS = [
    ("192.0.2.1", "198.51.100.2"),
    ("2001:db8::1", "2001:db8::2"),
    ("0.0.0.0", "0.0.0.0"),
    ("255.255.255.255", "0.0.0.0"),
    ("::ffff:192.0.2.1", "2001:db8::2"),
    ("2001:db8::1", "::ffff:192.0.2.1"),
    ("::", "::"),
    ("192.0.2.9", "198.51.100.2"),
    ("2001:db8:0:1::", "2001:db8::"),
]


def table_of(frames):
    pump = Pump(Tracker(64))
    with open_trace([io.BytesIO(captures.pcap([(i * 1000, frame) for i, frame in enumerate(frames)]))]) as source:
        pump_all(source, pump)
    return pump.tracker.table


def addressed(some):
    halves = (some[name].tolist() for name in ("client_hi", "client_lo", "server_hi", "server_lo"))
    return [(address_text(*four[:2]), address_text(*four[2:])) for four in zip(*halves, strict=True)]


def as_text(pairs):
    whole = [[ipaddress.ip_address(text) for text in two] for two in pairs]
    return [tuple(str(getattr(one, "ipv4_mapped", None) or one) for one in two) for two in whole]


@pytest.fixture(scope="module")
def table():
    return table_of([syn((src, 1000 + i), (dst, 80)) for i, (src, dst) in enumerate(PAIRS)])


def lone(table):
    return attempts_of_table(table, 0, 10_000, Limits()).embryos


def test_every_address_is_whole(table):
    assert addressed(lone(table)) == as_text(PAIRS)
    found = [table.embryo_addresses(i) for i in range(len(PAIRS))]
    assert [(address_text(*four[:2]), address_text(*four[2:])) for four in found] == as_text(PAIRS)


@pytest.mark.parametrize("chosen", [[], [4], [3, 4, 5], [0, 2, 3, 8], list(range(9)), [8, 1, 0]])
def test_some_of_them_are_those(table, chosen):
    some = lone(table)[np.array(chosen, dtype=np.int32)]
    expected = [as_text(PAIRS)[place] for place in chosen]
    for these in (some, lone(table).copies(np.array(chosen, dtype=np.intp))):
        assert len(these) == len(chosen)
        assert addressed(these) == expected
        assert addressed(these[0:2]) == expected[:2]
        assert addressed(these[::-1][:1]) == expected[::-1][:1]
        assert these["client_port"].tolist() == [1000 + place for place in chosen]


def test_an_answer_finds_its_syn_by_all_of_both_addresses():
    twins = [("2001:db8::1", f"2001:db8:0:{i}::2") for i in range(1, 4)]
    asked = [syn((src, 1000), (dst, 80)) for src, dst in PAIRS + twins]
    answered = [syn_ack((dst, 80), (src, 1000)) for src, dst in PAIRS + twins[1:]]
    table = table_of(asked + answered)
    assert table.connection_count == len(answered)
    assert addressed(lone(table)) == twins[:1]
