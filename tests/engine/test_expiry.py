"""Aggregates of expired connections are bounded, and the report says what they lack."""

import io

import numpy as np
import pytest
from support import captures, frames

from handshake_inspect.capture.source import open_source
from handshake_inspect.engine import expiry
from handshake_inspect.engine.expiry import Histogram
from handshake_inspect.engine.live import LiveOptions, LiveRun
from handshake_inspect.live.pipe import PipeSource
from handshake_inspect.verdicts.findings import expired_failures, expired_services, tally

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND


def report_of(packets, keep=8):
    source = PipeSource(open_source(io.BytesIO(captures.pcap(packets, nano=True)), 4096), None)
    return LiveRun(source, LiveOptions(keep=keep)).run()


def connection(number, port):
    """A handshake that takes as many microseconds as the port number, and a reset."""
    ns, client, server = START + number * SECOND, ("10.0.0.1", 2000 + number), ("10.9.0.2", port)
    seq, ack = frames.CLIENT_ISN + 1, frames.SERVER_ISN + 1
    return [
        (ns, frames.syn(src=client, dst=server)),
        (ns + port * 1000, frames.syn_ack(src=server, dst=client)),
        (ns + port * 1000, frames.ack(seq=seq, ack=ack, src=client, dst=server)),
        (ns + port * 2000, frames.rst(seq=seq, ack=ack, src=client, dst=server)),
    ]


def problem(report):
    (shown,) = report.capture.problems
    assert shown.kind == "retired"
    return shown.message


def test_the_busiest_services_are_kept(monkeypatch):
    monkeypatch.setattr(expiry, "SERVICES", 20)
    packets = [p for number in range(300) for p in connection(number, 443 if number % 2 else 1000 + number)]
    report = report_of(packets)
    assert (report.services[0].server.port, report.services[0].connections) == (443, 150)
    assert len(report.services) < 40
    assert report.summary.connections == 300
    assert "services with few connections were forgotten" in problem(report)


def test_afterwards_counts_expired_connections():
    report = report_of([p for number in range(60) for p in connection(number, 443)])
    lives = report.summary.afterwards
    assert len(report.connections) < 60
    assert (lives.connections, lives.segments) == (60, 240)
    assert [(each.how, each.by, each.connections) for each in lives.endings] == [("rst", "client", 60)]


def elsewhere(number):
    """An attempt that a backend answers from its own address, and the client's RST."""
    ns, client, backend = START + number * SECOND, ("10.0.0.1", 2000 + number), ("10.9.0.77", 8080)
    isn = 1000 * number
    return [
        (ns, frames.syn(src=client, dst=("10.9.0.2", 80), seq=isn)),
        (ns + 1000, frames.syn_ack(src=backend, dst=client, ack=isn + 1)),
        (ns + 2000, frames.rst(seq=isn + 1, src=client, dst=backend)),
    ]


def test_answers_from_elsewhere_expire_with_their_attempts():
    """Otherwise they would reappear as connections of their own, and fill the table."""
    report = report_of([p for number in range(600) for p in elsewhere(number)])
    assert report.summary.connections == 600
    assert [(one.server.ip, one.server.port) for one in report.services] == [("10.9.0.2", 80)]
    assert len(report.connections) < 300
    causes = {one.cause for one in report.connections}
    assert causes == {"answered-from-elsewhere"}
    (finding,) = [one for one in report.findings if one.id == "timed-out"]
    assert finding.metrics["answered_from"] == ["10.9.0.77:8080"]
    assert finding.metrics["connections"] >= 590


def test_rtts_are_kept_for_a_limited_number_of_services(monkeypatch):
    monkeypatch.setattr(expiry, "WITH_RTT", 1)
    report = report_of([p for number in range(300) for p in connection(number, 443 + number % 2)])
    counts = sorted(service.rtt.synack.count for service in report.services)
    assert counts[1] == 150
    assert counts[0] < 10
    assert "are those of listed connections only" in problem(report)


def test_rtts_are_separate_per_service():
    report = report_of([p for number in range(300) for p in connection(number, 443 + 1000 * (number % 2))])
    medians = {service.server.port: service.rtt.synack.p50_ns for service in report.services}
    assert medians == {443: pytest.approx(443_000, rel=0.02), 1443: pytest.approx(1_443_000, rel=0.02)}
    assert "forgotten" not in problem(report)


def test_a_histogram_grows_only_with_distinct_values():
    histogram = Histogram()
    for _ in range(100):
        histogram.add(np.array([5_000_000, 6_000_000, -1], dtype=np.int64))
    assert len(histogram.places) == 2
    shown = histogram.with_(np.array([1], dtype=np.int64)).distribution()
    assert (shown.count, shown.min_ns, shown.max_ns) == (201, 1, 6_000_000)
    assert histogram.distribution().count == 200
    assert Histogram().distribution().count == 0


def test_delays_are_thinned_evenly():
    delays, weights = np.arange(10_000, dtype=np.int64), np.ones(10_000, dtype=np.int64)
    for _ in range(3):
        delays, weights = tally._thinned(np.concatenate([delays, delays]), np.concatenate([weights, weights]))
        assert len(delays) == tally.DELAYS
    assert weights.sum() == 80_000
    middle = delays[np.searchsorted(np.cumsum(weights), 40_000)]
    assert middle == pytest.approx(5000, rel=0.01)


def test_failures_of_many_services_are_bounded(monkeypatch):
    monkeypatch.setattr(expired_failures, "FAILING", 5)
    monkeypatch.setattr(expired_failures, "SERVICES", 8)
    packets = []
    for number in range(400):
        ns, client, server = START + number * SECOND, ("10.0.0.1", 2000 + number), (f"10.9.{number // 2 % 50}.2", 80)
        if number % 2:
            server = "10.8.0.1", 80
        packets.append((ns, frames.syn(src=client, dst=server)))
        packets.append((ns + 1000, frames.rst(seq=0, ack=frames.CLIENT_ISN + 1, src=server, dst=client)))
    report = report_of(packets)
    first = next(finding for finding in report.findings if finding.id == "refused" and finding.target.ip == "10.8.0.1")
    assert (first.metrics["connections"], first.metrics["attempts"]) == (200, 200)


def used(number, host):
    """A connection that carries one byte and is reset."""
    ns, client, server = START + number * SECOND // 10, ("10.0.0.1", 2000 + number), (host, 443)
    seq, ack = frames.CLIENT_ISN + 1, frames.SERVER_ISN + 1
    return [
        (ns, frames.syn(src=client, dst=server)),
        (ns + 1000, frames.syn_ack(src=server, dst=client)),
        (ns + 2000, frames.data(b"?", client, server, seq=seq, ack=ack)),
        (ns + 3000, frames.rst(seq=seq + 1, ack=ack, src=client, dst=server)),
    ]


@pytest.mark.parametrize(("crawled", "scans"), [(60, []), (0, ["port-scan"])])
@pytest.mark.parametrize("keep", [8, 1000])
def test_expired_services_do_not_turn_a_client_into_a_scanner(keep, crawled, scans):
    packets = [p for number in range(crawled) for p in used(number, f"10.9.0.{number}")]
    late = START + 10 * SECOND
    packets += [
        (late + number, frames.syn(src=("10.0.0.1", 9000 + number), dst=(f"10.9.1.{number}", 443)))
        for number in range(40)
    ]
    report = report_of(packets, keep)
    assert [found.id for found in report.findings if found.id == "port-scan"] == scans


def test_pairs_of_client_and_service_are_bounded(monkeypatch):
    monkeypatch.setattr(expired_services, "MAX_PAIRS", 20)
    packets = [p for number in range(60) for p in used(number, f"10.9.0.{number}")]
    source = PipeSource(open_source(io.BytesIO(captures.pcap(packets, nano=True)), 4096), None)
    run = LiveRun(source, LiveOptions(keep=8))
    run.run()
    assert len(run.expired.past.used) == 20
