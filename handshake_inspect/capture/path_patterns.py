"""Expand command-line inputs to files: directories to the files below them, and glob patterns that the shell left."""

import os
import re
from collections.abc import Iterator, Sequence

from handshake_inspect.capture.remote import is_remote, list_files
from handshake_inspect.capture.source import Input
from handshake_inspect.errors import CaptureError

_MAGIC = re.compile(r"[*?[]")
_DIGITS = re.compile(r"(\d+)")


class DiscoveredPath(str):
    """A path that came from a directory or a pattern; skipped, not an error, if it is not a capture."""

    __slots__ = ()


def expand_inputs(inputs: Sequence[Input]) -> list[Input]:
    """Return the files that `inputs` stand for, without duplicates; file objects and single files stay unchanged."""
    files: dict[Input, None] = {}
    for where in inputs:
        files.update(dict.fromkeys(_files(where)))
    return (
        list(files)
        if len(files) > len(inputs) or any(isinstance(file, DiscoveredPath) for file in files)
        else list(inputs)
    )


def natural_key(name: str) -> list[tuple[int, str]]:
    """Return a sort key that compares digits as numbers, so that 9 sorts before 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in _DIGITS.split(name) if part]


def _files(where: Input) -> Iterator[Input]:
    if not isinstance(where, str | os.PathLike) or where == "-" or isinstance(where, DiscoveredPath):
        yield where
        return
    if is_remote(where):
        listed = list_files(str(where))
        yield from [where] if listed is None else map(DiscoveredPath, sorted(listed, key=natural_key))
        return
    path = os.fspath(where)
    if os.path.isdir(path):  # noqa: PTH112 - no Path of what may not be one
        yield from _files_below(path)
    elif _MAGIC.search(path) and not os.path.lexists(path):
        yield from _matching(path)
    else:
        yield where


def _files_below(top: str) -> Iterator[Input]:
    """Yield all regular files below a directory, without hidden ones; opening a pipe would block."""
    empty = True
    for directory, below, files in os.walk(top, onerror=_raise_unreadable):
        below[:] = sorted((name for name in below if not name.startswith(".")), key=natural_key)
        for name in sorted(files, key=natural_key):
            path = os.path.join(directory, name)  # noqa: PTH118
            if not name.startswith(".") and os.path.isfile(path):  # noqa: PTH113
                empty = False
                yield DiscoveredPath(path)
    if empty:
        raise CaptureError(f"{top}: a directory without files; name one that holds captures")


def _matching(pattern: str) -> Iterator[Input]:
    from glob import glob  # noqa: PLC0415  few name patterns

    paths = sorted(glob(pattern, recursive=True), key=natural_key)  # noqa: PTH207 - a Path keeps no spelling
    if not paths:
        raise CaptureError(f"{pattern}: no such file, and none fits this pattern; check the path")
    for path in paths:
        if os.path.isdir(path):  # noqa: PTH112
            yield from _files_below(path)
        elif os.path.isfile(path):  # noqa: PTH113
            yield DiscoveredPath(path)


def _raise_unreadable(error: OSError) -> None:
    raise CaptureError(f"{error.filename}: cannot be listed ({error.strerror}); read it as a user who may")
