"""Analyse TCP connections in captures: states, handshake RTT, outcomes and their causes.

The library API:

>>> import handshake_inspect
>>> report = handshake_inspect.analyze("capture.pcapng")  # doctest: +SKIP
>>> report.summary.outcomes.refused  # doctest: +SKIP
3

Submodules are imported on first use: reading `handshake_inspect.__version__` does not import NumPy.

PYTEST_DONT_REWRITE: the package contains a pytest plugin, and pytest would warn when the package was imported first.
"""
# ruff: noqa: PLC0415

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from handshake_inspect.about import build, version
from handshake_inspect.errors import check_keywords

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike
    from typing import BinaryIO

    from handshake_inspect.report.model import Report as Report

    __version__: str

__all__ = ["Report", "__version__", "analyze", "build"]


def analyze(
    *paths: str | PathLike[str] | BinaryIO, where: str | None = None, client: Any = None, **options: Any
) -> Report:
    """Read the captures at `paths` as one trace and report what happened to every connection.

    A path is a string, a `pathlib.Path` or a binary file; `-` is standard input.  `where` limits the report to the
    connections that match an expression, as with `hsi -Y`: `"outcome == refused"`.  The other keywords are the fields
    of `handshake_inspect.engine.Options`.  Raises `handshake_inspect.errors.CaptureError` if an input is not a capture.
    A truncated or damaged capture is analysed up to the damage, which `report.capture.problems` locates.

    With the `client` of a Dask cluster, its workers read the captures; the paths must then be strings (paths or
    URLs).  The report is the same.
    """
    from handshake_inspect.engine import Options
    from handshake_inspect.engine import analyze as run

    check_keywords("analyze", options, [*Options.__dataclass_fields__, *(analyze.__kwdefaults__ or ())])
    settings = Options(**options)
    narrow = _narrowing(where)
    if client is None:
        return narrow(run(paths, options=settings))
    from handshake_inspect import cluster

    return narrow(cluster.analyze(paths, client, options=settings))


def _narrowing(where: str | None) -> Callable[[Report], Report]:
    """Return a function that limits a report to matching connections; raise for an invalid expression right away."""
    if where is None:
        return lambda report: report
    from handshake_inspect.expression.language import parse
    from handshake_inspect.expression.select import filtered

    test = parse(where)
    return lambda report: filtered(report, test)


def __getattr__(name: str) -> Any:
    if name == "Report":
        from handshake_inspect.report.model import Report

        return Report
    if name == "__version__":
        return version()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
