"""What QUIC connections paid on top of the round trip of their handshake, for `tls-extra-round-trip`."""

import numpy as np

from handshake_inspect.quic.quic_rows import STALLS
from handshake_inspect.verdicts.arrays import Times
from handshake_inspect.verdicts.quic.quics import Quics


def costs(quics: Quics) -> dict[str, Times]:
    """What each connection paid, by reason; -1 for nothing."""
    rows = quics.rows
    first, second, third = (rows[name].astype(np.int64) for name in ("first_ns", "second_ns", "third_ns"))
    begun = np.where(third > 0, third - second, second - first)
    retried = (rows["retry_ns"] > 0) & (second > 0) & ((third > 0) | (rows["negotiation_ns"] == 0))
    reply = rows["reply_ns"].astype(np.int64) - first
    return {
        "hello-retry": np.where(quics.asked_again & (reply > 0), reply, -1),
        "amplification": amplification(quics),
        "retry": np.where(retried, begun, -1),
    }


def amplification(quics: Quics) -> Times:
    """How long the servers waited in all for the address of a client to be proved."""
    rows = quics.rows
    paused = (np.arange(STALLS) < rows["stalls"][:, None]) & ~quics.stalled_by_loss
    total = np.where(paused, rows["stall_ns"], 0).sum(axis=1)
    return np.where(paused.any(axis=1), total, -1)
