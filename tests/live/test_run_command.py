"""`hsi live` as a process: on an interface of the real kernel, in a pipe, and with signals."""

import json
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import jsonschema
import pytest
from live.network import PATIENCE_S, needs, wait_readable
from support import captures, frames

import handshake_inspect
from handshake_inspect.report.schema import event_schema

START = 1_700_000_000_000_000_000


class Hsi:
    """The running command, killed at the end of a test."""

    def __init__(self, *arguments, program=("-m", "handshake_inspect"), **options):
        path = str(Path(handshake_inspect.__file__).resolve().parent.parent)
        self.process = subprocess.Popen(
            [sys.executable, "-P", *map(str, program), "live", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": path} | options.pop("env", {}),
            **{"stdin": subprocess.DEVNULL} | options,
        )
        self.said = []
        self.lines = []
        self._events = queue.SimpleQueue()
        self._errors = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._read, args=pair, daemon=True)
            for pair in ((self.process.stdout, self._events), (self.process.stderr, self._errors))
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE_S)
        for thread in self._threads:
            thread.join(PATIENCE_S)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    def _read(self, stream, into):
        for line in stream:
            into.put(line)
        into.put(None)

    def says(self, what):
        """Wait for a line of stderr."""
        while not self.said or what not in self.said[-1]:
            line = self._errors.get(timeout=PATIENCE_S)
            assert line is not None, self.said
            self.said.append(line.decode())
        return self

    def wait_for(self, wanted):
        """Wait for an event."""
        while True:
            line = self._events.get(timeout=PATIENCE_S)
            assert line is not None, (self.said, self.lines)
            self.lines.append(line)
            event = json.loads(line)
            if wanted(event):
                return event

    def ends(self, status=0):
        """Wait for the end: the rest of both streams."""
        assert self.process.wait(PATIENCE_S) == status, self.said
        for pending, kept, read in ((self._events, self.lines, bytes), (self._errors, self.said, bytes.decode)):
            while (line := pending.get(timeout=PATIENCE_S)) is not None:
                kept.append(read(line))
        return b"".join(self.lines)

    def interrupt(self, number=signal.SIGINT):
        self.process.send_signal(number)
        return self


def connections(lines):
    """Return the last event of each connection."""
    events = [json.loads(line) for line in lines]
    last = {event["id"]: event for event in events if event["event"] == "connection"}
    return [last[number] for number in sorted(last)]


def plain(connection):
    """Remove process information, which reports of files lack."""
    return {key: value for key, value in connection.items() if key != "event"} | {"process": None}


def is_refused_at(port):
    return lambda event: event.get("outcome") == "refused" and event["server"]["port"] == port


def analyzed(hsi, path):
    return json.loads(hsi("analyze", "-T", "json", path).stdout)


@pytest.mark.parametrize("backend", ["ring", "tcpdump"])
def test_events_are_timely_and_consistent(network, hsi, tmp_path, backend):
    needs(backend)
    kept = tmp_path / "kept.pcapng"
    with network.client():
        running = Hsi("-i", "wire", "--backend", backend, "-T", "ndjson", "-w", kept, "tcp")
    with running:
        running.says("listening on wire")
        network.exchange()
        running.wait_for(is_refused_at(9999))  # while the capture goes on
        running.interrupt().ends()
    validator = jsonschema.Draft202012Validator(event_schema())
    for line in running.lines:
        validator.validate(json.loads(line))
    offline = analyzed(hsi, kept)
    assert [plain(each) for each in connections(running.lines)] == offline["connections"]
    last = json.loads(running.lines[-1])
    assert last["event"] == "summary"
    assert last["summary"] == offline["summary"]
    assert last["summary"]["outcomes"]["established"] == 2
    said = "".join(running.said)
    assert f"{last['capture']['frames']} packets captured\n" in said
    assert "packets received by filter\n" in said
    assert "0 packets dropped by kernel\n" in said


def test_an_unfinished_handshake_is_half_open(network):
    network.server.ip("neigh", "replace", "10.93.7.77", "lladdr", "02:00:00:00:00:77", "dev", "wire")
    client = "10.93.7.77", 4321
    with network.client():
        running = Hsi("-i", "wire", "-T", "json")
    with running:
        running.says("listening on wire")
        send(network, frames.syn(src=client, dst=("10.93.7.2", 8080), link=frames.raw))
        network.exchange()
        running.interrupt()
        report = json.loads(running.ends())
    # Else the server goes on to send SYN-ACKs, which other tests would see.
    send(network, frames.rst(seq=frames.CLIENT_ISN + 1, src=client, dst=("10.93.7.2", 8080), link=frames.raw))
    assert report["summary"]["outcomes"]["half-open"] == 1
    found = next(each for each in report["connections"] if each["outcome"] == "half-open")
    assert (found["client"]["ip"], found["client"]["port"]) == client


def test_a_timeout_is_the_same_in_the_report_and_for_the_file(network, hsi, tmp_path):
    kept = tmp_path / "kept.pcapng"
    client = "10.93.7.78", 4322
    network.client.ip("neigh", "replace", "10.93.7.99", "lladdr", "02:00:00:00:00:99", "dev", "wire")
    with network.client():
        running = Hsi("-i", "wire", "--timeout", "0.3", "-T", "ndjson", "-w", kept, "tcp", "port", "9")
    with running:
        running.says("listening on wire")
        # To an address that nobody has, on a link that stays idle from then on.
        # Three SYNs show by themselves that nothing answered: the file alone does not say how it was filtered.
        for ident in (1, 2, 3):
            syn = frames.syn(src=client, dst=("10.93.7.99", 9), ident=ident, link=frames.raw)
            send(network, syn, "10.93.7.99")
        running.wait_for(lambda event: event.get("outcome") == "timed-out")
        running.interrupt().ends()
    (last,) = connections(running.lines)
    assert last["outcome"] == "timed-out"
    offline = json.loads(hsi("analyze", "--timeout", "0.3", "-T", "json", kept).stdout)
    assert offline["connections"] == [plain(last)]
    capture = json.loads(running.lines[-1])["capture"]
    assert offline["capture"]["ended_ns"] == capture["ended_ns"] >= capture["last_ns"] + 300_000_000


def test_a_part_of_a_capture_ends_with_its_last_frame(network, hsi, tmp_path):
    if shutil.which("dumpcap") is None or shutil.which("editcap") is None:
        pytest.skip("dumpcap and editcap are not installed")
    whole, part = tmp_path / "whole.pcapng", tmp_path / "part.pcapng"
    with network.client():
        capturing = subprocess.Popen(
            ["dumpcap", "-q", "-i", "wire", "-f", "tcp", "-c", "5", "-w", whole],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
    with capturing:
        while b"File:" not in capturing.stderr.readline():
            assert capturing.poll() is None
        network.exchange()
        assert capturing.wait(PATIENCE_S) == 0
    capture = analyzed(hsi, whole)["capture"]
    assert capture["ended_ns"] > capture["last_ns"]
    subprocess.run(["editcap", "-r", whole, part, "1-3"], check=True, capture_output=True)
    assert analyzed(hsi, part)["capture"]["ended_ns"] is None


def send(network, packet, to="10.93.7.2"):
    """Send a raw IP packet from the client's host."""
    with network.client(), socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        raw.sendto(packet, (to, 0))


def test_a_count_is_exact(network, hsi, tmp_path):
    kept, report = tmp_path / "kept.pcapng", tmp_path / "report.json"
    with network.client():
        running = Hsi("-i", "wire", "-c", 5, "-w", kept, "-o", report, "tcp")
    with running:
        running.says("listening")
        network.exchange()
        assert running.ends() == b""
    found = json.loads(report.read_text())
    assert found["capture"]["frames"] == 5
    assert analyzed(hsi, kept)["connections"] == found["connections"]
    assert "5 packets captured\n" in running.said


@pytest.mark.parametrize("option", [["--duration", "300ms"], ["-a", "duration:0.3"]])
def test_a_duration_ends_an_idle_capture(network, option):
    with network.client(), Hsi("-i", "wire", "-T", "text", *option, "tcp", "port", "1") as running:
        assert b"no frames" in running.ends()
    assert running.said[-3:] == [
        "0 packets captured\n",
        "0 packets received by filter\n",
        "0 packets dropped by kernel\n",
    ]


def test_counters_on_sigusr1_and_end_on_sigterm(network):
    with network.client():
        running = Hsi("-i", "wire", "-T", "text", "tcp")
    with running:
        running.says("listening")
        running.interrupt(signal.SIGUSR1).says("dropped by kernel")
        running.interrupt(signal.SIGTERM)
        assert b"CAPTURE" in running.ends()


def test_tcpdump_in_a_pipe(network):
    needs("tcpdump")
    with network.client():
        dump = subprocess.Popen(
            ["tcpdump", "-U", "--immediate-mode", "-i", "wire", "-w", "-", "tcp"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    with Hsi("-r", "-", "-T", "ndjson", stdin=dump.stdout) as running:
        assert wait_readable(dump.stderr.fileno())
        assert b"listening on wire" in dump.stderr.readline()
        running.says("reading standard input")
        network.exchange()
        running.wait_for(is_refused_at(9999))
        dump.terminate()
        running.ends()
    dump.communicate(timeout=PATIENCE_S)
    assert [each["outcome"] for each in connections(running.lines)] == [
        "established",
        "established",
        "refused",
        "refused",
    ]


def refused(number):
    client = ("10.0.0.1", 2000 + number)
    return [
        (START + number * 1000, frames.syn(src=client)),
        (START + number * 1000 + 10, frames.rst(seq=0, ack=1001, src=frames.SERVER, dst=client)),
    ]


def test_a_stream_is_reported_before_it_ends():
    with Hsi("-r", "-", "-T", "ndjson", stdin=subprocess.PIPE) as running:
        pipe = running.process.stdin
        pipe.write(captures.pcap(refused(0), nano=True))
        pipe.flush()
        assert running.wait_for(lambda event: event["event"] == "connection")["outcome"] == "refused"
        pipe.close()
        running.ends()
    assert len(connections(running.lines)) == 1


def test_a_closed_output_pipe_ends_the_run():
    path = str(Path(handshake_inspect.__file__).resolve().parent.parent)
    data = captures.pcap([packet for number in range(3000) for packet in refused(number)], nano=True)
    done = subprocess.run(
        ["sh", "-c", '"$0" -P -m handshake_inspect live -r - -T ndjson | head -n 1', sys.executable],
        input=data, capture_output=True, env=os.environ | {"PYTHONPATH": path}, timeout=60, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["event"] in ("connection", "stats")
    assert b"rror" not in done.stderr


def test_no_input_within_the_duration_is_an_error():
    with Hsi("-r", "-", "--duration", "200ms", stdin=subprocess.PIPE) as running:
        assert running.ends(2) == b""
    assert running.said == ["hsi: error: standard input: nothing arrived within 0.2 s; is the other side capturing?\n"]
