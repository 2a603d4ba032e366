"""TLS between two ends in memory, made by OpenSSL, and put on a wire with a delay.

talk = Talk(handshake(client(), server()))        # frames of the whole: TCP, TLS, request, response
talk.capture(snap=96)                             # as a file
"""

import ssl
import struct
import subprocess
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from support import frames
from support.captures import pcap
from support.frames import CLIENT, SERVER

MS = 1_000_000
START = 1_700_000_000 * 1000 * MS
ENDS = (CLIENT, SERVER)
ISNS = (frames.CLIENT_ISN, frames.SERVER_ISN)
REQUEST = b"GET / HTTP/1.1\r\nHost: lab.test\r\n\r\n"
TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
EARLY = bytes.fromhex("002a0000")  # the extension early_data
CCM_8 = 0x1305  # TLS_AES_128_CCM_8_SHA256
RETRY_RANDOM = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")  # RFC 8446, 4.1.3
RESPONSE = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 5000


@cache
def certificate() -> tuple[str, str]:
    """A certificate that signs itself, and its key."""
    folder = Path(mkdtemp())
    names = str(folder / "certificate.pem"), str(folder / "key.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650",
         "-subj", "/CN=lab.test", "-addext", "subjectAltName=DNS:lab.test", "-out", names[0], "-keyout", names[1]],
        check=True, capture_output=True,
    )  # fmt: skip
    return names


def client(version=None, *, alpn=(), trusts=True, certified=False):
    """A client's context, of one version of TLS if that is named."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if trusts:
        context.load_verify_locations(certificate()[0])
    if certified:
        context.load_cert_chain(*certificate())
    return _common(context, version, alpn)


def server(version=None, *, alpn=(), curve=None, asks=False, tickets=2):
    """A server's context; `asks` for a certificate of the client, `curve` is the only one that it takes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate())
    context.num_tickets = tickets
    if curve:
        context.set_ecdh_curve(curve)
    if asks:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificate()[0])
    return _common(context, version, alpn)


def _common(context, version, alpn):
    if version is not None:
        context.minimum_version = context.maximum_version = version
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


def record(length, kind=23):
    """A record, all of zeros."""
    return struct.pack(">BHH", kind, 0x0303, length) + bytes(length)


def hello_13(cipher=0x1301, extra=b""):
    """A record with a ServerHello of TLS 1.3."""
    extensions = bytes.fromhex("002b00020304") + extra
    body = bytes.fromhex("0303") + bytes(32) + b"\0" + struct.pack(">H", cipher) + b"\0"
    body += struct.pack(">H", len(extensions)) + extensions
    message = b"\x02" + len(body).to_bytes(3, "big") + body
    return struct.pack(">BHH", 22, 0x0303, len(message)) + message


def client_hello(extra=b"", alpn=b""):
    """A record with a ClientHello that offers TLS 1.3, and these extensions."""
    extensions = bytes.fromhex("002b0003020304") + extra
    if alpn:
        extensions += struct.pack(">HHH", 16, len(alpn) + 2, len(alpn)) + alpn
    body = bytes.fromhex("0303") + bytes(32) + b"\0" + bytes.fromhex("00021301") + b"\x01\0"
    body += struct.pack(">H", len(extensions)) + extensions
    message = b"\x01" + len(body).to_bytes(3, "big") + body
    return struct.pack(">BHH", 22, 0x0301, len(message)) + message


class Ends:
    """A client and a server whose bytes are moved by hand."""

    def __init__(self, client_context, server_context, session=None):
        self.inputs = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.outputs = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = (
            client_context.wrap_bio(self.inputs[0], self.outputs[0], server_hostname="lab.test", session=session),
            server_context.wrap_bio(self.inputs[1], self.outputs[1], server_side=True),
        )
        self.failed = [False, False]

    def shake(self, side):
        """Let an end go on with its handshake; what it sends."""
        if not self.failed[side]:
            try:
                self.tls[side].do_handshake()
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError:
                self.failed[side] = True
        return self.outputs[side].read()

    def take(self, side):
        """Let an end take what there is; what it sends then, an alert perhaps."""
        try:
            self.tls[side].read(1 << 16)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            self.failed[side] = True
        return self.outputs[side].read()


def handshake(client_context, server_context, session=None, *, request=REQUEST, response=RESPONSE, keep=None):
    """Who sends what: pairs of a side and bytes, in turns.  `keep` gets the client's session."""
    ends = Ends(client_context, server_context, session)
    said = []
    side = 0
    for _ in range(12):
        data = ends.shake(side)
        if data:
            said.append((side, data))
            ends.inputs[side ^ 1].write(data)
        elif any(ends.failed) or said[-1][0] == side:
            break
        side ^= 1
        if said[-1][0] == side and not any(ends.failed):
            break
    if any(ends.failed):
        return said
    if request:
        ends.tls[0].write(request)
        data = ends.outputs[0].read()
        said.append((0, data))
        ends.inputs[1].write(data)
        data = ends.take(1)
        if data or ends.failed[1]:
            return [*said, (1, data)]
    if response:
        ends.tls[1].write(response)
        data = ends.outputs[1].read()
        said.append((1, data))
        ends.inputs[0].write(data)
        ends.take(0)
    if keep is not None:
        keep.append(ends.tls[0].session)
    return said


class Talk:
    """Bytes on a wire of `way` ms, captured `position` ms from the client.  Every flight waits for the one before."""

    def __init__(self, said=(), *, way=20, position=0, mss=1460, opened=True, isns=ISNS, options=b""):
        self.way, self.position, self.mss, self.options = way, position, mss, options
        self.sent = []  # (time in ms at the capture, side, seq, ack, data)
        self.free = [0.0, 0.0]  # when each side has all that the other one sent
        self.isns, self.next = isns, [isn + 1 for isn in isns]
        self.opening = []
        if opened:
            self.open()
        for side, data in said:
            self.say(side, data)

    def passes(self, side, at):
        """When what a side sends at that time passes the capture."""
        return at + (self.position if side == 0 else self.way - self.position)

    def open(self):
        """The handshake of TCP."""
        options, (mine, theirs) = frames.mss(self.mss), self.isns
        self.opening = [
            (self.passes(0, 0), frames.syn(seq=mine, options=options)),
            (self.passes(1, self.way), frames.syn_ack(seq=theirs, ack=mine + 1, options=options)),
            (self.passes(0, 2 * self.way), frames.ack(seq=mine + 1, ack=theirs + 1)),
        ]
        self.free = [2.0 * self.way, 3.0 * self.way]

    def say(self, side, data, *, think=1.0, ack=None, at=None, size=None):
        """Let a side send bytes, in segments of the MSS; `ack` says what it acknowledges, if not all there is."""
        at = self.free[side] + think if at is None else at
        size = size or self.mss
        acked = self.next[side ^ 1] if ack is None else ack
        for begin in range(0, len(data), size):
            piece = data[begin : begin + size]
            self.sent.append((self.passes(side, at), side, self.next[side], acked, piece))
            self.next[side] += len(piece)
            at += 0.01
        self.free[side ^ 1] = max(self.free[side ^ 1], at + self.way)
        self.free[side] = max(self.free[side], at)

    def acknowledge(self, side, *, at, number=None):
        """A bare ACK."""
        number = self.next[side ^ 1] if number is None else number
        self.sent.append((self.passes(side, at), side, self.next[side], number, b""))

    def frames(self, link=frames.ethernet):
        """All frames with their times, as captured."""
        made = list(self.opening)
        for at, side, seq, ack, data in self.sent:
            ends = ENDS if side == 0 else ENDS[::-1]
            made.append(
                (at, frames.data(data, *ends, seq=seq % 2**32, ack=ack % 2**32, options=self.options, link=link))
            )
        return [(START + round(at * MS), frame) for at, frame in sorted(made, key=lambda each: each[0])]

    def capture(self, snap=None):
        """A file of them, with a snap length perhaps."""
        if snap is None:
            return pcap(self.frames(), nano=True)
        body = b"".join(
            struct.pack("<IIII", ns // 10**9, ns % 10**9, min(len(frame), snap), len(frame)) + frame[:snap]
            for ns, frame in self.frames()
        )
        return pcap([], nano=True, snap_len=snap) + body


class Read:
    """The rows of set-up of a capture's connections, as attributes; `row` says which connection."""

    def __init__(self, capture, row=0, *, limit=1 << 10, reads=True, block=None):
        from handshake_inspect.capture.pcap import PcapReader  # noqa: PLC0415
        from handshake_inspect.engine.pump import Pump  # noqa: PLC0415
        from handshake_inspect.tcp.setup.facts import EXCHANGE_SETUP  # noqa: PLC0415
        from handshake_inspect.tcp.tracker import Tracker  # noqa: PLC0415

        tracker = Tracker(limit)
        tracker.reads = reads
        reader = PcapReader()
        pump, rest, block = Pump(tracker), b"", block or len(capture)
        for begin in range(0, len(capture), block):
            rest = rest[reader.position :] + capture[begin : begin + block]
            reader.feed(rest, 0, len(rest), 0)
            pump.drain(reader)
        self.table = tracker.table
        self.setups = tracker.table.setups
        self.exchange = self.setups.exchange_rows[row]
        number = self.exchange.setup & EXCHANGE_SETUP
        self.setup = self.setups.setup_rows[number - 1] if number else None
        self.over = bool(self.table.connection_rows[row].quick & 2)
        if self.setup is not None and self.setup.reading:
            self.over = bool(self.setups.reading_rows[self.setup.reading - 1].done)

    def __getattr__(self, name):
        return getattr(self.setup, name)

    def ms(self, name):
        """A time in ms since the SYN left the client; None where it is none."""
        row = self.exchange if name in ("request", "response") else self.setup
        at = getattr(row, f"{name}_ns")
        return round((at - START) / MS, 2) if at else None

    def has(self, *names):
        """Whether all of these SETUP_* bits are set."""
        from handshake_inspect.tcp.setup import facts as setup_facts  # noqa: PLC0415

        return all(self.setup.flags & getattr(setup_facts, f"SETUP_{name}") for name in names)

    @property
    def facts(self):
        """What the ClientHello offers."""
        return self.setups.names.facts(self.setup.hello)

    @property
    def waits(self):
        """Reason, cost in ms, side, and whether the ACK was delayed, of every wait."""
        found, number = [], self.setup.extras if self.setup is not None else 0
        while number:
            extra = self.setups.extra_rows[number - 1]
            found.append((extra.reason, round(extra.cost_ns / MS, 2), extra.side, bool(extra.delayed)))
            number = extra.next
        return found

    def everything(self):
        """All that the rows say, to be compared with another reading of the same bytes."""
        row = {}
        for name, _ in () if self.setup is None else self.setup._fields_:
            value = getattr(self.setup, name)
            row[name] = list(value) if hasattr(value, "_length_") else value
        for name in ("hello", "reading", "extras"):
            row.pop(name, None)
        row["facts"] = self.facts if self.setup is not None else None
        return row, self.exchange.request_ns, self.exchange.response_ns, self.waits
