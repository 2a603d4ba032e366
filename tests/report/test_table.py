"""The table of connections for notebooks says what the connections say."""

import pytest

from handshake_inspect import analyze
from handshake_inspect.report.model import ListedConnections


@pytest.mark.parametrize(
    "name", ["accept-queue-overflow", "timed-out-host-silent", "handshake-40ms", "closed-by-client-ipv6"]
)
def test_a_row_is_its_connection(pcaps, name):
    path = pcaps / f"{name}.pcap"
    if not path.exists():
        pytest.skip(f"no sample {name}")
    report = analyze(path)
    table = report.table
    assert len(table) == len(report.connections)
    for row, connection in zip(table, report.connections, strict=True):
        assert row["id"] == connection.id
        assert (row["client_ip"], row["client_port"]) == (connection.client.ip, connection.client.port)
        assert (row["server_ip"], row["server_port"]) == (connection.server.ip, connection.server.port)
        assert (row["outcome"], row["cause"] or None) == (connection.outcome, connection.cause)
        assert row["decided"] == connection.decided
        assert row["total_ns"] == (-1 if connection.rtt.total.value_ns is None else connection.rtt.total.value_ns)
        assert row["client_bytes"] == connection.client_to_server.bytes
        assert row["syn_count"] == connection.handshake.syn_count


def test_a_report_read_back_has_no_table():
    with pytest.raises(TypeError, match="read from a file"):
        ListedConnections().table()
