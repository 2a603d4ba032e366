"""Reflection, and floods of segments without a connection, from frames; real kernels: pcaps/reflection, *-flood."""

import random

import pytest
from support import captures, frames
from support.detected import MS, SECOND, START, chance, found, only
from support.wire import Wire, report_of

VICTIM = ("192.0.2.201", 40000)
VICTIM6 = ("2001:db8::201", 40000)
QUIET = ("stale-peer", "backscatter", "port-scan", "syn-flood", "half-open", "rst-injection", "capture-quality")


def report(*parts):
    taken = sorted((frame for part in parts for frame in part), key=lambda each: each[0])
    return report_of(captures.pcap(taken, nano=True))


def quiet(said):
    """Nothing else is said of these connections."""
    return [one["title"] for kind in QUIET for one in found(said, kind)]


def client(number, victim=VICTIM):
    """A healthy connection of the victim's: opened, used and closed."""
    wire = Wire(client=(victim[0], 30000 + number), server=SERVERS[":" in victim[0]], client_isn=chance(number),
                server_isn=chance(~number), start=START + number * 100 * MS)  # fmt: skip
    return wire.handshake().exchange().close().frames()


SERVERS = {False: ("198.51.100.81", 443), True: ("2001:db8:1::81", 443)}


def hosts(count, ipv6=False):
    dice = random.Random(5)
    if ipv6:
        return [f"2001:db8:{dice.randrange(1, 65536):x}::{number + 1:x}" for number in range(count)]
    return [
        f"{dice.randrange(11, 127)}.{dice.randrange(256)}.{number}.{dice.randrange(1, 255)}" for number in range(count)
    ]


# -- reflection --------------------------------------------------------------------------------------------------


def reflected(count, *, flags=frames.SYN | frames.ACK, victim=VICTIM, reset=False, repeats=1, seq=None, every=20 * MS):
    """Answers of so many hosts, each to a port of its own; the victim resets them, or does not."""
    for number, host in enumerate(hosts(count, ":" in victim[0])):
        src, dst = (host, (80, 443)[number % 2]), (victim[0], 1024 + chance(number) % 60000)
        first = chance(number + 7000) if seq is None else seq
        for copy in range(repeats):
            when = START + number * every + copy * SECOND
            yield when, frames.segment(src, dst, flags, seq=first, ack=chance(number) + 1 & 0xFFFFFFFF)
            if reset:
                yield when + MS, frames.rst(dst, src, seq=chance(number) + 1 & 0xFFFFFFFF, ack=None)


@pytest.mark.parametrize("victim", [VICTIM, VICTIM6], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("reset", [True, False])
def test_many_hosts_answer_one_that_never_asked(victim, reset):
    said = report(reflected(25, victim=victim, reset=reset, repeats=2), client(1, victim))
    one = only(said, "reflection")
    assert (one["severity"], one["target"]) == ("warning", {"ip": victim[0], "port": None})
    metrics = one["metrics"]
    assert (metrics["responders"], metrics["syn_acks"], metrics["resets"]) == (25, 25, 0)
    assert metrics["repeated_syn_acks"] == 25
    assert metrics["ports"] == {"80": 13, "443": 12}
    assert quiet(said) == []


def test_the_resets_of_the_victim_show_that_it_never_asked():
    """There is nothing else in the capture."""
    assert only(report(reflected(25, reset=True)), "reflection")
    assert only(report(strays(120, ACK, answer=True)), "ack-flood")


def test_closed_ports_are_reflectors_too():
    said = report(reflected(25, flags=frames.RST | frames.ACK, seq=0), client(1))
    assert only(said, "reflection")["metrics"]["resets"] == 25
    assert found(said, "rst-flood") == []


def test_who_answers_many_and_is_no_victim_of_them_is_backscatter():
    """One host to many addresses."""
    answers = [(when, frames.syn_ack(("198.51.100.9", 80), (f"203.0.113.{n}", 4000 + n), seq=chance(n), ack=n))
               for n, when in enumerate(range(START, START + 30 * MS, MS))]  # fmt: skip
    said = report(answers, client(1))
    assert found(said, "reflection") == []
    assert only(said, "backscatter")["metrics"]["addresses"] == 30


def asked_before():
    """The victim asks these hosts all the time: late answers."""
    for number, host in enumerate(hosts(25)):
        wire = Wire(client=(VICTIM[0], 9000 + number), server=(host, 80), client_isn=chance(number))
        yield from wire.handshake().exchange().close().frames()


def handshakes_cut_at_the_start():
    """The capture begins between SYN and SYN-ACK."""
    for number, host in enumerate(hosts(25)):
        wire = Wire(client=(VICTIM[0], 9000 + number), server=(host, 80), client_isn=chance(number))
        yield from wire.handshake().exchange().close().frames()[1:]


def old_connections_reset():
    """A proxy's idle connections are reset by servers everywhere."""
    return reflected(40, flags=frames.RST, every=100 * MS)


def old_connections_aborted():
    return reflected(40, flags=frames.RST | frames.ACK, every=100 * MS)


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([reflected(19), client(1)], id="nineteen"),
        pytest.param([reflected(25)], id="one direction"),
        pytest.param([reflected(25), asked_before()], id="hosts that were asked"),
        pytest.param([handshakes_cut_at_the_start(), client(1)], id="start of the capture"),
        pytest.param([old_connections_reset(), client(1)], id="RSTs"),
        pytest.param([old_connections_aborted(), client(1)], id="RST ACKs"),
    ],
)
def test_no_reflection(parts):
    assert found(report(*parts), "reflection") == []


# -- floods of ACKs and RSTs -------------------------------------------------------------------------------------


def strays(
    count, flags, *, every=20 * MS, answer=True, sources=None, victim=VICTIM, payload=b"", options=b"", port=443
):
    """Lone segments to the victim, each from another source."""
    for number, host in enumerate(sources or hosts(count, ":" in victim[0])):
        src, dst = (host, 1024 + chance(number) % 60000), (victim[0], port)
        seq, ack = chance(number), chance(number + 9000)
        when = START + number * every
        yield when, frames.segment(src, dst, flags, seq=seq, ack=ack, payload=payload, options=options)
        if answer and not flags & frames.RST:
            yield when + MS, frames.rst(dst, src, seq=ack, ack=None)


ACK, PSH, RST = frames.ACK, frames.PSH, frames.RST


@pytest.mark.parametrize("victim", [VICTIM, VICTIM6], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("answer", [True, False])
def test_acks_from_anywhere_are_a_flood(victim, answer):
    said = report(strays(120, ACK, answer=answer, victim=victim), client(1, victim))
    one = only(said, "ack-flood")
    assert (one["severity"], one["target"]) == ("warning", {"ip": victim[0], "port": None})
    metrics = one["metrics"]
    assert (metrics["segments"], metrics["sources"], metrics["answered"]) == (120, 120, 120 * answer)
    assert (metrics["ports"], metrics["explained_by_start"]) == ({"443": 120}, 0)
    assert quiet(said) == []


def test_acks_with_payload_are_a_flood_and_no_lost_connections():
    said = report(strays(120, ACK | PSH, payload=b"x" * 50), client(1))
    assert only(said, "ack-flood")["metrics"]["with_payload"] == 120
    assert quiet(said) == []


@pytest.mark.parametrize("flags", [RST, RST | ACK])
def test_rsts_from_anywhere_are_a_flood(flags):
    said = report(strays(120, flags), client(1))
    assert only(said, "rst-flood")["metrics"]["sources"] == 120
    assert found(said, "ack-flood") == []
    assert quiet(said) == []


@pytest.mark.wide_table
@pytest.mark.parametrize("victim", [VICTIM, VICTIM6], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize(("points", "lag"), [(2, MS // 2), (2, 4 * MS), (2, 20 * MS), (3, MS // 2), (3, 4 * MS)])
@pytest.mark.parametrize(
    ("flags", "payload", "answer"), [(ACK, b"", True), (ACK, b"", False), (ACK | PSH, b"x" * 50, True), (RST, b"", 0)]
)
def test_a_flood_at_several_points_is_what_it_is_at_one(flags, payload, answer, points, lag, victim):
    taken = [*strays(120, flags, answer=answer, victim=victim, payload=payload), *client(1, victim)]
    said = report([(when + point * lag, frame) for point in range(points) for when, frame in taken])
    one = only(said, "rst-flood" if flags & RST else "ack-flood")
    once = only(report(taken), one["id"])
    for key in ("segments", "sources", "answered", "with_payload", "peak_per_s"):
        assert one["metrics"][key] == once["metrics"][key], key
    assert [finding["metrics"]["kind"] for finding in found(said, "capture-quality")] == ["duplicated"]


def requests_of(count):
    """One direction of healthy connections."""
    for number in range(count):
        yield from (each for each in client(number) if frames.address(VICTIM[0]) == each[1][26:30])


def test_nothing_but_acks_to_one_host():
    """Beside a host that drops them: no other half of anything is missing."""
    assert only(report(strays(120, ACK, answer=False)), "ack-flood")["metrics"]["answered"] == 0


def older(count, every=10 * MS):
    """Connections from before the capture that go on for a while."""
    for number in range(count):
        here, there = (f"10.{number >> 8}.{number & 255}.7", 5000), (VICTIM[0], 443)
        for turn in range(3):
            when = START + number * every + turn * 300 * MS
            yield when, frames.data(b"?", here, there, seq=number + turn, ack=77 + turn)
            yield when + MS, frames.data(b"!", there, here, seq=77 + turn, ack=number + turn + 1)


def after_a_restart():
    """The clients' connections are gone, and they connect again."""
    sources = [f"10.{n >> 8}.{n & 255}.9" for n in range(150)]
    yield from strays(150, ACK, sources=sources)
    for number, host in enumerate(sources):
        wire = Wire(
            client=(host, 700 + number), server=(VICTIM[0], 443), client_isn=chance(number), start=START + SECOND
        )
        yield from wire.handshake().exchange().frames()


def idle_connections_that_are_kept_alive():
    """Each ACK is answered by an ACK."""
    for number, host in enumerate(hosts(150)):
        here, there = (host, 5000), (VICTIM[0], 443)
        yield START + number * 20 * MS, frames.ack(here, there, seq=number, ack=77)
        yield START + number * 20 * MS + MS, frames.ack(there, here, seq=77, ack=number + 1)


@pytest.mark.parametrize("kind", ["ack-flood", "rst-flood"])
@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([strays(99, ACK), strays(99, RST), client(1)], id="too few"),
        pytest.param([strays(150, ACK, every=200 * MS), client(1)], id="too slow"),
        pytest.param([strays(150, ACK, answer=False), requests_of(1)], id="one direction"),
        pytest.param([strays(150, RST)], id="a filter for RSTs"),
        pytest.param([strays(150, ACK, sources=["203.0.113.9"] * 150), client(1)], id="one source"),
        pytest.param([strays(150, ACK, options=frames.timestamps(5, 6)), client(1)], id="timestamps"),
        pytest.param([strays(150, ACK, answer=False), older(60)], id="start of the capture"),
        pytest.param([strays(150, RST), older(60)], id="start of the capture, RSTs"),
        pytest.param([after_a_restart()], id="a restart"),
        pytest.param([idle_connections_that_are_kept_alive(), client(1)], id="keep-alives"),
    ],
)
def test_no_flood(kind, parts):
    assert found(report(*map(list, parts)), kind) == []


def test_what_the_start_explains_is_taken_off():
    said = report(strays(250, ACK), older(60))
    assert only(said, "ack-flood")["metrics"]["explained_by_start"] == 60


def lone_rsts(count, ttl, *, spread=True, flags=RST):
    """RSTs to one host, and no other frame."""
    for number in range(count):
        wide = f"{1 + chance(number) % 220}.{chance(~number) % 256}.{number % 250}.9"
        source = wide if spread else f"10.0.{number // 200}.{1 + number % 200}"
        yield START + number * 20 * MS, frames.segment(
            (source, 1024 + chance(number + 9) % 60_000), (VICTIM[0], 443), flags, seq=chance(number + 5),
            ack=chance(number) if flags & ACK else 0, ttl=ttl(number), window=0,
        )  # fmt: skip


def real_ttl(number):
    """Of hosts all over the world."""
    return (64, 128)[number % 2] - 4 - chance(number) % 20


@pytest.mark.parametrize("flags", [RST, RST | ACK])
@pytest.mark.parametrize(
    "ttl",
    [lambda _: 52, lambda number: 1 + chance(number) % 255, lambda number: 100 + chance(number) % 100],
    ids=["one", "any", "odd"],
)
def test_a_flood_of_rsts_and_nothing_else(ttl, flags):
    said = report(lone_rsts(300, ttl, flags=flags))
    finding = only(said, "rst-flood")
    assert (finding["target"], finding["metrics"]["sources"]) == ({"ip": VICTIM[0], "port": None}, 300)
    assert not {one["id"] for one in said["findings"]} & {"backscatter", "reflection", "stale-peer"}


def test_what_a_filter_for_rsts_leaves_of_healthy_connections():
    for timed in (lone_rsts(300, real_ttl), lone_rsts(300, lambda _: 64, spread=False), lone_rsts(99, lambda _: 52)):
        assert found(report(timed), "rst-flood") == []


@pytest.mark.parametrize(
    ("text", "count"), [("host 198.51.100.2", 1), ("tcp[13] & 4 != 0", 0), ("tcp[13] & 16 == 0", 0), ("", 0)]
)
def test_the_filter_shows_whether_more_would_be_there(text, count):
    content = captures.section() + captures.interface(resolution=9, filter_text=b"\0" + text.encode())
    content += b"".join(captures.packet(frame, ns) for ns, frame in lone_rsts(300, real_ttl))
    assert len(found(report_of(content), "rst-flood")) == count


def test_other_frames_show_it_too():
    other = (START + 7 * SECOND, frames.udp(("203.0.113.7", 53), ("203.0.113.8", 53)))
    assert found(report([*lone_rsts(300, real_ttl), other]), "rst-flood")
