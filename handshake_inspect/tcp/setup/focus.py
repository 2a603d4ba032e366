"""The context that the set-up modules share: the rows of the connection being parsed, and the bytes of one segment.

Each tracker has one `Focus`, which is set for every segment to be parsed.
"""

from typing import Any

from handshake_inspect.tcp import rows
from handshake_inspect.tcp.facts import TRAIT_FIN
from handshake_inspect.tcp.setup import setup_rows as sr
from handshake_inspect.tcp.setup.facts import (
    EXCHANGE_GIVEN_UP,
    EXCHANGE_SETUP,
    READ_OVER,
    SETUP_GIVEN_UP,
    SETUP_HOLE,
)
from handshake_inspect.tls import hello_row
from handshake_inspect.wire import seqspace
from handshake_inspect.wire.const import MASK32


class Focus:
    """The rows of one connection, and bytes of one of its sides."""

    def __init__(self, table: Any) -> None:
        """Create the context; it refers to no connection yet."""
        self.setups = table.setups
        self.hello_storage = hello_row.new_hello()
        self.hello = hello_row.hello_of(self.hello_storage)
        self.start(table)
        self.side = 0
        self.is_client = False  # whether that side is the client
        self.turned = False  # whether the other side was the last to send data
        self.over = False  # nothing more is to be parsed
        # The segment, or a held one: bytes `seq` to `end`, of which `captured` were captured.
        self.at = 0  # their index in `data`
        self.captured = 0
        self.seq = 0
        self.end = 0
        self.acked = 0  # its acknowledgment number
        self.frame = 0  # from 1 for the first of the connection
        self.seen_ns = 0  # when it was first seen
        self.ns = 0  # when its bytes became available

    def start(self, table: Any) -> int:
        """Refer to the first rows as placeholders."""
        self.connection = rows.connection_at(table.connections, 0)
        self.exchange = sr.exchange_at(table.setups.exchanges, 0)
        self.setup = sr.nothing()
        self.reading = sr.reading_at(table.setups.readings, 0)
        self.sender = rows.endpoint_at(table.endpoints, 0)
        self.peer = self.sender
        self.data = table.setups.names.arena
        return 0

    def finish(self) -> None:
        """End the parsing of this connection."""
        self.connection.quick |= READ_OVER
        self.over = True
        if self.setup:
            self.setups.end_reading(self.setup)
            if self.setup.flags & ~SETUP_HOLE == 0 and self.setup.extras == 0 and self.is_as_plain():
                self.setups.drop(self.exchange.setup & EXCHANGE_SETUP)
                self.exchange.setup &= ~EXCHANGE_SETUP
            self.setup = sr.nothing()

    def lacks(self, number: int) -> bool:
        """Return True if the sender, by its acknowledgment number, has peer bytes that are not available here."""
        after = self.reading.next[self.side ^ 1]
        if not seqspace.seq_gt(number, after):
            return False
        closed = self.peer.traits & TRAIT_FIN and number == self.peer.fin_seq
        return not (closed and number == (after + 1) & MASK32)  # a FIN is not data

    def conclude(self) -> None:
        """Note the response, which may be retransmitted until the client acknowledges it."""
        self.reading.done = 1
        self.over = True

    def is_as_plain(self) -> bool:
        """Return True if the set-up row has no more information than request and response."""
        return (
            self.setup.lacks == 0
            and self.setup.request_sent_ns <= self.exchange.request_ns
            and self.setup.response_seen_ns == self.exchange.response_ns
        )

    def give_up(self) -> None:
        """Give up after the limit of bytes or segments without a response."""
        if self.exchange.response_frame == 0:
            self.exchange.setup |= EXCHANGE_GIVEN_UP
            self.setup.flags |= SETUP_GIVEN_UP
        self.finish()
