"""One end of a connection is a real kernel's, the other is played by hand, segment by segment, over a TUN device.

What the kernel answers is in the device's queue as soon as a segment was written to it: nothing here waits.  The clock
is the capture's own: it runs on by itself and is put forward before each segment, as if the path had a delay, so that
captures look like others and take no time to make.  Only with `timers` does time really pass, so that the kernel sends
again what is not acknowledged.  After each frame `/proc/net/tcp` says in which state the kernel's end is.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import random
import select
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "pcaps"))

from lab.packet import ACK, FIN, RST, SYN, Segment, parse
from support.frames import icmp_error, raw

CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
LINGER_0 = struct.pack("ii", 1, 0)
TOTAL_RETRANS = 100  # offset of tcpi_total_retrans
OURS = {4: "10.9.0.1", 6: "fd09::1"}
THEIRS = {4: "10.9.0.2", 6: "fd09::2"}
LISTENS = 8080
WINDOW_SCALE = b"\x03\x03"  # kind and length
MASK = 0xFFFFFFFF
COPY_NS = 400_000_000  # what comes so late is no copy of the capture
FAST_OPEN_EVERYWHERE = 0x607  # both ends, without cookies, for all listeners
Options = tuple[tuple[int, int, int | bytes], ...]  # of a socket: level, name, value
STATES = {
    0x01: "ESTABLISHED", 0x02: "SYN_SENT", 0x03: "SYN_RECEIVED", 0x04: "FIN_WAIT_1", 0x05: "FIN_WAIT_2",
    0x06: "TIME_WAIT", 0x08: "CLOSE_WAIT", 0x09: "LAST_ACK", 0x0B: "CLOSING", 0x0C: "SYN_RECEIVED",
}  # fmt: skip


def unshare() -> None:
    """Leave the network of this machine, for good: the process has one of its own from now on."""
    libc = ctypes.CDLL(None, use_errno=True)
    # Two steps: the second has a table of sockets of its own, a small one, which is read in no time.
    for sysctl in ("tcp_child_ehash_entries", None):
        if libc.unshare(CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        if sysctl is not None and (file := Path("/proc/sys/net/ipv4") / sysctl).exists():
            file.write_text("64")


def segment_of(packet: bytes) -> Segment | None:
    kind = b"\x86\xdd" if packet[0] >> 4 == 6 else b"\x08\x00"
    return parse(b"\0" * 12 + kind + packet)


def spoilt(packet: bytes) -> bytes:
    """The packet with one bit of its sequence number changed on the way, and its checksum as it was."""
    at = (40 if packet[0] >> 4 == 6 else 20) + 7
    return packet[:at] + bytes([packet[at] ^ 1]) + packet[at + 1 :]


class Kernel:
    """The kernel of this machine, behind a TUN device in a network namespace that only this process has."""

    def __init__(self, *, timers: bool = False) -> None:
        self.timers = timers
        unshare()
        self.device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(self.device, TUNSETIFF, struct.pack("16sH", b"tun0", IFF_TUN | IFF_NO_PI))
        for command in (
            f"ip addr add {OURS[4]}/24 dev tun0", f"ip -6 addr add {OURS[6]}/64 dev tun0 nodad",
            "ip link set lo up", "ip link set tun0 up",
        ):  # fmt: skip
            subprocess.run(command.split(), check=True, capture_output=True)
        self.set("tcp_syncookies", 0)
        self.set("tcp_fastopen", FAST_OPEN_EVERYWHERE)  # of listeners it must be known when they begin
        self.tables = {4: Path("/proc/thread-self/net/tcp"), 6: Path("/proc/thread-self/net/tcp6")}
        self.listeners = {version: self.listen(version) for version in (4, 6)}
        self.set("tcp_fastopen", 0)
        self.changed: dict[str, str] = {}  # sysctls, and what they were
        self.ahead_ns = 0
        self.port = 20_000  # of the end that is played, another one each time

    def socket(self, version: int) -> socket.socket:
        made = socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6)
        made.setblocking(False)
        return made

    def listen(self, version: int) -> socket.socket:
        listener = self.socket(version)
        listener.bind((OURS[version], LISTENS))
        listener.listen(1024)
        return listener

    def set(self, name: str, value: object) -> None:
        Path("/proc/sys/net/ipv4", name).write_text(str(value))

    def change(self, sysctls: Mapping[str, object]) -> None:
        """Have these sysctls until the next change, and all others as they were."""
        for name, value in self.changed.items():
            self.set(name, value)
        self.changed = {name: Path("/proc/sys/net/ipv4", name).read_text() for name in sysctls}
        for name, value in sysctls.items():
            self.set(name, value)

    def waits(self, seconds: float) -> bool:
        """Whether the kernel sends something within that time."""
        return bool(select.select([self.device], [], [], max(seconds, 0))[0])

    @property
    def now_ns(self) -> int:
        return time.time_ns() + self.ahead_ns

    def received(self) -> Iterator[bytes]:
        """What the kernel has sent meanwhile."""
        with contextlib.suppress(BlockingIOError):
            while True:
                yield os.read(self.device, 1 << 16)

    def state(self, version: int, ours: int, theirs: int) -> str:
        """What /proc/net/tcp says of the end at port `ours`."""
        for line in self.tables[version].read_text().splitlines()[1:]:
            words = line.split()
            ports = int(words[1][-4:], 16), int(words[2][-4:], 16)
            if ports == (ours, theirs):
                return STATES.get(int(words[3], 16), "CLOSED")
        return "CLOSED"


@dataclass
class Taken:
    """A captured frame, what the kernel said after it (None: more had happened by then), and who sent it."""

    ns: int
    packet: bytes
    by_kernel: bool
    state: str | None = None
    retransmissions: int | None = None


@dataclass(frozen=True)
class Blind:
    """What of the kernel's state the wire does not show.

    - `silent`: it may drop what is captured, and say nothing: its state counts where it speaks;
    - `stateless`: it keeps no request that it answered, and takes the ACK of one at any time: nothing counts after the
      end of a connection;
    - `excused`: pairs of hsi's state and its own.
    """

    silent: bool = False
    stateless: bool = False
    excused: frozenset[tuple[str, str]] = frozenset()


@dataclass
class Play:
    """One connection.  `nxt` is the next sequence number of the end that is played, `peer_nxt` the kernel's."""

    kernel: Kernel
    version: int = 4
    timestamps: bool = False
    isn: int = 1000
    dice: random.Random = field(default_factory=lambda: random.Random(0))
    window: int = 30_000
    taken: list[Taken] = field(default_factory=list)
    ours: int = LISTENS
    theirs: int = 0
    nxt: int = 0
    peer_iss: int = 0
    peer_nxt: int = 0
    peer_acked: int | None = None  # the kernel's last acknowledgment
    peer_tsval: int = 0
    peer_window: int = 0
    acknowledged: int = 0  # the kernel's SND.UNA
    sock: socket.socket | None = None
    received: int = 0  # bytes that the kernel's application had, and its end of file
    actively: bool = False
    reads: bool = True  # whether the application takes the data
    accepts: bool = True  # whether the application takes connections
    syn_options: bytes = b""  # besides MSS and timestamps
    peer_scale: int = 0
    socket_options: Options = ()
    undamaged: int = 0  # segments that were sent whole
    others: list[tuple[int, int]] = field(default_factory=list)  # see `beside`: their ports, and where they go on
    blind: Blind = field(default_factory=Blind)

    def __post_init__(self) -> None:
        self.kernel.port += 1
        self.theirs = self.kernel.port
        self.nxt = self.first_isn = self.isn
        self.clock = 1000  # TSval of the end that is played

    # -- the end that is played

    def send(
        self,
        flags: int,
        *,
        seq: int | None = None,
        ack: int | None = None,
        payload: bytes = b"",
        tsval: int | None = None,
        window: int | None = None,
        options: bytes = b"",
        stamped: bool = True,
        damaged: bool = False,
        more: int = 0,
        urgent: int = 0,
    ) -> Play:
        """One segment to the kernel; what is not given is as it should be.

        `options` come before the timestamps, which it lacks unless `stamped`; `more` are flags that change no state; a
        `damaged` one has a wrong checksum.
        """
        self.pause()
        stamps = self.options(flags, tsval) if stamped or flags & SYN else b""
        segment = Segment(
            THEIRS[self.version], self.theirs, OURS[self.version], self.ours, flags | more,
            (self.nxt if seq is None else seq) & MASK,
            0 if not flags & ACK and ack is None else (self.peer_nxt if ack is None else ack) & MASK,
            self.window if window is None else window, options + stamps, payload, urgent=urgent,
        )  # fmt: skip
        if damaged:
            return self.put(spoilt(segment.packet()))
        self.undamaged += 1
        if (
            flags & ACK
            and 0
            < (segment.ack - (self.acknowledged or self.peer_iss)) & MASK
            <= (self.peer_nxt - (self.acknowledged or self.peer_iss)) & MASK
        ):
            self.acknowledged = segment.ack
        return self.put(segment.packet())

    def inject(self, packet: bytes) -> Play:
        """A packet of the path, or one that was sent before."""
        self.pause()
        return self.put(packet)

    def put(self, packet: bytes) -> Play:
        if any(taken.packet == packet for taken in self.taken):
            self.kernel.ahead_ns += COPY_NS
        self.taken.append(Taken(self.kernel.now_ns, packet, False))
        os.write(self.kernel.device, packet)
        self.collect()
        return self

    def complain(self, kind: int, code: int, quoted: bytes) -> Play:
        """An ICMP error of a router about a packet of the kernel."""
        return self.inject(icmp_error(quoted, type=kind, code=code, link=raw))

    def options(self, flags: int, tsval: int | None) -> bytes:
        made = b"\x02\x04\x05\xb4" if flags & SYN else b""
        if self.timestamps and not flags & RST:
            echo = self.peer_tsval if flags & ACK else 0
            stamp = struct.pack("!II", self.clock if tsval is None else tsval & MASK, echo)
            made += b"\x01\x01\x08\x0a" + stamp
        return made + (self.syn_options if flags & SYN else b"")

    def say(self, flags: int, payload: bytes = b"", **words: int) -> Play:
        """As `send`, and go on behind it."""
        self.send(flags, payload=payload, **words)  # type: ignore[arg-type]
        self.nxt = (self.nxt + len(payload) + bool(flags & SYN) + bool(flags & FIN)) & MASK
        return self

    # -- the kernel's end

    def connect(self, payload: bytes = b"") -> Play:
        """Open actively, with Fast Open if there is payload."""
        self.actively = True
        self.sock = self.kernel.socket(self.version)
        self.set_up()
        self.pause()
        server = THEIRS[self.version], self.theirs
        with contextlib.suppress(BlockingIOError):
            if payload:
                self.sock.sendto(payload, socket.MSG_FASTOPEN, server)
            else:
                self.sock.connect(server)
        self.ours = self.sock.getsockname()[1]
        self.collect()
        return self

    def set_up(self) -> None:
        assert self.sock is not None
        for level, name, value in self.socket_options:
            self.sock.setsockopt(level, name, value)

    def accept(self) -> None:
        """Have the application take what the kernel has for it: the connection, data, the end of data."""
        if self.sock is None and self.ours == LISTENS and self.accepts:
            with contextlib.suppress(BlockingIOError):
                while self.sock is None:
                    sock, address = self.kernel.listeners[self.version].accept()
                    if address[1] == self.theirs:
                        self.sock = sock
                        self.sock.setblocking(False)
                        self.set_up()
        if self.sock is None:
            return
        with contextlib.suppress(OSError):
            while self.reads and (got := self.sock.recv(1 << 16)):
                self.received += len(got)
        with contextlib.suppress(OSError):
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)  # time passes: no ACK is delayed

    def write(self, size: int) -> Play:
        self.pause()
        if self.sock is not None:
            with contextlib.suppress(OSError):
                self.sock.send(b"y" * size)
        self.collect()
        return self

    def shut(self) -> Play:
        """The application closes its half."""
        self.pause()
        if self.sock is not None:
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_WR)
        self.collect()
        return self

    def close(self) -> Play:
        """The application is gone."""
        self.accept()
        self.pause()
        if self.sock is not None:
            self.sock.close()
        self.sock = None
        self.collect()
        return self

    # -- the capture

    def pause(self) -> None:
        """The clock goes on: longer than a copy of a packet takes, shorter than any timer."""
        wait_ns = self.dice.randrange(60_000_000, 150_000_000)
        self.clock += 100
        if self.kernel.timers:
            self.idle(wait_ns / 1e9)
            return
        self.kernel.ahead_ns += wait_ns
        if self.timestamps:
            time.sleep(0.0015)  # the kernel's clock of timestamps must go on, or two of its ACKs are the same packet

    def idle(self, seconds: float) -> None:
        """Nothing is sent for so long; the kernel's timers may run out."""
        until = time.monotonic() + seconds
        while self.kernel.waits(until - time.monotonic()):
            self.collect()

    def collect(self) -> None:
        """Note what the kernel has sent, and how it is now."""
        self.accept()
        while self.note_sent():
            self.accept()
        state = self.kernel.state(self.version, self.ours, self.theirs)
        if self.taken and not self.note_sent():  # else it is not known which of the frames the state is of
            self.taken[-1].state = state
            self.taken[-1].retransmissions = self.retransmitted()

    def note_sent(self) -> bool:
        return sum(self.note(packet) for packet in self.kernel.received()) > 0

    def note(self, packet: bytes) -> bool:
        """Take a packet of the kernel, if it is of this connection."""
        segment = segment_of(packet)
        if segment is None or segment.dport != self.theirs:
            return False
        self.taken.append(Taken(self.kernel.now_ns, packet, True))
        self.learn(segment)
        return True

    def beside(self, segment: Segment) -> list[Segment]:
        """A segment of another connection, which the capture does not show, and what the kernel answers."""
        os.write(self.kernel.device, segment.packet())
        others = [segment_of(packet) for packet in self.kernel.received() if not self.note(packet)]
        return [other for other in others if other and other.dport == segment.sport]

    def learn(self, segment: Segment) -> None:
        """What the played end gets from a segment of the kernel."""
        if segment.flags & RST:
            return
        if segment.flags & SYN:
            self.peer_iss = segment.seq
            scale_at = segment.options.find(WINDOW_SCALE)
            self.peer_scale = segment.options[scale_at + 2] if scale_at >= 0 else 0
        end = (segment.seq + len(segment.payload) + bool(segment.flags & SYN) + bool(segment.flags & FIN)) & MASK
        if self.peer_nxt == 0 or segment.flags & SYN or 0 < (end - self.peer_nxt) & MASK < 1 << 31:
            self.peer_nxt = end
        if segment.flags & ACK:
            self.peer_acked = segment.ack
            scaled = WINDOW_SCALE in self.syn_options and not segment.flags & SYN
            self.peer_window = segment.window << self.peer_scale if scaled else segment.window
        at = segment.options.find(b"\x08\x0a")
        # Since 6.14 Linux takes no echo of the ACKs that it sent in SYN-RECEIVED for one of its SYN-ACK.
        if at >= 0 and (segment.flags & SYN or self.state != "SYN_RECEIVED"):
            self.peer_tsval = struct.unpack_from("!I", segment.options, at + 2)[0]

    def resume(self) -> None:
        """The played end goes on where the kernel's end is: it may have taken what was sent."""
        if self.peer_acked is not None:
            self.nxt = self.peer_acked

    def retransmitted(self) -> int | None:
        if self.sock is None:
            return None
        with contextlib.suppress(OSError):
            info = self.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
            return int(struct.unpack_from("I", info, TOTAL_RETRANS)[0])
        return None

    @property
    def state(self) -> str:
        return self.kernel.state(self.version, self.ours, self.theirs)

    def end(self) -> None:
        """Leave nothing in the kernel."""
        if self.sock is not None:
            with contextlib.suppress(OSError):
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_0)
            self.sock.close()
            self.sock = None
        kept = list(self.taken)
        for seq in {self.nxt, self.peer_acked or self.nxt, (self.nxt + 1) & MASK, (self.isn + 1) & MASK}:
            if self.state == "CLOSED":
                break
            self.send(RST | ACK, seq=seq)
        self.taken = kept

    def pcap(self) -> bytes:
        """The capture, link type 101 (raw IP), nanoseconds."""
        records = [
            struct.pack("<IIII", each.ns // 10**9, each.ns % 10**9, len(each.packet), len(each.packet)) + each.packet
            for each in self.taken
        ]
        return struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 1 << 18, 101) + b"".join(records)
