"""Frames that cannot be parsed are counted and reported; an empty report gives the reason."""

from io import BytesIO

import pytest
from support import frames
from support.captures import pcap

import handshake_inspect

ESP = frames.ethernet(frames.ipv4("192.0.2.1", "192.0.2.2", 50, bytes(40)))
NHRP = frames.ethernet(frames.ipv4("192.0.2.1", "192.0.2.2", 47, b"\0\0\x20\x01" + bytes(40)))


def gre(protocol):
    return frames.ethernet(frames.ipv4("192.0.2.1", "192.0.2.2", 47, b"\0\0" + protocol.to_bytes(2, "big") + bytes(40)))


def problems(*wire, link_type=1):
    report = handshake_inspect.analyze(
        BytesIO(pcap(((i, frame) for i, frame in enumerate(wire, 1)), link_type=link_type))
    )
    return [(problem.kind, problem.message) for problem in report.capture.problems]


def test_encrypted_and_unknown_tunnels_are_counted_by_kind():
    found = problems(frames.syn(), ESP, ESP, gre(0x9999), NHRP)
    assert found == [
        ("not-looked-into", "2 frames of ESP not looked into: encrypted; capture where it is not"),
        (
            "not-looked-into",
            "1 frame of GRE with protocol 0x9999 not looked into: hsi cannot read it; capture inside the tunnel",
        ),
    ]


def test_many_kinds_are_summarized():
    found = problems(frames.syn(), *(gre(0x9000 + i) for i in range(50)))
    assert len(found) == 6
    assert found[-1] == ("not-looked-into", "45 frames of 45 other kinds of tunnels not looked into")


@pytest.mark.parametrize(
    ("wire", "message"),
    [
        ([ESP], "none of 1 frame holds a TCP segment: check interface and capture filter"),
        ([frames.udp()] * 3, "none of 3 frames holds a TCP segment, 3 hold UDP: check interface and capture filter"),
    ],
)
def test_a_capture_without_tcp_has_a_warning(wire, message):
    assert ("no-tcp", message) in problems(*wire)


@pytest.mark.parametrize("wire", [[frames.syn()], [frames.icmp_error(frames.syn(link=frames.raw))], []])
def test_no_warning_if_there_is_tcp_or_no_frame(wire):
    assert problems(*wire) == []
