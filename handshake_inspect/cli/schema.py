"""`hsi schema`: what the JSON report promises."""
# ruff: noqa: PLC0415

import json

import click

from handshake_inspect.cli.output import Target


@click.command()
@click.option("-o", "--output", metavar="FILE", default="-", help="Write there instead of standard output.")
def command(output: str) -> None:
    """Print the JSON Schema (2020-12) of `hsi analyze -T json`."""
    from handshake_inspect.report.schema import schema

    text = json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"
    with Target.open(output) as target:
        target.put(lambda stream: stream.write(text.encode()))
