"""Connections as Arrow record batches: integers stay integers, absent is null."""
# ruff: noqa: PLC0415

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from handshake_inspect.errors import UsageError
from handshake_inspect.render import Options
from handshake_inspect.render.rows import columns, values
from handshake_inspect.report.fields import Field
from handshake_inspect.report.model import Report


def batches(report: Report, options: Options) -> tuple[Any, Iterator[Any]]:
    """The Arrow schema, and the record batches; UsageError where pyarrow is not installed."""
    pa = pyarrow()
    fields = columns(options)
    schema = pa.schema([pa.field(field.name, _type(pa, field)) for field in fields])

    def made() -> Iterator[Any]:
        for columns_ in values(report, fields, options):
            arrays = [pa.array(column, type=kind.type) for column, kind in zip(columns_, schema, strict=True)]
            yield pa.record_batch(arrays, schema=schema)

    return schema, made()


def pyarrow() -> Any:
    """The library; UsageError where it is not installed."""
    try:
        import pyarrow as pa
    except ImportError:
        raise UsageError("this format needs pyarrow: pip install 'handshake-inspect[arrow]'") from None
    return pa


def _type(pa: Any, field: Field) -> Any:
    if field.kind == "flag":
        return pa.bool_()
    if field.kind == "time":
        return pa.timestamp("ns", tz="UTC")
    if field.kind in ("number", "duration"):
        return pa.int64()
    return pa.list_(pa.int64()) if field.kind == "list" else pa.string()
