"""Final ACKs dropped by a listener with SYN cookies whose accept queue is full, and what looks alike."""

import pytest
from support import frames
from support.detected import MS, SECOND, START, chance, found, only, repeats
from support.wire import Wire, merged

OFFERED = 7 | 1 << 4  # what a Linux SYN offers: window scale 7, SACK


class CookieWire(Wire):
    """A connection to a server that keeps no state of a SYN."""

    cookie = True

    def handshake(self):
        self.client.syn()
        clock = self.server.tsval
        value = clock
        if self.cookie:
            value = clock & ~63 | OFFERED
            value -= 64 if value > clock else 0
        self.server.syn_ack(options=frames.linux_syn_options(value, self.server.echo))
        self.client.ack()
        return self


def connect(number, at, *, client="192.0.2.1", port=443, kind=CookieWire, server="198.51.100.2", **words):
    wire = kind(
        client=(client, 30000 + number), server=(server, port), client_isn=chance(number), server_isn=chance(~number),
        start=START + at, delay=5 * MS, **words,
    )  # fmt: skip
    wire.server.clock = 900_000 + chance(number) % 1_000_000 + at // MS  # the offset is the connection's
    wire.client.clock += at // MS
    return wire.handshake()


def served(number, at, size=100, **words):
    """One that the listener takes, with its answer."""
    return connect(number, at, **words).exchange(size).close()


def dropped(number, at, size=100, copies=5, **words):
    """One whose final ACK the listener drops: data goes on and on."""
    wire = connect(number, at, **words)
    repeats(wire.client, size, copies)
    return wire


def crowd(*, others=True, kind=CookieWire, silent=3, until=9, **words):
    """Ten that are served, then some that are not, and others that are later on."""
    wires = [served(n, n * 137 * MS, kind=kind) for n in range(10)]
    wires += [dropped(20 + n, 2 * SECOND + n * MS, kind=kind, **words) for n in range(silent)]
    if others:
        wires += [served(40 + n, (3 + n) * SECOND, port=8080, kind=Wire) for n in range(until)]
    return wires


def silent_ones(report, port=443, beyond=30020):
    return [
        (one["outcome"], one["cause"])
        for one in report["connections"]
        if one["server"]["port"] == port and one["client"]["port"] >= beyond
    ]


def test_a_full_queue_behind_cookies():
    report = merged(*crowd())
    assert silent_ones(report) == [("half-open", "accept-queue-overflow")] * 3
    finding = only(report, "accept-queue-overflow")
    assert (finding["metrics"]["connections"], finding["target"]["port"]) == (3, 443)
    assert finding["metrics"]["stuck_max_ns"] > 3 * SECOND
    assert {each["id"] for each in report["findings"]} == {"accept-queue-overflow", "syn-cookies"}
    one = next(each for each in report["connections"] if each["cause"] == "accept-queue-overflow")
    assert "SYN cookies" in one["why"]
    assert one["state"] == {"client": "ESTABLISHED", "server": "CLOSED"}
    assert one["decided"]


def test_the_client_gives_up():
    wires = crowd()
    for wire in wires[10:13]:
        wire.client.rst(lost="after")
    assert silent_ones(merged(*wires)) == [("half-open", "accept-queue-overflow")] * 3


def test_nothing_but_a_fin_is_repeated():
    wires = crowd(silent=0)
    for n in range(2):
        wire = connect(20 + n, 2 * SECOND)
        seq = wire.client.snd_nxt
        for pause in (0, 200, 400, 800, 1600, 3200):
            wire.wait(pause * MS)
            wire.client.fin(seq=seq, lost="after")
        wires.append(wire)
    assert silent_ones(merged(*wires)) == [("half-open", "accept-queue-overflow")] * 2


def test_one_client_that_the_same_listener_serves_later():
    wires = crowd(silent=1, others=False)
    wires += [served(60 + n, (6 + n) * SECOND) for n in range(3)]
    assert silent_ones(merged(*wires))[0] == ("half-open", "accept-queue-overflow")


def test_several_clients_while_others_are_served_elsewhere():
    wires = crowd(silent=0, others=False)
    wires += [dropped(20 + n, 2 * SECOND, client=f"192.0.2.{50 + n}") for n in range(3)]
    wires += [served(40 + n, (3 + n) * SECOND, port=8080, client="192.0.2.9", kind=Wire) for n in range(6)]
    assert silent_ones(merged(*wires)) == [("half-open", "accept-queue-overflow")] * 3


def test_large_segments_that_pass_elsewhere():
    wires = crowd(size=1400)
    wires.append(served(80, 4 * SECOND, size=1400, port=8080, kind=Wire))
    assert silent_ones(merged(*wires)) == [("half-open", "accept-queue-overflow")] * 3


# What is no full queue.


def nothing_of_it(report):
    assert not found(report, "accept-queue-overflow")
    assert {outcome for outcome, _ in silent_ones(report)} == {"established"}


def test_no_cookies():
    report = merged(*crowd(kind=Wire))
    nothing_of_it(report)
    assert found(report, "stalled")


@pytest.mark.parametrize("copies", [0, 1, 2, 3])
def test_a_slow_answer_is_no_silence(copies):
    nothing_of_it(merged(*crowd(copies=copies)))


def test_a_late_answer_is_no_silence():
    wires = crowd(silent=0)
    for n in range(3):
        wire = dropped(20 + n, 2 * SECOND + n * MS)
        wire.server.ack(ack=wire.client.snd_nxt)
        wires.append(wire)
    nothing_of_it(merged(*wires))


def test_the_host_died():
    """Nobody is served any more, on no port."""
    nothing_of_it(merged(*crowd(others=False)))


def test_the_path_of_one_client_is_broken():
    """Others are served, but none on that path."""
    wires = crowd(silent=0, others=False)
    wires += [dropped(20 + n, 2 * SECOND, client="192.0.2.50") for n in range(3)]
    wires += [served(40 + n, (3 + n) * SECOND, port=8080, client="192.0.2.9", kind=Wire) for n in range(6)]
    nothing_of_it(merged(*wires))


def test_two_listeners_are_silent():
    """A firewall lost its state, or the host is down: no queue."""
    wires = crowd(silent=2)
    wires += [dropped(50 + n, 2 * SECOND, port=8443) for n in range(2)]
    nothing_of_it(merged(*wires))


def test_large_segments_that_pass_nowhere():
    report = merged(*crowd(size=1400))
    nothing_of_it(report)


def test_a_syn_proxy():
    """Its SYN-ACK has no window, and what is behind it is down."""

    class ProxyWire(CookieWire):
        def handshake(self):
            self.server.window = 0
            return super().handshake()

    nothing_of_it(merged(*crowd(silent=0), *(dropped(20 + n, 2 * SECOND, kind=ProxyWire) for n in range(3))))


def test_the_server_speaks_first_and_late():
    """Nobody owes an answer: the client only waits."""
    wires = crowd(silent=0)
    wires += [connect(20 + n, 2 * SECOND) for n in range(3)]
    nothing_of_it(merged(*wires))
