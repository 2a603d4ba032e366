"""The table of connections for notebooks says what the connections say."""

from html import escape
from xml.etree import ElementTree

import msgspec
import numpy as np
import pytest

from handshake_inspect import analyze
from handshake_inspect.report.fields import fields
from handshake_inspect.report.headline import verdict
from handshake_inspect.report.model import ListedConnections


def known(value):
    return None if value is np.ma.masked else value


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
        assert (row["outcome"], known(row["cause"])) == (connection.outcome, connection.cause)
        assert row["decided"] == connection.decided
        assert known(row["total_ns"]) == connection.rtt.total.value_ns
        assert row["client_bytes"] == connection.client_to_server.bytes
        assert row["syn_count"] == connection.handshake.syn_count


def test_a_report_read_back_has_no_table():
    with pytest.raises(TypeError, match="read from a file"):
        ListedConnections().table()


def test_what_is_not_known_counts_nowhere(pcaps):
    table = analyze(pcaps / "accept-queue-overflow.pcap", pcaps / "refused.pcap").table
    measured = [each for each in table["total_ns"].tolist() if each is not None]
    assert 0 < len(measured) < len(table)
    assert table["total_ns"].mean() == pytest.approx(sum(measured) / len(measured))


# Data frames


@pytest.fixture
def report(pcaps):
    return analyze(pcaps / "accept-queue-overflow.pcap", pcaps / "refused.pcap")


def test_arrow(report):
    pa = pytest.importorskip("pyarrow", reason="pyarrow comes with '.[arrow]'")
    table = report.to_arrow("outcome", "first_ns", "rtt.total.value_ns")
    assert table.column("outcome").to_pylist() == [each.outcome for each in report.connections]
    assert table.column("rtt.total.value_ns").to_pylist() == [each.rtt.total.value_ns for each in report.connections]
    assert table.schema.field("first_ns").type == pa.timestamp("ns", tz="UTC")
    assert report.to_arrow("*").num_columns == len(fields())
    assert "outcome" in report.to_arrow().column_names


def test_pandas(report):
    pytest.importorskip("pandas", reason="pandas comes with '.[frames]'")
    frame = report.to_pandas("server.port", "rtt.reject_ns", "cause")
    assert str(frame["rtt.reject_ns"].dtype) == "Int64"
    assert frame["rtt.reject_ns"].isna().tolist() == [each.rtt.reject_ns is None for each in report.connections]
    assert frame["rtt.reject_ns"].sum() == sum(each.rtt.reject_ns or 0 for each in report.connections)
    assert frame["cause"].dropna().tolist() == [each.cause for each in report.connections if each.cause]


def test_polars(report):
    pytest.importorskip("polars", reason="polars comes with '.[frames]'")
    frame = report.to_polars("outcome", "rtt.total.value_ns")
    assert frame["rtt.total.value_ns"].to_list() == [each.rtt.total.value_ns for each in report.connections]
    assert frame.filter(frame["outcome"] == "refused").height == report.summary.outcomes.refused


def test_a_report_read_back_makes_frames_too(report):
    pytest.importorskip("pyarrow", reason="pyarrow comes with '.[arrow]'")
    listed = msgspec.structs.replace(report, connections=ListedConnections(list(report.connections)))
    assert listed.to_arrow("*").equals(report.to_arrow("*"))


# A cell of a notebook


def test_a_cell_shows_what_counts_and_escapes_it(report):
    capture = msgspec.structs.replace(report.capture, sources=["<b>.pcap"])
    page = msgspec.structs.replace(report, capture=capture)._repr_html_()
    ElementTree.fromstring(f"<div>{page}</div>")
    assert "2 of 4 connections established" in page
    assert f"<strong>{escape(verdict(report))}</strong>" in page
    assert "&lt;b&gt;.pcap" in page
    assert all(finding.advice[:20] in page for finding in report.findings)


def test_a_report_is_one_line(report):
    assert repr(report).startswith("<Report: 2 of 4 connections established, ")
    assert len(repr(report)) < 300
