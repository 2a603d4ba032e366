"""Frames as they cross an interface: from the kernel's ring, a capturing child process, or a pipe."""

BACKENDS = ("ring", "dumpcap", "tcpdump", "tshark")  # who may capture

# Whole hellos: full Ethernet frames in a tunnel; on loopback a ClientHello with post-quantum keys, about 1,900 bytes.
DEFAULT_SNAP_LEN = 2048
# Headers only: link layer, VLAN tags, a tunnel, IPv6 and TCP with all its options, or an ICMPv6 error that quotes them.
HEADERS_SNAP_LEN = 256


def chosen_snap_len(asked: int | None, *, setup: bool) -> int:
    """How many bytes of each frame to capture: as asked for, else whole hellos, or headers if set-up is not read."""
    if asked is not None:
        return asked
    return DEFAULT_SNAP_LEN if setup else HEADERS_SNAP_LEN
