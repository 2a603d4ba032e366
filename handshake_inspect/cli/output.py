"""Output targets: standard output, or files and directories that are replaced atomically."""
# ruff: noqa: PLC0415

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import click

from handshake_inspect.cli.overwriting import refuse_capture
from handshake_inspect.errors import HsiError, UsageError, unwritable

_MIN_WIDTH, _DEFAULT_WIDTH = 64, 80


class Target:
    """An open output with its encoding, width and colour support."""

    def __init__(self, name: str, stream: BinaryIO, *, encoding: str, terminal: bool) -> None:
        self.name = name
        self.encoding = encoding
        self.terminal = terminal
        self._stream = stream

    @staticmethod
    @contextmanager
    def open(name: str, *, frames: bool = False) -> Iterator[Target]:
        """Open `name` (`-` is standard output); a file is created or replaced only if the block succeeds.

        UsageError if that would replace a capture, unless `frames` are written.
        """
        if not frames:
            refuse_capture(name)
        if name == "-":
            yield _standard_output()
        elif Path(name).exists() and not Path(name).is_file():  # /dev/stderr, a named pipe
            with _os_errors_explained(name), Path(name).open("wb") as stream:
                yield Target(name, stream, encoding="utf-8", terminal=stream.isatty())
        else:
            with _replacing_file(name) as stream:
                yield Target(name, stream, encoding="utf-8", terminal=False)

    @staticmethod
    @contextmanager
    def held(name: str, *, frames: bool = False) -> Iterator[Target]:
        """Open `name` itself rather than a temporary file, for a process that will drop privileges before writing.

        The old contents stay until `put` writes.  A new file is removed if the block fails before that.
        """
        if not frames:
            refuse_capture(name)
        path = Path(name)
        if name == "-" or (path.exists() and not path.is_file()):
            with Target.open(name) as target:
                yield target
            return
        new = not path.exists()
        try:
            descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except (OSError, ValueError) as error:
            raise HsiError(unwritable(name, error)) from None
        with open(descriptor, "wb") as stream:  # noqa: PTH123 - a descriptor has no path
            target = _HeldFile(name, stream, encoding="utf-8", terminal=False)
            try:
                yield target
            except BaseException:
                with suppress(OSError):
                    if new and not target.has_written:
                        path.unlink()
                raise

    @property
    def stream(self) -> BinaryIO:
        """The underlying stream, for incremental writes inside `put`."""
        return self._stream

    def put(self, write: Callable[[BinaryIO], object]) -> None:
        """Call `write` with the stream and flush it; exit quietly if the reader went away (`| head`)."""
        try:
            write(self._stream)
            self._stream.flush()
        except BrokenPipeError as error:
            _silence_standard_output()
            raise click.exceptions.Exit(0) from error
        except OSError as error:
            if self.name == "-":
                _silence_standard_output()
            raise HsiError(unwritable(_display_name(self.name), error)) from error

    def page(self, write: Callable[[BinaryIO], object], *, wanted: bool = True) -> None:
        """Write like `put`; if `wanted`, text longer than a screen goes through a pager on a terminal."""
        if not (wanted and self.terminal and self.name == "-"):
            self.put(write)
            return
        from handshake_inspect.cli import paging

        words = paging.command()

        def through(stream: BinaryIO) -> None:
            with paging.paged(stream, words) as pages, suppress(BrokenPipeError):  # the user quit the pager
                write(pages)

        self.put(through if words else write)

    @property
    def width(self) -> int:
        """The width in columns: `COLUMNS`, else the terminal's (both at least 64), else 80."""
        columns = os.environ.get("COLUMNS", "")
        if columns.isdecimal() and int(columns):
            return max(_MIN_WIDTH, int(columns))
        try:
            return max(_MIN_WIDTH, os.get_terminal_size(self._stream.fileno()).columns)
        except (OSError, ValueError):
            return _DEFAULT_WIDTH

    def colored(self, setting: str) -> bool:
        """Whether to use colour: from `setting`, else NO_COLOR, else FORCE_COLOR, else if the terminal supports it."""
        if setting != "auto":
            return setting == "always"
        if os.environ.get("NO_COLOR"):
            return False
        if os.environ.get("FORCE_COLOR"):
            return True
        return self.terminal and os.environ.get("TERM") != "dumb"


class _HeldFile(Target):
    """A file that is truncated only when new contents are written."""

    has_written = False

    def put(self, write: Callable[[BinaryIO], object]) -> None:
        self.has_written = True

        def replace(stream: BinaryIO) -> object:
            stream.truncate(0)
            return write(stream)

        super().put(replace)


def _display_name(name: str) -> str:
    return "standard output" if name == "-" else name


class DirectoryTarget(Target):
    """A directory that is created atomically."""

    def __init__(self, name: str, path: Path) -> None:
        super().__init__(name, BytesIO(), encoding="utf-8", terminal=False)
        self.path = path

    @staticmethod
    @contextmanager
    def open(name: str, *, frames: bool = False) -> Iterator[DirectoryTarget]:
        """Create a temporary directory, renamed to `name` if the block succeeds; UsageError if `name` is not empty."""
        import shutil
        import tempfile

        final = Path(name).resolve()
        if final.exists() and (not final.is_dir() or any(final.iterdir())):
            raise UsageError(f"{name}: there is something already; name a directory that is new, or empty")
        with _os_errors_explained(name):
            final.parent.mkdir(parents=True, exist_ok=True)
            temporary = Path(tempfile.mkdtemp(dir=final.parent, prefix=f".{final.name}.", suffix=".part"))
        try:
            yield DirectoryTarget(name, temporary)
            with _os_errors_explained(name):
                temporary.chmod(0o777 & ~_umask())
                temporary.replace(final)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise

    def fill(self, write: Callable[[Path], object]) -> None:
        """Call `write` with the path of the directory."""
        with _os_errors_explained(self.name):
            write(self.path)


def _standard_output() -> Target:
    if sys.stdout is None:
        raise HsiError("cannot write standard output: it is closed")
    sys.stdout.flush()
    return Target(
        "-", sys.stdout.buffer, encoding=_terminal_encoding(sys.stdout.encoding), terminal=sys.stdout.isatty()
    )


def _terminal_encoding(encoding: str) -> str:
    """Return the encoding of the terminal; ASCII in the C locale, where Python's UTF-8 mode would claim UTF-8."""
    locale = os.environ.get("LC_ALL") or os.environ.get("LC_CTYPE") or os.environ.get("LANG") or ""
    if locale in ("C", "POSIX"):
        return "ascii"
    try:
        return codecs.lookup(encoding).name
    except LookupError:
        return "ascii"


def _silence_standard_output() -> None:
    """Redirect stdout to /dev/null, so that the interpreter does not flush into the closed pipe at exit."""
    try:
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, sys.stdout.fileno())
    except (OSError, ValueError):  # sys.stdout was replaced by an object without a descriptor
        return


@contextmanager
def _os_errors_explained(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise HsiError(unwritable(name, error)) from error


@contextmanager
def _replacing_file(name: str) -> Iterator[BinaryIO]:
    import tempfile

    path = Path(name).resolve()  # replace the target of a symbolic link, not the link
    with _os_errors_explained(name):
        descriptor, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    temporary = Path(beside)
    try:
        with open(descriptor, "wb") as stream:  # noqa: PTH123 - a descriptor has no path
            yield stream
        with _os_errors_explained(name):
            temporary.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask())
            temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
