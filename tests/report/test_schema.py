"""The JSON Schema says what reports look like, and reports read back are equal."""

import io
import json

import jsonschema
import msgspec
import pytest
from support.reports import SAMPLES, healthy, troubled

from handshake_inspect.errors import HsiError
from handshake_inspect.render import FORMATS, Options
from handshake_inspect.report import schema as module
from handshake_inspect.report.model import OUTCOMES, Capture, Connection

SMALL = ["healthy", "troubled", "empty"]


def as_json(report, **options):
    out = io.BytesIO()
    FORMATS["json"].render(report, out, Options(**options))
    return out.getvalue()


@pytest.fixture(scope="module")
def validator():
    schema = module.schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("connections", [True, False])
def test_reports_validate(validator, name, connections):
    validator.validate(json.loads(as_json(SAMPLES[name](), connections=connections)))


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        (["schema"], "hsi-report/2"),
        (["capture", "frames"], -1),
        (["capture", "frames"], 1.5),
        (["connections", 0, "outcome"], "lost"),
        (["connections", 0, "cause"], "Not A Word"),
        (["connections", 0, "state", "client"], "SYN-SENT"),
        (["connections", 0, "client", "port"], 65536),
        (["connections", 0, "rtt", "total", "min_ns"], -5),
        (["connections", 0, "handshake", "client_isn"], 1 << 32),
        (["findings"], None),
    ],
)
def test_the_schema_is_tight(validator, path, wrong):
    document = json.loads(as_json(healthy()))
    *way, last = path
    node = document
    for step in way:
        node = node[step]
    node[last] = wrong
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(document)


def test_every_key_is_required_and_further_ones_are_allowed(validator):
    document = json.loads(as_json(healthy()))
    document["later"] = 1
    validator.validate(document)
    del document["connections"][0]["handshake"]["ack_frame"]
    with pytest.raises(jsonschema.ValidationError, match="ack_frame"):
        validator.validate(document)


def test_the_schema_explains_itself():
    schema = module.schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == "hsi-report/1"
    assert all(definition["description"] for definition in schema["$defs"].values())
    assert "Nanoseconds since the epoch." in json.dumps(schema)
    assert "\\n    " not in json.dumps(schema)


def test_the_fixed_keys_are_there():
    fixed = {
        "id", "client", "server", "roles", "first_ns", "last_ns", "first_frame", "outcome", "cause", "decided", "why",
        "evidence", "age_ns", "state", "handshake", "rtt", "close", "stage", "client_to_server", "server_to_client",
        "aliases", "answered_from", "setup", "tls", "raced_by", "process", "first_file", "frame_in_file",
        "translated_to", "evidence_in_files",
    }  # fmt: skip
    assert set(Connection.__struct_fields__) == fixed
    assert {"sources", "format", "link_types", "dropped_by_kernel", "complete"} < set(Capture.__struct_fields__)
    assert list(json.loads(as_json(healthy()))["summary"]["outcomes"]) == list(OUTCOMES)


@pytest.mark.parametrize("name", SMALL)
def test_a_report_read_back_is_equal(name, tmp_path):
    written = as_json(SAMPLES[name]())
    path = tmp_path / "report.json"
    path.write_bytes(written)
    assert module.load(path) == module.load(written) == SAMPLES[name]()
    assert as_json(module.load(path)) == written


def test_a_report_without_connections_reads_back_as_none_listed():
    summary = module.load(as_json(troubled(), connections=False))
    assert len(summary.connections) == 0
    assert summary.summary == troubled().summary


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b"\xff\xfe", msgspec.json.encode({"schema": "hsi-report/9"})])
def test_what_is_no_report_is_refused(data):
    with pytest.raises(HsiError, match="not a hsi-report/1 report"):
        module.load(data)


def test_a_missing_report_is_named(tmp_path):
    with pytest.raises(HsiError, match=r"absent\.json: No such file"):
        module.load(tmp_path / "absent.json")


def test_metrics_have_their_types_by_the_kind_of_finding():
    rules = {
        rule["if"]["properties"]["id"]["const"]: rule["then"]["properties"]["metrics"]["properties"]
        for rule in module.schema()["$defs"]["Finding"]["allOf"]
    }
    assert sorted(rules) == sorted(module.schema()["$defs"]["Finding"]["properties"]["id"]["enum"])
    flood = rules["syn-flood"]
    assert flood["syns"] == {"type": "integer", "description": "SYNs of the flood."}
    assert flood["duration_ns"]["description"].endswith(" Nanoseconds.")
    assert flood["legitimate_clients"]["properties"]["inside"]["properties"]["established"]["type"] == "integer"
    assert rules["timed-out"]["top_clients"]["items"]["properties"]["ip"]["type"] == "string"


@pytest.mark.parametrize(("kind", "metrics", "valid"), [
    ("syn-flood", {"syns": 3}, True), ("syn-flood", {"syns": "three"}, False), ("syn-flood", {"of_later": "any"}, True),
    ("port-scan", {"syns": "any"}, True), ("port-scan", {"probes": None}, False),
    ("refused", {"top_clients": [{"ip": 4}]}, False),
])  # fmt: skip
def test_a_metric_of_another_type_is_not_valid(kind, metrics, valid):
    finding = {"id": kind, "metrics": metrics}
    rules = module.schema()["$defs"]["Finding"]["allOf"]
    assert jsonschema.Draft202012Validator({"allOf": rules}).is_valid(finding) == valid
