"""Hand-made reports: what a good, a bad, an empty and a flooded capture look like once analysed."""

from collections import Counter

from handshake_inspect.report.afterwards_counts import of_connections
from handshake_inspect.report.connection_parts import Server
from handshake_inspect.report.model import (
    Aliases,
    Capture,
    Close,
    Connection,
    Connections,
    Direction,
    Distribution,
    Endpoint,
    Evidence,
    Finding,
    Handshake,
    Leg,
    ListedConnections,
    Options,
    Outcomes,
    Problem,
    Report,
    Rtt,
    RttDistributions,
    Service,
    States,
    Summary,
    Target,
    Tool,
    TsharkAlias,
    ZeekAlias,
)

START = 1_795_000_000_123_456_789  # 2026-11-18 11:06:40 UTC
MS = 1_000_000
SECOND = 1_000 * MS

LINUX_SYN = Options(mss=1460, window_scale=7, sack_permitted=True, timestamps=True)

_ENDS = {
    "established": ("TIME_WAIT", "CLOSED", "fin"),
    "refused": ("CLOSED", "CLOSED", "rst"),
    "rejected": ("CLOSED", "LISTEN", "open"),
    "timed-out": ("SYN_SENT", "LISTEN", "timeout"),
    "pending": ("SYN_SENT", "LISTEN", "open"),
    "half-open": ("SYN_SENT", "SYN_RECEIVED", "open"),
    "aborted": ("CLOSED", "CLOSED", "rst"),
    "unsolicited": ("CLOSED", "SYN_RECEIVED", "open"),
    "midstream": ("ESTABLISHED", "ESTABLISHED", "open"),
}
_CAUSES = {
    "refused": ("closed-port", "{server} answered with RST 0.2 ms after the SYN: nothing listens on the port."),
    "rejected": ("admin-prohibited", "192.0.2.254 answered with ICMP 'communication administratively prohibited'."),
    "timed-out": ("port-filtered", "7 SYNs in 127 s without any answer, while the host answers on other ports."),
    "pending": (None, "One SYN without an answer 0.3 s before the capture ends."),
    "half-open": (
        "accept-queue-overflow",
        "The client's ACK (frame 12) is in the capture and the server sends its SYN-ACK again all the same: its accept "
        "queue is full.",
    ),
    "aborted": (None, "The client sent RST right after the SYN-ACK, as a SYN scan or a cancelled connect does."),
    "unsolicited": (None, "A SYN-ACK without any SYN."),
    "midstream": (None, "The capture begins after the connection was opened."),
}


def leg(value_ns, method="exact"):
    return Leg(value_ns, value_ns, value_ns, method) if value_ns is not None else Leg(method="none", reason="refused")


def connection(number=0, outcome="established", **changes):
    """Connection `number`, told apart by client port; an established one lost no SYN by default."""
    client = changes.pop("client", Endpoint("10.0.0.1", 40_000 + number % 20_000))
    server = changes.pop("server", Endpoint("10.0.0.2", 443))
    server = server if isinstance(server, Server) else Server(server.ip, server.port)
    rtt_ns = changes.pop("rtt_ns", 40 * MS + 13_000 * number) if outcome == "established" else None
    syns = changes.pop("syns", 7 if outcome == "timed-out" else 1)
    started = changes.pop("first_ns", START + number * 7 * MS)
    client_state, server_state, how = _ENDS[outcome]
    cause, why = _CAUSES.get(outcome, (None, "SYN, SYN-ACK and ACK completed the handshake."))
    answered = outcome in ("established", "half-open", "aborted")
    fields = {
        "id": number,
        "client": client,
        "server": server,
        "roles": "inferred" if outcome == "midstream" else "observed",
        "first_ns": started,
        "last_ns": started + 2 * SECOND,
        "first_frame": 1 + number * 9,
        "outcome": outcome,
        "cause": cause,
        "decided": outcome != "pending",
        "why": why.format(server=server.ip),
        "evidence": [1 + number * 9, 2 + number * 9],
        "age_ns": 2 * SECOND if outcome == "half-open" else None,
        "state": States(client_state, server_state),
        "handshake": Handshake(
            syn_ns=started,
            syn_frame=1 + number * 9,
            synack_ns=started + rtt_ns if rtt_ns else None,
            syn_count=syns,
            synack_count=int(answered),
            client_isn=0xDEADBEEF,
            client_options=LINUX_SYN,
            server_options=LINUX_SYN if answered else None,
        ),
        "rtt": Rtt(
            leg(rtt_ns),
            leg(rtt_ns and 35_000),
            leg(rtt_ns and rtt_ns + 35_000),
            200_000 if outcome == "refused" else None,
        ),
        "close": Close(how, "client" if how == "fin" else None, "server" if outcome == "refused" else None),
        "stage": "post-syn" if outcome == "refused" else None,
        "client_to_server": Direction(frames=5, bytes=517 + number if outcome == "established" else 0),
        "server_to_client": Direction(frames=4, bytes=130_211 if outcome == "established" else 0),
        "aliases": Aliases(ZeekAlias("SF", "ShADadFf"), TsharkAlias(number, 31), "1:wCb3OG7yAFWelaUydu0D+125CLM="),
    }
    return Connection(**{**fields, **changes})


def distribution(values):
    ordered = sorted(values)

    def rank(percent):
        return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]

    if not ordered:
        return Distribution()
    return Distribution(len(ordered), ordered[0], rank(50), rank(90), rank(95), rank(99), ordered[-1])


def distributions(connections):
    return RttDistributions(
        *(
            distribution([leg.value_ns for c in connections if (leg := getattr(c.rtt, name)).value_ns is not None])
            for name in ("synack", "ackdat", "total")
        )
    )


def report(connections, findings=(), **capture):
    """Everything a report of these connections says."""
    services = Counter(connection.server.service for connection in connections)
    by_server = {server: [c for c in connections if c.server.service == server] for server in services}
    fields = {
        "sources": ["capture.pcapng"],
        "format": "pcapng",
        "link_types": ["Ethernet"],
        "frames": len(connections) * 9,
        "tcp_segments": len(connections) * 9,
        "first_ns": START,
        "last_ns": START + 130 * SECOND,
        "dropped_by_kernel": 0,
        "complete": True,
        "problems": [],
    }

    def outcomes(server=None):
        return Outcomes.of(Counter(c.outcome for c in connections if server in (None, c.server.service)))

    return Report(
        tool=Tool("hsi", "0.1.0"),
        capture=Capture(**{**fields, **capture}),
        summary=Summary(
            len(connections), outcomes(), distributions(connections), afterwards=of_connections(connections)
        ),
        services=[
            Service(server, count, outcomes(server), distributions(by_server[server]))
            for server, count in services.most_common()
        ],
        connections=ListedConnections(connections),
        findings=list(findings),
    )


def healthy():
    return report([connection(number) for number in range(40)])


def troubled():
    """Some of every kind, on several services, in a capture that is cut."""
    kinds = ["refused", "timed-out", "half-open", "rejected", "aborted", "pending", "unsolicited", "midstream"]
    connections = [connection(number) for number in range(60)]
    for offset, outcome in enumerate(kinds * 5):
        port = {"refused": 8080, "timed-out": 22, "half-open": 80}.get(outcome, 443)
        server = Endpoint("192.168.100.200" if offset % 3 else "10.0.0.2", port)
        connections.append(connection(60 + offset, outcome, server=server))
    long_client = Endpoint("2001:db8:1234:5678:9abc:def0:1234:5678", 54321)
    long_server = Endpoint("2001:db8:ffff:5678:9abc:def0:1234:9999", 443)
    connections.append(
        connection(
            100,
            client=long_client,
            server=long_server,
            syns=2,
            rtt_ns=1_040 * MS,
            why="The first SYN was lost: the connect paid 1.0 s more.",
        )
    )
    overflow = Finding(
        id="accept-queue-overflow",
        severity="warning",
        title="10.0.0.2:80 completed 5 handshakes that its application did not accept in time",
        target=Target("10.0.0.2", 80),
        start_ns=START,
        end_ns=START + SECOND,
        metrics={"connections": 5, "recovered": 0},
        evidence=Evidence(connections=[62, 70]),
        advice="Accept faster, or raise the backlog of listen() and the sysctl net.core.somaxconn.",
    )
    return report(
        connections,
        [overflow],
        complete=False,
        dropped_by_kernel=12,
        problems=[Problem("cut", "the file ends inside a frame", 909, 81_234)],
    )


def empty():
    """A capture of two frames that are not TCP."""
    return report([], frames=2, tcp_segments=0, last_ns=START + 20 * MS, dropped_by_kernel=None)


class Flood(Connections):
    """Three million half-open connections, none of which exists before it is asked for."""

    made = 0

    def __len__(self):
        return 3_000_000

    def connection(self, index):
        self.made += 1
        client = Endpoint(
            f"{11 + index % 89}.{index // 65536 % 256}.{index // 256 % 256}.{index % 256}", 1024 + index % 60_000
        )
        return connection(
            index,
            "half-open",
            client=client,
            server=Endpoint("203.0.113.10", 80),
            first_frame=index + 1,
            first_ns=START + index * 2_000,
            cause="no-final-ack",
            why="The SYN-ACK was never acknowledged.",
        )

    @property
    def trouble_count(self):
        return len(self)

    def trouble(self, limit=None):
        return self[: len(self) if limit is None else limit]


def flooded():
    connections = Flood()
    outcomes = Outcomes(half_open=3_000_000)
    return Report(
        tool=Tool("hsi", "0.1.0"),
        capture=Capture(
            ["-"],
            "pcap",
            ["Ethernet", "Linux cooked v2"],
            6_000_000,
            6_000_000,
            START,
            START + 6 * SECOND,
            None,
            True,
            [],
        ),
        summary=Summary(3_000_000, outcomes),
        services=[Service(Endpoint("203.0.113.10", 80), 3_000_000, outcomes)],
        connections=connections,
        findings=[],
    )


SAMPLES = {"healthy": healthy, "troubled": troubled, "empty": empty, "flooded": flooded}
