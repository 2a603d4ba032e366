"""Pipes that are read once more: what came through them is kept while it is little."""

import io
import subprocess
import sys

import pytest

from handshake_inspect.capture import replayable_pipe


@pytest.mark.parametrize(("size", "kept"), [(0, True), (100, True), (101, False), (500, False)])
def test_only_what_is_little_is_kept(monkeypatch, size, kept):
    monkeypatch.setattr(replayable_pipe, "MAX_KEPT", 100)
    data = (bytes(range(256)) * 2)[:size]
    pipe = replayable_pipe.ReplayablePipe(lambda: io.BytesIO(data), "a name")
    assert io.BufferedReader(pipe, 64).read() == data
    again = replayable_pipe.reopened(pipe)
    assert (again is not None) == kept
    if again is not None:
        assert (again.read(), again.name) == (data, "a name")


def test_files_stay_what_they_are(tmp_path):
    path = tmp_path / "a.pcap"
    path.write_bytes(b"x")
    for name in (str(path), str(tmp_path / "none.pcap"), "s3://bucket/a.pcap"):
        assert replayable_pipe.replayable(name) == name
    assert replayable_pipe.reopened(str(path)) == str(path)
    assert replayable_pipe.reopened(str(tmp_path / "none.pcap")) is None


@pytest.mark.parametrize("command", [["analyze"], ["check", "--max-half-open", "0"]], ids=" ".join)
@pytest.mark.parametrize("form", ["html", "text"])
def test_a_pipe_has_the_ladders_of_the_file(pcaps, command, form):
    """But for the name of the file, and what can be typed to read it again."""
    sample, shown = pcaps / "half-open-no-final-ack.pcap", []
    for name in (str(sample), "-"):
        words = [sys.executable, "-P", "-m", "handshake_inspect", *command, "-T", form, name]
        shown.append(subprocess.run(words, input=sample.read_bytes(), capture_output=True, check=False).stdout.decode())
    drawn = ["SYN_RECEIVED" in each for each in shown]
    assert drawn == [form == "html" or command == ["analyze"]] * 2
    assert shown[0].count("<svg") == shown[1].count("<svg")
