"""The limit on rows: memory is bounded, evictions are counted, and the kept connections are correct."""

import pytest
from support import frames
from support.wire import MS, START, Wire, merged, states

MANY = 200


def clients(opened, pause_ns=MS):
    """`MANY` clients, one after the other."""
    wires = []
    for number in range(MANY):
        wire = Wire(
            client=(f"192.0.2.{number}", 40000 + number),
            client_isn=number + 1,
            start=START + number * pause_ns,
        )
        opened(wire)
        wires.append(wire)
    return wires


def full(wire):
    wire.handshake().exchange().close()


def silent(wire):
    wire.client.syn(lost="after")


@pytest.mark.parametrize("limit", [16, 17, 64, MANY, 1 << 12])
@pytest.mark.parametrize("opened", [full, silent], ids=lambda opened: opened.__name__)
def test_consecutive_connections(limit, opened):
    """Each ends before the next begins: none is reported twice, and each report is correct."""
    report = merged(*clients(opened, 1_000 * MS), max_connections=limit)
    kept = report["connections"]
    assert len(kept) + report["summary"]["evicted"] == MANY
    assert len(kept) == min(limit, MANY)
    assert kept[-1]["client"]["port"] == 40000 + MANY - 1, "the newest stay"
    if opened is full:
        assert {states(one) for one in kept} == {("TIME_WAIT", "CLOSED")} or len(kept) > 60
        assert {one["outcome"] for one in kept} == {"established"}
        assert {one["client_to_server"]["frames"] for one in kept} == {6}
    problems = {problem["kind"] for problem in report["capture"]["problems"]}
    assert ("evicted" in problems) == (limit < MANY)


@pytest.mark.parametrize("limit", [16, 40])
def test_interleaved_connections(limit):
    """More concurrent connections than the limit: some are split, none corrupts the table."""
    report = merged(*clients(full), max_connections=limit)
    assert len(report["connections"]) <= limit
    assert report["summary"]["evicted"] >= MANY - limit
    ends = [(one["client"]["ip"], one["client"]["port"]) for one in report["connections"]]
    assert all((ip, port) == (f"192.0.2.{port - 40000}", port) for ip, port in ends if port != frames.SERVER[1])


def test_incarnations_of_one_port_evict_each_other():
    wire = Wire()
    for number in range(MANY):
        for host, isn in ((wire.client, 1000 + number), (wire.server, 700_000_000 + number)):
            host.isn = host.snd_nxt = isn
            host.rcv_nxt = 0
        full(wire)
        wire.wait(MS)
    report = wire.report(max_connections=16)
    assert len(report["connections"]) == 16
    assert report["summary"]["evicted"] == MANY - 16
    assert [one["handshake"]["client_isn"] for one in report["connections"]] == [
        1000 + MANY - 16 + i for i in range(16)
    ]
