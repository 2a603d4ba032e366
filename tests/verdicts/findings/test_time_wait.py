"""`time-wait-pressure`: sockets in TIME-WAIT at once, and the ports that they block."""

import numpy as np
import pytest
from support.detected import MS, crowd, found, merged, only

from handshake_inspect.verdicts import grouping
from handshake_inspect.verdicts.findings import time_wait

PORTS = 300


def peaks(times, keys, lasts):
    groups = grouping.group(np.array(keys, dtype=np.uint64), np.arange(len(times)), by=np.array(times))
    return time_wait.peak(np.array(times)[groups.rows], groups, lasts)


def test_the_most_at_once_and_when():
    most, at = peaks([0, 1000, 2000, 50_000, 50_500, 90_000], [7] * 6, 10_000)
    assert most.tolist() == [3]
    assert at.tolist() == [2000]


def test_each_group_alone():
    most, at = peaks([0, 0, 0, 60_000, 60_000, 500_000], [1, 2, 1, 2, 2, 1], 10_000)
    assert sorted(most.tolist()) == [2, 2]
    assert sorted(at.tolist()) == [0, 60_000]


def test_one_that_ends_as_another_begins_does_not_count_with_it():
    most, _ = peaks([0, 10_000, 20_000], [1, 1, 1], 10_000)
    assert most.tolist() == [1]


@pytest.fixture
def few_ports(monkeypatch):
    monkeypatch.setattr(time_wait, "EPHEMERAL_PORTS", PORTS)


def short(first):
    return lambda wire, _: wire.handshake().close(first)


@pytest.mark.parametrize(("count", "severity"), [(40, "info"), (160, "warning"), (280, "critical")])
def test_a_client_that_closes_first_runs_out_of_ports(few_ports, count, severity):
    finding = only(merged(*crowd(count, short("client"), every=10 * MS)), "time-wait-pressure")
    assert finding["severity"] == severity
    assert finding["target"] == {"ip": "192.0.2.1", "port": None}
    assert finding["metrics"]["time_wait_peak"] == count
    assert finding["metrics"]["closed_first_by"] == "client"


@pytest.mark.parametrize(("least", "high", "low"), [
    (30, ["info"], []), (150, ["warning"], ["info"]), (270, ["critical"], ["warning"]),
])  # fmt: skip
def test_each_severity_begins_at_its_share(few_ports, least, high, low):
    """A tenth, a half and nine tenths of the ports."""
    for count, severities in ((least, high), (least - 1, low)):
        report = merged(*crowd(count, short("client"), every=10 * MS))
        assert [one["severity"] for one in found(report, "time-wait-pressure")] == severities


def test_a_server_that_closes_first_holds_them(few_ports):
    finding = only(merged(*crowd(40, short("server"), every=10 * MS)), "time-wait-pressure")
    assert finding["target"] == {"ip": "198.51.100.2", "port": 443}
    assert finding["metrics"]["closed_first_by"] == "server"


@pytest.mark.parametrize("first", ["client", "server"])
def test_who_held_them_is_known_though_a_rst_ended_them(few_ports, first):
    """RFC 1337: the other end, which is in CLOSED, resets a socket in TIME-WAIT."""

    def ended(wire, _):
        wire.handshake().close(first)
        (wire.server if first == "client" else wire.client).rst()

    finding = only(merged(*crowd(40, ended, every=10 * MS)), "time-wait-pressure")
    assert (finding["metrics"]["closed_first_by"], finding["metrics"]["time_wait_peak"]) == (first, 40)


def test_the_range_is_that_of_linux():
    """net.ipv4.ip_local_port_range 32768 to 60999, both of them included."""
    assert len(range(32768, 60999 + 1)) == time_wait.EPHEMERAL_PORTS


def test_what_expires_in_time_is_no_pressure(few_ports):
    report = merged(*crowd(40, short("client"), every=10 * MS), time_wait_ns=50 * MS)
    assert found(report, "time-wait-pressure") == []


def test_a_port_towards_another_service_is_another_port(few_ports):
    services = [crowd(10, short("client"), every=10 * MS, server=("198.51.100.2", 80 + n)) for n in range(6)]
    assert found(merged(*(wire for wires in services for wire in wires)), "time-wait-pressure") == []


def test_no_pressure_on_a_real_range():
    assert found(merged(*crowd(60, short("client"))), "time-wait-pressure") == []


def test_ten_thousand_services_of_today():
    """Their times in one line, one service behind the other, still fit into 64 bits."""
    count, today = 10_000, 1_795_000_000 * 1_000_000_000
    most, at = peaks([today + number * MS for number in range(count)], list(range(1, count + 1)), 60_000 * MS)
    assert set(most.tolist()) == {1}
    assert at.tolist() == [today + number * MS for number in range(count)]
