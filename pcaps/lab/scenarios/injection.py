"""Segments that do not come from whom they say: blind attackers, and boxes on the path that end connections."""

from __future__ import annotations

from dataclasses import replace

from lab.kernel import connect, start_connect
from lab.packet import ACK, RST, SYN, Segment
from lab.path import Path
from lab.sample import Sample, scenario, sentences
from lab.scenarios.closing import exchange

OPEN = {"how": "open", "first": None, "reset_by": None}


class Eavesdropper:
    """Remembers the last segment of each side, as a box on the path can."""

    def __init__(self, path: Path) -> None:
        self.last: dict[str, Segment] = {}
        path.watchers.append(self._see)

    def _see(self, source: str, segment: Segment) -> None:
        self.last[source] = segment

    def next_of(self, source: str, flags: int, **changes: int) -> Segment:
        """The next segment that `source` could send, with other flags."""
        last = self.last[source]
        after = last.seq + len(last.payload) + bool(last.flags & SYN)
        forged = replace(last, seq=after, flags=flags, payload=b"", options=b"", ttl=117, ip_id=4711)
        return replace(forged, **changes)  # type: ignore[arg-type]


@scenario("blind-reset-in-window", "blind-reset-out-of-window", "blind-syn")
@sentences(
    blind_reset_in_window=(
        "A forged RST in the server's window, not at its edge: a challenge ACK, and the connection lives on."
    ),
    blind_reset_out_of_window="A forged RST far outside of the window: ignored, and the connection lives on.",
    blind_syn="A forged SYN on an established connection: a challenge ACK, and the connection lives on.",
)
def blind(sample: Sample) -> None:
    client, server = sample.pair(delay=0.005)
    listener = server.listen(80)
    ear = Eavesdropper(sample.the_path())
    with sample.capture(server) as capture:
        attempt = connect(client, server, 80)
        accepted, _ = listener.accept()
        exchange(attempt.sock, accepted)
        capture.settle()
        off = {"blind-reset-in-window": 1000, "blind-reset-out-of-window": 1_000_000_000, "blind-syn": 12345}[
            sample.name
        ]
        forged = ear.next_of("client", SYN if sample.name == "blind-syn" else RST)
        sample.the_path().inject("server", replace(forged, seq=forged.seq + off))
        capture.wait_for(
            "Flags [S]" if sample.name == "blind-syn" else "Flags [R]", 2 if sample.name == "blind-syn" else 1
        )
        capture.settle()
        exchange(attempt.sock, accepted)
    sample.expect(attempt, "established", close=OPEN, syn_count=..., synack_count=1,
                  client_to_server={"bytes": 10}, server_to_client={"bytes": 10})  # fmt: skip
    if sample.name == "blind-syn":
        sample.maybe("rst-injection", "stale-peer")
    else:
        sample.finding("rst-injection")


@scenario()
def middlebox_reset(sample: Sample) -> None:
    """A box on the path answers the SYN itself, with a TTL that the server never uses."""
    client, server = sample.pair(delay=0.005)
    server.listen(80)
    server.listen(443)
    path = sample.the_path()

    def censor(source: str, segment: Segment) -> list[float] | None:
        if source != "client" or segment.dport != 443:
            return None
        path.inject("client", segment.answer(RST | ACK, ttl=243, ip_id=1, window=0))
        return []

    path.rules.append(censor)
    with sample.capture(client):
        healthy = [connect(client, server, 80) for _ in range(3)]
        attempt = connect(client, server, 443)
    assert attempt.error == "ECONNREFUSED"
    for each in healthy:
        sample.expect(each, "established", close=OPEN)
    sample.expect(attempt, "refused", cause="middlebox-reset", state={"client": "CLOSED"})
    sample.finding("rst-injection")
    sample.maybe("refused")


@scenario("middlebox-reset-established", "middlebox-reset-ignored")
@sentences(
    middlebox_reset_established=(
        "A box on the path ends a connection after the request: forged RSTs to both ends, TTL and IP ID give it away."
    ),
    middlebox_reset_ignored=(
        "A box forges RSTs, but both ends drop them: data goes on flowing, so the connection did not end."
    ),
)
def middlebox_reset_established(sample: Sample) -> None:
    client, server = sample.pair(delay=0.005)
    listener = server.listen(80)
    ignored = sample.name == "middlebox-reset-ignored"
    if ignored:
        for host in (client, server):
            host.firewall("input", "tcp flags & rst == rst drop")
    ear = Eavesdropper(sample.the_path())
    with sample.capture(client) as capture:
        attempt = connect(client, server, 80)
        accepted, _ = listener.accept()
        exchange(attempt.sock, accepted)
        capture.settle()
        for victim, forger in (("client", "server"), ("server", "client")):
            sample.the_path().inject(victim, ear.next_of(forger, RST, ttl=243))
        capture.wait_for("Flags [R]")
        capture.settle()
        if ignored:
            exchange(attempt.sock, accepted)
    if ignored:
        sample.expect(attempt, "established", close=OPEN)
    else:
        sample.expect(attempt, "established", close={"how": "rst", "reset_by": "middlebox"})
    sample.finding("rst-injection")


@scenario()
def happy_eyeballs(sample: Sample) -> None:
    """Two attempts to one service, the first slower than the second: the loser is cancelled when the winner is in."""
    client, server = sample.pair(delay=0.03)
    server.listen(80)

    def slow(source: str, segment: Segment) -> list[float] | None:
        return [0.15] if source == "client" and segment.sport == 40001 else None

    sample.the_path().rules.append(slow)
    with sample.capture(client) as capture:
        loser = start_connect(client, server, 80, source=40001)
        attempt = connect(client, server, 80, source=40002)
        loser.sock.close()
        capture.wait_for("Flags [R]")
    loser.error = "cancelled"
    sample.expect(loser, "aborted", state={"client": "CLOSED"})
    sample.expect(attempt, "established", close=OPEN)
    sample.maybe("slow-handshake")
