"""Every threshold of a rule, met exactly and missed by one: `docs/verdicts.md` states them."""

import random

import pytest
from support import frames
from support.detected import MS, SECOND, START, Wire, chance, crowd, found, merged, repeats

OTHERS = "192.0.2.99"
HOST = frames.SERVER[0]


def healthy(wire, number=0):
    wire.handshake().exchange().close()


def fine(count, **words):
    """Connections of somebody else to the same service, and time for all others to be judged."""
    return [*crowd(count, healthy, address=OTHERS, every=20 * MS, **words), Wire(start=START + 90 * SECOND).quiet(0)]


def refused(wire, number=0):
    wire.client.syn()
    wire.server.refuse()


def turned_away(wire, number):
    wire.handshake().client.data(80)
    wire.server.rst_ack()


def stands_still(copies, rto):
    def act(wire, number):
        wire.handshake().exchange()
        repeats(wire.client, 120, copies, rto=rto)

    return act


def stands_still_for(ns):
    """Four copies, the last one so long after the first segment."""

    def act(wire, number):
        wire.handshake().exchange()
        seq, begun = wire.client.snd_nxt, wire.now
        for since in (0, 200 * MS, 600 * MS, 1400 * MS, ns):
            wire.now = begun + since
            wire.client.data(120, seq=seq, lost="after", stay=True)

    return act


def keeps_alive(probes, *, gives_up=False):
    def act(wire, number):
        wire.handshake().exchange().wait(120 * SECOND)
        for _ in range(probes):
            wire.client.ack(seq=wire.client.snd_nxt - 1, lost="after")
            wire.wait(SECOND)
        if gives_up:
            wire.client.rst_ack()

    return act


def reset_after(*pauses):
    def act(wire, number):
        wire.handshake().exchange().wait(pauses[number % len(pauses)])
        wire.server.rst_ack()

    return act


def crosses(wire, number, pause=5 * SECOND):
    """A request that meets the FIN of the server."""
    wire.handshake().exchange().wait(pause)
    wire.client.data(100, stay=True)
    wire.wait(5 * MS)
    wire.server.fin(stay=True)
    wire.wait(40 * MS)
    wire.server.rst(seq=wire.client.rcv_nxt)


def lost_syn(wire, number):
    wire.client.syn(lost="after")
    wire.wait(SECOND)
    wire.handshake()


def strangers(count, flags, *, span=9 * SECOND):
    """Single segments of unknown sources, which a kernel answers as it must."""
    drawn = random.Random(7)
    for number in range(count):
        source = f"{drawn.randrange(11, 200)}.{drawn.randrange(256)}.{drawn.randrange(256)}.{drawn.randrange(1, 255)}"
        wire = Wire(client=(source, drawn.randrange(1024, 65_000)), start=START + number * span // count,
                    client_isn=drawn.getrandbits(32), timestamps=False, at="server")  # fmt: skip
        ack = drawn.getrandbits(32) if "A" in flags else 0
        wire.client.send(flags, ack=ack, ttl=drawn.randrange(40, 120))
        if "R" not in flags:
            wire.server.rst(seq=ack)
        yield wire


def responders(count):
    """Answers of many hosts to what this one never asked."""
    for number in range(count):
        wire = Wire(client=(HOST, 20_000 + 7 * number), server=(f"{11 + number}.4.5.6", 80), server_isn=number << 20,
                    client_isn=number << 21, start=START + number * 50 * MS)  # fmt: skip
        wire.client.snd_nxt = wire.client.isn + 1
        wire.server.syn_ack(ack=wire.client.snd_nxt)
        wire.client.rst()
        yield wire


def unasked(count):
    """One host answers so many that never asked."""
    for number in range(count):
        wire = Wire(client=(f"{11 + number}.4.5.6", 20_000 + 7 * number), server=(HOST, 80), client_isn=number << 21,
                    server_isn=chance(number), start=START + number * 50 * MS)  # fmt: skip
        wire.server.syn_ack(ack=wire.client.isn + 1)
        yield wire


def counted_isns(count):
    """Handshakes with a server whose ISNs grow by one step."""
    for number in range(count):
        wire = Wire(client=("192.0.2.1", 30_000 + number), server_isn=number * 64_000, client_isn=chance(number),
                    start=START + number * 100 * MS)  # fmt: skip
        healthy(wire)
        yield wire


def once_slow(wire, number):
    wire.client.syn()
    wire.wait(400 * MS if number == 4 else 0)
    wire.server.syn_ack()
    wire.client.ack()


def forged(count, *, start=0, first=0):
    """Answered SYNs without options that come to nothing, 5 ms apart."""
    drawn = random.Random(11)
    for number in range(first, first + count):
        source = f"{drawn.randrange(11, 200)}.{drawn.randrange(256)}.{drawn.randrange(256)}.{number % 250 + 1}"
        wire = Wire(client=(source, drawn.randrange(1024, 65_000)), client_isn=chance(number), timestamps=False,
                    server_isn=chance(~number), start=START + start + number * 5 * MS, at="server")  # fmt: skip
        wire.client.syn(options=b"")
        wire.server.syn_ack(options=b"", lost="after")
        yield wire


def too_long(packet=1400, copies=3):
    """Segments of this IP length that do not pass, repeated over 3 s, while shorter ones do."""

    def act(wire, number):
        wire.handshake().exchange()
        seq, size, begun = wire.client.snd_nxt, packet - 52, wire.now  # 52: both headers, with timestamps
        for copy in range(copies + 1):
            wire.now = begun + 3 * SECOND * copy // copies
            wire.client.data(size, seq=seq, lost="after", stay=True)
            wire.server.data(10, stay=True)
        wire.quiet(SECOND)

    return act


def asks(count, kind, *, hosts=False):
    """A source that asks so many ports of a host, or one port of so many hosts, in one of a scanner's ways."""
    for number in range(count):
        server = (f"198.51.7.{number + 1}", 445) if hosts else (HOST, 1000 + number)
        wire = Wire(client=("192.0.2.66", 50_000 if kind in {"F", "", "FPU"} else 30_000 + number), server=server,
                    client_isn=number * 77_777 + 5, start=START + number * 20 * MS)  # fmt: skip
        if kind == "silent":
            wire.client.syn(lost="after")
            wire.wait(SECOND)
            wire.client.syn(lost="after")
        elif kind == "connect":
            refused(wire)
        else:
            wire.client.send(kind, ack=0, options=b"", window=1024)
            wire.server.rst_ack(seq=0, ack=wire.client.isn + 1, options=b"")
        yield wire


# id, what makes n of it, the n of the rule, and other captures beside it
FOUND = {
    "early-reset": ("early-reset", lambda n: crowd(n, turned_away), 3, 0),
    "early-reset, a tenth": ("early-reset", lambda n: crowd(n, turned_away), 3, 27),
    "stalled, repeats": ("stalled", lambda n: crowd(1, stands_still(n, 200 * MS)), 4, 3),
    "stalled, 3 s": ("stalled", lambda n: crowd(1, stands_still_for(n * MS)), 3000, 3),
    "stalled, keep-alives": ("stalled", lambda n: crowd(1, keeps_alive(n)), 5, 3),
    "stalled, gave up": ("stalled", lambda n: crowd(1, keeps_alive(n, gives_up=True)), 2, 3),
    "idle-timeout": ("idle-timeout", lambda n: crowd(n, reset_after(60 * SECOND)), 5, 3),
    "keep-alive-race": ("keep-alive-race", lambda n: crowd(n, crosses), 3, 0),
    "keep-alive-race, a hundredth": ("keep-alive-race", lambda n: crowd(n, crosses), 3, 297),
    "keep-alive-race, pause": (
        "keep-alive-race",
        lambda n: crowd(3, lambda w, i: crosses(w, i, n * MS - w.delay)),
        1000,
        0,
    ),
    "reflection": ("reflection", responders, 20, 3),
    "ack-flood": ("ack-flood", lambda n: strangers(n, "A"), 100, 3),
    "rst-flood": ("rst-flood", lambda n: strangers(n, "R"), 100, 3),
    "port-scan, ports": ("port-scan", lambda n: asks(n, "silent"), 15, 3),
    "port-scan, hosts": ("port-scan", lambda n: asks(n, "silent", hosts=True), 25, 3),
    "port-scan, few": ("port-scan", lambda n: asks(n, "connect"), 10, 3),
    "port-scan, FIN": ("port-scan", lambda n: asks(n, "F"), 5, 3),
    "port-scan, null": ("port-scan", lambda n: asks(n, ""), 5, 3),
    "port-scan, Xmas": ("port-scan", lambda n: asks(n, "FPU"), 5, 3),
    "backscatter": ("backscatter", unasked, 20, 3),
    "predictable-isn": ("predictable-isn", counted_isns, 10, 0),
    "slow-handshake": ("slow-handshake", lambda n: crowd(n, once_slow), 20, 0),
    "syn-flood, attempts": ("syn-flood", forged, 100, 3),
    "syn-flood, at once": (
        "syn-flood",
        lambda n: [*forged(n), *forged(60, first=200, start=30 * SECOND)],
        64,
        3,
    ),
    "path-mtu, copies": ("path-mtu", lambda n: crowd(1, too_long(copies=n)), 3, 3),
    "path-mtu, length": ("path-mtu", lambda n: crowd(1, too_long(n)), 577, 3),
    "connection-churn": ("connection-churn", lambda n: crowd(n, healthy, every=137 * MS), 50, 0),
}


@pytest.mark.parametrize(("kind", "make", "least", "others"), FOUND.values(), ids=FOUND)
def test_a_finding_begins_at_its_number(kind, make, least, others):
    enough, too_few = (merged(*make(count), *fine(others)) for count in (least, least - 1))
    assert len(found(enough, kind)) == 1, [one["title"] for one in enough["findings"]]
    assert found(too_few, kind) == [], [one["title"] for one in too_few["findings"]]


# What else is there takes a share below that of the rule: id, what, its number, others at the share and one more
SHARES = {
    "early-reset": ("early-reset", turned_away, 3, 27),
    "keep-alive-race": ("keep-alive-race", crosses, 3, 297),
}


@pytest.mark.parametrize(("kind", "act", "count", "others"), SHARES.values(), ids=SHARES)
def test_a_finding_ends_below_its_share(kind, act, count, others):
    assert len(found(merged(*crowd(count, act), *fine(others)), kind)) == 1
    assert found(merged(*crowd(count, act), *fine(others + 1)), kind) == []


# id, the severity from n on and below, what makes it, n, others
SEVERITIES = {
    "early-reset, 20": ("early-reset", "critical", "warning", lambda n: crowd(n, turned_away), 20, 0),
    "early-reset, 90 %": ("early-reset", "critical", "warning", lambda n: crowd(n, turned_away), 27, 3),
    "stalled": ("stalled", "warning", "info", lambda n: crowd(n, stands_still(4, 300 * MS)), 3, 3),
    "syn-retransmission": ("syn-retransmission", "warning", "info", lambda n: crowd(n, lost_syn), 3, 0),
    "refused, all of 20": ("refused", "critical", "warning", lambda n: crowd(n, refused), 20, None),
}


@pytest.mark.parametrize(("kind", "high", "low", "make", "least", "others"), SEVERITIES.values(), ids=SEVERITIES)
def test_a_severity_begins_at_its_number(kind, high, low, make, least, others):
    beside = [] if others is None else fine(others)
    for count, severity in ((least, high), (least - 1, low)):
        assert [one["severity"] for one in found(merged(*make(count), *beside), kind)] == [severity]


def test_a_failure_in_a_hundred_is_more_than_ordinary_loss():
    for others, severity in ((99, "warning"), (100, "info")):
        report = merged(*crowd(1, refused), *fine(others))
        assert [one["severity"] for one in found(report, "refused")] == [severity]


def test_idle_times_agree_within_two_percent():
    """The longest of those that name a time is at most so much longer than the shortest."""
    near = [60 * SECOND, 61 * SECOND]
    far = [60 * SECOND, 64 * SECOND, 68 * SECOND, 72 * SECOND, 76 * SECOND]
    assert len(found(merged(*crowd(6, reset_after(*near)), *fine(3)), "idle-timeout")) == 1
    assert found(merged(*crowd(6, reset_after(*far)), *fine(3)), "idle-timeout") == []
