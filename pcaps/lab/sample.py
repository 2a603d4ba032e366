"""One sample in the making: its network, its capture, what the kernel said, and what follows from it.

Expectations come from the definitions of the outcomes and from the kernel's own words (errno, `ss`, TCP_INFO), never
from what hsi prints: a sample that agrees with a wrong program proves nothing.
"""

from __future__ import annotations

import json
import platform
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path as File
from typing import Any

from lab import kernel
from lab.capture import Capture, DisturbedError, read
from lab.kernel import Attempt
from lab.namespace import Host, run
from lab.path import Path

FINDINGS = (
    "refused", "rejected", "timed-out", "half-open", "syn-flood", "syn-cookies", "accept-queue-overflow",
    "syn-retransmission", "port-scan", "backscatter", "rst-injection", "slow-handshake", "slow-client-ack",
    "stale-peer", "port-reuse", "time-wait-pressure", "connection-churn", "predictable-isn", "capture-quality",
    "reflection", "ack-flood", "rst-flood", "stalled", "path-mtu", "idle-timeout", "keep-alive-race", "tls-failed",
    "tls-slow-server", "tls-slow-client", "tls-extra-round-trip", "nagle-stall", "tls-no-resumption", "tls-old-version",
    "protocol-mismatch", "quic-blocked", "quic-failed", "quic-retry", "quic-version-negotiation", "lookup-failed",
    "slow-lookup", "ipv6-broken", "dead-address", "early-reset", "address-conflict",
)  # fmt: skip
_FLAGS = re.compile(r"IP6? (\S+)\.(\d+) > (\S+)\.(\d+): Flags \[([^\]]*)\]")
_MOST_SOCKETS = 24
MILLISECOND = 1_000_000
SCENARIOS: dict[str, Callable[[Sample], None]] = {}


def scenario(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a scenario; several names give as many samples, each with its own name as an argument."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        if not names:
            SCENARIOS[function.__name__.replace("_", "-")] = function
        for name in names:
            SCENARIOS[name] = function
        return function

    return register


def summary(name: str) -> str:
    """The sentence that says what a sample shows; `{name: text}` tables of shared scenarios win over the docstring."""
    function = SCENARIOS[name]
    texts: dict[str, str] = getattr(function, "texts", {})
    return texts.get(name) or " ".join((function.__doc__ or "").split("\n\n")[0].split())


def sentences(**texts: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give each name of a shared scenario its own sentence."""

    def tell(function: Callable[..., None]) -> Callable[..., None]:
        function.texts = {name.replace("_", "-"): text for name, text in texts.items()}  # type: ignore[attr-defined]
        return function

    return tell


def close_to(info: dict[str, int], method: str = "exact") -> dict[str, Any]:
    """What a capture on the same host must find for the round trip that TCP_INFO reports.

    The kernel's clock starts before the capture sees the segment and stops after it, so the capture's figure is the
    smaller one; a busy machine widens the gap.
    """
    rtt = info["rtt_us"] * 1000
    return {
        "method": method,
        "min_ns": max(0, rtt - max(2 * MILLISECOND, rtt // 10)),
        "max_ns": rtt + MILLISECOND // 5,
        "kernel_ns": rtt,
    }


def undisturbed(condition: bool, what: str) -> None:
    """Ask for another try unless the condition holds."""
    if not condition:
        raise DisturbedError(what)


class Sample:
    """Everything a scenario needs; whatever it makes is removed when the sample is closed."""

    def __init__(self, name: str, out: File) -> None:
        self.name, self.out = name, out
        self.file = out / f"{name}.pcap"
        self.stack = ExitStack()
        self.hosts: list[Host] = []
        self.path: Path | None = None
        self._capture: Capture | None = None
        self._sockets: dict[str, list[dict[str, str]]] = {}
        self._attempts: list[Attempt] = []
        self._connections: list[dict[str, Any]] = []
        self._quic: list[dict[str, Any]] = []
        self._outcomes: dict[str, Any] | None = None
        self._findings: dict[str, Any] = {}
        self._maybe: set[str] = set()
        self._clock: list[dict[str, Any]] = []

    # --- the network -------------------------------------------------------------------------------------------------

    def host(self, label: str, ipv6: bool = False) -> Host:
        """Add a host."""
        made = Host(label, ipv6)
        self.stack.callback(made.remove)
        self.hosts.append(made)
        return made

    def pair(self, delay: float | None = None, ipv6: bool = False) -> tuple[Host, Host]:
        """Join a client and a server: a veth pair, or with a `delay` a path of that many seconds each way."""
        client, server = self.host("client", ipv6), self.host("server", ipv6)
        if delay is None:
            link(client, server)
        else:
            self.path = Path(client, server, delay)
            self.stack.callback(self.path.stop)
        addresses = ("fd00::1", "fd00::2") if ipv6 else ("10.0.0.1", "10.0.0.2")
        for host, address in zip((client, server), addresses, strict=True):
            address_interface(host, "eth0", address)
        acquaint(client, server)
        if self.path is not None:
            self.path.start()
        return client, server

    def routed(self) -> tuple[Host, Host, Host]:
        """Put a router between client and server; its interfaces are eth0 (client side) and eth1 (server side)."""
        client, router, server = self.host("client"), self.host("router"), self.host("server")
        router.sysctl("net.ipv4.ip_forward", 1)
        link(client, router)
        link(server, router, "eth0", "eth1")
        for host, interface, address in (
            (client, "eth0", "10.0.0.1"), (router, "eth0", "10.0.0.254"),
            (router, "eth1", "10.0.1.254"), (server, "eth0", "10.0.1.2"),
        ):  # fmt: skip
            address_interface(host, interface, address)
        acquaint(client, router)
        acquaint(router, client)
        acquaint(server, router, "eth0", "eth1")
        acquaint(router, server, "eth1", "eth0")
        client.ip, server.ip = "10.0.0.1", "10.0.1.2"
        client.run("ip", "route", "add", "default", "via", "10.0.0.254")
        server.run("ip", "route", "add", "default", "via", "10.0.1.254")
        return client, router, server

    def the_path(self) -> Path:
        """The path of a pair that was made with a delay."""
        assert self.path is not None
        return self.path

    # --- the capture -------------------------------------------------------------------------------------------------

    @contextmanager
    def capture(self, host: Host, **how: Any) -> Iterator[Capture]:
        """Capture on a host; when the block ends, the kernels are asked for their sockets and the file is closed."""
        running = Capture(host, self.file, **how)
        self._capture = running
        try:
            yield running
            running.settle()
            self._sockets = {each.label: kernel.sockets(each) for each in self.hosts}
            running.stop()
        finally:
            running.kill()

    # --- what must be found ------------------------------------------------------------------------------------------

    def expect(self, who: Attempt | tuple[tuple[str, int], tuple[str, int]], outcome: str, **more: Any) -> None:
        """Expect a connection; states, SYN and SYN-ACK counts are filled in from the kernel and from tcpdump.

        A keyword with the value `...` says that the figure cannot be known from the capture and must not be held.
        """
        if isinstance(who, Attempt):
            self._attempts.append(who)
            client, server = who.client, who.server
        else:
            client, server = who
        self._connections.append({"client": client, "server": server, "outcome": outcome, **more})

    def expect_quic(self, client: tuple[str, int], server: tuple[str, int], outcome: str, **more: Any) -> None:
        """Expect a QUIC connection."""
        ends = {name: {"ip": end[0], "port": end[1]} for name, end in (("client", client), ("server", server))}
        self._quic.append({**ends, "outcome": outcome, **more})

    def saw(self, attempt: Attempt) -> None:
        """Record what the kernel said of an attempt that is not expected one by one."""
        self._attempts.append(attempt)

    def expect_outcomes(self, **outcomes: Any) -> None:
        """Expect counts per outcome where the connections are too many to list; `[low, high]` is a range."""
        self._outcomes = {name.replace("_", "-"): count for name, count in outcomes.items()}

    def finding(self, name: str, target: tuple[str, int | None] | None = None, **metrics: Any) -> None:
        """Expect a finding, about this service or host where given."""
        assert name in FINDINGS, name
        self._findings[name] = {}
        if target is not None:
            self._findings[name]["target"] = {"ip": target[0], "port": target[1]}
        if metrics:
            self._findings[name]["facts"] = metrics

    def clock(self, attempt: Attempt, stamps: dict[str, int]) -> None:
        """Record what the client's own clock said: nanoseconds from before connect() to the end of each call."""
        since = {f"{name}_ns": at - stamps["start"] for name, at in stamps.items() if name != "start"}
        self._clock.append({"client": {"ip": attempt.client[0], "port": attempt.client[1]}, **since})

    def maybe(self, *names: str) -> None:
        """Leave these findings open: they would be right, and so would be silence."""
        assert set(names) <= set(FINDINGS), names
        self._maybe.update(names)

    # --- the file beside the capture ---------------------------------------------------------------------------------

    def _state(self, address: tuple[str, int], peer: tuple[str, int]) -> str:
        for found in self._sockets.values():
            for each in found:
                if each["local"] == kernel.written(address) and each["peer"] == kernel.written(peer):
                    return kernel.STATES[each["state"]]
        return "CLOSED"

    def _connection(self, connection: dict[str, Any], counts: Counter[tuple[Any, ...]]) -> dict[str, Any]:
        client, server = connection["client"], connection["server"]
        full = {
            **connection,
            "client": {"ip": client[0], "port": client[1]},
            "server": {"ip": server[0], "port": server[1], **connection.get("named", {})},
        }
        full.pop("named", None)
        full.setdefault("decided", connection["outcome"] != "pending")
        full.setdefault("state", {"client": self._state(client, server), "server": self._state(server, client)})
        full.setdefault("syn_count", counts[client, server, "S"])
        full.setdefault("synack_count", counts[server, client, "S."])
        return _held(full)

    def _kernel(self) -> dict[str, Any]:
        said: dict[str, Any] = {"release": platform.release(), "attempts": []}
        for attempt in self._attempts[:_MOST_SOCKETS]:
            said["attempts"].append(
                {
                    "client": {"ip": attempt.client[0], "port": attempt.client[1]},
                    "server": {"ip": attempt.server[0], "port": attempt.server[1]},
                    "errno": attempt.error,
                    "tcp_info": attempt.info or None,
                }
            )
        if self._clock:
            said["clock"] = self._clock
        said["ss"] = {label: found[:_MOST_SOCKETS] for label, found in self._sockets.items()}
        said["ss_counts"] = {
            label: dict(sorted(Counter(each["state"] for each in found).items()))
            for label, found in self._sockets.items()
        }
        return said

    def write(self) -> None:
        """Write the JSON beside the capture."""
        assert self._capture is not None
        order: dict[frozenset[tuple[str, int]], int] = {}
        counts: Counter[tuple[Any, ...]] = Counter()
        lines = read(self.file)
        for line in lines:
            if match := _FLAGS.search(line):
                source, target = (match[1], int(match[2])), (match[3], int(match[4]))
                order.setdefault(frozenset((source, target)), len(order))
                counts[source, target, re.sub("[EW]", "", match[5])] += 1
        self._connections.sort(key=lambda each: order.get(frozenset((each["client"], each["server"])), len(order)))
        connections = [self._connection(each, counts) for each in self._connections]
        outcomes = self._outcomes or dict(sorted(Counter(each["outcome"] for each in connections).items()))
        document = {
            "name": self.name,
            "description": summary(self.name),
            "capture": {
                "file": self.file.name,
                "host": self._capture.host.label,
                "interface": self._capture.interface,
                "filter": self._capture.expression,
                "snaplen": self._capture.snap or 262144,
                "frames": frames(self.file),
            },
            "kernel": self._kernel(),
            "expected": {
                "connections": connections if self._outcomes is None else None,
                "outcomes": outcomes,
                **({"quic_connections": self._quic} if self._quic else {}),
                "findings": self._findings,
                "not_findings": [name for name in FINDINGS if name not in self._findings and name not in self._maybe],
            },
        }
        (self.out / f"{self.name}.json").write_text(json.dumps(document, indent=1) + "\n")


def _held(wanted: dict[str, Any]) -> dict[str, Any]:
    """What is to be held: `...` is not, wherever it stands."""
    return {
        key: _held(value) if isinstance(value, dict) else value for key, value in wanted.items() if value is not ...
    }


def frames(file: File) -> int:
    """How many records a pcap file of this machine's byte order holds."""
    data = file.read_bytes()
    at, count = 24, 0
    while at + 16 <= len(data):
        at += 16 + int.from_bytes(data[at + 8 : at + 12], "little")
        count += 1
    return count


def link(one: Host, other: Host, name: str = "eth0", other_name: str = "eth0") -> None:
    """Join two hosts by a veth pair."""
    run("ip", "link", "add", name, "netns", one.namespace, "type", "veth", "peer", "name", other_name,
        "netns", other.namespace)  # fmt: skip


def address_interface(host: Host, interface: str, address: str) -> None:
    """Give an interface its address and bring it up."""
    host.ip = address
    width = "64" if ":" in address else "24"
    host.run("ip", "address", "add", f"{address}/{width}", "dev", interface)
    host.run("ip", "link", "set", interface, "up")


def acquaint(one: Host, other: Host, interface: str = "eth0", other_interface: str = "eth0") -> None:
    """Teach both hosts the other's link address, so that no address resolution delays a handshake."""
    for host, port, neighbour, neighbour_port in (
        (one, interface, other, other_interface),
        (other, other_interface, one, interface),
    ):
        shown = json.loads(neighbour.run("ip", "-j", "address", "show", "dev", neighbour_port))[0]
        for address in shown["addr_info"]:
            if address["scope"] == "global":
                host.run("ip", "neigh", "replace", address["local"], "lladdr", shown["address"], "dev", port,
                         "nud", "permanent")  # fmt: skip
