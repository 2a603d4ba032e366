"""QUIC connections in a live run are exported once, when they are decided."""

import io
import itertools

import msgspec
import pytest
from live.test_run import SECOND, events_of, refused, run_of
from support import captures

from handshake_inspect.engine import analyze
from handshake_inspect.engine.live import LiveOptions, LiveRun
from handshake_inspect.live.session import open_file
from handshake_inspect.render import FORMATS, Options

NAMES = ["quic", "quic-retry", "quic-early-data", "quic-blocked"]


def and_then(path, seconds=30):
    """A sample, followed by a refused connection every second."""
    last_ns = analyze([str(path)]).capture.last_ns
    later = [packet for n in range(1, seconds) for packet in refused(n, last_ns + n * SECOND)]
    return path.read_bytes() + captures.pcap(later, nano=True)


class Sips(io.BytesIO):
    """A file read in small blocks, so that a run refreshes often."""

    def read(self, size=-1):
        return super().read(512 if size < 0 else min(size, 512))

    def readinto(self, into):
        got = self.read(len(into))
        into[: len(got)] = got
        return len(got)


def sipped(data):
    """Return the events of a run that refreshes constantly."""
    out, clock = io.BytesIO(), itertools.count(0, 2.0)
    with open_file(Sips(data)) as source:
        writer = FORMATS["ndjson"].event_writer(out, Options())
        report = LiveRun(source, LiveOptions(), writer, clock=lambda: next(clock)).run()
    return [msgspec.json.decode(line) for line in out.getvalue().splitlines()], report


@pytest.mark.parametrize("name", NAMES)
def test_they_are_exported_once_as_soon_as_they_are_decided(name, pcaps):
    path = pcaps / f"{name}.pcap"
    events, report = sipped(and_then(path))
    kinds = [event["event"] for event in events]
    shown = [event for event in events if event["event"] == "quic-connection"]
    assert [event["id"] for event in shown] == [each.id for each in report.quic_connections]
    assert [{key: event[key] for key in event if key != "event"} for event in shown] == msgspec.to_builtins(
        report.quic_connections
    )
    last = len(kinds) - 1 - kinds[::-1].index("quic-connection")
    assert "stats" in kinds[last:]  # by a look before the end


@pytest.mark.parametrize("name", NAMES)
def test_undecided_ones_are_exported_at_the_end(name, pcaps):
    events, report = events_of((pcaps / f"{name}.pcap").read_bytes())
    shown = [event["id"] for event in events if event["event"] == "quic-connection"]
    assert shown == [each.id for each in report.quic_connections]


def test_they_appear_in_text_output(pcaps):
    out = io.BytesIO()
    run_of(and_then(pcaps / "quic.pcap"), FORMATS["text"].event_writer(out, Options(width=1 << 20)), 512).run()
    shown = [line for line in out.getvalue().decode().splitlines() if "QUIC" in line]
    assert shown
    assert all("  established  QUIC " in line for line in shown)


def test_counters_include_set_up_costs_of_the_busiest_services(pcaps):
    events, report = events_of((pcaps / "http-to-tls.pcap").read_bytes())
    stats = [event for event in events if event["event"] == "stats"][-1]
    assert stats["services"] == msgspec.to_builtins(report.services[:5])
    assert stats["services"][0]["setup"] is not None
