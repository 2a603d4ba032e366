"""Captures that lie elsewhere: s3://, gs://, https:// and whatever else fsspec reads.

What is shown of an address has neither credentials nor a query string: both may be secrets.  So nothing of what a
library says of an error is shown but its kind.
"""

import io
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from handshake_inspect.errors import CaptureError

_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]+)://", re.IGNORECASE)
_USER = re.compile(r"(?P<scheme>[^:/]*://)[^/]*@")
_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs", "http": "http", "https": "http"}
_BLOCK = 1 << 23  # bytes asked for at a time
_DENIED = (401, 403)
_TALKATIVE = ("gcsfs", "fsspec", "s3fs", "aiohttp")  # they would log tracebacks, with addresses, beside the error


def is_remote(where: Any) -> bool:
    """Whether this is an address, and no path of a file that is here."""
    return isinstance(where, str) and _URL.match(where) is not None and not os.path.lexists(where)


def shown(url: str) -> str:
    """The address without credentials, query string and fragment, on one line."""
    name = _USER.sub(r"\g<scheme>", _place(url))
    return name if name.isprintable() else ascii(name)[1:-1]


def expanded(url: str) -> list[str] | None:
    """The addresses of the files in a directory (`…/`), or that fit a pattern (`*`); None for that of one file."""
    path = _place(url)
    if "*" not in path and not path.endswith("/"):
        return None
    with _explained(url):
        files, inside = _system(url)
        found = files.glob(inside) if "*" in path else files.find(inside)
        listed = [str(files.unstrip_protocol(each)) for each in found if not files.isdir(each)]
    if not listed:
        raise CaptureError(f"{shown(url)}: holds no file, or none fits; check the address")
    return listed


class RemoteFile(io.RawIOBase):
    """One file, read from its beginning on."""

    def __init__(self, url: str, block: int = _BLOCK) -> None:
        """Open it; raises CaptureError.  `block` bytes are asked for at a time."""
        super().__init__()
        self.url = url
        with _explained(url):
            self._system, self._path = _system(url)
            about = self._system.info(self._path)
            # fsspec does not say which HTTP servers give ranges of bytes: their files are read in one go.
            self.in_parts = _scheme(url) not in ("http", "https")
            self._file = self._system.open(
                self._path, "rb", block_size=block if self.in_parts else 0, cache_type="readahead"
            )
        size = about.get("size")
        self.size: int | None = size if isinstance(size, int) else None

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, view: Any) -> int:
        """Read what comes next, as OSError where that fails."""
        try:
            data = self._file.read(len(view))
        except Exception as error:
            raise OSError(_reason(error)) from None
        view[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Read from another byte on."""
        return int(self._file.seek(offset, whence))

    def bytes_at(self, start: int, count: int) -> bytes:
        """So many bytes from this one on, none where they cannot be had."""
        if self.size is None or not self.in_parts:
            return b""
        try:
            return bytes(self._system.cat_file(self._path, start=start, end=min(start + count, self.size)))
        except Exception:
            return b""

    def close(self) -> None:
        """Let go of it."""
        if not self.closed:
            self._file.close()
        super().close()


def _system(url: str) -> tuple[Any, Any]:
    """The file system of an address, and the path in it."""
    for library in _TALKATIVE:
        quiet = logging.getLogger(library)
        if not quiet.handlers:  # whoever asks for logs still gets them
            quiet.addHandler(logging.NullHandler())
    found: tuple[Any, Any] = import_module("fsspec.core").url_to_fs(url)
    return found


@contextmanager
def _explained(url: str) -> Iterator[None]:
    """Say what went wrong as CaptureError."""
    try:
        yield
    except CaptureError:
        raise
    except ImportError:
        reason = f"{_scheme(url)}:// needs a library that is missing; {_remedy(url)}"
    except ValueError as error:
        unknown = "rotocol not known" in str(error)
        reason = "no address of a kind that fsspec knows; check its beginning" if unknown else _reason(error)
    except Exception as error:
        reason = _reason(error)
    else:
        return
    raise CaptureError(f"{shown(url)}: {reason}") from None


def _place(url: str) -> str:
    """Without query string and fragment."""
    return re.split("[?#]", url, maxsplit=1)[0]


def _scheme(url: str) -> str:
    found = _URL.match(url)
    return found["scheme"].lower() if found else ""


def _remedy(url: str) -> str:
    extra = _EXTRAS.get(_scheme(url))
    return f"pip install 'handshake-inspect[{extra}]'" if extra else "pip install fsspec, and what it names for this"


def _reason(error: BaseException) -> str:
    """What kind of error it is; its text may have secrets."""
    if isinstance(error, FileNotFoundError) and getattr(error.__cause__, "errno", None):
        error = error.__cause__  # type: ignore[assignment]  # fsspec calls a server that does not answer so, too
    status = getattr(error, "status", None) or getattr(error.__cause__, "status", None)
    if isinstance(error, FileNotFoundError) and status not in _DENIED:
        return "no such file; check the address"
    if isinstance(error, PermissionError) or status in _DENIED or "Credentials" in type(error).__name__:
        return "permission denied; check the credentials, which come from the environment"
    if isinstance(status, int) and status:
        return f"the server answered {status}; check the address"
    if isinstance(error, TimeoutError):
        return "no answer in time; check the address and the network"
    if isinstance(error, OSError):
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else type(error).__name__
        return f"cannot be reached or read ({why}); check the address and the network"
    return f"cannot be read ({type(error).__name__}); check the address"
