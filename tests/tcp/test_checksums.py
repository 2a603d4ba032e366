"""Segments that were damaged on the way: whose checksum shows it, and what is left of them."""

import pytest
from support import captures
from support.wire import Wire, report_of

ETHERNET = 14


@pytest.mark.parametrize(
    ("octet", "kind", "letter"),
    [(ETHERNET + 8, "bad-ip-checksum", ""), (ETHERNET + 20 + 32 + 5, "bad-checksum", "C")],
    ids=["IP header", "payload"],
)
def test_a_damaged_segment_is_left_out(octet, kind, letter):
    """Its receiver drops it; Zeek drops a wrong IP header before its connections see it."""
    wire = Wire().handshake().exchange()
    wire.client.data(100)
    taken = wire.frames()
    when, frame = taken[-1]
    broken = bytearray(frame)
    broken[octet] ^= 0x10
    report = report_of(captures.pcap([*taken[:-1], (when, bytes(broken))], nano=True))
    (connection,) = report["connections"]
    assert [(problem["kind"], problem["frame"]) for problem in report["capture"]["problems"]] == [(kind, len(taken))]
    assert connection["client_to_server"]["bytes"] == 100
    assert connection["aliases"]["zeek"]["history"] == "ShADd" + letter
