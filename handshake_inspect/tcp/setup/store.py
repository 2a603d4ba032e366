"""Where the set-up of connections is kept: the rows of `setup_rows.py`, and who has which."""

from typing import Any

from handshake_inspect.tcp import room
from handshake_inspect.tcp.setup import setup_rows as sr
from handshake_inspect.tcp.setup.facts import EXCHANGE_SETUP, SETUP_HOLE, SETUP_UNREAD
from handshake_inspect.tls.names import Names

BUFFERS = 1024


class Setups:
    """Rows of set-up for a table of `limit` connections."""

    def __init__(self, limit: int) -> None:
        """Reserve room; as for all rows, it costs memory only where it is written."""
        self.limit = min(limit, EXCHANGE_SETUP - 1)
        self.exchange_rows = room.reserve("Exchange", limit)
        self.setup_rows = room.reserve("Setup", self.limit)
        self.extra_rows = room.reserve("Extra", self.limit)
        self.reading_rows = room.reserve("Reading", self.limit)
        self.buffer_rows = room.reserve("Buffer", BUFFERS)
        self.exchanges = sr.exchanges_of(self.exchange_rows)
        self.setups = sr.setups_of(self.setup_rows)
        self.extras = sr.extras_of(self.extra_rows)
        self.readings = sr.readings_of(self.reading_rows)
        self.buffers = sr.buffers_of(self.buffer_rows)
        self.names = Names()
        self.setup_count = 0  # rows ever used, free ones too
        self.extra_count = 0
        self.reading_count = 0
        self.buffer_count = 0
        self.free_setup = 0  # 1 + the row freed last; the next is in its `extras`
        self.free_extra = 0  # the next is in its `next`
        self.free_reading = 0  # the next is in its `owner`
        self.free_buffer = 0  # the next is in its `next_free`
        self.hand_buffer = 0  # who must give its buffer up next when there is none
        self.starved = 0  # how often one had to

    def new_setup(self, i: int) -> int:
        """Give connection `i` a row of set-up, and one to read it with: 1 + its number, 0 where there is no room."""
        if self.free_setup:
            setup = self.free_setup
            self.free_setup = sr.setup_at(self.setups, setup - 1).extras
            sr.clear_setup(self.setups, setup - 1)
        elif self.setup_count < self.limit:
            self.setup_count += 1
            setup = self.setup_count
        else:
            return 0
        exchange = sr.exchange_at(self.exchanges, i)
        exchange.setup = exchange.setup & ~EXCHANGE_SETUP | setup
        sr.setup_at(self.setups, setup - 1).reading = self.new_reading(setup)
        return setup

    def new_reading(self, setup: int) -> int:
        """Give a set-up a row to read it with: 1 + its number.  There are as many, so there is always room."""
        if self.free_reading:
            reading = self.free_reading
            self.free_reading = sr.reading_at(self.readings, reading - 1).owner
            sr.clear_reading(self.readings, reading - 1)
        else:
            self.reading_count += 1
            reading = self.reading_count
        sr.reading_at(self.readings, reading - 1).owner = setup
        return reading

    def new_extra(self) -> int:
        """1 + the number of a row for a wait; 0 where there is no room."""
        if self.free_extra:
            extra = self.free_extra
            self.free_extra = sr.extra_at(self.extras, extra - 1).next
            sr.clear_extra(self.extras, extra - 1)
            return extra
        if self.extra_count >= self.limit:
            return 0
        self.extra_count += 1
        return self.extra_count

    def new_buffer(self, setup: Any, side: int) -> int:
        """1 + the number of a buffer for a side of a set-up; when all are in use, the oldest owner loses its own."""
        if self.free_buffer:
            number = self.free_buffer
            self.free_buffer = sr.buffer_at(self.buffers, number - 1).next_free
        elif self.buffer_count < BUFFERS:
            self.buffer_count += 1
            number = self.buffer_count
        else:
            number = self.hand_buffer + 1
            self.hand_buffer = number if number < BUFFERS else 0
            self.starve(sr.buffer_at(self.buffers, number - 1), number)
        sr.clear_buffer(self.buffers, number - 1)
        buffer = sr.buffer_at(self.buffers, number - 1)
        buffer.owner = setup.reading
        buffer.side = side
        return number

    def starve(self, buffer: Any, number: int) -> None:
        """Take a buffer from its owner, which says so."""
        reading = sr.reading_at(self.readings, buffer.owner - 1)
        setup = sr.setup_at(self.setups, reading.owner - 1)
        self.starved += 1
        if reading.gather[buffer.side] == number:
            reading.gather[buffer.side] = 0
            setup.flags |= SETUP_UNREAD
        else:
            reading.hold[buffer.side] = 0
            setup.flags |= SETUP_HOLE

    def give_back(self, number: int) -> None:
        """A buffer is free again."""
        buffer = sr.buffer_at(self.buffers, number - 1)
        buffer.owner = 0
        buffer.next_free = self.free_buffer
        self.free_buffer = number

    def end_reading(self, setup: Any) -> None:
        """Free what only reading needs."""
        if setup.reading:
            reading = sr.reading_at(self.readings, setup.reading - 1)
            for side in range(2):
                if reading.gather[side]:
                    self.give_back(reading.gather[side])
                if reading.hold[side]:
                    self.give_back(reading.hold[side])
            reading.owner = self.free_reading
            self.free_reading = setup.reading
            setup.reading = 0

    def release(self, i: int) -> None:
        """Forget the set-up of connection `i`, whose row will be another's."""
        number = sr.exchange_at(self.exchanges, i).setup & EXCHANGE_SETUP
        if number:
            self.drop(number)
        sr.clear_exchange(self.exchanges, i)

    def drop(self, number: int) -> None:
        """Give a row of set-up back, `number` of which is 1 + its place, with all that belongs to it."""
        setup = sr.setup_at(self.setups, number - 1)
        self.end_reading(setup)
        while setup.extras:
            extra = sr.extra_at(self.extras, setup.extras - 1)
            following = extra.next
            extra.next = self.free_extra
            self.free_extra = setup.extras
            setup.extras = following
        sr.clear_setup(self.setups, number - 1)
        setup.extras = self.free_setup
        self.free_setup = number
