"""The C structure of a parsed hello, shared by both builds."""

import ctypes
from typing import Any

LONGEST_PART = 255
FACTS = 4 * (1 + LONGEST_PART)


class Hello(ctypes.Structure):
    """A parsed ClientHello or ServerHello."""

    _fields_ = (
        ("version", ctypes.c_uint16),  # ServerHello: chosen; ClientHello: the highest offered
        ("cipher", ctypes.c_uint16),  # of ServerHello
        ("group", ctypes.c_uint16),  # of ServerHello's key share
        ("flags", ctypes.c_uint16),
        ("alpn_at", ctypes.c_uint32),  # offset of the protocol chosen by the ServerHello
        ("alpn_length", ctypes.c_uint32),
        ("length", ctypes.c_uint32),  # of `facts`
        ("start", ctypes.c_uint32 * 4),  # during parsing: offset and length of each part of a ClientHello
        ("extent", ctypes.c_uint32 * 4),
        ("facts", ctypes.c_uint8 * FACTS),
    )


def new_hello() -> Any:
    """Allocate a Hello."""
    return Hello()


def hello_of(storage: Any) -> Any:
    """Return the structure itself, in the compiled build a pointer to it."""
    return storage


def facts_of(hello: Any) -> Any:
    """Return the bytes of the facts."""
    return hello.facts


def clear(hello: Any) -> None:
    """Zero all fields except the facts, whose validity depends on `length`."""
    ctypes.memset(ctypes.addressof(hello), 0, Hello.facts.offset)
