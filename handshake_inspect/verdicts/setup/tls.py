"""Outcomes of TLS handshakes, as columns."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import FACT_RST, TRAIT_FIN
from handshake_inspect.tcp.setup.facts import (
    SETUP_ALERT,
    SETUP_ALERT_ENCRYPTED,
    SETUP_ALERT_LATE,
    SETUP_ALERT_SERVER,
    SETUP_CERTIFICATE_SENT,
    SETUP_CERTIFICATE_WITHHELD,
    SETUP_CLIENT_FINISHED,
    SETUP_EARLY_ENDED,
    SETUP_EARLY_OFFERED,
    SETUP_EARLY_SENT,
    SETUP_FALSE_START,
    SETUP_FIRST_HELLO,
    SETUP_HELLO_RETRY,
    SETUP_HOLE,
    SETUP_MALFORMED,
    SETUP_NOT_TLS,
    SETUP_PSK,
    SETUP_SERVER_CHANGED,
    SETUP_SERVER_FINISHED,
    SETUP_SERVER_HELLO,
    SETUP_SERVER_TLS,
)
from handshake_inspect.verdicts.arrays import Bools, Codes
from handshake_inspect.verdicts.masks import first_match
from handshake_inspect.verdicts.setup.seen import Seen
from handshake_inspect.verdicts.setup.words import (
    TLS_ESTABLISHED,
    TLS_FAILED,
    TLS_NO_ANSWER,
    TLS_NOT_TLS,
    TLS_PENDING,
    TLS_UNKNOWN,
)

PENDING_NS = 3_000_000_000  # a handshake active this shortly before the end of the capture may still complete
LEAST_TRIP = 0.9  # share of the round trip to the server, which varies


def outcomes(seen: Seen) -> Codes:
    """Return the outcome of each handshake, as indices in TLS_OUTCOMES; meaningless without a ClientHello."""
    alert = has_alert(seen)
    completed = has_completed(seen)
    refused = is_doubted(seen)
    if refused.any():
        refused &= seen.flag(SETUP_ALERT_SERVER) & ~seen.there("response") & ~is_close_notify(seen)
    by_server, by_client = has_ended(seen, client=False), has_ended(seen, client=True)
    patient = seen.trace.last_ns - seen.of("last_ns") >= PENDING_NS
    over = by_server | by_client | patient
    unread = seen.unread | seen.flag(SETUP_MALFORMED)
    rules: list[tuple[Any, Any]] = [
        (seen.flag(SETUP_NOT_TLS), TLS_NOT_TLS),
        (refused, TLS_UNKNOWN),
        (completed & ~alert, TLS_ESTABLISHED),
        (alert, TLS_FAILED),
        (unread | seen.unseen | seen.unseen_client | seen.lacking, TLS_UNKNOWN),
        (~seen.flag(SETUP_SERVER_TLS) & by_server, TLS_FAILED),
        (~seen.flag(SETUP_SERVER_TLS) & over, TLS_NO_ANSWER),
        (over, TLS_FAILED),
    ]
    return first_match(rules, TLS_PENDING, len(seen))


def has_alert(seen: Seen) -> Bools:
    """Return a mask: an alert ended the handshake. After a hole, an encrypted alert may be a close_notify instead."""
    alert = seen.flag(SETUP_ALERT)
    return alert & ~is_doubted(seen) & ~is_close_notify(seen) if alert.any() else alert


def is_doubted(seen: Seen) -> Bools:
    """Return a mask: an encrypted alert may be a close_notify after a response that the capture lacks."""
    encrypted = seen.flag(SETUP_ALERT_ENCRYPTED)
    if not encrypted.any():
        return encrypted
    lacks = seen.flag(SETUP_HOLE | SETUP_MALFORMED) | seen.lacking | seen.unseen | seen.unseen_client
    return encrypted & lacks


def is_close_notify(seen: Seen) -> Bools:
    """Return a mask: an encrypted alert is a close_notify, since its sender considered the handshake complete.

    The client shows that by its Finished, a TLS 1.2 server by its own, a TLS 1.3 server by a session ticket. Nor does
    an end that closes after the client reject it: only an alert that follows the client's FIN sooner than the server
    can have received that is no answer to it.
    """
    late = seen.flag(SETUP_ALERT_LATE) & seen.flag(SETUP_ALERT_ENCRYPTED) & has_completed(seen)
    left = (seen.of("fin_ns") != 0) & (seen.of("fin_side") == seen.of("client"))
    left &= seen["alert_ns"] - seen.of("fin_ns") >= np.maximum(seen.to_server.low, 0) * LEAST_TRIP
    took = seen.is_12 | (seen["ticket_length"] != 0)
    return late & (~seen.flag(SETUP_ALERT_SERVER) | left | took)


def has_completed(seen: Seen) -> Bools:
    """Return a mask: the handshake completed for the client and, as far as the capture shows, for the server."""
    both: Bools = seen["flags"] & (SETUP_CLIENT_FINISHED | SETUP_SERVER_FINISHED) != 0
    client, server = seen.flag(SETUP_CLIENT_FINISHED), seen.flag(SETUP_SERVER_FINISHED)
    return both & client & (seen.is_13 | server)


def has_ended(seen: Seen, *, client: bool) -> Bools:
    """Return a mask: this end closed or reset the connection."""
    mine = seen.of("client") if client else seen.of("client") ^ 1
    reset = seen.fact(FACT_RST) & (seen.of("rst_side") == mine)
    fin: Bools = seen.end("traits", client=client) & TRAIT_FIN != 0
    return reset | fin


def kinds(seen: Seen) -> NDArray[np.int64]:
    """Return full or resumed, as indices in TLS_KINDS, -1 if unknown."""
    changed = seen.flag(SETUP_SERVER_CHANGED) & (seen["certified"] == 0)
    resumed = np.where(seen.is_13, seen.flag(SETUP_PSK), changed)
    whole = seen.is_13 & (seen["cipher"] != 0)  # otherwise the snap length cut ServerHello
    older = seen.is_12 & (seen.flag(SETUP_CLIENT_FINISHED) | (seen["certified"] != 0))
    known = seen.flag(SETUP_SERVER_HELLO) & (whole | older)
    return np.where(known, resumed.astype(np.int64), -1)


def early_data(seen: Seen) -> NDArray[np.int64]:
    """Return what became of early data, as indices in EARLY_DATA, -1 if none was offered."""
    offered = seen.flag(SETUP_EARLY_OFFERED | SETUP_EARLY_SENT | SETUP_EARLY_ENDED)
    refused = seen.flag(SETUP_HELLO_RETRY) | (seen.flag(SETUP_CLIENT_FINISHED) & seen.flag(SETUP_SERVER_HELLO))
    rules = [(~offered, 3), (seen.flag(SETUP_EARLY_ENDED), 0), (refused, 1)]
    codes = first_match(rules, 2, len(seen)).astype(np.int64)
    return np.where(codes == 3, -1, codes)


def asks_again(seen: Seen) -> tuple[Bools, Bools]:
    """Return two masks: the server sent a HelloRetryRequest, and the capture shows whether it did.

    Only TLS 1.3 has it (RFC 8446 section 4.1.4). If the first ClientHello is missing, a HelloRetryRequest before
    ServerHello may be, too.
    """
    retried = seen.flag(SETUP_HELLO_RETRY)
    answered = seen.flag(SETUP_SERVER_HELLO)
    begun = seen.there("hello") | seen.flag(SETUP_FIRST_HELLO) | seen.is_12
    shown = np.where(answered, begun, ~(seen.unread | seen.unseen | seen.lacking))
    return retried, retried | shown


def starts_early(seen: Seen) -> tuple[Bools, Bools]:
    """Return two masks: the client made a false start (RFC 7918), and the capture shows whether it did.

    It then sends its request before it has the server's Finished; only TLS 1.2 and older have it.
    """
    early = seen.flag(SETUP_FALSE_START)
    waited = seen.there("request") & seen.there("server_finished")
    waited &= seen.time("server_finished") <= seen.time("request")
    older = seen.is_12 | (seen["version"] == 0)
    gaps = seen.unread | seen.unseen | seen.lacking
    return early, early | ~older | waited | ~gaps


def client_certificates(seen: Seen) -> NDArray[np.int64]:
    """Return what the client sent, as indices in CLIENT_CERTIFICATES, -1 if no certificate was requested."""
    rules = [(seen.flag(SETUP_CERTIFICATE_SENT), 0), (seen.flag(SETUP_CERTIFICATE_WITHHELD), 1)]
    codes = first_match(rules, 2, len(seen)).astype(np.int64)
    return np.where(codes == 2, -1, codes)
