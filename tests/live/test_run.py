"""A live run: its exports, its final report, and bounded memory."""

import io
import itertools
from pathlib import Path

import msgspec
import pytest
from support import captures, frames

from handshake_inspect.capture.source import open_source
from handshake_inspect.engine import analyze, live
from handshake_inspect.engine.live import LiveOptions, LiveRun
from handshake_inspect.engine.reporting import case_of
from handshake_inspect.expression.language import parse
from handshake_inspect.live.pipe import PipeSource
from handshake_inspect.render import Options
from handshake_inspect.render.ndjson import EventWriter

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND


class Clock:
    """A clock under the control of a test."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 0.001
        return self.now


def run_of(data, observer=None, block_size=1 << 14, clock=None, **options):
    source = PipeSource(open_source(io.BytesIO(data), block_size), None)
    return LiveRun(source, LiveOptions(**options), observer, clock or Clock())


def events_of(data, **options):
    out = io.BytesIO()
    run = run_of(data, EventWriter(out, Options()), **options)
    report = run.run()
    return [msgspec.json.decode(line) for line in out.getvalue().splitlines()], report


def shown(events):
    """Return the last export of each connection."""
    return {event["id"]: event for event in events if event["event"] == "connection"}


def refused(number, ns):
    client, server = (f"10.0.{number >> 8 & 255}.{number & 255}", 1024 + number % 60000), ("10.9.0.1", 80)
    return [
        (ns, frames.syn(src=client, dst=server)),
        (ns + 1000, frames.rst(seq=0, ack=frames.CLIENT_ISN + 1, src=server, dst=client)),
    ]


def completed(ns, client=("10.0.0.1", 4000), server=("10.9.0.2", 443)):
    return [
        (ns, frames.syn(src=client, dst=server)),
        (ns + 1000, frames.syn_ack(src=server, dst=client)),
        (ns + 2000, frames.ack(seq=frames.CLIENT_ISN + 1, ack=frames.SERVER_ISN + 1, src=client, dst=server)),
    ]


SAMPLES = sorted((Path(__file__).resolve().parents[2] / "pcaps").glob("*.pcap*"))[::8]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_the_last_export_is_the_same_as_of_analyze(sample):
    offline = analyze([str(sample)])
    events, report = events_of(sample.read_bytes())
    assert list(report.connections) == list(offline.connections)
    assert report.summary == offline.summary
    assert report.findings == offline.findings
    last = {number: {**event} for number, event in shown(events).items()}
    assert [last[number].pop("event") for number in sorted(last)] == ["connection"] * len(offline.connections)
    assert [last[number] for number in sorted(last)] == msgspec.to_builtins(list(offline.connections))


def test_waiting_for_the_cpu_does_not_count_as_cost_of_a_refresh(monkeypatch):
    """Otherwise the screen of a busy machine would freeze for minutes."""
    packets = [packet for number in range(200) for packet in refused(number, START + number * SECOND)]
    clock = Clock()

    def waiting(*arguments, **more):
        clock.now += 100
        return case_of(*arguments, **more)

    monkeypatch.setattr(live, "case_of", waiting)

    def looks(spent):
        out = io.BytesIO()
        source = PipeSource(open_source(io.BytesIO(captures.pcap(packets, nano=True)), 256), None)
        writer = EventWriter(out, Options())
        LiveRun(source, LiveOptions(), writer, clock, spent).run()
        return sum(msgspec.json.decode(line)["event"] == "stats" for line in out.getvalue().splitlines())

    assert looks(lambda: 0.0) > 10 * looks(clock)


def test_twenty_thousand_connections_go_through_a_small_table():
    count, keep = 20_000, 256
    packets = [packet for number in range(count) for packet in refused(number, START + number * 10_000_000)]
    packets[9000:9000] = completed(packets[9000][0] - 5_000_000)
    run = run_of(captures.pcap(packets, nano=True), keep=keep)
    report = run.run()
    table = run.pump.tracker.table
    assert table.connection_count + table.embryo_count < 4 * keep
    assert run.expired.count + len(report.connections) == count + 1
    assert report.summary.connections == count + 1
    assert (report.summary.outcomes.refused, report.summary.outcomes.established) == (count, 1)
    assert report.summary.rtt.total.count == 1
    assert report.summary.rtt.total.min_ns == 2000
    assert [(each.server.port, each.connections) for each in report.services] == [(80, count), (443, 1)]
    assert [problem.kind for problem in report.capture.problems] == ["retired"]
    assert any(finding.id == "refused" for finding in report.findings)


def test_ids_are_stable_when_rows_are_reused():
    packets = [packet for number in range(1500) for packet in refused(number, START + number * SECOND // 10)]
    events, report = events_of(captures.pcap(packets, nano=True), keep=32)
    connections = [event for event in events if event["event"] == "connection"]
    assert len(report.connections) < 1000
    assert [event["id"] for event in connections] == list(range(1500))  # each of them once
    assert all(event["first_frame"] == 2 * event["id"] + 1 for event in connections)


def mixed(count):
    """Refused connections to port 80; every tenth one is completed and reset."""
    packets = []
    for number in range(count):
        ns = START + number * SECOND // 10
        if number % 10:
            packets += refused(number, ns)
            continue
        client, server = ("10.1.0.1", 1024 + number), ("10.9.0.2", 443)
        reset = frames.rst(seq=frames.CLIENT_ISN + 1, ack=frames.SERVER_ISN + 1, src=client, dst=server)
        packets += [*completed(ns, client, server), (ns + 3000, reset)]
    return captures.pcap(packets, nano=True)


def test_without_an_observer_refreshes_only_expire_rows(monkeypatch):
    looks = []
    look = LiveRun.refresh
    monkeypatch.setattr(LiveRun, "refresh", lambda run: looks.append(run.pump.frames) or look(run))
    data = mixed(600)
    quiet = run_of(data, block_size=512).run()
    assert not looks
    _, shown = events_of(data, block_size=512, clock=itertools.count(0, 60.0).__next__)
    assert len(looks) > 5
    assert (quiet.summary, list(quiet.connections), quiet.findings) == (
        shown.summary,
        list(shown.connections),
        shown.findings,
    )
    looks.clear()
    assert run_of(data, block_size=512, keep=100).run().summary.outcomes == quiet.summary.outcomes
    assert 4 <= len(looks) <= 6


def test_the_report_uses_the_ids_of_the_events():
    events, report = events_of(mixed(1500), keep=32)
    last = shown(events)
    listed = [msgspec.to_builtins(connection) for connection in report.connections]
    assert 0 < len(listed) < 100
    for connection in listed:
        assert connection == {key: value for key, value in last[connection["id"]].items() if key != "event"}
        assert connection["aliases"]["tshark"]["stream"] == connection["id"]
    ids = [connection["id"] for connection in listed]
    assert ids == sorted(ids)
    assert report.table["id"].tolist() == ids
    cited = [number for finding in report.findings for number in finding.evidence.connections]
    assert cited
    assert set(cited) <= set(ids)
    assert [connection.id for connection in report.connections.trouble(3)] == [i for i in ids if i % 10][:3]


def test_expired_connections_that_pass_the_filter_are_counted():
    events, report = events_of(mixed(1500), keep=32, where=parse("server.port == 443"))
    assert sorted(shown(events)) == list(range(0, 1500, 10))
    assert report.summary.connections == report.summary.outcomes.established == 150
    assert report.summary.rtt.total.count == 150
    assert [(each.server.port, each.connections) for each in report.services] == [(443, 150)]
    assert {connection.server.port for connection in report.connections} == {443}
    assert all(finding.target is None or finding.target.port != 80 for finding in report.findings)
    assert next(event for event in reversed(events) if event["event"] == "stats")["connections"] == 1500


def test_failures_and_services_cover_the_whole_run():
    """Though nearly all rows have expired, counts are exact, and times accurate to about one percent."""
    data = mixed(3000)
    whole = analyze([io.BytesIO(data)])
    report = run_of(data, keep=32).run()
    assert len(report.connections) < 100
    (failed,) = (finding for finding in whole.findings if finding.id == "refused")
    (told_of,) = (finding for finding in report.findings if finding.id == "refused")
    assert told_of.metrics == failed.metrics
    assert told_of.title == failed.title
    assert (told_of.severity, told_of.target, told_of.advice) == (failed.severity, failed.target, failed.advice)
    assert (told_of.start_ns, told_of.end_ns) == (failed.start_ns, failed.end_ns)
    assert told_of.evidence.frames == failed.evidence.frames
    assert set(told_of.evidence.connections) <= {connection.id for connection in report.connections}
    assert len(report.services) == len(whole.services)
    for mine, theirs in zip(report.services, whole.services, strict=True):
        assert (mine.server, mine.connections, mine.outcomes) == (theirs.server, theirs.connections, theirs.outcomes)
        for leg in ("synack", "ackdat", "total"):
            one, other = getattr(mine.rtt, leg), getattr(theirs.rtt, leg)
            assert (one.count, one.min_ns, one.max_ns) == (other.count, other.min_ns, other.max_ns)
            assert other.p50_ns is None or one.p50_ns == pytest.approx(other.p50_ns, rel=0.02)


def test_equally_busy_services_are_in_the_order_of_first_frames():
    packets = []
    for number in range(600):
        first, answer = refused(number, START + number * SECOND // 10)
        server = ("10.9.0.1", 9000 - number % 6)
        client = (f"10.0.{number >> 8}.{number & 255}", 4000)
        packets += [
            (first[0], frames.syn(src=client, dst=server)),
            (answer[0], frames.rst(seq=0, ack=frames.CLIENT_ISN + 1, src=server, dst=client)),
        ]
    data = captures.pcap(packets, nano=True)
    ports = [service.server.port for service in run_of(data, keep=32).run().services]
    assert ports == [service.server.port for service in analyze([io.BytesIO(data)]).services]
    assert ports == list(range(9000, 8994, -1))


def flooded():
    """An unanswered SYN flood, then only refused connections until the rows of the flood have expired."""
    packets = []
    for number in range(4000):
        source = (f"10.{number % 250}.{number // 250 % 250}.{1 + number * 7 % 250}", 1024 + number * 13 % 60000)
        packets.append((START + number * 500_000, frames.syn(src=source, dst=("10.9.0.9", 443), seq=number * 7919)))
    packets += [packet for number in range(1000) for packet in refused(number, START + (300 + number) * SECOND)]
    return captures.pcap(packets, nano=True)


def test_an_expired_flood_stays_in_the_report():
    events, report = events_of(flooded(), block_size=4096, keep=64, clock=Clock())
    (flood,) = (finding for finding in report.findings if finding.id == "syn-flood")
    assert flood.evidence.connections == []
    assert flood.target.port == 443
    assert flood.metrics["duration_ns"] == flood.end_ns - flood.start_ns
    assert flood.metrics["syns"] > 1000
    told_of = [event for event in events if event["event"] == "finding" and event["id"] == "syn-flood"]
    assert [event["phase"] for event in told_of[:2]] == ["begin", "end"]
    assert [finding.severity for finding in report.findings] == sorted(
        (finding.severity for finding in report.findings), key=["critical", "warning", "info"].index
    )


def test_rows_of_retransmitted_syns_are_reused():
    packets = []
    for number in range(600):
        ns = START + number * SECOND
        first, answer = refused(number, ns)
        packets += [first, (ns + 100, first[1]), (ns + 200, first[1]), answer]
    run = run_of(captures.pcap(packets, nano=True), block_size=4096, keep=16)
    report = run.run()
    assert report.summary.outcomes.refused == 600
    assert run.pump.tracker.table.retry_count < 200


def test_percentiles_include_expired_rows():
    packets = [
        packet for number in range(1000) for packet in completed(START + number * SECOND, ("10.0.0.1", 2000 + number))
    ]
    ends = []
    for at in range(0, len(packets), 3):
        ns, client, server = packets[at][0], ("10.0.0.1", 2000 + at // 3), ("10.9.0.2", 443)
        ends += [
            *packets[at : at + 3],
            (ns + 3000, frames.rst(seq=frames.CLIENT_ISN + 1, ack=frames.SERVER_ISN + 1, src=client, dst=server)),
        ]
    data = captures.pcap(ends, nano=True)
    whole = analyze([io.BytesIO(data)]).summary.rtt.synack
    report = run_of(data, block_size=4096, keep=32).run()
    rtt = report.summary.rtt.synack
    assert len(report.connections) < 1000
    assert (rtt.count, rtt.min_ns, rtt.max_ns) == (whole.count, whole.min_ns, whole.max_ns)
    assert rtt.p50_ns == pytest.approx(whole.p50_ns, rel=0.02)


def test_frames_are_counted_exactly():
    packets = [packet for number in range(50) for packet in refused(number, START + number * 1000)]
    report = run_of(captures.pcap(packets, nano=True), frames=7).run()
    assert (report.capture.frames, len(report.connections)) == (7, 4)


class Silent:
    """A source with a few frames, then an idle link."""

    def __init__(self, data, clock):
        self.source = PipeSource(open_source(io.BytesIO(data)), None)
        self.clock = clock
        self.quiet = 0

    def __getattr__(self, name):
        return getattr(self.source, name)

    def wait(self, timeout_s):
        if self.source.reader.frames < 4:
            return True
        self.clock.now += timeout_s
        self.quiet += 1
        return self.quiet > 40

    def fill(self):
        return self.source.fill()


def test_the_clock_advances_while_the_link_is_idle():
    clock, out = Clock(), io.BytesIO()
    data = captures.pcap([*completed(START - SECOND, server=frames.SERVER), (START, frames.syn())], nano=True)
    run = LiveRun(Silent(data, clock), LiveOptions(), EventWriter(out, Options()), clock)
    run.run()
    events = [msgspec.json.decode(line) for line in out.getvalue().splitlines()]
    outcomes = [event["outcome"] for event in events if event["event"] == "connection"]
    assert outcomes[:2] == ["established", "timed-out"]  # though no frame came after the SYN
    times = [event["at_ns"] for event in events if event["event"] == "stats"]
    assert times == sorted(times)
    assert times[-1] > START + 3 * SECOND


class Scripted(Silent):
    """Like Silent, and records the end."""

    ended_ns = None

    def note_end(self, ns):
        self.ended_ns = ns
        self.source.note_end(ns)


def test_the_report_includes_idle_time_at_the_end():
    clock, out = Clock(), io.BytesIO()
    data = captures.pcap([*completed(START - SECOND, server=frames.SERVER), (START, frames.syn())], nano=True)
    source = Scripted(data, clock)
    report = LiveRun(source, LiveOptions(), EventWriter(out, Options()), clock).run()
    events = [msgspec.json.decode(line) for line in out.getvalue().splitlines()]
    assert [connection.outcome for connection in report.connections] == ["established", "timed-out"]
    assert [event["outcome"] for event in shown(events).values()] == ["established", "timed-out"]
    assert report.capture.last_ns == START
    assert report.capture.ended_ns == source.ended_ns >= START + 3 * SECOND
    assert source.seen_until_ns == source.ended_ns
    assert max(event["at_ns"] for event in events if event["event"] == "stats") <= source.ended_ns


def test_a_file_ends_with_its_last_frame():
    data = captures.pcap([(START, frames.syn())], nano=True)
    report = run_of(data, clock=Fast()).run()
    assert report.connections[0].outcome == "pending"
    assert report.capture.ended_ns is None


def test_a_file_with_an_end_time_ends_then():
    data = captures.pcapng([(START, frames.syn())])
    data += captures.statistics(end=START + 4 * SECOND, usrdeliv=1)
    for report in (
        run_of(data).run(),
        analyze([io.BytesIO(data)]),
        analyze([io.BytesIO(data), io.BytesIO(data)]),
    ):
        assert {connection.outcome for connection in report.connections} == {"timed-out"}
        assert report.capture.last_ns == START
        assert report.capture.ended_ns == START + 4 * SECOND


def test_findings_begin_and_end():
    packets = [packet for number in range(200) for packet in refused(number, START + number * 50_000_000)]
    events, report = events_of(captures.pcap(packets, nano=True), block_size=2048, clock=Fast())
    phases = [(event["phase"], event["id"]) for event in events if event["event"] == "finding"]
    assert {name for phase, name in phases if phase == "begin"} >= {finding.id for finding in report.findings}
    for name in {name for _, name in phases}:
        own = [phase for phase, other in phases if other == name]
        assert own == ["begin", "end"] * (len(own) // 2)


class Fast(Clock):
    """A clock that advances on every reading."""

    def __call__(self):
        self.now += 0.5
        return self.now


def test_counters_add_up():
    packets = [packet for number in range(300) for packet in refused(number, START + number * 20_000_000)]
    events, _ = events_of(captures.pcap(packets, nano=True), block_size=2048, clock=Fast())
    stats = [event for event in events if event["event"] == "stats"]
    assert len(stats) > 2
    assert sum(event["attempts"] for event in stats) == stats[-1]["connections"] == 300
    assert sum(event["decided"].get("refused", 0) for event in stats) == stats[-1]["outcomes"]["refused"] == 300
    assert events[-1]["event"] == "summary"
