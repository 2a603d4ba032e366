"""`--write` finds the connection of later IP fragments, and of several packets in one frame."""

import io
import ipaddress
import struct

import pytest
from support import captures, frames
from support.wire import MS, SECOND, START, Wire

from handshake_inspect import analyze
from handshake_inspect.engine import frame_owners
from handshake_inspect.engine.extract import extract
from handshake_inspect.expression.language import parse
from handshake_inspect.expression.select import filtered

V6 = {"client": frames.CLIENT6, "server": frames.SERVER6}


def split(packet, size, ident):
    """Split an IP packet into fragments of `size` bytes."""
    six = packet[0] >> 4 == 6
    at = 40 if six else 20
    head, body = packet[:at], packet[at:]
    pieces = []
    for start in range(0, len(body), size):
        more = start + size < len(body)
        if six:
            where = frames.fragment_header(start, more=more, ident=ident)
            ends = [str(ipaddress.ip_address(head[at : at + 16])) for at in (8, 24)]
            pieces.append(frames.ipv6(*ends, 6, body[start : start + size], extensions=[where]))
        else:
            ends = [".".join(map(str, head[12:16])), ".".join(map(str, head[16:20]))]
            pieces.append(
                frames.ipv4(*ends, 6, body[start : start + size], ident=ident, fragment_offset=start,
                            dont_fragment=False, more_fragments=more)
            )  # fmt: skip
    return pieces


def conversation(port, client=frames.CLIENT, **words):
    wire = Wire(client=(client[0], port), **words).handshake()
    wire.client.data(3000)
    wire.server.ack()
    return wire.close()


def timed(wire, which=(3,), size=1480, order=None, ident=77):
    out = []
    for number, (when, _, packet) in enumerate(sorted(wire.taken, key=lambda each: each[0])):
        pieces = [packet]
        if number in which:
            pieces = split(packet, size, ident + number)
            pieces = pieces if order is None else [pieces[i] for i in order]
        out += [(when + place * 1000, wire.link(piece)) for place, piece in enumerate(pieces)]
    return out


@pytest.fixture
def kept(tmp_path):
    """Return the written frames of the connection from a port, in order."""

    def write(taken, port, **header):
        path, out = tmp_path / "a.pcap", io.BytesIO()
        path.write_bytes(captures.pcap(sorted(taken, key=lambda each: each[0]), nano=True, **header))
        whole = analyze(path)
        some = filtered(whole, parse(f"client.port == {port}")).connections
        assert len(some) >= 1
        extract([path], whole.connections, some, out)
        return [seen.data for seen in captures.read(out.getvalue())[0]]

    return write


def expected(taken):
    return [frame for _, frame in sorted(taken, key=lambda each: each[0])]


@pytest.mark.parametrize("ends", [{}, V6], ids=["v4", "v6"])
@pytest.mark.parametrize("order", [None, [2, 1, 0], [1, 0, 2], [0, 2, 1]], ids=str)
def test_fragments_in_any_order(kept, ends, order):
    mine, other = timed(conversation(5000, **ends), order=order), timed(conversation(6000, **ends), ident=500)
    assert kept(mine + other, 5000) == expected(mine)


@pytest.mark.parametrize("size", [8, 16, 24])
def test_a_fragmented_tcp_header(kept, size):
    mine, other = timed(conversation(5000), which=(0, 1, 2), size=size), timed(conversation(6000))
    assert kept(mine + other, 5000) == expected(mine)


def test_a_missing_first_fragment(kept):
    """The other fragments have no owner, and are not buffered forever."""
    mine = timed(conversation(5000))
    lost = [each for each in timed(conversation(6000), ident=900) if each[1][20:22] != b"\x20\0"]
    later = [(when + 60 * SECOND, frame) for when, frame in timed(conversation(5000))]
    assert kept(lost + mine, 5000) == expected(mine)
    assert kept(lost + mine + later, 5000) == expected(mine + later)


def test_the_buffer_is_bounded(kept, monkeypatch):
    """The first fragment arrives after the buffer has overflowed."""
    monkeypatch.setattr(frame_owners, "HELD_BYTES", 4000)
    mine = timed(conversation(5000), order=[2, 1, 0])
    parts = kept(mine, 5000)
    assert parts == expected(mine)
    monkeypatch.setattr(frame_owners, "HELD_BYTES", 1000)
    assert len(kept(mine, 5000)) < len(mine)


def test_a_reused_ip_identification(kept):
    mine = timed(conversation(5000))
    other = [(when + SECOND, frame) for when, frame in timed(conversation(6000))]
    assert kept(mine + other, 5000) == expected(mine)
    assert kept(mine + other, 6000) == expected(other)


def test_fragments_of_other_datagrams(kept):
    mine = timed(conversation(5000))
    udp = [
        (START + n * MS, frames.ethernet(frames.ipv4(*[end[0] for end in (frames.CLIENT, frames.SERVER)], 17, b"x" * 64,
         ident=9, fragment_offset=n * 64, dont_fragment=False, more_fragments=True)))
        for n in range(5)
    ]  # fmt: skip
    assert kept(mine + udp, 5000) == expected(mine)


def test_packets_that_share_a_frame(kept):
    """Any of them may be the wanted one."""
    both = [conversation(port) for port in (5000, 6000)]
    packets = [[packet for _, _, packet in sorted(wire.taken, key=lambda each: each[0])] for wire in both]
    taken = [(START + n * MS, amsdu(*pair)) for n, pair in enumerate(zip(*packets, strict=True))]
    for port in (5000, 6000):
        assert kept(taken, port, link_type=105) == expected(taken)


def amsdu(*packets):
    """An 802.11 QoS data frame with several packets."""
    out = struct.pack("<H", 0x0188) + b"\0" * 22 + b"\x80\0"
    for packet in packets:
        msdu = b"\xaa\xaa\x03\0\0\0" + struct.pack(">H", frames.ethertype_of(packet)) + packet
        out += b"\0" * (-(len(out) - 26) % 4) + b"\0" * 12 + struct.pack(">H", len(msdu)) + msdu
    return out
