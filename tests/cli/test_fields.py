"""`hsi fields` lists the fields of a connection."""

import json

import pytest

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


@pytest.mark.parametrize("words", [["rtt"], ["RTT"], ["server.p", "tls.version"]])
def test_words_are_looked_for_in_names(hsi, words):
    _, *lines = hsi("fields", *words, text=True).stdout.splitlines()
    assert [line.split()[0] for line in lines] == [
        name for name in ENTRIES if any(word.lower() in name for word in words)
    ]
    listed = json.loads(hsi("fields", "-T", "json", *words).stdout)["fields"]
    assert [each["name"] for each in listed] == [line.split()[0] for line in lines]


def test_a_word_that_is_in_no_name(hsi):
    done = hsi("fields", "rtt", "half-open", text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "hsi: error: no field has 'half-open' in its name; hsi help half-open may explain the word\n"


def test_a_file_takes_it(hsi, tmp_path):
    path = tmp_path / "fields.txt"
    assert hsi("fields", "-o", str(path)).stdout == b""
    assert path.read_text() == hsi("fields", text=True).stdout
