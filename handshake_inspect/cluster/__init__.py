"""Analyse one trace in parts, on one machine or many; the report is byte for byte that of a single pass.

Data stays local where possible.  A first pass over each part decodes it and lists its 4-tuples (`scanning`).  A second
pass tracks the 4-tuples found in one part only (`tracking`); segments of 4-tuples in several parts are moved to
separate trackers, in frame order.  The rows of all trackers are concatenated (`tables`) and judged once.  For a
dataset, connections stay where they were tracked, and each worker writes its own (`apart`).

State that spans 4-tuples is moved as well: datagrams of QUIC servers seen in several parts, DNS lookups, IP fragments,
and paths with both good and bad checksums (`sharing`).  Frame numbers of the whole trace are computed as ranks, without
merging the frames (`numbering`).

A part is a file, several small files of one sensor, or a range of a large file (`file_ranges`).

Stages are plain functions of plain values; `analysis` runs them in threads (`threads`) or on a Dask cluster
(`scheduler`).
"""
# ruff: noqa: PLC0415

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from handshake_inspect.capture.source import Input
    from handshake_inspect.cluster.analysis import Runner
    from handshake_inspect.engine import Options, Progress
    from handshake_inspect.report.model import Report


def analyze(
    inputs: Sequence[Input], client: Any, *, options: Options | None = None, progress: Progress | None = None
) -> Report:
    """Analyse captures as one trace on the cluster of a Dask client; the report is the same as with one process."""
    from handshake_inspect.cluster import analysis, scheduler

    return analysis.analyze(inputs, scheduler.Workers(client), options=options, progress=progress)


LOCAL = "local:"
MAX_THREADS = 1024


@contextmanager
def workers(where: str) -> Iterator[Runner]:
    """Yield the runner of the stages: the Dask cluster at `tcp://…`, or N threads for `local:N`.

    Raises UsageError and ClusterError.
    """
    if is_local(where):
        from handshake_inspect.cluster import threads

        with threads.started(_count(where)) as runner:
            yield runner
    else:
        from handshake_inspect.cluster import scheduler

        with scheduler.connected(where) as client:
            yield scheduler.Workers(client)


def is_local(where: str) -> bool:
    """Return True if the workers are threads of this process."""
    return where.startswith(LOCAL)


def _count(where: str) -> int:
    from handshake_inspect.errors import UsageError

    number = where.removeprefix(LOCAL)
    if not number.isascii() or not number.isdigit() or not 1 <= int(number) <= MAX_THREADS:
        raise UsageError(f"--cluster {where}: say how many threads, as in local:4")
    return int(number)
