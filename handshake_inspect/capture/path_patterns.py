"""From what is named to files: directories stand for what is in them, and patterns that no shell expanded for files."""

import os
import re
from collections.abc import Iterator, Sequence

from handshake_inspect.capture.remote import expanded as remote_files
from handshake_inspect.capture.remote import is_remote
from handshake_inspect.capture.source import Input
from handshake_inspect.errors import CaptureError

_MAGIC = re.compile(r"[*?[]")
_DIGITS = re.compile(r"(\d+)")


class Found(str):
    """A file that nobody named: a directory holds it, or it fits a pattern.  It is left out where it is no capture."""

    __slots__ = ()


def expanded(inputs: Sequence[Input]) -> list[Input]:
    """The files that are meant, each once; what is no path, or names one file, stays as it is."""
    files: dict[Input, None] = {}
    for where in inputs:
        files.update(dict.fromkeys(_files(where)))
    return list(files) if len(files) > len(inputs) or any(isinstance(file, Found) for file in files) else list(inputs)


def natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts names as people number them: 9 before 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in _DIGITS.split(name) if part]


def _files(where: Input) -> Iterator[Input]:
    if not isinstance(where, str | os.PathLike) or where == "-" or isinstance(where, Found):
        yield where
        return
    if is_remote(where):
        listed = remote_files(str(where))
        yield from [where] if listed is None else map(Found, sorted(listed, key=natural))
        return
    path = os.fspath(where)
    if os.path.isdir(path):  # noqa: PTH112 - no Path of what may not be one
        yield from _below(path)
    elif _MAGIC.search(path) and not os.path.lexists(path):
        yield from _fitting(path)
    else:
        yield where


def _below(top: str) -> Iterator[Input]:
    """All files in a directory and below it, but for hidden ones, and pipes, which would be waited for."""
    empty = True
    for directory, below, files in os.walk(top, onerror=_refuse):
        below[:] = sorted((name for name in below if not name.startswith(".")), key=natural)
        for name in sorted(files, key=natural):
            path = os.path.join(directory, name)  # noqa: PTH118
            if not name.startswith(".") and os.path.isfile(path):  # noqa: PTH113
                empty = False
                yield Found(path)
    if empty:
        raise CaptureError(f"{top}: a directory without files; name one that holds captures")


def _fitting(pattern: str) -> Iterator[Input]:
    from glob import glob  # noqa: PLC0415  few name patterns

    paths = sorted(glob(pattern, recursive=True), key=natural)  # noqa: PTH207 - a Path keeps no spelling
    if not paths:
        raise CaptureError(f"{pattern}: no such file, and none fits this pattern; check the path")
    for path in paths:
        if os.path.isdir(path):  # noqa: PTH112
            yield from _below(path)
        elif os.path.isfile(path):  # noqa: PTH113
            yield Found(path)


def _refuse(error: OSError) -> None:
    raise CaptureError(f"{error.filename}: cannot be listed ({error.strerror}); read it as a user who may")
