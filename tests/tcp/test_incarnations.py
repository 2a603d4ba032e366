"""Which SYN begins another connection of the same 4-tuple, and which belongs to the one that is there."""

import pytest
from support import captures, frames
from support.frames import CLIENT, CLIENT_ISN, SERVER, SERVER_ISN
from support.tracked import tracked
from support.wire import MS, SECOND, Wire, merged, report_of, states

from handshake_inspect.tcp.facts import (
    EMBRYO_PROVISIONAL,
    EMBRYO_STATE,
    EMBRYO_SUCCESSOR,
    FACT_BLIND_SYN,
    FACT_CHALLENGE_ACK,
    FACT_PORT_REUSED,
    FACT_REBUFFED,
    FACT_REPLACED,
)
from handshake_inspect.tcp.limits import REUSE_NS


def established(wire):
    return wire.handshake().exchange()


def closed(wire):
    established(wire).close()
    wire.client.ack()


def handshake_and_close(wire):
    wire.handshake().close()


def half_closed(wire):
    established(wire).client.fin()
    wire.server.ack()


def reset(wire):
    established(wire).server.rst()


def refused(wire):
    wire.client.syn()
    wire.server.refuse()


def rejected(wire):
    wire.client.syn(lost="after")
    wire.icmp_error(wire.client.packet, code=13, reporter="192.0.2.254")


def unanswered(wire):
    wire.client.syn(lost="after")


def aborted(wire):
    wire.client.syn()
    wire.server.syn_ack()
    wire.client.rst()


def cancelled(wire):
    wire.client.syn(lost="after")
    wire.client.rst(lost="after")


def half_open(wire):
    wire.client.syn()
    wire.server.syn_ack(lost="after")


def midstream(wire):
    wire.client.rcv_nxt, wire.server.rcv_nxt = wire.server.isn, wire.client.isn
    wire.exchange()


def again(wire, isn=700_000, answer=False):
    """The client's next attempt from the same port; the server's answer, if it gives one."""
    wire.client.isn, wire.server.isn = isn, 900_000
    wire.server.rcv_nxt = 0
    wire.client.syn()
    if answer:
        wire.client.rcv_nxt = 0
        wire.server.syn_ack()
        wire.client.ack()


OVER = {
    closed: "established",
    reset: "established",
    refused: "refused",
    rejected: "rejected",
    unanswered: "timed-out",
    aborted: "aborted",
    cancelled: "aborted",
}
ALIVE = {established: "established", half_closed: "established", half_open: "half-open", midstream: "midstream"}


@pytest.mark.parametrize("past", OVER, ids=lambda past: past.__name__)
def test_another_isn_after_the_end_is_another_connection(past):
    wire = Wire()
    past(wire)
    count = len(wire.taken)
    again(wire.wait(SECOND))
    old, new = wire.connections()
    assert old["outcome"] == OVER[past]
    assert new["outcome"] == "pending"
    assert new["handshake"]["client_isn"] == 700_000
    assert new["first_frame"] == count + 1
    assert old["last_ns"] < new["first_ns"]
    assert old["client_to_server"]["frames"] + old["server_to_client"]["frames"] in {count, count - (past is rejected)}
    assert states(old) == ("CLOSED", "CLOSED"), "its socket is gone: the port is used again"


@pytest.mark.parametrize("past", ALIVE, ids=lambda past: past.__name__)
def test_another_isn_on_a_living_connection_is_an_anomaly_until_it_is_answered(past):
    wire = Wire()
    past(wire)
    before = states(wire.quiet(SECOND).connection())
    again(wire)
    connection = wire.connection()
    assert connection["outcome"] == ALIVE[past]
    assert states(connection) == before
    assert connection["handshake"]["client_isn"] in {1000, None}


@pytest.mark.parametrize("past", ALIVE, ids=lambda past: past.__name__)
def test_a_syn_ack_for_the_new_isn_makes_it_another_connection(past):
    wire = Wire()
    past(wire)
    count = len(wire.taken)
    again(wire.wait(SECOND), answer=True)
    old, new = wire.connections()
    assert old["outcome"] == ALIVE[past]
    assert new["outcome"] == "established"
    assert (new["handshake"]["client_isn"], new["handshake"]["server_isn"]) == (700_000, 900_000)
    assert new["first_frame"] == count + 1, "it begins with the SYN, not with its answer"
    assert new["handshake"]["syn_frame"] == count + 1
    assert new["rtt"]["total"] == new["rtt"]["synack"] | {"method": "exact"}
    assert old["client_to_server"]["frames"] + old["server_to_client"]["frames"] == count
    assert new["client_to_server"]["frames"] + new["server_to_client"]["frames"] == 3


@pytest.mark.parametrize("words", [{}, {"timestamps": False}, {"client": frames.CLIENT6, "server": frames.SERVER6}],
                         ids=["timestamps", "plain", "IPv6"])  # fmt: skip
@pytest.mark.parametrize("pause", [SECOND, 120 * SECOND])
@pytest.mark.parametrize("ends", [["client"] * 3, ["server"] * 3, [None] * 3], ids=["client", "server", "nobody"])
def test_a_syn_ack_for_another_syn_where_clients_are_not_captured(ends, pause, words):
    wire = Wire(**words)
    for number, first in enumerate(ends):
        for end in (wire.client, wire.server):
            end.isn = end.snd_nxt = (end.isn + number * 700_000_000) % 2**32
            end.rcv_nxt = 0
        wire.handshake().exchange(100 + number)
        if first:
            wire.close(first)
        wire.wait(pause)
    report = wire.report(only="server")
    rows = report["connections"]
    assert [one["server_to_client"]["bytes"] for one in rows] == [100, 101, 102]
    assert {one["outcome"] for one in rows} == {"established"}
    assert len({one["handshake"]["server_isn"] for one in rows}) == 3
    assert {one["id"] for one in report["findings"]} == {"capture-quality"}


@pytest.mark.parametrize(
    ("pause", "seq", "past", "count"),
    [(SECOND, 0, 0, 1), (SECOND, 1_000_000, 0, 1), (SECOND, 1_000_000, 5_000_000, 2),
     (SECOND // 4, 1_000_000, 5_000_000, 1)],
    ids=["again", "another ISN for the same SYN", "another ISN for another SYN", "at once, from another host"],
)  # fmt: skip
def test_what_a_syn_ack_alone_belongs_to(pause, seq, past, count):
    wire = Wire()
    wire.client.syn()
    wire.server.syn_ack()
    wire.wait(pause)
    wire.server.syn_ack(seq=wire.server.isn + seq, ack=wire.client.isn + 1 + past)
    assert len(wire.connections(only="server")) == count


def test_one_attempt_is_one_connection_however_long_it_takes():
    """Linux's default: up to 11 SYNs in two minutes; Zeek and argus split it."""
    wire = Wire()
    sent = [0, 1, 2, 3, 4, 5, 7, 11, 19, 35, 67, 131]
    for before, after in zip([0, *sent], sent, strict=False):
        wire.wait((after - before) * SECOND - (20 * MS if after else 0))
        wire.client.syn(lost="after")
    connection = wire.connection()
    assert (connection["outcome"], connection["handshake"]["syn_count"]) == ("timed-out", 12)
    assert connection["client_to_server"]["retransmissions"] == 11
    assert connection["last_ns"] - connection["first_ns"] == 131 * SECOND


def test_a_repeated_isn_is_the_same_attempt_with_other_options_too():
    """A retried SYN may drop ECN, MPTCP or Fast Open."""
    wire = Wire()
    wire.client.send("S", seq=1000, options=frames.linux_syn_options() + frames.fast_open(b"12345678"), size=20)
    wire.wait(SECOND)
    wire.client.syn()
    wire.server.syn_ack(ack=1001)
    wire.client.ack(seq=1001)
    assert wire.connection()["handshake"]["syn_count"] == 2


@pytest.mark.parametrize("words", [{}, {"timestamps": False}, {"client": frames.CLIENT6, "server": frames.SERVER6}],
                         ids=["timestamps", "plain", "IPv6"])  # fmt: skip
@pytest.mark.parametrize("lost", [1, 2, 12])
def test_copies_of_a_syn_on_a_living_connection_belong_to_the_one_that_it_begins(lost, words):
    wire = Wire(**words)
    established(wire)
    count = len(wire.taken)
    wire.wait(30 * SECOND)
    wire.client.isn = wire.client.snd_nxt = 700_000
    for _ in range(lost):
        wire.client.syn(lost="after")
        wire.wait(SECOND)
    again(wire, answer=True)
    old, new = wire.connections()
    assert (old["client_to_server"]["frames"], old["client_to_server"]["retransmissions"]) == (4, 0)
    assert new["first_frame"] == count + 1
    assert (new["handshake"]["syn_count"], new["client_to_server"]["retransmissions"]) == (lost + 1, lost)
    leg = new["rtt"]["synack"]
    if words.get("timestamps", True):
        assert (leg["value_ns"], leg["method"]) == (40 * MS, "tsecr")
        assert new["handshake"]["syn_frame"] == count + 1 + lost
    else:
        assert (leg["min_ns"], leg["value_ns"], leg["method"]) == (40 * MS, None, "ambiguous")


def test_copies_of_a_provisional_syn_are_kept_while_there_is_room():
    """Of many, the first and the newest ones: a sender that repeats its SYN for ever fills no memory."""
    wire = Wire()
    established(wire)
    wire.client.isn = 700_000
    for _ in range(40):
        wire.client.syn(lost="after")
        wire.wait(SECOND)
    assert tracked(*wire.frames()).embryo_count <= 14
    again(wire, answer=True)
    new = wire.connections()[1]
    assert new["rtt"]["synack"]["value_ns"] == 40 * MS


def test_another_provisional_syn_takes_the_rows_of_the_first_and_of_its_copies():
    wire = Wire().handshake()
    for isn in range(77, 277):
        for _ in range(3):
            wire.client.syn(seq=isn, lost="after")
            wire.wait(SECOND)
    assert tracked(*wire.frames()).embryo_count <= 5
    assert wire.connection()["outcome"] == "established"


def test_a_second_provisional_syn_replaces_the_first():
    wire = Wire().handshake()
    for isn in (77, 88):
        wire.client.syn(seq=isn, ident=isn)
        wire.server.ack(ack=1001)
    wire.server.syn_ack(seq=900, ack=89)
    old, new = wire.connections()
    assert new["handshake"]["client_isn"] == 88
    assert old["outcome"] == "established"


def test_a_blind_syn_draws_a_challenge_and_the_connection_lives_on():
    """RFC 5961 section 4."""
    wire = Wire().handshake()
    wire.client.syn(seq=0x7777_7777, ttl=50)
    wire.server.ack()
    wire.exchange().close()
    connection = wire.connection()
    assert (connection["outcome"], connection["cause"], connection["close"]["how"]) == ("established", "closed", "fin")
    assert connection["handshake"]["syn_count"] == 1


def test_the_next_connection_may_be_opened_by_the_other_end():
    wire = Wire()
    closed(wire)
    wire.wait(SECOND)
    wire.server.isn = 70
    wire.server.syn()
    wire.client.rcv_nxt = 71
    wire.client.syn_ack(seq=90)
    wire.server.rcv_nxt = 91
    wire.server.ack()
    first, second = wire.connections()
    assert first["client"].items() <= second["server"].items()
    assert second["client"].items() <= first["server"].items()
    assert second["outcome"] == "established"


def test_many_incarnations_keep_their_order():
    wire = Wire()
    for number in range(5):
        wire.client.isn, wire.server.isn = 1000 * (number + 1), 5_000_000 + number
        wire.client.snd_nxt, wire.server.snd_nxt = wire.client.isn, wire.server.isn
        wire.client.rcv_nxt = wire.server.rcv_nxt = 0
        closed(wire)
        wire.wait(SECOND)
    connections = wire.connections()
    assert [one["handshake"]["client_isn"] for one in connections] == [1000, 2000, 3000, 4000, 5000]
    assert {one["close"]["how"] for one in connections} == {"fin"}
    assert {one["client_to_server"]["retransmissions"] for one in connections} == {0}


def test_equal_ports_of_other_hosts_are_other_connections():
    wires = [Wire(client=(f"192.0.2.{host}", 40000), client_isn=host) for host in (1, 2, 3)]
    for wire in wires:
        established(wire)
    report = merged(*wires)
    assert report["summary"]["outcomes"]["established"] == 3
    assert [one["client"]["ip"] for one in report["connections"]] == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]


def closed_by_server(wire):
    established(wire).close("server")


def closed_at_once(wire):
    established(wire)
    wire.client.fin(stay=True)
    wire.server.fin()
    wire.client.ack()
    wire.server.ack()


def closed_unseen(wire):
    """The last ACK is not in the capture."""
    established(wire)
    wire.client.fin()
    wire.server.fin()
    wire.client.ack(lost="before")


def reset_by_client(wire):
    established(wire).client.rst()


ENDED = {**OVER, **dict.fromkeys([closed_by_server, closed_at_once, closed_unseen, reset_by_client], "established")}


@pytest.mark.parametrize("pause", [0, 10 * MS, SECOND, 5 * SECOND, 100 * SECOND])
@pytest.mark.parametrize(
    "past",
    [closed, closed_by_server, closed_at_once, closed_unseen, reset, reset_by_client, aborted, cancelled],
    ids=lambda past: past.__name__,
)
def test_the_same_isn_after_the_end_is_another_connection(past, pause):
    """Devices with a fixed ISN, scripts, replayed captures."""
    wire = Wire()
    past(wire)
    wire.wait(pause)
    wire.server.isn += 1000  # of a clock
    wire.client.snd_nxt, wire.server.snd_nxt = wire.client.isn, wire.server.isn
    wire.client.rcv_nxt = wire.server.rcv_nxt = 0
    past(wire)
    old, new = wire.connections()
    assert old["outcome"] == new["outcome"] == ENDED[past]
    assert {one["handshake"]["syn_count"] for one in (old, new)} == {1}
    assert {one["client_to_server"]["retransmissions"] for one in (old, new)} == {0}


@pytest.mark.parametrize("pause", [200 * MS, SECOND, 5 * SECOND])
@pytest.mark.parametrize("marks", [{}, {"ident": False}, {"timestamps": False}, {"ident": False, "timestamps": False}])
@pytest.mark.parametrize(
    "past", [closed_by_server, closed_unseen, handshake_and_close, reset, aborted], ids=lambda past: past.__name__
)
def test_a_replayed_connection_is_no_copy(past, marks, pause):
    """The very same packets, marks and all, after the end."""
    wire = Wire(delay=MS, **marks)
    past(wire)
    one = wire.frames()
    again_after = one[-1][0] - one[0][0] + pause
    taken = [(ns + round_ * again_after, frame) for round_ in range(3) for ns, frame in one]
    connections = report_of(captures.pcap(taken, nano=True))["connections"]
    assert len(connections) == 3
    assert {one["client_to_server"]["duplicates"] for one in connections} == {0}


@pytest.mark.parametrize("skew", [500_000, 5 * MS, 50 * MS])
def test_two_capture_points_whose_clocks_differ_are_no_replay(skew):
    wire = Wire(delay=100_000).handshake().close()
    one = wire.frames()
    taken = sorted([*one, *((ns + skew, frame) for ns, frame in one)], key=lambda each: each[0])
    (connection,) = report_of(captures.pcap(taken, nano=True))["connections"]
    assert connection["client_to_server"]["duplicates"] == 4


@pytest.mark.parametrize(("pause", "attempts"), [(SECOND // 2, 1), (1400 * MS, 1), (1600 * MS, 2), (5 * SECOND, 2)])
def test_the_same_isn_after_a_refusal(pause, attempts):
    """Windows sends a refused SYN again after 500 ms: one attempt.  Much later it is another one."""
    wire = Wire()
    refused(wire)
    wire.wait(pause)
    wire.client.rcv_nxt = 0
    refused(wire)
    assert wire.outcomes() == [("refused", "closed-port")] * attempts


# -- rows: a SYN that waits hangs on the connection that it may follow

NUMBERS = {"src": CLIENT, "dst": SERVER, "seq": CLIENT_ISN + 1, "ack": SERVER_ISN + 1}
OPEN = [frames.syn(), frames.syn_ack(), frames.ack(**NUMBERS)]
ISN = 77_000_000


def close(start):
    """The server closes first; the last ACK is at this time."""
    server = {"src": SERVER, "dst": CLIENT, "ack": CLIENT_ISN + 1}
    return [
        (start - 2 * MS, frames.fin(**server | {"seq": SERVER_ISN + 1})),
        (start - MS, frames.fin(**NUMBERS | {"ack": SERVER_ISN + 2})),
        (start, frames.ack(**server | {"seq": SERVER_ISN + 2, "ack": CLIENT_ISN + 2})),
    ]


CLOSED = [*OPEN, *close(10 * MS)]


def waiting(table):
    """The ISN of the SYN that waits on the first connection, and what it may be; None for none."""
    at = table.connection_rows[0].provisional
    return (table.embryo_rows[at - 1].iss, table.embryo_rows[at - 1].options & EMBRYO_STATE) if at else None


@pytest.mark.parametrize(
    ("before", "isns", "waits", "frames_of_old"),
    [
        (OPEN, [ISN], (ISN, EMBRYO_PROVISIONAL), 3),
        (OPEN, [ISN, ISN], (ISN, EMBRYO_PROVISIONAL), 4),
        (OPEN, [ISN, 5], (5, EMBRYO_PROVISIONAL), 4),
        (CLOSED, [ISN], (ISN, EMBRYO_SUCCESSOR), 3),
        (CLOSED, [ISN, 5], (5, EMBRYO_SUCCESSOR), 3),
    ],
)
def test_the_newest_syn_waits(before, isns, waits, frames_of_old):
    """On a living connection it is counted there, behind a closed one it is an attempt of its own."""
    syns = [(SECOND * (1 + at), frames.syn(seq=isn, ident=at + 1)) for at, isn in enumerate(isns)]
    table = tracked(*before, *syns)
    assert waiting(table) == waits
    assert (table.connection_count, table.embryo_count) == (1, isns.count(isns[-1])), "a copy has a row of its own"
    assert table.endpoint_rows[0].frames == frames_of_old


def test_a_challenge_keeps_the_syn_on_the_old_connection():
    challenge = frames.ack(SERVER, CLIENT, seq=SERVER_ISN + 2, ack=CLIENT_ISN + 2, ident=3)
    table = tracked(*CLOSED, (SECOND, frames.syn(seq=ISN)), (SECOND + MS, challenge))
    assert waiting(table) == (ISN, EMBRYO_PROVISIONAL)
    assert table.endpoint_rows[0].frames == 4
    assert table.connection_rows[0].facts & FACT_CHALLENGE_ACK


def test_what_the_client_says_of_the_old_connection_is_no_challenge():
    again = frames.fin(**NUMBERS | {"ack": SERVER_ISN + 2}, ident=3)
    table = tracked(*CLOSED, (SECOND, frames.syn(seq=ISN)), (SECOND + MS, again))
    assert waiting(table) == (ISN, EMBRYO_SUCCESSOR)
    assert not table.connection_rows[0].facts & FACT_CHALLENGE_ACK


@pytest.mark.parametrize("others", [0, 1, 3])
@pytest.mark.parametrize("before", [OPEN, CLOSED], ids=["alive", "closed"])
def test_the_answer_makes_it_the_next_connection(before, others):
    """Wherever its row is: `others` have theirs before."""
    answer = frames.syn_ack(seq=900, ack=ISN + 1)
    met = [frames.ack(("192.0.2.7", 50_000 + at), SERVER) for at in range(others)]
    table = tracked(*met, *before, (SECOND, frames.syn(seq=ISN)), (SECOND + MS, answer))
    old, new = table.connection_rows[others : others + 2]
    count = others + len(before)
    assert (new.previous, new.syn_ns, new.syn_frame) == (others + 1, SECOND, count + 1)
    assert (new.first_ns, new.synack_frame, old.provisional) == (SECOND, count + 2, 0)
    assert old.facts & FACT_REPLACED
    assert not new.facts & FACT_REPLACED
    client, server = (2, 1) if before is OPEN else (3, 3)
    counts = [table.endpoint_rows[at].frames for at in range(2 * others + 4)]
    assert counts == [1, 0] * others + [client, server, 1, 1]


@pytest.mark.parametrize(("since", "reused"), [(REUSE_NS - 1, True), (REUSE_NS, False)])
def test_a_port_is_reused_within_two_msl(since, reused):
    """RFC 9293 section 3.4.3: an MSL is 2 minutes at most; who reports it compares with its own."""
    at = 10 * MS + since
    table = tracked(*CLOSED, (at, frames.syn(seq=ISN)), (at + MS, frames.syn_ack(seq=900, ack=ISN + 1)))
    assert bool(table.connection_rows[1].facts & FACT_PORT_REUSED) == reused


@pytest.mark.parametrize("blind", [True, False])
def test_a_client_that_resets_the_challenge_of_time_wait_was_rebuffed(blind):
    """And its SYN comes again, now to nobody (RFC 9293 section 3.5.1, figure 9)."""
    before = OPEN if blind else CLOSED
    there = 1 if blind else 2
    challenge = frames.ack(SERVER, CLIENT, seq=SERVER_ISN + there, ack=CLIENT_ISN + there, ident=3)
    rst = frames.segment(CLIENT, SERVER, frames.RST, seq=CLIENT_ISN + there)
    said = [frames.syn(seq=ISN, ident=1), challenge, rst, frames.syn(seq=ISN, ident=2)]
    table = tracked(*before, *((SECOND * (1 + at), each) for at, each in enumerate(said)))
    old, new = table.connection_rows[0:2]
    assert (new.syn_count, new.syn_ns) == (2, SECOND)
    assert bool(old.facts & FACT_BLIND_SYN) == blind
    assert bool(new.facts & FACT_REBUFFED) != blind
    client, server = (2, 1) if blind else (3, 3)
    assert [table.endpoint_rows[at].frames for at in range(4)] == [client + 1, server + 1, 2, 0]


@pytest.mark.parametrize("end", ["close", "rst"])
def test_a_syn_ack_for_another_syn_behind_the_end_begins_a_connection_where_no_syn_is_captured(end):
    """However soon: an end of a connection is behind it, and no copy of its SYN would draw another ISN."""
    wire = Wire(timestamps=False)
    wire.handshake().exchange()
    if end == "close":
        wire.close("server")
    else:
        wire.server.rst_ack()
    wire.client.isn = wire.client.snd_nxt = 900_000
    wire.server.isn = wire.server.snd_nxt = 700_000
    wire.server.rcv_nxt = wire.client.rcv_nxt = 0
    wire.handshake().exchange()
    connections = wire.connections(only="server")
    assert [each["outcome"] for each in connections] == ["established", "established"]
    assert [states(each)[1] for each in connections] == ["CLOSED", "ESTABLISHED"]


def test_a_server_that_goes_on_behind_a_repeated_syn_ack_had_the_ack():
    """Where the capture holds no segment of the client."""
    wire = Wire(timestamps=False)
    wire.client.syn()
    wire.server.syn_ack()
    wire.client.ack(lost="after")
    wire.wait(SECOND)
    wire.server.syn_ack()
    wire.client.ack()
    wire.server.data(10)
    assert states(wire.connection(only="server")) == ("ESTABLISHED", "ESTABLISHED")
    wire.quiet(30 * SECOND)
    assert states(wire.connection(only="server")) == ("ESTABLISHED", "ESTABLISHED")
