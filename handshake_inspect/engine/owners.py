"""Remember the buffer that each record was decoded from; only the pure build needs it, see `decode/payload.py`."""

from typing import Any


def keep(owners: Any, at: int, record: Any, reader: Any) -> None:
    """Remember that record `at` was decoded from the reader's buffer."""
    record.batch_slot = at
    owners[at] = reader.buffer
