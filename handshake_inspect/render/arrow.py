"""Connections as an Arrow IPC stream and as a Parquet file: integers stay integers, absent is null.

Both need pyarrow, which comes with `handshake-inspect[arrow]`.
"""
# ruff: noqa: PLC0415

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from handshake_inspect.errors import UsageError
from handshake_inspect.render import Options
from handshake_inspect.render.rows import columns, values
from handshake_inspect.report.fields import Field
from handshake_inspect.report.model import Report


def render_stream(report: Report, out: BinaryIO, options: Options) -> None:
    """Write the chosen columns as record batches."""
    schema, made = _batches(report, options)
    with pyarrow().ipc.new_stream(out, schema) as writer:
        for batch in made:
            writer.write_batch(batch)


def render_parquet(report: Report, out: BinaryIO, options: Options) -> None:
    """Write the chosen columns, for data frames and warehouses."""
    schema, made = _batches(report, options)
    import pyarrow.parquet as pq

    with pq.ParquetWriter(out, schema) as writer:
        for batch in made:
            writer.write_batch(batch)


def pyarrow() -> Any:
    """The library; UsageError where it is not installed."""
    try:
        import pyarrow as pa
    except ImportError:
        raise UsageError("this format needs pyarrow: pip install 'handshake-inspect[arrow]'") from None
    return pa


def _batches(report: Report, options: Options) -> tuple[Any, Iterator[Any]]:
    """The Arrow schema, and the record batches."""
    pa = pyarrow()
    fields = columns(options)
    schema = pa.schema([pa.field(field.name, _type(pa, field)) for field in fields])

    def made() -> Iterator[Any]:
        for columns_ in values(report, fields, options):
            told = [
                _texts(column) if field.kind == "texts" else column
                for field, column in zip(fields, columns_, strict=True)
            ]
            arrays = [pa.array(column, type=kind.type) for column, kind in zip(told, schema, strict=True)]
            yield pa.record_batch(arrays, schema=schema)

    return schema, made()


def _type(pa: Any, field: Field) -> Any:
    if field.kind == "flag":
        return pa.bool_()
    if field.kind == "time":
        return pa.timestamp("ns", tz="UTC")
    if field.kind in ("number", "duration"):
        return pa.int64()
    if field.kind == "texts":
        return pa.list_(pa.string())
    return pa.list_(pa.int64()) if field.kind == "list" else pa.string()


def _texts(column: list[Any]) -> list[list[str] | None]:
    return [None if each is None else list(map(str, each)) for each in column]
