"""Connections as an Arrow IPC stream."""
# ruff: noqa: PLC0415

from __future__ import annotations

from typing import BinaryIO

from handshake_inspect.render import Options
from handshake_inspect.render.arrow_table import batches
from handshake_inspect.report.model import Report


def render(report: Report, out: BinaryIO, options: Options) -> None:
    """Write the chosen columns; needs pyarrow."""
    schema, made = batches(report, options)
    import pyarrow as pa

    with pa.ipc.new_stream(out, schema) as writer:
        for batch in made:
            writer.write_batch(batch)
