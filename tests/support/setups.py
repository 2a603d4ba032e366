"""Set-ups of which the rows are made by hand: times in milliseconds since the SYN, as the capture saw them."""

import numpy as np

from handshake_inspect.tcp import rows, setup_rows
from handshake_inspect.tcp.facts import FACT_ACKED, FACT_SERVER_PROVED, FACT_SYN, FACT_SYNACK, METHOD_EXACT
from handshake_inspect.tcp.setup_facts import (
    SETUP_CLIENT_FINISHED,
    SETUP_SERVER_FINISHED,
    SETUP_SERVER_HELLO,
    SETUP_SERVER_TLS,
    SETUP_TLS,
)
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.setup.setups import setups_of

MS = 1_000_000
START = 1_000 * MS
COMPLETE = SETUP_TLS | SETUP_SERVER_TLS | SETUP_SERVER_HELLO | SETUP_CLIENT_FINISHED | SETUP_SERVER_FINISHED


def _rows(kind, count):
    return np.zeros(count, dtype=np.dtype({**rows.ROWS, **setup_rows.ROWS}[kind]))


def connected(*, to_server=40, to_client=0, moments=(), flags=None, facts=0, last=100_000, extras=(), **columns):
    """One connection 40 ms from its server, captured at the client but for what is said; `moments` and `columns` go
    into its rows, and its set-up is given back.
    """
    connection, exchange, setup = _rows("Connection", 1), _rows("Exchange", 1), _rows("Setup", 1)
    given = {
        "in_use": 1, "facts": FACT_SYN | FACT_SYNACK | FACT_ACKED | FACT_SERVER_PROVED | facts, "first_frame": 1,
        "first_ns": START, "syn_ns": START, "synack_ns": START + to_server * MS,
        "ack_ns": START + (to_server + to_client) * MS, "last_ns": START + last * MS, "syn_count": 1,
        "synack_count": 1, "synack_method": METHOD_EXACT, "ackdat_method": METHOD_EXACT,
        "synack_min_ns": to_server * MS, "synack_max_ns": to_server * MS, "ackdat_min_ns": to_client * MS,
        "ackdat_max_ns": to_client * MS,
    }  # fmt: skip
    for name, value in (given | columns).items():
        next(row for row in (connection, exchange, setup) if name in row.dtype.names)[name] = value
    for frame, (name, at) in enumerate(dict(moments).items(), start=4):
        row = exchange if name in ("request", "response") else setup
        row[f"{name}_ns"] = START + at * MS
        if f"{name}_frame" in row.dtype.names:
            row[f"{name}_frame"] = frame
    if flags is not None:
        exchange["setup"], setup["flags"] = 1, flags
    waits = _rows("Extra", len(extras))
    for number, (reason, span, cost) in enumerate(extras):
        waits[number] = (cost * MS, 9, number + 2 if number + 1 < len(extras) else 0, reason, 0, 0, span, 0)
        setup["extras"] = 1
    trace = Attempts(
        connection, _rows("Endpoint", 2), _rows("Alias", 1), _rows("Retries", 0), _rows("Aftermath", 0),
        _rows("Embryo", 0), START, START + last * MS, exchanges=exchange, setups=setup, extras=waits,
    )  # fmt: skip
    found = setups_of(trace)
    assert found.rows.tolist() == [0]
    return found.of(found.rows)
