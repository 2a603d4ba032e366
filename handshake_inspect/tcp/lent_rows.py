"""Rows that few connections need: of repeated SYNs, of what came after a handshake, of order, of rewritten numbers.

A connection is lent such a row when something happens, and has its number, or 0 for none.  Rows that come back are lent
again: each names the next that is free.
"""

from typing import Any

from handshake_inspect.tcp import room, rows
from handshake_inspect.tcp.index import Index
from handshake_inspect.tcp.limits import LEAST_ROWS

FEW_ORDERS = 4096  # this many cost nothing


class LentRows(Index):
    """The rows of each such kind, and which of them are free."""

    def __init__(self) -> None:
        """No room yet."""
        Index.__init__(self)
        self.limit = 0
        self.retry_count = 0  # rows ever used, free ones too
        self.aftermath_count = 0
        self.order_count = 0
        self.renumbering_count = 0
        self.free_retries = 0  # 1 + the row of repeated SYNs freed last; the next is the first of its `syn_frame`
        self.free_aftermath = 0  # as `free_retries`; the next is in its `order`
        self.free_order = 0  # as `free_retries`; the next is the first of its `recover`
        self.free_renumbering = 0  # as `free_retries`; the next is in its `next_free`

    def reserve_retries(self) -> None:
        """Reserve room for those that every attempt may need; MemoryError where the system does not grant it."""
        self.retry_rows = room.reserve("Retries", self.limit)

    def begin_lending(self) -> None:
        """Reserve room for the others, as many as `limit` connections may need."""
        self.most_orders = max(self.limit // room.SELDOM, min(self.limit, FEW_ORDERS))
        self.most_renumberings = max(self.limit // room.SELDOM, LEAST_ROWS)
        self.aftermath_rows = room.reserve("Aftermath", self.limit)
        self.order_rows = room.reserve("Order", self.most_orders)
        self.renumbering_rows = room.reserve("Renumbering", self.most_renumberings)
        self.retries = rows.retries_of(self.retry_rows)
        self.aftermaths = rows.aftermaths_of(self.aftermath_rows)
        self.orders = rows.orders_of(self.order_rows)
        self.renumberings = rows.renumberings_of(self.renumbering_rows)

    def new_retries(self, connection: Any) -> bool:
        """Give the connection a row for repeated SYNs, if it has none; False where there is no room."""
        if connection.retries == 0 and self.free_retries:
            connection.retries = self.free_retries
            retries = rows.retries_at(self.retries, connection.retries - 1)
            self.free_retries = retries.syn_frame[0]
            retries.syn_frame[0] = 0
        elif connection.retries == 0:
            if self.retry_count >= self.limit:
                return False
            self.retry_count += 1
            connection.retries = self.retry_count
        return True

    def free_retry(self, i: int) -> None:
        """Give a row of repeated SYNs back."""
        renumbering = rows.retries_at(self.retries, i).renumbering
        if renumbering:
            rows.clear_renumbering(self.renumberings, renumbering - 1)
            rows.renumbering_at(self.renumberings, renumbering - 1).next_free = self.free_renumbering
            self.free_renumbering = renumbering
        rows.clear_retries(self.retries, i)
        rows.retries_at(self.retries, i).syn_frame[0] = self.free_retries
        self.free_retries = i + 1

    def new_aftermath(self, connection: Any) -> bool:
        """Give the connection a row for what follows the handshake, if it has none; False where there is no room."""
        if connection.aftermath:
            return True
        if self.free_aftermath:
            connection.aftermath = self.free_aftermath
            aftermath = rows.aftermath_at(self.aftermaths, connection.aftermath - 1)
            self.free_aftermath = aftermath.order
            aftermath.order = 0
            return True
        if self.aftermath_count >= self.limit:
            return False
        self.aftermath_count += 1
        connection.aftermath = self.aftermath_count
        return True

    def release_aftermath(self, i: int) -> None:
        """Give a row of what happened after a handshake back, and that of the order."""
        order = rows.aftermath_at(self.aftermaths, i).order
        if order:
            rows.clear_order(self.orders, order - 1)
            rows.order_at(self.orders, order - 1).recover[0] = self.free_order
            self.free_order = order
        rows.clear_aftermath(self.aftermaths, i)
        rows.aftermath_at(self.aftermaths, i).order = self.free_aftermath
        self.free_aftermath = i + 1

    def new_renumbering(self, connection: Any) -> bool:
        """Give the connection a row for rewritten sequence numbers, if it has none; False where there is no room."""
        if not self.new_retries(connection):
            return False
        retries = rows.retries_at(self.retries, connection.retries - 1)
        if retries.renumbering:
            return True
        if self.free_renumbering:
            retries.renumbering = self.free_renumbering
            row = rows.renumbering_at(self.renumberings, retries.renumbering - 1)
            self.free_renumbering = row.next_free
            row.next_free = 0
            return True
        if self.renumbering_count >= self.most_renumberings:
            return False
        self.renumbering_count += 1
        retries.renumbering = self.renumbering_count
        return True

    def has_order(self, connection: Any) -> bool:
        """Whether the connection has a row for the order of its segments."""
        return connection.aftermath and rows.aftermath_at(self.aftermaths, connection.aftermath - 1).order != 0

    def order_of(self, connection: Any) -> Any:
        """That row, which the connection must have."""
        return rows.order_at(self.orders, rows.aftermath_at(self.aftermaths, connection.aftermath - 1).order - 1)

    def new_order(self, connection: Any) -> bool:
        """Give the connection a row for the order of its segments, if it has none; False where there is no room."""
        if not self.new_aftermath(connection):
            return False
        aftermath = rows.aftermath_at(self.aftermaths, connection.aftermath - 1)
        if aftermath.order:
            return True
        if self.free_order:
            aftermath.order = self.free_order
            order = rows.order_at(self.orders, aftermath.order - 1)
            self.free_order = order.recover[0]
            order.recover[0] = 0
            return True
        if self.order_count >= self.most_orders:
            return False
        self.order_count += 1
        aftermath.order = self.order_count
        return True
