"""Columns of TLS handshakes, for detectors that judge services and clients by them."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.setup.facts import EXTRA_WINDOW, SPAN_TLS
from handshake_inspect.verdicts.arrays import Bools, Times
from handshake_inspect.verdicts.numbering import ConnectionRows
from handshake_inspect.verdicts.setup.spans import Spans


@dataclass(frozen=True, eq=False, repr=False)
class Handshakes:
    """Columns of all connections whose client started TLS; unknown durations are -1."""

    rows: NDArray[Any]
    flags: NDArray[np.int64]
    version: NDArray[np.int64]
    outcome: NDArray[np.uint8]
    hello: NDArray[np.int64]  # number of its ClientHello's texts
    alert: NDArray[np.int64]  # alert code
    upgraded: Bools
    server_hello: Times  # the server's own time
    client_finished: Times  # the client's own time
    before_tls: Times
    network: Times  # network round trip
    retry: Times  # wait for the second ClientHello
    window: Times  # waits for the congestion window
    response: Bools  # there was a response

    def connections(self, places: Any) -> ConnectionRows:
        """Return the connection rows at these indices."""
        return ConnectionRows(self.rows[places])

    def has(self, bits: int) -> Bools:
        """Return a mask: any of these SETUP_* bits is set."""
        return self.flags & bits != 0


def handshakes_of(spans: Spans, outcomes: NDArray[np.uint8]) -> list[NDArray[Any]]:
    """Return the columns of the set-ups with TLS, with their outcomes."""
    seen = spans.seen
    tls = np.flatnonzero(seen.tls)
    if not len(tls):
        return [np.zeros(0, dtype=np.int64) for _ in fields(Handshakes)]
    again = seen.there("hello_2") & seen.there("hello")
    columns = [
        np.asarray(seen.rows), seen["flags"], seen["version"], outcomes, seen["hello"], seen["alert_code"],
        seen["upgrade"] > 0, spans.server_hello.value, spans.client_finished.value, spans.before_tls.length.value,
        seen.network.value, np.where(again, seen.time("hello_2") - seen.time("hello"), -1),
        spans.extras.cost(EXTRA_WINDOW, SPAN_TLS), spans.response[0].known,
    ]  # fmt: skip
    return columns if len(tls) == len(seen) else [column[tls] for column in columns]


def concatenated_handshakes(parts: list[list[NDArray[Any]]]) -> Handshakes:
    """Concatenate parts."""
    parts = [part for part in parts if len(part[0])]
    if not parts:
        return Handshakes(*(np.zeros(0, dtype=np.int64) for _ in fields(Handshakes)))  # type: ignore[arg-type]
    return Handshakes(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
