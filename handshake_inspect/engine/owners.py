"""Whose bytes a record was decoded from, which only the pure build must know: see `decode/payload.py`."""

from typing import Any


def keep(owners: Any, at: int, record: Any, reader: Any) -> None:
    """Note that record `at` was decoded from the reader's buffer."""
    record.spare = at
    owners[at] = reader.buffer
