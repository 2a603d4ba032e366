"""The TCP state machine of RFC 9293 as a table: how an endpoint's own segments and its peer's change its state.

The table does not distinguish client and server.  Every segment is two events: *sent* for its sender and *arrived* for
the peer.  An observer sees what was sent, not what arrived.  A sent segment proves the state of its sender (RFC 9293
section 3.10); an arrival is an assumption, withdrawn when a retransmission shows that the segment, or the answer to it,
was lost.  `WITHDRAWN` has the transitions for that.

A passive observer cannot see a silent listener: an endpoint is CLOSED until it has sent something, so (CLOSED, SYN
arrived) stays CLOSED, while (LISTEN, SYN arrived) gives SYN_RECEIVED as in the RFC's figure 6.

The tracker uses `packed()`: one byte per (event, state).  `diagram()` prints the table for the docs.
"""

from enum import IntEnum


class TcpState(IntEnum):
    """The states of RFC 9293 section 3.3.2."""

    CLOSED = 0
    LISTEN = 1
    SYN_SENT = 2
    SYN_RECEIVED = 3
    ESTABLISHED = 4
    FIN_WAIT_1 = 5
    FIN_WAIT_2 = 6
    CLOSE_WAIT = 7
    CLOSING = 8
    LAST_ACK = 9
    TIME_WAIT = 10


class Event(IntEnum):
    """The events that change an endpoint's state, as far as an observer sees them."""

    SENT_SYN = 0
    SENT_SYN_ACK = 1
    SENT_ACK = 2  # with ACK, without SYN and RST, not a challenge ACK: proves a synchronized state
    SENT_FIN = 3
    SENT_RST = 4
    GOT_SYN = 5
    GOT_SYN_ACK = 6  # one that acknowledges its SYN
    GOT_ACK_OF_SYN = 7
    GOT_FIN = 8
    GOT_ACK_OF_FIN = 9
    GOT_RST = 10  # one that is acceptable in its state
    GOT_ERROR = 11  # an ICMP error for its SYN
    TWO_MSL = 12
    SYN_ACK_WAS_LOST = 13  # this and the following withdraw an assumption: see the module docstring
    ACK_OF_SYN_WAS_LOST = 14
    FIN_WAS_LOST = 15
    ACK_OF_FIN_WAS_LOST = 16
    PROVED_OPEN = 17  # sent something that requires a synchronized state, although no opening was captured
    NO_FIN = 18  # what seemed to be its FIN was data
    SYN_WAS_LOST = 19  # the SYN that crossed its own: it repeats a plain SYN


# The same as plain integers for compiled modules; `transitions.pxd` declares them as literals.
CLOSED = int(TcpState.CLOSED)
SYN_SENT = int(TcpState.SYN_SENT)
SYN_RECEIVED = int(TcpState.SYN_RECEIVED)
ESTABLISHED = int(TcpState.ESTABLISHED)
FIN_WAIT_1 = int(TcpState.FIN_WAIT_1)
FIN_WAIT_2 = int(TcpState.FIN_WAIT_2)
CLOSE_WAIT = int(TcpState.CLOSE_WAIT)
LAST_ACK = int(TcpState.LAST_ACK)
TIME_WAIT = int(TcpState.TIME_WAIT)
SENT_SYN = int(Event.SENT_SYN)
SENT_SYN_ACK = int(Event.SENT_SYN_ACK)
SENT_ACK = int(Event.SENT_ACK)
SENT_FIN = int(Event.SENT_FIN)
SENT_RST = int(Event.SENT_RST)
GOT_SYN = int(Event.GOT_SYN)
GOT_SYN_ACK = int(Event.GOT_SYN_ACK)
GOT_ACK_OF_SYN = int(Event.GOT_ACK_OF_SYN)
GOT_FIN = int(Event.GOT_FIN)
GOT_ACK_OF_FIN = int(Event.GOT_ACK_OF_FIN)
GOT_RST = int(Event.GOT_RST)
GOT_ERROR = int(Event.GOT_ERROR)
SYN_ACK_WAS_LOST = int(Event.SYN_ACK_WAS_LOST)
ACK_OF_SYN_WAS_LOST = int(Event.ACK_OF_SYN_WAS_LOST)
FIN_WAS_LOST = int(Event.FIN_WAS_LOST)
ACK_OF_FIN_WAS_LOST = int(Event.ACK_OF_FIN_WAS_LOST)
PROVED_OPEN = int(Event.PROVED_OPEN)
NO_FIN = int(Event.NO_FIN)
SYN_WAS_LOST = int(Event.SYN_WAS_LOST)

_S = TcpState
_E = Event

# (event, state) -> next state; pairs that are not listed change nothing.
TRANSITIONS: dict[tuple[Event, TcpState], TcpState] = {
    # active open (section 3.10.1), and a SYN that proves one
    (_E.SENT_SYN, _S.CLOSED): _S.SYN_SENT,
    (_E.SENT_SYN, _S.LISTEN): _S.SYN_SENT,
    (_E.SENT_SYN, _S.TIME_WAIT): _S.SYN_SENT,
    # passive open: the SYN-ACK proves that somebody listened
    (_E.GOT_SYN, _S.LISTEN): _S.SYN_RECEIVED,
    (_E.SENT_SYN_ACK, _S.CLOSED): _S.SYN_RECEIVED,
    (_E.SENT_SYN_ACK, _S.LISTEN): _S.SYN_RECEIVED,
    (_E.SENT_SYN_ACK, _S.TIME_WAIT): _S.SYN_RECEIVED,
    (_E.SENT_SYN_ACK, _S.ESTABLISHED): _S.SYN_RECEIVED,
    # simultaneous open (section 3.5, figure 7)
    (_E.GOT_SYN, _S.SYN_SENT): _S.SYN_RECEIVED,
    (_E.SENT_SYN_ACK, _S.SYN_SENT): _S.SYN_RECEIVED,
    # the handshake completes
    (_E.GOT_SYN_ACK, _S.SYN_SENT): _S.ESTABLISHED,
    (_E.GOT_SYN_ACK, _S.SYN_RECEIVED): _S.ESTABLISHED,
    (_E.GOT_ACK_OF_SYN, _S.SYN_RECEIVED): _S.ESTABLISHED,
    (_E.SENT_ACK, _S.SYN_SENT): _S.ESTABLISHED,
    (_E.SENT_ACK, _S.SYN_RECEIVED): _S.ESTABLISHED,
    # midstream: an endpoint that acknowledges is synchronized
    (_E.PROVED_OPEN, _S.CLOSED): _S.ESTABLISHED,
    # active close (section 3.6)
    (_E.SENT_FIN, _S.CLOSED): _S.FIN_WAIT_1,
    (_E.SENT_FIN, _S.SYN_RECEIVED): _S.FIN_WAIT_1,
    (_E.SENT_FIN, _S.ESTABLISHED): _S.FIN_WAIT_1,
    (_E.GOT_ACK_OF_FIN, _S.FIN_WAIT_1): _S.FIN_WAIT_2,
    (_E.GOT_FIN, _S.FIN_WAIT_1): _S.CLOSING,
    (_E.GOT_FIN, _S.FIN_WAIT_2): _S.TIME_WAIT,
    (_E.GOT_FIN, _S.TIME_WAIT): _S.TIME_WAIT,
    (_E.GOT_ACK_OF_FIN, _S.CLOSING): _S.TIME_WAIT,
    (_E.TWO_MSL, _S.TIME_WAIT): _S.CLOSED,
    # passive close
    (_E.GOT_FIN, _S.ESTABLISHED): _S.CLOSE_WAIT,
    (_E.SENT_FIN, _S.CLOSE_WAIT): _S.LAST_ACK,
    (_E.GOT_ACK_OF_FIN, _S.LAST_ACK): _S.CLOSED,
    # an ICMP error for the SYN ends the attempt (RFC 5461 section 4.1 explains why stacks do so); one that quotes the
    # SYN-ACK ends the request of Linux
    (_E.GOT_ERROR, _S.SYN_SENT): _S.CLOSED,
    (_E.GOT_ERROR, _S.SYN_RECEIVED): _S.CLOSED,
}

# In any state, a RST that is sent or accepted deletes the connection (section 3.10.7).
for _state in TcpState:
    TRANSITIONS[_E.SENT_RST, _state] = _S.CLOSED
    TRANSITIONS[_E.GOT_RST, _state] = _S.CLOSED

# Withdrawn assumptions.
WITHDRAWN: dict[tuple[Event, TcpState], TcpState] = {
    (_E.SYN_ACK_WAS_LOST, _S.ESTABLISHED): _S.SYN_SENT,
    (_E.ACK_OF_SYN_WAS_LOST, _S.ESTABLISHED): _S.SYN_RECEIVED,
    (_E.ACK_OF_SYN_WAS_LOST, _S.CLOSE_WAIT): _S.SYN_RECEIVED,
    (_E.SYN_WAS_LOST, _S.SYN_RECEIVED): _S.SYN_SENT,
    (_E.FIN_WAS_LOST, _S.CLOSE_WAIT): _S.ESTABLISHED,
    (_E.FIN_WAS_LOST, _S.LAST_ACK): _S.FIN_WAIT_1,
    (_E.FIN_WAS_LOST, _S.CLOSING): _S.FIN_WAIT_1,
    (_E.FIN_WAS_LOST, _S.TIME_WAIT): _S.FIN_WAIT_2,
    (_E.ACK_OF_FIN_WAS_LOST, _S.FIN_WAIT_2): _S.FIN_WAIT_1,
    (_E.ACK_OF_FIN_WAS_LOST, _S.TIME_WAIT): _S.CLOSING,
    (_E.ACK_OF_FIN_WAS_LOST, _S.CLOSED): _S.LAST_ACK,
    (_E.NO_FIN, _S.FIN_WAIT_1): _S.ESTABLISHED,
    (_E.NO_FIN, _S.FIN_WAIT_2): _S.ESTABLISHED,
    (_E.NO_FIN, _S.CLOSING): _S.CLOSE_WAIT,
    (_E.NO_FIN, _S.LAST_ACK): _S.CLOSE_WAIT,
    (_E.NO_FIN, _S.TIME_WAIT): _S.CLOSE_WAIT,
    (_E.NO_FIN, _S.CLOSED): _S.CLOSE_WAIT,
}

STATES = 16  # bytes per event in the packed table


def next_state(event: Event, state: TcpState) -> TcpState:
    """Return the state after `event`; unchanged if the table has no entry."""
    return (TRANSITIONS | WITHDRAWN).get((event, state), state)


def packed() -> bytes:
    """Return the table as bytes, indexed by `event * STATES + state`."""
    return b"".join(bytes(next_state(event, state) for state in TcpState).ljust(STATES, b"\0") for event in Event)


def diagram() -> str:
    """Return the table as Mermaid text for the docs: `state --> state: event`."""
    lines = ["stateDiagram-v2"]
    for (event, state), after in sorted(TRANSITIONS.items(), key=lambda row: (row[0][1], row[0][0])):
        if state != after and event not in {Event.SENT_RST, Event.GOT_RST}:
            lines.append(f"    {state.name} --> {after.name}: {event.name.lower().replace('_', ' ')}")
    return "\n".join(lines) + "\n"
