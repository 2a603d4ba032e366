"""Formats for programs: each is what its readers take, says the same twice, and survives hostile text."""

import csv
import io
import json
import re
from datetime import datetime
from xml.etree import ElementTree

import pytest
from support import reports
from support.reports import MS, connection

from handshake_inspect import engine
from handshake_inspect.errors import UsageError
from handshake_inspect.render import FORMATS, REPORTS, Options
from handshake_inspect.render.rows import cell
from handshake_inspect.report.docs import FINDING_DOCS
from handshake_inspect.report.fields import fields
from handshake_inspect.report.headline import verdict
from handshake_inspect.report.model import Problem
from handshake_inspect.report.schema import schema
from handshake_inspect.report.sequence import read_all
from handshake_inspect.verdicts.findings import DETECTORS

TEXT_FORMATS = [name for name in REPORTS if not FORMATS[name].binary]


def rendered(name, report, **options):
    out = io.BytesIO()
    FORMATS[name].render(report, out, Options(**options))
    return out.getvalue()


def table(data, delimiter=","):
    return list(csv.reader(io.StringIO(data.decode()), delimiter=delimiter))


@pytest.mark.parametrize("name", TEXT_FORMATS)
@pytest.mark.parametrize("sample", ["healthy", "troubled", "empty"])
def test_the_same_report_gives_the_same_bytes(name, sample):
    report = reports.SAMPLES[sample]()
    assert rendered(name, report) == rendered(name, reports.SAMPLES[sample]())
    assert rendered(name, report)[-1:] in (b"\n", b"")  # nothing at all where there is nothing to list


@pytest.mark.parametrize("name", TEXT_FORMATS)
def test_hostile_text_is_no_markup(name):
    evil = 'a,b\t"<x>&\x1b[31m::error::|`\n=1+1\x00'
    report = reports.report(
        [connection(0, "refused", why=evil)],
        sources=[f"{evil}\ud800"],
        problems=[Problem("cut", evil, 1, 2)],
        complete=False,
    )
    data = rendered(name, report)
    assert b"\x1b" not in data or name in ("csv", "tsv")
    data.decode()
    if name == "junit":
        ElementTree.fromstring(data)
    if name in ("sarif", "json"):
        json.loads(data)
    if name == "csv":
        assert [len(row) for row in table(data)] == [28, 28]
    if name in ("tsv", "ndjson", "github"):
        assert data.count(b"\n") == {"tsv": 2, "ndjson": 2, "github": 1}[name]


def test_columns_are_named_as_in_the_schema():
    definitions = schema()["$defs"]

    def paths(rule, path):
        rule = definitions.get(rule.get("$ref", "").rpartition("/")[2], rule)
        for each in rule.get("anyOf", ()):
            yield from paths(each, path)
        for key, inner in rule.get("properties", {}).items():
            yield from paths(inner, [*path, key])
        if "properties" not in rule and "anyOf" not in rule and rule.get("type") != "null":
            yield ".".join(path)

    assert set(fields()) == set(paths(definitions["Connection"], []))


def test_chosen_columns():
    report = reports.report([connection(0, rtt_ns=40 * MS), connection(1, "refused")])
    wanted = ("rtt.total,outcome", "client.ip")
    rows = [["rtt.total.value_ns", "outcome", "client.ip"], ["40035000", "established", "10.0.0.1"]]
    rows.append(["", "refused", "10.0.0.1"])
    assert table(rendered("csv", report, fields=wanted)) == rows
    assert table(rendered("tsv", report, fields=wanted), "\t") == rows
    lines = rendered("ndjson", report, fields=wanted).splitlines()
    assert json.loads(lines[1]) == {"rtt.total.value_ns": None, "outcome": "refused", "client.ip": "10.0.0.1"}
    assert b"| 40035000 | established | 10.0.0.1 |" in rendered("markdown", report, fields=wanted)
    assert len(table(rendered("csv", report, fields=("*",)))[0]) == len(fields())
    with pytest.raises(UsageError, match=r"did you mean rtt\.total"):
        rendered("csv", report, fields=("rtt.totl.value_ns",))


def test_spreadsheets_have_times_and_round_trips_that_they_can_read():
    report = reports.report([connection(0, rtt_ns=40 * MS), connection(1, "refused")])
    names, *rows = table(rendered("csv", report))
    read = [dict(zip(names, row, strict=True)) for row in rows]
    assert [row["rtt_ms"] for row in read] == ["40.035", ""]
    assert datetime.fromisoformat(read[0]["time"]).timestamp() == int(read[0]["first_ns"]) // 1_000 / 1e6
    assert "time" not in table(rendered("csv", report, fields=("id",)))[0]
    ends = table(rendered("tsv", report, fields=("client,duration",)), "\t")
    assert ends[:2] == [["client.ip", "client.port", "duration_ns"], ["10.0.0.1", "40000", "2000000000"]]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_formulas_are_defused(text):
    assert cell(text) == f"'{text}"


def test_numbers_are_left_alone():
    assert [cell(-1), cell(None), cell(True), cell([1, 2]), cell("a=b")] == ["-1", "", "true", "1 2", "a=b"]


@pytest.mark.parametrize("name", ["csv", "tsv", "zeek"])
def test_no_connections(name):
    lines = rendered(name, reports.healthy(), connections=False).splitlines()
    assert len([line for line in lines if not line.startswith(b"#")]) == (0 if name == "zeek" else 1)


def test_ndjson_says_what_each_line_is():
    lines = [json.loads(line) for line in rendered("ndjson", reports.troubled()).splitlines()]
    assert [line["event"] for line in lines] == ["connection"] * 101 + ["finding", "summary"]
    assert lines[-1]["schema"] == "hsi-event/1"
    assert lines[-1]["summary"]["connections"] == 101


def test_junit_counts_its_cases():
    root = ElementTree.fromstring(rendered("junit", reports.troubled()))
    assert root.tag == "testsuites"
    for suite in root:
        cases = suite.findall("testcase")
        assert int(suite.get("tests")) == len(cases)
        assert int(suite.get("failures")) == len(suite.findall("testcase/failure"))
    names = {case.get("name") for case in root.iter("testcase")}
    assert {"10.0.0.2:443", "accept-queue-overflow 10.0.0.2:80"} <= names
    healthy = ElementTree.fromstring(rendered("junit", reports.healthy()))
    assert healthy.get("failures") == "0"


def test_sarif_results_point_to_their_rules():
    run = json.loads(rendered("sarif", reports.troubled()))["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    assert [rules[result["ruleIndex"]]["id"] for result in run["results"]] == [r["ruleId"] for r in run["results"]]
    (result,) = run["results"]
    assert result["level"] == "warning"
    assert result["properties"]["connections"] == [62, 70]
    assert result["locations"][0]["logicalLocations"] == [{"fullyQualifiedName": "10.0.0.2:80", "kind": "service"}]
    assert run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"] == "the file ends inside a frame"


def test_every_finding_has_its_documentation():
    found = schema()["$defs"]["Finding"]["properties"]["id"]["enum"]
    assert sorted(FINDING_DOCS) == sorted(found)
    assert DETECTORS


def test_github_annotations():
    first, second = rendered("github", reports.troubled()).decode().splitlines()
    assert first.startswith("::warning title=hsi%3A accept-queue-overflow::10.0.0.2:80: ")
    assert second == "::warning title=hsi%3A cut::the file ends inside a frame"


# What a value of each type is in Zeek's ASCII logs.
ZEEK_TYPES = {
    "time": r"\d+\.\d{6}", "interval": r"\d+\.\d{6}", "string": r"[^\t]+", "enum": r"[a-z]+", "count": r"\d+",
    "port": r"\d{1,5}", "bool": "[TF]", "set[string]": r"[^\t]+", "addr": r"[0-9a-f.:]+",
}  # fmt: skip


def zeek_records(data):
    """Read a log as zeek-cut does: names from `#fields`, values between separators, unset ones as None."""
    names, types, unset = [], [], None
    for line in data.decode().split("\n")[:-1]:
        if line.startswith("#"):
            key, *words = line.split("\t")
            names, types = (words, types) if key == "#fields" else (names, words) if key == "#types" else (names, types)
            unset = words[0] if key == "#unset_field" else unset
            continue
        cells = line.split("\t")
        assert len(cells) == len(names) == len(types)
        values = [None if each == unset else each for each in cells]
        for value, kind in zip(values, types, strict=True):
            assert value is None or re.fullmatch(ZEEK_TYPES[kind], value), (kind, value)
        yield dict(zip(names, values, strict=True))


@pytest.mark.parametrize("sample", ["closed-by-client-ipv6", "port-scan-connect", "pending", "midstream", "refused"])
def test_zeek_log_reads_as_the_connections(sample, pcaps):
    made = engine.analyze([str(pcaps / f"{sample}.pcap")])
    for record, c in zip(zeek_records(rendered("zeek", made)), made.connections, strict=True):
        assert (record["id.orig_h"], int(record["id.orig_p"])) == (c.client.ip, c.client.port)
        assert (record["id.resp_h"], int(record["id.resp_p"])) == (c.server.ip, c.server.port)
        assert (record["conn_state"], record["history"]) == (c.aliases.zeek.conn_state, c.aliases.zeek.history)
        assert record["community_id"] == c.aliases.community_id
        assert (int(record["orig_pkts"]), int(record["resp_pkts"])) == (
            c.client_to_server.frames, c.server_to_client.frames
        )  # fmt: skip
        lasted = c.last_ns - c.first_ns
        assert (record["duration"] is None, record["orig_bytes"] is None) == (not lasted, not lasted)
        if lasted:
            assert abs(float(record["duration"]) - lasted / 1e9) < 1e-6
            assert (int(record["orig_bytes"]), int(record["resp_bytes"])) == (
                c.client_to_server.bytes, c.server_to_client.bytes
            )  # fmt: skip


def test_zeek_log_has_as_many_cells_as_names_and_types():
    lines = rendered("zeek", reports.troubled()).decode().splitlines()
    head = {line.split("\t")[0].split(" ")[0]: line.split("\t")[1:] for line in lines if line.startswith("#")}
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    assert lines[0] == "#separator \\x09"
    assert head["#path"] == ["conn"]
    assert len(rows) == 101
    assert {len(row) for row in [*rows, head["#fields"], head["#types"]]} == {22}
    assert rows[0][0] == "1795000000.123456"
    assert len({row[1] for row in rows}) == 101


@pytest.mark.parametrize("name", ["parquet", "arrow"])
def test_arrow_keeps_integers_and_nulls(name):
    pa = pytest.importorskip("pyarrow", reason="pyarrow comes with '.[arrow]'")
    pq = pytest.importorskip("pyarrow.parquet")

    report = reports.report([connection(0, rtt_ns=40 * MS), connection(1, "refused")])
    data = rendered(name, report, fields=("id,first_ns,rtt.total,outcome,decided,evidence",))
    assert data == rendered(name, report, fields=("id,first_ns,rtt.total,outcome,decided,evidence",))
    read = pq.read_table(io.BytesIO(data)) if name == "parquet" else pa.ipc.open_stream(data).read_all()
    rows = read.drop_columns(["first_ns"]).to_pylist()
    assert rows[0]["rtt.total.value_ns"] == 40_035_000
    assert rows[1] == {"id": 1, "rtt.total.value_ns": None, "outcome": "refused", "decided": True, "evidence": [10, 11]}
    assert read["first_ns"].cast(pa.int64()).to_pylist()[0] == reports.START


@pytest.mark.parametrize(
    "sample", ["healthy-burst", "port-scan-connect", "pending", "rejected-ttl-exceeded", "midstream"]
)
def test_columns_are_the_connections(sample, pcaps):
    """Formats that are tables make columns, not connections: each value is the one that the connection has."""
    made = engine.analyze([str(pcaps / f"{sample}.pcap")])
    names = list(fields())
    objects = list(made.connections)
    listed = list(map(list, zip(*(read_all(objects, name) for name in names), strict=True)))
    columns = [list(map(list, zip(*chunk, strict=True))) for chunk in made.connections.values(names, 3)]
    assert [row for chunk in columns for row in chunk] == listed
    for separator, form in ((",", "csv"), ("\t", "tsv")):
        expected = [names, *([cell(value) for value in row] for row in listed)]
        assert table(rendered(form, made, fields=("*",)), separator) == expected


def test_cells_are_quoted_as_readers_expect():
    """RFC 4180; the lone cell that is empty is quoted, as by Python's csv, or readers would leave the line out."""
    evil = ['a,b"c"', "two\nlines", "carriage\rreturn", "plain", "=1+1", ""]
    report = reports.report([connection(i, "refused", why=why) for i, why in enumerate(evil)])
    data = rendered("csv", report, fields=("id,why",))
    assert list(csv.reader(io.StringIO(data.decode(), newline=""))) == [
        ["id", "why"], *([str(i), cell(why)] for i, why in enumerate(evil))
    ]  # fmt: skip
    assert rendered("csv", report, fields=("close.first",)) == b"close.first\n" + b'""\n' * len(evil)
    assert rendered("csv", report, fields=("rtt.total",)) == b"rtt.total.value_ns\n" + b'""\n' * len(evil)


def test_a_job_summary_begins_with_the_verdict_and_has_no_empty_columns():
    lines = rendered("markdown", reports.troubled()).decode().splitlines()
    assert lines[0] == f"## {verdict(reports.troubled())}"
    few = rendered("markdown", reports.report([connection(0)])).decode()
    assert "| service | connections | established | RTT median |" in few
