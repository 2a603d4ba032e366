"""The figures of RFC 9293, line by line: the states of both ends after each segment that passed the capture point.

A line is `sender  segment  | state of A, state of B`.  What a passive observer knows differs from the figures in one
way: a listener that has sent nothing is unknown from a closed port, so it is CLOSED here where the figure says
LISTEN, and where it says SYN-RECEIVED for a SYN that only just arrived.
The capture is cut behind every line, so nothing is learnt from what follows.
"""

import re

import pytest
from support import captures, frames
from support.wire import MS, SECOND, START, report_of, states

from handshake_inspect.tcp.transitions import Event, TcpState, next_state

A, B = ("192.0.2.1", 40000), ("198.51.100.2", 443)
FLAGS = {"SYN": frames.SYN, "ACK": frames.ACK, "FIN": frames.FIN, "RST": frames.RST}
LINE = re.compile(r"([AB]) *<SEQ=(\d+)>(?:<ACK=(\d+)>)?(?:<DATA=(\d+)>)?<CTL=([A-Z,]+)> *\| *(\w+) +(\w+)$")


def frame(match, ident=0):
    """Numbered by `ident`, as hosts number packets: without it a SYN sent twice within 10 ms passes for one doubled."""
    sender, seq, ack, size, flags = match.group(1, 2, 3, 4, 5)
    ends = (A, B) if sender == "A" else (B, A)
    bits = sum(FLAGS[flag] for flag in flags.split(","))
    return frames.segment(*ends, bits, seq=int(seq), ack=int(ack or 0), payload=b"x" * int(size or 0), ident=ident)


def walk(figure, step_ns=10 * MS):
    """For every line: what the figure says, the report of the capture cut behind that line, and the line itself."""
    taken = []
    for text in filter(None, map(str.strip, figure.splitlines())):
        match = LINE.match(text)
        assert match, text
        taken.append((START + len(taken) * step_ns, frame(match, 1 + len(taken))))
        yield match.group(6, 7), report_of(captures.pcap(taken))["connections"], text


def check(figure, first="A"):
    """Hold the last connection of the capture to every line; returns all connections at the end."""
    connections = []
    for wanted, connections, text in walk(figure):
        latest = connections[-1]
        is_first = latest["client"] == {"ip": A[0], "port": A[1]}
        found = states(latest) if is_first == (first == "A") else states(latest)[::-1]
        assert found == wanted, text
    return connections


def test_figure_6_basic_three_way_handshake():
    (connection,) = check(
        """
        A <SEQ=100><CTL=SYN>                    | SYN_SENT    CLOSED
        B <SEQ=300><ACK=101><CTL=SYN,ACK>       | ESTABLISHED SYN_RECEIVED
        A <SEQ=101><ACK=301><CTL=ACK>           | ESTABLISHED ESTABLISHED
        A <SEQ=101><ACK=301><DATA=10><CTL=ACK>  | ESTABLISHED ESTABLISHED
        """
    )
    assert connection["outcome"] == "established"


def test_figure_6_without_the_bare_ack():
    """The data may complete the handshake: the ACK of line 4 does not occupy sequence number space."""
    (connection,) = check(
        """
        A <SEQ=100><CTL=SYN>                    | SYN_SENT    CLOSED
        B <SEQ=300><ACK=101><CTL=SYN,ACK>       | ESTABLISHED SYN_RECEIVED
        A <SEQ=101><ACK=301><DATA=10><CTL=ACK>  | ESTABLISHED ESTABLISHED
        """
    )
    assert connection["outcome"] == "established"


def test_figure_7_simultaneous_open():
    """Seen in the middle of the path, where the SYNs cross: each has arrived when the other end answers it."""
    (connection,) = check(
        """
        A <SEQ=100><CTL=SYN>                | SYN_SENT     CLOSED
        B <SEQ=300><CTL=SYN>                | SYN_RECEIVED SYN_RECEIVED
        A <SEQ=100><ACK=301><CTL=SYN,ACK>   | SYN_RECEIVED ESTABLISHED
        B <SEQ=300><ACK=101><CTL=SYN,ACK>   | ESTABLISHED  ESTABLISHED
        """
    )
    assert (connection["outcome"], connection["cause"]) == ("established", None)


def test_figure_7_seen_beside_a():
    """A's SYN-ACK (line 5) leaves before that of B (line 6) arrives."""
    check(
        """
        A <SEQ=100><CTL=SYN>                | SYN_SENT     CLOSED
        B <SEQ=300><CTL=SYN>                | SYN_RECEIVED SYN_RECEIVED
        B <SEQ=300><ACK=101><CTL=SYN,ACK>   | ESTABLISHED  SYN_RECEIVED
        A <SEQ=100><ACK=301><CTL=SYN,ACK>   | ESTABLISHED  ESTABLISHED
        """
    )


def test_figure_8_recovery_from_old_duplicate_syn_seen_beside_a():
    """The duplicate is under way elsewhere: A sees a SYN-ACK that does not answer its SYN, and resets that."""
    (connection,) = check(
        """
        A <SEQ=100><CTL=SYN>                | SYN_SENT    CLOSED
        B <SEQ=300><ACK=91><CTL=SYN,ACK>    | SYN_SENT    CLOSED
        A <SEQ=91><CTL=RST>                 | SYN_SENT    CLOSED
        B <SEQ=400><ACK=101><CTL=SYN,ACK>   | ESTABLISHED SYN_RECEIVED
        A <SEQ=101><ACK=401><CTL=ACK>       | ESTABLISHED ESTABLISHED
        """
    )
    assert connection["outcome"] == "established"
    assert connection["handshake"]["server_isn"] == 400
    assert connection["handshake"]["synack_frame"] == 4


def test_figure_8_seen_beside_b():
    """B meets two SYNs with different ISNs: an attempt that its client reset, and one that succeeds."""
    duplicate, real = check(
        """
        A <SEQ=90><CTL=SYN>                 | SYN_SENT    CLOSED
        B <SEQ=300><ACK=91><CTL=SYN,ACK>    | ESTABLISHED SYN_RECEIVED
        A <SEQ=91><CTL=RST>                 | CLOSED      CLOSED
        A <SEQ=100><CTL=SYN>                | SYN_SENT    CLOSED
        B <SEQ=400><ACK=101><CTL=SYN,ACK>   | ESTABLISHED SYN_RECEIVED
        A <SEQ=101><ACK=401><CTL=ACK>       | ESTABLISHED ESTABLISHED
        """
    )
    assert (duplicate["outcome"], real["outcome"]) == ("aborted", "established")
    assert (duplicate["handshake"]["client_isn"], real["handshake"]["client_isn"]) == (90, 100)


def test_figure_9_half_open_connection_discovery():
    """A lost its memory and opens again: B's ACK of the old connection draws a RST, and the SYN comes again.

    Lines 1 and 2 are the past: one segment of B shows that it holds the connection.
    """
    *_, old, new = check(
        """
        B <SEQ=290><ACK=100><DATA=10><CTL=ACK>   | ESTABLISHED ESTABLISHED
        A <SEQ=400><CTL=SYN>                     | ESTABLISHED ESTABLISHED
        B <SEQ=300><ACK=100><CTL=ACK>            | ESTABLISHED ESTABLISHED
        A <SEQ=100><CTL=RST>                     | CLOSED      CLOSED
        A <SEQ=400><CTL=SYN>                     | SYN_SENT    CLOSED
        B <SEQ=900><ACK=401><CTL=SYN,ACK>        | ESTABLISHED SYN_RECEIVED
        """
    )
    assert old["outcome"] == "midstream"
    assert old["close"]["how"] == "rst"
    assert old["close"]["reset_by"] == "client"
    assert new["handshake"]["client_isn"] == 400


def test_figure_9_after_a_handshake_that_the_capture_holds():
    """As above with B's connection seen from its beginning."""
    old, new = check(
        """
        A <SEQ=99><CTL=SYN>                 | SYN_SENT    CLOSED
        B <SEQ=299><ACK=100><CTL=SYN,ACK>   | ESTABLISHED SYN_RECEIVED
        A <SEQ=100><ACK=300><CTL=ACK>       | ESTABLISHED ESTABLISHED
        A <SEQ=400><CTL=SYN>                | ESTABLISHED ESTABLISHED
        B <SEQ=300><ACK=100><CTL=ACK>       | ESTABLISHED ESTABLISHED
        A <SEQ=100><CTL=RST>                | CLOSED      CLOSED
        A <SEQ=400><CTL=SYN>                | SYN_SENT    CLOSED
        """
    )
    assert (old["outcome"], old["cause"]) == ("established", "reset-by-client")
    assert new["outcome"] == "pending"
    assert new["handshake"]["syn_count"] == 2, "the SYN that drew the challenge is the same attempt"


def test_figure_10_active_side_causes_half_open_connection_discovery():
    """B sends data to an A that knows of nothing, and draws a bare RST."""
    (connection,) = check(
        """
        B <SEQ=300><ACK=100><DATA=10><CTL=ACK>  | ESTABLISHED ESTABLISHED
        A <SEQ=100><CTL=RST>                    | CLOSED      CLOSED
        """
    )
    assert connection["outcome"] == "midstream"
    assert connection["close"] == {"how": "rst", "first": "client", "reset_by": "client"}


def test_figure_11_old_duplicate_syn_initiates_a_reset_on_two_passive_sockets():
    """Nobody opened: the SYN is a ghost, and A's host resets what B answers."""
    (connection,) = check(
        """
        A <SEQ=90><CTL=SYN>                 | SYN_SENT    CLOSED
        B <SEQ=300><ACK=91><CTL=SYN,ACK>    | ESTABLISHED SYN_RECEIVED
        A <SEQ=91><CTL=RST>                 | CLOSED      CLOSED
        """
    )
    assert connection["outcome"] == "aborted"
    assert connection["close"]["reset_by"] == "client"


OPEN = """
        A <SEQ=99><CTL=SYN>                 | SYN_SENT    CLOSED
        B <SEQ=299><ACK=100><CTL=SYN,ACK>   | ESTABLISHED SYN_RECEIVED
        A <SEQ=100><ACK=300><CTL=ACK>       | ESTABLISHED ESTABLISHED
"""
FIGURE_12 = """
        A <SEQ=100><ACK=300><CTL=FIN,ACK>   | FIN_WAIT_1  CLOSE_WAIT
        B <SEQ=300><ACK=101><CTL=ACK>       | FIN_WAIT_2  CLOSE_WAIT
        B <SEQ=300><ACK=101><CTL=FIN,ACK>   | TIME_WAIT   LAST_ACK
        A <SEQ=101><ACK=301><CTL=ACK>       | TIME_WAIT   CLOSED
"""
FIGURE_13 = """
        A <SEQ=100><ACK=300><CTL=FIN,ACK>   | FIN_WAIT_1  CLOSE_WAIT
        B <SEQ=300><ACK=100><CTL=FIN,ACK>   | CLOSING     CLOSING
        A <SEQ=101><ACK=301><CTL=ACK>       | CLOSING     TIME_WAIT
        B <SEQ=301><ACK=101><CTL=ACK>       | TIME_WAIT   TIME_WAIT
"""


def test_figure_12_normal_close_sequence():
    (connection,) = check(OPEN + FIGURE_12)
    assert connection["close"] == {"how": "fin", "first": "client", "reset_by": None}


def test_figure_13_simultaneous_close_sequence():
    """A's FIN is believed to have arrived until that of B shows, by what it acknowledges, that it had not."""
    (connection,) = check(OPEN + FIGURE_13)
    assert connection["close"] == {"how": "fin", "first": "client", "reset_by": None}


@pytest.mark.parametrize(
    ("figure", "last"), [(FIGURE_12, ("TIME_WAIT", "CLOSED")), (FIGURE_13, ("TIME_WAIT", "TIME_WAIT"))]
)
def test_two_msl_after_the_close_nothing_is_left(figure, last):
    taken = [(START, frame(LINE.match(text.strip()))) for text in (OPEN + figure).splitlines() if text.strip()]
    almost = [*taken, (START + 60 * SECOND - MS, frames.udp())]
    over = [*taken, (START + 60 * SECOND, frames.udp())]
    assert states(report_of(captures.pcap(almost))["connections"][0]) == last
    assert states(report_of(captures.pcap(over))["connections"][0]) == ("CLOSED", "CLOSED")


S, E = TcpState, Event
# (figure, end) -> the way of that end through the table: every event with the state that the figure gives after it.
WAYS = {
    "6 A": [S.CLOSED, (E.SENT_SYN, S.SYN_SENT), (E.GOT_SYN_ACK, S.ESTABLISHED), (E.SENT_ACK, S.ESTABLISHED)],
    "6 B": [
        S.LISTEN, (E.GOT_SYN, S.SYN_RECEIVED), (E.SENT_SYN_ACK, S.SYN_RECEIVED), (E.GOT_ACK_OF_SYN, S.ESTABLISHED),
    ],
    "7 A": [
        S.CLOSED, (E.SENT_SYN, S.SYN_SENT), (E.GOT_SYN, S.SYN_RECEIVED), (E.SENT_SYN_ACK, S.SYN_RECEIVED),
        (E.GOT_SYN_ACK, S.ESTABLISHED),
    ],
    "7 B": [S.CLOSED, (E.SENT_SYN, S.SYN_SENT), (E.GOT_SYN, S.SYN_RECEIVED), (E.GOT_SYN_ACK, S.ESTABLISHED)],
    "9 A": [S.CLOSED, (E.SENT_SYN, S.SYN_SENT), (E.SENT_SYN, S.SYN_SENT)],
    "9 B": [S.ESTABLISHED, (E.GOT_SYN, S.ESTABLISHED), (E.SENT_ACK, S.ESTABLISHED), (E.GOT_RST, S.CLOSED)],
    "10 B": [S.ESTABLISHED, (E.SENT_ACK, S.ESTABLISHED), (E.GOT_RST, S.CLOSED)],
    "12 A": [
        S.ESTABLISHED, (E.SENT_FIN, S.FIN_WAIT_1), (E.GOT_ACK_OF_FIN, S.FIN_WAIT_2), (E.GOT_FIN, S.TIME_WAIT),
        (E.SENT_ACK, S.TIME_WAIT), (E.TWO_MSL, S.CLOSED),
    ],
    "12 B": [
        S.ESTABLISHED, (E.GOT_FIN, S.CLOSE_WAIT), (E.SENT_ACK, S.CLOSE_WAIT), (E.SENT_FIN, S.LAST_ACK),
        (E.GOT_ACK_OF_FIN, S.CLOSED),
    ],
    "13": [
        S.ESTABLISHED, (E.SENT_FIN, S.FIN_WAIT_1), (E.GOT_FIN, S.CLOSING), (E.SENT_ACK, S.CLOSING),
        (E.GOT_ACK_OF_FIN, S.TIME_WAIT), (E.TWO_MSL, S.CLOSED),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", WAYS)
def test_the_table_walks_the_figure(name):
    state, *steps = WAYS[name]
    for event, wanted in steps:
        state = next_state(event, state)
        assert state is wanted, event.name
