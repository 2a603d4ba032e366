"""Threads of the command give the report of one pass, report errors, and end with the command."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from random import Random
from typing import ClassVar

import pytest
from support.parts import APART, SENSORS, check, cut, dealt
from support.samples import DIRECTORY
from support.servers import Handler, gcs_server, http_server, s3_server

import handshake_inspect
from handshake_inspect.capture.trace import open_trace
from handshake_inspect.cluster import analysis, threads, tracking
from handshake_inspect.cluster.parts import Sizes
from handshake_inspect.errors import CaptureError, ClusterError


@pytest.fixture(scope="module")
def three():
    """A runner."""
    with threads.started(3) as runner:
        yield runner


@pytest.fixture
def ring(tmp_path):
    """The files of a capture."""
    return cut((DIRECTORY / "healthy-burst.pcap").read_bytes(), [400, 800, 1200], tmp_path)


@pytest.mark.parametrize("name", ["healthy-burst", "quic", "lookup", "half-open-no-final-ack"])
def test_the_report_is_the_same_as_of_one_pass(three, tmp_path, name):
    data, random = (DIRECTORY / f"{name}.pcap").read_bytes(), Random(name)
    sensors = zip(SENSORS, dealt(data, 2, random), strict=False)
    check([path for sensor, part in sensors for path in cut(part, [5, 20, 300], tmp_path, sensor)], three)
    check([DIRECTORY / f"{name}.pcap"], three, Sizes(0, len(data) // 5))


def test_each_thread_has_a_range_of_a_large_file():
    mega = 1 << 20
    assert Sizes(4 * mega, 256 * mega).among(8, 100 * mega).most == 12.5 * mega
    assert Sizes(4 * mega, 256 * mega).among(8, 10 * mega).most == 4 * mega
    assert Sizes(4 * mega, 256 * mega).among(2, 1 << 40).most == 256 * mega


def test_a_future_may_be_an_argument(three):
    first = three.submit("add", int, "2")
    assert three.results([three.submit("sum", sum, [first, 3, three.submit("add", int, "4")]), 7]) == [9, 7]
    assert three.results([three.item(three.submit("add", complex, "1+2j"), "imag")]) == [2.0]


def test_calls_run_concurrently(three):
    """Each waits until the others have begun."""
    met = threading.Barrier(3)
    three.results([three.submit("meet", met.wait, 60) for _ in range(3)])


def test_an_exception_of_a_call_is_raised_by_results(three):
    """Immediately, without waiting for other calls."""
    go_on, noted = threading.Event(), []
    wrong, waits = three.submit("read", int, "x"), three.submit("wait", go_on.wait, 60)
    with pytest.raises(ValueError, match="invalid literal"):
        three.results([waits, three.submit("add", sum, [wrong])], noted.append)
    go_on.set()
    assert noted == []


def test_nothing_is_called_after_the_end():
    with threads.started(1) as runner:
        begun, go_on = threading.Event(), threading.Event()

        def wait():
            begun.set()
            go_on.wait(60)

        last, late = runner.submit("wait", wait), runner.submit("late", int)
        assert begun.wait(60)
    go_on.set()
    last.result(60)
    assert not late.running()
    assert not late.done()


def test_a_file_that_grows_while_it_is_read(three, ring, monkeypatch):
    plain = tracking.track

    def grown(part, *rest):
        with ring[1].open("ab") as file:
            file.write(ring[0].read_bytes()[24:])
        return plain(part, *rest)

    monkeypatch.setattr(tracking, "track", grown)
    with pytest.raises(CaptureError, match="changed while it was read"):
        analysis.analyze(ring, three, sizes=APART)


@pytest.mark.parametrize("where", ["local:0", "local:", "local:-1", "local:1025", "local:x"])
def test_invalid_numbers_of_threads(hsi, pcaps, where):
    done = hsi("--cluster", where, pcaps / "lost-syn.pcap")
    assert (done.returncode, done.stdout) == (2, b"")
    assert f"{where}: say how many threads, as in local:4" in done.stderr.decode()


def test_more_threads_than_the_system_allows(monkeypatch):
    """The threads already started end."""
    start, begun = threading.Thread.start, []

    def few(thread):
        if len(begun) == 2:
            raise RuntimeError("can't start new thread")
        begun.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", few)
    interval = sys.getswitchinterval()
    with pytest.raises(ClusterError, match="only 2 of 3 threads; ask for fewer"), threads.started(3):
        pass
    for thread in begun:
        thread.join(60)
        assert not thread.is_alive()
    assert sys.getswitchinterval() == interval


def test_the_command_uses_threads(hsi, ring):
    one, other = (hsi("-T", "json", *more, *ring) for more in ([], ["--cluster", "local:2"]))
    assert (other.returncode, other.stderr, other.stdout) == (0, b"", one.stdout)


def test_dask_is_not_needed(ring):
    """Nor imported, since that takes longer than analysing most captures."""
    found = (
        "import sys\nfrom handshake_inspect.__main__ import main\ntry: main()\nfinally: print('dask' in sys.modules)"
    )
    command = [sys.executable, "-P", "-c", found, "-q", "--cluster", "local:2", *map(str, ring)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


def environment():
    """Return an environment in which the package under test is found."""
    return os.environ | {"PYTHONPATH": str(Path(handshake_inspect.__file__).parents[1])}


@pytest.mark.parametrize(("scheme", "server"), [("s3", s3_server), ("gs", gcs_server)])
def test_captures_in_a_bucket(hsi, monkeypatch, scheme, server):
    """In ranges as well."""
    with server(monkeypatch) as files:
        for path in sorted(DIRECTORY.glob("r*.pcap"))[:2]:
            files.pipe(f"captures/{path.name}", path.read_bytes())
        files.pipe("captures/large.pcap", (DIRECTORY / "healthy-burst.pcap").read_bytes())
        one, other = (hsi("-T", "json", *more, f"{scheme}://captures/") for more in ([], ["--cluster", "local:2"]))
        assert (other.returncode, other.stderr, other.stdout) == (one.returncode, b"", one.stdout)
        check([f"{scheme}://captures/large.pcap"], sizes=Sizes(0, 50_000))


def test_ctrl_c_works_while_a_thread_waits_for_a_server():
    pytest.importorskip("aiohttp")
    asked, answer = threading.Event(), threading.Event()
    served = []

    class Waiting(Handler):
        files: ClassVar = {"/a.pcap": (DIRECTORY / "healthy-burst.pcap").read_bytes()}

        def answer(self, *, body):
            served.append(self.path)
            if len(served) > 2 * first > 0:
                asked.set()
                answer.wait(60)
            super().answer(body=body)

    first = 0
    with http_server(Waiting) as base:
        open_trace([f"{base}/a.pcap"]).close()
        first = len(served)  # as many are for the command itself, what comes then is a thread's
        command = [sys.executable, "-P", "-m", "handshake_inspect", "--cluster", "local:1", f"{base}/a.pcap"]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, env=environment(), stdout=pipe, stderr=pipe, start_new_session=True)
        assert asked.wait(60)
        os.killpg(process.pid, signal.SIGINT)
        out, said = process.communicate(timeout=60)
        answer.set()
    assert (process.returncode, out, said.strip()) == (130, b"", b"")


def test_a_pipe_cannot_be_read_twice(hsi):
    done = hsi("--cluster", "local:1", "-")
    assert done.returncode == 2
    assert b"standard input: cannot be read twice" in done.stderr
