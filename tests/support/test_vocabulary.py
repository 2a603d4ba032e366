"""What the vocabulary builds is what dpkt reads."""

import dpkt
import pytest

from support import frames


@pytest.mark.parametrize("ends", [(frames.CLIENT, frames.SERVER), (frames.CLIENT6, frames.SERVER6)])
def test_dpkt_reads_the_segments(ends):
    src, dst = ends
    frame = frames.data(b"odd", src, dst, seq=9, ack=8, options=frames.timestamps(1, 2), ttl=7)
    ip = dpkt.ethernet.Ethernet(frame).data
    assert (ip.data.sport, ip.data.dport, ip.data.seq, ip.data.ack) == (40000, 443, 9, 8)
    assert ip.data.flags == dpkt.tcp.TH_PUSH | dpkt.tcp.TH_ACK
    assert ip.data.data == b"odd"
    assert ip.data.opts == frames.timestamps(1, 2)
    assert (ip.hlim if ip.v == 6 else ip.ttl) == 7


def test_dpkt_finds_the_same_checksums():
    frame = frames.syn(options=frames.linux_syn_options(), link=frames.raw)
    ip = dpkt.ip.IP(frame)
    ip.sum = ip.data.sum = 0
    assert bytes(ip) == frame


def test_errors_quote():
    offending = frames.syn(link=frames.raw)
    ip = dpkt.ethernet.Ethernet(frames.icmp_error(offending, type=3, code=1, reporter="192.0.2.254")).data
    assert ip.dst == frames.address("192.0.2.1")
    assert (ip.data.type, ip.data.code) == (3, 1)
    assert bytes(ip.data.data)[-28:] == offending[:28]
