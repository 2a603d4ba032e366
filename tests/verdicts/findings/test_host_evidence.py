"""Which findings get the capturing host's counters and settings: only those about its own addresses."""

import io
from dataclasses import replace
from types import SimpleNamespace

import pytest
from support import captures
from support.detected import MS, SECOND, Wire, crowd

from handshake_inspect.capture.source import open_source
from handshake_inspect.engine import analyze
from handshake_inspect.engine.live import LiveRun
from handshake_inspect.live.host import COUNTERS, SETTINGS, HostView
from handshake_inspect.live.pipe import PipeSource
from handshake_inspect.live.socket_finder import LISTEN
from handshake_inspect.live.sockets import Socket
from handshake_inspect.verdicts.finding import Finding
from handshake_inspect.verdicts.findings import KINDS, time_wait
from handshake_inspect.verdicts.findings.host_evidence import with_full_queue
from handshake_inspect.verdicts.host import HostFacts, counted
from handshake_inspect.verdicts.sockets import Sockets
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
SAMPLES = {
    "accept-queue-overflow": "accept-queue-overflow",
    "syn-cookies": "syn-cookies",
    "syn-retransmission": "lost-syn",
    "timed-out": "dead-server-retried",
    "half-open": "half-open-no-final-ack",
    "connection-churn": "connection-churn",
    "port-reuse": "port-reuse",
}


@pytest.mark.parametrize(("kind", "sample"), SAMPLES.items())
@pytest.mark.parametrize("addresses", [[SERVER], [CLIENT], [CLIENT, SERVER], ["10.0.0.3"]], ids=str)
def test_a_finding_is_given_what_its_host_knows(pcaps, kind, sample, addresses):
    path = str(pcaps / f"{sample}.pcap")
    found = seen_by(Watch(addresses), path)[kind]
    expected = [*KINDS[kind].at_target] if SERVER in addresses else []
    expected += KINDS[kind].at_client if CLIENT in addresses else ()
    expected = [each for each in expected if each.explains(found.metrics)]
    assert host_keys(found) == keys(*expected)
    [plain] = [each for each in analyze([path]).findings if each.id == kind]
    assert {key: value for key, value in found.metrics.items() if key not in host_keys(found)} == plain.metrics
    assert (found.severity, found.target, found.evidence) == (plain.severity, plain.target, plain.evidence)
    assert found.title.startswith(plain.title)
    assert (found.advice != plain.advice) == any(each.settings for each in expected)
    assert found.advice.endswith(".")


def test_a_flood_is_reported_with_the_cookies_that_answered_it(pcaps):
    found = seen_by(Watch(["10.0.1.2"], 0, syncookies_sent=1234), str(pcaps / "syn-flood-cookies.pcap"))["syn-flood"]
    assert host_keys(found) == keys(*KINDS["syn-flood"].at_target)
    assert found.title.endswith("; this host counted 1,234 SYN cookies sent during the capture")
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
    assert found.title.endswith(
        f"; this host counted {word} during the capture: is the listener in another network namespace?"
    )


def test_what_a_kernel_does_not_count_is_not_reported(pcaps):
    found = seen_by(Watch([SERVER], None, listen_drops=1), str(pcaps / "accept-queue-overflow.pcap"))
    assert "host_listen_overflows" not in found["accept-queue-overflow"].metrics
    assert found["accept-queue-overflow"].title.endswith("; this host counted 1 listen drop during the capture")


def merged(*wires):
    frames = sorted((frame for wire in wires for frame in wire.frames()), key=lambda frame: frame[0])
    return io.BytesIO(captures.pcap(frames, nano=True))


def unanswered(count=3):
    return crowd(count, lambda wire, _: (wire.client.syn(lost="after"), wire.quiet(9 * SECOND)))


COUNTED = "; this host counted 5 listen overflows"


@pytest.mark.parametrize(("alive", "cause", "reported"), [
    (None, "host-silent", False),
    (("198.51.100.2", 22), "port-filtered", False),
    (("198.51.100.2", 443), "syn-dropped", True),
])  # fmt: skip
def test_a_queue_makes_no_host_silent_and_filters_no_port(alive, cause, reported):
    others = [] if alive is None else [Wire(client=("192.0.2.99", 5000), server=alive).handshake()]
    found = seen_by(Watch(["198.51.100.2"]), merged(*unanswered(), *others))["timed-out"]
    assert found.metrics["cause"] == cause
    assert (COUNTED in found.title) == reported
    assert ("host_listen_overflows" in found.metrics) == reported == ("here somaxconn" in found.advice)


@pytest.mark.parametrize(("queued", "named"), [(2, True), (1, False)])
def test_syns_to_a_listener_whose_accept_queue_is_full_have_that_reason(queued, named):
    """Full is more than the backlog, as the kernel takes one more."""
    host, port = address_halves("198.51.100.2"), 443
    sockets = Sockets()
    ends = {"local": host, "local_port": port, "remote": (0, 0), "remote_port": 0}
    unknown = dict.fromkeys(Socket._fields) | {"seen_ns": 0, "state": LISTEN, "name": "nginx"}
    sockets.learn([Socket(**(unknown | ends | {"queued": queued, "backlog": 1}))])
    metrics = {"cause": "syn-dropped"}
    found = Finding(KINDS["timed-out"], "warning", "3 timed out", host, port, 0, 1, metrics, "Look.", (), ())
    case = SimpleNamespace(sockets=sockets)
    said = with_full_queue(case, found)
    assert ("; its accept queue is full: 2 waiting, backlog 1" in said.title) == named
    assert said.advice.startswith("Let nginx accept() faster, " if named else "Look.")
    for other in ({"cause": "port-filtered"}, {"cause": "host-silent"}):
        elsewhere = replace(found, metrics=other)
        assert with_full_queue(case, elsewhere) is elsewhere


def test_what_a_client_host_sent_again_to_anybody_is_no_evidence_of_one_silent_port():
    found = seen_by(Watch(["192.0.2.1", "192.0.2.2", "192.0.2.3"]), merged(*unanswered()))["timed-out"]
    assert "this host counted" not in found.title
    assert host_keys(found) <= {"host_tcp_syn_retries"}


def test_a_syn_ack_lost_on_the_way_fills_no_queue():
    """Its copies are what this host counted; that nobody took them has nothing to do with its queues."""

    def insists(wire, _):
        wire.client.syn()
        for pause in (0, 1, 2):
            wire.wait(pause * SECOND)
            wire.server.syn_ack(lost="after")

    found = seen_by(Watch(["198.51.100.2"]), merged(*crowd(3, insists, at="server")))["half-open"]
    assert found.metrics["cause"] == "no-final-ack"
    assert host_keys(found) == {"host_tcp_syn_retrans", "host_tcp_synack_retries"}


@pytest.mark.parametrize(("mode", "retries", "advice"), [
    (0, 5, "Enable SYN cookies (`sysctl -w net.ipv4.tcp_syncookies=1`), raise"),
    (1, 5, "Raise net.ipv4.tcp_max_syn_backlog and the listener's backlog, lower net.ipv4.tcp_synack_retries, and"),
    (2, 1, "Raise net.ipv4.tcp_max_syn_backlog and the listener's backlog, and have forged"),
])  # fmt: skip
def test_what_is_done_is_not_advised(pcaps, monkeypatch, mode, retries, advice):
    monkeypatch.setitem(ALL_SETTINGS, "tcp_syncookies", mode)
    monkeypatch.setitem(ALL_SETTINGS, "tcp_synack_retries", retries)
    path = str(pcaps / "syn-flood-no-cookies.pcap")
    assert seen_by(Watch(["10.0.1.2"]), path)["syn-flood"].advice.startswith(advice)
    elsewhere = seen_by(Watch(["10.0.1.99"]), path)["syn-flood"].advice
    assert elsewhere.startswith("Enable SYN cookies")


@pytest.mark.parametrize(("ports", "reuse", "left"), [
    ([32768, 60999], 2, {"tcp_tw_reuse=1", "widen"}), ([1024, 65535], 2, {"tcp_tw_reuse=1"}),
    ([32768, 60999], 1, {"widen"}), ([1024, 65535], 1, set()),
])  # fmt: skip
def test_ports_and_reuse_are_advised_where_there_is_room(monkeypatch, ports, reuse, left):
    monkeypatch.setitem(ALL_SETTINGS, "ip_local_port_range", ports)
    monkeypatch.setitem(ALL_SETTINGS, "tcp_tw_reuse", reuse)
    wire = Wire().handshake().exchange().close("client")
    again = Wire(start=wire.now + SECOND, client_isn=5_000_000)
    again.client.syn()
    again.quiet(20 * SECOND)
    advice = seen_by(Watch([again.client.address[0]]), merged(wire, again))["port-reuse"].advice
    assert {word for word in ("tcp_tw_reuse=1", "widen") if word in advice} == left
    assert advice.startswith("Let the client choose its port")


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


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("syn-flood-cookies", "SYN cookies are on already. Raise"),
        ("syn-flood-cookies-always", "SYN cookies are on already. Raise"),
        ("syn-flood-no-cookies", "Enable SYN cookies ("),
    ],
)
def test_cookies_that_the_wire_shows_are_not_advised(pcaps, name, begins):
    (flood,) = [each for each in analyze([pcaps / f"{name}.pcap"]).findings if each.id == "syn-flood"]
    assert flood.advice.startswith(begins)
