"""The running version of hsi and its build.  Imports nothing of hsi, so that any stage may import it."""
# ruff: noqa: PLC0415

import os
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from typing import Literal

_NAME = "handshake_inspect-"
_FIELD = "Version: "  # core metadata: the header fields come first


def build() -> Literal["compiled", "pure"]:
    """Return which build of the hot modules is running: C extensions or the same files as plain Python."""
    from importlib.util import find_spec

    spec = find_spec("handshake_inspect.tcp.tracker")
    compiled = spec is not None and spec.origin is not None and spec.origin.endswith(tuple(EXTENSION_SUFFIXES))
    return "compiled" if compiled else "pure"


@cache
def version() -> str:
    """Return the version of the installed package; `0+unknown` in a source tree that was never installed.

    Installers write it to a `.dist-info` directory next to the package.  Reading it there takes a tenth of the time
    that importing importlib.metadata takes.
    """
    installed = _version_beside(os.path.dirname(os.path.dirname(__file__)))  # noqa: PTH120 - pathlib takes as long
    if installed is not None:
        return installed
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("handshake-inspect")
    except PackageNotFoundError:
        return "0+unknown"


def _version_beside(folder: str) -> str | None:
    """Return the version in the only `.dist-info` directory in `folder`, or None if there is not exactly one."""
    try:
        with os.scandir(folder) as entries:
            names = [each.name for each in entries if each.name.startswith(_NAME) and each.name.endswith(".dist-info")]
        if len(names) != 1:
            return None
        with open(os.path.join(folder, names[0], "METADATA"), encoding="utf-8") as lines:  # noqa: PTH118, PTH123
            return next((line[len(_FIELD) :].strip() for line in lines if line.startswith(_FIELD)), None)
    except (OSError, UnicodeDecodeError):
        return None
