"""A report as a directory of Parquet files, and the queries of the documentation."""

import json
import re
from pathlib import Path

import pytest
from support.captures import pcap
from support.frames import syn
from support.samples import DIRECTORY

from handshake_inspect.engine import analyze
from handshake_inspect.render import Options, dataset

pa = pytest.importorskip("pyarrow")
ds = pytest.importorskip("pyarrow.dataset")

DOCS = Path(__file__).resolve().parents[2] / "docs" / "scale.md"
DAY = 86_400 * 10**9
EPOCH = 1_767_225_600 * 10**9  # 2026-01-01
SAMPLE = DIRECTORY / "accept-queue-full-syn-dropped.pcap"
QUIC = DIRECTORY / "quic-retry.pcap"


def rows(directory):
    return ds.dataset(directory, partitioning="hive").to_table().to_pylist()


def days(tmp_path, monkeypatch, *begun):
    """A dataset of lone SYNs that were sent so many days after the first one, in this order."""
    path = tmp_path / "a.pcap"
    syns = [(EPOCH + day * DAY + n, syn(src=("192.0.2.1", 1000 + n))) for n, day in enumerate(begun)]
    path.write_bytes(pcap(syns, nano=True))
    monkeypatch.setattr(dataset, "OPEN", 2)
    dataset.write(analyze([path]), tmp_path, Options())
    return sorted(tmp_path.glob("connections/*/*"))


def test_connections_findings_and_services_are_those_of_the_report(tmp_path):
    report = analyze([SAMPLE])
    dataset.write(report, tmp_path, Options())
    written = rows(tmp_path / "connections")
    assert [row["id"] for row in written] == list(range(len(report.connections)))
    for row, connection in zip(written, report.connections, strict=True):
        assert (row["why"], row["client.ip"]) == (connection.why, connection.client.ip)
        assert row["evidence"] == connection.evidence
    for row, finding in zip(rows(tmp_path / "findings"), report.findings, strict=True):
        assert (row["id"], row["evidence.frames"]) == (finding.id, finding.evidence.frames)
        assert json.loads(row["metrics"]) == json.loads(json.dumps(finding.metrics))
    for row, service in zip(rows(tmp_path / "services"), report.services, strict=True):
        assert (row["server.port"], row["connections"]) == (service.server.port, service.connections)
        assert row["outcomes.half-open"] == service.outcomes.half_open
        assert row["rtt.total.p95_ns"] == service.rtt.total.p95_ns
    assert json.loads((tmp_path / "report.json").read_bytes())["connections"] is None


def test_quic_connections_have_the_fields_of_their_json(tmp_path):
    report = analyze([QUIC])
    dataset.write(report, tmp_path, Options(fields=("id",)))
    written = rows(tmp_path / "quic_connections")
    assert len(written) == len(report.quic_connections) > 0
    for row, connection in zip(written, report.quic_connections, strict=True):
        assert row["first_ns"].timestamp() == pytest.approx(connection.first_ns / 1e9)
        assert (row["server.port"], row["outcome"], row["retry"], row["evidence"]) == (
            connection.server.port, connection.outcome, connection.retry, connection.evidence,
        )  # fmt: skip
        assert row["setup.spans.quic.value_ns"] == connection.setup.spans.quic.value_ns
        assert row["setup.extra_round_trips"] == [each.reason for each in connection.setup.extra_round_trips]
        assert row["close.from"] == (connection.close and getattr(connection.close, "from"))


def test_connections_lie_by_the_day_on_which_they_began(tmp_path, monkeypatch):
    files = days(tmp_path, monkeypatch, 0, 0, 1, 2)
    assert [(file.parent.name, file.name) for file in files] == [
        ("date=2026-01-01", "part-0.parquet"), ("date=2026-01-02", "part-0.parquet"),
        ("date=2026-01-03", "part-0.parquet"),
    ]  # fmt: skip
    assert [row["client.port"] for row in rows(tmp_path / "connections")] == [1000, 1001, 1002, 1003]


def test_a_day_that_comes_again_goes_on_in_another_file(tmp_path, monkeypatch):
    monkeypatch.setattr("handshake_inspect.report.arrow.CHUNK", 1)
    files = days(tmp_path, monkeypatch, 0, 1, 2, 0)
    assert [file.name for file in files] == ["part-0.parquet", "part-1.parquet", "part-0.parquet", "part-0.parquet"]
    assert len(rows(tmp_path / "connections")) == 4


def test_large_row_groups(tmp_path, monkeypatch):
    monkeypatch.setattr("handshake_inspect.report.arrow.CHUNK", 2)
    monkeypatch.setattr(dataset, "ROWS", 4)
    (file,) = days(tmp_path, monkeypatch, *[0] * 9)
    groups = pytest.importorskip("pyarrow.parquet").ParquetFile(file).metadata
    assert [groups.row_group(n).num_rows for n in range(groups.num_row_groups)] == [4, 4, 1]


def test_chosen_columns_and_no_connections(tmp_path):
    report = analyze([SAMPLE])
    for name, options in (("some", Options(fields=("id,why",))), ("none", Options(connections=False))):
        (tmp_path / name).mkdir()
        dataset.write(report, tmp_path / name, options)
    assert set(rows(tmp_path / "some" / "connections")[0]) == {"id", "why", "date"}
    assert not (tmp_path / "none" / "connections").exists()


def test_the_command_writes_it_whole_or_not_at_all(hsi, tmp_path):
    out = tmp_path / "made" / "traffic"
    done = hsi("-T", "parquet", "-o", f"{out}/", str(SAMPLE))
    assert (done.returncode, done.stderr) == (0, b"" if isinstance(done.stderr, bytes) else "")
    assert sorted(path.name for path in out.iterdir()) == ["connections", "findings", "report.json", "services"]
    again = hsi("-T", "parquet", "-o", f"{out}/", str(SAMPLE))
    assert again.returncode == 2
    assert "something already" in str(again.stderr)
    broken = hsi("-T", "parquet", "-o", f"{tmp_path}/b/", str(tmp_path / "none.pcap"))
    assert broken.returncode == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made"]


@pytest.mark.parametrize("form", ["json", "csv"])
def test_other_formats_are_written_to_files(hsi, tmp_path, form):
    done = hsi("-T", form, "-o", f"{tmp_path}/", str(SAMPLE))
    assert done.returncode == 2
    assert "-T parquet" in str(done.stderr)


def test_the_queries_of_the_documentation_run(tmp_path, monkeypatch):
    duckdb = pytest.importorskip("duckdb")
    (tmp_path / "traffic").mkdir()
    dataset.write(analyze([SAMPLE, QUIC]), tmp_path / "traffic", Options())
    monkeypatch.chdir(tmp_path)
    queries = re.findall("```sql\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert len(queries) == 6
    for query in queries:
        assert duckdb.sql(query).fetchall(), query
