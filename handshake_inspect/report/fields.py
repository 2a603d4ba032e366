"""Every field of a connection once: its dotted name (`rtt.total.value_ns`), its unit, and what it means in one line.

Names and types are those of the models in `report.connection`; `FIELDS` says the rest, in the same order.  Filters,
columns, tables, the JSON Schema, `hsi fields` and docs/report.md read it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from operator import attrgetter
from typing import Any, Literal

import msgspec

from handshake_inspect.errors import UsageError
from handshake_inspect.report.connection import Connection
from handshake_inspect.verdicts.words import CAUSES

Kind = Literal["number", "duration", "time", "word", "text", "flag", "address", "list"]

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
    """What the table says of a field: one line of help, and the unit where the type does not say it."""

    help: str
    unit: str = ""


def _inside(path: str, entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """The fields of a part, by their whole names; parts of one model share what they say."""
    return {f"{path}.{name}": entry for name, entry in entries.items()}


_ENDPOINT = {
    "ip": Entry("IPv4 or IPv6 address."),
    "port": Entry("TCP port."),
}
_OPTIONS = {
    "mss": Entry("Maximum segment size that was offered; null where none was.", "bytes"),
    "window_scale": Entry("Shift of the window that was offered; null where none was.", "bits"),
    "sack_permitted": Entry("Whether selective acknowledgements were offered."),
    "timestamps": Entry("Whether the segment had timestamps."),
    "tfo": Entry("Whether TCP Fast Open was asked for, or used with a cookie."),
    "mptcp": Entry("Whether Multipath TCP was offered."),
    "ecn": Entry("Whether ECN was offered, or taken up."),
}
_LEG = {
    "value_ns": Entry("The round trip, where its bounds agree enough to name one number."),
    "min_ns": Entry("Lower bound of the round trip."),
    "max_ns": Entry("Upper bound of the round trip."),
    "method": Entry("How the round trip is known."),
    "reason": Entry("Why there is none; null where there is one."),
}
_DIRECTION = {
    "frames": Entry("Segments sent.", "segments"),
    "bytes": Entry("Payload sent, with repetitions.", "bytes"),
    "retransmissions": Entry("Segments that repeat sequence numbers already sent.", "segments"),
    "out_of_order": Entry("Segments that fill a hole: sent once, and overtaken.", "segments"),
    "duplicates": Entry("Further copies of a packet in the capture: no retransmissions.", "segments"),
    "keep_alives": Entry("Probes with at most one byte before the next expected one.", "segments"),
    "zero_windows": Entry("Segments that asked the other end to stop sending.", "segments"),
}

FIELDS: dict[str, Entry] = {
    "id": Entry("Number of the connection, in order of first frames, from 0."),
    **_inside("client", _ENDPOINT),
    **_inside("server", _ENDPOINT),
    "roles": Entry("Whether the SYN was seen that says which end is the client."),
    "first_ns": Entry("Time of the first frame."),
    "last_ns": Entry("Time of the last frame."),
    "first_frame": Entry("Number of the first frame."),
    "outcome": Entry("What became of the attempt to connect."),
    "cause": Entry("A word that narrows the outcome."),
    "decided": Entry("Whether the capture shows enough, for long enough, to tell."),
    "why": Entry("The outcome in one sentence."),
    "evidence": Entry("Numbers of the frames that prove the outcome."),
    "age_ns": Entry("Time since the first SYN-ACK of a half-open connection."),
    "state.client": Entry("State of the client (RFC 9293) when the capture ended."),
    "state.server": Entry("State of the server (RFC 9293) when the capture ended."),
    "handshake.syn_ns": Entry("Time of the SYN that was answered."),
    "handshake.syn_frame": Entry("Frame of the SYN that was answered."),
    "handshake.synack_ns": Entry("Time of the SYN-ACK that was acknowledged."),
    "handshake.synack_frame": Entry("Frame of the SYN-ACK that was acknowledged."),
    "handshake.ack_ns": Entry("Time of the final ACK."),
    "handshake.ack_frame": Entry("Frame of the final ACK."),
    "handshake.syn_count": Entry("How often the SYN was sent.", "segments"),
    "handshake.synack_count": Entry("How often the SYN-ACK was sent.", "segments"),
    "handshake.client_isn": Entry("Initial sequence number of the client, as on the wire."),
    "handshake.server_isn": Entry("Initial sequence number of the server, as on the wire."),
    **_inside("handshake.client_options", _OPTIONS),
    **_inside("handshake.server_options", _OPTIONS),
    "handshake.syn_copy": Entry("Which copy of the SYN was answered, from 1; null where nothing proves it."),
    "handshake.synack_copy": Entry("Which copy of the SYN-ACK was acknowledged, from 1; null where nothing proves it."),
    **_inside("rtt.synack", _LEG),
    **_inside("rtt.ackdat", _LEG),
    **_inside("rtt.total", _LEG),
    "rtt.reject_ns": Entry("Delay of the RST or ICMP error that answered the SYN: never an RTT."),
    "close.how": Entry("How the connection ended."),
    "close.first": Entry("The end that closed first."),
    "close.reset_by": Entry("Who sent the RST; null without one."),
    "stage": Entry("How far the client had come when the connection died; null where it did not."),
    **_inside("client_to_server", _DIRECTION),
    **_inside("server_to_client", _DIRECTION),
    "aliases.zeek.conn_state": Entry("Zeek's `conn_state` of it."),
    "aliases.zeek.history": Entry("Zeek's `history` of it."),
    "aliases.tshark.stream": Entry("Wireshark's `tcp.stream` of it."),
    "aliases.tshark.completeness": Entry("Wireshark's `tcp.completeness` of it."),
    "aliases.community_id": Entry("Community ID, version 1 with seed 0."),
    **_inside("answered_from", _ENDPOINT),
}


@dataclass(frozen=True)
class Field:
    """A field that holds one value; `words` are all that a word can be, empty where that is open."""

    name: str
    kind: Kind
    words: tuple[str, ...] = ()

    @property
    def help(self) -> str:
        """What it means, in one line."""
        return FIELDS[self.name].help

    @property
    def unit(self) -> str:
        """What it is counted in; empty for words, flags and bare numbers."""
        return FIELDS[self.name].unit or _UNITS.get(self.kind, "")

    @property
    def read(self) -> Callable[[Connection], Any]:
        """Take the value from a connection: None where a part on the way is absent."""
        straight = attrgetter(self.name)
        parts = self.name.split(".")

        def value(connection: Connection) -> Any:
            try:
                return straight(connection)
            except AttributeError:  # only None has no such part: the names come from the models
                found: Any = connection
                for part in parts:
                    if found is None:
                        return None
                    found = getattr(found, part)
                return found

        return value


@cache
def fields() -> dict[str, Field]:
    """Every field of the models, in the order of the schema."""
    return {field.name: field for field, _ in _walk(msgspec.inspect.type_info(Connection), "", ("", ""))}


@cache
def helps() -> dict[tuple[str, str], str]:
    """What the table says, by the name of the model and that of its attribute."""
    walked = _walk(msgspec.inspect.type_info(Connection), "", ("", ""))
    return {place: FIELDS[field.name].help for field, place in walked}


def _walk(kind: Any, path: str, place: tuple[str, str]) -> Iterator[tuple[Field, tuple[str, str]]]:
    """The leaves below a type, each with the model and the attribute that hold it."""
    description = ""
    while True:
        if isinstance(kind, msgspec.inspect.Metadata):
            description = str((kind.extra_json_schema or {}).get("description", description))
            kind = kind.type
        elif isinstance(kind, msgspec.inspect.UnionType):
            kind = next(each for each in kind.types if not isinstance(each, msgspec.inspect.NoneType))
        else:
            break
    if isinstance(kind, msgspec.inspect.StructType):
        for field in kind.fields:
            inside = f"{path}.{field.encode_name}" if path else field.encode_name
            yield from _walk(field.type, inside, (kind.cls.__name__, field.encode_name))
    else:
        yield _leaf(kind, path, description), place


def _leaf(kind: Any, path: str, description: str) -> Field:
    if isinstance(kind, msgspec.inspect.LiteralType):
        return Field(path, "word", tuple(map(str, kind.values)))
    if isinstance(kind, msgspec.inspect.BoolType):
        return Field(path, "flag")
    if isinstance(kind, msgspec.inspect.ListType):
        return Field(path, "list")
    if isinstance(kind, msgspec.inspect.StrType):
        text: Kind = "text" if path == "why" else "word"
        words = tuple(sorted(filter(None, CAUSES))) if path == "cause" else ()
        return Field(path, "address" if path.endswith(".ip") else text, words)
    if path.endswith("_ns"):
        return Field(path, "time" if "epoch" in _description(kind, description) else "duration")
    return Field(path, "number")


def _description(kind: Any, outside: str) -> str:
    inside = getattr(kind, "extra_json_schema", None) or {}
    return str(inside.get("description", outside))


def find(name: str) -> Field:
    """The field of this name, or of a shorter one that says enough: `rtt.total`, `client`, `age`.

    Raises UsageError, with the names that are near, when there is none.
    """
    known = fields()
    for candidate in (name, f"{name}_ns", f"{name}.value_ns", f"{name}.ip"):
        if candidate in known:
            return known[candidate]
    inside = [each for each in known if each.startswith(f"{name}.")]
    near = inside or get_close_matches(name, known, n=3, cutoff=0.5)
    near = near or [each for each in known if name.rpartition(".")[2] in each.split(".")]
    hint = f"; did you mean {' or '.join(near[:3])}?" if near else "; hsi fields lists them"
    raise UsageError(f"no field {name}{hint}")


def chosen(names: Sequence[str]) -> list[Field]:
    """The fields for `-e`: names, separated by commas too; `*` is every field; none given, the usual ones."""
    wanted = [name.strip() for text in names for name in text.split(",") if name.strip()]
    found: dict[str, Field] = {}
    for name in wanted or DEFAULT:
        for field in fields().values() if name == "*" else (find(name),):
            found[field.name] = field
    return list(found.values())
