"""The selectable lists of the screen: groups of trouble, connections and findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from handshake_inspect.render.finding_lines import SEVERITY_LOOKS
from handshake_inspect.report.model import Connection, Finding
from handshake_inspect.report.snapshot import Snapshot, TroubleGroup

Panel = Literal["trouble", "connections", "findings"]
PANELS: tuple[Panel, ...] = ("trouble", "connections", "findings")
Key = tuple[Any, ...]
Passing = Callable[[Sequence[Connection]], Sequence[Connection]]  # applies a filter expression
_WORST_FIRST = list(SEVERITY_LOOKS)


@dataclass(frozen=True)
class Row:
    """A selectable row and its object; `inside` marks a connection listed below its group."""

    of: Connection | TroubleGroup | Finding
    inside: bool = False

    @property
    def key(self) -> Key:
        """The identity of the row across snapshots."""
        if isinstance(self.of, Connection):
            return ("connection", self.of.id)
        if isinstance(self.of, TroubleGroup):
            return self.of.key
        return (self.of.id, str(self.of.target), self.of.variety)


Lists = Mapping[Panel, Sequence[Row]]


def lists(snapshot: Snapshot | None, words: Sequence[str], passing: Passing | None, unfolded: set[Key]) -> Lists:
    """Return the rows of every panel that match the filter (words or an expression)."""
    if snapshot is None:
        return {panel: [] for panel in PANELS}

    def kept(connections: Sequence[Connection]) -> Sequence[Connection]:
        if passing is not None:
            return passing(connections)
        return [each for each in connections if not words or about_connection(each, words)]

    held = sorted(snapshot.findings, key=lambda finding: _WORST_FIRST.index(finding.severity))
    return {
        "trouble": list(_trouble(snapshot, kept(snapshot.trouble), bool(words or passing), unfolded)),
        "connections": [Row(each) for each in kept(snapshot.newest)],
        "findings": [Row(each) for each in held],
    }


def _trouble(snapshot: Snapshot, kept: Sequence[Connection], filtered: bool, unfolded: set[Key]) -> Iterator[Row]:
    members: dict[Key, list[Connection]] = {}
    for connection in kept:
        members.setdefault(kind_of(connection), []).append(connection)
    for group in snapshot.groups:
        own = members.get(group.key, [])
        if group.count == 1 and own:
            yield Row(own[0])
            continue
        if filtered and not own:
            continue
        yield Row(group)
        if group.key in unfolded:
            yield from (Row(each, inside=True) for each in own)


def kind_of(connection: Connection) -> Key:
    """Return the key of a connection's trouble group."""
    return (connection.outcome, connection.cause, str(connection.server.service))


def about_connection(connection: Connection, words: Sequence[str]) -> bool:
    """Whether all words occur in the addresses, name, outcome, cause or processes of a connection."""
    about = [str(connection.client), str(connection.server), connection.outcome, connection.cause or ""]
    about.append(connection.server.name or "")
    if connection.process is not None:
        about += [each.name or "" for each in (connection.process.client, connection.process.server) if each]
    text = " ".join(about).lower()
    return all(word in text for word in words)
