"""`hsi live -T text` without a screen: a line for each connection when it is decided."""

import io
import itertools
import re

import pytest
from live.test_run import SECOND, START, completed, refused, run_of
from support import captures, frames

from handshake_inspect.engine.export import Observer
from handshake_inspect.engine.live import LiveRun
from handshake_inspect.render import FORMATS, Options
from handshake_inspect.report.why import so_far


def lines(data, **options):
    out = io.BytesIO()
    run_of(data, FORMATS["text"].event_writer(out, Options(width=1 << 20)), 1 << 10, **options).run()
    return out.getvalue().decode().splitlines()


def spaced(*packets):
    """Packets, followed by others for a minute, so that the run refreshes several times."""
    later = [refused(200 + n, START + n * SECOND) for n in range(1, 60)]
    return captures.pcap(sorted([*packets, *(packet for each in later for packet in each)]), nano=True)


def of(shown, client):
    return [line for line in shown if f" {client} " in line]


def test_a_line_for_each_decided_connection():
    shown = lines(spaced(*refused(1, START)))
    assert len(shown) == 60
    assert re.fullmatch(
        r"2023-11-14T22:13:20\.000000Z  refused      10\.0\.0\.1:1025 → 10\.9\.0\.1:80  closed-port: .*", shown[0]
    )


def test_there_is_no_second_line_when_one_ends():
    client, server = ("10.0.0.1", 4000), ("10.9.0.2", 443)
    reset = frames.rst(seq=frames.CLIENT_ISN + 1, ack=frames.SERVER_ISN + 1, src=client, dst=server)
    shown = of(lines(spaced(*completed(START), (START + 20 * SECOND, reset))), "10.0.0.1:4000")
    assert len(shown) == 1
    assert "established  10.0.0.1:4000 → 10.9.0.2:443  connect RTT 2 µs, open, sent 0 bytes, got 0 bytes" in shown[0]
    shown = of(lines(spaced(*completed(START), (START + 5000, reset))), "10.0.0.1:4000")
    assert len(shown) == 1
    assert "reset by the client" in shown[0]


def test_an_ongoing_capture_is_described_as_such():
    """Until the end, sentences describe the present."""
    clock = itertools.count(0, 2.0)
    seen = []

    class Seeing(Observer):
        wants_picture = True

        def snapshot(self, snapshot):
            seen.extend(each.why for each in snapshot.newest if each.client.port == 4000)

    run_of(spaced(*completed(START)), Seeing(), 256, lambda: next(clock)).run()
    assert seen  # at the end 50 newer ones are listed
    assert set(seen) == {"The handshake completed; the connection is open."}


@pytest.mark.parametrize(
    ("sentence", "now"),
    [
        (
            "The handshake completed; the connection was still open when the capture ended.",
            "The handshake completed; the connection is open.",
        ),
        ("1 SYN without an answer yet: the capture ends with it.", "1 SYN without an answer yet."),
        ("1 SYN without an answer yet, but the capture ends 2 s after the first.",
         "1 SYN without an answer yet; the first was 2 s ago."),
        ("1 SYN-ACK and no final ACK yet, but the capture ends 617 ms after the first.",
         "1 SYN-ACK and no final ACK yet; the first was 617 ms ago."),
        ("its accept queue is full, or the capture ends too soon.",
         "its accept queue is full, or it is too early to say."),
    ],
)  # fmt: skip
def test_sentences_about_ongoing_connections(sentence, now):
    assert so_far(sentence) == now


def test_undecided_connections_are_only_in_the_report():
    assert not lines(captures.pcap([(START, frames.syn())], nano=True))


@pytest.mark.parametrize(("options", "written"), [([], 3), (["-q"], 0)])
def test_lines_and_then_the_report(hsi, pcaps, options, written):
    said = hsi("live", "-r", pcaps / "connection-churn.pcap", "-T", "text", *options).stdout.decode().splitlines()
    shown = [line for line in said if re.match(r"\d{4}-\d\d-\d\dT", line)]
    assert len(shown) >= written if written else not shown
    assert any("connections established" in line for line in said)


def test_a_file_gets_only_the_report(hsi, pcaps, tmp_path):
    hsi("live", "-q", "-r", pcaps / "refused.pcap", "-T", "text", "-o", tmp_path / "report.txt")
    assert "T" not in (tmp_path / "report.txt").read_text()[:11].replace("TCP", "")


def paged(text):
    """Return the report without the format and the suggested next command."""
    lines = [line for line in text.split("\nnext: ")[0].splitlines() if not line.startswith("  format ")]
    return "\n".join(lines).strip()


@pytest.mark.parametrize("sample", ["accept-queue-overflow", "connection-churn", "handshake", "refused"])
def test_the_report_is_that_of_analyze(hsi, pcaps, tmp_path, sample):
    """A single connection is drawn; of several, tables list all of them."""
    capture, page = pcaps / f"{sample}.pcap", tmp_path / "report.txt"
    hsi("live", "-r", capture, "-T", "text", "-o", page)
    live = page.read_text()
    hsi("analyze", capture, "-T", "text", "-o", page)
    assert paged(live) == paged(page.read_text())
    assert ("SEGMENTS" in live) != ("CONNECTIONS" in live)


def test_segments_of_a_single_passing_connection_are_kept(hsi, pcaps, tmp_path):
    page = tmp_path / "report.txt"
    hsi("live", "-r", pcaps / "connection-churn.pcap", "-Y", "id == 2", "-T", "text", "-o", page)
    assert "CONNECTION 2" in page.read_text()


def test_logging_for_a_single_connection_stops_if_there_are_others(monkeypatch):
    class Wanting(Observer):
        wants_single = True

    monkeypatch.setattr(LiveRun, "refresh", None)  # nothing is to be drawn before the end
    packets = [packet for number in range(200) for packet in refused(number, START + number * SECOND)]
    run = run_of(captures.pcap(packets, nano=True), Wanting(), 1 << 9)
    run.run()
    assert not run.latest.logs
    assert run.pump.tracker.logged < len(packets) / 2
    single = run_of(captures.pcap(completed(START), nano=True), Wanting())
    single.run()
    assert [log.total for log in single.latest.logs.values()] == [3]
