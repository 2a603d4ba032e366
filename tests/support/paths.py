"""A path between two capture points, in software: what it loses, delays, rewrites and cuts is known to the packet.

A `Path` carries segments that hosts would send; `a` is what is captured nearer to the client, `b` nearer to the server.
What became of each is in `lost` (frames numbers at the point nearer to the sender) and `took` (delays by those).
"""

import random
from dataclasses import dataclass, field, replace
from io import BytesIO

from support import frames
from support.captures import pcap

MS = 1_000_000
START = 1_700_000_000_000_000_000


@dataclass(frozen=True)
class Sent:
    """A segment in the words of the client's side."""

    from_client: bool
    seq: int
    ack: int
    flags: int
    payload: bytes = b""
    options: bytes = b""
    ident: int = 0
    port: int = 40_000
    ttl: int = 64


@dataclass
class Box:
    """What stands between: the addresses and numbers of the client and of the server as B sees them."""

    client: tuple[str, int] | None = None  # with NAT; the port is added to that of the connection
    server: tuple[str, int] | None = None
    client_isn_shift: int = 0
    server_isn_shift: int = 0
    mss: int | None = None
    strip_timestamps: bool = False
    hops: int = 1
    cut: int = 0  # bytes: longer segments reach B in pieces, as a card would send them
    rewrite_ident: bool = False


@dataclass
class Path:
    """The path, its box, and both clocks: B's is `offset_ns` ahead, and faster by `drift`."""

    seed: int = 0
    box: Box = field(default_factory=Box)
    offset_ns: int = 0
    drift: float = 0.0
    delay_ns: tuple[int, int] = (5 * MS, 20 * MS)
    client: str = "192.0.2.1"
    server: tuple[str, int] = ("198.51.100.2", 443)

    def __post_init__(self):
        self.random = random.Random(self.seed)
        self._a, self._b = [], []  # (time, place in order, frame, key)
        self.lost_keys, self.delays = [], {}

    def clock_b(self, ns):
        return START + self.offset_ns + round((ns - START) * (1 + self.drift))

    def send(self, ns, sent, *, lose=False):
        """Carry a segment that passes its sender's capture point at true time `ns`; when it comes to the other."""
        delay = self.random.randint(*self.delay_ns)
        came = ns + delay
        near, far = (self._a, self._b) if sent.from_client else (self._b, self._a)
        key = len(self.delays) + len(self.lost_keys)
        # Cards cut what their own host sends: only a client's long segments are whole at A and in pieces at B.
        near.append((ns, self._frame(sent, at_b=not sent.from_client), key))
        if lose:
            self.lost_keys.append((sent.from_client, key))
            return None
        pieces = self._pieces(sent) if sent.from_client else [sent]
        for number, piece in enumerate(pieces):
            far.append((came + number * 1000, self._frame(piece, at_b=sent.from_client), key))
        self.delays[sent.from_client, key] = delay
        return came

    def born(self, ns, sent):
        """A segment that the box makes itself; it is captured at the point nearer to its receiver alone."""
        (self._b if sent.from_client else self._a).append((ns, self._frame(sent, at_b=sent.from_client), -1))

    def _pieces(self, sent):
        size = self.box.cut
        if not size or len(sent.payload) <= size:
            return [sent]
        return [
            replace(
                sent, seq=(sent.seq + at) % 2**32, payload=sent.payload[at : at + size], ident=sent.ident + at // size
            )
            for at in range(0, len(sent.payload), size)
        ]

    def _frame(self, sent, *, at_b):
        box = self.box
        client, server = (self.client, sent.port), self.server
        seq, ack, options, ttl, ident = sent.seq, sent.ack, sent.options, sent.ttl, sent.ident
        if at_b:
            if box.client:
                client = box.client[0], box.client[1] + sent.port
            server = box.server or server
            own, other = box.client_isn_shift, box.server_isn_shift
            if not sent.from_client:
                own, other = other, own
            seq = (seq + own) % 2**32
            ack = (ack + other) % 2**32 if sent.flags & frames.ACK else 0
            if box.strip_timestamps:
                options = b"".join(part for part in _parts(options) if part[0] != 8)
            if box.rewrite_ident:
                ident = ident ^ 0x5555
        if sent.from_client == at_b:  # it has come through the box
            ttl -= box.hops
            if box.mss and sent.flags & frames.SYN:
                options = b"".join(
                    frames.mss(min(box.mss, int.from_bytes(part[2:4], "big"))) if part[0] == 2 else part
                    for part in _parts(options)
                )
        src, dst = (client, server) if sent.from_client else (server, client)
        return frames.segment(
            src, dst, sent.flags, seq=seq, ack=ack, payload=sent.payload, options=options, ttl=ttl, ident=ident
        )

    def miss(self, point, which):
        """Have the capture at point `a` or `b` lack what it has: all for whose true time `which` is true."""
        wire = self._a if point == "a" else self._b
        wire[:] = [each for each in wire if not which(each[0])]

    def captures(self):
        """Both as files; and the frames at the sender's point that were lost, by whether the client sent them."""
        files, numbers = [], {}
        for name, wire in (("a", self._a), ("b", self._b)):
            wire.sort(key=lambda each: each[0])
            for number, (_, _, key) in enumerate(wire, 1):
                numbers.setdefault((name, key), number)
            times = [ns if name == "a" else self.clock_b(ns) for ns, _, _ in wire]
            files.append(BytesIO(pcap(zip(times, (frame for _, frame, _ in wire), strict=True), nano=True)))
        self.took = {
            (from_client, numbers["a" if from_client else "b", key]): delay
            for (from_client, key), delay in self.delays.items()
            if ("a" if from_client else "b", key) in numbers
        }
        lost = {True: [], False: []}
        for from_client, key in self.lost_keys:
            if number := numbers.get(("a" if from_client else "b", key)):
                lost[from_client].append(number)
        return files, {who: sorted(found) for who, found in lost.items()}


def _parts(options):
    """The options one by one, without padding."""
    at = 0
    while at < len(options):
        length = 1 if options[at] < 2 else options[at + 1]
        if options[at] > 0:
            yield options[at : at + length]
        at += length


def talk(
    path, *, port=40_000, began=START, isns=(1000, 5000), loss=0.1, rounds=30, stamps=True, close=True, sizes=(1, 4000)
):
    """A connection over the path in which either end sends again what was lost, with another timestamp; its end."""
    now, ident = began, path.random.randint(1, 30_000)
    state = {True: isns[0], False: isns[1]}

    def carry(from_client, flags, payload=b"", options=b"", retry=200 * MS):
        nonlocal now, ident
        while True:
            ident += 50
            ack = state[not from_client] if flags & frames.ACK else 0
            stamp = frames.timestamps((now // MS) % 2**32, 1) if stamps and not flags & frames.SYN else b""
            own = options + (
                frames.linux_syn_options((now // MS) % 2**32)[6:16] if stamps and flags & frames.SYN else b""
            )
            sent = Sent(from_client, state[from_client], ack, flags, payload, own + stamp, ident % 65_536, port)
            came = path.send(now, sent, lose=path.random.random() < loss)
            now += 1 * MS
            if came is not None:
                now = came + path.random.randint(1, 5) * MS
                break
            now += retry
        state[from_client] = (
            state[from_client] + len(payload) + (1 if flags & (frames.SYN | frames.FIN) else 0)
        ) % 2**32

    carry(True, frames.SYN, options=frames.mss(1460) + frames.window_scale(7))
    carry(False, frames.SYN | frames.ACK, options=frames.mss(1460) + frames.window_scale(7))
    carry(True, frames.ACK)
    for _ in range(rounds):
        who = path.random.random() < 0.5
        carry(who, frames.PSH | frames.ACK, b"x" * path.random.randint(*sizes))
        carry(not who, frames.ACK)
    if close:
        carry(True, frames.FIN | frames.ACK)
        carry(False, frames.FIN | frames.ACK)
        carry(True, frames.ACK)
    return now
