"""Set-ups of which the rows are made by hand: times in milliseconds since the SYN, as the capture saw them."""

import ipaddress

import numpy as np

from handshake_inspect.tcp import rows
from handshake_inspect.tcp.facts import (
    FACT_ACKED,
    FACT_SERVER_PROVED,
    FACT_SYN,
    FACT_SYNACK,
    METHOD_EXACT,
    TRAIT_FIN,
    TRAIT_SEEN,
)
from handshake_inspect.tcp.setup import setup_rows
from handshake_inspect.tcp.setup.facts import (
    SETUP_CLIENT_FINISHED,
    SETUP_SERVER_FINISHED,
    SETUP_SERVER_HELLO,
    SETUP_SERVER_TLS,
    SETUP_TLS,
)
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.case import CaptureFacts, Case
from handshake_inspect.verdicts.findings import KINDS
from handshake_inspect.verdicts.lone_syns import LoneSyns
from handshake_inspect.verdicts.setup.setups import setups_of

MS = 1_000_000
START = 1_000 * MS
COMPLETE = SETUP_TLS | SETUP_SERVER_TLS | SETUP_SERVER_HELLO | SETUP_CLIENT_FINISHED | SETUP_SERVER_FINISHED
V4 = 0xFFFF_0000_0000  # an IPv4 address in the low half, as RFC 4291 maps it


def rows_of(kind, count):
    return np.zeros(count, dtype=np.dtype({**rows.ROWS, **setup_rows.ROWS}[kind]))


class Rows:
    """The rows of several connections, and the case that they make."""

    def __init__(self):
        self.connections, self.exchanges, self.setups, self.extras, self.ends = [], [], [], [], []
        self.names = None
        self.last_ns = START  # when the capture ended

    def add(
        self, *, to_server=40, to_client=0, moments=(), flags=None, facts=0, last=100_000, extras=(), begun=0,
        client="192.0.2.1", server="198.51.100.2", port=443, closed_by=None, both_ways=True, **columns,
    ):  # fmt: skip
        """One connection, 40 ms from its server and captured at the client but for what is said, which began `begun`
        ms after the start; `moments` and `columns` go into its rows.
        """
        start, number = START + begun * MS, len(self.connections)
        self.last_ns = max(self.last_ns, start + last * MS)
        connection, exchange, setup = rows_of("Connection", 1), rows_of("Exchange", 1), rows_of("Setup", 1)
        given = {
            "in_use": 1, "facts": FACT_SYN | FACT_SYNACK | FACT_ACKED | FACT_SERVER_PROVED | facts,
            "first_frame": 1 + number, "lo0": V4 | int(ipaddress.ip_address(client)), "port0": 40_000 + number,
            "lo1": V4 | int(ipaddress.ip_address(server)), "port1": port, "ip_version": 4,
            "first_ns": start, "syn_ns": start, "synack_ns": start + to_server * MS,
            "ack_ns": start + (to_server + to_client) * MS, "last_ns": start + last * MS, "syn_count": 1,
            "synack_count": 1, "synack_method": METHOD_EXACT, "ackdat_method": METHOD_EXACT,
            "synack_min_ns": to_server * MS, "synack_max_ns": to_server * MS, "ackdat_min_ns": to_client * MS,
            "ackdat_max_ns": to_client * MS,
        }  # fmt: skip
        ends = rows_of("Endpoint", 2)
        ends["traits"] = (TRAIT_SEEN, TRAIT_SEEN * both_ways)
        if closed_by is not None:
            ends["traits"][closed_by] |= TRAIT_FIN
            given |= {"fin_side": closed_by, "fin_ns": start + last * MS}
        for name, value in (given | columns).items():
            next(row for row in (connection, exchange, setup) if name in row.dtype.names)[name] = value
        for frame, (name, at) in enumerate(dict(moments).items(), start=4):
            row = exchange if name in ("request", "response") else setup
            row[f"{name}_ns"] = start + at * MS
            if f"{name}_frame" in row.dtype.names:
                row[f"{name}_frame"] = frame
        if flags is not None or extras:
            self.setups.append(setup)
            exchange["setup"], setup["flags"] = len(self.setups), flags or 0
        for place, wait in enumerate(extras):
            reason, span, cost, *more = wait
            made = rows_of("Extra", 1)
            made["reason"], made["span"], made["cost_ns"] = reason, span, cost * MS
            made["side"], made["delayed"], made["frame"] = [*more, *(0, 0, 4)[len(more) :]]
            self.extras.append(made)
            (setup if not place else self.extras[-2])["extras" if not place else "next"] = len(self.extras)
        self.connections.append(connection)
        self.exchanges.append(exchange)
        self.ends.append(ends)
        return self

    def attempts(self):
        def joined(parts, kind):
            return np.concatenate(parts) if parts else rows_of(kind, 0)

        connections = joined(self.connections, "Connection")
        return Attempts(
            connections, joined(self.ends, "Endpoint"), rows_of("Alias", len(connections)), rows_of("Retries", 0),
            rows_of("Aftermath", 0), LoneSyns.none(), START, self.last_ns,
            exchanges=joined(self.exchanges, "Exchange"), setups=joined(self.setups, "Setup"),
            extras=joined(self.extras, "Extra"), names=self.names,
        )  # fmt: skip

    def case(self):
        return Case.of(self.attempts(), CaptureFacts(frames=1000))

    def found(self, kind):
        """The findings of this kind."""
        return [each for each in KINDS[kind].detect(self.case()) if each.id == kind]


def connected(**given):
    """The set-up of one connection."""
    found = setups_of(Rows().add(**given).attempts())
    assert found.rows.tolist() == [0]
    return found.of(found.rows)
