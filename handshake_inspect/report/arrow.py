"""Connections as Arrow record batches and as data frames: integers stay integers, missing values are null.

Needs pyarrow (`handshake-inspect[arrow]`), and pandas or polars for data frames (`handshake-inspect[frames]`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from typing import Any

from handshake_inspect.errors import UsageError
from handshake_inspect.report.fields import Field, chosen
from handshake_inspect.report.sequence import Connections

CHUNK = 2_000  # connections per record batch


def pyarrow() -> Any:
    """Import and return pyarrow; UsageError if it is not installed."""
    return _library("pyarrow", "arrow")


def schema(fields: Sequence[Field]) -> Any:
    """Return the Arrow schema of these fields."""
    pa = pyarrow()
    return pa.schema([pa.field(field.name, _type(pa, field)) for field in fields])


def batches(connections: Connections, fields: Sequence[Field]) -> Iterator[Any]:
    """Yield these fields of the connections as record batches."""
    return batches_of(connections.values([field.name for field in fields], CHUNK), fields)


def batches_of(pieces: Iterable[Sequence[list[Any]]], fields: Sequence[Field]) -> Iterator[Any]:
    """Yield a record batch per chunk of columns."""
    pa, columns = pyarrow(), schema(fields)
    for values in pieces:
        cells = [_texts(each) if field.kind == "texts" else each for field, each in zip(fields, values, strict=True)]
        arrays = [pa.array(each, type=column.type) for each, column in zip(cells, columns, strict=True)]
        yield pa.record_batch(arrays, schema=columns)


def table(connections: Connections, names: Sequence[str]) -> Any:
    """Return the fields with these names as one Arrow table."""
    fields = chosen(names)
    return pyarrow().Table.from_batches(batches(connections, fields), schema(fields))


def pandas_frame(connections: Connections, names: Sequence[str]) -> Any:
    """Return the fields with these names as a pandas data frame with nullable types."""
    pd, pa = _library("pandas", "frames"), pyarrow()
    nullable = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype(), pa.string(): pd.StringDtype()}
    return table(connections, names).to_pandas(types_mapper=nullable.get)


def polars_frame(connections: Connections, names: Sequence[str]) -> Any:
    """Return the fields with these names as a polars data frame."""
    return _library("polars", "frames").from_arrow(table(connections, names))


def _library(name: str, extra: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        raise UsageError(f"this needs {name}: pip install 'handshake-inspect[{extra}]'") from None


def _type(pa: Any, field: Field) -> Any:
    if field.kind == "flag":
        return pa.bool_()
    if field.kind == "time":
        return pa.timestamp("ns", tz="UTC")
    if field.kind == "decimal":
        return pa.float64()
    if field.kind in ("number", "duration"):
        return pa.int64()
    if field.kind == "texts":
        return pa.list_(pa.string())
    return pa.list_(pa.int64()) if field.kind == "list" else pa.string()


def _texts(column: list[Any]) -> list[list[str] | None]:
    return [None if each is None else list(map(str, each)) for each in column]
