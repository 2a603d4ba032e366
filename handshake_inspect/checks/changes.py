"""Changes that a middlebox between two captures made: addresses, ports, ISNs, TCP options, hop limits."""

from __future__ import annotations

from collections.abc import Iterator

from handshake_inspect.checks.pairing import CaptureSide
from handshake_inspect.report.model import Connection, Options
from handshake_inspect.report.paired import Change
from handshake_inspect.wire.const import MASK32
from handshake_inspect.wire.text import endpoint_text

_SWITCHES = ("sack_permitted", "timestamps", "tfo", "mptcp", "ecn", "signed")


def changes(
    a: CaptureSide, b: CaptureSide, ids: tuple[int, int], connections: tuple[Connection, Connection]
) -> list[Change]:
    """Return the differences between both captures of one connection, given its ids in A and B."""
    (id_a, id_b), (at_a, at_b) = ids, connections
    found = [*_endpoint_changes(at_a, at_b), *_isn_changes(at_a, at_b)]
    for who, places in (("syn", (a.syn[id_a], b.syn[id_b])), ("synack", (a.synack[id_a], b.synack[id_b]))):
        if min(places) < 0:
            continue
        options = (_options(at_a, who), _options(at_b, who))
        if options[0] is not None and options[1] is not None:
            found += _option_changes(who, options[0], options[1])
        hops = int(a.rows["ttl"][places[0]]) - int(b.rows["ttl"][places[1]])
        if hops:
            found.append(Change(f"{who}-ttl", str(a.rows["ttl"][places[0]]), str(b.rows["ttl"][places[1]])))
    return found


def _options(connection: Connection, who: str) -> Options | None:
    handshake = connection.handshake
    return handshake.client_options if who == "syn" else handshake.server_options


def _endpoint_changes(a: Connection, b: Connection) -> Iterator[Change]:
    for who in ("client", "server"):
        value_a, value_b = getattr(a, who), getattr(b, who)
        if (value_a.ip, value_a.port) != (value_b.ip, value_b.port):
            what = f"{who}-address" if value_a.ip != value_b.ip else f"{who}-port"
            yield Change(what, endpoint_text(value_a.ip, value_a.port), endpoint_text(value_b.ip, value_b.port))


def _isn_changes(a: Connection, b: Connection) -> Iterator[Change]:
    for who in ("client", "server"):
        value_a, value_b = getattr(a.handshake, f"{who}_isn"), getattr(b.handshake, f"{who}_isn")
        if value_a is not None and value_b is not None and value_a != value_b:
            yield Change(f"{who}-isn", str(value_a), f"{value_b} (+{(value_b - value_a) & MASK32})")


def _option_changes(who: str, a: Options, b: Options) -> Iterator[Change]:
    for name in ("mss", "window_scale"):
        value_a, value_b = getattr(a, name), getattr(b, name)
        unknown = (value_a is None and _is_truncated(a)) or (value_b is None and _is_truncated(b))
        if value_a != value_b and not unknown:
            yield Change(f"{who}-{name.replace('_', '-')}", _text(value_a), _text(value_b))
    for name in _SWITCHES:
        known = (getattr(a, name), getattr(b, name))
        if None not in known and known[0] != known[1]:
            shown = ("offered" if each else "none" for each in known)
            yield Change(f"{who}-{name.replace('_', '-')}", *shown)


def _is_truncated(options: Options) -> bool:
    """Whether the snap length cut some of the options."""
    return any(getattr(options, name) is None for name in _SWITCHES)


def _text(value: int | None) -> str:
    return "none" if value is None else str(value)
