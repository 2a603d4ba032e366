"""One-line error messages for missing capture permissions, with the remedy."""

import os
import sys
from pathlib import Path

_NET_RAW = 1 << 13  # CAP_NET_RAW
_BOUNDING = "CapBnd:"  # upper limit of the capabilities of a process and its children
_CONTAINER_MARKS = ("/.dockerenv", "/run/.containerenv")
_CONTAINER_WORDS = ("docker", "kubepods", "containerd", "libpod", "lxc")


def no_permission(interface: str, root: str = "/") -> str:
    """Return what is missing for capturing on `interface`, and an alternative."""
    without = f"or capture elsewhere: tcpdump -U -i {interface} -w - | hsi live -r -"
    if sys.platform == "darwin":
        return f"{interface}: no permission to capture (/dev/bpf*); run hsi with sudo, {without}"
    if not _can_obtain(root):
        return f"{interface}: capturing needs CAP_NET_RAW, {_withheld(root)}, {without}"
    if os.geteuid() == 0:
        return f"{interface}: capturing needs CAP_NET_RAW, which this root user lacks; grant it again, {without}"
    interpreter, command = os.path.realpath(sys.executable), os.path.realpath(sys.argv[0])
    return (
        f"{interface}: capturing needs CAP_NET_RAW, which user {os.geteuid()} lacks; run hsi with sudo (sudo {command}"
        f" …), or grant it to this Python (and to everything it runs) with: sudo setcap cap_net_raw+ep {interpreter};"
        f" {without}"
    )


def _withheld(root: str) -> str:
    """Return what withholds the capability even from root, and how to grant it."""
    if in_container(root):
        return (
            "which this container lacks; start it with --cap-add=NET_RAW (Kubernetes:"
            " securityContext.capabilities.add: [NET_RAW])"
        )
    return (
        "which is not in the bounding set of this process, so that sudo cannot help; whoever started it took it away"
        " (systemd: CapabilityBoundingSet=)"
    )


def in_container(root: str = "/") -> bool:
    """Return True if this process seems to run in a container."""
    base = Path(root)
    if any((base / mark.lstrip("/")).exists() for mark in _CONTAINER_MARKS):
        return True
    try:
        groups = (base / "proc/1/cgroup").read_text()
    except OSError:
        return False
    return any(word in groups for word in _CONTAINER_WORDS)


def _can_obtain(root: str) -> bool:
    """Return True if this process or its children can obtain CAP_NET_RAW, or if that is unknown."""
    try:
        status = (Path(root) / "proc/self/status").read_text()
    except OSError:
        return True
    held = next((line.split()[1] for line in status.splitlines() if line.startswith(_BOUNDING)), "0")
    return bool(int(held, 16) & _NET_RAW)
