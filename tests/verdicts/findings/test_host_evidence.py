"""Which findings are given the capturing host's own numbers: those about its addresses, and no others."""

import io

import pytest
from support import captures
from support.detected import MS, crowd

from handshake_inspect.capture.source import open_source
from handshake_inspect.engine import analyze
from handshake_inspect.engine.live import LiveRun
from handshake_inspect.live.host import COUNTERS, SETTINGS, HostView
from handshake_inspect.live.pipe import PipeSource
from handshake_inspect.verdicts.findings import time_wait
from handshake_inspect.verdicts.findings.host_evidence import AT_CLIENT, AT_TARGET
from handshake_inspect.verdicts.host import HostFacts, counted
from handshake_inspect.wire.address import address_halves

ALL_SETTINGS = dict.fromkeys(SETTINGS, 7) | {"ip_local_port_range": [40000, 49999]}


class Watch:
    """A host with these addresses, on which everything was counted so often."""

    def __init__(self, addresses, count=5, **counters):
        self.addresses = frozenset(map(address_halves, addresses))
        self.counters = dict.fromkeys(COUNTERS, count) | counters

    def view(self):
        return HostView(1, 2, self.counters, ALL_SETTINGS, self.addresses)

    def end(self):
        pass

    def close(self):
        pass


def seen_by(watch, capture):
    with PipeSource(open_source(capture), None) as source:
        source.host = watch
        return {each.id: each for each in LiveRun(source).run().findings}


def keys(*evidence):
    return {f"host_{key}" for each in evidence for key in (*each.counters, *each.settings)}


def host_keys(found):
    return {key for key in found.metrics if key.startswith("host_")}


CLIENT, SERVER = "10.0.0.1", "10.0.0.2"
KINDS = {
    "accept-queue-overflow": "accept-queue-overflow",
    "syn-cookies": "syn-cookies",
    "syn-retransmission": "lost-syn",
    "timed-out": "dead-server-retried",
    "half-open": "half-open-no-final-ack",
    "connection-churn": "connection-churn",
    "port-reuse": "port-reuse",
}


@pytest.mark.parametrize(("kind", "sample"), KINDS.items())
@pytest.mark.parametrize("addresses", [[SERVER], [CLIENT], [CLIENT, SERVER], ["10.0.0.3"]], ids=str)
def test_a_finding_is_given_what_its_host_knows(pcaps, kind, sample, addresses):
    path = str(pcaps / f"{sample}.pcap")
    found = seen_by(Watch(addresses), path)[kind]
    expected = [AT_TARGET[kind]] if SERVER in addresses and kind in AT_TARGET else []
    expected += [AT_CLIENT[kind]] if CLIENT in addresses and kind in AT_CLIENT else []
    assert host_keys(found) == keys(*expected)
    [plain] = [each for each in analyze([path]).findings if each.id == kind]
    assert {key: value for key, value in found.metrics.items() if key not in host_keys(found)} == plain.metrics
    assert (found.severity, found.target, found.evidence) == (plain.severity, plain.target, plain.evidence)
    assert found.title.startswith(plain.title)
    assert (found.advice != plain.advice) == any(each.settings for each in expected)
    assert found.advice.endswith(".")


def test_a_flood_is_told_with_the_cookies_that_answered_it(pcaps):
    found = seen_by(Watch(["10.0.1.2"], 0, syncookies_sent=1234), str(pcaps / "syn-flood-cookies.pcap"))["syn-flood"]
    assert host_keys(found) == keys(AT_TARGET["syn-flood"])
    assert found.title.endswith("; this host counted 1,234 SYN cookies sent meanwhile")
    assert "tcp_syncookies is 7, tcp_synack_retries is 7." in found.advice


@pytest.mark.parametrize(("first", "ports"), [("client", True), ("server", False)])
def test_time_wait_is_held_by_whoever_closed_first(monkeypatch, first, ports):
    monkeypatch.setattr(time_wait, "EPHEMERAL_PORTS", 300)
    wires = crowd(40, lambda wire, _: wire.handshake().close(first), every=10 * MS)
    frames = sorted((frame for wire in wires for frame in wire.frames()), key=lambda frame: frame[0])
    holder = "192.0.2.1" if first == "client" else "198.51.100.2"
    found = seen_by(Watch([holder]), io.BytesIO(captures.pcap(frames, nano=True)))["time-wait-pressure"]
    assert ("host_ip_local_port_range" in found.metrics) == ports
    assert "here tcp_max_tw_buckets is 7" in found.advice
    assert ("ip_local_port_range is 40000 to 49999" in found.advice) == ports
    assert found.metrics["host_tcp_time_wait_overflow"] == 5


@pytest.mark.parametrize(("sample", "kind", "word"), [
    ("accept-queue-overflow", "accept-queue-overflow", "no listen overflow"),
    ("syn-cookies", "syn-cookies", "no SYN cookie sent"),
])  # fmt: skip
def test_a_host_that_counted_nothing_contradicts(pcaps, sample, kind, word):
    found = seen_by(Watch([SERVER], 0), str(pcaps / f"{sample}.pcap"))[kind]
    assert found.title.endswith(f"; this host counted {word} meanwhile: is the listener in another network namespace?")


def test_what_a_kernel_does_not_count_is_not_told(pcaps):
    found = seen_by(Watch([SERVER], None, listen_drops=1), str(pcaps / "accept-queue-overflow.pcap"))
    assert "host_listen_overflows" not in found["accept-queue-overflow"].metrics
    assert found["accept-queue-overflow"].title.endswith("; this host counted 1 listen drop meanwhile")


def test_addresses_of_a_host():
    host = HostFacts(1, 2, {}, {}, frozenset(map(address_halves, ["192.0.2.1", "2001:db8::1"])))
    held = ["192.0.2.1", "2001:db8::1", "127.0.0.1", "127.8.8.8"]
    others = ["192.0.2.2", "2001:db8::2", "::7f00:1", "12.7.0.1"]
    assert [host.has(address_halves(each)) for each in held + others] == [True] * 4 + [False] * 4


def test_counters_in_words():
    assert counted({"listen_overflows": 1, "syncookies_sent": 12_000, "active_opens": 9, "listen_drops": None}) == (
        "1 listen overflow, 12,000 SYN cookies sent"
    )
    assert counted({"listen_overflows": 0}) == ""
