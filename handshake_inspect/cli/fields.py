"""`hsi fields`: what -e, -Y and the JSON know of a connection."""
# ruff: noqa: PLC0415

import json

import click

from handshake_inspect.cli.manual import Documented
from handshake_inspect.cli.output import Target


@click.command(cls=Documented)
@click.option("-T", "--format", "form", type=click.Choice(["text", "json"]), default="text", help="Output format.")
@click.option("-o", "--output", metavar="FILE", default="-", help="Write to this file instead of standard output.")
def command(form: str, output: str) -> None:
    """List the fields of a connection: name, type, unit and meaning.

    The same names are used in JSON, columns (-e) and expressions (-Y).
    """
    text = _as_json() if form == "json" else _as_text()
    with Target.open(output) as target:
        target.page(lambda stream: stream.write(text.encode()), wanted=form == "text")


def _as_text() -> str:
    from tabulate import tabulate

    from handshake_inspect.report.fields import derived, fields

    rows = [(field.name, field.kind, field.unit, field.help) for field in (fields() | derived()).values()]
    table = tabulate(rows, ["field", "type", "unit", "meaning"], tablefmt="plain", disable_numparse=True)
    return "".join(f"{line.rstrip()}\n" for line in table.splitlines())


def _as_json() -> str:
    from handshake_inspect.report.fields import derived, fields
    from handshake_inspect.report.schema import SCHEMA_ID

    listed = [
        {
            "name": field.name,
            "type": field.kind,
            "unit": field.unit or None,
            "help": field.help,
            "words": list(field.words) or None,
        }
        for field in (fields() | derived()).values()
    ]
    return json.dumps({"schema": SCHEMA_ID, "fields": listed}, indent=2, ensure_ascii=False) + "\n"
