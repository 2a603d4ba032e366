"""Meaning and columns of the fields in the parts of a connection.

The models of these parts are in `report.connection_parts` and `report.process`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from handshake_inspect.report import endings, server_names
from handshake_inspect.report import handshake_columns as shake
from handshake_inspect.report.attempt_columns import AttemptColumns
from handshake_inspect.report.column import Addresses, Column, Words, every
from handshake_inspect.report.entry import Entry
from handshake_inspect.verdicts.aliases import CONN_STATES
from handshake_inspect.verdicts.attempts import Who
from handshake_inspect.wire.const import (
    OPT_ECN,
    OPT_MPTCP,
    OPT_MSS,
    OPT_SACK_PERMITTED,
    OPT_SIGNED,
    OPT_TFO,
    OPT_TIMESTAMPS,
    OPT_WINDOW_SCALE,
)


def _address(who: Who, attempts: AttemptColumns) -> Column:
    return Addresses(attempts.address(who, "hi"), attempts.address(who, "lo"), np.ones(len(attempts), dtype=bool))


def _port(who: Who, attempts: AttemptColumns) -> Column:
    return every(attempts.address(who, "port", np.int64))


def _conn_state(attempts: AttemptColumns) -> Column:
    return Words(attempts.of_all(attempts.case.conn_states).astype(np.intp), CONN_STATES)


def endpoint(who: Who | None) -> dict[str, Entry]:
    """Return the entries of an endpoint; without columns if `who` is None."""
    return {
        "ip": Entry("IPv4 or IPv6 address.", partial(_address, who) if who else None),
        "port": Entry("TCP port.", partial(_port, who) if who else None),
    }


def options(who: Who) -> dict[str, Entry]:
    """Return the entries of the options of a SYN or SYN-ACK."""
    return {
        "mss": Entry(
            "Maximum segment size that was offered; null where none was.",
            partial(shake.option, who, "mss", OPT_MSS),
            "bytes",
        ),
        "window_scale": Entry(
            "Shift of the window that was offered; null where none was.",
            partial(shake.option, who, "window_scale", OPT_WINDOW_SCALE),
            "bits",
        ),
        "sack_permitted": Entry(
            "Whether selective acknowledgements were offered.", partial(shake.option, who, "", OPT_SACK_PERMITTED)
        ),
        "timestamps": Entry("Whether the segment had timestamps.", partial(shake.option, who, "", OPT_TIMESTAMPS)),
        "tfo": Entry(
            "Whether TCP Fast Open was requested, or used with a cookie.", partial(shake.option, who, "", OPT_TFO)
        ),
        "mptcp": Entry("Whether Multipath TCP was offered.", partial(shake.option, who, "", OPT_MPTCP)),
        "ecn": Entry("Whether ECN was offered, or taken up.", partial(shake.option, who, "", OPT_ECN)),
        "signed": Entry(
            "Whether a key signed the segment: TCP MD5 or TCP-AO.", partial(shake.option, who, "", OPT_SIGNED)
        ),
    }


def leg(place: int) -> dict[str, Entry]:
    """Return the entries of a leg of the handshake RTT: 0 for synack, 1 for ackdat, 2 for total."""
    return {
        "value_ns": Entry(
            "The round trip, where its bounds agree enough to name one number.", partial(shake.value, place)
        ),
        "min_ns": Entry("Lower bound of the round trip.", partial(shake.leg, place, "low")),
        "max_ns": Entry("Upper bound of the round trip.", partial(shake.leg, place, "high")),
        "method": Entry("How the round trip is known.", partial(shake.leg, place, "method")),
        "reason": Entry("Why there is no value; null if there is one.", partial(shake.reason, place)),
    }


OWNER = {
    "pid": Entry("Process on the capturing host that has the socket open."),
    "name": Entry("Name of that process."),
    "uid": Entry("User of the socket."),
    "unit": Entry("Systemd unit of the process."),
    "container": Entry("Container of the process: its name, or the first 12 digits of its id."),
    "kernel.state": Entry("State of the socket, as its kernel had it at the last look."),
    "kernel.rtt_ns": Entry("The kernel's smoothed RTT."),
    "kernel.rtt_var_ns": Entry("How much the kernel's RTT varies."),
    "kernel.min_rtt_ns": Entry("The smallest RTT that the kernel measured."),
    "kernel.retransmissions": Entry("Segments that the kernel sent again.", unit="segments"),
    "kernel.cwnd": Entry("The kernel's congestion window.", unit="segments"),
}

SERVER = {
    **endpoint("server"),
    "name": Entry("Name of the server, if the capture shows one.", server_names.name),
    "name_basis": Entry("What the name is known from: the client's TLS hello, or its lookup.", server_names.basis),
    "names": Entry("All names of the server, where they differ."),
}

STATES = {
    "client": Entry("State of the client (RFC 9293) when the capture ended.", partial(shake.state, 0)),
    "server": Entry("State of the server (RFC 9293) when the capture ended.", partial(shake.state, 1)),
}

CLOSE = {
    "how": Entry("How the connection ended.", endings.how),
    "first": Entry("The end that closed first.", endings.first),
    "reset_by": Entry("Who sent the RST; null without one.", endings.reset_by),
}

ALIASES = {
    "zeek.conn_state": Entry("Zeek's `conn_state` of it.", _conn_state),
    "zeek.history": Entry("Zeek's `history` of it."),
    "tshark.stream": Entry("Wireshark's `tcp.stream` of it.", lambda a: every(a.streams.astype(np.int64))),
    "tshark.completeness": Entry("Wireshark's `tcp.completeness` of it.", lambda a: every(a.completeness)),
    "community_id": Entry("Community ID, version 1 with seed 0."),
}


def of_both(entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """Return the entries of a part with a `client` and a `server`."""
    return {f"{end}.{name}": entry for end in ("client", "server") for name, entry in entries.items()}
