"""A report as a directory of Parquet files, for DuckDB, pandas, Spark and other readers of datasets.

It contains `connections/date=YYYY-MM-DD/` by start day (UTC), `quic_connections/` likewise if there are any,
`findings/`, `services/`, and `report.json` without connections.  Rows are streamed, so memory use is constant.
"""
# ruff: noqa: PLC0415

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from handshake_inspect.render import FORMATS, Options
from handshake_inspect.report.arrow import batches, batches_of, pyarrow, schema
from handshake_inspect.report.encoding import encoded
from handshake_inspect.report.fields import Field, chosen
from handshake_inspect.report.fields import fields as fields_of
from handshake_inspect.report.model import Distribution, Finding, Outcomes, Report, RttDistributions, Service
from handshake_inspect.report.quic import QuicConnection
from handshake_inspect.report.sequence import WrittenElsewhere, values_of

DAY_NS = 86_400_000_000_000
ROWS = 1 << 16  # per row group, the unit of reading
OPEN = 8  # files (days) open at the same time
_CHUNK = 2_000
_LEGS = RttDistributions.__struct_fields__
_Row = TypeVar("_Row")


def write(report: Report, directory: Path, options: Options) -> None:
    """Write the dataset into an empty directory; connections have all fields unless `fields` selects some."""
    if options.connections:
        fields, rows = chosen(options.fields or ("*",)), report.connections
        if isinstance(rows, WrittenElsewhere):
            rows.write_apart(directory / "connections", [field.name for field in fields])
        else:
            write_by_day(directory / "connections", fields, partial(batches, rows))
        write_by_day(
            directory / "quic_connections",
            list(fields_of(QuicConnection).values()),
            partial(_quic_batches, report.quic_connections),
        )
    _write_rows(directory / "findings", _FINDING, map(_finding, report.findings))
    _write_rows(directory / "services", _service_types(), map(_service, report.services))
    with (directory / "report.json").open("wb") as stream:
        FORMATS["json"].render(report, stream, Options(connections=False))


# --- connections by day -----------------------------------------------------------------------------------------------


def write_by_day(
    directory: Path, fields: Sequence[Field], read: Callable[[Sequence[Field]], Iterator[Any]], prefix: str = "part"
) -> list[Path]:
    """Write batches of rows by the day on which they began; return the files, whose names begin with `prefix`."""
    days = chosen(("first_ns",))
    with closing(_Days(directory, schema(fields), prefix)) as out:
        for batch, begun in zip(read(fields), read(days), strict=True):
            out.take(batch, begun.column(0).cast(pyarrow().int64()).to_numpy(zero_copy_only=False) // DAY_NS)
        return out.files


def _quic_batches(connections: Sequence[QuicConnection], fields: Sequence[Field]) -> Iterator[Any]:
    return batches_of(values_of(_chunks(connections), [field.name for field in fields]), fields)


class _Days:
    """The open files by day; rows for a day whose file was closed go to a new part."""

    def __init__(self, directory: Path, schema: Any, prefix: str) -> None:
        self._directory, self._schema, self._prefix = directory, schema, prefix
        self.files: list[Path] = []
        self._open: dict[int, _Writer] = {}
        self._parts: dict[int, int] = {}

    def close(self) -> None:
        """Write buffered rows and close all files."""
        for writer in self._open.values():
            writer.close()

    def take(self, batch: Any, days: Any) -> None:
        """Write rows; `days` are their days since 1970."""
        for day in sorted(set(days.tolist())):
            rows = batch if (days == day).all() else batch.filter(pyarrow().array(days == day))
            self._writer(day).take(rows)

    def _writer(self, day: int) -> _Writer:
        if day not in self._open:
            if len(self._open) == OPEN:
                self._open.pop(next(iter(self._open))).close()
            part = self._parts[day] = self._parts.get(day, -1) + 1
            folder = self._directory / f"date={_date(day)}"
            folder.mkdir(parents=True, exist_ok=True)
            self.files.append(folder / f"{self._prefix}-{part}.parquet")
            self._open[day] = _Writer(self.files[-1], self._schema)
        return self._open[day]


class _Writer:
    """Writes one file in large row groups."""

    def __init__(self, path: Path, schema: Any) -> None:
        import pyarrow.parquet as pq

        self._out = pq.ParquetWriter(path, schema)
        self._held: list[Any] = []
        self._rows = 0

    def take(self, batch: Any) -> None:
        """Buffer rows, and write them once there are enough."""
        self._held.append(batch)
        self._rows += batch.num_rows
        if self._rows >= ROWS:
            self._flush()

    def close(self) -> None:
        """Write buffered rows and close the file."""
        self._flush()
        self._out.close()

    def _flush(self) -> None:
        if self._held:
            self._out.write_table(pyarrow().Table.from_batches(self._held), row_group_size=ROWS)
        self._held, self._rows = [], 0


def _date(day: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(day * DAY_NS // 1_000_000_000, UTC).strftime("%Y-%m-%d")


# --- findings and services --------------------------------------------------------------------------------------------

_Types = dict[str, str]  # columns: `text`, `number`, `time` or `numbers`

_FINDING: _Types = {
    "id": "text", "severity": "text", "title": "text", "target.ip": "text", "target.port": "number", "start_ns": "time",
    "end_ns": "time", "metrics": "text", "evidence.frames": "numbers", "evidence.connections": "numbers",
    "advice": "text",
}  # fmt: skip


def _finding(found: Finding) -> list[Any]:
    target = found.target
    return [
        found.id, found.severity, found.title, None if target is None else target.ip,
        None if target is None else target.port, found.start_ns, found.end_ns, _json(found.metrics),
        found.evidence.frames, found.evidence.connections, found.advice,
    ]  # fmt: skip


def _service_types() -> _Types:
    counts = [f"outcomes.{name}" for name in Outcomes().as_dict()]
    legs = [f"rtt.{leg}.{name}" for leg in _LEGS for name in Distribution.__struct_fields__]
    numbers = dict.fromkeys(["server.port", "connections", *counts, *legs], "number")
    return {"server.ip": "text", **numbers, "setup": "text"}


def _service(service: Service) -> list[Any]:
    legs = [msgspec.structs.astuple(getattr(service.rtt, leg)) for leg in _LEGS]
    counts = service.outcomes.as_dict().values()
    setup = None if service.setup is None else _json(service.setup)
    ends = (service.server.ip, service.server.port, service.connections)
    return [*ends, *counts, *(figure for leg in legs for figure in leg), setup]


def _json(value: Any) -> str:
    return encoded(value).decode()


def _write_rows(directory: Path, types: _Types, rows: Iterable[Sequence[Any]]) -> None:
    pa = pyarrow()
    kinds = {
        "text": pa.string(), "number": pa.int64(), "time": pa.timestamp("ns", tz="UTC"), "numbers": pa.list_(pa.int64())
    }  # fmt: skip
    schema = pa.schema([pa.field(name, kinds[kind]) for name, kind in types.items()])
    directory.mkdir()
    writer = _Writer(directory / "part-0.parquet", schema)
    for chunk in _chunks(rows):
        columns = zip(*chunk, strict=True)
        arrays = [pa.array(each, type=field.type) for each, field in zip(columns, schema, strict=True)]
        writer.take(pa.record_batch(arrays, schema=schema))
    writer.close()


def _chunks(rows: Iterable[_Row]) -> Iterator[list[_Row]]:
    remaining = iter(rows)
    while chunk := list(islice(remaining, _CHUNK)):
        yield chunk
