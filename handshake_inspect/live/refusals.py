"""Why this process may not capture, and what would change that, on one line."""

import os
import sys
from pathlib import Path

_NET_RAW = 1 << 13  # CAP_NET_RAW
_CONTAINER_MARKS = ("/.dockerenv", "/run/.containerenv")
_CONTAINER_WORDS = ("docker", "kubepods", "containerd", "libpod", "lxc")


def no_permission(interface: str, root: str = "/") -> str:
    """Say what is missing for capturing on `interface`, and how to do without."""
    without = f"or capture elsewhere: tcpdump -U -i {interface} -w - | hsi live -r -"
    if sys.platform == "darwin":
        return f"{interface}: no permission to capture (/dev/bpf*); run hsi with sudo, {without}"
    if in_container(root):
        return (
            f"{interface}: capturing needs CAP_NET_RAW, which this container lacks; start it with --cap-add=NET_RAW"
            f" (Kubernetes: securityContext.capabilities.add: [NET_RAW]), {without}"
        )
    if os.geteuid() == 0:
        return f"{interface}: capturing needs CAP_NET_RAW, which this root user lacks; grant it again, {without}"
    interpreter = os.path.realpath(sys.executable)
    return (
        f"{interface}: capturing needs CAP_NET_RAW, which user {os.geteuid()} lacks; run hsi with sudo, or grant it to"
        f" this Python (and to everything it runs) with: sudo setcap cap_net_raw+ep {interpreter}; {without}"
    )


def in_container(root: str = "/") -> bool:
    """Whether this looks like the inside of a container."""
    base = Path(root)
    if any((base / mark.lstrip("/")).exists() for mark in _CONTAINER_MARKS):
        return True
    try:
        groups = (base / "proc/1/cgroup").read_text()
    except OSError:
        return False
    return any(word in groups for word in _CONTAINER_WORDS)


def may_capture() -> bool:
    """Whether this process holds CAP_NET_RAW."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return os.geteuid() == 0
    held = next((line.split()[1] for line in status.splitlines() if line.startswith("CapEff:")), "0")
    return bool(int(held, 16) & _NET_RAW)
