"""The command `hsi fields`: list the fields of a connection, as used by -e, -Y and the JSON."""
# ruff: noqa: PLC0415

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from handshake_inspect.cli.manual import Documented
from handshake_inspect.cli.output import Target
from handshake_inspect.errors import UsageError

if TYPE_CHECKING:
    from handshake_inspect.report.fields import Field

EPILOG = """\b
Examples:
  hsi fields               all of them
  hsi fields rtt           those with rtt in their name
  hsi fields tls quic      those of both
"""


@click.command(cls=Documented, epilog=EPILOG)
@click.argument("words", nargs=-1, metavar="[WORD]...")
@click.option("-T", "--format", "form", type=click.Choice(["text", "json"]), default="text", help="Output format.")
@click.option("-o", "--output", metavar="FILE", default="-", help="Write to this file instead of standard output.")
def command(words: tuple[str, ...], form: str, output: str) -> None:
    """List the fields of a connection: name, type, unit and meaning.

    The same names are used in JSON, columns (-e) and expressions (-Y). With WORDs, only those with one of them in
    their name.
    """
    listed = _matching(words)
    text = _as_json(listed) if form == "json" else _as_text(listed)
    with Target.open(output) as target:
        target.page(lambda stream: stream.write(text.encode()), wanted=form == "text")


def _matching(words: tuple[str, ...]) -> list[Field]:
    """Return the fields whose names contain any of the words, ignoring case; UsageError if a word matches none."""
    from handshake_inspect.report.fields import derived, fields

    known = (fields() | derived()).values()
    wanted = [word.casefold() for word in words]
    for word in wanted:
        if not any(word in field.name for field in known):
            raise UsageError(f"no field has {word!r} in its name; hsi help {word} may explain the word")
    return [field for field in known if not wanted or any(word in field.name for word in wanted)]


def _as_text(shown: list[Field]) -> str:
    from tabulate import tabulate

    rows = [(field.name, field.kind, field.unit, field.help) for field in shown]
    table = tabulate(rows, ["field", "type", "unit", "meaning"], tablefmt="plain", disable_numparse=True)
    return "".join(f"{line.rstrip()}\n" for line in table.splitlines())


def _as_json(shown: list[Field]) -> str:
    from handshake_inspect.report.schema import SCHEMA_ID

    listed = [
        {
            "name": field.name,
            "type": field.kind,
            "unit": field.unit or None,
            "help": field.help,
            "words": list(field.words) or None,
        }
        for field in shown
    ]
    return json.dumps({"schema": SCHEMA_ID, "fields": listed}, indent=2, ensure_ascii=False) + "\n"
