"""Frames as they cross an interface: from the kernel's ring, a capturing child process, or a pipe."""

BACKENDS = ("ring", "dumpcap", "tcpdump", "tshark")  # who may capture

# Headers only: link layer, VLAN tags, a tunnel, IPv6 and TCP with all its options, or an ICMPv6 error that quotes them.
DEFAULT_SNAP_LEN = 256
