"""The command `hsi schema`: print the JSON Schema of an output."""
# ruff: noqa: PLC0415

import json

import click

from handshake_inspect.cli.manual import Documented
from handshake_inspect.cli.output import Target

NAMES = ("report", "event", "check", "diff", "verify", "pair", "explain", "explain-quic", "analyze")


@click.command(cls=Documented)
@click.argument("name", type=click.Choice(NAMES), default="report", metavar="[NAME]")
@click.option("-o", "--output", metavar="FILE", default="-", help="Write to this file instead of standard output.")
def command(name: str, output: str) -> None:
    """Print the JSON Schema (2020-12) of hsi's JSON output.

    NAME is report (of `hsi analyze`), event (a line of -T ndjson), check, diff, verify, pair, explain, or
    explain-quic (`hsi explain` of a QUIC connection).
    """
    from handshake_inspect.report import schema

    documents = {
        "report": schema.schema, "analyze": schema.schema, "event": schema.event_schema, "check": schema.check_schema,
        "diff": schema.diff_schema, "verify": schema.verify_schema, "pair": schema.pair_schema,
        "explain": schema.story_schema,
        "explain-quic": schema.quic_story_schema,
    }  # fmt: skip
    document = documents[name]()
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    with Target.open(output) as target:
        target.put(lambda stream: stream.write(text.encode()))
