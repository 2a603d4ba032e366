"""Sockets and their processes, from the kernel and /proc, and their assignment to connections."""

import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from live.network import CLIENT, OPEN, PATIENCE_S, SERVER

import handshake_inspect
from handshake_inspect.live import socket_finder
from handshake_inspect.live.sockets import Socket, SocketWatch
from handshake_inspect.verdicts.sockets import MOST, Sockets
from handshake_inspect.wire.address import address_halves

SECOND = 1_000_000_000
ID = "0123456789abcdef" * 4
TCP_INFO = struct.Struct("8B24I")


@pytest.mark.parametrize(
    ("text", "unit", "container"),
    [
        ("0::/system.slice/nginx.service\n", "nginx.service", None),
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-x.scope\n", "app-x.scope", None),
        (f"0::/system.slice/docker-{ID}.scope\n", None, ID[:12]),
        (f"12:pids:/docker/{ID}\n0::/docker/{ID}\n", None, ID[:12]),
        (f"0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-{ID}.scope\n", None, ID[:12]),
        (f"0::/kubepods/burstable/pod12/{ID}\n", None, ID[:12]),
        (f"0::/machine.slice/libpod-{ID}.scope/container\n", None, ID[:12]),
        ("0::/lxc.payload.web1/system.slice/ssh.service\n", None, "web1"),
        ("4:memory:/lxc/web2\n", None, "web2"),
        ("0::/\n", None, None),
        ("0::/../..\n", None, None),
        ("", None, None),
        ("nonsense", None, None),
    ],
)
def test_the_unit_or_the_container_of_a_process(text, unit, container):
    assert socket_finder.unit_and_container(text) == (unit, container)


@pytest.fixture
def processes(tmp_path):
    """Two processes that share a socket, and an unreadable one."""
    for pid, name, inodes in ((7, "nginx", [100]), (12, "worker", [100, 200]), (30, "odd\x1b[2J", [300])):
        (tmp_path / str(pid) / "fd").mkdir(parents=True)
        (tmp_path / str(pid) / "comm").write_text(f"{name}\n")
        (tmp_path / str(pid) / "cgroup").write_text("0::/system.slice/nginx.service\n")
        for number, inode in enumerate(inodes):
            (tmp_path / str(pid) / "fd" / str(number)).symlink_to(f"socket:[{inode}]")
    (tmp_path / "31").mkdir()
    (tmp_path / "net").mkdir()
    return socket_finder.Processes(str(tmp_path))


def test_a_shared_socket_belongs_to_the_first_process(processes):
    known = processes.of({100, 200, 300, 999})
    assert known == {
        100: [7, "nginx", "nginx.service", None], 200: [12, "worker", "nginx.service", None],
        300: [30, "odd\x1b[2J", "nginx.service", None],
    }  # fmt: skip
    assert processes.of({200}).keys() == {200}


def test_the_search_for_an_unknown_inode_is_limited(processes, monkeypatch):
    searched = []
    monkeypatch.setattr(processes, "_search", searched.append)
    for _ in range(socket_finder.MAX_TRIES + 2):
        processes.of({999})
    assert searched == [{"socket:[999]": 999}] * socket_finder.MAX_TRIES


SNMP = """\
Ip: Forwarding DefaultTTL InReceives
Ip: 1 64 5
Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails
Tcp: 1 200 120000 -1 {} {} 9
Udp: InDatagrams NoPorts
Udp: 1 2
"""


def test_it_polls_when_the_kernel_has_counted_new_connections(tmp_path):
    """And a few times more, because a connection is accepted later than it is counted."""
    counters = tmp_path / "snmp"
    counters.write_text(SNMP.format(7, 8))
    opened = socket_finder.OpenCounter(str(counters))
    for made, accepted in ((7, 8), (7, 9), (8, 9)):
        counters.write_text(SNMP.format(made, accepted))
        for _ in range(1 + socket_finder.EXTRA_POLLS):
            assert opened.may_have_new()
            opened.note_poll()
        assert not opened.may_have_new()
    counters.write_text(SNMP.format(8, 10))
    assert opened.may_have_new()


@pytest.mark.parametrize("text", [None, "", "Ip: 1\n"])
def test_it_always_polls_without_kernel_counters(tmp_path, text):
    if text is not None:
        (tmp_path / "snmp").write_text(text)
    opened = socket_finder.OpenCounter(str(tmp_path / "snmp"))
    for _ in range(2 * socket_finder.EXTRA_POLLS):
        opened.note_poll()
        assert opened.may_have_new()


@pytest.mark.parametrize(("given", "goes_on"), [(b"", False), (b"\n", True)])
def test_it_ends_with_the_command_even_if_polls_take_longer_than_their_interval(given, goes_on):
    code = "from handshake_inspect.live import socket_finder as f; print(f.wait_for_request(f.OpenCounter(), 0.0))"
    environment = os.environ | {"PYTHONPATH": str(Path(handshake_inspect.__file__).parents[1])}
    command = [sys.executable, "-P", "-c", code]
    done = subprocess.run(command, input=given, stdout=subprocess.PIPE, env=environment, check=True)
    assert done.stdout.split() == [str(goes_on).encode()]


@pytest.mark.skipif(not Path("/proc/self/net/snmp").exists(), reason="needs Linux")
def test_the_kernel_counts_both_ends_of_a_connection():
    opened = socket_finder.OpenCounter()
    with socket.create_server(("127.0.0.1", 0)) as server:
        before = opened._read()
        with socket.create_connection(server.getsockname()), server.accept()[0]:
            pass
        after = opened._read()
    assert all(int(new) > int(old) for old, new in zip(before, after, strict=True))
    assert len(before) == 2


def seen(**changes):
    values = {
        "seen_ns": 10 * SECOND, "local": address_halves("10.0.0.1"), "local_port": 4000,
        "remote": address_halves("10.0.0.2"), "remote_port": 80, "state": 1, "uid": 0, "pid": 5, "name": "curl",
        "unit": None, "container": None, "rtt_us": 7, "rtt_var_us": 1, "min_rtt_us": 5, "retransmissions": 0,
        "cwnd": 10, "queued": None, "backlog": None,
    }  # fmt: skip
    return Socket(**(values | changes))


ENDS = (*address_halves("10.0.0.1"), 4000), (*address_halves("10.0.0.2"), 80)


@pytest.mark.parametrize(
    ("first_s", "last_s", "known"),
    [
        (9, 11, True),
        (0, 10, True),
        (10.005, 11, True),  # it was there before its SYN had been sent
        (0, 9.5, True),  # it was looked at late
        (0, 8, False),  # an earlier connection of the same ends
        (12, 13, False),  # a later one
    ],
)
def test_a_socket_belongs_to_the_connection_of_its_time(first_s, last_s, known):
    sockets = Sockets()
    sockets.learn([seen()])
    found = sockets.connected(*ENDS, int(first_s * SECOND), int(last_s * SECOND))
    assert (found is not None) == known
    assert sockets.connected(*reversed(ENDS), 0, 99 * SECOND) is None


def test_a_socket_is_kept_until_another_has_the_same_ends():
    sockets = Sockets()
    sockets.learn([seen(), seen(seen_ns=20 * SECOND, pid=None, name=None, state=9)])  # an orphan, in LAST_ACK
    last = sockets.connected(*ENDS, 9 * SECOND, 20 * SECOND)
    assert (last.name, last.state) == ("curl", 9)
    sockets.learn([seen(seen_ns=30 * SECOND, pid=6, name="wget")])
    assert sockets.connected(*ENDS, 9 * SECOND, 20 * SECOND) is None
    assert sockets.connected(*ENDS, 29 * SECOND, 31 * SECOND).name == "wget"


def test_memory_is_bounded():
    sockets = Sockets()
    sockets.learn(seen(local=(1, number)) for number in range(MOST + 5))
    assert sockets.connected((1, 4, 4000), ENDS[1], 0, 20 * SECOND) is None
    assert sockets.connected((1, 5, 4000), ENDS[1], 0, 20 * SECOND) is not None


def test_wildcard_listeners_apply_only_to_addresses_of_this_host():
    sockets = Sockets()
    sockets.learn([seen(local=(0, 0), local_port=80, state=10, name="nginx", backlog=511, queued=0)])
    assert sockets.listener(ENDS[1], is_local=True).name == "nginx"
    assert sockets.listener(ENDS[1], is_local=False) is None
    assert sockets.listener(ENDS[0], is_local=True) is None


@pytest.mark.parametrize(("queued", "full"), [(511, []), (512, [(1, 2, 80), (1, 3, 80)])])
def test_a_full_wildcard_listener_is_full_at_each_address(queued, full):
    sockets = Sockets()
    sockets.learn([seen(local=(0, 0), local_port=80, state=10, backlog=511, queued=queued)])
    assert sockets.full({(1, 3), (1, 2)}) == full
    sockets.learn([seen(local=(1, 9), local_port=81, state=10, backlog=1, queued=2)])
    assert sockets.full(set()) == [(1, 9, 81)]


def until(watch, condition):
    """Process the reports of a watch until a condition holds."""
    sockets, end = Sockets(), time.monotonic() + PATIENCE_S
    while True:
        watch.request()
        assert select.select([watch], [], [], max(end - time.monotonic(), 0))[0], "it reported nothing of that"
        sockets.learn(watch.take())
        if found := condition(sockets):
            return found


def test_sockets_are_those_of_the_namespace(network):
    with network.server():
        watch = SocketWatch()
    try:
        with dial(network) as talk, network.listener.accept()[0] as accepted:
            ends = (*address_halves(SERVER), OPEN), (*address_halves(CLIENT), talk.getsockname()[1])
            found = until(watch, lambda sockets: sockets.connected(*ends, 0, 1 << 62))
            rtt_us = TCP_INFO.unpack(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO.size))[8 + 15]
            assert (found.pid, found.uid, found.state) == (os.getpid(), os.geteuid(), 1)
            assert found.name == Path("/proc/self/comm").read_text().strip()
            assert found.rtt_us == rtt_us
            assert found.retransmissions == 0
    finally:
        watch.close()


def live(network, tmp_path, until, *options):
    """The last line about a connection to this process, captured until there is such a line of counters.

    Another connection came later, and waits in the queue of the listener: who knows of that one knows this one.
    """
    os.mkfifo(tmp_path / "ready")
    words = [
        sys.executable, "-P", "-m", "handshake_inspect", "live", "--netns", network.server.name, "-i", "wire",
        "--ready", tmp_path / "ready", "-T", "ndjson", *options,
    ]  # fmt: skip
    package = str(Path(handshake_inspect.__file__).parent.parent)
    with subprocess.Popen(
        words, env={**os.environ, "PYTHONPATH": package}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert (tmp_path / "ready").read_text()
        with dial(network) as talk, network.listener.accept()[0], dial(network):
            port = talk.getsockname()[1]
            seen = map(json.loads, process.stdout)
            assert any(event["event"] == "stats" and until(event) for event in seen)
            process.send_signal(signal.SIGINT)
            events = [json.loads(line) for line in process.communicate()[0].splitlines()]
            network.listener.accept()[0].close()
    return next(each for each in events if each["event"] == "connection" and each["client"]["port"] == port)


def dial(network):
    with network.client():
        return socket.create_connection((SERVER, OPEN), timeout=PATIENCE_S)


def has_a_queue(event):
    return any(service["listener"] and service["listener"]["queued"] for service in event["services"])


def test_connections_have_the_processes_of_their_ends(network, tmp_path):
    """Even after hsi has dropped root privileges."""
    found = live(network, tmp_path, has_a_queue)["process"]
    assert found["client"] is None  # it is on another host
    assert found["server"]["pid"] == os.getpid()
    assert found["server"]["kernel"]["state"] == "ESTABLISHED"
    assert found["server"]["kernel"]["retransmissions"] == 0


def test_no_sockets_with_no_host(network, tmp_path):
    assert live(network, tmp_path, lambda event: event["connections"] == 2, "--no-host")["process"] is None
