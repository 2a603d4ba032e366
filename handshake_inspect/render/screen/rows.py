"""The selectable lists (trouble and connections) as lines, with the cursor."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from handshake_inspect.render.layout import LOOKS
from handshake_inspect.render.screen.lists import Panel, Row, kind_of
from handshake_inspect.render.screen.scene import Scene
from handshake_inspect.report.model import Connection, Finding
from handshake_inspect.report.process import owner_text
from handshake_inspect.report.snapshot import TroubleGroup
from handshake_inspect.wire.text import plural, rounded

OUTCOME = 11  # width of the longest outcome
WHEN = 14  # width of an age
ABOUT = 10  # the same, in one unit
COUNT = 7
RTT = 9
CAUSE = 24
SERVER = 23  # an arrow, and an IPv4 address and port
_TITLES = {"trouble": "TROUBLE", "connections": "CONNECTIONS"}
_BOTH = 16  # lines from which on both lists stand below each other, however long they are
_WITH_RTT = 75  # columns from which on a connection has its RTT in any case; below, only if its ends leave room
_WITH_WHOSE = 110  # likewise its process
_WHOSE, _LEAST_WHOSE = 26, 14
_IPV4_ENDS, _SHORT_ENDS = 45, 34  # columns of the longest client and server of IPv4, and of what can be recognised
_LEAST = 6  # lines that trouble has to leave for connections where there are fewer


def lists(scene: Scene, width: int, room: int) -> list[Text]:
    """Return both lists if there is room; else the one with the cursor, or trouble."""
    focus: Panel = scene.focus if scene.focus in _TITLES else "trouble"
    trouble = _list(scene, "trouble", width, room // 2 if room >= _BOTH else room, alone=False)
    left = room - len(trouble) - 1
    if room < _BOTH and left < _LEAST:
        return _list(scene, focus, width, room, alone=True)
    connections = _list(scene, "connections", width, left, alone=False)
    return [*trouble, scene.look.line(), *connections]


def _list(scene: Scene, panel: Panel, width: int, room: int, *, alone: bool) -> list[Text]:
    rows = scene.lists[panel]
    chosen = scene.view.chosen(panel, rows) if scene.focus == panel else None
    blocks: list[list[Text]] = []
    for place in range(min(len(rows), room + (chosen or 0))):
        explained = place in (0, chosen) and panel == "trouble"
        blocks.append(_row(scene, rows[place], width, selected=place == chosen, explained=explained))
    return [_title(scene, panel, width, alone=alone), *_around(blocks, chosen, max(room - 1, 0))][:room]


def _title(scene: Scene, panel: Panel, width: int, *, alone: bool) -> Text:
    """Return the title of a list: name (marked if it has the cursor), number of rows, what Tab shows."""
    look = scene.look
    marker = f"{look.cursor} " if scene.focus == panel and not alone else ""
    remark = _remark(scene, panel)
    other = "connections" if panel == "trouble" else "trouble"
    right = look.line((f"Tab: {other}", "dim")) if alone and width >= 60 and scene.width >= 60 else look.line()
    left = look.line((marker, "bold"), (_TITLES[panel], "bold"), (f"  {remark}", "dim"))
    return look.ends(left, right, width) if alone else left


def _remark(scene: Scene, panel: Panel) -> str:
    """Return the number of rows, and how many of them match the filter."""
    shown, snapshot = scene.lists[panel], scene.snapshot
    if not shown:
        return _none(scene)
    if panel == "connections":
        fit = " that fit the filter" if scene.view.filter else ""
        return f"newest {len(shown)}{fit} of {rounded(snapshot.connections)}"
    count = sum(row.of.count if isinstance(row.of, TroubleGroup) else not row.inside for row in shown)
    if scene.view.words:
        total = sum(group.count for group in snapshot.groups)
        return f"{rounded(count)} of {rounded(total)} fit the filter, newest first"
    if not scene.view.filter:
        return f"{plural(count, 'connection')}, newest first"
    kept = "" if snapshot.tracked >= snapshot.connections else f" of {rounded(snapshot.tracked)} kept"
    return f"{plural(count, 'connection')} that fit the filter{kept}, newest first"


def _none(scene: Scene) -> str:
    return "none fits the filter" if scene.view.filter else "none so far"


def _around(blocks: list[list[Text]], chosen: int | None, room: int) -> list[Text]:
    """Return the lines of blocks, scrolled so that the selected one is completely visible."""
    start = 0
    if chosen is not None:
        while start < chosen and sum(map(len, blocks[start : chosen + 1])) > room:
            start += 1
    return [line for block in blocks[start:] for line in block][:room]


def _row(scene: Scene, row: Row, width: int, *, selected: bool, explained: bool) -> list[Text]:
    if isinstance(row.of, TroubleGroup):
        line = _group(scene, row.of, width, selected=selected, unfolded=row.key in scene.view.unfolded)
    elif isinstance(row.of, Connection):
        line = _connection(scene, row.of, width, selected=selected, inside=row.inside)
    else:
        raise TypeError(row)
    if selected:
        line.stylize("bold")
    if not explained:
        return [line]
    example = _example(scene, row)
    if example is None:
        return [line]
    why = f"{example.cause}: {example.why}" if example.cause else example.why
    style = "" if selected else "dim"
    most = 3 if selected and row.key not in scene.view.unfolded else 1
    return [line, *(scene.look.line((text, style)) for text in scene.look.prose(why, width, 4, most))]


def _example(scene: Scene, row: Row) -> Connection | None:
    """Return the newest connection of a row, or None."""
    if isinstance(row.of, Connection):
        return row.of
    listed = scene.snapshot.trouble
    return next((each for each in listed if isinstance(row.of, TroubleGroup) and row.of.key == kind_of(each)), None)


def _group(scene: Scene, group: TroubleGroup, width: int, *, selected: bool, unfolded: bool) -> Text:
    """Return the line of a group: count, outcome, server, cause and time of the newest."""
    look = scene.look
    age = look.age(max(scene.snapshot.at_ns - group.last_ns, 0))
    age = f"last {age}" if width >= 90 and age.endswith(" ago") else age
    when = WHEN + 5 * (width >= 90)
    free = width - 2 - COUNT - 1 - OUTCOME - 2 - when - 1
    cause = min(free - min(SERVER, scene.server_width) - 1, CAUSE) if width >= 70 else 0
    room = max(free - (cause + 1 if cause else 0), 6)
    fold = (look.cursor if selected else " ") + (look.unfolded if unfolded else look.folded)
    server = look.elide(f"{look.words.arrow} {look.clean(str(group.server))}", room)
    return look.line(
        (fold, "bold" if selected else "dim"),
        f"{rounded(group.count) + look.times:>{COUNT}} ",
        (f"{group.outcome:<{OUTCOME}}", LOOKS.get(group.outcome, "dim")),
        f"  {server:<{room}} ", (f"{look.cut(group.cause or '', cause):<{cause}} " if cause else "", ""),
        (f"{age:>{when}}", "dim"),
    )  # fmt: skip


def _connection(scene: Scene, connection: Connection, width: int, *, selected: bool, inside: bool) -> Text:
    """Return the line of a connection: outcome, client and server, RTT, process and age."""
    look = scene.look
    age = look.about(max(scene.snapshot.at_ns - connection.first_ns, 0))
    indent = COUNT + 1 if inside else 0
    rtt, whose = _beside(scene, width - indent)
    room = max(width - 2 - indent - OUTCOME - 2 - rtt - (whose + 1 if whose else 0) - ABOUT - 1, 6)
    took = look.duration(connection.rtt.total.value_ns) if connection.rtt.total.value_ns is not None else ""
    return look.line(
        (f"{look.cursor} " if selected else "  ", "bold"), " " * indent,
        (f"{connection.outcome:<{OUTCOME}}", LOOKS.get(connection.outcome, "dim")),
        f"  {_ends(scene, connection, room):<{room}}", f" {took:>{RTT}}" if rtt else "",
        (f" {look.cut(_whose(scene, connection), whose):<{whose}}" if whose else "", "dim"),
        (f" {age:>{ABOUT}}", "dim"),
    )  # fmt: skip


def _beside(scene: Scene, width: int) -> tuple[int, int]:
    """Return the widths of RTT and process that the ends of the connections leave; the same for every row."""
    ends = scene.ends_width if scene.ends_width > _IPV4_ENDS else min(scene.ends_width, _SHORT_ENDS)
    spare = width - 2 - OUTCOME - 2 - ends - ABOUT - 1
    rtt = RTT + 1 if width >= _WITH_RTT or spare > RTT else 0
    left = _WHOSE if width >= _WITH_WHOSE else min(spare - rtt - 1, _WHOSE)
    return rtt, left if scene.owned and left >= _LEAST_WHOSE else 0


def _whose(scene: Scene, connection: Connection) -> str:
    """Return the process of the client or, if unknown, of the server."""
    process = connection.process
    owners = [each for each in (process.client, process.server) if each is not None] if process is not None else []
    known = [each for each in owners if each.pid is not None]
    return scene.look.clean(owner_text(known[0])) if known else ""


def _ends(scene: Scene, connection: Connection, room: int) -> str:
    """Return client and server, or only the server if there is no room for both."""
    look = scene.look
    client, server = (look.clean(str(end)) for end in (connection.client, connection.server))
    arrow = f" {look.words.arrow} "
    if room < 30:
        return look.elide(server, room)
    half = (room - len(arrow)) // 2
    # What one end does not need of its half is the other's.
    client = look.elide(client, max(half, room - len(arrow) - len(server)))
    return f"{client}{arrow}{look.elide(server, room - len(arrow) - len(client))}"


def place_of(scene: Scene, findings: Sequence[Finding]) -> int | None:
    """Return the index of the selected finding; None if the cursor is elsewhere."""
    if scene.focus != "findings" or not findings:
        return None
    return scene.view.chosen("findings", scene.lists["findings"]) or 0
