"""Selection of a few representative connections with trouble: some of each kind, to different servers if possible."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from handshake_inspect.report.model import OUTCOMES, Connection, Outcome
from handshake_inspect.report.trouble import trouble_of_open

ALIKE_SHOWN = 5  # examples of one kind
_ORDER = {outcome: place for place, outcome in enumerate((*OUTCOMES[1:], OUTCOMES[0]))}  # established ones come last
# A number with its unit, or the plural ending after SYN or ACK.
_FIGURE = re.compile(r"(\d[\d.,]*(?<![.,])(?: (?:ns|µs|us|ms|s|min|h|d|%)(?!\w))?|(?<=SYN)s?\b|(?<=ACK)s?\b)")
_SIZES = {"ns": 1, "µs": 1e3, "us": 1e3, "ms": 1e6, "s": 1e9, "min": 60e9, "h": 3600e9, "d": 86400e9}

Kind = tuple[int, str, str]


def kind_of(connection: Connection) -> Kind:
    """Return outcome and explanation without numbers: a key, equal for connections that can share an explanation."""
    why = trouble_of_open(connection) or connection.why
    for end in (connection.client, connection.server):
        why = why.replace(end.ip, "")
    return _ORDER[connection.outcome], connection.cause or "", _FIGURE.sub("", why)


def examples(troubled: Iterable[Connection], most: int, often: Mapping[Outcome, int] | None = None) -> list[Connection]:
    """Return at most `most` connections, sorted by kind and then by first frame.

    Kinds with a frequent outcome (counts in `often`) come first, established connections last.
    """
    kinds: dict[Kind, list[Connection]] = {}
    for connection in troubled:
        kinds.setdefault(kind_of(connection), []).append(connection)
    frequent = sorted(kinds, key=lambda kind: -len(kinds[kind]))[:most]
    each = ALIKE_SHOWN
    while each > 1 and sum(min(len(kinds[kind]), each) for kind in frequent) > most:
        each -= 1
    counts = often or {}

    def place(kind: Kind) -> tuple[int, int, int]:
        first = kinds[kind][0]
        frequency = 0 if first.outcome == "established" else -counts.get(first.outcome, 0)
        return frequency, kind[0], first.id

    in_order = sorted(frequent, key=place)
    return [connection for kind in in_order for connection in _various(kinds[kind], each)]


def _various(alike: list[Connection], count: int) -> list[Connection]:
    """Return the first few, preferring servers not yet included."""
    seen: Counter[tuple[str, int]] = Counter()
    turns = []
    for place, connection in enumerate(alike):
        server = connection.server.ip, connection.server.port
        turns.append((seen[server], place))
        seen[server] += 1
    return [alike[place] for place in sorted(place for _, place in sorted(turns)[:count])]


def in_common(alike: Sequence[Connection], words: Callable[[Connection], str]) -> str:
    """Return an explanation that holds for all connections of one kind: numbers that differ become ranges.

    Addresses of clients and servers that differ become "the client" and "the server".
    """
    texts = list(map(words, alike))
    if len(set(texts)) == 1:
        return texts[0]
    for side in ("client", "server"):
        if len({getattr(connection, side).ip for connection in alike}) > 1:
            texts = [text.replace(getattr(c, side).ip, f"the {side}") for text, c in zip(texts, alike, strict=True)]
    slots = [_FIGURE.split(text) for text in texts]
    if len(set(map(len, slots))) > 1:
        return texts[-1]
    try:
        return "".join(map(_range, zip(*slots, strict=True)))
    except ValueError:  # not a plain number, such as a third host's address
        return texts[-1]


def _range(values: tuple[str, ...]) -> str:
    """Return the range of a number over all texts, or the plural ending if any has it."""
    different = sorted(set(values), key=_size) if len(set(values)) > 1 else values[:1]
    if not different[0] or len(different) == 1:
        return different[-1]
    least, most = different[0], different[-1]
    figure, _, unit = least.partition(" ")
    return f"{figure if unit and most.endswith(f' {unit}') else least} to {most}"


def _size(value: str) -> float:
    if value in ("", "s"):
        return len(value)
    figure, _, unit = value.partition(" ")
    return float(figure.replace(",", "")) * _SIZES.get(unit, 1)
