"""Threads used for large files: the report does not change, and no thread or setting is left behind."""

import gzip
import sys
import threading

import pytest
from support.samples import DIRECTORY, SAMPLES

from handshake_inspect.capture import source
from handshake_inspect.capture.source import LARGE_CAPTURE
from handshake_inspect.engine import analysis


@pytest.fixture
def large(monkeypatch):
    """Use threads for any file, in both builds."""
    monkeypatch.setattr(analysis, "_is_worth_threads", lambda source: True)


def sample():
    return DIRECTORY / f"{max(SAMPLES, key=lambda name: (DIRECTORY / f'{name}.pcap').stat().st_size)}.pcap"


def test_the_report_is_the_same(large, monkeypatch):
    with_threads = analysis.analyze([sample()])
    monkeypatch.setattr(analysis, "_is_worth_threads", lambda source: False)
    alone = analysis.analyze([sample()])
    assert list(with_threads.connections) == list(alone.connections)
    assert (with_threads.summary, with_threads.capture) == (alone.summary, alone.capture)


@pytest.mark.parametrize("least", [0, 1 << 21])
def test_the_report_of_many_files_is_the_same(large, monkeypatch, least):
    paths = sorted(DIRECTORY.glob("*.pcap"))[:6]
    monkeypatch.setattr(source, "LARGE_CAPTURE", least)
    with_threads = analysis.analyze(paths)
    monkeypatch.setattr(analysis, "_is_worth_threads", lambda source: False)
    assert list(with_threads.connections) == list(analysis.analyze(paths).connections)


@pytest.mark.parametrize("jobs", [0, 1, 3])
def test_jobs_limits_the_files_read_ahead(large, monkeypatch, tmp_path, jobs):
    paths = [tmp_path / name for name in "abcde"]
    for path in paths:  # which overlap, and so are open at the same time
        path.write_bytes(gzip.compress(sample().read_bytes()))
    monkeypatch.setattr(source, "LARGE_CAPTURE", 0)
    threads = []
    monkeypatch.setattr(source.Source, "read_ahead", lambda self, most=1: threads.append(self) if most else None)
    analysis.analyze(paths, options=analysis.Options(jobs=jobs))
    assert len(threads) == min(jobs, 5)


@pytest.mark.parametrize(("packed", "threads"), [(False, 0), (True, 1)])
def test_only_slow_files_are_read_ahead(large, monkeypatch, tmp_path, packed, threads):
    """Reading an uncompressed file takes less time than passing its blocks between threads."""
    path, started = tmp_path / "a.pcap", []
    path.write_bytes(gzip.compress(sample().read_bytes()) if packed else sample().read_bytes())
    monkeypatch.setattr(source, "LARGE_CAPTURE", 0)
    monkeypatch.setattr(source.Source, "read_ahead", lambda self, most=1: started.append(self))
    assert analysis.analyze([path]).summary.connections
    assert len(started) == threads


def test_background_runs_in_another_thread(large):
    called = []
    analysis.analyze([sample()], background=lambda: called.append(threading.current_thread()))
    assert len(called) == 1
    assert called[0] is not threading.current_thread()


def test_an_exception_in_the_background_is_ignored(large):
    def fail():
        raise ImportError("no such renderer")

    assert analysis.analyze([sample()], background=fail).summary.connections


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_interrupt_leaves_no_threads_behind(large, error):
    threads, interval = threading.active_count(), sys.getswitchinterval()

    def interrupt(done, total):
        raise error

    with pytest.raises(error):
        analysis.analyze([sample()], progress=interrupt)
    assert threading.active_count() == threads
    assert sys.getswitchinterval() == interval


def test_analysis_works_if_no_thread_can_be_started(large, monkeypatch):
    def refuse(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert analysis.analyze([sample()]).summary.connections


def test_small_files_and_pipes_use_no_threads(tmp_path):
    with analysis.open_trace([sample()]) as source:
        assert source.size < LARGE_CAPTURE
        assert not analysis._is_worth_threads(source)
    with analysis.open_trace([sample(), sample()]) as merged:
        assert not analysis._is_worth_threads(merged)
