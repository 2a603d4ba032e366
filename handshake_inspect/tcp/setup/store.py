"""Allocate and free the rows of connection set-up (`setup_rows.py`)."""

from typing import Any

from handshake_inspect.tcp import row_memory
from handshake_inspect.tcp.setup import setup_rows as sr
from handshake_inspect.tcp.setup.facts import EXCHANGE_SETUP, SETUP_HOLE, SETUP_UNREAD
from handshake_inspect.tls.names import Names

BUFFERS = 1024


class Setups:
    """The set-up rows for a table of `limit` connections."""

    def __init__(self, limit: int) -> None:
        """Reserve address space; as for all rows, memory is used only where they are written."""
        self.limit = min(limit, EXCHANGE_SETUP - 1)
        self.exchange_rows = row_memory.reserve("Exchange", limit)
        self.setup_rows = row_memory.reserve("Setup", self.limit)
        self.extra_rows = row_memory.reserve("Extra", self.limit)
        self.reading_rows = row_memory.reserve("Reading", self.limit)
        self.buffer_rows = row_memory.reserve("Buffer", BUFFERS)
        self.exchanges = sr.exchanges_of(self.exchange_rows)
        self.setups = sr.setups_of(self.setup_rows)
        self.extras = sr.extras_of(self.extra_rows)
        self.readings = sr.readings_of(self.reading_rows)
        self.buffers = sr.owners_of(self.buffer_rows)
        self.names = Names()
        self.setup_count = 0  # rows ever used, including free ones
        self.extra_count = 0
        self.reading_count = 0
        self.buffer_count = 0
        self.free_setup = 0  # 1 + the row freed last; its `extras` is the next
        self.free_extra = 0  # its `next` is the next
        self.free_reading = 0  # its `owner` is the next
        self.free_buffer = 0  # its `next_free` is the next
        self.hand_buffer = 0  # the buffer to take away next when none is free
        self.starved = 0  # number of buffers taken away

    def new_setup(self, i: int) -> int:
        """Allocate `Setup` and `Reading` rows for connection `i`; return 1 + the `Setup` row, 0 if none is free."""
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
        """Allocate a `Reading` row; return 1 + its number.  One is free for each `Setup` row."""
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
        """Allocate an `Extra` row; return 1 + its number, 0 if none is free."""
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
        """Allocate a buffer for a side of a set-up; return 1 + its number.  If none is free, the oldest is taken."""
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
        """Take a buffer away from its owner, and note that in the owner's flags."""
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
        """Free a buffer."""
        buffer = sr.buffer_at(self.buffers, number - 1)
        buffer.owner = 0
        buffer.next_free = self.free_buffer
        self.free_buffer = number

    def end_reading(self, setup: Any) -> None:
        """Free the `Reading` row and buffers of a set-up."""
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
        """Free the set-up of connection `i`, whose row will be reused."""
        number = sr.exchange_at(self.exchanges, i).setup & EXCHANGE_SETUP
        if number:
            self.drop(number)
        sr.clear_exchange(self.exchanges, i)

    def drop(self, number: int) -> None:
        """Free `Setup` row `number - 1` with everything that belongs to it."""
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
