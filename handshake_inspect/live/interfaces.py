"""List the network interfaces of this machine, on Linux through rtnetlink, and choose the default one."""

import difflib
import ipaddress
import socket
import struct
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

from handshake_inspect.errors import LiveError, NoSuchInterfaceError


class Interface(NamedTuple):
    """A network interface; `up` and `hardware` (ARPHRD_*) are None except on Linux."""

    number: int
    name: str
    addresses: tuple[str, ...] = ()
    up: bool | None = None
    loopback: bool = False
    hardware: int | None = None


ANY = Interface(0, "any", up=True)

_ROUTE = 0
_NEW_LINK, _GET_LINK = 16, 18
_NEW_ADDRESS, _GET_ADDRESS = 20, 22
_NEW_ROUTE, _GET_ROUTE = 24, 26
_ERROR, _DONE = 2, 3
_DUMP_REQUEST = 0x301
_IFLA_IFNAME = 3
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_IFF_UP, _IFF_LOOPBACK = 1, 8
_RTA_OIF, _RTA_PRIORITY = 4, 6
_MAIN_TABLE, _UNICAST = 254, 1

_HEADER = struct.Struct("=IHHII")
_LINK = struct.Struct("=BxHiII")
_ADDRESS = struct.Struct("=BBBBI")
_ROUTE_ENTRY = struct.Struct("=8BI")
_ATTRIBUTE = struct.Struct("=HH")


def default_interface() -> tuple[str, str] | None:
    """Return the default interface, chosen as tcpdump does, and the reason; None if unknown.

    It is that of the default route, else the first that is up, preferring those with an address, loopback last.
    """
    if not sys.platform.startswith("linux"):
        return None  # names alone do not show which interface is up
    known = [each for each in interfaces() if each.up and each is not ANY]
    by_number = {each.number: each.name for each in known}
    for number in _default_routes():
        if number in by_number:
            return by_number[number], "default route"
    first = min(known, key=lambda each: (each.loopback, not each.addresses, each.number), default=None)
    return None if first is None else (first.name, "the first that is up")


def _default_routes() -> list[int]:
    """Return the interface numbers of the default routes: IPv4 before IPv6, then by metric."""
    found = []
    for body in _dump(_GET_ROUTE, _NEW_ROUTE):
        family, to_bits, _, _, table, _, _, kind, _ = _ROUTE_ENTRY.unpack_from(body)
        attributes = dict(_attributes(body[_ROUTE_ENTRY.size :]))
        if to_bits or table != _MAIN_TABLE or kind != _UNICAST or _RTA_OIF not in attributes:
            continue
        metric = int.from_bytes(attributes.get(_RTA_PRIORITY, b""), sys.byteorder)
        found.append((family != socket.AF_INET, metric, int.from_bytes(attributes[_RTA_OIF], sys.byteorder)))
    return [number for _, _, number in sorted(found)]


def interfaces() -> list[Interface]:
    """Return all interfaces by number; on Linux, followed by the pseudo-interface `any`."""
    if not sys.platform.startswith("linux"):
        return [Interface(index, name, loopback=name.startswith("lo")) for index, name in socket.if_nameindex()]
    addresses: dict[int, list[str]] = {}
    for body in _dump(_GET_ADDRESS, _NEW_ADDRESS):
        family, _, _, _, index = _ADDRESS.unpack_from(body)
        attributes = dict(_attributes(body[_ADDRESS.size :]))
        # On a point-to-point link IFA_ADDRESS is the address of the peer.
        address = attributes.get(_IFA_LOCAL) or attributes.get(_IFA_ADDRESS)
        if address and family in (socket.AF_INET, socket.AF_INET6):
            addresses.setdefault(index, []).append(str(ipaddress.ip_address(address)))
    found = []
    for body in _dump(_GET_LINK, _NEW_LINK):
        _, hardware, index, flags, _ = _LINK.unpack_from(body)
        name = dict(_attributes(body[_LINK.size :])).get(_IFLA_IFNAME, b"").rstrip(b"\0").decode(errors="replace")
        up, loopback = bool(flags & _IFF_UP), bool(flags & _IFF_LOOPBACK)
        found.append(Interface(index, name, tuple(addresses.get(index, ())), up, loopback, hardware))
    return [*sorted(found), ANY]


def resolve(text: str) -> Interface:
    """Find an interface by name or number; raises NoSuchInterfaceError, naming similar ones, if there is none."""
    known = interfaces()
    for interface in known:
        if interface.name == text:
            return interface
    if text.isascii() and text.isdigit():
        for interface in known:
            if interface.number == int(text) and interface is not ANY:
                return interface
    raise NoSuchInterfaceError(no_such(text, [interface.name for interface in known]))


def no_such(text: str, names: list[str]) -> str:
    """Return a one-line message that there is no such interface, with suggestions."""
    shown = text if text.isprintable() else ascii(text)[1:-1]
    near = difflib.get_close_matches(text, names, n=3, cutoff=0.5)
    if near:
        return f"{shown}: no such interface; did you mean {' or '.join(near)}? hsi live -D lists them all"
    listed = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
    return f"{shown}: no such interface; there are {listed}"


def _dump(request: int, answer: int) -> Iterator[bytes]:
    """Yield the bodies of a netlink dump of links, addresses or routes; nothing if the kernel does not support it."""
    with _netlink() as netlink:
        netlink.send(_HEADER.pack(_HEADER.size + 16, request, _DUMP_REQUEST, 1, 0) + bytes(16))
        while True:
            message = netlink.recv(1 << 17)
            at = 0
            while at + _HEADER.size <= len(message):
                length, kind, _, _, _ = _HEADER.unpack_from(message, at)
                if kind in (_ERROR, _DONE) or length < _HEADER.size:
                    return
                if kind == answer:
                    yield message[at + _HEADER.size : at + length]
                at += (length + 3) & -4
            if not message:
                return


def _netlink() -> socket.socket:
    try:
        return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _ROUTE)
    except OSError as error:  # some sandboxes forbid it
        why = f"netlink, which lists them, cannot be used ({error.strerror})"
        raise LiveError(f"interfaces: {why}; name one with -i, and capture with --backend tcpdump") from error


def _attributes(data: bytes) -> Iterator[tuple[int, Any]]:
    at = 0
    while at + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size:
            return
        yield kind & 0x3FFF, data[at + _ATTRIBUTE.size : at + length]
        at += (length + 3) & -4
