"""Which build of hsi runs, and which version.  A leaf: any stage may import it."""
# ruff: noqa: PLC0415

from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from typing import Literal


def build() -> Literal["compiled", "pure"]:
    """Which build of the hot modules runs: C extensions, or the same files as plain Python."""
    from importlib.util import find_spec

    spec = find_spec("handshake_inspect.tcp.tracker")
    compiled = spec is not None and spec.origin is not None and spec.origin.endswith(tuple(EXTENSION_SUFFIXES))
    return "compiled" if compiled else "pure"


@cache
def version() -> str:
    """The version of the installed package; `0+unknown` in a source tree that was never installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("handshake-inspect")
    except PackageNotFoundError:
        return "0+unknown"
