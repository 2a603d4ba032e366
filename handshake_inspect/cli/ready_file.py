"""`--ready FILE`: a file that is created once the capture runs, so that scripts can wait for it instead of sleeping.

It contains the PID of hsi and is removed at the end of the capture.  Signal handlers are installed before it appears.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from handshake_inspect.errors import HsiError, UsageError, unwritable

_MAX_SIZE = 21  # bytes; more than a PID and a newline


def clear(name: str | None) -> None:
    """Remove the file of an earlier run; UsageError if it contains anything but a PID."""
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
def ready_file_present(name: str | None) -> Iterator[None]:
    """Create the file and remove it when the block ends."""
    if name is None:
        yield
        return
    content = f"{os.getpid()}\n".encode()
    if _is_special(name):
        # Opening a named pipe blocks until it has a reader, which must not delay the capture.
        threading.Thread(target=_write_pipe, args=(name, content), daemon=True).start()
        yield
        return
    _write_atomically(Path(name), content)
    try:
        yield
    finally:
        with suppress(OSError):  # may fail after dropping root privileges
            Path(name).unlink()


def _is_special(name: str) -> bool:
    path = Path(name)
    return path.exists() and not path.is_file() and not path.is_dir()


def _is_ours(path: Path) -> bool:
    return path.stat().st_size <= _MAX_SIZE and path.read_bytes().strip().isdigit()


def _write_pipe(name: str, content: bytes) -> None:
    with suppress(OSError):
        Path(name).write_bytes(content)


def _write_atomically(path: Path, content: bytes) -> None:
    """Create the file atomically."""
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}.")
        with open(descriptor, "wb") as stream:  # noqa: PTH123 - a descriptor has no path
            stream.write(content)
        Path(temporary).chmod(0o644)
        Path(temporary).rename(path)
    except OSError as error:
        raise HsiError(unwritable(str(path), error)) from None
