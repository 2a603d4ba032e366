"""Every field of a connection once: its dotted name (`rtt.total.value_ns`), its unit, what it means, and its column.

Names and types are those of the models in `report.connection`; `FIELDS` says the rest, in the same order.  Objects,
filters, columns, tables, the JSON Schema, `hsi fields` and docs/report.md read it.  A field without a column function
is made with the objects (see `report.batch` and `report.embryos`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial

import numpy as np

from handshake_inspect.errors import UsageError
from handshake_inspect.report import endings, frame_places, server_names, setup_fields
from handshake_inspect.report import handshake_columns as shake
from handshake_inspect.report.attempt_columns import AttemptColumns
from handshake_inspect.report.column import Addresses, Column, Words, behind_none, every
from handshake_inspect.report.connection import Connection
from handshake_inspect.report.derived import DERIVED
from handshake_inspect.report.leaves import Kind, leaves
from handshake_inspect.tcp.facts import FACT_ACKED, FACT_SYN
from handshake_inspect.verdicts.aliases import CONN_STATES
from handshake_inspect.verdicts.attempts import Who
from handshake_inspect.verdicts.stage import STAGES
from handshake_inspect.verdicts.words import CAUSES, OUTCOMES
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

DEFAULT = (
    "id", "first_frame", "first_ns", "client.ip", "client.port", "server.ip", "server.port", "outcome", "cause",
    "decided", "state.client", "state.server", "handshake.syn_count", "handshake.synack_count", "rtt.synack.value_ns",
    "rtt.ackdat.value_ns", "rtt.total.value_ns", "rtt.total.method", "rtt.reject_ns", "close.how", "close.first",
    "client_to_server.bytes", "client_to_server.retransmissions", "server_to_client.bytes",
    "server_to_client.retransmissions", "why",
)  # fmt: skip

_UNITS = {"time": "ns since 1970", "duration": "ns"}  # what the type says alone


@dataclass(frozen=True)
class Entry:
    """What the table says of a field: a line of help, what makes its column, the unit where the type has none."""

    help: str
    column: Callable[[AttemptColumns], Column] | None = None
    unit: str = ""


def _address(who: Who, attempts: AttemptColumns) -> Column:
    return Addresses(attempts.address(who, "hi"), attempts.address(who, "lo"), np.ones(len(attempts), dtype=bool))


def _port(who: Who, attempts: AttemptColumns) -> Column:
    return every(attempts.address(who, "port", np.int64))


def _sent(who: Who, name: str, attempts: AttemptColumns) -> Column:
    return every(attempts.end(who, name))


def _raced(attempts: AttemptColumns) -> Column:
    return attempts.measured(attempts.case.quic.raced_quic[attempts.full])


def _conn_state(attempts: AttemptColumns) -> Column:
    return Words(attempts.of_all(attempts.case.conn_states).astype(np.intp), CONN_STATES)


def _inside(path: str, entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """The fields of a part, by their whole names."""
    return {f"{path}.{name}": entry for name, entry in entries.items()}


def _endpoint(who: Who | None) -> dict[str, Entry]:
    """Of an end of the connection; None for another address."""
    return {
        "ip": Entry("IPv4 or IPv6 address.", partial(_address, who) if who else None),
        "port": Entry("TCP port.", partial(_port, who) if who else None),
    }


def _options(who: Who) -> dict[str, Entry]:
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


def _rtt(place: int) -> dict[str, Entry]:
    return {
        "value_ns": Entry(
            "The round trip, where its bounds agree enough to name one number.", partial(shake.value, place)
        ),
        "min_ns": Entry("Lower bound of the round trip.", partial(shake.leg, place, "low")),
        "max_ns": Entry("Upper bound of the round trip.", partial(shake.leg, place, "high")),
        "method": Entry("How the round trip is known.", partial(shake.leg, place, "method")),
        "reason": Entry("Why there is no value; null if there is one.", partial(shake.reason, place)),
    }


def _direction(who: Who) -> dict[str, Entry]:
    return {
        "frames": Entry("Segments sent.", partial(_sent, who, "frames"), "segments"),
        "bytes": Entry("Payload sent, with repetitions.", partial(_sent, who, "bytes"), "bytes"),
        "retransmissions": Entry(
            "Segments that repeat sequence numbers already sent.", partial(_sent, who, "retransmissions"), "segments"
        ),
        "out_of_order": Entry(
            "Segments that fill a hole: sent once, and overtaken.", partial(_sent, who, "out_of_order"), "segments"
        ),
        "duplicates": Entry(
            "Further copies of a packet in the capture: no retransmissions.",
            partial(_sent, who, "duplicates"),
            "segments",
        ),
        "keep_alives": Entry(
            "Probes with at most one byte before the next expected one.", partial(_sent, who, "keep_alives"), "segments"
        ),
        "zero_windows": Entry(
            "Segments with a zero window, which stop the other end from sending.",
            partial(_sent, who, "zero_windows"),
            "segments",
        ),
        "zero_window_ns": Entry("How long its window was zero.", partial(_sent, who, "zero_window_ns")),
    }


_OWNER = {
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


FIELDS: dict[str, Entry] = {
    "id": Entry(
        "Number of the connection, in order of first frames, from 0.",
        lambda a: every(a.ids.astype(np.int64)),
    ),
    **_inside("client", _endpoint("client")),
    **_inside("server", _endpoint("server")),
    "server.name": Entry("Name of the server, if the capture shows one.", server_names.name),
    "server.name_basis": Entry(
        "What the name is known from: the client's TLS hello, or its lookup.", server_names.basis
    ),
    "server.names": Entry("All names of the server, where they differ."),
    "roles": Entry(
        "Whether the SYN was seen that says which end is the client.",
        lambda a: a.word(a.c["facts"] & FACT_SYN == 0, 0, ("observed", "inferred")),
    ),
    "first_ns": Entry("Time of the first frame.", lambda a: every(a.connection("first_ns"))),
    "last_ns": Entry("Time of the last frame.", lambda a: every(a.connection("last_ns"))),
    "first_frame": Entry("Number of the first frame.", lambda a: every(a.first_frame)),
    "outcome": Entry("What became of the attempt to connect.", lambda a: Words(a.outcome.astype(np.intp), OUTCOMES)),
    "cause": Entry("A word that narrows the outcome.", lambda a: behind_none(a.of_all(a.case.outcomes.cause), CAUSES)),
    "decided": Entry(
        "Whether the capture shows enough, for long enough, to decide.",
        lambda a: every(a.of_all(a.case.outcomes.decided)),
    ),
    "why": Entry("The outcome in one sentence."),
    "evidence": Entry("Numbers of the frames that prove the outcome."),
    "age_ns": Entry("Time since the first SYN-ACK of a half-open connection.", shake.age),
    "state.client": Entry("State of the client (RFC 9293) when the capture ended.", partial(shake.state, 0)),
    "state.server": Entry("State of the server (RFC 9293) when the capture ended.", partial(shake.state, 1)),
    "handshake.syn_ns": Entry(
        "Time of the SYN that was answered.",
        lambda a: a.where(a.syns.ns, a.c["syn_count"] > 0, a.lone["first_ns"], lone_known=True),
    ),
    "handshake.syn_frame": Entry("Frame of the SYN that was answered.", partial(shake.frame, "syn")),
    "handshake.synack_ns": Entry(
        "Time of the SYN-ACK that was acknowledged.", lambda a: a.where(a.syn_acks.ns, a.c["synack_count"] > 0)
    ),
    "handshake.synack_frame": Entry("Frame of the SYN-ACK that was acknowledged.", partial(shake.frame, "synack")),
    "handshake.ack_ns": Entry(
        "Time of the final ACK.", lambda a: a.where(a.c["ack_ns"], a.c["facts"] & FACT_ACKED != 0)
    ),
    "handshake.ack_frame": Entry("Frame of the final ACK.", partial(shake.frame, "ack")),
    "handshake.syn_count": Entry("How often the SYN was sent.", lambda a: every(a.connection("syn_count")), "segments"),
    "handshake.synack_count": Entry(
        "How often the SYN-ACK was sent.", lambda a: every(a.connection("synack_count")), "segments"
    ),
    "handshake.client_isn": Entry(
        "Initial sequence number of the client, as on the wire.", partial(shake.isn, "client")
    ),
    "handshake.server_isn": Entry(
        "Initial sequence number of the server, as on the wire.", partial(shake.isn, "server")
    ),
    **_inside("handshake.client_options", _options("client")),
    **_inside("handshake.server_options", _options("server")),
    "handshake.syn_copy": Entry(
        "Which copy of the SYN was answered, from 1; null where nothing proves it.", partial(shake.copy, "syn")
    ),
    "handshake.synack_copy": Entry(
        "Which copy of the SYN-ACK was acknowledged, from 1; null where nothing proves it.",
        partial(shake.copy, "synack"),
    ),
    **_inside("rtt.synack", _rtt(0)),
    **_inside("rtt.ackdat", _rtt(1)),
    **_inside("rtt.total", _rtt(2)),
    "rtt.reject_ns": Entry(
        "Delay of the RST or ICMP error that answered the SYN: never an RTT.",
        lambda a: a.measured(a.case.legs.of(a.full).reject_ns),
    ),
    "close.how": Entry("How the connection ended.", endings.how),
    "close.first": Entry("The end that closed first.", endings.first),
    "close.reset_by": Entry("Who sent the RST; null without one.", endings.reset_by),
    "stage": Entry(
        "How far the client had come when the connection died; null where it did not.",
        lambda a: behind_none(a.of_all(a.case.stages), STAGES),
    ),
    **_inside("client_to_server", _direction("client")),
    **_inside("server_to_client", _direction("server")),
    "aliases.zeek.conn_state": Entry("Zeek's `conn_state` of it.", _conn_state),
    "aliases.zeek.history": Entry("Zeek's `history` of it."),
    "aliases.tshark.stream": Entry("Wireshark's `tcp.stream` of it.", lambda a: every(a.streams.astype(np.int64))),
    "aliases.tshark.completeness": Entry("Wireshark's `tcp.completeness` of it.", lambda a: every(a.completeness)),
    "aliases.community_id": Entry("Community ID, version 1 with seed 0."),
    **_inside("answered_from", _endpoint(None)),
    **{f"setup.{name}": Entry(*entry) for name, entry in setup_fields.SETUP.items()},
    **{f"tls.{name}": Entry(*entry) for name, entry in setup_fields.TLS.items()},
    "raced_by": Entry("Number of the QUIC connection that was tried beside it.", _raced),
    **_inside("process.client", _OWNER),
    **_inside("process.server", _OWNER),
    "first_file": Entry("File of the first frame; null where the capture is one file.", frame_places.first_file),
    "frame_in_file": Entry("Number of the first frame in that file.", frame_places.frame_in_file),
    **_inside("translated_to.client", _endpoint(None)),
    **_inside("translated_to.server", _endpoint(None)),
    "evidence_in_files": Entry("Those frames by file and number in it; null where the capture is one file."),
}


# And those that follow from these, which are no keys of the JSON.
ENTRIES = {**FIELDS, **{name: Entry(each.help, each.column, each.unit) for name, each in DERIVED.items()}}


@dataclass(frozen=True)
class Field:
    """A field that holds one value; `words` are all that a word can be, empty where that is open."""

    name: str
    kind: Kind
    words: tuple[str, ...] = ()

    @property
    def help(self) -> str:
        """What it means, in one line."""
        return ENTRIES[self.name].help

    @property
    def unit(self) -> str:
        """What it is counted in; empty for words, flags and bare numbers."""
        return ENTRIES[self.name].unit or _UNITS.get(self.kind, "")


@cache
def fields(model: Hashable = Connection) -> dict[str, Field]:
    """Every field of a model and its parts, in the order of the schema; help is only in those of a TCP connection."""
    return {leaf.name: Field(leaf.name, leaf.kind, leaf.words) for leaf in leaves(model)}


@cache
def is_made(path: str) -> bool:
    """Whether a field, or every field of a part, has no column: it is made of rows as objects."""
    inside = [entry for name, entry in FIELDS.items() if name == path or name.startswith(f"{path}.")]
    return all(entry.column is None for entry in inside)


@cache
def derived() -> dict[str, Field]:
    """The fields that follow from others: for columns and expressions."""
    return {name: Field(name, each.kind) for name, each in DERIVED.items()}


@cache
def helps() -> dict[tuple[str, str], str]:
    """What the table says, by the name of the model and that of its attribute."""
    return {leaf.place: FIELDS[leaf.name].help for leaf in leaves()}


def find(name: str) -> Field:
    """The field of this name, or of a shorter one that says enough: `rtt.total`, `client`, `age`.

    Raises UsageError, with the names that are near, when there is none.
    """
    known = fields() | derived()
    for candidate in (name, f"{name}_ns", f"{name}.value_ns", f"{name}.ip"):
        if candidate in known:
            return known[candidate]
    from difflib import get_close_matches  # noqa: PLC0415

    inside = [each for each in known if each.startswith(f"{name}.")]
    near = inside or get_close_matches(name, known, n=3, cutoff=0.5)
    near = near or [each for each in known if name.rpartition(".")[2] in each.split(".")]
    values = [each.removesuffix(".value_ns") for each in near if each.endswith(".value_ns")]
    hint = f"; did you mean {' or '.join((values or near)[:3])}?" if near else "; hsi fields lists them"
    raise UsageError(f"no field {name}{hint}")


_ENDS = {end: (f"{end}.ip", f"{end}.port") for end in ("client", "server")}


def chosen(names: Sequence[str]) -> list[Field]:
    """The fields for `-e`: names, separated by commas too; `*` is every field; none given, the usual ones."""
    wanted = [name.strip() for text in names for name in text.split(",") if name.strip()]
    found: dict[str, Field] = {}
    for name in wanted or DEFAULT:
        for field in fields().values() if name == "*" else map(find, _ENDS.get(name, (name,))):
            found[field.name] = field
    return list(found.values())
