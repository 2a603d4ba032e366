"""What earlier versions wrote is valid and readable, and what later ones may add disturbs no reader.

tests/golden/schemas/ keeps documents of every release; CONTRIBUTING.md has the rule.
"""

import json
import re
from pathlib import Path

import jsonschema
import pytest

from handshake_inspect.report import schema as module

KEPT = sorted((Path(__file__).resolve().parents[1] / "golden" / "schemas").glob("hsi-*-by-*.*json"))
SCHEMAS = {
    "report": module.schema, "event": module.event_schema, "check": module.check_schema, "diff": module.diff_schema,
    "explain": module.story_schema,
    "explain-quic": module.quic_story_schema,
}  # fmt: skip
REPORTS = [path for path in KEPT if path.name.startswith("hsi-report-")]


def documents(path):
    text = path.read_text()
    return [json.loads(line) for line in text.splitlines()] if path.suffix == ".ndjson" else [json.loads(text)]


def named(path):
    """The name and the major version of the schema, as the name of the file says."""
    name, major = re.match(r"hsi-([a-z-]+)-(\d+)-", path.name).groups()
    return name, f"hsi-{name}/{major}"


def later(value):
    """The same document with keys that only a later version knows."""
    if isinstance(value, list):
        return [later(each) for each in value]
    if isinstance(value, dict):
        maps = ("outcomes", "decided", "versions", "extra_round_trips")  # of words to numbers: more are no keys
        kept = {k: each if k in maps and isinstance(each, dict) else later(each) for k, each in value.items()}
        return {"later_first": {"a": [1]}, **kept, "later_last": None}
    return value


def test_something_is_kept_of_every_schema():
    assert {named(path)[0] for path in KEPT} == set(SCHEMAS)


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.name)
def test_what_earlier_versions_wrote_is_valid(path):
    name, identity = named(path)
    schema = SCHEMAS[name]()
    if schema["$id"] != identity:
        pytest.skip(f"the schema is {schema['$id']} now")
    validator = jsonschema.Draft202012Validator(schema)
    hint = "a key that was added belongs into LATER of report/schema.py; anything else needs a new major version"
    for document in documents(path):
        assert [error.message for error in validator.iter_errors(document)] == [], hint
        validator.validate(later(document))


@pytest.mark.parametrize("path", REPORTS, ids=lambda path: path.name)
def test_reports_of_earlier_versions_are_read(path, hsi, tmp_path):
    same = hsi("diff", "-T", "json", path, path, cwd=tmp_path)
    assert (same.returncode, same.stderr) == (0, b"")
    assert len(json.loads(same.stdout)["services"]) > 1
    checked = hsi("check", "-T", "json", "--no-rules", "--max-refused", "0", path, cwd=tmp_path)
    assert (checked.returncode, checked.stderr) == (1, b"")
    assert json.loads(checked.stdout)["connections"] == len(documents(path)[0]["connections"])


@pytest.mark.parametrize("path", REPORTS, ids=lambda path: path.name)
def test_reports_of_later_versions_are_read(path, hsi, tmp_path):
    (document,) = documents(path)
    document = later(document)
    document["findings"].append(document["findings"][0] | {"id": "later-finding", "severity": "info"})
    (tmp_path / "later.json").write_text(json.dumps(document))
    rules = ("check", "--no-rules", "--fail-on", "info")
    today, tomorrow = hsi(*rules, path), hsi(*rules, tmp_path / "later.json")
    assert (tomorrow.returncode, tomorrow.stderr) == (1, b"")
    assert b"later-finding" not in today.stdout
    assert b"later-finding" in tomorrow.stdout
    difference = hsi("diff", "-T", "json", path, tmp_path / "later.json")
    assert [each["id"] for each in json.loads(difference.stdout)["new_findings"]] == ["later-finding"]


def test_reports_of_another_major_version_are_refused(hsi, tmp_path):
    (tmp_path / "later.json").write_text(REPORTS[0].read_text().replace('"hsi-report/1"', '"hsi-report/2"'))
    refused = hsi("check", tmp_path / "later.json")
    assert refused.returncode == 2
    assert b"hsi-report/2" in refused.stderr


def test_a_key_that_came_later_is_not_required(monkeypatch):
    monkeypatch.setattr(module, "LATER", {"Capture": ("position",)})
    (document,) = documents(REPORTS[0])
    assert document["capture"].pop("position") is not None
    for name in ("report", "check", "event"):
        assert "position" not in SCHEMAS[name]()["$defs"]["Capture"]["required"]
    jsonschema.Draft202012Validator(module.schema()).validate(document)
    assert module.load(json.dumps(document).encode()).capture.position is None
    monkeypatch.setattr(module, "LATER", {})
    assert not jsonschema.Draft202012Validator(module.schema()).is_valid(document)
