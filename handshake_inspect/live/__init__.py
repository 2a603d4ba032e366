"""Live sources of frames: the kernel's packet ring, a capture program as a child process, or a pipe."""

BACKENDS = ("ring", "dumpcap", "tcpdump", "tshark")

# Complete hellos: tunnelled full-size Ethernet frames, and on loopback a post-quantum ClientHello of about 1,900 bytes.
DEFAULT_SNAP_LEN = 2048
# Headers only: link layer, VLAN tags, a tunnel, IPv6 and TCP with all options, or an ICMPv6 error that quotes these.
HEADERS_SNAP_LEN = 256


def chosen_snap_len(asked: int | None, *, setup: bool) -> int:
    """Return the snap length in bytes: `asked` if given, else enough for hellos, or without `setup`, for headers."""
    if asked is not None:
        return asked
    return DEFAULT_SNAP_LEN if setup else HEADERS_SNAP_LEN
