"""What stands around IP packets is one table, which both decoders read: no number is known to one alone."""

import pytest

from handshake_inspect.decode import layers, udp_tunnels
from handshake_inspect.wire import const, encapsulation
from handshake_inspect.wire.encapsulation import (
    ETHERTYPE_LAYERS,
    ETHERTYPES,
    FRAMING_COUNT,
    FRAMINGS,
    GRE_PROTOCOLS,
    LINK_TYPES,
    OPAQUE_ETHERTYPES,
    OPAQUE_PORTS,
    TUNNEL_PORTS,
    TUNNELS,
    link_type_name,
)
from tests.support.described import describe

PACKETS = {"ipv4", "ipv6", "ip", "family"}  # that the fast decoder reads
APART = {"pktap"}  # which decode.uncommon takes off itself


@pytest.mark.parametrize("number", LINK_TYPES)
def test_a_link_type_has_a_layer_that_is_read(number):
    layer = LINK_TYPES[number].layer
    assert layer in PACKETS | APART or layer in layers.STEPS
    assert number < FRAMING_COUNT
    assert link_type_name(number) == LINK_TYPES[number].name


@pytest.mark.parametrize("number", GRE_PROTOCOLS)
def test_an_ethertype_has_a_layer_that_is_read(number):
    assert GRE_PROTOCOLS[number] in PACKETS or GRE_PROTOCOLS[number] in layers.STEPS


@pytest.mark.parametrize("protocol", encapsulation.IP_PROTOCOLS)
def test_a_protocol_that_carries_packets_has_a_layer_that_is_read(protocol):
    assert encapsulation.IP_PROTOCOLS[protocol] in PACKETS or encapsulation.IP_PROTOCOLS[protocol] in layers.STEPS


@pytest.mark.parametrize("port", TUNNEL_PORTS)
def test_a_tunnel_has_a_step(port):
    assert TUNNEL_PORTS[port] in udp_tunnels.STEPS


def test_every_step_has_a_number():
    inner = {"llc", "chdlc", "udp", "radiotap", "amsdu"}  # behind other layers, too
    named = {link.layer for link in LINK_TYPES.values()} | set(GRE_PROTOCOLS.values())
    named |= set(encapsulation.IP_PROTOCOLS.values())
    assert set(layers.STEPS) <= named | inner
    assert set(udp_tunnels.STEPS) == set(TUNNEL_PORTS.values())
    assert set(encapsulation.TWO_WAY_TUNNELS) <= set(TUNNEL_PORTS.values())


def test_the_fast_decoder_knows_the_same_numbers():
    assert {number for number in range(len(ETHERTYPE_LAYERS)) if ETHERTYPE_LAYERS[number]} == {
        *ETHERTYPES,
        *OPAQUE_ETHERTYPES,
    }
    assert {port for port in range(len(TUNNELS)) if TUNNELS[port]} == {*TUNNEL_PORTS, *OPAQUE_PORTS}
    assert {number for number in range(FRAMING_COUNT) if FRAMINGS[number]} <= set(LINK_TYPES)
    assert (len(ETHERTYPE_LAYERS), len(TUNNELS), len(FRAMINGS)) == (1 << 16, 1 << 16, FRAMING_COUNT)


@pytest.mark.parametrize("ethertype", [0x0800, 0x86DD, 0x0806, 0x88CC, 0x6558, 0x22EB, 0x8847, 0x05DC, 0x05DD, 0xFFFF])
def test_an_ethertype_is_declined_only_where_the_slow_decoder_has_a_step(ethertype):
    frame = bytes(12) + ethertype.to_bytes(2, "big") + bytes(60)
    declined = ethertype <= 1500 or ETHERTYPES.get(ethertype) not in {None, "ipv4", "ipv6", "mpls"}
    assert (describe(frame, 1)["kind"] == const.KIND_DECLINED) == declined


def test_an_unknown_link_type_goes_by_its_number():
    assert link_type_name(4711) == "link type 4711"
    assert describe(bytes(60), 4711)["kind"] == const.KIND_DECLINED
