"""Who is at fault, and the exit status that says so."""

import errno
from collections.abc import Iterable, Sequence
from typing import NamedTuple


class HsiError(Exception):
    """An error the user can fix: the message names the thing, the reason and the fix."""

    exit_status = 2


class UsageError(HsiError):
    """The command line or an argument of the library makes no sense."""


class CaptureError(HsiError):
    """The input cannot be read as a capture: missing, empty, unreadable, or of no known format."""


class NoCaptureError(CaptureError):
    """There is something, and it is no capture."""


class ClusterError(HsiError):
    """The cluster cannot be used: no scheduler, no workers, another version of hsi there, or too many threads."""


class LiveError(HsiError):
    """The interface cannot be captured on: no such interface, no permission, no kernel support."""


class NoSuchInterfaceError(LiveError):
    """There is no interface of that name: a mistake, where other reasons are those of the machine."""


class Problem(NamedTuple):
    """Something wrong with the capture itself: reported, not fatal.

    `kind` is a stable word (`cut`, `damaged`, `bad-checksum` …); `frame` the last whole frame before it or the
    frame it is about; `offset` the byte of the (uncompressed) stream.  Either may be unknown.
    """

    kind: str
    message: str
    frame: int | None = None
    offset: int | None = None


def check_keywords(function: str, given: Iterable[str], known: Sequence[str]) -> None:
    """Raise TypeError, as for any function, for a keyword that there is not, and say which there are."""
    for name in given:
        if name not in known:
            raise TypeError(f"{function}() has no keyword {name!r}; there are {', '.join(sorted(known))}")


_MENDED = {
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
    """That a file cannot be written, why, and what to do about it."""
    code = getattr(error, "errno", None)
    fix = f"; {_MENDED[code]}" if code in _MENDED else ""
    return f"cannot write {name}: {getattr(error, 'strerror', None) or error}{fix}"
