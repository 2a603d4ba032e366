"""`hsi schema`: what the JSON output promises."""
# ruff: noqa: PLC0415

import json

import click

from handshake_inspect.cli.output import Target


@click.command()
@click.argument("name", type=click.Choice(["analyze", "explain"]), default="analyze", metavar="[COMMAND]")
@click.option("-o", "--output", metavar="FILE", default="-", help="Write there instead of standard output.")
def command(name: str, output: str) -> None:
    """Print the JSON Schema (2020-12) of `hsi analyze -T json`, or of `hsi explain -T json`."""
    from handshake_inspect.report import schema

    document = schema.schema() if name == "analyze" else schema.story_schema()
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    with Target.open(output) as target:
        target.put(lambda stream: stream.write(text.encode()))
