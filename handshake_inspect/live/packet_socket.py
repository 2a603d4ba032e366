"""The kernel's own capture: an AF_PACKET socket whose TPACKET_V3 ring is mapped into this process (packet(7)).

The socket receives nothing until it is bound, so that the filter and the ring are in place before the first frame.
"""

import contextlib
import ctypes
import errno
import fcntl
import mmap
import os
import select
import socket
import struct
import threading
from pathlib import Path

from handshake_inspect.errors import LiveError, Problem
from handshake_inspect.live import filters, refusals
from handshake_inspect.live.base import Counters, LiveSource
from handshake_inspect.live.interfaces import ANY, Interface
from handshake_inspect.live.ring import BLOCK_STATUS, ROOM, RingReader

DEFAULT_RING_MIB = 64  # a second and a half of 200 000 short frames a second: longer than a look at the table
BLOCK_SIZE = 1 << 20  # a wake-up for every 5000 short frames; of a small ring a quarter
_FRAME_SIZE = 2048  # for the kernel's arithmetic: frames of a block are as long as they are
_RETIRE_MS = 40  # a block with a frame in it is given to us after this time, full or not
_IN_FLIGHT_MS = 20  # a frame that has passed the filter is in its block by then

_ETH_P_ALL = 3
_SOL_PACKET = 263
_ADD_MEMBERSHIP, _RX_RING, _STATISTICS, _VERSION, _RESERVE, _IGNORE_OUTGOING = 1, 5, 6, 10, 12, 23
_TPACKET_V3 = 2
_PROMISCUOUS = 1
_SIOCGIFNAME = 0x8910
_OURS = 1  # TP_STATUS_USER
_BLOCK_FRAMES = 12  # where a block counts its frames, also while the kernel fills it
_WORD = struct.Struct("=I")

# What an interface of a hardware type (ARPHRD_*) delivers, where that is a link layer of its own.  All others are
# captured cooked: the kernel says what the packet is, and who sent it.
_LINK_TYPES = {1: 1, 772: 1, 801: 105, 803: 127}
_COOKED = 276
_MIB = 1 << 20
_MOST_RING_MIB = 1 << 15


class RingSource(LiveSource):
    """Frames of an interface, or of all (`any`), out of the kernel's ring."""

    def __init__(
        self, interface: Interface, filter_text: str, snap_len: int, ring_mib: int | None, promiscuous: bool
    ) -> None:
        """Begin to capture; LiveError or UsageError when that is not possible."""
        if interface.up is False:
            raise LiveError(f"{interface.name}: is down; bring it up first: ip link set {interface.name} up")
        self._interface = interface
        self._blocks = 0
        self._block_size = BLOCK_SIZE
        self._block = 0  # the next one the kernel will give us
        self._held = -1  # the one that is with the reader
        self._ended = False
        self._stopping = False
        self._left = 0  # blocks to be given after `stop`
        self._down = False
        self._counted = [0, 0]
        self._barrier = threading.Lock()
        link_type = _LINK_TYPES.get(interface.hardware or 0, _COOKED)
        program = filters.accept(snap_len)
        self._socket = _packet_socket(interface, cooked=link_type == _COOKED)
        try:
            if filter_text:
                program = filters.compile_filter(filter_text, link_type, snap_len, interface.name)
            self._ring = self._map(ring_mib)
            self._begin(program, promiscuous)
        except BaseException:
            self._socket.close()
            raise
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN | select.POLLERR)
        self._poll.register(self._wake, select.POLLIN)
        self._blocks_of = RingReader(self._ring, link_type, _loopback(interface))
        super().__init__(interface.name, "ring", self._blocks_of, snap_len)

    def wait(self, timeout_s: float) -> bool:
        """Wait for the next block; False when `timeout_s` seconds pass without one."""
        self._give_back()
        if self._ended or self._ready():
            return True
        timeout_ms = self._farewell_ms() if self._stopping else max(0, int(timeout_s * 1000))
        for descriptor, event in self._poll.poll(timeout_ms):
            if descriptor == self._wake:
                os.eventfd_read(self._wake)
                return self.wait(0)
            if event & select.POLLERR:
                self._trouble()
        if not self._ready():
            self._ended = self._ended or self._stopping
            if self._down and not self._exists():
                self._gone()
        return self._ended or self._ready()

    def pending(self) -> bool:
        """Whether the kernel has frames for us: in a block that is ours, or in the one that it is filling."""
        if self._socket.fileno() < 0:
            return False
        with self._barrier:
            frames: int = _WORD.unpack_from(self._ring, self._block * self._block_size + _BLOCK_FRAMES)[0]
        return self._ready() or frames > 0

    def counters(self) -> Counters:
        """Say what the kernel received and dropped so far."""
        if self._socket.fileno() >= 0:
            received, dropped, _ = struct.unpack("=III", self._socket.getsockopt(_SOL_PACKET, _STATISTICS, 12))
            self._counted[0] += received  # the kernel starts again from 0 whenever it is asked
            self._counted[1] += dropped
        return Counters(*self._counted)

    def stop(self) -> None:
        """Let the kernel capture no more; what is in the ring is still given."""
        if self._stopping or self._socket.fileno() < 0:
            return
        self._stopping = True
        self._left = self._blocks  # should frames go on to arrive, this is the end
        with contextlib.suppress(OSError):
            filters.attach(self._socket, filters.REJECT_ALL)
        os.eventfd_write(self._wake, 1)

    def _next_block(self) -> bool:
        while not self.wait(1):
            pass
        if not self._ready():
            return False
        if self._stopping:
            self._left -= 1
            self._ended = self._left < 0
            if self._ended:
                return False
        self._down = False
        self._held = self._block * self._block_size
        self._blocks_of.take(self._held, self._block_size)
        self._block = (self._block + 1) % self._blocks
        return True

    def _release(self) -> None:
        if self._socket.fileno() < 0:
            return
        self._ended = True
        self._blocks_of.let_go()
        self._socket.close()
        self._ring.close()
        os.close(self._wake)

    def _ready(self) -> bool:
        if self._socket.fileno() < 0:
            return False
        # Python has no memory barriers; taking a lock is one, on every machine.
        with self._barrier:
            status: int = _WORD.unpack_from(self._ring, self._block * self._block_size + BLOCK_STATUS)[0]
        with self._barrier:
            return bool(status & _OURS)

    def _farewell_ms(self) -> int:
        """How long to wait for a last block when nothing passes the filter any more: until its time is up."""
        return 3 * _RETIRE_MS if self.pending() else _IN_FLIGHT_MS

    def _give_back(self) -> None:
        if self._held < 0 or self._ended:
            return
        with self._barrier:
            _WORD.pack_into(self._ring, self._held + BLOCK_STATUS, 0)
        self._held = -1

    def _map(self, ring_mib: int | None) -> mmap.mmap:
        """Have the kernel make a ring: of the size that was asked for, or as large as it can be up to the default."""
        most = _affordable_mib()
        mib = max(1, min(DEFAULT_RING_MIB, most)) if ring_mib is None else ring_mib
        if mib < 1:
            raise LiveError(f"{self._interface.name}: a ring of {mib} MiB is too small; the least is 1")
        if mib > most:
            # The kernel would try, and end other processes rather than refuse.
            raise LiveError(
                f"{self._interface.name}: a ring of {mib} MiB is too large: it can be {most} MiB at most, half of the"
                " memory that is free; ask for a smaller one"
            )
        self._set(_VERSION, struct.pack("=i", _TPACKET_V3))
        self._set(_RESERVE, struct.pack("=I", ROOM))
        while True:
            size = self._block_size = min(BLOCK_SIZE, mib * _MIB // 4)
            self._blocks = mib * _MIB // size
            frames = self._blocks * (size // _FRAME_SIZE)
            request = struct.pack("=7I", size, self._blocks, _FRAME_SIZE, frames, _RETIRE_MS, 0, 0)
            try:
                self._socket.setsockopt(_SOL_PACKET, _RX_RING, request)
                return mmap.mmap(
                    self._socket.fileno(),
                    self._blocks * size,
                    mmap.MAP_SHARED | mmap.MAP_POPULATE,
                    mmap.PROT_READ | mmap.PROT_WRITE,
                )
            except OSError as error:
                if error.errno not in (errno.ENOMEM, errno.EAGAIN):
                    raise _unsupported(self._interface.name, error) from None
                if ring_mib is not None or mib <= 1:
                    raise LiveError(
                        f"{self._interface.name}: no memory for a ring of {mib} MiB; ask for a smaller one"
                    ) from None
                mib //= 2

    def _begin(self, program: bytes, promiscuous: bool) -> None:
        name = self._interface.name
        filters.attach(self._socket, program)
        if self._interface.loopback:
            with contextlib.suppress(OSError):  # older than Linux 4.20: the reader leaves them out
                self._set(_IGNORE_OUTGOING, struct.pack("=i", 1))
        try:
            _bind(self._socket, self._interface.number)
            if promiscuous and self._interface is not ANY and not self._interface.loopback:
                membership = struct.pack("=iHH8x", self._interface.number, _PROMISCUOUS, 0)
                self._socket.setsockopt(_SOL_PACKET, _ADD_MEMBERSHIP, membership)
        except OSError as error:
            raise LiveError(f"{name}: cannot be captured on ({error.strerror}); is it still there?") from None

    def _set(self, option: int, value: bytes) -> None:
        try:
            self._socket.setsockopt(_SOL_PACKET, option, value)
        except OSError as error:
            raise _unsupported(self._interface.name, error) from None

    def _trouble(self) -> None:
        """See what the socket reports: the interface is down, or gone."""
        code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code in (0, errno.EINTR, errno.ENOBUFS):
            return
        if code not in (errno.ENETDOWN, errno.ENODEV, errno.ENXIO):
            self._ended = True
            self.fail("interface-gone", f"{self.name}: capturing failed ({os.strerror(code)}); start again")
        elif not self._exists():
            self._gone()
        elif not self._down:
            self._down = True
            message = f"{self.name}: the interface went down; capturing goes on when it is up again"
            self.problems.append(Problem("interface-down", message, self.reader.frames))

    def _gone(self) -> None:
        self._ended = True
        self.fail(
            "interface-gone", f"{self.name}: the interface was removed; the report covers what was captured until then"
        )

    def _exists(self) -> bool:
        if self._interface is ANY:
            return True
        try:
            # Read from the packet socket: another thread or namespace may be ours by now, that of the socket stays.
            fcntl.ioctl(self._socket, _SIOCGIFNAME, struct.pack("=16si20x", b"", self._interface.number))
        except OSError:
            return False
        return True


def _packet_socket(interface: Interface, cooked: bool) -> socket.socket:
    kind = socket.SOCK_DGRAM if cooked else socket.SOCK_RAW
    try:
        return socket.socket(socket.AF_PACKET, kind | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, 0)
    except PermissionError:
        raise LiveError(refusals.no_permission(interface.name)) from None
    except OSError as error:
        raise _unsupported(interface.name, error) from None


def _bind(sock: socket.socket, interface: int) -> None:
    """Receive everything on an interface, 0 for all: Python's own bind() knows only names, and none for all."""
    address = struct.pack("=HHi12x", socket.AF_PACKET, socket.htons(_ETH_P_ALL), interface)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.bind(sock.fileno(), address, len(address)) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _loopback(interface: Interface) -> int:
    """Index of the interface whose outgoing packets also come in: Linux gives the loopback interface number 1."""
    return interface.number if interface.loopback else 1 if interface is ANY else 0


def _affordable_mib() -> int:
    """How much of this machine's memory a ring may take."""
    with contextlib.suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/meminfo").read_text().splitlines()
        available = int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1]) >> 10
        return max(1, min(available // 2, _MOST_RING_MIB))
    return DEFAULT_RING_MIB


def _unsupported(name: str, error: OSError) -> LiveError:
    return LiveError(
        f"{name}: this kernel offers no packet ring ({error.strerror}); capture through tcpdump: --backend tcpdump"
    )
