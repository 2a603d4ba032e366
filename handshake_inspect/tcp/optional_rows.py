"""Allocate the rows that few connections need: `Retries`, `Aftermath`, `Order` and `Renumbering`.

A connection gets such a row when the need arises, and refers to it by 1 + row number; 0 means none.  Freed rows form a
linked list for reuse.
"""

from typing import Any

from handshake_inspect.tcp import row_memory, rows
from handshake_inspect.tcp.index import Index
from handshake_inspect.tcp.limits import MIN_ROWS

FEW_ORDERS = 4096  # the minimum, whose cost is negligible


class OptionalRows(Index):
    """The optional rows of each kind, and their free lists."""

    def __init__(self) -> None:
        """Create the index without any rows."""
        Index.__init__(self)
        self.limit = 0
        self.retry_count = 0  # rows ever used, including free ones
        self.aftermath_count = 0
        self.order_count = 0
        self.renumbering_count = 0
        self.free_retries = 0  # 1 + the row freed last; its `syn_frame[0]` is the next
        self.free_aftermath = 0  # as above; its `order` is the next
        self.free_order = 0  # as above; its `recover[0]` is the next
        self.free_renumbering = 0  # as above; its `next_free` is the next

    def reserve_retries(self) -> None:
        """Reserve `Retries` rows, which every attempt may need; raise MemoryError if the system refuses."""
        self.retry_rows = row_memory.reserve("Retries", self.limit)

    def reserve_optional(self) -> None:
        """Reserve the other kinds, in the number that `limit` connections may need."""
        self.most_orders = max(self.limit // row_memory.RARE_SHARE, min(self.limit, FEW_ORDERS))
        self.most_renumberings = max(self.limit // row_memory.RARE_SHARE, MIN_ROWS)
        self.aftermath_rows = row_memory.reserve("Aftermath", self.limit)
        self.order_rows = row_memory.reserve("Order", self.most_orders)
        self.renumbering_rows = row_memory.reserve("Renumbering", self.most_renumberings)
        self.retries = rows.retries_of(self.retry_rows)
        self.aftermaths = rows.aftermaths_of(self.aftermath_rows)
        self.orders = rows.orders_of(self.order_rows)
        self.renumberings = rows.renumberings_of(self.renumbering_rows)

    def new_retries(self, connection: Any) -> bool:
        """Ensure that the connection has a `Retries` row; return False if none is free."""
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
        """Free a `Retries` row and its `Renumbering` row."""
        renumbering = rows.retries_at(self.retries, i).renumbering
        if renumbering:
            rows.clear_renumbering(self.renumberings, renumbering - 1)
            rows.renumbering_at(self.renumberings, renumbering - 1).next_free = self.free_renumbering
            self.free_renumbering = renumbering
        rows.clear_retries(self.retries, i)
        rows.retries_at(self.retries, i).syn_frame[0] = self.free_retries
        self.free_retries = i + 1

    def new_aftermath(self, connection: Any) -> bool:
        """Ensure that the connection has an `Aftermath` row; return False if none is free."""
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
        """Free an `Aftermath` row and its `Order` row."""
        order = rows.aftermath_at(self.aftermaths, i).order
        if order:
            rows.clear_order(self.orders, order - 1)
            rows.order_at(self.orders, order - 1).recover[0] = self.free_order
            self.free_order = order
        rows.clear_aftermath(self.aftermaths, i)
        rows.aftermath_at(self.aftermaths, i).order = self.free_aftermath
        self.free_aftermath = i + 1

    def new_renumbering(self, connection: Any) -> bool:
        """Ensure that the connection has a `Renumbering` row; return False if none is free."""
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
        """Return True if the connection has an `Order` row."""
        return connection.aftermath and rows.aftermath_at(self.aftermaths, connection.aftermath - 1).order != 0

    def order_of(self, connection: Any) -> Any:
        """Return the `Order` row of a connection that has one."""
        return rows.order_at(self.orders, rows.aftermath_at(self.aftermaths, connection.aftermath - 1).order - 1)

    def new_order(self, connection: Any) -> bool:
        """Ensure that the connection has an `Order` row; return False if none is free."""
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
