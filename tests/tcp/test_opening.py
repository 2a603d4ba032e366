"""SYNs on a 4-tuple that has a connection: again, another attempt, or a challenge for who still holds the old one."""

import pytest
from support import frames
from support.tracked import ends_of, tracked
from support.wire import MS, SECOND, Wire, states


def attempts(wire):
    return [(one["outcome"], one["handshake"]["syn_count"]) for one in wire.connections()]


def closed(wire=None):
    """The server is in TIME-WAIT."""
    wire = (wire or Wire(at="server")).handshake().exchange().close("server")
    wire.client.snd_nxt = wire.client.isn = 800_000
    return wire


# -- TIME-WAIT (RFC 9293 section 3.6.1): who is in it may take the SYN, or challenge it


@pytest.mark.parametrize(("waited", "count"), [(60 * SECOND - 1, 1), (60 * SECOND, 2)])
def test_nobody_challenges_a_syn_once_time_wait_is_over(waited, count):
    """TCP_TIMEWAIT_LEN of Linux: what is answered after that is of another connection."""
    wire = closed()
    began = wire.taken[-2][0]  # the client's FIN, which is repeated by nobody
    wire.wait(began + waited - wire.now - wire.delay)
    wire.client.syn()
    wire.server.ack(ack=wire.server.rcv_nxt - 1)
    assert len(wire.connections()) == count


@pytest.mark.parametrize("copies", [1, 2, 3])
def test_a_syn_that_time_wait_drops_is_one_attempt(copies):
    wire = closed()
    for _ in range(copies):
        wire.wait(SECOND)
        wire.client.syn()
    assert attempts(wire) == [("established", 1), ("pending", copies)]


def test_another_syn_takes_the_place_of_one_that_time_wait_dropped():
    wire = closed()
    for isn in (800_000, 900_000):
        wire.wait(SECOND)
        wire.client.syn(seq=isn)
    assert wire.connections()[-1]["handshake"]["client_isn"] == 900_000


def test_a_challenged_syn_that_comes_again_is_still_of_the_old_connection():
    """The other end holds that: only its answer can begin another one."""
    wire = closed()
    for _ in range(2):
        wire.wait(SECOND)
        wire.client.syn()
        wire.server.ack(ack=1101)
    assert len(wire.connections()) == 1


# -- living connections


def half_closed_by_the_server(wire):
    wire.handshake().exchange().server.fin()
    wire.client.ack()


def one_sided(wire):
    """Nothing of the server is in the capture."""
    wire.client.syn()
    wire.server.syn_ack(lost="before")
    wire.client.ack()


def midstream(wire):
    wire.client.rcv_nxt, wire.server.rcv_nxt = wire.server.isn, wire.client.isn
    for _ in range(10):
        wire.exchange()


def half_open(wire):
    wire.client.syn()
    wire.server.syn_ack(lost="after")


@pytest.mark.parametrize(
    "alive", [half_closed_by_the_server, one_sided, midstream, half_open], ids=lambda alive: alive.__name__
)
@pytest.mark.parametrize("who", ["client", "server"])
def test_a_syn_on_a_living_connection_begins_nothing(alive, who):
    """It may be blind (RFC 5961 section 4): nothing of the connection changes, and no attempt is reported."""
    wire = Wire()
    alive(wire)
    before = wire.connection()
    getattr(wire, who).syn(seq=77_000_000)
    after = wire.connection()
    assert (states(after), after["outcome"]) == (states(before), before["outcome"])
    assert after["rtt"]["total"] == before["rtt"]["total"]


def test_a_syn_just_before_the_first_byte_of_a_long_connection_is_another_one():
    """So many segments are never stored before their SYN; and the capture holds no SYN that it would repeat."""
    wire = Wire()
    midstream(wire)
    wire.client.syn(seq=wire.client.isn - 1)
    wire.server.rcv_nxt = 0
    wire.server.syn_ack(seq=70_000_000, ack=wire.client.isn)
    connections = wire.connections()
    assert [one["outcome"] for one in connections] == ["midstream", "half-open"]
    assert connections[0]["client_to_server"]["retransmissions"] == 0


@pytest.mark.parametrize("closing", ["client", "server"])
def test_the_same_syn_on_a_connection_that_is_half_closed_is_an_old_copy(closing):
    wire = Wire().handshake().exchange()
    getattr(wire, closing).fin()
    wire.wait(SECOND)
    wire.client.syn()
    assert len(wire.connections()) == 1


def test_the_syn_that_changed_nothing_is_the_evidence_of_it():
    blind = frames.syn(seq=77_000_000, ident=9)
    table = tracked(frames.syn(), frames.syn_ack(), frames.ack(), blind)
    assert table.connection_rows[0].trouble_frame == 4


def test_who_was_rejected_opens_no_more():
    """An ICMP error ended the attempt, so that the SYN of the other end crosses nothing."""
    wire = Wire()
    wire.client.syn(lost="after")
    wire.icmp_error(wire.client.packet, code=1)
    wire.wait(SECOND)
    wire.server.syn()
    assert wire.outcomes() == [("rejected", "host-unreachable"), ("pending", None)]


def test_an_old_copy_of_the_syn_takes_nothing_back():
    """It was under way for long: its sender has acknowledged the SYN-ACK since."""
    wire = Wire().handshake()
    wire.wait(SECOND)
    wire.client.syn()
    assert states(wire.connection()) == ("ESTABLISHED", "ESTABLISHED")


# -- copies of packets are no replay


PACKET = {"seq": 1000, "ident": 7, "options": frames.linux_syn_options()}


def ended():
    wire = Wire(delay=MS)
    wire.client.send("S", **PACKET)
    wire.server.syn_ack()
    wire.client.rst()
    return wire


@pytest.mark.parametrize(("waited", "ttl", "copies"), [(99 * MS, 64, 1), (100 * MS, 64, 0), (800 * MS, 63, 1)])
def test_a_copy_behind_the_end_of_its_connection(waited, ttl, copies):
    """Clocks of two capture points differ by less than 100 ms, and a router lowers the TTL: else it is replayed."""
    wire = ended()
    wire.now = wire.taken[0][0] + waited
    wire.client.send("S", ttl=ttl, **PACKET)
    assert len(wire.connections()) == 2 - copies


def test_a_copy_of_the_answer_behind_the_end_of_its_connection():
    wire = ended()
    wire.wait(150 * MS)
    wire.server.send("SA", again=True)
    (connection,) = wire.connections()
    assert connection["server_to_client"]["duplicates"] == 1


def test_a_replayed_syn_may_ask_for_ecn():
    wire = Wire(delay=MS)
    wire.client.send("SEW", seq=1000)
    wire.server.syn_ack()
    wire.client.rst()
    taken = list(wire.taken)
    wire.taken += [(ns + SECOND, name, packet) for ns, name, packet in taken]
    assert wire.outcomes() == [("aborted", "reset-by-client")] * 2


# -- repeated SYNs


def test_the_second_syn_of_a_simultaneous_open_is_no_copy_of_the_first():
    wire = Wire(at="middle")
    wire.client.syn(stay=True)
    for _ in range(3):
        wire.server.syn()
        wire.wait(SECOND)
    connection = wire.connection()
    assert connection["handshake"]["syn_count"] == 1
    assert connection["server_to_client"]["retransmissions"] == 2


def test_a_syn_that_comes_again_shows_that_the_answer_was_of_an_older_connection():
    """What it acknowledged was near by chance: the client waits for a SYN-ACK."""
    wire = Wire(timestamps=False)
    wire.client.syn()
    wire.server.ack(seq=77_000, ack=6001)
    assert wire.connection()["outcome"] == "established"
    wire.wait(SECOND)
    wire.client.syn()
    assert (wire.connection()["outcome"], states(wire.connection())[0]) == ("pending", "SYN_SENT")


def test_a_syn_ack_behind_a_rst_of_an_older_connection_answers():
    wire = Wire(timestamps=False)
    wire.client.syn()
    wire.server.rst_ack(seq=77_000, ack=6001)
    wire.server.syn_ack()
    wire.client.ack()
    assert (wire.outcomes(), states(wire.connection())) == ([("established", None)], ("ESTABLISHED", "ESTABLISHED"))


def test_a_syn_that_was_stored_last_takes_nothing_back():
    said = {"src": frames.CLIENT, "dst": frames.SERVER, "seq": 1001, "ack": 5001}
    _, client = ends_of(frames.syn_ack(), frames.data(b"x" * 10, **said), frames.syn())
    assert (client.iss, client.snd_nxt, client.contiguous) == (1000, 1011, 1011)


def test_a_syn_that_comes_again_behind_a_rst_of_an_older_connection_is_the_same_attempt():
    """The RST acknowledged a number nearby, and the client does not mind it."""
    wire = Wire(timestamps=False)
    wire.client.syn()
    wire.server.rst_ack(seq=77_000, ack=6001)
    wire.wait(SECOND)
    wire.client.syn()
    assert attempts(wire) == [("pending", 2)]


@pytest.mark.parametrize(("waited", "count"), [(1_500 * MS, 1), (1_500 * MS + 1, 2)])
@pytest.mark.parametrize("stored_first", [False, True])
def test_how_soon_a_refused_syn_comes_again(waited, count, stored_first):
    """Windows does not take the first refusal for an answer; also where a RST was stored before its SYN."""
    wire = Wire(delay=0)
    wire.client.syn()
    wire.server.refuse()
    wire.wait(waited)
    wire.client.syn()
    wire.server.refuse()
    order = [1, 0, 2, 3] if stored_first else None
    assert [one["outcome"] for one in wire.connections(order=order)] == ["refused"] * count
