"""Which build of hsi runs, and which version.  A leaf: any stage may import it."""
# ruff: noqa: PLC0415

import os
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from typing import Literal

_NAME = "handshake_inspect-"
_FIELD = "Version: "  # core metadata: the header fields come first


def build() -> Literal["compiled", "pure"]:
    """Which build of the hot modules runs: C extensions, or the same files as plain Python."""
    from importlib.util import find_spec

    spec = find_spec("handshake_inspect.tcp.tracker")
    compiled = spec is not None and spec.origin is not None and spec.origin.endswith(tuple(EXTENSION_SUFFIXES))
    return "compiled" if compiled else "pure"


@cache
def version() -> str:
    """The version of the installed package; `0+unknown` in a source tree that was never installed.

    An installer puts it beside the package; to read it there takes a tenth of the time that importlib.metadata takes
    to start.
    """
    beside = _version_beside(os.path.dirname(os.path.dirname(__file__)))  # noqa: PTH120 - pathlib takes as long
    if beside is not None:
        return beside
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("handshake-inspect")
    except PackageNotFoundError:
        return "0+unknown"


def _version_beside(folder: str) -> str | None:
    """The version that the one installation in this folder names, None where there is not one."""
    try:
        with os.scandir(folder) as entries:
            names = [each.name for each in entries if each.name.startswith(_NAME) and each.name.endswith(".dist-info")]
        if len(names) != 1:
            return None
        with open(os.path.join(folder, names[0], "METADATA"), encoding="utf-8") as lines:  # noqa: PTH118, PTH123
            return next((line[len(_FIELD) :].strip() for line in lines if line.startswith(_FIELD)), None)
    except (OSError, UnicodeDecodeError):
        return None
