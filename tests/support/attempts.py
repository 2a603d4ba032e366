"""Attempts made of rows, without a capture: judges read columns, so a case is a row with the facts it is about."""

import numpy as np

from handshake_inspect.tcp import rows
from handshake_inspect.tcp.facts import FACT_SYN, TRAIT_SEEN
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.limits import Limits
from handshake_inspect.verdicts.lone_syns import LoneSyns
from handshake_inspect.wire.address import address_halves

MS = 1_000_000
SECOND = 1_000 * MS
START = 1_700_000_000 * SECOND
LIMITS = Limits()


def attempts(*connections: dict, last_ns: int = START + 60 * SECOND, **fields) -> Attempts:
    """A row for each of these: names of columns, and what is of both ends.

    `server` is address and port, `from_` the client's address; `traits`, `checks` and `seen` are pairs, the client's
    first, as are the other columns of both ends, in `ends`.  The client is side 0 and both ends were seen; each attempt
    has a client port of its own, and began a millisecond after the one before.  Times count from START.
    """
    count = len(connections)
    made = {
        kind: np.zeros(size, dtype=np.dtype(rows.ROWS[kind]))
        for kind, size in {"Connection": count, "Endpoint": 2 * count, "Alias": count}.items()
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
        made["Connection"], made["Endpoint"], made["Alias"], kept, aftermaths, LoneSyns.none(), START, last_ns,
        LIMITS, **fields,
    )  # fmt: skip


def _fill(row, ends, number: int, wish: dict) -> None:
    usual = {
        "facts": FACT_SYN, "client": 0, "server": ("198.51.100.2", 80), "from_": "192.0.2.1", "first_ns": number * MS,
        "traits": (0, 0), "checks": (0, 0), "seen": (1, 1), "in_use": 1, "first_frame": number + 1, "syn_count": 1,
        "port0": 40000 + number,
    }  # fmt: skip
    wish = usual | {name: value for name, value in wish.items() if name != "retries"}
    row["hi0"], row["lo0"] = address_halves(wish.pop("from_"))
    address, row["port1"] = wish.pop("server")
    row["hi1"], row["lo1"] = address_halves(address)
    ends["traits"] = np.array(wish.pop("traits")) | np.array(wish.pop("seen")) * TRAIT_SEEN
    ends["checks"] = wish.pop("checks")
    for name, values in wish.pop("ends", {}).items():
        ends[name] = values
    wish.setdefault("syn_ns", wish["first_ns"])
    times = {name for name in wish if name.endswith("_ns") and not name.endswith(("min_ns", "max_ns"))}
    row["last_ns"] = START + max(wish[name] for name in times)
    for name, value in wish.items():
        row[name] = START + value if name in times else value
