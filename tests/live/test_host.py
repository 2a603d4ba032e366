"""Counters of the capturing host: compared with nstat, and used only for findings about this host."""

import io
import json
import select
import socket
import subprocess
import time
from contextlib import ExitStack, contextmanager

import jsonschema
import pytest
from live.network import PATIENCE_S, SERVER, Host, needs
from live.test_run_command import Hsi
from support import captures, frames

from handshake_inspect.engine import analyze
from handshake_inspect.engine.live import LiveRun
from handshake_inspect.live.host import COUNTERS, SETTINGS, HostWatch, watch_host
from handshake_inspect.live.session import open_live
from handshake_inspect.render import FORMATS, Options
from handshake_inspect.report.host import HostCounters, HostSettings
from handshake_inspect.report.schema import event_schema, schema
from handshake_inspect.verdicts.host import WORDS

FULL = 8181


def nstat(host):
    """Return the kernel's counters as read by nstat."""
    done = subprocess.run(
        ["ip", "netns", "exec", host.name, "nstat", "-asz", "-j"], capture_output=True, check=True, text=True
    )
    counters = json.loads(done.stdout)["kernel"]
    return {key: counters[name] for key, name in COUNTERS.items()}


@contextmanager
def sysctls(host, **values):
    """Set TCP sysctls on a host during the block."""
    before = {name: read_sysctl(host, f"net.ipv4.{name}") for name in values}
    try:
        for name, value in values.items():
            host.run("sysctl", "-qw", f"net.ipv4.{name}={value}")
        yield
    finally:
        for name, value in before.items():
            host.run("sysctl", "-qw", f"net.ipv4.{name}={value}")


def read_sysctl(host, name):
    done = subprocess.run(
        ["ip", "netns", "exec", host.name, "sysctl", "-n", name], capture_output=True, check=True, text=True
    )
    return done.stdout.strip()


@contextmanager
def listener_on(host, address, port, backlog):
    with host():
        listener = socket.socket()
    with listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(backlog)
        yield listener


def overflow(client, server, address, port=FULL):
    """Overflow an accept queue: a final ACK that draws a RST, then dropped SYNs."""
    with ExitStack() as held:
        held.enter_context(sysctls(server, tcp_syncookies=0, tcp_abort_on_overflow=1))
        held.enter_context(listener_on(server, address, port, backlog=1))
        before = nstat(server)["listen_overflows"]
        fill(client, address, port, held)
        for _ in range(3):
            ignored = held.enter_context(dial(client))
            ignored.setblocking(False)
            with pytest.raises(BlockingIOError):
                ignored.connect((address, port))
        wait_until(lambda: nstat(server)["listen_overflows"] >= before + 1 + 3)


def fill(client, address, port, held):
    """Make three handshakes with a listener whose backlog holds two."""
    first, second, third = (held.enter_context(dial(client)) for _ in range(3))
    first.connect((address, port))
    for late in (second, third):
        # Such a client keeps its final ACK until it has data, up to 200 ms.
        late.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 1)
        late.connect((address, port))
    second.sendall(b"fits")
    third.sendall(b"does not")
    with pytest.raises(ConnectionResetError):
        third.recv(1)


def dial(client):
    with client():
        opener = socket.socket()
    opener.settimeout(PATIENCE_S)
    return opener


def wait_until(holds):
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline


def watched(on, interface, traffic, **how):
    """Capture on a host during an action; return the report, and the increase of nstat's counters."""
    with on():
        source = open_live(interface, filter_text="tcp", **how)
    with source:
        run = LiveRun(source)
        before = nstat(on)
        traffic()
        after = nstat(on)
        run.stop()
        return run.run(), {key: after[key] - before[key] for key in COUNTERS}


def finding(report, name, port):
    [found] = [each for each in report.findings if each.id == name and each.target.port == port]
    return found


def of_host(found):
    return {key: value for key, value in found.metrics.items() if key.startswith("host_")}


def text(report, form="text"):
    out = io.BytesIO()
    FORMATS[form].render(report, out, Options(width=200))
    return out.getvalue().decode()


def test_counters_are_those_of_nstat_and_reach_the_finding(network):
    report, grown = watched(
        network.server, "wire", lambda: overflow(network.client, network.server, SERVER), backend="ring"
    )
    host = report.capture.host
    assert {key: getattr(host.counters, key) for key in COUNTERS} == grown
    assert host.counters.listen_overflows >= 4
    assert host.start_ns < report.capture.first_ns <= report.capture.last_ns < host.end_ns
    found = finding(report, "accept-queue-overflow", FULL)
    somaxconn = int(read_sysctl(network.server, "net.core.somaxconn"))
    assert of_host(found) == {
        "host_listen_overflows": grown["listen_overflows"],
        "host_listen_drops": grown["listen_drops"],
        "host_somaxconn": somaxconn,
        "host_tcp_abort_on_overflow": 0,  # as it was when the capture began
    }
    counted = f"{grown['listen_overflows']} listen overflows, {grown['listen_drops']} listen drops"
    assert found.title.endswith(f"; this host counted {counted} during the capture")
    assert found.advice.endswith(f"counts the drops; here somaxconn is {somaxconn}, tcp_abort_on_overflow is 0.")
    assert f"this host {counted} while capturing; somaxconn is {somaxconn}\n" in text(report)
    assert f"\nThis host: {counted} while capturing; somaxconn is {somaxconn}\n" in text(report, "markdown")
    jsonschema.Draft202012Validator(schema()).validate(json.loads(text(report, "json")))


def test_settings_are_those_of_sysctl(network):
    with network.server():
        host = watch_host("wire")
    settings = host.view().settings
    host.close()
    shown = {key: read_sysctl(network.server, name) for key, name in SETTINGS.items()}
    assert {key: value for key, value in settings.items() if isinstance(value, int)} == {
        key: int(value) for key, value in shown.items() if key != "ip_local_port_range"
    }
    assert settings["ip_local_port_range"] == [int(port) for port in shown["ip_local_port_range"].split()]


def test_syncookies_are_confirmed_by_the_host_that_sent_them(network):
    def visit():
        """Try twice: by chance, the low bits of the clock may equal the encoded options."""
        for _ in range(2):
            for _ in range(6):
                with dial(network.client) as one:
                    one.connect((SERVER, FULL))
                    accepted, _ = listener.accept()
                    with accepted:  # the server's clock has to be seen again
                        accepted.sendall(b"hello")
                        assert one.recv(5)
            half_a_turn = time.monotonic() + 0.032  # the low 6 bits of a clock of milliseconds
            wait_until(lambda until=half_a_turn: time.monotonic() >= until)

    with sysctls(network.server, tcp_syncookies=2), listener_on(network.server, SERVER, FULL, 64) as listener:
        report, grown = watched(network.server, "wire", visit)
    assert grown["syncookies_sent"] == grown["syncookies_recv"] == 12
    found = finding(report, "syn-cookies", FULL)
    assert of_host(found) | {"host_syncookies_sent": 12, "host_syncookies_recv": 12, "host_syncookies_failed": 0} == (
        of_host(found)
    )
    counted = "12 SYN cookies sent, 12 SYN cookies that came back"
    assert found.title.endswith(f"; this host counted {counted} during the capture")
    assert "tcp_syncookies is 2" in found.advice
    assert "this host 12 SYN cookies sent, 12" in text(report)


def test_the_other_end_of_the_wire_is_not_this_host(network):
    report, _ = watched(network.client, "wire", lambda: overflow(network.client, network.server, SERVER))
    found = finding(report, "accept-queue-overflow", FULL)
    assert of_host(found) == {}
    assert "this host" not in found.title
    assert report.capture.host.counters.listen_overflows == 0
    assert report.capture.host.counters.active_opens > 0


def test_both_ends_of_a_delayed_connect(network):
    """The listener dropped the SYN, and the client retransmitted it."""

    def connect_late():
        before = nstat(network.client)["tcp_syn_retrans"]
        with listener_on(network.server, SERVER, FULL, 0) as listener, dial(network.client) as first:
            first.connect((SERVER, FULL))
            with dial(network.client) as late:
                late.setblocking(False)
                with pytest.raises(BlockingIOError):
                    late.connect((SERVER, FULL))
                wait_until(lambda: nstat(network.client)["tcp_syn_retrans"] > before)
                listener.accept()[0].close()
                assert select.select([], [late], [], PATIENCE_S)[1]

    reports = []
    with sysctls(network.server, tcp_syncookies=0):
        client, grown = watched(
            network.client, "wire", lambda: reports.append(watched(network.server, "wire", connect_late))
        )
    [(server, counted)] = reports
    assert of_host(finding(client, "syn-retransmission", FULL)) == {
        "host_tcp_syn_retrans": grown["tcp_syn_retrans"],
        "host_tcp_syn_retries": int(read_sysctl(network.client, "net.ipv4.tcp_syn_retries")),
    }
    assert grown["tcp_syn_retrans"] >= 1
    evidence = of_host(finding(server, "syn-retransmission", FULL))
    assert evidence["host_listen_overflows"] == counted["listen_overflows"] >= 1
    assert "host_tcp_syn_retries" not in evidence


@pytest.fixture
def router(network):
    """A router between a client and a server, which is not responsible for the traffic that it forwards."""
    tag = network.client.name.removesuffix("-c")
    hosts = [Host(f"{tag}-r{part}") for part in "cms"]
    near, middle, far = hosts
    for host in hosts:
        subprocess.run(["ip", "netns", "add", host.name], check=True)
    try:
        for end, wire, part in ((near, "near", 8), (far, "far", 9)):
            end.ip("link", "add", "wire", "type", "veth", "peer", "name", wire, "netns", middle.name)
            for host, name, last in ((end, "wire", 1), (middle, wire, 254)):
                host.ip("addr", "add", f"10.93.{part}.{last}/24", "dev", name)
                host.ip("link", "set", name, "up")
            end.ip("route", "add", "default", "via", f"10.93.{part}.254")
        middle.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        yield near, middle, far
    finally:
        for host in hosts:
            subprocess.run(["ip", "netns", "del", host.name], check=False)


def test_forwarded_traffic_is_not_blamed_on_the_router(router):
    near, middle, far = router

    def both():
        overflow(near, far, "10.93.9.1", FULL)
        overflow(near, middle, "10.93.8.254", FULL + 1)

    report, grown = watched(middle, "near", both)
    forwarded, own = (finding(report, "accept-queue-overflow", port) for port in (FULL, FULL + 1))
    assert of_host(forwarded) == {}
    assert "this host" not in forwarded.title + forwarded.advice
    assert of_host(own)["host_listen_overflows"] == grown["listen_overflows"] >= 4
    assert nstat(far)["listen_overflows"] >= 4  # counted where it happened, and not here
    assert report.capture.host.counters.listen_overflows == grown["listen_overflows"]


def test_a_listener_in_another_namespace_is_distinguished(router):
    """A port of this host is forwarded, as to a container: the overflowing queue is not in this namespace."""
    near, middle, far = router
    rules = (
        "add table ip lab",
        "add chain ip lab prerouting { type nat hook prerouting priority -100; }",
        f"add rule ip lab prerouting ip daddr 10.93.8.254 tcp dport {FULL} dnat to 10.93.9.1",
    )
    try:
        middle.run("nft", "; ".join(rules))
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs nft, and NAT in the kernel")
    with ExitStack() as held:
        held.enter_context(sysctls(far, tcp_syncookies=0, tcp_abort_on_overflow=1))
        held.enter_context(listener_on(far, "10.93.9.1", FULL, backlog=1))
        report, grown = watched(middle, "near", lambda: fill(near, "10.93.8.254", FULL, held))
    found = finding(report, "accept-queue-overflow", FULL)
    assert grown["listen_overflows"] == 0
    assert of_host(found)["host_listen_overflows"] == 0
    assert "this host counted no listen overflow during the capture: is the listener in another network" in found.title


def test_without_the_host(network):
    report, _ = watched(network.server, "wire", lambda: overflow(network.client, network.server, SERVER), host=False)
    assert report.capture.host is None
    assert of_host(finding(report, "accept-queue-overflow", FULL)) == {}
    assert "this host" not in text(report)


@pytest.mark.parametrize("backend", ["ring", "tcpdump"])
def test_a_command_without_rights_still_counts(network, backend):
    """Root is dropped when the capture begins, but the counters are read until its end."""
    needs(backend)
    with network.client():
        running = Hsi("-i", "wire", "--backend", backend, "-T", "ndjson", "tcp")
    with running:
        running.says("as nobody")
        before = nstat(network.client)
        network.exchange()
        running.wait_for(lambda event: event.get("outcome") == "refused" and event["server"]["port"] == 9999)
        after = nstat(network.client)
        running.interrupt().ends()
    events = [json.loads(line) for line in running.lines]
    counters = events[-1]["capture"]["host"]["counters"]
    assert counters == {key: after[key] - before[key] for key in COUNTERS}
    assert (counters["active_opens"], counters["attempt_fails"]) == (4, 2)
    shown = [event["host"] for event in events if event["event"] == "stats"]
    assert shown[-1] == counters
    validator = jsonschema.Draft202012Validator(event_schema())
    for event in events:
        validator.validate(event)


def test_the_command_leaves_the_host_out(network):
    with network.client(), Hsi("-i", "wire", "--no-host", "-T", "ndjson", "-c", "2", "tcp") as running:
        running.says("listening")
        network.knock(9)
        running.ends()
    events = [json.loads(line) for line in running.lines]
    assert events[-1]["capture"]["host"] is None
    assert {event["host"] for event in events if event["event"] == "stats"} == {None}


def test_pipes_and_files_have_no_host():
    data = captures.pcap([(1_700_000_000_000_000_000, frames.syn())], nano=True)
    assert analyze([io.BytesIO(data)]).capture.host is None
    with Hsi("-r", "-", "-T", "json", stdin=subprocess.PIPE) as running:
        running.process.stdin.write(data)
        running.process.stdin.close()
        report = json.loads(running.ends())
    assert report["capture"]["host"] is None


def test_an_interface_of_another_machine_has_no_host(network):
    with network.client():
        assert watch_host("TCP@192.0.2.1") is None
        found = watch_host("any")
    assert found is not None
    found.close()


def test_the_watch_stays_with_its_namespace_and_its_end(network):
    with network.client():
        watch = HostWatch()
    network.knock(9)  # another thread's namespace is this one's again
    assert watch.view().counters["attempt_fails"] == 1
    watch.end()
    network.knock(9)
    assert watch.view() == watch.view()
    watch.close()
    watch.close()
    assert watch.view().counters["attempt_fails"] == 1


def test_models_and_texts_have_the_same_counters():
    assert list(HostCounters.__struct_fields__) == list(COUNTERS)
    assert list(HostSettings.__struct_fields__) == list(SETTINGS)
    assert set(WORDS) < set(COUNTERS)
