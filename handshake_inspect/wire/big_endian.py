"""Read integers in network byte order from a packet.

Never compiled: the twin declares the same functions as C inlines, which become single loads.  Check lengths first:
reading past the end raises IndexError here, and is undefined in C.
"""


def be16(data: bytes, at: int) -> int:
    """Read 16 bits."""
    return data[at] << 8 | data[at + 1]


def be32(data: bytes, at: int) -> int:
    """Read 32 bits."""
    return data[at] << 24 | data[at + 1] << 16 | data[at + 2] << 8 | data[at + 3]


def be64(data: bytes, at: int) -> int:
    """Read 64 bits."""
    return be32(data, at) << 32 | be32(data, at + 4)
