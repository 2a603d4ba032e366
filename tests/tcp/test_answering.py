"""SYN-ACKs: which SYN each answers, what another ISN means, and what a server asks after the end of its attempt."""

import pytest
from support import frames
from support.frames import CLIENT, CLIENT_ISN, SERVER, SERVER_ISN
from support.tracked import tracked
from support.wire import MS, SECOND, Wire, states

from handshake_inspect.tcp.facts import (
    FACT_ACKED,
    FACT_BAD_SYNACK,
    FACT_ISN_CHANGED,
    FACT_ISN_TURNED,
    FACT_RST_LOST,
    FACT_SYNACK,
    FACT_SYNACK_AFTER_ACK,
    FACT_SYNACK_AFTER_RST,
    FACT_SYNACK_FIRST,
    FACT_TFO,
    FACT_TWO_ISNS,
)
from handshake_inspect.tcp.transitions import TcpState

SAID = {"src": CLIENT, "dst": SERVER, "seq": CLIENT_ISN + 1, "ack": SERVER_ISN + 1}
ACK, FIN, DATA = frames.ack(**SAID), frames.fin(**SAID), frames.data(b"x" * 10, **SAID)


def state_of(table, side):
    return TcpState(table.endpoint_rows[side].state).name


# -- the first SYN-ACK


def test_what_is_kept_of_the_syn_ack():
    table = tracked(frames.syn(), frames.syn_ack(options=frames.linux_syn_options(7, 9)))
    connection, client, server = table.connection_rows[0], *table.endpoint_rows[0:2]
    assert (connection.synack_ns, connection.last_synack_ns, connection.synack_frame) == (MS, MS, 2)
    assert (connection.synack_count, connection.synack_tsecr, connection.client) == (1, 9, 0)
    assert (server.iss, server.snd_nxt, server.tsval, client.last_ack) == (SERVER_ISN, SERVER_ISN + 1, 7, 0)
    assert connection.facts & (FACT_SYNACK | FACT_SYNACK_FIRST | FACT_TFO) == FACT_SYNACK


def test_what_is_kept_of_a_syn_ack_whose_syn_is_not_in_the_capture():
    """Who it is for asked for it, so that it may be open."""
    table = tracked(frames.udp(), frames.syn_ack())
    connection, client = table.connection_rows[0], table.endpoint_rows[1]
    assert (connection.synack_ns, connection.last_synack_ns, connection.synack_frame) == (MS, MS, 2)
    assert (connection.synack_count, connection.client) == (1, 1)
    assert (client.iss, client.snd_nxt, client.contiguous) == (CLIENT_ISN, CLIENT_ISN + 1, CLIENT_ISN + 1)
    assert (state_of(table, 0), state_of(table, 1)) == ("SYN_RECEIVED", "ESTABLISHED")
    assert connection.facts & (FACT_SYNACK | FACT_SYNACK_FIRST) == FACT_SYNACK | FACT_SYNACK_FIRST


def test_a_stray_syn_ack_on_a_connection_met_midstream_changes_nothing():
    before = tracked(ACK, DATA)
    after = tracked(ACK, DATA, frames.syn_ack(seq=70_000, ack=CLIENT_ISN - 500))
    assert after.connection_rows[0].facts == before.connection_rows[0].facts
    assert [state_of(after, side) for side in (0, 1)] == ["ESTABLISHED", "ESTABLISHED"]


@pytest.mark.parametrize(("ack", "answers"), [(CLIENT_ISN, False), (CLIENT_ISN + 1, True), (CLIENT_ISN + 2, False)])
def test_a_syn_ack_that_answers_another_syn_is_kept_as_trouble(ack, answers):
    """The client resets it with that number (RFC 9293 section 3.10.7.3)."""
    connection = tracked(frames.syn(), frames.syn_ack(ack=ack)).connection_rows[0]
    assert bool(connection.facts & FACT_BAD_SYNACK) != answers
    assert (connection.trouble_frame, connection.synack_count) == ((0, 1) if answers else (2, 0))


def test_a_copy_of_the_syn_ack_is_one_though_the_syn_was_stored_between_both():
    """Linux numbers no SYN-ACK, and would send an equal one again only for another SYN."""
    table = tracked(frames.syn_ack(ident=0), frames.syn(), frames.syn_ack(ident=0))
    server = table.endpoint_rows[0]
    assert (server.duplicates, server.retransmissions) == (1, 0)


@pytest.mark.parametrize(("ident", "counted"), [(0, (1, 0)), (7, (0, 1))])
def test_an_equal_syn_ack_behind_another_syn_answers_that(ident, counted):
    """Within a tick of the server's clock; but with an IP ID, which each packet has for itself, it is a copy."""
    answer = frames.syn_ack(ident=ident)
    server = tracked(frames.syn(ident=1), answer, frames.syn(ident=2), answer).endpoint_rows[1]
    assert (server.retransmissions, server.duplicates) == counted


@pytest.mark.parametrize(
    ("order", "state"),
    [
        ("S a", "ESTABLISHED"),
        ("S a a", "SYN_SENT"),
        ("S a S", "SYN_SENT"),
        ("S a S a", "ESTABLISHED"),
        ("S S a", "ESTABLISHED"),
        ("S S a a", "SYN_SENT"),
        ("S a S a a", "SYN_SENT"),
    ],
)
def test_whether_the_client_has_the_syn_ack(order, state):
    """One that comes again, and for no other SYN, shows that it was lost, or what answered it.  Letters: as below."""
    built = [frames.syn(ident=at) if what == "S" else frames.syn_ack(ident=at) for at, what in enumerate(order.split())]
    assert state_of(tracked(*built), 0) == state


@pytest.mark.parametrize(
    ("before", "facts"),
    [([], FACT_BAD_SYNACK), ([frames.syn_ack()], FACT_ISN_CHANGED), ([frames.syn_ack(), ACK], FACT_BAD_SYNACK)],
    ids=["none before", "another before", "completed"],
)
def test_what_a_syn_ack_says_that_answers_nothing_with_another_isn(before, facts):
    """Before the ACK the server may have renewed its ISN; after it, it has one."""
    row = tracked(frames.syn(), *before, frames.syn_ack(seq=77_000, ack=CLIENT_ISN - 500)).connection_rows[0]
    assert row.facts & (FACT_BAD_SYNACK | FACT_ISN_CHANGED) == facts
    assert row.trouble_frame == 2 + len(before)


def test_of_data_behind_another_syn_a_copy_is_one():
    data = frames.data(b"x" * 10, **SAID, ident=0)
    client = tracked(frames.syn(ident=1), frames.syn_ack(), frames.syn(ident=2), data, data).endpoint_rows[0]
    assert client.duplicates == 1


def test_a_syn_ack_behind_a_refusal_opens_nothing():
    """The client has no attempt any more, unless it shows that it has."""
    table = tracked(frames.syn(), frames.rst(), frames.syn_ack())
    assert [state_of(table, side) for side in (0, 1)] == ["CLOSED", "CLOSED"]


# -- other ISNs: a SYN-ACK may have another one for another copy of the SYN, once


@pytest.mark.parametrize(
    ("order", "two"),
    [
        ("S a a", False),
        ("S a b", True),
        ("S a S b", False),
        ("S a S b a", True),
        ("S a S b b", False),
        ("S S a b", False),
        ("S S a b b a", True),
        ("S a S a b", True),
        ("S a a S b", False),
        ("S S a b c", True),
        ("S a S b S c", False),
        ("a b", True),
        ("S a A b", True),
        ("S a A F b", False),
        ("S a R b", False),
        ("S S a = b", False),
        ("S a S 0", False),
    ],
)
def test_two_isns_for_one_syn_are_of_two_hosts(order, two):
    """A host never goes back.  Letters: SYN, ISNs of SYN-ACKs, ACK, FIN, RST of the client, a copy (=)."""
    made = {
        "S": lambda ident: frames.syn(ident=ident),
        "A": lambda ident: frames.ack(ident=ident, **SAID),
        "F": lambda ident: frames.fin(ident=ident, **SAID),
        "R": lambda ident: frames.segment(CLIENT, SERVER, frames.RST, seq=CLIENT_ISN + 1, ident=ident),
    }
    answers = {"0": 0} | {isn: SERVER_ISN + number * 700_000_000 for number, isn in enumerate("abc")}
    built = []
    for at, what in enumerate(order.split()):
        if what == "=":
            built.append(built[-1])
        else:
            built.append(made[what](at + 1) if what in made else frames.syn_ack(seq=answers[what], ident=at + 1))
    assert bool(tracked(*built).connection_rows[0].facts & FACT_TWO_ISNS) == two


def test_what_is_kept_of_another_isn():
    table = tracked(frames.syn(), frames.syn_ack(ident=1), frames.syn_ack(seq=77_000, ident=2))
    connection = table.connection_rows[0]
    assert connection.facts & (FACT_ISN_CHANGED | FACT_ISN_TURNED) == FACT_ISN_CHANGED | FACT_ISN_TURNED
    assert (connection.alternate_iss, connection.trouble_frame, connection.last_synack_ns) == (77_000, 3, 2 * MS)
    assert (table.endpoint_rows[1].iss, connection.synack_count) == (SERVER_ISN, 1)


def test_the_clock_of_another_host_is_not_the_servers():
    answers = [
        frames.syn_ack(seq=seq, options=frames.linux_syn_options(value)) for seq, value in [(5000, 7), (77, 900)]
    ]
    assert tracked(frames.syn(options=frames.linux_syn_options()), *answers).endpoint_rows[1].tsval == 7


@pytest.mark.parametrize(
    ("since", "beyond", "count"),
    [(500 * MS - 1, 900_000, 1), (500 * MS, 900_000, 2), (500 * MS, 0, 1), (500 * MS, -1, 2), (500 * MS, 1, 2)],
)
def test_how_soon_a_syn_ack_may_be_for_another_syn_that_is_not_captured(since, beyond, count):
    """No stack repeats a SYN sooner, so that another ISN within that time is another host's."""
    second = frames.syn_ack(seq=77_000, ack=CLIENT_ISN + 1 + beyond, ident=2)
    assert tracked(frames.syn_ack(ident=1), (since, second)).connection_count == count


# -- asked again after the end


@pytest.mark.parametrize("count", [1, 2, 3])
def test_syn_acks_behind_the_final_ack_are_counted(count):
    asked = [frames.syn_ack(ident=at + 2) for at in range(count)]
    connection = tracked(frames.syn(), frames.syn_ack(ident=1), ACK, *asked).connection_rows[0]
    assert connection.facts & FACT_SYNACK_AFTER_ACK
    assert (connection.resent_count, connection.trouble_frame) == (count, 3 + count)


@pytest.mark.parametrize(("since", "crossed"), [(29 * MS, True), (30 * MS, False)])
def test_a_syn_ack_that_may_have_left_before_the_ack_came_asks_nothing(since, crossed):
    """Both were under way between capture and server, as long as the SYN-ACK took."""
    acked = 40 * MS
    again = (acked + since, frames.syn_ack(ident=2))
    table = tracked(frames.syn(), (30 * MS, frames.syn_ack(ident=1)), (acked, ACK), again)
    assert bool(table.connection_rows[0].facts & FACT_SYNACK_AFTER_ACK) != crossed


@pytest.mark.parametrize(("since", "asks"), [(10 * MS, False), (10 * MS + 1, True)])
@pytest.mark.parametrize("seq", [SERVER_ISN + 1, SERVER_ISN + 2])
def test_a_syn_ack_behind_a_rst_in_the_servers_name(since, asks, seq):
    """Who resets an attempt has forgotten it: another host has the address.  Just behind it, it may be overtaken."""
    rst = frames.rst(seq=seq, ack=None)
    table = tracked(frames.syn(), frames.syn_ack(ident=1), ACK, rst, (3 * MS + since, frames.syn_ack(ident=2)))
    connection = table.connection_rows[0]
    asks &= seq == SERVER_ISN + 1
    assert bool(connection.facts & FACT_SYNACK_AFTER_RST) == asks
    assert (connection.trouble_frame == 5, state_of(table, 1)) == (asks, "SYN_RECEIVED" if asks else "CLOSED")


@pytest.mark.parametrize("acked", [False, True])
@pytest.mark.parametrize(("since", "lost"), [(40 * MS, False), (40 * MS + 1, True)])
def test_a_syn_ack_behind_a_rst_of_the_client(since, lost, acked):
    """It did not arrive, if the SYN-ACK comes later than one and a half times what the first took, and 10 ms."""
    rst = frames.segment(CLIENT, SERVER, frames.RST, seq=CLIENT_ISN + 1)
    spoken = [(20 * MS, frames.syn_ack(ident=1)), *([(20 * MS, ACK)] if acked else []), (20 * MS, rst)]
    table = tracked(frames.syn(), *spoken, (20 * MS + since, frames.syn_ack(ident=2)))
    connection = table.connection_rows[0]
    assert bool(connection.facts & FACT_RST_LOST) == lost
    assert state_of(table, 1) == ("SYN_RECEIVED" if lost else "CLOSED")
    assert bool(connection.facts & FACT_SYNACK_AFTER_ACK) == (lost and acked)
    assert bool(connection.facts & FACT_ACKED) == acked


# -- what answers a SYN that may begin another connection


@pytest.mark.parametrize(
    ("size", "taken"), [(0, True), (1, True), (50, True), (9_000, True), (9_001, False), (-1, False)]
)
def test_a_rst_that_acknowledges_a_longer_syn_is_of_no_connection(size, taken):
    """Any part of its data (RFC 7413), and no more than that."""
    wire = Wire(timestamps=False).handshake().exchange()
    wire.wait(SECOND)
    wire.client.send("S", 50, seq=77_000_000)
    wire.server.send("RA", seq=0, ack=77_000_001 + size)
    old = wire.connections()[0]
    assert states(old)[1] == ("CLOSED" if taken else "ESTABLISHED")
