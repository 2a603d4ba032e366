"""Report to text: one file per format; no renderer imports another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, BinaryIO, cast

if TYPE_CHECKING:
    from handshake_inspect.report.checked import Checked
    from handshake_inspect.report.model import Report


@dataclass(frozen=True)
class Options:
    """How a report is to look; every renderer takes what concerns it."""

    width: int = 80  # columns of the terminal
    color: bool = False
    encoding: str = "utf-8"  # what is not UTF-8 gets plain ASCII signs
    connections: bool = True  # False: the summary alone
    every: bool = False  # every connection, not just some of those with trouble
    verbosity: int = 0  # -1: one line; 1: with the evidence
    where: str = ""  # the expression for which all connections of the report hold
    fields: tuple[str, ...] = ()  # columns of formats that have rows; none: the usual ones


Renderer = Callable[["Report", BinaryIO, Options], None]


class _Renderers(Mapping[str, Renderer]):
    """Format name to renderer; a format is imported when it is used."""

    _modules = (
        "text", "json", "ndjson", "csv", "tsv", "markdown", "junit", "sarif", "github", "zeek", "parquet", "arrow",
    )  # fmt: skip

    def __getitem__(self, name: str) -> Renderer:
        if name not in self._modules:
            raise KeyError(name)
        return cast("Renderer", import_module(f"{__name__}.{name}").render)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)


RENDERERS = _Renderers()

# The module that writes what a check found, for each of its formats.
CHECKS = {
    "text": "check_text", "json": "check_json", "ndjson": "ndjson", "csv": "csv", "tsv": "tsv", "markdown": "markdown",
    "junit": "junit", "sarif": "sarif", "github": "github",
}  # fmt: skip

# The same of what a comparison found.
DIFFS = {"text": "diff_text", "json": "diff_json", "markdown": "diff_markdown"}


def check_renderer(form: str) -> Callable[[Checked, BinaryIO, Options], None]:
    """The renderer of a check for one of CHECKS."""
    module = import_module(f"{__name__}.{CHECKS[form]}")
    return cast("Callable[[Checked, BinaryIO, Options], None]", module.render_check)


WITH_FIELDS = ("ndjson", "csv", "tsv", "markdown", "parquet", "arrow")  # formats whose columns can be chosen
