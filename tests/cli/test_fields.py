"""`hsi fields` lists the fields of a connection."""

import json

from handshake_inspect.report.fields import ENTRIES, derived, fields


def test_a_line_for_every_field(hsi):
    header, *lines = hsi("fields", text=True).stdout.splitlines()
    assert header.split() == ["field", "type", "unit", "meaning"]
    assert [line.split()[:2] for line in lines] == [
        [field.name, field.kind] for field in (fields() | derived()).values()
    ]
    assert all(line.endswith(ENTRIES[line.split()[0]].help) for line in lines)


def test_the_same_as_json(hsi):
    document = json.loads(hsi("fields", "-T", "json").stdout)
    assert document["schema"] == "hsi-report/1"
    listed = {each["name"]: each for each in document["fields"]}
    assert list(listed) == list(ENTRIES)
    assert listed["client_to_server.bytes"] == {
        "name": "client_to_server.bytes", "type": "number", "unit": "bytes",
        "help": "Payload sent, with repetitions.", "words": None,
    }  # fmt: skip
    assert "established" in listed["outcome"]["words"]
    assert listed["outcome"]["unit"] is None


def test_a_file_takes_it(hsi, tmp_path):
    path = tmp_path / "fields.txt"
    assert hsi("fields", "-o", str(path)).stdout == b""
    assert path.read_text() == hsi("fields", text=True).stdout
