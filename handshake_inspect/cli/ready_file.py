"""`--ready FILE`: a file that appears when frames are being taken, so that scripts need no sleep.

It holds the PID of hsi, and is removed at the end of the capture.  Signals are handled by then, too.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from handshake_inspect.errors import HsiError, UsageError, unwritable

_LONGEST = 21  # bytes of a PID and its newline


def clear(name: str | None) -> None:
    """Take away what an earlier run has left; refuse to replace anything else."""
    if name is None or _is_special(name):
        return
    path = Path(name)
    try:
        if path.exists():
            if path.is_dir() or (path.stat().st_size and not _is_ours(path)):
                raise UsageError(f"--ready {name}: holds something else already; name a file that is not there")
            path.unlink()
        if not path.absolute().parent.is_dir():
            raise HsiError(f"cannot write {name}: no such directory")
    except (OSError, ValueError) as error:
        raise HsiError(unwritable(name, error)) from None


@contextmanager
def announced(name: str | None) -> Iterator[None]:
    """Have the file there for as long as the block lasts."""
    if name is None:
        yield
        return
    said = f"{os.getpid()}\n".encode()
    if _is_special(name):
        # A named pipe has to wait for its reader, and frames cannot.
        threading.Thread(target=_fill, args=(name, said), daemon=True).start()
        yield
        return
    _put(Path(name), said)
    try:
        yield
    finally:
        with suppress(OSError):  # a user who is no longer root may not remove it
            Path(name).unlink()


def _is_special(name: str) -> bool:
    path = Path(name)
    return path.exists() and not path.is_file() and not path.is_dir()


def _is_ours(path: Path) -> bool:
    return path.stat().st_size <= _LONGEST and path.read_bytes().strip().isdigit()


def _fill(name: str, said: bytes) -> None:
    with suppress(OSError):
        Path(name).write_bytes(said)


def _put(path: Path, said: bytes) -> None:
    """Let the file appear whole."""
    try:
        descriptor, beside = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}.")
        with open(descriptor, "wb") as stream:  # noqa: PTH123 - a descriptor has no path
            stream.write(said)
        Path(beside).chmod(0o644)
        Path(beside).rename(path)
    except OSError as error:
        raise HsiError(unwritable(str(path), error)) from None
