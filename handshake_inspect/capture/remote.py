"""Read remote captures through fsspec: s3://, gs://, https:// and others.

Credentials and query strings are secrets and never shown.  Libraries may quote them in error messages, so only the kind
of an error is shown, not its text.
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
_BLOCK = 1 << 23  # bytes per request
_DENIED_STATUS = (401, 403)
_NOISY_LOGGERS = ("gcsfs", "fsspec", "s3fs", "aiohttp")  # they log tracebacks with URLs in addition to the error


def is_remote(where: Any) -> bool:
    """Return True for a URL that is not also the path of a local file."""
    return isinstance(where, str) and _URL.match(where) is not None and not os.path.lexists(where)


def display_name(url: str) -> str:
    """Return the URL without credentials, query string and fragment, with unprintable characters escaped."""
    name = _USER.sub(r"\g<scheme>", _without_query(url))
    return name if name.isprintable() else ascii(name)[1:-1]


def list_files(url: str) -> list[str] | None:
    """Return the URLs of the files below a directory (`…/`) or matching a pattern (`*`); None for a single file."""
    path = _without_query(url)
    if "*" not in path and not path.endswith("/"):
        return None
    with _as_capture_error(url):
        files, inside = _file_system(url)
        found = files.glob(inside) if "*" in path else files.find(inside)
        listed = [str(files.unstrip_protocol(each)) for each in found if not files.isdir(each)]
    if not listed:
        raise CaptureError(f"{display_name(url)}: holds no file, or none fits; check the address")
    return listed


class RemoteFile(io.RawIOBase):
    """A remote file, read sequentially."""

    def __init__(self, url: str, block: int = _BLOCK) -> None:
        """Open the file, to be requested in blocks of `block` bytes; raises CaptureError."""
        super().__init__()
        self.url = url
        with _as_capture_error(url):
            self._file_system, self._path = _file_system(url)
            info = self._file_system.info(self._path)
            # fsspec does not report whether an HTTP server supports byte ranges: read such files in one request.
            self.supports_ranges = _scheme(url) not in ("http", "https")
            self._file = self._file_system.open(
                self._path, "rb", block_size=block if self.supports_ranges else 0, cache_type="readahead"
            )
        size = info.get("size")
        self.size: int | None = size if isinstance(size, int) else None

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, view: Any) -> int:
        """Read the next bytes; raise OSError on any failure."""
        try:
            data = self._file.read(len(view))
        except Exception as error:
            raise OSError(_reason(error)) from None
        view[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Continue reading at another offset."""
        return int(self._file.seek(offset, whence))

    def bytes_at(self, start: int, count: int) -> bytes:
        """Return `count` bytes from `start` on, empty if they cannot be read."""
        if self.size is None or not self.supports_ranges:
            return b""
        try:
            return bytes(self._file_system.cat_file(self._path, start=start, end=min(start + count, self.size)))
        except Exception:
            return b""

    def close(self) -> None:
        """Close the remote file."""
        if not self.closed:
            self._file.close()
        super().close()


def _file_system(url: str) -> tuple[Any, Any]:
    """Return the fsspec file system of a URL and the path in it."""
    for library in _NOISY_LOGGERS:
        logger = logging.getLogger(library)
        if not logger.handlers:  # keep logging that the user has configured
            logger.addHandler(logging.NullHandler())
    found: tuple[Any, Any] = import_module("fsspec.core").url_to_fs(url)
    return found


@contextmanager
def _as_capture_error(url: str) -> Iterator[None]:
    """Convert all errors to CaptureError."""
    try:
        yield
    except CaptureError:
        raise
    except ImportError:
        reason = f"{_scheme(url)}:// needs a library that is missing; {_install_hint(url)}"
    except ValueError as error:
        unknown = "rotocol not known" in str(error)
        reason = "no address of a kind that fsspec knows; check its beginning" if unknown else _reason(error)
    except Exception as error:
        reason = _reason(error)
    else:
        return
    raise CaptureError(f"{display_name(url)}: {reason}") from None


def _without_query(url: str) -> str:
    """Return the URL without query string and fragment."""
    return re.split("[?#]", url, maxsplit=1)[0]


def _scheme(url: str) -> str:
    found = _URL.match(url)
    return found["scheme"].lower() if found else ""


def _install_hint(url: str) -> str:
    extra = _EXTRAS.get(_scheme(url))
    return f"pip install 'handshake-inspect[{extra}]'" if extra else "pip install fsspec, and what it names for this"


def _reason(error: BaseException) -> str:
    """Describe the kind of an error; its text may contain secrets."""
    if isinstance(error, FileNotFoundError) and getattr(error.__cause__, "errno", None):
        error = error.__cause__  # type: ignore[assignment]  # fsspec also raises it for an unreachable server
    status = getattr(error, "status", None) or getattr(error.__cause__, "status", None)
    if isinstance(error, FileNotFoundError) and status not in _DENIED_STATUS:
        return "no such file; check the address"
    if isinstance(error, PermissionError) or status in _DENIED_STATUS or "Credentials" in type(error).__name__:
        return "permission denied; check the credentials, which come from the environment"
    if isinstance(status, int) and status:
        return f"the server answered {status}; check the address"
    if isinstance(error, TimeoutError):
        return "no answer in time; check the address and the network"
    if isinstance(error, OSError):
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else type(error).__name__
        return f"cannot be reached or read ({why}); check the address and the network"
    return f"cannot be read ({type(error).__name__}); check the address"
