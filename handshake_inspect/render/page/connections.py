"""The selection of connections that the HTML page shows in detail, with their ladders and waterfalls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from markupsafe import Markup

from handshake_inspect.render import Options
from handshake_inspect.render.page.ladder import ladders
from handshake_inspect.render.page.parts import since_start
from handshake_inspect.render.page.waterfall import waterfall, whose
from handshake_inspect.render.words import direction_words, ending_words
from handshake_inspect.report.model import Connection, Report, has_trouble
from handshake_inspect.report.pictures import Pictures, Trouble
from handshake_inspect.report.process import owner_text
from handshake_inspect.report.quic import QuicConnection
from handshake_inspect.report.quic_story import QuicStory
from handshake_inspect.report.story import Story
from handshake_inspect.report.trouble import trouble_of_open, words_of_kinds
from handshake_inspect.report.waterfall import headline as setup_headline
from handshake_inspect.wire.text import bounds

GROUPS = 20  # groups of connections with trouble
EXAMPLES = 5  # per group
SETUPS = 4  # slowest set-ups
FEW = 12  # up to this many connections, all are shown
CITED = 2  # connections without trouble, per finding that cites them
CITED_IN_ALL = 8
QUIC = 20  # QUIC connections
QUIC_DRAWN = 6
LISTED = 250  # limit with --all
LADDERS = 600_000  # limit for the size of all drawings, in bytes


@dataclass(frozen=True)
class Shown:
    """One connection, and what is drawn of it."""

    connection: Connection
    at: str
    ladder: Markup | None
    waterfall: Markup | None

    @property
    def outcome(self) -> str:
        """The outcome, with a question mark if undecided."""
        return self.connection.outcome if self.connection.decided else f"{self.connection.outcome}?"

    @property
    def server(self) -> str:
        """The server with its name, if known."""
        server = self.connection.server
        return f"{server} ({server.name})" if server.name else str(server)

    @property
    def trouble(self) -> str:
        """Its trouble while open."""
        return _sentence(trouble_of_open(self.connection))

    @property
    def sent(self) -> tuple[str, str]:
        """What the client and the server sent."""
        return direction_words(self.connection.client_to_server), direction_words(self.connection.server_to_client)

    @property
    def owners(self) -> list[tuple[str, str]]:
        """The owners of the ends on the capturing host."""
        process = self.connection.process
        ends = () if process is None else (("client", process.client), ("server", process.server))
        return [(end, owner_text(owner)) for end, owner in ends if owner is not None]

    @property
    def ended(self) -> str:
        """How it ended."""
        return ending_words(self.connection)

    @property
    def rtt(self) -> str:
        """The connect RTT."""
        leg = self.connection.rtt.total
        return bounds(leg.value_ns, leg.min_ns, leg.max_ns)

    @property
    def setup(self) -> str:
        """The set-up in one line."""
        return setup_headline(self.connection) if self.connection.setup is not None else ""

    @property
    def whose(self) -> list[tuple[str, str]]:
        """The legend of the waterfall."""
        return whose(self.connection.setup) if self.connection.setup is not None else []


@dataclass(frozen=True)
class Group:
    """Connections with the same trouble, with some examples."""

    trouble: Trouble
    began: str
    examples: list[Shown]

    @property
    def what(self) -> str:
        """Their common trouble while open."""
        if len(self.examples) == self.trouble.connections == 1:
            return self.examples[0].trouble
        return _sentence(words_of_kinds(self.trouble.outcome, self.trouble.kinds))


class PageConnections:
    """Which connections are shown, and where."""

    def __init__(self, report: Report, pictures: Pictures, options: Options) -> None:
        self.report = report
        self.pictures = pictures
        self.options = options
        self._stories = {story.connection.id: story for story in options.stories if isinstance(story, Story)}
        self._quic_stories = {story.connection.id: story for story in options.stories if isinstance(story, QuicStory)}
        self._drawn = 0
        self._places: dict[int, Shown] = {}

    @property
    def shown(self) -> list[Shown]:
        """All connections shown so far, in id order."""
        return sorted(self._places.values(), key=lambda each: each.connection.id)

    @cached_property
    def groups(self) -> list[Group]:
        """Groups of connections with trouble, by outcome, cause and server."""
        if not self.options.connections:
            return []
        found = self.pictures.trouble(GROUPS, EXAMPLES)
        began = since_start(self.report.capture, [each.first_ns for each in found])
        return [Group(trouble, at, self._all(trouble.examples)) for trouble, at in zip(found, began, strict=True)]

    @property
    def troubled(self) -> int:
        """The number of connections with trouble."""
        return self.report.connections.trouble_count if self.options.connections else 0

    @property
    def grouped(self) -> int:
        """The number of connections in the groups."""
        return sum(group.trouble.connections for group in self.groups)

    @cached_property
    def ids(self) -> set[int]:
        """The ids of connections on the page, which can be linked to."""
        named = [*self.every, *(each for group in self.groups for each in group.examples)]
        named += [*self.cited, *([] if self.ordinary is None else [self.ordinary])]
        return {each.connection.id for each in named}

    @cached_property
    def slow(self) -> list[Shown]:
        """The connections with the slowest set-ups."""
        places = self.pictures.slowest(SETUPS) if self.options.connections and self.report.summary.setup else []
        return [each for each in self._all(places) if each.waterfall is not None]

    @cached_property
    def ordinary(self) -> Shown | None:
        """A connection without trouble, for comparison; None if all are shown anyway."""
        if not self.options.connections or self.every:
            return None
        place = self.pictures.ordinary()
        return None if place is None else self._one(place)

    @cached_property
    def cited(self) -> list[Shown]:
        """Connections without trouble that findings cite, such as slow ones; empty if all are shown anyway."""
        if not self.options.connections or self.every:
            return []
        ordinary = None if self.ordinary is None else self.ordinary.connection.id
        return [each for each in self._all(cited_places(self.report)) if each.connection.id != ordinary]

    @cached_property
    def every(self) -> list[Shown]:
        """All connections, if there are few or all are requested; else empty."""
        total = len(self.report.connections)
        if not self.options.connections or not total or (total > FEW and not self.options.every):
            return []
        return self._all(range(min(total, LISTED)))

    @property
    def telling(self) -> Shown | None:
        """The first connection with trouble if all are shown, else the first one."""
        troubled = (each for each in self.every if has_trouble(each.connection))
        return next(troubled, self.every[0] if self.every else None)

    @property
    def more(self) -> int:
        """The number of requested connections beyond the limit."""
        return len(self.report.connections) - len(self.every) if self.every else 0

    def _all(self, places: Iterable[int]) -> list[Shown]:
        return [self._one(place) for place in places]

    def _one(self, place: int) -> Shown:
        if place not in self._places:
            connection = self.report.connections[place]
            (at,) = since_start(self.report.capture, [connection.first_ns])
            fall = waterfall(connection.setup) if connection.setup is not None else None
            self._places[place] = Shown(connection, at, self._ladder(self._stories.get(connection.id)), fall)
        return self._places[place]

    def quic_ladder(self, connection: QuicConnection) -> Markup | None:
        """Return the drawing of a QUIC connection, or None if it has no story."""
        return self._ladder(self._quic_stories.get(connection.id))

    def _ladder(self, story: Story | QuicStory | None) -> Markup | None:
        """Return the drawing of a story, or None if the size limit is reached."""
        if story is None or self._drawn > LADDERS:
            return None
        drawn = ladders(story)
        self._drawn += len(drawn)
        return drawn if self._drawn <= LADDERS else None


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}." if words else ""


def cited_places(report: Report) -> list[int]:
    """Return indices of the first connections without trouble that each finding cites; none in a filtered report."""
    connections, places = report.connections, dict[int, None]()
    for finding in report.findings:
        ids = [number for number in finding.evidence.connections if number < len(connections)]
        plain = [n for n in ids if connections[n].id == n and not has_trouble(connections[n])]
        places.update(dict.fromkeys(plain[:CITED]))
    return list(places)[:CITED_IN_ALL]


def listed_quic(report: Report) -> list[QuicConnection]:
    """Return some QUIC connections, those with trouble first."""
    return sorted(report.quic_connections, key=lambda each: each.outcome in ("established", "pending"))[:QUIC]


def starring(report: Report, options: Options) -> Iterator[Connection | QuicConnection]:
    """Yield the connections to draw: one per group of trouble, the slowest, an ordinary one, and some QUIC."""
    if not options.connections:
        return
    if len(report.connections):
        yield from _starring_tcp(report)
    yield from listed_quic(report)[:QUIC_DRAWN]


def _starring_tcp(report: Report) -> Iterator[Connection]:
    pictures = Pictures(report)
    places = [place for group in pictures.trouble(GROUPS, EXAMPLES) for place in group.examples[:1]]
    places += pictures.slowest(SETUPS) if report.summary.setup else []
    ordinary = pictures.ordinary()
    places += [] if ordinary is None else [ordinary]
    places += cited_places(report)
    places += range(min(len(report.connections), FEW)) if len(report.connections) <= FEW else []
    yield from (report.connections[place] for place in dict.fromkeys(places))
