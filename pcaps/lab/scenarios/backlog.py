"""Listeners whose application is too slow to accept: the kernel's accept queue runs over.

A backlog of 1 holds two connections.  One client fills half of it; two more start together on a path of 40 ms, so that
both SYNs find room and only the first of their final ACKs does.
"""

from __future__ import annotations

import socket
import time

from lab.capture import Capture
from lab.kernel import Attempt, connect, start_connect
from lab.namespace import Host
from lab.sample import Sample, scenario, sentences, undisturbed
from lab.scenarios.closing import exchange

OPEN = {"how": "open", "first": None, "reset_by": None}


@scenario(
    "accept-queue-overflow",
    "accept-queue-overflow-data",
    "accept-queue-overflow-reset",
    "accept-queue-overflow-recovered",
    "accept-queue-overflow-gave-up",
)
@sentences(
    accept_queue_overflow=(
        "The accept queue is full when the ACK comes: the client thinks it is connected, the server "
        "repeats its SYN-ACK."
    ),
    accept_queue_overflow_data="The same with a client that sends data, which is never acknowledged.",
    accept_queue_overflow_reset="The same with tcp_abort_on_overflow=1: a RST right after the final ACK.",
    accept_queue_overflow_recovered=(
        "The same, but the application catches up and the waiting connection is established after all."
    ),
    accept_queue_overflow_gave_up=(
        "The same with a client that sends data after the server gave up: its data draws a RST."
    ),
)
def accept_queue_overflow(sample: Sample) -> None:
    kind = sample.name.removeprefix("accept-queue-overflow").removeprefix("-")
    client, server = sample.pair(delay=0.02)
    server.sysctl("net.ipv4.tcp_syncookies", 0)
    server.sysctl("net.ipv4.tcp_abort_on_overflow", int(kind == "reset"))
    if kind == "gave-up":
        server.sysctl("net.ipv4.tcp_synack_retries", 1)
    listener = server.listen(80, backlog=1)
    with sample.capture(client) as capture:
        first = connect(client, server, 80)
        pair = [start_connect(client, server, 80), start_connect(client, server, 80)]
        for attempt in pair:
            attempt.wait(5)
        second, hit = pair
        to_hit = f"10.0.0.2.80 > 10.0.0.1.{hit.client[1]}: Flags "
        if kind in ("data", "recovered"):
            hit.sock.sendall(b"hello?\n")
        if kind == "reset":
            capture.wait_for(to_hit + "[R]")
            came_at_once(capture, hit)
        elif kind == "recovered":
            capture.wait_for(to_hit + "[S.]", 2)
            for _ in range(3):
                listener.accept()
        elif kind == "gave-up":
            capture.wait_for(to_hit + "[S.]", 2)
            patience = time.monotonic() + 20
            while "SYN-RECV" in server.run("ss", "-tanH") and time.monotonic() < patience:
                time.sleep(0.1)
            hit.sock.sendall(b"hello?\n")
            capture.wait_for(to_hit + "[R]")
        else:
            capture.wait_for(to_hit + "[S.]", 3)
        capture.settle(quiet=0.2)
    undisturbed(first.error is None and second.error is None, "the others were not accepted")
    sample.expect(first, "established", close=OPEN)
    sample.expect(second, "established", close=OPEN, synack_count=...)
    if kind == "recovered":
        sample.expect(hit, "established", close=OPEN)
    else:
        sample.expect(hit, "half-open", cause="reset-by-server" if kind == "reset" else "accept-queue-overflow")
    sample.finding("accept-queue-overflow", hit.server)
    sample.maybe("syn-retransmission", "slow-handshake", "slow-client-ack")


@scenario()
def accept_queue_overflow_cookies(sample: Sample) -> None:
    """The same with SYN cookies: the server has no SYN-ACK to repeat and drops the final ACK, and data, in silence."""
    client, server = sample.pair(delay=0.02)
    server.sysctl("net.ipv4.tcp_syncookies", 2)
    slow, other = server.listen(80, backlog=1), server.listen(81)
    with sample.capture(client) as capture:
        served = [one_request(client, server, slow, 80) for _ in range(8)]
        first = connect(client, server, 80)
        second, hit = [start_connect(client, server, 80), start_connect(client, server, 80)]
        for attempt in (second, hit):
            attempt.wait(5)
        hit.sock.sendall(b"hello?\n")
        data = f"10.0.0.1.{hit.client[1]} > 10.0.0.2.80: Flags [P.]"
        for copies in (2, 4, 6):
            capture.wait_for(data, copies)
            served.append(one_request(client, server, other, 81))
        capture.settle(quiet=0.2)
    undisturbed(first.error is None and second.error is None, "the others were not accepted")
    for attempt in served:
        sample.expect(attempt, "established", close={"how": "fin", "first": "client", "reset_by": None})
    sample.expect(first, "established", close=OPEN)
    sample.expect(second, "established", close=OPEN)
    sample.expect(hit, "half-open", cause="accept-queue-overflow", synack_count=1)
    sample.finding("accept-queue-overflow", hit.server)
    sample.finding("syn-cookies", hit.server)
    sample.maybe("slow-handshake", "slow-client-ack", "syn-cookies")


def one_request(client: Host, server: Host, listener: socket.socket, port: int) -> Attempt:
    """A connection that is served, and closed by the client."""
    attempt = connect(client, server, port)
    accepted, _ = listener.accept()
    exchange(attempt.sock, accepted)
    attempt.sock.close()
    accepted.recv(1)
    accepted.close()
    time.sleep(0.037)  # not in step with the server's clock
    return attempt


def came_at_once(capture: Capture, hit: Attempt) -> None:
    """A path that was late makes a RST that answers the final ACK look like one that came later."""
    ways = f"10.0.0.1.{hit.client[1]} > 10.0.0.2.80: Flags ", f"10.0.0.2.80 > 10.0.0.1.{hit.client[1]}: Flags "
    asked, answered = capture.first_at(ways[0] + "[S]"), capture.first_at(ways[1] + "[S.]")
    acknowledged, reset = capture.first_at(ways[0] + "[.]"), capture.first_at(ways[1] + "[R]")
    undisturbed(reset - acknowledged < answered - asked + 0.005, "the path was late")


@scenario()
def accept_queue_full_syn_dropped(sample: Sample) -> None:
    """The accept queue is full when the SYN comes: it is dropped in silence, as if by a firewall."""
    client, server = sample.pair()
    server.sysctl("net.ipv4.tcp_syncookies", 0)
    server.listen(80, backlog=1)
    with sample.capture(client) as capture:
        taken = [connect(client, server, 80) for _ in range(2)]
        dropped = start_connect(client, server, 80)
        capture.wait_for("Flags [S]", 2 + 5)
    for attempt in taken:
        sample.expect(attempt, "established", close=OPEN)
    sample.expect(dropped, "timed-out", state={"client": "SYN_SENT"})
    sample.finding("timed-out", dropped.server)
    sample.maybe("accept-queue-overflow", "syn-retransmission")
