"""Where a report goes: standard output, or a file that appears whole or not at all."""
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

_LEAST_WIDTH, _USUAL_WIDTH = 64, 80


class Target:
    """An open destination, and what can be shown there."""

    def __init__(self, name: str, stream: BinaryIO, *, encoding: str, terminal: bool) -> None:
        self.name = name
        self.encoding = encoding
        self.terminal = terminal
        self._stream = stream

    @staticmethod
    @contextmanager
    def open(name: str, *, frames: bool = False) -> Iterator[Target]:
        """Open `name` (`-`: standard output) before the work begins; a file appears only if all went well.

        UsageError where a capture would be replaced by anything but `frames`.
        """
        if not frames:
            refuse_capture(name)
        if name == "-":
            yield _standard_output()
        elif Path(name).exists() and not Path(name).is_file():  # /dev/stderr, a named pipe
            with _mended(name), Path(name).open("wb") as stream:
                yield Target(name, stream, encoding="utf-8", terminal=stream.isatty())
        else:
            with _replacing(name) as stream:
                yield Target(name, stream, encoding="utf-8", terminal=False)

    @staticmethod
    @contextmanager
    def held(name: str, *, frames: bool = False) -> Iterator[Target]:
        """Open `name` as `open` does, but the file itself, for a process that may not do so later.

        The file keeps what it held until `put` writes.  One that was not there is taken away when the work fails
        before that.
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
            target = _Held(name, stream, encoding="utf-8", terminal=False)
            try:
                yield target
            except BaseException:
                with suppress(OSError):
                    if new and not target.is_begun:
                        path.unlink()
                raise

    @property
    def stream(self) -> BinaryIO:
        """The stream itself, for what is written bit by bit inside of `put`."""
        return self._stream

    def put(self, write: Callable[[BinaryIO], object]) -> None:
        """Let `write` fill the stream; a reader that went away (`| head`) ends the command quietly."""
        try:
            write(self._stream)
            self._stream.flush()
        except BrokenPipeError as error:
            _silence_standard_output()
            raise click.exceptions.Exit(0) from error
        except OSError as error:
            if self.name == "-":
                _silence_standard_output()
            raise HsiError(unwritable(_called(self.name), error)) from error

    def page(self, write: Callable[[BinaryIO], object], *, wanted: bool = True) -> None:
        """Write by `put`, on a terminal through a pager if that is `wanted` and more than a screen is written."""
        if not (wanted and self.terminal and self.name == "-"):
            self.put(write)
            return
        from handshake_inspect.cli import paging

        words = paging.command()

        def through(stream: BinaryIO) -> None:
            with paging.paged(stream, words) as pages, suppress(BrokenPipeError):  # who has seen enough leaves
                write(pages)

        self.put(through if words else write)

    @property
    def width(self) -> int:
        """Columns to fill: `COLUMNS`, else the terminal's, but no fewer than 64; 80 where there is no terminal."""
        columns = os.environ.get("COLUMNS", "")
        if columns.isdecimal() and int(columns):
            return max(_LEAST_WIDTH, int(columns))
        try:
            return max(_LEAST_WIDTH, os.get_terminal_size(self._stream.fileno()).columns)
        except (OSError, ValueError):
            return _USUAL_WIDTH

    def colored(self, wish: str) -> bool:
        """Whether to colour: as wished, else NO_COLOR, else FORCE_COLOR, else on a terminal that can."""
        if wish != "auto":
            return wish == "always"
        if os.environ.get("NO_COLOR"):
            return False
        if os.environ.get("FORCE_COLOR"):
            return True
        return self.terminal and os.environ.get("TERM") != "dumb"


class _Held(Target):
    """A file whose old contents go when there are new ones."""

    is_begun = False

    def put(self, write: Callable[[BinaryIO], object]) -> None:
        self.is_begun = True

        def replace(stream: BinaryIO) -> object:
            stream.truncate(0)
            return write(stream)

        super().put(replace)


def _called(name: str) -> str:
    return "standard output" if name == "-" else name


class Folder(Target):
    """A directory that appears whole or not at all."""

    def __init__(self, name: str, path: Path) -> None:
        super().__init__(name, BytesIO(), encoding="utf-8", terminal=False)
        self.path = path

    @staticmethod
    @contextmanager
    def open(name: str, *, frames: bool = False) -> Iterator[Folder]:
        """Make it beside its place before the work begins; UsageError where there is something already."""
        import shutil
        import tempfile

        place = Path(name).resolve()
        if place.exists() and (not place.is_dir() or any(place.iterdir())):
            raise UsageError(f"{name}: there is something already; name a directory that is new, or empty")
        with _mended(name):
            place.parent.mkdir(parents=True, exist_ok=True)
            made = Path(tempfile.mkdtemp(dir=place.parent, prefix=f".{place.name}.", suffix=".part"))
        try:
            yield Folder(name, made)
            with _mended(name):
                made.chmod(0o777 & ~_umask())
                made.replace(place)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise

    def fill(self, write: Callable[[Path], object]) -> None:
        """Let `write` fill the directory."""
        with _mended(self.name):
            write(self.path)


def _standard_output() -> Target:
    if sys.stdout is None:
        raise HsiError("cannot write standard output: it is closed")
    sys.stdout.flush()
    return Target(
        "-", sys.stdout.buffer, encoding=_terminal_encoding(sys.stdout.encoding), terminal=sys.stdout.isatty()
    )


def _terminal_encoding(encoding: str) -> str:
    """Distrust Python's UTF-8 mode: a terminal in the C locale shows ASCII."""
    locale = os.environ.get("LC_ALL") or os.environ.get("LC_CTYPE") or os.environ.get("LANG") or ""
    if locale in ("C", "POSIX"):
        return "ascii"
    try:
        return codecs.lookup(encoding).name
    except LookupError:
        return "ascii"


def _silence_standard_output() -> None:
    """Keep the interpreter from flushing into the closed pipe once more at exit."""
    try:
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, sys.stdout.fileno())
    except (OSError, ValueError):  # a stand-in without a descriptor
        return


@contextmanager
def _mended(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise HsiError(unwritable(name, error)) from error


@contextmanager
def _replacing(name: str) -> Iterator[BinaryIO]:
    import tempfile

    path = Path(name).resolve()  # through a symbolic link to the file it names
    with _mended(name):
        descriptor, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    temporary = Path(beside)
    try:
        with open(descriptor, "wb") as stream:  # noqa: PTH123 - a descriptor has no path
            yield stream
        with _mended(name):
            temporary.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask())
            temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
