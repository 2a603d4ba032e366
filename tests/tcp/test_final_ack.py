"""The ACK that completes a handshake: which one it is, and what later ones, wrong ones and denials say."""

import pytest
from support import frames
from support.frames import CLIENT, CLIENT_ISN, SERVER, SERVER_ISN
from support.tracked import tracked
from support.wire import MS, SECOND, Wire, states

from handshake_inspect.tcp.facts import (
    CHECK_GOOD,
    FACT_ACKED,
    FACT_BOTH_ACKED,
    FACT_CHALLENGE_ACK,
    FACT_DATA_ACK,
    FACT_DEFERRED,
    FACT_LATER_ACK,
    TRAIT_ISS,
    TRAIT_SEEN,
)
from handshake_inspect.tcp.transitions import TcpState

OPENING = [frames.syn(), frames.syn_ack()]


def from_client(size=0, seq=0, ack=0, flags=frames.ACK, **words):
    """A segment of the client; numbers count from behind the SYNs."""
    words |= {"seq": CLIENT_ISN + 1 + seq, "ack": SERVER_ISN + 1 + ack, "payload": b"x" * size}
    return frames.segment(CLIENT, SERVER, flags, **words)


def from_server(size=0, seq=0, ack=0, flags=frames.ACK, **words):
    acknowledged = CLIENT_ISN + 1 + ack if flags & frames.ACK else 0
    words |= {"seq": SERVER_ISN + 1 + seq, "ack": acknowledged, "payload": b"x" * size}
    return frames.segment(SERVER, CLIENT, flags, **words)


def facts_of(*built):
    return tracked(*built).connection_rows[0].facts


# -- which ACK it is


@pytest.mark.parametrize("ack", [1, SERVER_ISN, SERVER_ISN + 2 + 64240])
def test_an_ack_of_what_the_server_never_sent_completes_nothing(ack):
    """Below or at its ISN, or beyond what fits into the window: it draws a RST (RFC 9293 section 3.10.7.4)."""
    facts = facts_of(*OPENING, frames.ack(CLIENT, SERVER, seq=CLIENT_ISN + 1, ack=ack))
    assert facts & (FACT_ACKED | FACT_CHALLENGE_ACK) == FACT_CHALLENGE_ACK


@pytest.mark.parametrize(
    ("offered", "accepted", "seq"), [(0, 0, 0), (0, 0, 1), (50, 0, 0), (50, 0, 50), (50, 50, 50), (50, 50, 51)]
)
@pytest.mark.parametrize(("server_sent", "ack"), [(0, 0), (100, 0), (100, 100)])
def test_an_ack_of_an_end_that_has_sent_more_is_a_later_one(offered, accepted, seq, server_sent, ack):
    """The final ACK has the numbers next to both ISNs, and to Fast Open data that the SYN-ACK accepted."""
    opening = [frames.syn(payload=b"x" * offered), frames.syn_ack(ack=CLIENT_ISN + 1 + accepted)]
    spoken = [from_server(server_sent, ack=accepted)] if server_sent else []
    facts = facts_of(*opening, *spoken, from_client(seq=seq, ack=ack))
    assert facts & FACT_ACKED
    assert bool(facts & FACT_LATER_ACK) == (seq > accepted or ack > 0)


@pytest.mark.parametrize("size", [0, 1, 100])
@pytest.mark.parametrize("opening", [OPENING, OPENING[:1]], ids=["", "one-sided"])
def test_the_final_ack_may_carry_data(opening, size):
    facts = facts_of(*opening, from_client(size))
    assert bool(facts & FACT_DATA_ACK) == (size > 0)


@pytest.mark.parametrize("taken", [SERVER_ISN, 900_000_000])
def test_of_two_isns_the_one_that_is_acknowledged_counts(taken):
    """A server that forgot its request renews the ISN; the other one is kept beside it."""
    other = SERVER_ISN + 900_000_000 - taken
    answers = [frames.syn_ack(ident=1), frames.syn_ack(seq=900_000_000, ident=2)]
    table = tracked(frames.syn(), *answers, frames.ack(CLIENT, SERVER, seq=CLIENT_ISN + 1, ack=taken + 1))
    connection, server = table.connection_rows[0], table.endpoint_rows[1]
    assert (server.iss, server.snd_nxt, server.contiguous) == (taken, taken + 1, taken + 1)
    assert connection.alternate_iss == other
    assert connection.facts & FACT_ACKED


@pytest.mark.parametrize(("ack", "both"), [(0, False), (10, False), (899_995_000, True)])
def test_which_end_also_acknowledges_the_other_isn(ack, both):
    """A connection seen before and behind a rewriter; an acknowledgment of what the server sends next proves none."""
    answers = [frames.syn_ack(ident=1), frames.syn_ack(seq=SERVER_ISN + 899_995_000, ident=2)]
    spoken = [from_client(ident=3), from_server(10, ident=4), from_client(5, ack=ack, ident=5)]
    assert bool(facts_of(frames.syn(), *answers, *spoken) & FACT_BOTH_ACKED) == both


@pytest.mark.parametrize(
    "spoken",
    [
        [*OPENING, from_client()],
        [*OPENING, frames.syn(ident=9), from_client()],
        [*OPENING, from_server(10)],
        [OPENING[0], from_client()],
    ],
    ids=["a handshake", "the client asked again", "no final ACK, but data", "no SYN-ACK"],
)
def test_which_ends_the_handshake_leaves_synchronized(spoken):
    """Who acknowledges the SYN-ACK has it, and who sends data behind it has its acknowledgment."""
    table = tracked(*spoken)
    assert [TcpState(table.endpoint_rows[at].state).name for at in (0, 1)] == ["ESTABLISHED", "ESTABLISHED"]


def test_an_ack_alone_says_where_its_server_is():
    server = tracked(frames.syn(), from_client()).endpoint_rows[1]
    assert (server.iss, server.snd_nxt, server.contiguous) == (SERVER_ISN, SERVER_ISN + 1, SERVER_ISN + 1)


def test_a_bare_ack_in_a_simultaneous_open_counts():
    table = tracked(frames.syn(), frames.syn(SERVER, CLIENT, seq=SERVER_ISN), from_client())
    assert table.endpoint_rows[0].last_ack == SERVER_ISN + 1
    assert [TcpState(table.endpoint_rows[at].state).name for at in (0, 1)] == ["ESTABLISHED", "ESTABLISHED"]


# -- a server that asks again


@pytest.mark.parametrize(
    ("answer", "count"),
    [
        ([from_client(ident=5)], 1),
        ([from_client(ident=5), from_client(ident=6)], 2),
        ([from_client(100, ident=5)], 0),
        ([from_server(10, ident=5), from_client(ack=10, ident=6)], 0),
    ],
    ids=["acknowledged", "twice", "data is no answer", "the server had gone on"],
)
def test_how_often_a_client_acknowledged_the_syn_ack_again(answer, count):
    assert tracked(*OPENING, from_client(ident=4), *answer).connection_rows[0].reack_count == 0
    asked_again = [frames.syn_ack(ident=ident) for ident in (1, 2)]
    table = tracked(frames.syn(), asked_again[0], from_client(ident=4), asked_again[1], *answer)
    assert table.connection_rows[0].reack_count == count


@pytest.mark.parametrize(("times", "state"), [(1, "ESTABLISHED"), (2, "SYN_RECEIVED"), (3, "SYN_RECEIVED")])
def test_an_ack_is_believed_lost_once(times, state):
    """A server that asks again and again does not take it (a full accept queue)."""
    wire = Wire().handshake()
    for _ in range(times):
        wire.wait(SECOND)
        wire.server.syn_ack()
        wire.client.ack()
    assert states(wire.connection())[1] == state


ASKED_AGAIN = (SECOND, frames.syn_ack(ident=6))
TAKEN = (3 * SECOND, from_server(ack=10, ident=8))


@pytest.mark.parametrize(
    ("spoken", "deferred"),
    [
        ([ASKED_AGAIN, (2 * SECOND, from_client(10, ident=7)), TAKEN], True),
        ([ASKED_AGAIN, (2 * SECOND, from_client(10, ident=7))], False),
        ([(2 * SECOND, from_client(10, ident=7)), TAKEN], False),
        ([ASKED_AGAIN, TAKEN], False),
        (
            [ASKED_AGAIN, (SECOND * 3 // 2, frames.syn_ack(ident=9)), (2 * SECOND, from_client(10, ident=7)), TAKEN],
            False,
        ),
        ([ASKED_AGAIN, *((at * SECOND // 2, from_client(10, ident=at)) for at in (4, 5)), TAKEN], False),
    ],
    ids=["yes", "not taken", "not asked", "no data", "asked twice", "data came twice"],
)
def test_a_server_that_waits_for_data_repeats_its_syn_ack_once_and_takes_the_first(spoken, deferred):
    """TCP_DEFER_ACCEPT of Linux."""
    assert bool(facts_of(*OPENING, from_client(ident=4), *spoken) & FACT_DEFERRED) == deferred


# -- challenges and denials


@pytest.mark.parametrize(
    ("words", "state", "challenge"),
    [
        ({}, "SYN_RECEIVED", True),
        ({"size": 5}, "ESTABLISHED", False),
        ({"flags": frames.ACK | frames.FIN}, "FIN_WAIT_1", False),
    ],
    ids=["a bare ACK", "data", "FIN"],
)
def test_what_a_request_says_again_is_a_challenge_and_no_proof(words, state, challenge):
    """RFC 5961: it answers so what it does not accept.  The final ACK is not in the capture."""
    table = tracked(*OPENING, from_server(ident=5, **words))
    assert TcpState(table.endpoint_rows[1].state).name == state
    assert bool(table.connection_rows[0].facts & FACT_CHALLENGE_ACK) == challenge


def test_a_repeated_acknowledgment_of_a_synchronized_end_is_no_challenge():
    opened = [*OPENING, from_client(ident=1), from_client(10, ident=2), from_server(ack=10, ident=3)]
    assert not facts_of(*opened, from_server(ack=10, ident=4), from_server(ident=5)) & FACT_CHALLENGE_ACK


def test_the_challenge_is_the_evidence_of_itself():
    """The server holds an older connection, and acknowledges its numbers."""
    table = tracked(frames.syn(), from_server(seq=70_000, ack=-900, ident=3))
    assert table.connection_rows[0].trouble_frame == 2


@pytest.mark.parametrize("flags", [frames.ACK, frames.ACK | frames.FIN])
def test_a_server_that_denies_the_final_ack_still_waits_for_it(flags):
    """It never sent what was acknowledged, be it data or a FIN: all but the SYNs is forgotten."""
    wrong = from_client(ack=1, flags=flags, ident=3)
    table = tracked(*OPENING, wrong, from_server(seq=1, flags=frames.RST, ident=4))
    client, server = table.endpoint_rows[0], table.endpoint_rows[1]
    assert [TcpState(end.state).name for end in (client, server)] == ["ESTABLISHED", "SYN_RECEIVED"]
    assert not table.connection_rows[0].facts & FACT_ACKED
    assert client.traits == TRAIT_ISS | TRAIT_SEEN
    assert server.traits & (TRAIT_ISS | TRAIT_SEEN) == TRAIT_ISS | TRAIT_SEEN
    assert client.checks == server.checks == CHECK_GOOD
    assert (client.snd_nxt, server.snd_nxt) == (CLIENT_ISN + 1, SERVER_ISN + 1)


# -- midstream


def test_a_closed_end_that_the_capture_does_not_hold_stays_closed():
    """Its FIN shows by what its peer acknowledges; that the peer does so again opens nothing."""
    wire = Wire()
    wire.client.rcv_nxt, wire.server.rcv_nxt = wire.server.isn, wire.client.isn
    wire.exchange().close()
    wire.wait(SECOND)
    closed = states(wire.connection(only="client"))
    wire.client.ack()
    wire.wait(MS)
    assert states(wire.connection(only="client")) == closed
