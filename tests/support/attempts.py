"""Attempts made of rows, without a capture: judges read columns, so a case is a row with the facts it is about."""

import numpy as np

from handshake_inspect.tcp import rows
from handshake_inspect.tcp.facts import FACT_SYN, TRAIT_SEEN
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.limits import Limits
from handshake_inspect.wire.address import address_halves

MS = 1_000_000
SECOND = 1_000 * MS
START = 1_700_000_000 * SECOND
LIMITS = Limits()


def attempts(*connections: dict, last_ns: int = START + 60 * SECOND, **fields) -> Attempts:
    """A row for each of these: names of columns, and `server`, `client`, `traits` (of the client, the server).

    The client is side 0 and both ends were seen; each attempt has a client port of its own, and began a millisecond
    after the one before.  Times may be given from START on.
    """
    count = len(connections)
    made = {
        kind: np.zeros(size, dtype=np.dtype(rows.ROWS[kind]))
        for kind, size in {"Connection": count, "Endpoint": 2 * count, "Alias": count, "Embryo": 0}.items()
    }
    retries = [wish["retries"] for wish in connections if "retries" in wish]
    kept = np.zeros(len(retries), dtype=np.dtype(rows.ROWS["Retries"]))
    for place, wish in enumerate(retries):
        for name, values in wish.items():
            kept[name][place][: len(values)] = values
    aftermaths = np.zeros(0, dtype=np.dtype(rows.ROWS["Aftermath"]))
    for i, wish in enumerate(connections):
        _fill(made["Connection"][i], made["Endpoint"][2 * i : 2 * i + 2], i, wish)
    numbered = [i for i, wish in enumerate(connections) if "retries" in wish]
    made["Connection"]["retries"][numbered] = np.arange(1, len(numbered) + 1)
    return Attempts(
        made["Connection"], made["Endpoint"], made["Alias"], kept, aftermaths, made["Embryo"], START, last_ns, LIMITS,
        **fields,
    )  # fmt: skip


def _fill(row, ends, number: int, wish: dict) -> None:
    wish = {
        "facts": FACT_SYN, "client": 0, "server": ("198.51.100.2", 80), "traits": (0, 0), "first_ns": number * MS,
    } | wish  # fmt: skip
    wish.pop("retries", None)
    row["in_use"], row["first_frame"], row["syn_count"] = 1, number + 1, 1
    row["hi0"], row["lo0"] = address_halves(wish.pop("from_", "192.0.2.1"))
    row["port0"] = 40000 + number
    address, row["port1"] = wish.pop("server")
    row["hi1"], row["lo1"] = address_halves(address)
    ends["traits"] = np.array(wish.pop("traits"), dtype=np.uint8) | TRAIT_SEEN
    wish.setdefault("syn_ns", wish["first_ns"])
    wish.setdefault(
        "last_ns",
        max(value for name, value in wish.items() if name.endswith("_ns") and "min" not in name and "max" not in name),
    )
    for name, value in wish.items():
        is_time = name.endswith("_ns") and not name.endswith(("min_ns", "max_ns"))
        row[name] = START + value if is_time else value
