"""Attempts that nobody answers, and attempts that the capture is too short to judge."""

from __future__ import annotations

import copy
import socket
import struct

from lab.kernel import connect, start_connect
from lab.namespace import Host
from lab.sample import Sample, scenario

TCP_MD5SIG = 14  # of linux/tcp.h
NOBODY = {"client": "SYN_SENT"}  # what became of a server that was never seen is anybody's guess


@scenario()
def timed_out_host_silent(sample: Sample) -> None:
    """A host that drops everything: SYNs at 0, 1, 3 and 7 s, then the client gives up with ETIMEDOUT."""
    client, server = sample.pair()
    client.sysctl("net.ipv4.tcp_syn_linear_timeouts", 0)
    client.sysctl("net.ipv4.tcp_syn_retries", 3)
    server.firewall("input", "drop")
    with sample.capture(client):
        attempt = connect(client, server, 80, timeout=30)
    assert attempt.error == "ETIMEDOUT", attempt.error
    sample.expect(attempt, "timed-out", cause="host-silent", state=..., synack_count=0)
    sample.finding("timed-out", attempt.server)
    sample.maybe("syn-retransmission")


@scenario()
def timed_out_linear(sample: Sample) -> None:
    """The default of Linux since 6.5: the first SYNs are repeated every second, not at doubling distances."""
    client, server = sample.pair()
    server.firewall("input", "drop")
    with sample.capture(client) as capture:
        attempt = start_connect(client, server, 80)
        capture.wait_for("Flags [S]", 5)
    sample.expect(attempt, "timed-out", cause="host-silent", state=NOBODY)
    sample.finding("timed-out", attempt.server)
    sample.maybe("syn-retransmission")


@scenario()
def timed_out_port_filtered(sample: Sample) -> None:
    """A firewall drops one port of a host that answers on another."""
    client, server = sample.pair()
    server.listen(80)
    server.firewall("input", "tcp dport 443 drop")
    with sample.capture(client) as capture:
        filtered = start_connect(client, server, 443)
        capture.wait_for("Flags [S]", 5)
        healthy = connect(client, server, 80)
    sample.expect(filtered, "timed-out", cause="port-filtered", state=NOBODY)
    sample.expect(healthy, "established")
    sample.finding("timed-out", filtered.server)
    sample.maybe("syn-retransmission")


@scenario()
def timed_out_signed(sample: Sample) -> None:
    """A peer signs its SYNs (TCP MD5) with another key than the listener's, which drops them in silence."""
    client, server = sample.pair()
    sign(server.listen(179), client, b"one key")
    server.listen(80)
    with sample.capture(client) as capture:
        signed = start_connect(client, server, 179, sock=sign(client.socket(), server, b"another key"))
        capture.wait_for("10.0.0.2.179: Flags [S]", 3)
        healthy = connect(client, server, 80)
        capture.wait_for("10.0.0.2.179: Flags [S]", 4)
    sample.expect(signed, "timed-out", cause="port-filtered", state=NOBODY, client_options={"signed": True})
    sample.expect(healthy, "established", client_options={"signed": False})
    sample.finding("timed-out", signed.server, signed_syns=1)
    sample.maybe("syn-retransmission")


def sign(sock: socket.socket, peer: Host, key: bytes) -> socket.socket:
    """Have a socket sign for this peer, and take nothing from it that is not signed (`struct tcp_md5sig`)."""
    address = struct.pack("=HH4s120x", socket.AF_INET, 0, socket.inet_aton(peer.ip))
    sock.setsockopt(socket.IPPROTO_TCP, TCP_MD5SIG, address + struct.pack("=BBHi80s", 0, 0, len(key), 0, key))
    return sock


@scenario()
def timed_out_syn_dropped(sample: Sample) -> None:
    """A service that answers others at the same time drops the SYNs of one client."""
    client, server = sample.pair()
    server.listen(80)
    server.firewall("input", "tcp dport 80 tcp sport 41000 drop")
    with sample.capture(client) as capture:
        before = connect(client, server, 80)
        dropped = start_connect(client, server, 80, source=41000)
        capture.wait_for(".41000 > 10.0.0.2.80: Flags [S]", 3)
        during = connect(client, server, 80)
        capture.wait_for(".41000 > 10.0.0.2.80: Flags [S]", 5)
        after = connect(client, server, 80)
    for attempt in (before, during, after):
        sample.expect(attempt, "established")
    sample.expect(dropped, "timed-out", cause="syn-dropped", state=NOBODY)
    sample.finding("timed-out", dropped.server)
    sample.maybe("syn-retransmission")


@scenario()
def pending(sample: Sample) -> None:
    """A SYN without an answer, and the capture ends a fraction of a second later: too soon to decide."""
    client, server = sample.pair()
    server.firewall("input", "drop")
    with sample.capture(client) as capture:
        attempt = start_connect(client, server, 80)
        capture.settle(quiet=0.3)
    sample.expect(attempt, "pending", cause=None, decided=False, state=NOBODY)


@scenario()
def timed_out_answered_from_elsewhere(sample: Sample) -> None:
    """A service address is translated on the way in and not on the way back: the backend answers in its own name."""
    client, backend = sample.pair()
    backend.listen(8080)
    service = copy.copy(backend)
    service.ip = "10.0.0.9"
    client.run("ip", "route", "add", service.ip, "via", backend.ip)
    client.sysctl("net.ipv4.tcp_syn_linear_timeouts", 0)
    client.sysctl("net.ipv4.tcp_syn_retries", 2)
    backend.run("nft", "add table ip lab")
    backend.run("nft", "add chain ip lab prerouting { type filter hook prerouting priority -300; }")
    translate = f"ip daddr set {backend.ip} tcp dport set 8080"
    backend.run("nft", f"add rule ip lab prerouting ip daddr {service.ip} tcp dport 80 {translate}")
    with sample.capture(client):
        attempt = connect(client, service, 80, timeout=20)
    assert attempt.error == "ETIMEDOUT", attempt.error
    sample.expect(attempt, "timed-out", cause="answered-from-elsewhere", state=..., synack_count=0)
    sample.finding("timed-out", attempt.server)
    sample.maybe("syn-retransmission")
