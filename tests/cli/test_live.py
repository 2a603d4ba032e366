"""The command line of `hsi live`: what it takes and what it refuses, without an interface."""

import json
import os
import signal
import sys
import time

import click
import pytest
from click.testing import CliRunner

from handshake_inspect.cli import hsi as group
from handshake_inspect.cli import live


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
    assert live.duration(text) == seconds
    assert live.autostop(f"duration:{text}") == seconds


@pytest.mark.parametrize("text", ["", "0", "0s", "-1s", "10 parsecs", "1e3", "nan", "inf", "٣s", "s"])
def test_no_durations(text):
    with pytest.raises(click.BadParameter):
        live.duration(text)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name an interface with -i"),
        (["-i", "lo", "-r", "-"], "choose one"),
        (["-r", "x.pcap", "tcp", "port", "80"], "give it to whatever captures"),
        (["-r", "x.pcap", "--backend", "ring"], "--backend is for capturing"),
        (["-r", "no-such-file.pcap"], "no such file"),
        (["-i", "lo", "-f", "tcp", "port", "80"], "not both"),
        (["-i", "lo", "-w", "-"], "name a file for the report with -o"),
        (["-i", "lo", "-a", "filesize:10"], "only duration:SECONDS is known"),
        (["-i", "lo", "--duration", "1s", "-a", "duration:1"], "choose one"),
        (["-i", "lo", "-o", "/no/such/directory/report.json"], "cannot write /no/such/directory/report.json"),
        (["-i", "no-such-interface0"], "no such interface"),
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


def test_quiet_is_one_line(hsi, pcaps):
    done = hsi("live", "-q", "-n", "-l", "-r", min(pcaps.glob("*.pcap")))
    assert done.stdout.count(b"\n") == 1
    assert done.stderr == b""


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
    with live._signals(run):
        os.kill(os.getpid(), number)
        deadline = time.monotonic() + 5
        while not run.stopped:
            assert time.monotonic() < deadline
        with pytest.raises(KeyboardInterrupt):
            kill_this(number)
    assert signal.getsignal(number) == before


def test_an_abort_is_told_by_the_status(monkeypatch):
    def abort(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(live, "_capture", abort)
    assert CliRunner().invoke(group, ["live", "-i", "lo"]).exit_code == 130


def test_help_fits_a_stranger():
    done = CliRunner().invoke(group, ["live", "--help"])
    assert done.exit_code == 0
    assert "Ctrl-C ends with a report" in done.output
    assert "ssh host tcpdump -U -w - tcp | hsi live -r -" in done.output
