"""A Dask cluster gives the report of one process, or a clear error."""

import os
import signal
from dataclasses import replace

import pytest
from support.captures import records
from support.parts import APART
from support.samples import DIRECTORY
from support.wire import written

import handshake_inspect
from handshake_inspect import cluster
from handshake_inspect.cluster import analysis, scheduler
from handshake_inspect.errors import CaptureError, ClusterError, UsageError

distributed = pytest.importorskip("distributed")
PARTS = 4


@pytest.fixture(scope="module")
def workers():
    """A client of a cluster of two processes."""
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50) as local,
        distributed.Client(local) as client,
    ):
        yield client


@pytest.fixture
def ring(tmp_path):
    """The files of a capture."""
    data = (DIRECTORY / "healthy-burst.pcap").read_bytes()
    ends = records(data)
    bounds = [len(ends[:-1]) * n // PARTS for n in range(PARTS + 1)]
    for number in range(PARTS):
        path = tmp_path / f"ring_{number:05d}_20260101000000.pcap"
        path.write_bytes(data[:24] + data[ends[bounds[number]] : ends[bounds[number + 1]]])
    return sorted(tmp_path.iterdir())


def test_two_workers_give_the_report_of_one_process(workers, ring, monkeypatch):
    monkeypatch.setitem(analysis.analyze.__kwdefaults__, "sizes", APART)
    seen = []
    report = cluster.analyze(ring, workers, progress=lambda *each: seen.append(each))
    assert written(report) == written(handshake_inspect.analyze(*ring))
    total = sum(path.stat().st_size for path in ring)
    assert len(seen) == 2 * PARTS
    assert seen[-1] == (total, total)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


@pytest.mark.parametrize("reached_s", [scheduler.CONNECT_TIMEOUT_S, 0])
def test_results_come_through_the_scheduler_only_if_workers_are_unreachable(workers, ring, monkeypatch, reached_s):
    monkeypatch.setattr(scheduler, "CONNECT_TIMEOUT_S", reached_s)
    handlers = workers.cluster.scheduler.handlers
    plain, asked = handlers["gather"], []

    def gather(*given, **more):
        asked.append(given)
        return plain(*given, **more)

    monkeypatch.setitem(handlers, "gather", gather)
    report = analysis.analyze(ring, scheduler.Workers(workers), sizes=APART)
    assert written(report) == written(handshake_inspect.analyze(*ring))
    assert bool(asked) == (reached_s == 0)


def test_the_library_accepts_a_client(workers, ring, monkeypatch):
    monkeypatch.chdir(ring[0].parent)
    report = handshake_inspect.analyze(ring[0].name, client=workers, names=False)
    assert report.capture.sources == [ring[0].name]
    assert written(report) == written(handshake_inspect.analyze(ring[0].name, names=False))
    with ring[0].open("rb") as file, pytest.raises(UsageError, match="no open files"):
        handshake_inspect.analyze(file, client=workers)


class Killing(scheduler.Workers):
    """Kills a worker after the first pass."""

    lost: frozenset[str] | None = None

    def results(self, submitted, done=None):
        found = super().results(submitted, done)
        if self.lost is None:
            address, process = next(iter(self.client.run(os.getpid).items()))
            self.lost = frozenset(self.client.has_what(address)[address])
            os.kill(process, signal.SIGKILL)
        return found


def test_only_the_parts_of_a_lost_worker_are_read_again(workers, ring):
    again = []

    class Log(distributed.SchedulerPlugin):
        def transition(self, key, start, finish, *_, **__):
            if finish == "processing" and key.startswith("hsi-decode") and runner.lost is not None:
                again.append(key)

    runner = Killing(workers)
    workers.cluster.scheduler.add_plugin(Log(), name="log")
    try:
        report = analysis.analyze(ring, runner, sizes=APART)
    finally:
        workers.cluster.scheduler.remove_plugin("log")
    assert written(report) == written(handshake_inspect.analyze(*ring))
    assert again
    assert set(again) <= runner.lost


def test_the_dashboard_shows_the_stages(workers, ring):
    stages = set()

    class Log(distributed.SchedulerPlugin):
        def transition(self, key, *_, **__):
            stages.add(distributed.utils.key_split(key))

    workers.cluster.scheduler.add_plugin(Log(), name="log")
    try:
        analysis.analyze(ring, scheduler.Workers(workers), sizes=APART)
    finally:
        workers.cluster.scheduler.remove_plugin("log")
    assert {"hsi-decode", "hsi-split", "hsi-track", "hsi-follow"} <= stages


def test_a_file_that_a_worker_cannot_read(workers, ring, monkeypatch):
    plain = analysis.parts_of
    monkeypatch.setattr(analysis, "parts_of", lambda *given: [lost(part) for part in plain(*given)])
    with pytest.raises(CaptureError, match=r"elsewhere.pcap: no such file.*where all workers can read"):
        cluster.analyze(ring[:1], workers)


def lost(part):
    return replace(part, files=("/elsewhere.pcap",))


def test_workers_of_another_version(workers, ring, monkeypatch):
    monkeypatch.setattr(scheduler, "version", lambda: "0.0.1")
    with pytest.raises(ClusterError, match=r"workers have hsi .*, and here it is 0\.0\.1; install the same"):
        cluster.analyze(ring, workers)


def test_a_scheduler_without_workers(monkeypatch):
    monkeypatch.setattr(scheduler, "TIMEOUT_S", 0.05)
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=":0", silence_logs=50) as local,
        distributed.Client(local) as client,
        pytest.raises(ClusterError, match="no workers; start some"),
    ):
        scheduler.Workers(client)


def test_an_unreachable_scheduler(monkeypatch):
    monkeypatch.setattr(scheduler, "TIMEOUT_S", 0.2)
    with (
        pytest.raises(ClusterError, match=r"tcp://127.0.0.1:1: no scheduler answers \(.+\); start one with"),
        scheduler.connected("tcp://127.0.0.1:1"),
    ):
        pass


def fail(_):
    raise ZeroDivisionError


def test_abandoned_calls_are_not_logged(workers, caplog):
    """Only for the event loop of the client; other loops continue to log theirs."""
    loops = []
    with pytest.raises(ZeroDivisionError), scheduler.connected(workers.scheduler.address) as client:
        fail(loops.append(client.loop.asyncio_loop))
    loops[0].call_exception_handler({"message": "of this loop"})
    workers.loop.asyncio_loop.call_exception_handler({"message": "of another"})
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == ["of another"]


def test_an_invalid_address(hsi, pcaps):
    done = hsi("--cluster", "nowhere", pcaps / "lost-syn.pcap")
    assert (done.returncode, done.stdout) == (2, b"")
    assert "is no address" in done.stderr.decode()


def test_checks_can_use_a_cluster_but_live_ones_cannot(hsi, ring, workers):
    address = workers.scheduler.address
    assert hsi("check", "--cluster", address, "--max-refused", "0", *ring).returncode == 0
    done = hsi("check", "--cluster", address, "--live", "-i", "lo")
    assert done.returncode == 2
    assert b"--cluster is for captures" in done.stderr


@pytest.mark.parametrize("command", ["analyze", "check"])
def test_reading_a_saved_report_uses_no_cluster(hsi, pcaps, tmp_path, command):
    saved = tmp_path / "report.json"
    saved.write_bytes(hsi("-T", "json", pcaps / "refused.pcap").stdout)
    done = hsi(command, "--cluster", "local:2", saved)
    assert (done.returncode, done.stdout) == (2, b"")
    assert f"--cluster reads captures, and {saved} is a report: leave out --cluster" in done.stderr.decode()
