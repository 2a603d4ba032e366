"""The list of interfaces, permissions, and dropping privileges."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from handshake_inspect.errors import LiveError, UsageError
from handshake_inspect.live import interfaces, privileges, refusals

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="netlink is Linux's")


@linux
def test_the_list_is_the_same_as_of_ip_link(network):
    for host in (network.client, network.server):
        command = ["ip", "-n", host.name, "-j", "addr"]
        shown = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        with host():
            found = interfaces.interfaces()
        assert found.pop() is interfaces.ANY
        assert [(each.number, each.name, each.up, each.loopback) for each in found] == [
            (each["ifindex"], each["ifname"], "UP" in each["flags"], "LOOPBACK" in each["flags"]) for each in shown
        ]
        assert [sorted(each.addresses) for each in found] == [
            sorted(address["local"] for address in each["addr_info"]) for each in shown
        ]


@linux
def test_resolve_by_name_and_by_number():
    loopback = next(name for number, name in socket.if_nameindex() if number == 1)
    assert interfaces.resolve(loopback) == interfaces.resolve("1")
    assert interfaces.resolve("any") is interfaces.ANY
    for text in ("0", "4294967295", "", "²", "x" * 100, "new\nline"):
        with pytest.raises(LiveError, match="no such interface") as refused:
            interfaces.resolve(text)
        assert "\n" not in str(refused.value)


@linux
def test_the_default_interface_is_that_of_the_default_route(network):
    host, far = network.client, ("dev", "far")
    steps = [
        [["link", "add", "far", "type", "veth", "peer", "far-end"], ["link", "set", "far", "up"]],
        [["-6", "route", "add", "default", *far]],
        [["-6", "route", "del", "default"], ["route", "add", "default", *far, "metric", "20"]],
        [["-6", "route", "add", "default", "dev", "wire"]],  # IPv4's comes first
        [["route", "add", "default", "dev", "wire", "metric", "10"]],
        [["link", "set", "wire", "down"]],
    ]
    taken = []
    try:
        for commands in steps:
            for words in commands:
                host.ip(*words)
            with host():
                taken.append(interfaces.default_interface())
    finally:
        host.ip("link", "del", "far")
        host.ip("link", "del", "wire")
        network.plug()
    route = "default route"
    assert taken == [("wire", "the first that is up"), *[("far", route)] * 3, ("wire", route), ("far", route)]


@linux
def test_an_unsupported_netlink_dump_is_empty():
    """The kernel answers with a single error message."""
    assert list(interfaces._dump(0xFFFE, 0xFFFE)) == []


@linux
@pytest.mark.parametrize("ask", [interfaces.interfaces, interfaces.default_interface, lambda: interfaces.resolve("lo")])
def test_a_sandbox_without_netlink(monkeypatch, ask):
    def refused(*_words):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(interfaces.socket, "socket", refused)
    with pytest.raises(LiveError, match=r"netlink.*not permitted.*--backend tcpdump"):
        ask()


def test_similar_names_are_suggested():
    names = ["lo", "eth0", "wlan0", "any"]
    assert interfaces.no_such("eth1", names) == "eth1: no such interface; did you mean eth0? hsi live -D lists them all"
    assert interfaces.no_such("9", names) == "9: no such interface; there are lo, eth0, wlan0, any"
    many = [f"veth{n}" for n in range(20)]
    assert interfaces.no_such("9", many).endswith("veth7, …")


# Why not, and what to do


WHOLE = "000001ffffffffff"
WITHOUT_RAW = "00000000a80405fb"  # Docker's own set is 00000000a80425fb


def bound(root, capabilities):
    """Write the capability bounding set of processes."""
    (root / "proc/self").mkdir(parents=True, exist_ok=True)
    (root / "proc/self/status").write_text(f"CapEff:\t{0:016x}\nCapBnd:\t{capabilities}\n")


@pytest.fixture
def plain(tmp_path, monkeypatch):
    """The file system of a machine that is no container, and a user who is not root but may use sudo."""
    (tmp_path / "proc/1").mkdir(parents=True)
    bound(tmp_path, WHOLE)
    (tmp_path / "proc/1/cgroup").write_text("0::/init.scope\n")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(sys, "platform", "linux")
    return tmp_path


def test_a_user_is_advised_of_sudo_and_of_the_interpreter(plain):
    message = refusals.no_permission("eth0", str(plain))
    assert "user 1000" in message
    assert f"(sudo {os.path.realpath(sys.argv[0])} …)" in message
    assert f"sudo setcap cap_net_raw+ep {Path(sys.executable).resolve()}" in message
    assert "tcpdump -U -i eth0 -w - | hsi live -r -" in message
    assert "\n" not in message


@pytest.mark.parametrize("mark", [".dockerenv", "run/.containerenv", None])
def test_a_container_is_advised_of_its_capability(plain, mark):
    if mark:
        (plain / mark).parent.mkdir(exist_ok=True)
        (plain / mark).touch()
    else:
        (plain / "proc/1/cgroup").write_text("0::/kubepods/besteffort/pod1\n")
    assert "--cap-add=NET_RAW" not in refusals.no_permission("eth0", str(plain))  # it has it: root may capture
    bound(plain, WITHOUT_RAW)
    assert "--cap-add=NET_RAW" in refusals.no_permission("eth0", str(plain))


def test_sudo_is_not_advised_if_the_capability_is_out_of_reach(plain):
    bound(plain, WITHOUT_RAW)
    message = refusals.no_permission("eth0", str(plain))
    assert "bounding set" in message
    assert "with sudo" not in message
    assert "setcap" not in message


def test_a_root_without_the_capability(plain, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert "which this root user lacks" in refusals.no_permission("eth0", str(plain))


def test_a_mac_is_advised_of_bpf(plain, monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert "/dev/bpf" in refusals.no_permission("en0", str(plain))


# Who this process becomes


@pytest.fixture
def become(monkeypatch):
    """Record the account instead of switching to it."""
    became = []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(privileges, "_become", became.append)
    for name in ("SUDO_UID", "SUDO_GID"):
        monkeypatch.delenv(name, raising=False)
    return became


def test_root_becomes_the_user_who_called_sudo(become, monkeypatch):
    monkeypatch.setenv("SUDO_UID", "54321")
    monkeypatch.setenv("SUDO_GID", "54322")
    assert privileges.drop() == ("54321", 54321, 54322)
    assert len(become) == 1


def test_root_becomes_nobody(become):
    assert privileges.drop().name == "nobody"
    assert become[0].uid != 0


@pytest.mark.parametrize("number", ["0", "-1", "x", ""])
def test_odd_sudo(become, monkeypatch, number):
    monkeypatch.setenv("SUDO_UID", number)
    monkeypatch.setenv("SUDO_GID", "0")
    account = privileges.drop()
    assert account is None if number == "0" else account.name == "nobody"


def test_root_may_stay_root(become):
    assert privileges.drop("root") is None
    assert become == []


def test_no_such_user(become):
    with pytest.raises(UsageError, match=r"^-Z nosuchuser: no such user"):
        privileges.drop("nosuchuser")


def test_a_container_that_cannot(become, monkeypatch):
    def refuse(account):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(privileges, "_become", refuse)
    assert privileges.drop() is None
    with pytest.raises(LiveError, match=r"^-Z nobody: cannot become nobody"):
        privileges.drop("nobody")


def test_other_users_do_not_change(become, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert privileges.drop() is None
    with pytest.raises(LiveError, match="only root"):
        privileges.drop("nobody")
