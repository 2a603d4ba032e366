"""The command line of `hsi live`: what it takes and what it refuses, without an interface."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from support import captures, frames

import handshake_inspect
from handshake_inspect.cli import hsi as group
from handshake_inspect.cli import live, live_run, options
from handshake_inspect.errors import LiveError
from handshake_inspect.render import FORMATS, REPORTS


class Run:
    """As much of a run as a signal needs."""

    def __init__(self):
        self.stopped = False

    def stop(self):
        self.stopped = True


@pytest.mark.parametrize(
    ("text", "seconds"), [("10s", 10), ("500ms", 0.5), ("2m", 120), ("1h", 3600), ("1.5", 1.5), ("1d", 86400)]
)
def test_durations(text, seconds):
    assert options.duration_seconds(text) == seconds
    assert options.autostop_seconds(f"duration:{text}") == seconds


@pytest.mark.parametrize("text", ["", "0", "0s", "-1s", "10 parsecs", "1e3", "nan", "inf", "٣s", "s"])
def test_no_durations(text):
    with pytest.raises(click.BadParameter):
        options.duration_seconds(text)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lo"], "lo is an interface, which goes after -i: hsi live -i lo"),
        (["-i", "lo", "-r", "-"], "choose one"),
        (["-r", "x.pcap", "tcp", "port", "80"], "set it in the program that captures"),
        (["-r", "x.pcap", "--backend", "ring"], "--backend applies to capturing"),
        (["-r", "x.pcap", "--netns", "1"], "--netns applies to capturing"),
        (["-i", "lo", "--netns", "no-such-namespace"], "no such network namespace"),
        (["-i", "lo", "--netns", "/no/such/file"], "no such file"),
        (["-i", "lo", "--netns", "4194305"], "no such process"),
        (["-i", "lo", "--netns", "/dev/null"], "--netns /dev/null: "),
        (["-r", "-", "--ready", "/no/such/directory/ready"], "no such directory"),
        (["-r", "-", "--ready", "/"], "holds something else"),
        (["-r", "no-such-file.pcap"], "no such file"),
        (["-i", "lo", "-f", "tcp", "port", "80"], "not both"),
        (["-i", "lo", "-w", "-"], "name a file for the report with -o"),
        (["-i", "lo", "-a", "filesize:10"], "only duration:SECONDS is supported"),
        (["-i", "lo", "--duration", "1s", "-a", "duration:1"], "choose one"),
        (["-i", "lo", "-o", "/no/such/directory/report.json"], "cannot write /no/such/directory/report.json"),
        (["-i", "no-such-interface0"], "no such interface"),
        (["-r", "-", "-T", "json", "-e", "id"], "-e chooses columns, and json has none"),
        (["-r", "-", "--packets", "-Y", "outcome == refused"], "with --packets, choose with a filter"),
        (["-r", "-", "--packets", "-T", "json"], "name a file for the json report with -o"),
        (["-r", "-", "--packets", "-o", "x.ndjson"], "ndjson has lines of its own"),
        (["-r", "-", "--packets", "-w", "-", "-o", "x.json"], "name a file after -w"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(hsi, arguments, message):
    done = hsi("live", *arguments)
    assert done.returncode == 2
    assert done.stdout == b""
    assert message in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1


def test_a_file_is_read_as_a_stream(hsi, pcaps, tmp_path):
    sample = min(pcaps.glob("*.pcap"))
    live_report = json.loads(hsi("live", "-r", sample, "-T", "json").stdout)
    report = json.loads(hsi("analyze", "-T", "json", sample).stdout)
    assert live_report["connections"] == report["connections"]
    assert live_report["findings"] == report["findings"]
    named = tmp_path / "report.json"
    named.write_text("something longer than it was" * 10_000)
    hsi("live", "-q", "-r", sample, "-o", named)
    assert json.loads(named.read_text())["connections"] == report["connections"]


# JSON and NDJSON say that the capture is live, and NDJSON is of events; HTML draws what a live run still has.
@pytest.mark.parametrize("form", [name for name in REPORTS if name not in ("json", "ndjson", "html")])
def test_the_report_comes_in_every_format_of_analyze(hsi, pcaps, form):
    if FORMATS[form].binary:
        pytest.importorskip("pyarrow")
    sample = pcaps / "syn-retransmission.pcap"
    options = ["-T", form, "-Y", "handshake.syn_count > 1", *(["-e", "id,outcome"] if FORMATS[form].columns else [])]
    live_report = hsi("live", "-q", "-r", sample, *options)
    assert live_report.returncode == 0
    assert live_report.stdout == hsi("analyze", "-q", sample, *options).stdout != b""


def test_the_name_after_o_says_the_format(hsi, pcaps, tmp_path):
    named = tmp_path / "connections.csv"
    assert hsi("live", "-q", "-r", pcaps / "refused.pcap", "-e", "outcome", "-o", named).returncode == 0
    assert named.read_text() == "outcome\nrefused\n"


def test_events_are_of_the_connections_that_were_asked_for(hsi, pcaps):
    options = ["-T", "ndjson", "-Y", "handshake.syn_count > 1"]
    sample = pcaps / "syn-retransmission.pcap"
    events = [json.loads(line) for line in hsi("live", "-q", "-r", sample, *options).stdout.splitlines()]
    report = json.loads(hsi("analyze", "-q", sample, "-T", "json", *options[2:]).stdout)
    shown = [event for event in events if event["event"] == "connection"]
    assert [event["id"] for event in shown] == [connection["id"] for connection in report["connections"]]
    stats = [event for event in events if event["event"] == "stats"]
    assert 0 < len(shown) < stats[-1]["connections"]  # the counters are of all
    assert events[-1]["summary"] == report["summary"]
    rows = hsi("live", "-q", "-r", sample, *options, "-e", "id").stdout.splitlines()
    assert [json.loads(line) for line in rows] == [{"id": event["id"]} for event in shown]


def test_a_file_is_not_touched_before_there_is_something_to_write(hsi, tmp_path):
    (tmp_path / "old.json").write_text("what it held before")
    for name in ("old.json", "new.json"):
        assert hsi("live", "-i", "no-such-interface0", "-o", name, cwd=tmp_path).returncode == 2
    assert [path.name for path in tmp_path.iterdir()] == ["old.json"]
    assert (tmp_path / "old.json").read_text() == "what it held before"


def test_a_file_says_that_frames_are_taken_for_as_long_as_they_are(hsi, tmp_path):
    """It replaces what an earlier run has left, and nothing else."""
    ready, pipe = tmp_path / "ready", tmp_path / "pipe"
    ready.write_text("12345\n")
    os.mkfifo(pipe)
    words = [sys.executable, "-P", "-m", "handshake_inspect", "live", "-T", "json", "-r", pipe, "--ready", ready]
    package = str(Path(handshake_inspect.__file__).parent.parent)
    environment = {**os.environ, "PYTHONPATH": package}
    with subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        with pipe.open("wb") as out:
            out.write(captures.pcap([(1, frames.syn())]))
            out.flush()
            assert b"Ctrl-C stops it" in process.stderr.readline()  # it says so just after that
            assert ready.read_text() == f"{process.pid}\n"
        assert process.wait() == 0
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]
    ready.write_text("mine")
    assert b"holds something else" in hsi("live", "-r", "-", "--ready", ready).stderr
    assert ready.read_text() == "mine"


def test_a_named_pipe_says_it_to_who_reads_it(hsi, pcaps, tmp_path):
    os.mkfifo(tmp_path / "ready")
    with ThreadPoolExecutor() as pool:
        said = pool.submit((tmp_path / "ready").read_text)
        hsi("live", "-q", "-r", min(pcaps.glob("*.pcap")), "--ready", tmp_path / "ready")
        assert said.result(10).strip().isdigit()


def test_quiet_is_one_line(hsi, pcaps):
    done = hsi("live", "-q", "-n", "-l", "-r", min(pcaps.glob("*.pcap")))
    assert done.stdout.count(b"\n") == 1
    assert done.stderr == b""


@pytest.mark.parametrize("words", [["live", "-i", "lo"], ["check", "--live", "-i", "lo", "--duration", "1s"]])
@pytest.mark.parametrize(
    ("options", "snap_len"), [([], 2048), (["--no-setup"], 256), (["-s", "0"], 0), (["--no-setup", "-s", "96"], 96)]
)
def test_how_much_of_each_frame_is_captured(monkeypatch, words, options, snap_len):
    asked = []

    def refuse(interface, **how):
        asked.append(how["snap_len"])
        raise LiveError(f"{interface}: not in this test")

    monkeypatch.setattr("handshake_inspect.live.session.open_live", refuse)
    monkeypatch.setattr("handshake_inspect.cli.check_live.open_live", refuse)
    CliRunner().invoke(group, [*words, *options])
    assert asked == [snap_len]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks Linux")
def test_interfaces_are_listed(hsi):
    done = hsi("live", "-D")
    lines = done.stdout.decode().splitlines()
    assert any(line.split()[:2] == ["1", "lo"] and "127.0.0.1" in line for line in lines)
    assert lines[-1].split() == ["0", "any", "all", "interfaces"]


def kill_this(number):
    os.kill(os.getpid(), number)
    time.sleep(5)  # cut short by the signal


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_stops_and_the_second_aborts(number):
    run = Run()
    before = signal.getsignal(number)
    with live_run.signals(run):
        os.kill(os.getpid(), number)
        deadline = time.monotonic() + 5
        while not run.stopped:
            assert time.monotonic() < deadline
        with pytest.raises(KeyboardInterrupt):
            kill_this(number)
    assert signal.getsignal(number) == before


def test_an_abort_is_in_the_status(monkeypatch):
    def abort(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(live, "_capture", abort)
    assert CliRunner().invoke(group, ["live", "-i", "lo"]).exit_code == 130


def test_help_is_understood_without_the_manual():
    done = CliRunner().invoke(group, ["live", "--help"])
    assert done.exit_code == 0
    assert "until Ctrl-C, then a report" in done.output
    assert "ssh host tcpdump -U -w - tcp | hsi live -r -" in done.output
