"""Enter other network namespaces; sockets and processes created in one stay there."""

import ctypes
import difflib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from handshake_inspect.errors import LiveError, UsageError

_NAMED = Path("/run/netns")  # where `ip netns add` mounts them
_NET = "ns/net"  # below /proc/PID
_NEW_NET = 0x4000_0000


@contextmanager
def inside(where: str | None) -> Iterator[None]:
    """Run the block in a network namespace, given by its `ip netns` name, a PID or a path; None keeps the present one.

    Affects only the calling thread.  Raises UsageError if there is no such namespace, LiveError if it may not be
    entered.
    """
    if where is None:
        yield
        return
    if not sys.platform.startswith("linux"):
        raise UsageError("--netns: network namespaces are Linux's")
    here, there = _opened(f"/proc/thread-self/{_NET}", where), _opened(_path(where), where)
    try:
        _enter(there, where)
        try:
            yield
        finally:
            _enter(here, where)
    finally:
        os.close(here)
        os.close(there)


def _path(where: str) -> str:
    """Return the path of a namespace; digits are a name if there is one, else a PID."""
    if "/" in where:
        return where
    if where and (_NAMED / where).exists():
        return str(_NAMED / where)
    if where.isascii() and where.isdigit():
        return f"/proc/{where}/{_NET}"
    raise UsageError(f"--netns {where}: {_no_such(where)}")


def _no_such(where: str) -> str:
    known = sorted(each.name for each in _NAMED.iterdir()) if _NAMED.is_dir() else []
    near = difflib.get_close_matches(where, known, n=3, cutoff=0.5)
    if near:
        return f"no such network namespace; did you mean {' or '.join(near)}?"
    listed = f"there are {', '.join(known[:8])}" if known else "ip netns has none"
    return f"no such network namespace; {listed}, or give the PID of a process in it"


def _opened(path: str, where: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise UsageError(f"--netns {where}: no such {'file' if '/' in where else 'process'}") from None
    except PermissionError:
        raise LiveError(_refused(where)) from None
    except (OSError, ValueError) as error:
        raise LiveError(f"--netns {where}: {getattr(error, 'strerror', None) or error}") from None


def _enter(descriptor: int, where: str) -> None:
    """Enter the namespace of this descriptor (`os.setns` needs Python 3.12)."""
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, _NEW_NET) == 0:
        return
    code = ctypes.get_errno()
    if code == 1:  # EPERM
        raise LiveError(_refused(where))
    raise LiveError(f"--netns {where}: is not a network namespace ({os.strerror(code)})")


def _refused(where: str) -> str:
    return f"--netns {where}: entering another network namespace needs root (CAP_SYS_ADMIN); run hsi with sudo"
