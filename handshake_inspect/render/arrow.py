"""Connections as an Arrow IPC stream or a Parquet file: integers stay integers, missing values are null.

Both need pyarrow (`handshake-inspect[arrow]`).
"""
# ruff: noqa: PLC0415

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from handshake_inspect.render import Format, Options
from handshake_inspect.render.rows import columns
from handshake_inspect.report.arrow import batches, pyarrow, schema
from handshake_inspect.report.model import Report


def render_stream(report: Report, out: BinaryIO, options: Options) -> None:
    """Write the chosen columns as record batches."""
    with pyarrow().ipc.new_stream(out, schema(columns(options))) as writer:
        for batch in _batches(report, options):
            writer.write_batch(batch)


def render_parquet(report: Report, out: BinaryIO, options: Options) -> None:
    """Write the chosen columns, for data frames and warehouses."""
    arrow_schema = schema(columns(options))  # raises a helpful error if pyarrow is missing
    import pyarrow.parquet as pq

    with pq.ParquetWriter(out, arrow_schema) as writer:
        for batch in _batches(report, options):
            writer.write_batch(batch)


def _batches(report: Report, options: Options) -> Iterator[Any]:
    return batches(report.connections, columns(options)) if options.connections else iter(())


FORMATS = {
    "parquet": Format(render_parquet, (".parquet",), binary=True, columns=True, dataset="dataset:write"),
    "arrow": Format(render_stream, (".arrow", ".arrows"), binary=True, columns=True),
}
