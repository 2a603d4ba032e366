"""Lookups are found in captures, whatever the link and the version of IP."""

import io

import pytest
from support import frames
from support.captures import pcap
from support.dns import answer, query

from handshake_inspect.capture.trace import open_trace
from handshake_inspect.engine.pump import Pump
from handshake_inspect.engine.stream import pump_all
from handshake_inspect.tcp.tracker import Tracker


@pytest.mark.parametrize(
    ("client", "resolver"), [(("192.0.2.1", 40000), ("192.0.2.53", 53)), (("2001:db8::1", 40000), ("2001:db8::53", 53))]
)
def test_a_lookup_in_a_capture(client, resolver):
    asked, answered = frames.udp(client, resolver, query()), frames.udp(resolver, client, answer())
    pump = Pump(Tracker(16))
    with open_trace([io.BytesIO(pcap([(1_000_000_000, asked), (1_020_000_000, answered)]))]) as source:
        pump_all(source, pump)
    (found,) = pump.lookups.all()
    assert (found.name, found.answer_ns - found.first_ns, found.answer_frame) == ("www.example.org", 20_000_000, 2)
    assert found.addresses == (bytes(10) + b"\xff\xff" + frames.address("198.51.100.2"),)
    assert found.client == frames.address(client[0]).rjust(16, b"\0") or found.client.endswith(
        frames.address(client[0])
    )
