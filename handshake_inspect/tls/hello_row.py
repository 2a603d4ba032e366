"""What a hello says, in a structure that both builds share."""

import ctypes
from typing import Any

LONGEST_PART = 255
FACTS = 4 * (1 + LONGEST_PART)


class Hello(ctypes.Structure):
    """What a hello says."""

    _fields_ = (
        ("version", ctypes.c_uint16),  # ServerHello: chosen; ClientHello: the highest offered
        ("cipher", ctypes.c_uint16),  # of ServerHello
        ("group", ctypes.c_uint16),  # of ServerHello's key share
        ("flags", ctypes.c_uint16),
        ("alpn_at", ctypes.c_uint32),  # the protocol that ServerHello chose, in the bytes that were read
        ("alpn_length", ctypes.c_uint32),
        ("length", ctypes.c_uint32),  # of `facts`
        ("start", ctypes.c_uint32 * 4),  # where each part of a ClientHello lies and how long it is, while it is read
        ("extent", ctypes.c_uint32 * 4),
        ("facts", ctypes.c_uint8 * FACTS),
    )


def new_hello() -> Any:
    """Room for one."""
    return Hello()


def hello_of(storage: Any) -> Any:
    """The structure itself here, a pointer to it in the compiled build."""
    return storage


def facts_of(hello: Any) -> Any:
    """The bytes of its facts."""
    return hello.facts


def clear(hello: Any) -> None:
    """Zero all but the facts, whose length says how many count."""
    ctypes.memset(ctypes.addressof(hello), 0, Hello.facts.offset)
