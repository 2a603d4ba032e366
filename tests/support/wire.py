"""A path between two hosts with a capture point on it: packetdrill in Python.

    wire = Wire(delay=20 * MS)              20 ms each way, captured beside the client
    wire.client.syn()
    wire.server.syn_ack(lost="after")       lost behind the capture point
    wire.wait(SECOND)
    wire.server.syn_ack()
    wire.client.ack()
    wire.client.data(100)
    wire.connection()["rtt"]["ackdat"]      of the report of what was captured

Hosts send what their sequence variables say by default (`seq=`, `ack=`).  Sending takes the clock to the
arrival at the other host, or not at all with `stay=True`, so that segments can cross.
"""

import io
import json
from functools import cache

import jsonschema

from handshake_inspect import engine
from handshake_inspect.render import FORMATS, Options
from handshake_inspect.report.schema import schema
from handshake_inspect.wire.const import MASK32
from support import captures, frames

MS = 1_000_000
SECOND = 1_000 * MS
START = 1_795_000_000 * SECOND

PLACES = {"client": 0.0, "middle": 0.5, "server": 1.0}
LETTERS = {"F": frames.FIN, "S": frames.SYN, "R": frames.RST, "P": frames.PSH, "A": frames.ACK, "U": frames.URG,
           "E": frames.ECE, "W": frames.CWR, "e": frames.AE}  # fmt: skip
WIFI = {"802.11", "802.11 radiotap"}


@cache
def validator():
    return jsonschema.Draft202012Validator(schema())


def json_of(*sources, **options) -> bytes:
    """The JSON report of captures: files, or their bytes."""
    inputs = [io.BytesIO(source) if isinstance(source, bytes) else source for source in sources]
    return written(engine.analyze(inputs, options=engine.Options(**options)))


def written(report) -> bytes:
    """A report as JSON."""
    out = io.BytesIO()
    FORMATS["json"].render(report, out, Options())
    return out.getvalue()


def report_of(*sources, **options) -> dict:
    """As `json_of`, read back; it is what the schema says and its numbers agree."""
    report = json.loads(json_of(*sources, **options))
    validator().validate(report)
    check_sums(report)
    return report


def check_sums(report: dict) -> None:
    """What must hold of any report at all."""
    connections, summary = report["connections"], report["summary"]
    assert sum(summary["outcomes"].values()) == summary["connections"] == len(connections)
    for outcome, count in summary["outcomes"].items():
        assert count == sum(connection["outcome"] == outcome for connection in connections)
    assert sum(service["connections"] for service in report["services"]) == len(connections)
    for service in report["services"]:
        assert sum(service["outcomes"].values()) == service["connections"]
    assert [connection["id"] for connection in connections] == list(range(len(connections)))
    first = [connection["first_frame"] for connection in connections]
    assert first == sorted(first)
    counted = 0
    for connection in connections:
        check_connection(connection, report["capture"])
        counted += connection["client_to_server"]["frames"] + connection["server_to_client"]["frames"]
    assert counted <= report["capture"]["tcp_segments"]
    if not WIFI & set(report["capture"]["link_types"]):  # whose frames may hold several packets
        assert report["capture"]["tcp_segments"] <= report["capture"]["frames"]
    for finding in report["findings"]:
        assert all(0 <= number < len(connections) for number in finding["evidence"]["connections"])
        assert all(1 <= number <= report["capture"]["frames"] for number in finding["evidence"]["frames"])


def check_connection(connection: dict, capture: dict) -> None:
    assert connection["first_ns"] <= connection["last_ns"] <= capture["last_ns"]
    assert connection["evidence"] == sorted(set(connection["evidence"]))
    assert all(1 <= number <= capture["frames"] for number in connection["evidence"])
    assert connection["evidence"]
    assert (connection["age_ns"] is not None) == (connection["outcome"] == "half-open")
    for name in ("synack", "ackdat", "total"):
        leg = connection["rtt"][name]
        assert (leg["method"] == "none") == (leg["min_ns"] is None) == (leg["max_ns"] is None)
        if leg["min_ns"] is None:
            assert leg["value_ns"] is None
            assert leg["reason"]
        else:
            assert 0 <= leg["min_ns"] <= leg["max_ns"]
            assert leg["value_ns"] is None or leg["min_ns"] <= leg["value_ns"] <= leg["max_ns"]
    if connection["rtt"]["reject_ns"] is not None:
        assert connection["rtt"]["reject_ns"] >= 0
        assert connection["outcome"] in {"refused", "rejected"}


class Host:
    """One end: sends, and takes note of what arrives."""

    def __init__(self, wire, name, address, isn, *, ttl, timestamps, ident, clock):
        self.wire = wire
        self.name = name
        self.address = address
        self.isn = isn
        self.snd_nxt = isn
        self.rcv_nxt = 0
        self.ttl = ttl
        self.timestamps = timestamps
        self.echo = 0  # TS.Recent of RFC 7323
        self.ident = ident  # of the next packet; 0 stays 0
        self.clock = clock  # its TSval at the start of the wire, in milliseconds
        self.window = 64240
        self.packet = b""  # the IP packet sent last

    @property
    def tsval(self):
        return (self.clock + (self.wire.now - START) // MS) & MASK32

    def send(
        self, flags, size=0, *, seq=None, ack=None, options=None, lost=None, later=0, times=1, stay=False, again=False,
        payload=None, **words,
    ):  # fmt: skip
        """Send a segment; its letters are those of tcpdump and A.

        `lost` "before" or "after" the capture point; `later`: this much longer under way before it; `times`: the
        network doubles it; `again`: send the same packet once more, as a bridge does.
        """
        if again:
            self.wire.carry(self, self.packet, self.snd_nxt, None, lost=lost, later=later, stay=stay)
            return self
        bits = sum(LETTERS[letter] for letter in flags)
        seq = self.snd_nxt if seq is None else seq & MASK32
        ack = (self.rcv_nxt if bits & frames.ACK else 0) if ack is None else ack & MASK32
        if options is None:
            options = self.options(bits)
        payload = b"x" * size if payload is None else payload
        end = (seq + len(payload) + (bits & frames.SYN != 0) + (bits & frames.FIN != 0)) & MASK32
        words = {"window": self.window, "ttl": self.ttl, "ident": self.ident} | words
        if self.ident:
            self.ident = self.ident % 0xFFFF + 1
        self.packet = frames.segment(
            self.address, self.peer.address, bits, seq=seq, ack=ack, options=options, payload=payload,
            link=frames.raw, **words,
        )  # fmt: skip
        if bits & frames.RST:
            end = self.snd_nxt  # it occupies nothing
        elif 0 < (end - self.snd_nxt) & MASK32 < 1 << 31:
            self.snd_nxt = end
        tsval = self.tsval if self.timestamps else None
        for _ in range(times):
            self.wire.carry(self, self.packet, end, tsval, lost=lost, later=later, stay=True)
        if not stay:
            self.wire.wait(self.wire.delay + later)
        return self

    def options(self, bits):
        echo = self.echo if bits & frames.ACK else 0
        if bits & frames.SYN:
            if self.timestamps:
                return frames.linux_syn_options(self.tsval, echo)
            return frames.mss(1460) + frames.nop() + frames.window_scale(7)
        return frames.timestamps(self.tsval, echo) if self.timestamps and not bits & frames.RST else b""

    def arrived(self, end, tsval):
        """A segment that ends before sequence number `end`."""
        if self.rcv_nxt == 0 or 0 < (end - self.rcv_nxt) & MASK32 < 1 << 31:
            self.rcv_nxt = end
            if tsval is not None:
                self.echo = tsval

    @property
    def peer(self):
        return self.wire.server if self is self.wire.client else self.wire.client

    def syn(self, **words):
        return self.send("S", **({"seq": self.isn} | words))

    def syn_ack(self, **words):
        return self.send("SA", **({"seq": self.isn} | words))

    def ack(self, **words):
        return self.send("A", **words)

    def data(self, size=100, **words):
        return self.send("PA", size, **words)

    def fin(self, **words):
        return self.send("FA", **words)

    def rst(self, **words):
        return self.send("R", **words)

    def rst_ack(self, **words):
        return self.send("RA", **words)

    def refuse(self, **words):
        """What a closed port answers to a SYN (RFC 9293 section 3.10.7.1)."""
        return self.rst_ack(**({"seq": 0} | words))


class Wire:
    def __init__(
        self, delay=20 * MS, at="client", *, client=frames.CLIENT, server=frames.SERVER, client_isn=1000,
        server_isn=5000, timestamps=True, ident=True, start=START, link=frames.ethernet, link_type=1,
    ):  # fmt: skip
        self.delay = delay
        self.place = PLACES[at]
        self.now = start
        self.link, self.link_type = link, link_type
        self.taken: list[tuple[int, str, bytes]] = []  # when, who sent it, the IP packet
        self.under_way: list[tuple[int, Host, int, int | None]] = []
        self.client = Host(
            self, "client", client, client_isn, ttl=64, timestamps=timestamps, ident=ident and 1000, clock=700_000
        )
        self.server = Host(
            self, "server", server, server_isn, ttl=57, timestamps=timestamps, ident=ident and 9000, clock=52_000
        )

    # -- the path

    def carry(self, sender, packet, end, tsval, *, lost, later, stay):
        way = self.place if sender is self.client else 1 - self.place
        if lost != "before":
            self.taken.append((self.now + later + int(self.delay * way), sender.name, packet))
        if lost is None:
            self.under_way.append((self.now + later + self.delay, sender.peer, end, tsval))
        if not stay:
            self.wait(self.delay + later)

    def wait(self, ns):
        """Let time pass, and what is under way arrive."""
        self.now += ns
        for arrival in sorted(self.under_way, key=lambda each: each[0]):
            if arrival[0] <= self.now:
                self.under_way.remove(arrival)
                _, host, end, tsval = arrival
                host.arrived(end, tsval)
        return self

    def icmp_error(self, about, *, later=0, **words):
        """An ICMP error about an IP packet, as it passes the capture point now; words of frames.icmp_error()."""
        self.taken.append((self.now + later, "router", frames.icmp_error(about, link=frames.raw, **words)))
        return self

    # -- what is often the same

    def handshake(self):
        self.client.syn()
        self.server.syn_ack()
        self.client.ack()
        return self

    def exchange(self, size=100):
        """A request and its answer, each acknowledged."""
        self.client.data(size)
        self.server.data(size)
        self.client.ack()
        return self

    def close(self, first="client"):
        one = self.client if first == "client" else self.server
        one.fin()
        one.peer.fin()
        one.ack()
        return self

    def quiet(self, ns):
        """Time passes, and the capture shows it: a datagram of somebody else."""
        self.now += ns
        self.taken.append((self.now, "other", frames.udp(("203.0.113.7", 53), ("203.0.113.8", 53), link=frames.raw)))
        return self

    # -- the capture

    def frames(self, *, only=None, order=None):
        """(time, frame) of all that was captured, in the order of time, or in `order`; `only` what one host sent."""
        taken = sorted(self.taken, key=lambda each: each[0])
        if order is not None:
            taken = [taken[i] for i in order]
        return [(ns, self.link(packet)) for ns, name, packet in taken if only in (None, name)]

    def stored_late(self, who, by, *, stamps="right", since=0):
        """(time, frame) of all that was captured, as a card with several queues stores it: what one host sent is `by`
        later, from its segment `since` on, with its "right" time or a "late" one.
        """
        stored = []
        sent = 0
        for ns, name, packet in sorted(self.taken, key=lambda each: each[0]):
            sent += name == who
            at = ns + by if name == who and sent > since else ns
            stored.append((at, ns if stamps == "right" else at, self.link(packet)))
        return [(ns, frame) for _, ns, frame in sorted(stored, key=lambda each: each[0])]

    def pcap(self, **words):
        return captures.pcap(self.frames(**words), nano=True, link_type=self.link_type)

    def report(self, *, only=None, order=None, **options):
        return report_of(self.pcap(only=only, order=order), **options)

    def connections(self, **words):
        return self.report(**words)["connections"]

    def connection(self, **words):
        """The only connection."""
        connections = self.connections(**words)
        assert len(connections) == 1, [(one["outcome"], one["cause"]) for one in connections]
        return connections[0]

    def outcomes(self, **words):
        return [(one["outcome"], one["cause"]) for one in self.connections(**words)]


def merged(*wires, **options):
    """The report of several wires in one capture."""
    taken = sorted((each for wire in wires for each in wire.frames()), key=lambda each: each[0])
    return report_of(captures.pcap(taken, nano=True), **options)


def states(connection):
    return connection["state"]["client"], connection["state"]["server"]
