"""`address-conflict`: two ISNs for one SYN, SYN-ACKs after a RST from the same address; and what only looks like it."""

import pytest
from support import frames
from support.detected import MS, SECOND, Wire, crowd, found, merged, only

OTHER_ISN = 900_000
CONTRADICTIONS = ("accept-queue-overflow", "rst-injection", "stale-peer", "early-reset", "half-open")


def split_brain(wire, number=0, *, ttl=57, options=None):
    """Both hosts answer the SYN; the second one does not know the ISN that the client acknowledges."""
    wire.client.syn()
    wire.server.syn_ack()
    wire.client.ack()
    wire.server.syn_ack(seq=OTHER_ISN, ttl=ttl, options=options)
    wire.client.ack(ack=wire.server.isn + 1)
    wire.server.rst(seq=wire.server.isn + 1, ttl=ttl)


def flap(wire, number=0, *, ttl=57):
    """The ACK and the data reach another node, which resets; the first node retransmits its SYN-ACK."""
    wire.handshake()
    wire.client.data(300, stay=True)
    wire.wait(10 * MS)
    wire.server.rst(seq=wire.server.isn + 1, ttl=ttl)
    wire.wait(SECOND)
    wire.server.syn_ack(ack=wire.client.isn + 1)
    wire.client.rst(seq=wire.client.isn + 1)


def served(wire, number=0):
    wire.handshake().exchange()
    wire.close()


def only_conflict(report):
    kinds = {finding["id"] for finding in report["findings"]}
    assert not kinds & set(CONTRADICTIONS), kinds
    return only(report, "address-conflict")


@pytest.mark.parametrize("ttl", [57, 54, 250])
def test_two_isns_for_one_syn(ttl):
    """The other host may be elsewhere and run another system; the connection follows the acknowledged ISN."""
    report = merged(*crowd(3, lambda wire, n: split_brain(wire, n, ttl=ttl, options=frames.mss(1200))))
    finding = only_conflict(report)
    assert finding["severity"] == "warning"
    assert finding["target"] == {"ip": frames.SERVER[0], "port": None}
    metrics = finding["metrics"]
    assert (metrics["connections"], metrics["two_isns"], metrics["established"]) == (3, 3, 3)
    assert metrics["ttls"] == sorted({57, ttl})
    assert {(one["outcome"], one["cause"]) for one in report["connections"]} == {("established", "address-conflict")}
    assert {one["close"]["reset_by"] for one in report["connections"]} == {"server"}


@pytest.mark.parametrize("at", ["client", "middle", "server"])
def test_from_any_place_and_over_ipv6(at):
    wire = Wire(at=at, client=frames.CLIENT6, server=frames.SERVER6)
    split_brain(wire)
    assert only_conflict(wire.report())["target"]["ip"] == frames.SERVER6[0]


def test_the_outcome_follows_the_isn_that_was_acknowledged():
    """The first captured SYN-ACK is the other host's: the client accepted the second one."""
    wire = Wire(at="server")
    wire.client.syn()
    wire.server.syn_ack(seq=OTHER_ISN, lost="after")
    wire.server.syn_ack()
    wire.client.ack()
    wire.exchange().close()
    connection = wire.connection()
    assert (connection["outcome"], connection["cause"]) == ("established", "closed")
    assert connection["handshake"]["server_isn"] == 5000
    assert only_conflict(wire.report())["metrics"]["two_isns"] == 1


def test_isns_that_alternate():
    """Each of two hosts answers a copy of the SYN in turn: the first change may be a renewal, the change back not."""
    wire = Wire(at="server")
    for isn in (5000, OTHER_ISN, 5000):
        wire.client.syn(seq=1000)
        wire.server.syn_ack(seq=isn, ack=1001, lost="after")
        wire.wait(SECOND)
    assert only_conflict(wire.report())["metrics"]["two_isns"] == 1


def test_two_isns_where_the_syn_is_not_captured():
    wire = Wire(at="server")
    wire.client.syn(lost="before")
    wire.server.syn_ack()
    wire.server.syn_ack(seq=OTHER_ISN, ack=1001)
    assert only(wire.report(), "address-conflict")["metrics"]["two_isns"] == 1


def test_a_syn_ack_after_the_servers_rst():
    report = merged(*crowd(2, flap), *crowd(2, served, address="192.0.2.9"))
    finding = only_conflict(report)
    assert (finding["metrics"]["connections"], finding["metrics"]["synack_after_rst"]) == (2, 2)
    hit = [one for one in report["connections"] if one["client"]["ip"] != "192.0.2.9"]
    assert {(one["outcome"], one["cause"]) for one in hit} == {("half-open", "address-conflict")}
    assert {one["state"]["server"] for one in hit} == {"CLOSED"}


def test_a_rst_from_a_node_that_serves_others():
    """Anycast nodes are not equally far away: the TTL of the RST is that of another SYN-ACK of the address."""

    def served_elsewhere(wire, number):
        wire.server.ttl = 50
        served(wire, number)

    wires = [*crowd(2, lambda wire, n: flap(wire, n, ttl=50)), *crowd(2, served_elsewhere, address="192.0.2.9")]
    assert only_conflict(merged(*wires))["metrics"]["ttls"] == [50, 57]


@pytest.mark.parametrize(("after", "kind"), [(5, "rst-injection"), (38, "address-conflict")])
def test_a_rst_that_no_host_as_far_away_could_have_sent_is_forged(after, kind):
    """A firewall halfway rejects the ACK, in the name of a host that goes on to repeat its SYN-ACK after 40 ms."""

    def rejected(wire, number):
        wire.client.syn()
        wire.server.syn_ack()
        wire.client.ack(stay=True)
        wire.wait(wire.delay)
        wire.server.rst(seq=wire.server.isn + 1, later=after * MS - 2 * wire.delay)
        wire.wait(SECOND)
        wire.server.syn_ack(ack=wire.client.isn + 1)
        wire.client.rst(seq=wire.client.isn + 1)

    report = merged(*crowd(4, rejected))
    assert only(report, kind)["metrics"]["connections"] == 4
    assert not {"rst-injection", "address-conflict"} - {kind} & {each["id"] for each in report["findings"]}


def test_a_rst_from_an_unknown_distance_is_forged():
    report = merged(*crowd(2, lambda wire, n: flap(wire, n, ttl=50)))
    assert found(report, "address-conflict") == []
    assert only(report, "rst-injection")["metrics"]["odd_ttl"] == 2
    assert found(report, "accept-queue-overflow") == []
    assert {(one["outcome"], one["cause"]) for one in report["connections"]} == {("half-open", "reset-by-middlebox")}


# -- one host


def renewed(wire):
    """A cookie of the next minute, or a forgotten request: another copy of the SYN, another ISN."""
    wire.client.syn()
    wire.server.syn_ack(lost="after")
    wire.wait(SECOND)
    wire.client.syn(seq=1000)
    wire.server.syn_ack(seq=OTHER_ISN, ack=1001)
    wire.client.ack(ack=OTHER_ISN + 1)


def renewed_on_a_slow_path(wire):
    """Both copies of the SYN are in flight when the first answer arrives: one ISN for each."""
    wire.client.syn(stay=True)
    wire.wait(SECOND)
    wire.client.syn(seq=1000, stay=True)
    wire.wait(SECOND)
    wire.server.syn_ack(ack=1001, stay=True)
    wire.wait(SECOND)
    wire.server.syn_ack(seq=OTHER_ISN, ack=1001, stay=True)
    wire.wait(2 * SECOND)
    wire.client.ack(ack=5001)


def used_again(wire):
    """The ports are reused after the end; the other ISN is the next incarnation's."""
    wire.handshake().close()
    wire.wait(SECOND)
    wire.client.syn(seq=70_000)
    wire.server.syn_ack(seq=OTHER_ISN, ack=70_001)


def restarted(wire):
    """The server restarts before the client repeats its SYN."""
    wire.client.syn()
    wire.server.syn_ack(lost="before")
    renewed(wire)


def old_syn_after_the_end(wire):
    """An uncaptured copy of the SYN arrives late at a listener."""
    wire.handshake().close()
    wire.server.syn_ack(seq=OTHER_ISN, ack=1001)
    wire.client.rst(seq=1001)


def refused_while_it_started(wire):
    """Windows retries after a RST; by then the service is up."""
    wire.client.syn()
    wire.server.rst_ack(seq=0, ack=1001)
    wire.wait(SECOND)
    wire.client.syn(seq=1000)
    wire.server.syn_ack(ack=1001)
    wire.client.ack()


def overflow_with_resets(wire):
    """tcp_abort_on_overflow: a RST, and nothing more."""
    wire.handshake()
    wire.server.rst(seq=5001)


def rewritten(wire):
    """A firewall rewrites the server's numbers and is captured on both sides: the client acknowledges both."""
    wire.client.syn()
    wire.server.syn_ack()
    wire.server.syn_ack(seq=OTHER_ISN, ack=1001)
    wire.client.ack(ack=OTHER_ISN + 1)
    wire.client.ack(ack=5001)


@pytest.mark.parametrize(
    "act",
    [
        renewed, renewed_on_a_slow_path, used_again, restarted, old_syn_after_the_end, refused_while_it_started,
        overflow_with_resets, rewritten,
    ],
    ids=lambda act: act.__name__,
)  # fmt: skip
@pytest.mark.parametrize("at", ["client", "server"])
def test_one_host(act, at):
    wire = Wire(at=at)
    act(wire)
    assert found(wire.report(), "address-conflict") == []


def test_a_doubled_syn_ack_is_one_isn():
    wire = Wire()
    wire.client.syn()
    wire.server.syn_ack(times=2)
    wire.client.ack()
    assert found(wire.exchange().report(), "address-conflict") == []
