"""Options that several commands share: which format (`-T`, `-o`), which columns (`-e`), which connections (`-Y`)."""
# ruff: noqa: PLC0415

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import click

from handshake_inspect.errors import UsageError
from handshake_inspect.render import RENDERERS, WITH_FIELDS

if TYPE_CHECKING:
    from handshake_inspect.cli.output import Target
    from handshake_inspect.expression.questions import Test
    from handshake_inspect.report.model import Connections, Report

# What the name of a file says of its format.
SUFFIXES = {
    ".json": "json", ".ndjson": "ndjson", ".jsonl": "ndjson", ".csv": "csv", ".tsv": "tsv", ".md": "markdown",
    ".xml": "junit", ".sarif": "sarif", ".log": "zeek", ".parquet": "parquet", ".arrow": "arrow", ".arrows": "arrow",
    ".txt": "text",
}  # fmt: skip
BINARY = ("parquet", "arrow")


def format_option(known: Collection[str] = RENDERERS) -> Callable[[Any], Any]:
    """`-T`: one of the formats, else what the name after `-o` says."""
    return click.option(
        "-T",
        "--format",
        "form",
        type=click.Choice(list(known)),
        help="How to report.  [default: what the name after -o says, else text]",
    )


def refuse_terminal(form: str, target: Target) -> None:
    """Keep octets that are no text off a terminal."""
    if form in BINARY and target.terminal:
        raise UsageError(f"{form} is not text: write it to a file with -o")


def checked_binary(form: str, target: Target) -> None:
    """Refuse a format that is no text on a terminal, or without what writes it, before a long work begins."""
    if form in BINARY:
        from handshake_inspect.render.arrow_table import pyarrow

        refuse_terminal(form, target)
        pyarrow()


where_option = click.option(
    "-Y",
    "--where",
    metavar="EXPR",
    help="Only connections for which EXPR holds, such as 'outcome == refused and rtt.total > 50ms'.",
)
fields_option = click.option(
    "-e",
    "--fields",
    metavar="FIELD,...",
    multiple=True,
    help="Columns of csv, tsv, ndjson, markdown, parquet, arrow, by their names in the schema; * for all.",
)


def chosen_format(form: str | None, output: str, known: Collection[str] = RENDERERS) -> str:
    """The format that was asked for, or that the name of the output says, or text.

    Raises UsageError when the name says a format that the command has not, or ends in what says nothing.  A name
    without an ending is text.
    """
    if form is None:
        name = PurePath(output).name
        form = "sarif" if name.endswith(".sarif.json") else _by_ending(output, PurePath(name).suffix, known)
    if form in known:
        return form
    if form == "zeek":  # a .log may be anything's
        return "text"
    raise UsageError(f"{output}: this command writes no {form}; its formats are {', '.join(known)} (-T)")


def _by_ending(output: str, ending: str, known: Collection[str]) -> str:
    form = SUFFIXES.get(ending.lower()) if ending else "text"
    if form is None:
        there = ", ".join(end for end, form in SUFFIXES.items() if form in known)
        raise UsageError(f"{output}: no format ends in {ending}; those that do: {there}; or say which with -T")
    return form


write_option = click.option(
    "--write",
    metavar="FILE.pcapng",
    help="Write the frames of the connections that are reported (of a check: that broke a rule), with the verdicts.",
)


def checked_write(write: str | None, paths: Sequence[str]) -> None:
    """Refuse `--write` where the captures cannot be read once more."""
    if write is None:
        return
    for path in paths:
        if not Path(path).is_file():
            raise UsageError(f"--write reads the captures twice, which {path} cannot be")


def write_frames(write: str, paths: Sequence[str], every: Connections, chosen: Connections, *, watched: bool) -> None:
    """Write the frames of the chosen connections."""
    from handshake_inspect.cli.output import Target
    from handshake_inspect.cli.progress import Meter
    from handshake_inspect.engine.extract import extract

    with Target.open(write, frames=True) as target, Meter(wanted=watched) as meter:
        target.put(lambda stream: extract(paths, every, chosen, stream, meter.update))


def checked_fields(fields: tuple[str, ...], form: str) -> tuple[str, ...]:
    """The chosen columns; UsageError for a format without columns, and for fields that do not exist."""
    if fields:
        if form not in WITH_FIELDS:
            raise UsageError(f"-e chooses columns, which {form} has not; use -T {', '.join(WITH_FIELDS)}")
        from handshake_inspect.report.fields import chosen

        chosen(fields)
    return fields


def test_of(expression: str | None) -> Test | None:
    """The test that `-Y` asks for, before anything is read."""
    if expression is None:
        return None
    from handshake_inspect.expression.language import parse

    return parse(expression)


def narrowed(report: Report, test: Test | None) -> Report:
    """The report of the connections that pass the test."""
    if test is None:
        return report
    from handshake_inspect.expression.select import filtered

    return filtered(report, test)
