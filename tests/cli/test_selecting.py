"""`-T`, `-o`, `-e` and `-Y` on the command line."""

import json

import pytest

from handshake_inspect.cli.selecting import chosen_format
from handshake_inspect.render import FORMATS


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a.json", "json"), ("a.csv", "csv"), ("a.sarif", "sarif"), ("a.sarif.json", "sarif"), ("a.xml", "junit"),
        ("a.md", "markdown"), ("conn.log", "zeek"), ("a.NDJSON", "ndjson"), ("a", "text"), ("-", "text"),
        ("dir.csv/a", "text"), ("a.txt", "text"), ("a.parquet", "parquet"),
    ],
)  # fmt: skip
def test_the_name_says_the_format(name, form):
    assert chosen_format(None, name) == form
    assert chosen_format("json", name) == "json"
    assert form in FORMATS


def test_a_name_does_not_say_a_format_that_the_command_has_not(hsi, pcaps, tmp_path):
    """A file called .xml that held text would fail only later, in the build that reads it."""
    capture = pcaps / "refused.pcap"
    for command in (("diff", "-o", "out.xml", capture, capture), ("check", "-o", "out.parquet", capture)):
        done = hsi(*command, cwd=tmp_path)
        assert done.returncode == 2
        assert b"its formats are text, json" in done.stderr
    assert not list(tmp_path.iterdir())
    assert hsi("check", "--no-rules", "-o", "check.log", capture, cwd=tmp_path).returncode == 0
    assert (tmp_path / "check.log").read_text().startswith("ok ")


def test_a_filtered_report(hsi, pcaps):
    done = hsi("-T", "json", "-Y", "server.port == 81 and outcome == refused", pcaps / "refused.pcap")
    assert json.loads(done.stdout)["summary"]["outcomes"]["refused"] == 1
    done = hsi("-T", "json", "-Y", "server.port == 82", pcaps / "refused.pcap")
    assert (json.loads(done.stdout)["connections"], done.returncode) == ([], 0)


def test_a_mistake_has_a_caret(hsi, pcaps):
    done = hsi("-Y", "outcom == refused", pcaps / "refused.pcap")
    assert done.returncode == 2
    assert done.stderr.decode().splitlines() == [
        "hsi: error: no field outcom; did you mean outcome or tls.outcome?",
        "  outcom == refused",
        "  ^",
    ]


def test_a_mistake_is_found_before_anything_is_read(hsi):
    done = hsi("-Y", "outcom == refused", "no-such-file")
    assert b"no field outcom" in done.stderr


def test_columns_need_a_format_with_columns(hsi, pcaps):
    done = hsi("-T", "junit", "-e", "id", pcaps / "refused.pcap")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"-e chooses columns" in done.stderr
    assert hsi("-T", "csv", "-e", "id,outcome", pcaps / "refused.pcap").stdout == b"id,outcome\n0,refused\n"


def test_the_output_file_chooses(hsi, pcaps, tmp_path):
    assert hsi("-o", tmp_path / "out.csv", pcaps / "refused.pcap").returncode == 0
    assert (tmp_path / "out.csv").read_text().startswith("id,first_frame,")
