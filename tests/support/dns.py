"""A vocabulary of DNS messages, and a client that looks names up and connects.

query("www.example.org")                     bytes of a message; answer(...) as well
talk = Talk(); talk.look_up("www.example.org", "198.51.100.2").connect("198.51.100.2").report()
"""

import io
import ipaddress
import struct

from support import frames
from support.captures import pcap
from support.wire import report_of

A, CNAME, AAAA, RRSIG, SVCB, HTTPS = 1, 5, 28, 46, 64, 65
NXDOMAIN = 3
MS, SECOND = 1_000_000, 1_000_000_000
START = 1_700_000_000 * SECOND
CLIENT, RESOLVER = "192.0.2.1", "192.0.2.53"
CLIENT6 = "2001:db8::1"


def labels(name: str) -> bytes:
    return b"".join(bytes([len(each)]) + each.encode() for each in name.split(".")) + b"\0"


def query(name="www.example.org", kind=A, number=7, *, flags=0x0100, answers=(), rcode=0) -> bytes:
    head = struct.pack(">HHHHHH", number, flags | rcode, 1, len(answers), 0, 0)
    return head + labels(name) + struct.pack(">HH", kind, 1) + b"".join(answers)


def record(name: str, kind: int, data: bytes, ttl: int = 300) -> bytes:
    return labels(name) + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data


def service(target="", *hints, priority=1, parameters=()) -> bytes:
    """The data of an HTTPS record (RFC 9460 section 2.2), with addresses as hints, and other parameters."""
    packed = [ipaddress.ip_address(each).packed for each in hints]
    found = dict(parameters) | {
        key: b"".join(each for each in packed if len(each) == size)
        for key, size in ((4, 4), (6, 16))
        if any(len(each) == size for each in packed)
    }
    behind = b"".join(struct.pack(">HH", key, len(found[key])) + found[key] for key in sorted(found))
    return struct.pack(">H", priority) + (labels(target) if target else b"\0") + behind


def answer(name="www.example.org", kind=A, number=7, *, records=None, rcode=0, flags=0x8180) -> bytes:
    if records is None:
        records = [record(name, A, ipaddress.ip_address("198.51.100.2").packed)] if kind == A else []
    return query(name, kind, number, flags=flags, answers=records, rcode=rcode)


class Talk:
    """Clients, their resolver, and servers; one event after the other."""

    def __init__(self) -> None:
        self.now, self.number, self.taken = START, 0, []

    def put(self, frame: bytes) -> "Talk":
        self.taken.append((self.now, frame))
        return self

    def wait(self, ns: int) -> "Talk":
        self.now += ns
        return self

    def look_up(
        self,
        name,
        *addresses,
        client=CLIENT,
        resolver=RESOLVER,
        took=10 * MS,
        rcode=0,
        kind=None,
        tries=1,
        silent=False,
        records=None,
    ):
        """A lookup; its kind is that of the addresses, and HTTPS where `records` of them are given."""
        self.number += 1
        kind = kind or (HTTPS if records is not None else AAAA if any(":" in each for each in addresses) else A)
        here, there = (client, 30000 + self.number), (resolver, 53)
        for at in range(tries):
            self.put(frames.udp(here, there, query(name, kind, self.number)))
            if at + 1 < tries:
                self.wait(5 * SECOND)
        self.wait(took)
        if silent:
            return self
        if records is None:
            records = [record(name, kind, ipaddress.ip_address(each).packed) for each in addresses]
        return self.put(frames.udp(there, here, answer(name, kind, self.number, records=records, rcode=rcode)))

    def look_up_together(self, name, *answers, client=CLIENT, resolver=RESOLVER):
        """Lookups that begin at once, each (kind, data of its record, how long it took), until the last answer."""
        begun, there = self.now, (resolver, 53)
        said = []
        for kind, data, took in answers:
            self.number += 1
            here = client, 30000 + self.number
            self.put(frames.udp(here, there, query(name, kind, self.number)))
            whole = answer(name, kind, self.number, records=[record(name, kind, data)] if data else [])
            said.append((begun + took, frames.udp(there, here, whole)))
        self.taken += sorted(said)
        self.now = self.taken[-1][0]
        return self

    def _ends(self, server, client):
        self.number += 1
        return (client or (CLIENT6 if ":" in server else CLIENT), 40000 + self.number), (server, 443)

    def connect(self, server, *, client=None):
        """A handshake that completes, 20 ms away."""
        here, there = self._ends(server, client)
        self.put(frames.syn(src=here, dst=there)).wait(20 * MS)
        self.put(frames.syn_ack(src=there, dst=here)).wait(MS)
        return self.put(frames.ack(src=here, dst=there))

    def fail(self, server, *, client=None, wait=300 * MS):
        """SYNs that nothing answers."""
        here, there = self._ends(server, client)
        for gap in (SECOND, 2 * SECOND, wait):
            self.put(frames.syn(src=here, dst=there)).wait(gap)
        return self

    def file(self) -> io.BytesIO:
        end = [(self.now + 60 * SECOND, frames.udp(("203.0.113.7", 9), ("203.0.113.8", 9)))]
        return io.BytesIO(pcap(self.taken + end, nano=True))

    def report(self, **options) -> dict:
        return report_of(self.file().getvalue(), **options)

    def found(self, kind: str) -> list:
        return [each for each in self.report()["findings"] if each["id"] == kind]
