"""Findings of a live run are searched in a thread: they are the same, and frames are read meanwhile."""

import io
import sys
import threading
import time
from functools import partial

import pytest
from support import captures
from support.samples import DIRECTORY, SAMPLES

from handshake_inspect.capture.source import open_source
from handshake_inspect.engine import live
from handshake_inspect.engine.export import Observer
from handshake_inspect.engine.live import LiveOptions, LiveRun
from handshake_inspect.engine.search import Search
from handshake_inspect.live.pipe import PipeSource
from handshake_inspect.render import Options, json
from handshake_inspect.verdicts.columns import Copies

from .test_expiry import connection


class Interface(PipeSource):
    """A source whose frames may be dropped, as of an interface."""

    def pending(self):
        return True


class Watched(Observer):
    wants_connections = True

    def __init__(self):
        self.seen = []

    def finding(self, phase, finding):
        self.seen.append((phase, finding.id, finding.target))


def run_of(kind, data, keep, block=4096):
    """A run over small blocks, with a refresh and a search after each of them."""
    source = kind(open_source(io.BytesIO(data), block), None)
    now = iter(range(0, 1 << 30, 100))
    return LiveRun(source, LiveOptions(keep=keep), Watched(), clock=lambda: float(next(now)))


@pytest.mark.parametrize("keep", [4, 100_000])
@pytest.mark.parametrize("name", SAMPLES[::12])
def test_a_thread_finds_the_same_as_an_inline_search(name, keep):
    data = (DIRECTORY / f"{name}.pcap").read_bytes()
    in_place, beside = (written(run_of(kind, data, keep).run()) for kind in (PipeSource, Interface))
    assert beside == in_place


def written(report):
    out = io.BytesIO()
    json.render(report, out, Options())
    return out.getvalue()


def many(count):
    return captures.pcap([p for number in range(count) for p in connection(number, 443)], nano=True)


def test_frames_are_read_during_a_search(monkeypatch):
    """The search ends only after more frames have arrived, and sees the rows as they were when it began."""
    run = run_of(Interface, many(100), 100_000)
    more, frames, sizes = threading.Event(), [], []
    take, find_all = run.stream.take, live.find_all

    def taken():
        going_on = take()
        frames.append(run.pump.frames)
        if sizes and frames[-1] > sizes[0][0]:
            more.set()
        return going_on

    def slow(case):
        first = not sizes
        sizes.append((run.pump.frames, len(case.attempts), case.attempts.first_times.tolist()))
        if first:
            assert more.wait(30)
            assert run.pump.frames > sizes[0][0]
            case.attempts.__dict__.pop("first_times")
            assert case.attempts.connections["first_ns"].tolist() == sizes[0][2][: len(case.attempts.connections)]
        return find_all(case)

    monkeypatch.setattr(run.stream, "take", taken)
    monkeypatch.setattr(live, "find_all", slow)
    report = run.run()
    assert more.is_set()
    assert len(report.connections) == 100


def test_an_error_in_the_thread_ends_the_run(monkeypatch):
    def broken(_):
        raise ZeroDivisionError

    monkeypatch.setattr(live, "find_all", broken)
    with pytest.raises(ZeroDivisionError):
        run_of(Interface, many(100), 100_000).run()


def test_an_error_during_a_search_leaves_no_thread_and_no_setting(monkeypatch):
    """A running search is awaited."""
    run, searching = run_of(Interface, many(100), 100_000), threading.Event()
    threads, interval = set(threading.enumerate()), sys.getswitchinterval()
    take = run.stream.take

    def broken():
        if run.pump.frames:
            assert searching.wait(30)
            raise KeyboardInterrupt
        return take()

    monkeypatch.setattr(run.stream, "take", broken)
    monkeypatch.setattr(live, "find_all", lambda _: searching.set() or [])
    with pytest.raises(KeyboardInterrupt):
        run.run()
    assert sys.getswitchinterval() == interval
    assert set(threading.enumerate()) <= threads


def failing():
    raise ZeroDivisionError


def test_preparation_completes_before_the_copies_are_used():
    calls = []
    with Search(beside=True, clock=time.monotonic, spent=time.thread_time) as search:
        search.settle()
        for number in range(3):
            search.prepare(partial(calls.append, number))
        search.settle()
        assert calls == [0, 1, 2]
        search.prepare(failing)
        with pytest.raises(ZeroDivisionError):
            search.settle()
        search.settle()


def test_an_inline_search_prepares_nothing():
    with Search(beside=False, clock=time.monotonic, spent=time.thread_time) as search:
        search.prepare(failing)
        search.settle()


def test_memory_is_allocated_before_rows_are_copied(monkeypatch):
    made = []
    monkeypatch.setattr(Copies, "reserve", lambda _, sizes: made.append(sizes))
    monkeypatch.setattr(Search, "is_due", lambda *_: False)
    run_of(Interface, many(100), 100_000).run()
    assert made
    assert {"connections", "endpoints", "embryos"} <= made[-1].keys()
    made.clear()
    run_of(PipeSource, many(100), 100_000).run()
    assert not made
