"""What a test may ask of what was captured, without an interface."""

import subprocess
import sys
from pathlib import Path

import pytest

import handshake_inspect
from handshake_inspect.engine import analyze
from handshake_inspect.errors import LiveError, UsageError
from handshake_inspect.testing import Captured, NotCapturedError, capture


@pytest.fixture
def scan(pcaps):
    """Connections of several outcomes."""
    report = analyze([pcaps / "port-scan-connect.pcap"])
    return Captured("handshakes on lo").fill(report, report)


def test_it_counts_and_gives_the_connections(scan):
    summary = scan.report.summary
    assert (scan.connections, scan.outcomes, scan.rtt) == (summary.connections, summary.outcomes, summary.rtt)
    assert scan.setup.first_byte.p95 is None or summary.setup is not None
    ranks = scan.rtt.total
    assert (ranks.min, ranks.median, ranks.p90, ranks.p95, ranks.p99, ranks.max) == (
        ranks.min_ns, ranks.p50_ns, ranks.p90_ns, ranks.p95_ns, ranks.p99_ns, ranks.max_ns,
    )  # fmt: skip
    assert len(scan) == len(list(scan)) == scan.connections > 3
    assert scan[0] == next(iter(scan)) == scan.report.connections[0]
    assert list(scan.services) == list(scan.report.services)
    assert scan.findings == scan.report.findings != []
    assert scan.outcomes.established != scan.connections


@pytest.mark.parametrize("expression", ['outcome == "refused"', "outcome == refused"])
def test_only_some(scan, expression):
    refused = scan.where(expression)
    assert refused.connections == refused.outcomes.refused == scan.outcomes.refused > 0
    assert all(each.outcome == "refused" for each in refused)
    assert refused.report is scan.report
    assert not refused.where("outcome != refused")
    with pytest.raises(UsageError, match="outcom"):
        scan.where("outcom == refused")


def test_it_shows_what_is_wrong(scan):
    shown = repr(scan)
    first = next(each for each in scan if each.outcome == "refused")
    assert shown.startswith(
        f"<handshakes on lo: {scan.connections} connections, {scan.outcomes.established} established"
    )
    assert f"#{first.id} {first.client.ip}:{first.client.port} > " in shown
    assert first.why in shown
    assert "more with trouble" in shown
    assert "\n" not in shown
    assert "closed-port: 10.0.0.2 answered with RST" in " ".join(scan.text().split())


def test_before_the_end_there_is_nothing():
    captured = capture("lo", port=8080).captured
    for ask in (
        len,
        list,
        bool,
        lambda each: each.report,
        lambda each: each.outcomes,
        lambda each: each.where("id > 0"),
    ):
        with pytest.raises(NotCapturedError, match=r"^handshakes on lo \(port 8080\): the block has not ended"):
            ask(captured)
    assert "has not ended" in repr(captured)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"port": 65536}, "port: 65536 is not a port"),
        ({"port": "http"}, "port: 'h' is not a port"),
        ({"port": True}, "port: True is not a port"),
        ({"port": []}, "port: the list is empty"),
        ({"host": "localhost"}, "host: 'localhost' is not an address"),
    ],
)
def test_what_cannot_be_meant(options, message):
    with pytest.raises(UsageError, match=message):
        capture("lo", **options)


def test_names():
    assert capture("any").captured.name == "handshakes on any"
    asked = capture("lo", host="::1", port=(1, 2), filter="not vlan")
    assert asked.captured.name == "handshakes on lo (host ::1 and port 1, 2 and not vlan)"


def test_no_windows(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(LiveError, match="not possible on Windows"), capture("lo"):
        pass


def test_it_costs_no_library():
    code = "import sys, handshake_inspect.testing.plugin; print(*sys.modules)"
    path = str(Path(handshake_inspect.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], env={"PYTHONPATH": path}, capture_output=True, text=True, check=True
    )
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert not loaded & {"numpy", "msgspec", "click", "dpkt", "rich", "lark", "pyshark"}
