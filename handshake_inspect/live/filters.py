"""Capture filters: tcpdump expressions, compiled to classic BPF by libpcap through ctypes and run by the kernel."""

import ctypes
import ctypes.util
import re
import socket
import struct
import sys
from functools import cache
from typing import Any

from handshake_inspect.capture.filters import HANDSHAKES_ONLY
from handshake_inspect.errors import LiveError, UsageError

__all__ = ["HANDSHAKES_ONLY", "REJECT_ALL", "accept", "attach", "compile_filter", "hint", "is_available"]

_NAMES = {"darwin": ("/usr/lib/libpcap.A.dylib",)}
_LINUX_NAMES = ("libpcap.so.1", "libpcap.so.0.8")
_WIRESHARK = re.compile(r"\b(eth|frame|icmp|ip|ipv6|tcp|udp)\.[a-z]|&&.*==|\beq\b")  # display filter syntax
_MAX_INSTRUCTIONS = 4096  # BPF_MAXINSNS
_UNKNOWN_NETMASK = 0xFFFF_FFFF
_SO_ATTACH_FILTER = 26
_INSTRUCTION = struct.Struct("=HBBI")

_LINUX_SLL2 = 276
_SLL2_HEADER = 20
# The cooked header is created after the filter has run: load its fields from the kernel's metadata (SKF_AD_*).
_ANCILLARY = 0x1_0000_0000 - 0x1000
_COOKED_FIELDS = {0: _ANCILLARY, 4: _ANCILLARY + 8, 8: _ANCILLARY + 28, 10: _ANCILLARY + 4}

_CLASS, _LOAD, _LOAD_X = 0x07, 0x00, 0x01
_MODE, _FROM_PACKET = 0xE0, (0x20, 0x40, 0xA0)  # absolute, indexed, header length


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("jt", ctypes.c_uint8),
        ("jf", ctypes.c_uint8),
        ("k", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint), ("instructions", ctypes.POINTER(_Instruction)))


def accept(snap_len: int) -> bytes:
    """Return a program that accepts the first `snap_len` bytes of every frame."""
    return _INSTRUCTION.pack(0x06, 0, 0, snap_len)


REJECT_ALL = _INSTRUCTION.pack(0x06, 0, 0, 0)


def compile_filter(expression: str, link_type: int, snap_len: int, interface: str) -> bytes:
    """Compile an expression and return the instructions of a classic BPF program for the kernel.

    Raises UsageError with libpcap's message if the expression is invalid, LiveError if libpcap is missing.
    """
    if not expression.strip():
        return accept(snap_len)
    if "\0" in expression:
        raise UsageError("filter: contains a zero byte")
    library = _libpcap()
    # The kernel strips VLAN tags before the filter runs; libpcap takes that into account only for a live handle.
    vlan = re.search(r"\bvlan\b", expression) is not None
    handle = _live_handle(library, interface, link_type) if vlan else None
    handle = handle or library.pcap_open_dead(link_type, snap_len)
    if not handle:
        raise LiveError("filter: libpcap is out of memory")
    try:
        program = _compile(library, handle, expression)
    finally:
        library.pcap_close(handle)
    return _adapted(program, link_type, snap_len, expression)


def hint(expression: str) -> str:
    """Return advice, to append to the error message, for a filter that libpcap rejects."""
    if _WIRESHARK.search(expression):
        return (
            "; that looks like a display filter of Wireshark: it goes after -Y; a filter of packets is as for tcpdump,"
            " such as tcp port 80 and host 10.0.0.2"
        )
    return "; it is written as for tcpdump, such as tcp port 80 and host 10.0.0.2"


def is_available() -> bool:
    """Return True if libpcap can be loaded."""
    try:
        _libpcap()
    except LiveError:
        return False
    return True


def attach(sock: socket.socket, program: bytes) -> None:
    """Attach a BPF program to a socket."""
    held = ctypes.create_string_buffer(program, len(program))
    count = len(program) // _INSTRUCTION.size
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", count, ctypes.addressof(held)))


def _compile(library: Any, handle: Any, expression: str) -> list[tuple[int, int, int, int]]:
    program = _Program()
    if library.pcap_compile(handle, ctypes.byref(program), expression.encode(), 1, _UNKNOWN_NETMASK) != 0:
        message = library.pcap_geterr(handle).decode(errors="replace")
        raise UsageError(f"filter '{expression}': {message}{hint(expression)}")
    try:
        return [(each.code, each.jt, each.jf, each.k) for each in program.instructions[: program.length]]
    finally:
        library.pcap_freecode(ctypes.byref(program))


def _adapted(program: list[tuple[int, int, int, int]], link_type: int, snap_len: int, expression: str) -> bytes:
    """Adapt a program to the frames as the kernel sees them: set the snap length, and relocate cooked headers."""
    if len(program) > _MAX_INSTRUCTIONS:
        raise UsageError(f"filter '{expression}': too long for the kernel ({len(program)} instructions, at most 4096)")
    adapted = bytearray()
    for code, jump_true, jump_false, value in program:
        k = value
        if code == 0x06:  # return a constant: the number of bytes to accept
            k = snap_len if k else 0
        elif link_type == _LINUX_SLL2 and code & _CLASS in (_LOAD, _LOAD_X) and code & _MODE in _FROM_PACKET:
            k = _behind_cooked_header(k, expression)
        adapted += _INSTRUCTION.pack(code, jump_true, jump_false, k)
    return bytes(adapted)


def _behind_cooked_header(k: int, expression: str) -> int:
    if k >= _ANCILLARY:
        return k
    if k >= _SLL2_HEADER:
        return k - _SLL2_HEADER
    if k not in _COOKED_FIELDS:
        raise UsageError(f"filter '{expression}': needs link-layer bytes that a cooked capture does not have")
    return _COOKED_FIELDS[k]


def _live_handle(library: Any, interface: str, link_type: int) -> Any:
    handle = library.pcap_create(interface.encode(), ctypes.create_string_buffer(256))
    if not handle:
        return None
    library.pcap_set_buffer_size(handle, 1 << 16)
    if library.pcap_activate(handle) < 0:
        library.pcap_close(handle)
        return None
    if link_type == _LINUX_SLL2:
        library.pcap_set_datalink(handle, link_type)
    return handle


@cache
def _libpcap() -> Any:
    for name in _NAMES.get(sys.platform, _LINUX_NAMES):
        try:
            return _declared(ctypes.CDLL(name))
        except OSError:
            continue
    found = ctypes.util.find_library("pcap")
    if found is None:
        raise LiveError(
            "filter: needs libpcap, which is not installed; install libpcap0.8 (Debian, Ubuntu) or libpcap (Fedora,"
            " Alpine, Arch), or capture without a filter"
        )
    return _declared(ctypes.CDLL(found))


def _declared(library: Any) -> Any:
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    program = ctypes.POINTER(_Program)
    for name, result, arguments in (
        ("pcap_open_dead", pointer, [number, number]),
        ("pcap_create", pointer, [text, text]),
        ("pcap_activate", number, [pointer]),
        ("pcap_set_buffer_size", number, [pointer, number]),
        ("pcap_set_datalink", number, [pointer, number]),
        ("pcap_compile", number, [pointer, program, text, number, ctypes.c_uint32]),
        ("pcap_freecode", None, [program]),
        ("pcap_geterr", text, [pointer]),
        ("pcap_close", None, [pointer]),
    ):
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    return library
