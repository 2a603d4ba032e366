"""`hsi schema NAME`: every document that hsi writes validates against the schema of its name."""

import json

import jsonschema
import pytest

pytestmark = pytest.mark.any_build


@pytest.mark.parametrize("name", ["report", "event", "check", "diff", "explain"])
def test_schemas_are_schemas(hsi, name):
    schema = json.loads(hsi("schema", name).stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"hsi-{name}/1"


def test_report_is_the_default(hsi):
    assert hsi("schema").stdout == hsi("schema", "report").stdout == hsi("schema", "analyze").stdout


@pytest.mark.parametrize("sample", ["refused", "port-scan-connect", "pending"])
def test_lines_of_events_validate(hsi, pcaps, tmp_path, sample):
    validator = jsonschema.Draft202012Validator(json.loads(hsi("schema", "event").stdout))
    lines = hsi("-T", "ndjson", pcaps / f"{sample}.pcap").stdout.splitlines()
    lines += hsi(
        "check", "-T", "ndjson", "--profile", "strict", pcaps / f"{sample}.pcap", cwd=tmp_path
    ).stdout.splitlines()
    events = [json.loads(line) for line in lines]
    for event in events:
        validator.validate(event)
    assert {event["event"] for event in events} >= {"connection", "summary", "assertion", "check"}
    events[0]["event"] = "something"
    assert not validator.is_valid(events[0])
