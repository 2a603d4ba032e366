"""What other protocols would have saved on connecting, as columns: estimates from the network round trip.

Counted are the round trips that would have been saved, R being one:

                                     TLS 1.3   resumption   early data   QUIC   QUIC, early data
    TLS 1.2, full                       R          R            -         2R          3R
    TLS 1.2, resumed or false start     0          0            -          R          2R
    TLS 1.3                             -          0            R          R          2R
    TLS 1.3, early data accepted        -          0            -          0           R

For a full TLS 1.3 handshake whose flights waited for a window, resumption would have saved those waits, because it
sends no certificates. -1 means not applicable. What reusing a connection would have saved is measured, not estimated.
"""

import numpy as np

from handshake_inspect.tcp.setup.facts import EXTRA_WINDOW, SETUP_PSK, SPAN_TLS
from handshake_inspect.verdicts.arrays import Times
from handshake_inspect.verdicts.setup.intervals import choose, exact
from handshake_inspect.verdicts.setup.seen import Seen
from handshake_inspect.verdicts.setup.spans import Spans

_NOT = -1  # does not apply
#            TLS 1.2 full, 1.2 short, 1.3, 1.3 with early data
_TRIPS = {
    "tls13_ns": (1, 0, _NOT, _NOT),
    "resumption_ns": (1, 0, 0, 0),
    "early_data_ns": (_NOT, _NOT, 1, _NOT),
    "quic_ns": (2, 1, 1, 0),
    "quic_early_data_ns": (3, 2, 2, 1),
}


def saveable(seen: Seen, spans: Spans) -> dict[str, Times]:
    """Return the columns of SAVEABLE; -1 if unknown or not applicable."""
    done = spans.handshake_end[0]
    place = np.where(seen.is_13, np.where(seen.early, 3, 2), np.where(seen.short, 1, 0))
    round_trip = seen.network.value
    columns = {"reuse_ns": reuse(spans)}
    for name, trips in _TRIPS.items():
        saved = np.array(trips)[place]
        columns[name] = np.where(done & (saved >= 0) & (round_trip >= 0), saved * round_trip, -1)
    pauses = spans.extras.cost(EXTRA_WINDOW, SPAN_TLS)
    paused = done & seen.is_13 & ~seen.flag(SETUP_PSK) & (pauses >= 0)
    columns["resumption_ns"] = np.where(paused, pauses, columns["resumption_ns"])
    return columns


def reuse(spans: Spans) -> Times:
    """Return the time until the client could have sent its request; without TLS that of the TCP handshake.

    Accepted early data does not wait for the end of TLS.
    """
    seen = spans.seen
    ready = choose(seen.early, exact(seen.time("hello"), seen.there("hello")), spans.may_ask)
    return ready.where(seen.opened).since(seen.of("syn_ns")).value
