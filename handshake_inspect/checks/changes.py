"""What a box between two captures changed of a connection: addresses, ports, numbers, options, hop limits."""

from __future__ import annotations

from collections.abc import Iterator

from handshake_inspect.checks.pairing import Side
from handshake_inspect.report.model import Connection, Options
from handshake_inspect.report.paired import Change
from handshake_inspect.wire.const import MASK32
from handshake_inspect.wire.text import endpoint_text

_SWITCHES = ("sack_permitted", "timestamps", "tfo", "mptcp", "ecn", "signed")


def changes(a: Side, b: Side, ids: tuple[int, int], made: tuple[Connection, Connection]) -> list[Change]:
    """What differs between the two sides of one connection, given by its ids there."""
    (id_a, id_b), (at_a, at_b) = ids, made
    found = [*_ends(at_a, at_b), *_numbers(at_a, at_b)]
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


def _ends(a: Connection, b: Connection) -> Iterator[Change]:
    for who in ("client", "server"):
        one, other = getattr(a, who), getattr(b, who)
        if (one.ip, one.port) != (other.ip, other.port):
            what = f"{who}-address" if one.ip != other.ip else f"{who}-port"
            yield Change(what, endpoint_text(one.ip, one.port), endpoint_text(other.ip, other.port))


def _numbers(a: Connection, b: Connection) -> Iterator[Change]:
    for who in ("client", "server"):
        one, other = getattr(a.handshake, f"{who}_isn"), getattr(b.handshake, f"{who}_isn")
        if one is not None and other is not None and one != other:
            yield Change(f"{who}-isn", str(one), f"{other} (+{(other - one) & MASK32})")


def _option_changes(who: str, a: Options, b: Options) -> Iterator[Change]:
    for name in ("mss", "window_scale"):
        one, other = getattr(a, name), getattr(b, name)
        unknown = (one is None and _is_cut(a)) or (other is None and _is_cut(b))
        if one != other and not unknown:
            yield Change(f"{who}-{name.replace('_', '-')}", _shown(one), _shown(other))
    for name in _SWITCHES:
        known = (getattr(a, name), getattr(b, name))
        if None not in known and known[0] != known[1]:
            shown = ("offered" if each else "none" for each in known)
            yield Change(f"{who}-{name.replace('_', '-')}", *shown)


def _is_cut(options: Options) -> bool:
    """Whether a capture lacks some of these options."""
    return any(getattr(options, name) is None for name in _SWITCHES)


def _shown(value: int | None) -> str:
    return "none" if value is None else str(value)
