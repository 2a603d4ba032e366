"""Hand-made moments of live captures: a quiet one, one in trouble, a flood, and names that mean harm."""

import math

from handshake_inspect.report.model import (
    OUTCOMES,
    Distribution,
    Endpoint,
    Evidence,
    Finding,
    Outcomes,
    RttDistributions,
    Service,
    Target,
)
from handshake_inspect.report.snapshot import Second, Snapshot, TroubleGroup
from support.reports import MS, SECOND, START, connection

HEALTHY_NS = 130 * SECOND


def rtt(p50_ns, p99_ns, client_ns=35_000, count=100):
    def leg(p50, p99):
        return Distribution(count, p50 // 2, p50, p50 * 2, p99 // 2, p99, p99 * 2)

    return RttDistributions(leg(p50_ns, p99_ns), leg(client_ns, client_ns * 2), leg(p50_ns + client_ns, p99_ns))


def seconds(attempts, now_ns, failing=0.02):
    """A history of one part per second; the last one ends now."""
    count = len(attempts)
    made = []
    for place, number in enumerate(attempts):
        bad = int(number * failing)
        outcomes = {"established": number - bad, "refused": bad // 2, "timed-out": bad - bad // 2}
        made.append(Second(now_ns - (count - 1 - place) * SECOND, number, outcomes))
    return made


def wave(count, most):
    return [int(most * (0.6 + 0.3 * math.sin(place / 5) + 0.1 * math.sin(place * 1.7))) for place in range(count)]


def snapshot(**changes):
    now = START + HEALTHY_NS
    values = {
        "at_ns": now,
        "elapsed_ns": HEALTHY_NS,
        "interface": "eth0",
        "frames": 1_604_200,
        "tcp_segments": 1_590_112,
        "connections": 148_211,
        "tracked": 3_211,
        "outcomes": {"established": 148_000, "pending": 12},
        "half_open": 3,
        "half_open_peak": 18,
        "rtt": rtt(12_400_000, 48_300_000),
        "history": seconds(wave(60, 1_400), now, 0),
        "services": [service("10.0.0.2", 443, 120_000), service("10.0.0.3", 80, 28_211)],
        "trouble": [],
        "findings": [],
        "received": 1_604_200,
        "dropped": 0,
    }
    values |= changes
    values.setdefault("groups", grouped(values["trouble"]))
    values.setdefault("newest", [*values["trouble"]])
    return Snapshot(**values)


def service(ip, port, count, p50_ms=12.4, p99_ms=48.3, **failed):
    outcomes = Outcomes(established=count - sum(failed.values()), **failed)
    return Service(Endpoint(ip, port), count, outcomes, rtt(int(p50_ms * MS), int(p99_ms * MS)))


def grouped(trouble):
    """Groups of connections in trouble, those with the newest first."""
    kinds = {}
    for each in sorted(trouble, key=lambda one: -one.first_ns):
        kinds.setdefault((each.outcome, each.cause, each.server.service), []).append(each)
    return [TroubleGroup(*kind, len(those), those[0].first_ns) for kind, those in kinds.items()]


def finding(name, severity, title, advice, target):
    return Finding(name, severity, title, target, START, None, {}, Evidence(), advice)


def healthy():
    return snapshot()


def troubled():
    """Everything there is, at once."""
    now = START + HEALTHY_NS
    kinds = ("refused", "timed-out", "half-open", "rejected", "aborted")
    trouble = []
    for place in range(15):
        outcome = kinds[place // 3]
        port = {"refused": 8080, "timed-out": 22, "half-open": 80}.get(outcome, 443)
        trouble.append(
            connection(
                500 - place, outcome, server=Endpoint("10.0.0.2", port), first_ns=now - place * 3 * SECOND - 200 * MS
            )
        )
    ends = {
        "client": Endpoint("2001:db8:1234:5678:9abc:def0:1234:5678", 54321),
        "server": Endpoint("2001:db8:ffff:5678:9abc:def0:1234:9999", 443),
    }
    trouble.insert(2, connection(777, "refused", first_ns=now - 5 * SECOND, **ends))
    findings = [
        finding(
            "syn-retransmission", "info", "4.2 % of connects to 10.0.0.2:443 paid 1 s for a lost SYN",
            "Look for loss on the way to the server.", Target("10.0.0.2", 443),
        ),
        finding(
            "accept-queue-overflow", "critical",
            "10.0.0.2:80 completed 412 handshakes that its application did not accept in time",
            "Accept faster, or raise the backlog of listen() and the sysctl net.core.somaxconn.",
            Target("10.0.0.2", 80),
        ),
        finding(
            "refused", "warning", "10.0.0.2:8080 refused 1,312 of 1,312 attempts: nothing listens there",
            "Start the service, or tell its clients where it has gone.", Target("10.0.0.2", 8080),
        ),
    ]  # fmt: skip
    services = [
        service("10.0.0.2", 443, 120_000, timed_out=240),
        service("10.0.0.2", 80, 28_211, 38, 3_100, half_open=412, refused=9),
        service("2001:db8:ffff:5678:9abc:def0:1234:9999", 443, 9_001, 80, 240, aborted=3),
        Service(Endpoint("10.0.0.2", 8080), 1_312, Outcomes(refused=1_312)),
        service("192.168.100.200", 5432, 800, 0.2, 0.9),
        *(service(f"192.168.100.{host}", 443, 700 - host, 1.2, 1.9) for host in range(12)),
    ]
    outcomes = dict(zip(OUTCOMES, (156_000, 1_321, 44, 240, 12, 412, 31, 7, 90), strict=True))
    return snapshot(
        outcomes=outcomes, connections=158_157, half_open=412, half_open_peak=1_890, trouble=trouble,
        findings=findings, services=services, history=seconds(wave(120, 1_400), now, 0.08), dropped=12_345,
        rtt=rtt(40_400_000, 1_040_000_000), interface="bond0.200",
    )  # fmt: skip


def flooded():
    now = START + HEALTHY_NS
    history = seconds([200] * 40 + [199_000] * 20, now, 0)
    return snapshot(
        outcomes={"established": 40, "half-open": 2_999_960}, connections=3_000_000, half_open=255_000,
        half_open_peak=1_255_000, history=history, received=None, dropped=None, frames=6_000_000,
        services=[Service(Endpoint("203.0.113.10", 80), 3_000_000, Outcomes(half_open=2_999_960, established=40))],
        findings=[finding(
            "syn-flood", "critical", "203.0.113.10:80 is flooded: 199,000 SYNs/s, none of which completes",
            "Turn on net.ipv4.tcp_syncookies.", Target("203.0.113.10", 80),
        )],
        trouble=[connection(place, "half-open", first_ns=now, why="The SYN-ACK was never acknowledged.", cause=None)
                 for place in range(20)],
    )  # fmt: skip


def starting():
    """The first moments: nothing is known yet."""
    return snapshot(
        at_ns=START, elapsed_ns=200 * MS, frames=3, tcp_segments=1, connections=1, tracked=1, outcomes={},
        half_open=0, half_open_peak=0, rtt=RttDistributions(), history=[Second(START, 1, {})], services=[],
        received=3,
    )  # fmt: skip


def hostile():
    """Names that would drive a terminal, if anything obeyed them."""
    bad = "\x1b[2J\x1b]0;owned\x07\x9b31m\n\r\u202e"
    return snapshot(
        interface=f"eth{bad}",
        trouble=[connection(1, "refused", why=f"why {bad}", server=Endpoint(f"10.0.0.9{bad}", 80))],
        services=[service(f"10.0.0.9{bad}", 80, 5)],
        findings=[finding("refused", "warning", f"title {bad}", f"advice {bad}", None)],
    )


SAMPLES = {
    "healthy": healthy, "troubled": troubled, "flooded": flooded, "starting": starting,
}  # fmt: skip
