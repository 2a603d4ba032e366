"""Why this process may not capture, and what would change that, on one line."""

import os
import sys
from pathlib import Path

_NET_RAW = 1 << 13  # CAP_NET_RAW
_BOUNDING = "CapBnd:"  # what a process and its children can ever have
_CONTAINER_MARKS = ("/.dockerenv", "/run/.containerenv")
_CONTAINER_WORDS = ("docker", "kubepods", "containerd", "libpod", "lxc")


def no_permission(interface: str, root: str = "/") -> str:
    """Say what is missing for capturing on `interface`, and how to do without."""
    without = f"or capture elsewhere: tcpdump -U -i {interface} -w - | hsi live -r -"
    if sys.platform == "darwin":
        return f"{interface}: no permission to capture (/dev/bpf*); run hsi with sudo, {without}"
    if not _may_have(root):
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
    """Who keeps the capability from every process here, root's too, and how to get it."""
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
    """Whether this looks like the inside of a container."""
    base = Path(root)
    if any((base / mark.lstrip("/")).exists() for mark in _CONTAINER_MARKS):
        return True
    try:
        groups = (base / "proc/1/cgroup").read_text()
    except OSError:
        return False
    return any(word in groups for word in _CONTAINER_WORDS)


def _may_have(root: str) -> bool:
    """Whether this process or its children can ever have CAP_NET_RAW; where the kernel does not say, they can."""
    try:
        status = (Path(root) / "proc/self/status").read_text()
    except OSError:
        return True
    held = next((line.split()[1] for line in status.splitlines() if line.startswith(_BOUNDING)), "0")
    return bool(int(held, 16) & _NET_RAW)
