"""Native capture on Linux: an AF_PACKET socket with a TPACKET_V3 ring mapped into this process (packet(7)).

The socket receives nothing until it is bound, so the filter and the ring are in place before the first frame.
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
from handshake_inspect.live.ring import BLOCK_STATUS, HEADROOM, RingReader

DEFAULT_RING_MIB = 64  # 1.5 seconds at 200,000 short frames per second: longer than a refresh of the table
BLOCK_SIZE = 1 << 20  # one wake-up per 5,000 short frames; limited to a quarter of the ring
_FRAME_SIZE = 2048  # required by the kernel, but frames within a block have variable size
_RETIRE_MS = 40  # the kernel hands over a non-empty block after this time, even if it is not full
_IN_FLIGHT_MS = 20  # upper limit for a frame that has passed the filter to reach its block

_ETH_P_ALL = 3
_SOL_PACKET = 263
_ADD_MEMBERSHIP, _RX_RING, _STATISTICS, _VERSION, _RESERVE, _IGNORE_OUTGOING = 1, 5, 6, 10, 12, 23
_TPACKET_V3 = 2
_PROMISCUOUS = 1
_SIOCGIFNAME = 0x8910
_STATUS_USER = 1  # TP_STATUS_USER
_BLOCK_FRAMES = 12  # offset of the frame count, which is valid even while the kernel fills the block
_WORD = struct.Struct("=I")

# Hardware type (ARPHRD_*) -> link type, for link layers that are captured as they are.  All others are captured cooked:
# the kernel supplies the protocol and the sender of each packet.
_LINK_TYPES = {1: 1, 772: 1, 801: 105, 803: 127}
_COOKED = 276
_MIB = 1 << 20
_MAX_RING_MIB = 1 << 15


class RingSource(LiveSource):
    """Frames of an interface, or of all interfaces (`any`), from the kernel's ring."""

    def __init__(
        self, interface: Interface, filter_text: str, snap_len: int, ring_mib: int | None, promiscuous: bool
    ) -> None:
        """Start capturing; raises LiveError or UsageError if that is not possible."""
        if interface.up is False:
            raise LiveError(f"{interface.name}: is down; bring it up first: ip link set {interface.name} up")
        self._interface = interface
        self._blocks = 0
        self._block_size = BLOCK_SIZE
        self._block = 0  # index of the next block to receive from the kernel
        self._held = -1  # offset of the block that the reader uses; -1 for none
        self._ended = False
        self._stopping = False
        self._blocks_left = 0  # maximum number of blocks to return after `stop`
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
            self._start(program, promiscuous)
        except BaseException:
            self._socket.close()
            raise
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN | select.POLLERR)
        self._poll.register(self._wake, select.POLLIN)
        self._ring_reader = RingReader(self._ring, link_type, _loopback(interface))
        super().__init__(interface.name, "ring", self._ring_reader, snap_len)

    def wait(self, timeout_s: float) -> bool:
        """Wait for the next block; return False on timeout (seconds)."""
        self._return_block()
        if self._ended or self._ready():
            return True
        timeout_ms = self._last_block_timeout_ms() if self._stopping else max(0, int(timeout_s * 1000))
        for descriptor, event in self._poll.poll(timeout_ms):
            if descriptor == self._wake:
                os.eventfd_read(self._wake)
                return self.wait(0)
            if event & select.POLLERR:
                self._handle_error()
        if not self._ready():
            self._ended = self._ended or self._stopping
            if self._down and not self._exists():
                self._handle_removal()
        return self._ended or self._ready()

    def pending(self) -> bool:
        """Return True if the kernel holds captured frames, in a finished block or in the one that it fills."""
        if self._socket.fileno() < 0:
            return False
        with self._barrier:
            frames: int = _WORD.unpack_from(self._ring, self._block * self._block_size + _BLOCK_FRAMES)[0]
        return self._ready() or frames > 0

    def counters(self) -> Counters:
        """Return the kernel's counts of received and dropped frames."""
        if self._socket.fileno() >= 0:
            received, dropped, _ = struct.unpack("=III", self._socket.getsockopt(_SOL_PACKET, _STATISTICS, 12))
            self._counted[0] += received  # reading resets the kernel's counters
            self._counted[1] += dropped
        return Counters(*self._counted)

    def stop(self) -> None:
        """Make the kernel stop capturing; frames in the ring can still be read."""
        if self._stopping or self._socket.fileno() < 0:
            return
        self._stopping = True
        self._blocks_left = self._blocks  # an end even if frames continue to arrive
        with contextlib.suppress(OSError):
            filters.attach(self._socket, filters.REJECT_ALL)
        os.eventfd_write(self._wake, 1)

    def _next_block(self) -> bool:
        while not self.wait(1):
            pass
        if not self._ready():
            return False
        if self._stopping:
            self._blocks_left -= 1
            self._ended = self._blocks_left < 0
            if self._ended:
                return False
        self._down = False
        self._held = self._block * self._block_size
        self._ring_reader.set_block(self._held, self._block_size)
        self._block = (self._block + 1) % self._blocks
        return True

    def _release(self) -> None:
        if self._socket.fileno() < 0:
            return
        self._ended = True
        self._ring_reader.detach()
        self._socket.close()
        self._ring.close()
        os.close(self._wake)

    def _ready(self) -> bool:
        if self._socket.fileno() < 0:
            return False
        # Python has no memory barriers, but acquiring a lock implies one.
        with self._barrier:
            status: int = _WORD.unpack_from(self._ring, self._block * self._block_size + BLOCK_STATUS)[0]
        with self._barrier:
            return bool(status & _STATUS_USER)

    def _last_block_timeout_ms(self) -> int:
        """Return how long to wait for the last block after the filter was closed: until the kernel must retire it."""
        return 3 * _RETIRE_MS if self.pending() else _IN_FLIGHT_MS

    def _return_block(self) -> None:
        if self._held < 0 or self._ended:
            return
        with self._barrier:
            _WORD.pack_into(self._ring, self._held + BLOCK_STATUS, 0)
        self._held = -1

    def _map(self, ring_mib: int | None) -> mmap.mmap:
        """Create and map the ring: of the requested size, or as large as memory permits up to the default."""
        most = _affordable_mib()
        mib = max(1, min(DEFAULT_RING_MIB, most)) if ring_mib is None else ring_mib
        if mib < 1:
            raise LiveError(f"{self._interface.name}: a ring of {mib} MiB is too small; the least is 1")
        if mib > most:
            # The kernel would not refuse, but invoke the OOM killer.
            raise LiveError(
                f"{self._interface.name}: a ring of {mib} MiB is too large: it can be {most} MiB at most, half of the"
                " memory that is free; ask for a smaller one"
            )
        self._set(_VERSION, struct.pack("=i", _TPACKET_V3))
        self._set(_RESERVE, struct.pack("=I", HEADROOM))
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

    def _start(self, program: bytes, promiscuous: bool) -> None:
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

    def _handle_error(self) -> None:
        """Handle an error on the socket: the interface is down or was removed."""
        code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code in (0, errno.EINTR, errno.ENOBUFS):
            return
        if code not in (errno.ENETDOWN, errno.ENODEV, errno.ENXIO):
            self._ended = True
            self.fail("interface-gone", f"{self.name}: capturing failed ({os.strerror(code)}); start again")
        elif not self._exists():
            self._handle_removal()
        elif not self._down:
            self._down = True
            message = f"{self.name}: the interface went down; capturing goes on when it is up again"
            self.problems.append(Problem("interface-down", message, self.reader.frames))

    def _handle_removal(self) -> None:
        self._ended = True
        self.fail(
            "interface-gone", f"{self.name}: the interface was removed; the report covers what was captured until then"
        )

    def _exists(self) -> bool:
        if self._interface is ANY:
            return True
        try:
            # Query through the packet socket, which stays in its namespace even if this thread has changed its own.
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
    """Bind to an interface by number, 0 for all; Python's own bind() takes only names, and has none for all."""
    address = struct.pack("=HHi12x", socket.AF_PACKET, socket.htons(_ETH_P_ALL), interface)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.bind(sock.fileno(), address, len(address)) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _loopback(interface: Interface) -> int:
    """Return the index of the loopback interface, whose packets are seen twice (always 1 on Linux), or 0."""
    return interface.number if interface.loopback else 1 if interface is ANY else 0


def _affordable_mib() -> int:
    """Return the largest ring in MiB: half of the available memory."""
    with contextlib.suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/meminfo").read_text().splitlines()
        available = int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1]) >> 10
        return max(1, min(available // 2, _MAX_RING_MIB))
    return DEFAULT_RING_MIB


def _unsupported(name: str, error: OSError) -> LiveError:
    return LiveError(
        f"{name}: this kernel offers no packet ring ({error.strerror}); capture through tcpdump: --backend tcpdump"
    )
