"""What became of attempts: every outcome, its causes, and how sure it is."""

import pytest
from support import captures, frames
from support.frames import CLIENT, CLIENT_ISN, SERVER, SERVER_ISN
from support.tracked import tracked
from support.wire import MS, SECOND, START, Wire, merged, report_of, states

from handshake_inspect.tcp.transitions import TcpState

WRAPS = [0, 1, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFE, 0xFFFF_FFFF]


@pytest.mark.parametrize("client_isn", WRAPS)
@pytest.mark.parametrize("server_isn", WRAPS)
def test_sequence_numbers_wrap(client_isn, server_isn):
    wire = Wire(client_isn=client_isn, server_isn=server_isn)
    wire.handshake().exchange(5000).exchange(70).close()
    connection = wire.connection()
    assert connection["outcome"] == "established"
    assert states(connection) == ("TIME_WAIT", "CLOSED")
    for direction in ("client_to_server", "server_to_client"):
        assert connection[direction]["bytes"] == 5070
        assert connection[direction]["retransmissions"] == 0


@pytest.mark.parametrize("client_isn", [1000, 0xFFFF_FFFF])
@pytest.mark.parametrize("acknowledged", [0, 2, 1 << 31, 0xFFFF_FFFF])
def test_a_syn_ack_must_acknowledge_the_syn(client_isn, acknowledged):
    """Any other is no part of the handshake."""
    wire = Wire(client_isn=client_isn)
    wire.client.syn()
    wire.server.syn_ack(ack=client_isn + acknowledged, lost="after")
    connection = wire.connection()
    assert connection["outcome"] == "pending"
    assert connection["handshake"]["synack_count"] == 0
    assert connection["state"]["client"] == "SYN_SENT"
    wire.wait(SECOND)
    wire.server.syn_ack(seq=wire.server.isn, ack=client_isn + 1)
    wire.client.ack()
    assert wire.connection()["outcome"] == "established"


def test_a_syn_ack_again_with_another_isn():
    """A forged SYN-ACK, or a server that forgot: the client takes the one that it acknowledges."""
    for answered in (5000, 8000):
        wire = Wire()
        wire.client.syn()
        wire.server.syn_ack(seq=5000, stay=True)
        wire.server.syn_ack(seq=8000)
        wire.client.ack(ack=answered + 1)
        wire.server.data(seq=answered + 1)
        wire.client.ack(ack=answered + 101)
        connection = wire.connection()
        assert connection["outcome"] == "established", answered
        assert connection["handshake"]["synack_count"] == 1


# What a SYN with these ECN bits is answered, and whether that agrees to ECN: RFC 3168 section 6.1.1 and table 2 of
# RFC 9768 section 3.1.2.
ECN = [
    *[("EW", answer, agrees) for answer, agrees in (("", False), ("E", True), ("EW", False), ("EWe", False))],
    *[("EWe", answer, True) for answer in ("W", "EW", "e", "We", "E")],
    ("EWe", "", False),
    ("EWe", "EWe", False),
]


@pytest.mark.parametrize(("offer", "answer", "agrees"), ECN)
@pytest.mark.parametrize("lone", [True, False], ids=["at once", "after a copy"])
def test_what_agrees_to_ecn(offer, answer, agrees, lone):
    wire = Wire()
    wire.client.send("S" + offer)
    if not lone:
        wire.wait(SECOND)
        wire.client.send("S" + offer, seq=wire.client.isn)
    wire.server.send("SA" + answer)
    wire.client.ack()
    handshake = wire.connection()["handshake"]
    assert (handshake["client_options"]["ecn"], handshake["server_options"]["ecn"]) == (True, agrees)


@pytest.mark.parametrize("acknowledged", [0, -1, 1 << 31])
def test_the_final_ack_must_acknowledge_the_syn_ack(acknowledged):
    wire = Wire()
    wire.client.syn()
    wire.server.syn_ack()
    wire.client.ack(ack=5000 + acknowledged)
    connection = wire.connection()
    assert connection["outcome"] == "half-open"
    assert connection["state"]["server"] == "SYN_RECEIVED"


@pytest.mark.parametrize(("client", "server"), [(frames.CLIENT, frames.SERVER), (frames.CLIENT6, frames.SERVER6)])
def test_established(client, server):
    wire = Wire(client=client, server=server).handshake()
    connection = wire.connection()
    assert (connection["outcome"], connection["cause"], connection["decided"]) == ("established", None, True)
    assert (connection["client"]["ip"], connection["client"]["port"]) == client
    assert (connection["server"]["ip"], connection["server"]["port"]) == server
    assert connection["roles"] == "observed"
    assert connection["evidence"] == [1, 2, 3]
    handshake = connection["handshake"]
    assert [handshake[f"{kind}_frame"] for kind in ("syn", "synack", "ack")] == [1, 2, 3]
    assert (handshake["syn_count"], handshake["synack_count"]) == (1, 1)
    assert (handshake["client_isn"], handshake["server_isn"]) == (1000, 5000)
    assert handshake["client_options"]["mss"] == 1460
    assert handshake["client_options"]["window_scale"] == 7
    assert handshake["client_options"]["timestamps"]
    assert connection["close"] == {"how": "open", "first": None, "reset_by": None}


# -- unanswered


@pytest.mark.parametrize(
    ("waited_ns", "limit_ns", "outcome"),
    [
        (0, 3 * SECOND, "pending"),
        (3 * SECOND - 1, 3 * SECOND, "pending"),
        (3 * SECOND, 3 * SECOND, "timed-out"),
        (9 * SECOND, 10 * SECOND, "pending"),
        (MS, MS, "timed-out"),
    ],
)
@pytest.mark.parametrize("copies", [1, 2])
def test_pending_until_there_was_time_to_answer(waited_ns, limit_ns, outcome, copies):
    wire = Wire()
    for _ in range(copies):
        wire.client.syn(lost="after", stay=True)
    if waited_ns:
        wire.quiet(waited_ns)
    connection = wire.connection(unanswered_ns=limit_ns)
    assert connection["outcome"] == outcome
    assert connection["decided"] == (outcome == "timed-out")
    assert connection["cause"] == ("host-silent" if outcome == "timed-out" else None)
    assert connection["close"]["how"] == ("timeout" if outcome == "timed-out" else "open")
    assert connection["state"]["client"] == ("SYN_SENT" if waited_ns < 6 * SECOND else "CLOSED") or copies == 2


def silent(port=443, start=START, client_port=41000, **words):
    wire = Wire(start=start, client=(frames.CLIENT[0], client_port), server=(frames.SERVER[0], port))
    for _ in range(3):
        wire.client.syn(lost="after", **words)
        wire.wait(2 * SECOND)
    return wire


def cause_of(report, outcome="timed-out"):
    (cause,) = {one["cause"] for one in report["connections"] if one["outcome"] == outcome}
    return cause


def test_the_host_is_silent():
    elsewhere = Wire(server=("198.51.100.99", 443)).handshake()
    assert cause_of(merged(silent(), elsewhere)) == "host-silent"


ECHO, ECHO6 = b"\0\0\0\0\0\1\0\1ping", b"\x81\0\0\0\0\1\0\1ping"
NEIGHBOUR = b"\x88\0\0\0\x60\0\0\0" + bytes(16)


def beside(six=False):
    """Packets of the server that are no TCP, and of its client to it, as link-less packets."""
    here, there = (frames.CLIENT6[0], frames.SERVER6[0]) if six else (frames.CLIENT[0], frames.SERVER[0])
    asked = frames.udp((here, 5000), (there, 53), link=frames.raw)
    return {
        "datagram": frames.udp((there, 53), (here, 5000), link=frames.raw),
        "ping": frames.packet(there, here, 58 if six else 1, ECHO6 if six else ECHO),
        "error": frames.icmp_error(asked, type=1 if six else 3, code=4 if six else 3, link=frames.raw),
        "question": asked,
        "error of a router": frames.icmp_error(asked, type=1 if six else 3, code=0, reporter="2001:db8::ff" if six else
                                               "192.0.2.254", link=frames.raw),
        "neighbour": frames.packet(there, here, 58, NEIGHBOUR) if six else asked,
    }  # fmt: skip


@pytest.mark.parametrize("six", [False, True])
@pytest.mark.parametrize(("what", "cause"), [("datagram", "port-filtered"), ("ping", "port-filtered"),
    ("error", "port-filtered"), ("question", "host-silent"), ("error of a router", "host-silent"),
    ("neighbour", "host-silent")])  # fmt: skip
@pytest.mark.parametrize("before", [False, True])
def test_the_host_lives_though_its_ports_do_not(what, cause, six, before):
    """UDP works, or a ping does; what is about the link says nothing of the host."""
    wire = Wire(**({"client": frames.CLIENT6, "server": frames.SERVER6} if six else {}))
    for _ in range(3):
        wire.client.syn(lost="after")
        wire.wait(2 * SECOND)
    wire.taken.append((START - SECOND if before else wire.now, "other", beside(six)[what]))
    assert cause_of(wire.report()) == cause


def test_many_hosts_that_speak():
    """Some share a slot; that one spoke is known of each."""
    wire = silent()
    for number in range(1, 4000):
        source = (f"10.{number >> 8}.{number & 255}.9", 53)
        wire.taken.append((wire.now + number, "other", frames.udp(source, frames.CLIENT, link=frames.raw)))
    wire.taken.append((wire.now, "other", beside()["datagram"]))
    for number in range(4000, 8000):
        source = (f"10.{number >> 8}.{number & 255}.9", 53)
        wire.taken.append((wire.now + number, "other", frames.udp(source, frames.CLIENT, link=frames.raw)))
    assert cause_of(wire.report()) == "port-filtered"


def test_the_port_is_filtered():
    """The host answers elsewhere, if only with a refusal."""
    refused = Wire(server=(frames.SERVER[0], 22))
    refused.client.syn()
    refused.server.refuse()
    assert cause_of(merged(silent(), refused)) == "port-filtered"
    assert cause_of(merged(silent(), Wire(server=(frames.SERVER[0], 22)).handshake())) == "port-filtered"


@pytest.mark.parametrize("later", [SECOND, 3600 * SECOND])
def test_the_syn_was_dropped(later):
    """The same service answers somebody, at any time."""
    assert cause_of(merged(silent(), Wire(start=START + later).handshake())) == "syn-dropped"


SIGNED = [frames.mss(1460) + frames.md5_signature(), frames.mss(1460) + frames.tcp_ao()]


@pytest.mark.parametrize("signed", SIGNED, ids=["md5", "ao"])
def test_a_listener_drops_what_is_not_signed_as_it_expects(signed):
    """Linux answers neither a signature of which it knows no key, nor the lack of one (RFC 2385 section 2.0)."""
    plain = Wire(start=START + SECOND).handshake()
    assert cause_of(merged(silent(options=signed), plain)) == "syn-dropped"
    other = Wire(start=START + SECOND)
    other.client.syn(options=signed)
    other.server.syn_ack(options=signed)
    other.client.ack()
    assert cause_of(merged(silent(), other)) == "syn-dropped"


KEY, LISTENER, RULE = "a key (TCP MD5", "without a listener", "nft list ruleset"


def unanswered_peers(signed, *, signing, plain=0, copies=1):
    """The finding about attempts on one port, of which some are signed, and the sentences of the connections."""
    wires = []
    for number in range(signing + plain):
        wire = Wire(client=("192.0.2.1", 41_000 + number))
        for _ in range(copies):
            wire.client.syn(lost="after", options=signed if number < signing else frames.mss(1460))
            wire.wait(SECOND)
        wires.append(wire)
    other = Wire(server=(frames.SERVER[0], 22), start=START + 9 * SECOND).handshake()
    report = merged(*wires, other)
    (finding,) = [one for one in report["findings"] if one["id"] == "timed-out"]
    assert (finding["metrics"]["cause"], finding["metrics"]["signed_syns"]) == ("port-filtered", signing)
    return finding, [one["why"] for one in report["connections"] if one["cause"] == "port-filtered"]


@pytest.mark.parametrize("signed", SIGNED, ids=["md5", "ao"])
@pytest.mark.parametrize("copies", [1, 3])
def test_a_port_that_answers_no_signed_syn_may_lack_the_key(signed, copies):
    """The key is likelier than the firewall; and Linux does not refuse a signed SYN where nothing listens."""
    finding, sentences = unanswered_peers(signed, signing=2, copies=copies)
    assert "SYNs signed with a key" in finding["title"]
    assert sorted((RULE, LISTENER, KEY), key=finding["advice"].index) == [KEY, LISTENER, RULE]
    assert all("signed SYN" in said and "lacks the key of this peer" in said for said in sentences)


@pytest.mark.parametrize(("signing", "plain", "named"), [(0, 3, False), (1, 2, False), (1, 1, True), (2, 1, True)])
def test_the_key_comes_first_where_half_of_the_syns_are_signed(signing, plain, named):
    finding, sentences = unanswered_peers(SIGNED[0], signing=signing, plain=plain)
    assert (KEY in finding["advice"], "signed" in finding["title"], RULE in finding["advice"]) == (named, named, True)
    assert [("key" in said) for said in sentences] == [True] * signing + [False] * plain


@pytest.mark.parametrize(
    ("other", "cause", "after"),
    [(("198.51.100.99", 443), "host-silent", "ping"), (frames.SERVER, "syn-dropped", "a full queue")],
)
def test_the_key_comes_first_wherever_nothing_answers_what_is_signed(other, cause, after):
    report = merged(silent(options=SIGNED[0]), Wire(server=other, start=START + SECOND).handshake())
    (finding,) = [one for one in report["findings"] if one["id"] == "timed-out"]
    assert (finding["metrics"]["cause"], finding["metrics"]["signed_syns"]) == (cause, 1)
    assert finding["advice"].index(KEY) < finding["advice"].index(after)


@pytest.mark.parametrize("signed", [*SIGNED, frames.mss(1460)], ids=["md5", "ao", "plain"])
@pytest.mark.parametrize(
    ("acked", "cause", "else_"),
    [(False, "no-final-ack", "SYN-ACKs arrive"), (True, "final-ack-lost", "asymmetric path")],
)
def test_a_signed_handshake_that_stays_half_open_may_have_two_keys(signed, acked, cause, else_):
    """A client drops a SYN-ACK, and a server an ACK, that another key signed."""
    wires = [Wire(client=("192.0.2.1", 41_000 + number), server=(frames.SERVER[0], 179 + number)) for number in (0, 1)]
    for wire in wires:
        wire.client.syn(options=signed)
        for _ in range(3):
            wire.server.syn_ack(options=signed, lost=None if acked else "after")
            if acked:
                wire.client.ack(options=signed if signed in SIGNED else b"", lost="after")
            wire.wait(SECOND)
        wire.quiet(4 * SECOND)
    (finding,) = [one for one in merged(*wires)["findings"] if one["id"] == "half-open"]
    assert finding["metrics"]["cause"] == cause
    named = signed in SIGNED
    assert ("Compare the key (TCP MD5 or TCP-AO)" in finding["advice"], "signed" in finding["title"]) == (named, named)
    assert else_ in finding["advice"]


def sends_data(wire):
    """A connection that was open before goes on: only new ones fail, as when SNAT is out of ports."""
    wire.server.data(500)
    wire.client.ack()


def connects_itself(wire):
    """The port is the source of a connection, as with peers that use one port for everything."""
    wire.client.syn(lost="after")


@pytest.mark.parametrize("ends", [(frames.CLIENT, frames.SERVER), (frames.CLIENT6, frames.SERVER6)], ids=["v4", "v6"])
@pytest.mark.parametrize("sign", [sends_data, connects_itself, lambda wire: wire.server.rst()])
def test_any_segment_is_life_of_the_port(ends, sign):
    (address, _), (server, port) = ends
    dropped = Wire(client=(address, 41000), server=(server, port))
    for _ in range(3):
        dropped.client.syn(lost="after")
        dropped.wait(2 * SECOND)
    other = "2001:db8::99" if ":" in address else "192.0.2.99"
    if sign is connects_itself:
        alive = Wire(client=(server, port), server=(other, 6881))
    else:
        alive = Wire(client=(other, 50001), server=(server, port))
    sign(alive)
    alive.wait(SECOND)
    causes = {one["client"]["port"]: one["cause"] for one in merged(dropped, alive)["connections"]}
    assert causes[41000] == "syn-dropped"


def test_what_others_sent_to_the_port_is_no_life_of_it():
    """A reflection onto the port of a host that is filtered, and a SYN-ACK with the address as its victim."""
    other = Wire(client=("192.0.2.99", 50001))
    other.client.syn(lost="after")
    stray = Wire(client=frames.SERVER, server=("192.0.2.98", 80))
    stray.server.syn_ack(seq=1, ack=77)
    report = merged(silent(), other, stray)
    assert cause_of(report) == "host-silent"


# -- half-open


def test_half_open():
    wire = Wire(at="server")
    wire.client.syn()
    for pause in (0, 1, 2, 4):
        wire.wait(pause * SECOND)
        wire.server.syn_ack(lost="after")
    connection = wire.connection()
    assert (connection["outcome"], connection["cause"], connection["decided"]) == ("half-open", "no-final-ack", True)
    assert connection["age_ns"] == 7 * SECOND + 3 * 20 * MS
    assert connection["handshake"]["synack_count"] == 4
    assert connection["server_to_client"]["retransmissions"] == 3
    assert states(connection) == ("CLOSED", "SYN_RECEIVED"), "a client that waits would have sent its SYN again"
    assert connection["evidence"][:2] == [1, 2]


@pytest.mark.parametrize(("age_ns", "decided"), [(MS, False), (3 * SECOND - 1, False), (3 * SECOND, True)])
def test_half_open_is_decided_when_there_was_time_to_complete(age_ns, decided):
    wire = Wire(at="server")
    wire.client.syn()
    wire.server.syn_ack(lost="after", stay=True)
    wire.quiet(age_ns)
    connection = wire.connection()
    assert (connection["outcome"], connection["age_ns"], connection["decided"]) == ("half-open", age_ns, decided)


def test_a_client_that_gets_no_answer_repeats_its_syn():
    """Each SYN draws its SYN-ACK at once, beside the server's own timer."""
    wire = Wire(at="server")
    for _ in range(3):
        wire.client.syn()
        wire.server.syn_ack(lost="after")
        wire.wait(960 * MS)
    connection = wire.connection()
    assert (connection["outcome"], connection["cause"]) == ("half-open", "no-final-ack")
    assert (connection["handshake"]["syn_count"], connection["handshake"]["synack_count"]) == (3, 3)
    assert states(connection) == ("SYN_SENT", "SYN_RECEIVED")


# -- the accept queue


def overflowing(pauses=(1, 2, 4), *, at="client", **hosts):
    """The server repeats its SYN-ACK, and the client answers each with an ACK."""
    wire = Wire(at=at, **hosts).handshake()
    for pause in pauses:
        wire.wait(pause * SECOND)
        wire.server.syn_ack()
        wire.client.ack()
    return wire


@pytest.mark.parametrize("at", ["client", "middle", "server"])
def test_accept_queue_overflow(at):
    connection = overflowing(at=at).connection()
    assert (connection["outcome"], connection["cause"]) == ("half-open", "accept-queue-overflow")
    assert states(connection) == ("ESTABLISHED", "SYN_RECEIVED")
    assert connection["decided"]


def test_accept_queue_overflow_with_data():
    """Client data is repeated and never acknowledged."""
    wire = Wire().handshake()
    wire.client.data(lost="after")
    for pause in (200, 400, 800, 1600):
        wire.wait(pause * MS)
        wire.client.data(seq=1001, lost="after")
    wire.server.syn_ack(ack=1001)
    connection = wire.connection()
    assert (connection["outcome"], connection["cause"]) == ("half-open", "accept-queue-overflow")
    assert states(connection) == ("ESTABLISHED", "SYN_RECEIVED")


def test_accept_queue_overflow_that_ends_in_a_rst():
    wire = overflowing()
    wire.wait(8 * SECOND)
    wire.client.data()
    wire.server.rst(seq=5001)
    connection = wire.connection()
    assert (connection["outcome"], connection["cause"]) == ("half-open", "accept-queue-overflow")
    assert states(connection) == ("CLOSED", "CLOSED")


def test_accept_queue_overflow_that_recovers():
    """Established after trouble: the trouble stays in the counters."""
    wire = overflowing().exchange()
    connection = wire.connection()
    assert (connection["outcome"], connection["decided"]) == ("established", True)
    assert connection["handshake"]["synack_count"] == 4
    assert connection["server_to_client"]["retransmissions"] == 3
    assert states(connection) == ("ESTABLISHED", "ESTABLISHED")


def test_one_lost_ack_is_no_overflow():
    """The server repeats its SYN-ACK once, the client its ACK; then all is well."""
    wire = Wire(at="client")
    wire.client.syn()
    wire.server.syn_ack()
    wire.client.ack(lost="after")
    wire.wait(SECOND)
    wire.server.syn_ack()
    wire.client.ack()
    wire.exchange()
    connection = wire.connection()
    assert connection["outcome"] == "established"
    assert states(connection) == ("ESTABLISHED", "ESTABLISHED")


def test_a_syn_ack_that_crosses_the_ack_proves_nothing():
    """Seen beside the client: the copy left the server before the ACK could arrive."""
    wire = Wire(delay=600 * MS)
    wire.client.syn()
    wire.server.syn_ack(stay=True)
    wire.wait(600 * MS)
    wire.client.ack(stay=True)
    wire.wait(400 * MS)
    wire.server.syn_ack(stay=True)
    wire.wait(600 * MS)
    wire.client.ack()
    connection = wire.connection()
    assert connection["outcome"] == "established"


def test_defer_accept_is_no_overflow():
    """TCP_DEFER_ACCEPT repeats the SYN-ACK after a bare ACK too, once and late, but takes the first data."""
    wire = overflowing((15,)).exchange()
    report = wire.report()
    assert report["summary"]["outcomes"]["established"] == 1
    assert "accept-queue-overflow" not in {finding["id"] for finding in report["findings"]}


def test_a_listener_that_defers_is_not_accused_of_its_silent_clients():
    """Of the same listener, a client that has sent nothing yet: no overflow, it waits for data."""
    speaking = overflowing((15,)).exchange()
    silent = overflowing((1, 2), client=(frames.CLIENT[0], frames.CLIENT[1] + 1))
    report = merged(speaking, silent)
    causes = {(connection["outcome"], connection["cause"]) for connection in report["connections"]}
    assert causes == {("established", None), ("half-open", "deferred-accept")}
    assert "accept-queue-overflow" not in {finding["id"] for finding in report["findings"]}


def test_a_queue_that_drained_is_no_deferral():
    """Two repetitions are more than TCP_DEFER_ACCEPT makes, though the first data is taken at once."""
    report = overflowing((1, 2)).exchange().report()
    (finding,) = (one for one in report["findings"] if one["id"] == "accept-queue-overflow")
    assert (finding["metrics"]["connections"], finding["metrics"]["recovered"]) == (1, 1)
    assert report["summary"]["outcomes"]["established"] == 1


@pytest.mark.parametrize("pauses", [(0.2, 0.4, 0.8, 1.6, 3.2), (0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8)])
@pytest.mark.parametrize("at", ["client", "server"])
def test_data_that_vanishes_behind_a_good_handshake_blames_no_application(pauses, at):
    """No SYN-ACK is repeated: the ACK was taken, and something on the path holds the data back."""
    wire = Wire(at=at).handshake()
    wire.client.data(1400, lost="after")
    for pause in pauses:
        wire.wait(int(pause * SECOND))
        wire.client.data(1400, seq=1001, lost="after")
    connection = wire.connection()
    assert (connection["outcome"], connection["cause"]) == ("established", None)
    assert states(connection) == ("ESTABLISHED", "ESTABLISHED")
    kinds = {finding["id"] for finding in wire.report()["findings"]}
    assert not kinds & {"accept-queue-overflow", "half-open"}


# -- final ACKs that do not arrive


def listeners(count, act=overflowing, **words):
    """As many ports of the server, each with a client of its own port."""
    ports = ((frames.SERVER[0], 8000 + n) for n in range(count))
    return [act(server=port, client=(frames.CLIENT[0], 41000 + n), **words) for n, port in enumerate(ports)]


def ids_of(report):
    return {finding["id"] for finding in report["findings"]}


@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("at", ["client", "middle"])
def test_listeners_that_take_no_ack_do_not_get_it(count, at):
    """A stateful firewall on an asymmetric path lets only SYNs through: no application is to blame."""
    report = merged(*listeners(count, at=at))
    assert {(one["outcome"], one["cause"]) for one in report["connections"]} == {("half-open", "final-ack-lost")}
    assert "accept-queue-overflow" not in ids_of(report)
    (finding,) = (one for one in report["findings"] if one["id"] == "half-open")
    assert finding["metrics"]["port_count"] == count
    assert "firewall" in finding["advice"]


def test_one_listener_that_takes_no_ack_has_a_full_queue():
    silent = [overflowing(client=(frames.CLIENT[0], 41000 + n)) for n in range(3)]
    assert {one["cause"] for one in merged(*silent)["connections"]} == {"accept-queue-overflow"}


@pytest.mark.parametrize("taken", [8000, 22])
def test_a_host_that_takes_acks_of_this_client_gets_them(taken):
    """On one of the two ports, or on another one: the path is good, and the queues are full."""
    good = Wire(server=(frames.SERVER[0], taken), client=(frames.CLIENT[0], 42000)).handshake().exchange()
    report = merged(*listeners(2), good)
    assert {one["cause"] for one in report["connections"]} == {"accept-queue-overflow", None}


def test_another_clients_path_says_nothing_of_this_ones():
    good = Wire(server=(frames.SERVER[0], 22), client=("192.0.2.99", 42000)).handshake().exchange()
    report = merged(*listeners(2), good)
    assert {one["cause"] for one in report["connections"]} == {"final-ack-lost", None}


@pytest.mark.parametrize("acked", [False, True])
def test_a_syn_ack_after_the_clients_rst_shows_that_it_was_not_seen(acked):
    """An attempt that the client resets stays one; the server still waits."""
    wire = Wire()
    wire.client.syn()
    wire.server.syn_ack()
    if acked:
        wire.client.ack(lost="after")
    wire.client.rst(seq=1001, lost="after")
    for seconds in (1, 2):
        wire.wait(seconds * SECOND)
        wire.server.syn_ack(ack=1001)
        wire.client.rst(seq=1001, lost="after")
    report = wire.report()
    connection = wire.connection()
    said = ("half-open", "final-ack-lost") if acked else ("aborted", "reset-by-client")
    assert (connection["outcome"], connection["cause"]) == said
    assert states(connection) == ("CLOSED", "SYN_RECEIVED")
    assert not ids_of(report) & {"rst-injection", "accept-queue-overflow", "address-conflict"}


def test_a_syn_ack_that_crosses_the_clients_rst_proves_nothing():
    wire = Wire(delay=600 * MS)
    wire.client.syn()
    wire.server.syn_ack(stay=True)
    wire.wait(600 * MS)
    wire.client.rst(seq=1001, stay=True)
    wire.wait(400 * MS)
    wire.server.syn_ack(ack=1001)
    assert states(wire.connection()) == ("CLOSED", "CLOSED")


# -- a RST behind the final ACK


def bare_rst(wire, **words):
    wire.handshake()
    wire.server.rst(seq=5001, **words)
    return wire


def test_a_bare_rst_is_the_servers_where_nothing_speaks_against_it():
    report = bare_rst(Wire()).report()
    (connection,) = report["connections"]
    assert (connection["outcome"], connection["cause"]) == ("half-open", "reset-by-server")
    assert "accept-queue-overflow" in ids_of(report)
    assert "rst-injection" not in ids_of(report)


@pytest.mark.parametrize("act", ["ttl", "acknowledges", "sends", "closes"])
@pytest.mark.parametrize("at", ["client", "middle", "server"])
def test_a_bare_rst_that_the_server_did_not_send(act, at):
    """Its TTL is not the server's, or the server goes on, however soon: the handshake was complete."""
    wire = Wire(at=at)
    if act == "ttl":
        bare_rst(wire, ttl=62)
    else:
        wire.handshake()
        wire.client.data(100, stay=True)
        wire.server.rst(seq=5001, stay=True)
        wire.wait(MS)
        {"acknowledges": wire.server.ack, "sends": wire.server.data, "closes": wire.server.fin}[act](seq=5001)
    report = wire.report()
    (connection,) = report["connections"]
    assert (connection["outcome"], connection["cause"]) == ("established", "reset-by-middlebox")
    assert connection["close"]["reset_by"] == "middlebox"
    assert "rst-injection" in ids_of(report)
    assert not ids_of(report) & {"accept-queue-overflow", "half-open", "early-reset", "stale-peer"}


# -- Fast Open (RFC 7413)


def fast_open_wire(acknowledged):
    wire = Wire()
    wire.client.syn(size=50, options=frames.linux_syn_options() + frames.fast_open(b"cookie!!"))
    wire.server.syn_ack(ack=1001 + acknowledged)
    return wire


def test_fast_open_accepted():
    wire = fast_open_wire(50)
    wire.client.ack()
    wire.exchange()
    connection = wire.connection()
    assert connection["outcome"] == "established"
    assert connection["handshake"]["client_options"]["tfo"]
    assert connection["client_to_server"]["bytes"] == 150
    assert connection["client_to_server"]["retransmissions"] == 0


def test_fast_open_refused():
    """The SYN-ACK acknowledges the SYN only: the data comes again."""
    wire = fast_open_wire(0)
    wire.client.send("PA", 50, seq=1001)
    wire.server.data(10)
    wire.client.ack()
    connection = wire.connection()
    assert connection["outcome"] == "established"
    assert states(connection) == ("ESTABLISHED", "ESTABLISHED")


@pytest.mark.parametrize("acknowledged", [51, -1])
def test_fast_open_acknowledged_beyond_its_data(acknowledged):
    wire = fast_open_wire(acknowledged)
    assert wire.connection()["handshake"]["synack_count"] == 0


def test_fast_open_server_speaks_first():
    """The server may answer before the final ACK; until that comes the handshake is not complete."""
    wire = fast_open_wire(50)
    wire.server.data(500)
    assert wire.connection()["outcome"] in {"half-open", "established"}
    wire.client.ack()
    assert wire.connection()["outcome"] == "established"


# -- both ends open


def test_simultaneous_open():
    wire = Wire(at="middle")
    wire.client.syn(stay=True)
    wire.server.syn()
    wire.client.syn_ack(stay=True)
    wire.server.syn_ack()
    wire.exchange()
    connection = wire.connection()
    assert connection["outcome"] == "established"
    assert connection["client"]["port"] == frames.CLIENT[1], "the first SYN"
    assert connection["rtt"]["total"]["reason"] == "simultaneous-open"
    assert states(connection) == ("ESTABLISHED", "ESTABLISHED")
    assert connection["client_to_server"]["retransmissions"] == 0


@pytest.mark.parametrize("marks", [{}, {"timestamps": False}], ids=str)
def test_the_syn_acks_of_a_simultaneous_open_are_no_copies_of_what_came_before(marks):
    """IPv6 numbers no packets, and the clock stands for a path so short."""
    wire = Wire(at="middle", client=frames.CLIENT6, server=frames.SERVER6, delay=100_000, **marks)
    wire.client.syn(stay=True)
    wire.server.syn()
    wire.client.syn_ack(stay=True)
    wire.server.syn_ack()
    connection = wire.connection()
    assert (connection["outcome"], states(connection)) == ("established", ("ESTABLISHED", "ESTABLISHED"))
    assert connection["client_to_server"]["duplicates"] == connection["server_to_client"]["duplicates"] == 0


def test_simultaneous_open_ended_with_bare_acks():
    wire = Wire(at="middle")
    wire.client.syn(stay=True)
    wire.server.syn()
    wire.client.ack(stay=True)
    wire.server.ack()
    assert wire.connection()["outcome"] == "established"


def test_a_connection_to_itself():
    """One SYN, one SYN-ACK, identical endpoints; there is no third segment."""
    end = ("192.0.2.1", 40000)
    taken = [
        (START, frames.syn(end, end, seq=100)),
        (START + MS, frames.syn_ack(end, end, seq=100, ack=101)),
        (START + 2 * MS, frames.data(b"x" * 10, end, end, seq=101, ack=101)),
        (START + 3 * MS, frames.ack(end, end, seq=111, ack=111)),
    ]
    for count in (2, 4):
        (connection,) = report_of(captures.pcap(taken[:count]))["connections"]
        assert connection["outcome"] == "established"
        assert connection["client"].items() <= connection["server"].items()
        assert states(connection) == ("ESTABLISHED", "ESTABLISHED")


# -- roles without an opening


def test_midstream_roles_are_inferred():
    for client_port, server_port in [(40000, 443), (50000, 49999)]:
        wire = Wire(client=("192.0.2.1", client_port), server=("198.51.100.2", server_port))
        wire.client.rcv_nxt, wire.server.rcv_nxt = 5000, 1000
        for first in (wire.server, wire.client):
            first.data()
            connection = wire.connection()
            assert (connection["outcome"], connection["roles"]) == ("midstream", "inferred")
            assert connection["server"]["port"] == server_port
            assert states(connection) == ("ESTABLISHED", "ESTABLISHED")


def test_the_sender_of_a_syn_ack_is_the_server():
    wire = Wire(client=("192.0.2.1", 80), server=("198.51.100.2", 50000))
    wire.server.syn_ack(ack=1001)
    connection = wire.connection()
    assert (connection["outcome"], connection["roles"]) == ("unsolicited", "inferred")
    assert connection["server"]["port"] == 50000


def test_a_handshake_of_which_only_the_syn_is_missing():
    """The capture begins between SYN and SYN-ACK: what follows proves the handshake."""
    connection = Wire().handshake().exchange().connection(order=[1, 2, 3, 4, 5])
    assert connection["outcome"] == "established"
    assert connection["roles"] == "inferred"
    assert connection["rtt"]["synack"]["method"] == "none"
    assert connection["rtt"]["ackdat"]["value_ns"] == 0


# -- one side only


def test_one_sided_capture_of_the_client():
    wire = Wire().handshake().exchange().close()
    connection = wire.connection(only="client")
    assert (connection["outcome"], connection["roles"]) == ("established", "observed")
    assert connection["server_to_client"] == dict.fromkeys(connection["server_to_client"], 0)
    assert connection["client_to_server"]["retransmissions"] == 0
    assert connection["state"]["client"] == "TIME_WAIT", "its last ACK is for one byte more: the server's FIN"


@pytest.mark.parametrize("end", ["rst", "rst_ack"])
@pytest.mark.parametrize("words", [{}, {"client": frames.CLIENT6, "server": frames.SERVER6}])
def test_one_sided_capture_with_a_gap_before_the_reset(end, words):
    """Nobody knows the window of a host that the capture does not hold: its bare ACKs show how far the client is."""
    wire = Wire(**words).handshake()
    wire.client.data(800, lost="before")
    wire.server.data(500)
    wire.client.ack()
    getattr(wire.client, end)()
    report = wire.report(only="client")
    assert report["connections"][0]["close"] == {"how": "rst", "first": "client", "reset_by": "client"}
    assert [one["id"] for one in report["findings"]] == ["capture-quality"]


def test_one_sided_capture_of_the_server():
    wire = Wire().handshake().exchange().close()
    connection = wire.connection(only="server")
    assert (connection["outcome"], connection["roles"]) == ("established", "inferred")
    assert connection["server"]["port"] == frames.SERVER[1]
    assert connection["server_to_client"]["retransmissions"] == 0
    assert connection["close"] == {"how": "fin", "first": "client", "reset_by": None}, "its FIN was acknowledged"
    assert states(connection) == ("TIME_WAIT", "LAST_ACK")


def test_one_sided_capture_of_a_refusal():
    wire = Wire()
    wire.client.syn()
    wire.server.refuse()
    assert wire.connection(only="server")["outcome"] == "unsolicited"
    assert wire.connection(only="client")["outcome"] == "pending"


def test_backscatter_and_the_far_half():
    """In a capture that sees both ends a SYN-ACK without a SYN is backscatter."""
    stray = [Wire(client=(f"192.0.2.{i}", 5000 + i), start=START + i * MS) for i in range(2, 6)]
    for wire in stray:
        wire.server.syn_ack(ack=1001)
    healthy = Wire(server=("198.51.100.77", 443)).handshake().exchange()
    unasked = [one for one in merged(healthy, *stray)["connections"] if one["outcome"] == "unsolicited"]
    assert {one["cause"] for one in unasked} == {"backscatter"}
    assert {states(one) for one in unasked} == {("CLOSED", "SYN_RECEIVED")}, "whose address it is did not ask"
    far = merged(*stray)["connections"]
    assert {states(one) for one in far} == {("ESTABLISHED", "SYN_RECEIVED")}
    assert {one["cause"] for one in merged(*stray)["connections"]} <= {"one-sided", "backscatter"}


@pytest.mark.parametrize("who", ["client", "server"])
def test_one_syn_ack_of_a_simultaneous_open_proves_one_end_only(who):
    """Both ends opened, and only one SYN-ACK is in the capture: the end that sent it may still wait for the other's."""
    wire = Wire()
    wire.client.syn(stay=True)
    wire.server.syn()
    getattr(wire, who).syn_ack()
    connection = wire.connection()
    assert connection["outcome"] == "half-open"
    assert not connection["decided"]


# -- what silence says


def answered_once(at="server"):
    wire = Wire(at=at)
    wire.client.syn()
    wire.server.syn_ack(lost="after", stay=True)
    return wire


@pytest.mark.parametrize(
    ("age_ns", "client"), [(499 * MS, "ESTABLISHED"), (500 * MS, "SYN_SENT"), (6 * SECOND, "SYN_SENT")]
)
def test_a_client_that_does_not_acknowledge_has_no_syn_ack(age_ns, client):
    """Who gets it answers at once."""
    connection = answered_once().quiet(age_ns).connection()
    assert states(connection) == (client, "SYN_RECEIVED")
    assert connection["outcome"] == "half-open"


def test_a_syn_ack_that_is_never_repeated():
    """No stack waits longer than 3 s before it sends the second: a SYN cookie, of which the server keeps nothing."""
    connection = answered_once().quiet(7 * SECOND).connection()
    assert states(connection) == ("CLOSED", "CLOSED")
    assert (connection["outcome"], connection["decided"]) == ("half-open", True)


def test_the_answer_to_a_repeated_syn_is_believed_once():
    wire = Wire(at="server")
    wire.client.syn()
    wire.server.syn_ack(lost="after")
    wire.wait(SECOND)
    wire.client.syn()
    assert states(wire.connection()) == ("SYN_SENT", "SYN_RECEIVED")
    wire.server.syn_ack(stay=True)
    assert states(wire.connection()) == ("ESTABLISHED", "SYN_RECEIVED")


def test_syn_acks_that_nobody_asked_for_come_again():
    wire = Wire()
    for pause in (1, 2, 4):
        wire.server.syn_ack(ack=1001, lost="after")
        wire.wait(pause * SECOND)
    connection = wire.connection()
    assert (connection["outcome"], connection["handshake"]["synack_count"]) == ("unsolicited", 3)
    assert connection["state"]["server"] == "SYN_RECEIVED"


# -- a gap in the capture behind the SYN


def gap(wire, size=120):
    """The capture lost what came between the SYN and the server's answer to the request."""
    wire.client.syn()
    wire.server.syn_ack(lost="before")
    wire.server.snd_nxt += 1
    wire.client.ack(lost="before")
    wire.client.data(size, lost="before")
    wire.server.rcv_nxt = (wire.client.isn + 1 + size) & 0xFFFF_FFFF
    return wire


@pytest.mark.parametrize("timestamps", [True, False])
@pytest.mark.parametrize("isn", [1000, 0xFFFF_FFF0])
def test_a_server_that_acknowledges_more_than_the_capture_holds(timestamps, isn):
    wire = gap(Wire(timestamps=timestamps, client_isn=isn))
    wire.server.data(500)
    wire.server.data(500)
    report = wire.report()
    (connection,) = report["connections"]
    assert connection["outcome"] == "established"
    assert states(connection) == ("ESTABLISHED", "ESTABLISHED")
    assert connection["client_to_server"]["retransmissions"] == 0
    assert connection["rtt"]["total"]["method"] == "none"
    assert report["findings"] == []


def test_a_bare_ack_of_unseen_data_is_enough():
    wire = gap(Wire())
    wire.server.ack()
    assert wire.outcomes() == [("established", None)]


@pytest.mark.parametrize("timestamps", [True, False])
def test_a_rst_that_acknowledges_unseen_data_ends_what_was_established(timestamps):
    wire = gap(Wire(timestamps=timestamps))
    wire.server.rst_ack(options=b"")
    assert wire.outcomes() == [("established", "reset-by-server")]


def test_a_connection_behind_a_gap_may_be_reset_later():
    wire = gap(Wire())
    wire.server.data(500)
    wire.client.ack()
    wire.client.rst()
    assert wire.outcomes() == [("established", "reset-by-client")]


def test_an_older_connection_challenges_with_a_number_far_away():
    """And resets nothing: the client answers with that number, and asks again."""
    wire = Wire(timestamps=False)
    wire.client.syn()
    wire.server.ack(seq=77_000, ack=0x5000_0000)
    wire.client.rst(seq=0x5000_0000)
    assert wire.connection()["outcome"] == "pending"


def test_an_older_connection_may_have_a_number_nearby():
    """One challenge in thousands looks like unseen data: the client's RST shows what it was."""
    wire = Wire(timestamps=False)
    wire.client.syn()
    wire.server.ack(seq=77_000, ack=wire.client.isn + 5000)
    assert wire.connection()["outcome"] == "established"
    wire.client.rst(seq=wire.client.isn + 5000)
    assert wire.connection()["outcome"] == "pending"
    assert states(wire.connection()) == ("SYN_SENT", "CLOSED")


def test_an_older_connection_echoes_an_older_clock():
    wire = Wire()
    wire.client.syn()
    wire.server.ack(seq=77_000, ack=wire.client.isn + 5000, options=frames.timestamps(52_000, 100_000))
    assert wire.connection()["outcome"] == "pending"


def test_an_ack_behind_the_rst_of_its_client_opens_nothing():
    """In a capture of one direction the ACK alone would prove a handshake."""
    said = {"src": CLIENT, "dst": SERVER, "seq": CLIENT_ISN + 1, "ack": SERVER_ISN + 1}
    opened = tracked(frames.syn(), frames.ack(**said)).endpoint_rows[0]
    assert opened.state == TcpState.ESTABLISHED
    reset = tracked(frames.syn(), frames.rst(**said), frames.ack(**said)).endpoint_rows[0]
    assert reset.state == TcpState.CLOSED


@pytest.mark.parametrize(("reset", "last_frame"), [(False, 3), (True, 2)])
def test_a_syn_ack_of_another_host_behind_a_rst_is_not_waited_for(reset, last_frame):
    """Else the handshake would seem to be young still."""
    rst = frames.rst(src=CLIENT, dst=SERVER, seq=CLIENT_ISN + 1, ack=SERVER_ISN + 1)
    other = frames.syn_ack(seq=SERVER_ISN + 99_999, ident=9)
    table = tracked(frames.syn(), frames.syn_ack(), *([rst] if reset else []), other)
    assert table.connection_rows[0].last_synack_ns == (last_frame - 1) * MS
