"""Segments that were damaged on the way: whose checksum shows it, and what is left of them."""

import pytest
from support import captures
from support.wire import MS, Wire, report_of, states

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


def test_what_was_damaged_and_sent_again_is_a_retransmission():
    wire = Wire().handshake().exchange()
    wire.client.data(100, lost="after")
    wire.wait(300 * MS)
    wire.client.data(100, seq=wire.client.snd_nxt - 100)
    wire.server.ack()
    wire.exchange()
    taken = wire.frames()
    when, frame = taken[6]
    taken[6] = (when, frame[:-1] + b"?")
    (connection,) = report_of(captures.pcap(taken, nano=True))["connections"]
    assert connection["client_to_server"]["retransmissions"] == 1
    assert connection["client_to_server"]["bytes"] == 300
    assert connection["client_to_server"]["out_of_order"] == 0


def test_what_was_damaged_for_the_capture_only():
    """It is acknowledged, so that nothing is missing."""
    wire = Wire().handshake().exchange()
    wire.exchange()
    wire.close()
    taken = wire.frames()
    when, frame = taken[6]
    taken[6] = (when, frame[:-1] + b"?")
    (connection,) = report_of(captures.pcap(taken, nano=True))["connections"]
    assert connection["client_to_server"]["retransmissions"] == 0
    assert connection["close"]["how"] == "fin"
    assert states(connection) == ("TIME_WAIT", "CLOSED")
