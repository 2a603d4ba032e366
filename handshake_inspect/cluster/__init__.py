"""One trace in parts, on one machine or many: the same report as of one pass, byte for byte.

Local first.  Each part is decoded where it lies (`scanning`), and says which 4-tuples it has.  A 4-tuple that one part
alone has is tracked there (`tracking`); the segments of the others are moved to a tracker of their own, in the order of
their frames.  Rows of all trackers are put together (`tables`) and judged once.  What else is known beyond one 4-tuple
moves as well: datagrams of QUIC servers that several parts have, lookups of names, fragments, and paths on which some
checksums are right and some are wrong (`sharing`).  Frames have their numbers of the whole trace from the start: ranks,
which are counted without merging (`numbering`).

Parts are files, several small ones of one sensor, or a stretch of a large one (`stretches`).

A stage is a plain function of plain values; `analysis` has threads call them (`threads`), or a scheduler (`scheduler`).
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
    """Analyse captures as one trace, by the workers of a Dask client's cluster; the report is that of one process."""
    from handshake_inspect.cluster import analysis, scheduler

    return analysis.analyze(inputs, scheduler.Workers(client), options=options, progress=progress)


LOCAL = "local:"
MOST = 1024  # threads


@contextmanager
def workers(where: str) -> Iterator[Runner]:
    """Who calls the stages: workers of the Dask cluster at `tcp://…`, or with `local:N` so many threads.

    Raises UsageError and ClusterError.
    """
    if where.startswith(LOCAL):
        from handshake_inspect.cluster import threads

        with threads.started(_count(where)) as runner:
            yield runner
    else:
        from handshake_inspect.cluster import scheduler

        with scheduler.connected(where) as client:
            yield scheduler.Workers(client)


def _count(where: str) -> int:
    from handshake_inspect.errors import UsageError

    number = where.removeprefix(LOCAL)
    if not number.isascii() or not number.isdigit() or not 1 <= int(number) <= MOST:
        raise UsageError(f"--cluster {where}: say how many threads, as in local:4")
    return int(number)
