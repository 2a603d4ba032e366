"""The screen of a real `hsi live` on a terminal: traffic, keys, resizing, the end."""

import re
import socket

import pytest
from live.network import CLIENT, SERVER
from support import frames

pytest.importorskip("pyte", reason="needs pyte, the terminal emulator: pip install 'handshake-inspect[test]'")

from support.terminals import Seat

ENTER, ESCAPE, PAGE_DOWN = b"\r", b"\x1b", b"\x1b[6~"
LEFT = b"\x1b[?1049l"  # the alternate screen
SIZES = [(80, 24), (160, 50)]


def watching(network, columns=80, lines=24, **environment):
    with network.client():
        return Seat("live", "-i", "wire", "tcp", columns=columns, lines=lines, **environment)


@pytest.mark.parametrize(("columns", "lines"), SIZES)
def test_a_session(network, columns, lines):
    with watching(network, columns, lines) as seat:
        seat.sees("waiting for the first frames on wire", "q quit")
        network.exchange()
        seat.sees(
            r"^ hsi live  wire .* no frames dropped", r"^established +\S+/s +2 ", r"^refused +\S+/s +2 ",
            rf"{SERVER}:8080 +1 +100.0 %", rf"{SERVER}:9999", r"^SERVICES +busiest", r"^ q quit   p pause   s sort",
        )  # fmt: skip
        seat.type(b"s")
        seat.sees("SERVICES +most trouble")

        seat.type(b"f9999")
        seat.sees("^ filter:  9999_")
        seat.type(ENTER)
        seat.sees("^ filter: 9999", "1 of 2 fit the filter", gone=[f"{SERVER}:8080"])
        seat.type(ESCAPE)
        seat.sees(f"{SERVER}:8080", gone=["filter: 9999"])
        seat.type(b"/server.port == 9")
        seat.sees("understood; Enter")
        seat.type(b" and")
        seat.sees("filter:  server.port == 9 and_", gone=["understood"])
        seat.type(b"\x7f" * 4 + ENTER)
        seat.sees(r"TROUBLE +1 connection that fit the filter", rf"refused +{CLIENT}:\d+ → {SERVER}:9 ")
        seat.type(ESCAPE)
        seat.sees("TROUBLE", gone=["filter: "])

        seat.type(b"\t")
        seat.sees("CONNECTIONS +newest 4 of 4", f"refused +{CLIENT}:")
        seat.type(b"\t")
        seat.sees("▶ (WARNING|CRITICAL)")
        seat.type(ENTER)
        seat.sees("(WARNING|CRITICAL)  refused  ", "Start the service", "connections +[12]$")
        seat.type(ESCAPE)
        seat.sees("▶ (WARNING|CRITICAL)")
        seat.type(b"\t")

        seat.type(b"p")
        seat.sees("PAUSED", "p go on")
        network.knock(7)
        seat.type(b"?")
        seat.sees("^KEYS", "hold the screen still", "^ Esc back")
        seat.type(ESCAPE)
        seat.sees("PAUSED", "FINDINGS", "p go on", gone=[rf"{SERVER}:7\b"])
        seat.type(b"p")
        seat.sees(rf"{SERVER}:7\b", gone=["PAUSED"])

        seat.type(b"q")
        assert seat.ends() == 0
        assert seat.is_restored
        assert b"CAPTURE" in seat.out.split(LEFT)[-1]  # the report
        assert "packets captured" in seat.text
        assert "0 packets dropped by kernel" in seat.text


def test_enter_shows_the_ladder(network):
    with watching(network) as seat:
        seat.sees("waiting for the first frames")
        network.knock(9998)
        seat.sees("TROUBLE", f"{SERVER}:9998")
        seat.type(ENTER)
        seat.sees(
            "^CONNECTION 0  refused", f"client +{CLIENT}:", f"server +{SERVER}:9998", "^SEGMENTS",
            "more lines below ─+$", "^ Esc back   ↑↓ scroll",
        )  # fmt: skip
        seat.type(PAGE_DOWN)
        seat.sees(
            r"^ *0\.0+ +1 +SYN_SENT ── \[S\] seq 0.* ─+▶ CLOSED",
            r" 2 +CLOSED ◀─+ \[R\.\] .*ack 1.* ── CLOSED",
            "• A RST refuses the SYN.",
            r"CLOSED ╌+ now ╌+ CLOSED",
        )
        seat.resize(160, 50)
        seat.sees("win 64240", "RFC 9293 §3.5", "^ Esc back", gone=["lines below"])
        seat.type(ESCAPE)
        seat.sees("SERVICES.*TROUBLE", "CONNECTIONS +newest 1 of 1")
        seat.resize(80, 24)
        seat.sees("^SERVICES", "^TROUBLE")
        seat.resize(40, 12)
        seat.sees("^half-open 0 now", gone=["SERVICES"])
        seat.type(b"q")
        assert seat.ends() == 0
        assert seat.is_restored


def test_an_open_ladder_grows(network):
    network.server.ip("neigh", "replace", "10.93.7.78", "lladdr", "02:00:00:00:00:78", "dev", "wire")
    client, server = ("10.93.7.78", 4322), (SERVER, 8080)

    def send(packet):
        with network.client(), socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
            raw.sendto(packet, (SERVER, 0))

    with watching(network, 160, 50) as seat:
        seat.sees("waiting for the first frames")
        send(frames.syn(src=client, dst=server, link=frames.raw))
        seat.sees("half-open .*10.93.7.78:4322")
        seat.type(ENTER)
        seat.sees("^CONNECTION 0  half-open", "client SYN_SENT, server SYN_RECEIVED", " now .* SYN_RECEIVED")
        seat.sees("sends its SYN-ACK for the 2nd time")  # the kernel does, after a second
        send(frames.rst(seq=frames.CLIENT_ISN + 1, ack=None, src=client, dst=server, link=frames.raw))
        seat.sees("^CONNECTION 0  aborted", "cancels its own attempt")
        seat.type(b"\x03")  # Ctrl-C, of the terminal itself
        assert seat.ends() == 0
        assert seat.is_restored


def ladder_of_a_refusal(seat, network, port):
    """Open the screen once, and quit."""
    seat.sees("waiting for the first frames")
    network.knock(port)
    seat.sees(f"refused .*{SERVER}:{port}")
    seat.type(ENTER)
    seat.sees("^CONNECTION 0  refused", "^SEGMENTS")
    seat.type(PAGE_DOWN)
    seat.sees(r"\[S\] seq 0", "A RST refuses the SYN.")
    seat.type(b"q")
    assert seat.ends() == 0
    assert seat.is_restored


def test_without_colours(network):
    with watching(network, NO_COLOR="1") as seat:
        ladder_of_a_refusal(seat, network, 9997)
    assert not re.search(rb"\x1b\[[0-9;]*(3|4|9|10)[0-7]m", seat.out)


def test_in_plain_ascii(network):
    with watching(network, PYTHONUTF8="0", LC_ALL="C", PYTHONCOERCECLOCALE="0") as seat:
        ladder_of_a_refusal(seat, network, 9996)
    assert b"-- \x1b" in seat.out
    assert seat.out.isascii()
