"""Exceptions for errors that the user can fix, with their exit status, and problems found in captures."""

import errno
from collections.abc import Iterable, Sequence
from typing import NamedTuple


class HsiError(Exception):
    """An error the user can fix: the message names the thing, the reason and the fix."""

    exit_status = 2


class UsageError(HsiError):
    """A command line or a library argument is invalid."""


class CaptureError(HsiError):
    """The input cannot be read as a capture: missing, empty, unreadable, or in an unknown format."""


class NoCaptureError(CaptureError):
    """The input exists but is not a capture."""


class ClusterError(HsiError):
    """The cluster cannot be used: no scheduler, no workers, a different version of hsi there, or too many threads."""


class LiveError(HsiError):
    """The interface cannot be captured on: no such interface, no permission, no kernel support."""


class NoSuchInterfaceError(LiveError):
    """There is no interface with that name: the caller's mistake rather than a limitation of the machine."""


class Problem(NamedTuple):
    """A defect of the capture itself: reported, not fatal.

    `kind` is a stable identifier (`cut`, `damaged`, `bad-checksum` …).  `frame` is the number of the affected frame or
    of the last whole frame before the defect; `offset` is a byte offset in the (uncompressed) stream.  Either may be
    unknown.
    """

    kind: str
    message: str
    frame: int | None = None
    offset: int | None = None


def check_keywords(function: str, given: Iterable[str], known: Sequence[str]) -> None:
    """Raise TypeError, listing the known keywords, if `given` contains an unknown one."""
    for name in given:
        if name not in known:
            raise TypeError(f"{function}() has no keyword {name!r}; there are {', '.join(sorted(known))}")


_FIXES = {
    errno.ENOSPC: "free some space, or write elsewhere",
    errno.EDQUOT: "free some space, or write elsewhere",
    errno.ENOENT: "make its directory, or write elsewhere",
    errno.ENOTDIR: "name a file in a directory",
    errno.EISDIR: "name a file in it",
    errno.EACCES: "write elsewhere, or as a user who may",
    errno.EPERM: "write elsewhere, or as a user who may",
    errno.EROFS: "write elsewhere",
}


def unwritable(name: str, error: BaseException) -> str:
    """Return the error message for a file that cannot be written: the reason and a fix if one is known."""
    code = getattr(error, "errno", None)
    fix = f"; {_FIXES[code]}" if code in _FIXES else ""
    return f"cannot write {name}: {getattr(error, 'strerror', None) or error}{fix}"
