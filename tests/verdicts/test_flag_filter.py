"""Captures filtered by TCP flags: what they cannot show is no failure."""

import pytest
from support import captures, frames
from support.captures import pcap
from support.detected import MS, SECOND, START, chance, crowd, found, merged, only
from support.wire import Wire, report_of

from handshake_inspect.wire.const import PROTO_TCP


def kept(wires, keep):
    """The report of what a filter on flags lets through."""
    timed = [(ns, frame) for wire in wires for ns, frame in wire.frames() if keep(flags_of(frame))]
    return report_of(pcap(sorted(timed), nano=True))


def flags_of(frame):
    return frame[14 + 20 + 13] if frame[14 + 9] == PROTO_TCP else 0


def syns(flags):
    return flags & frames.SYN


def syns_without_ack(flags):
    return flags & (frames.SYN | frames.ACK) == frames.SYN


def openings_and_ends(flags):
    return flags & (frames.SYN | frames.FIN | frames.RST)


def healthy(wire, number):
    wire.handshake().exchange().close()


def healthy_open(wire, number):
    wire.handshake().exchange()
    wire.quiet(10 * SECOND)


@pytest.mark.parametrize("keep", [syns, openings_and_ends], ids=["syn", "syn, fin, rst"])
def test_half_open_is_not_decided_where_no_final_ack_could_be_seen(keep):
    report = kept(crowd(30, healthy_open), keep)
    assert {(one["outcome"], one["decided"]) for one in report["connections"]} == {("half-open", False)}
    assert "filtered by flags" in report["connections"][0]["why"]
    assert [one["metrics"]["kind"] for one in report["findings"]] == ["filtered"]
    finding = only(report, "capture-quality")
    assert (finding["severity"], finding["metrics"]["undecidable"], finding["metrics"]["final_ack_hidden"]) == (
        "info", 30, 30,
    )  # fmt: skip


@pytest.mark.parametrize("who", ["rst", "rst_ack"])
def test_a_reset_of_the_server_may_have_come_long_after_the_final_ack(who):
    """A proxy without a backend, captured by flags: nothing shows that the reset stopped the handshake."""

    def turned_away(wire, number):
        wire.handshake().client.data(80)
        getattr(wire.server, who)()

    report = kept([*crowd(6, turned_away), *crowd(6, healthy, address="192.0.2.99")], openings_and_ends)
    assert [(one["outcome"], one["decided"]) for one in report["connections"] if one["outcome"] != "established"] == [
        ("half-open", False)
    ] * 6
    assert found(report, "half-open") == []


def test_closing_segments_show_what_was_established():
    report = kept(crowd(5, healthy), openings_and_ends)
    assert {one["outcome"] for one in report["connections"]} == {"established"}
    assert found(report, "half-open") == []


def test_a_server_that_asks_again_shows_that_no_final_ack_came():
    def ignored(wire, number):
        wire.client.syn()
        for pause in (SECOND, 2 * SECOND, 4 * SECOND):
            wire.server.syn_ack(lost="after")
            wire.wait(pause)

    report = kept([*crowd(3, ignored), *crowd(20, healthy_open, address="192.0.2.9")], syns)
    assert [one["decided"] for one in report["connections"] if one["client"]["ip"] == "192.0.2.1"] == [True] * 3
    assert only(report, "half-open")["metrics"]["connections"] == 3


def test_syns_that_no_kernel_made_show_a_flood():
    """Option-less SYNs from everywhere, each answered once: SYN cookies, perhaps; no client of theirs completes."""
    wires = []
    for number in range(300):
        client = (f"198.18.{chance(number) % 250}.{number % 250}", 1024 + chance(number) % 60000)
        wire = Wire(client=client, start=START + number * 20 * MS, client_isn=chance(~number), timestamps=False)
        wire.client.syn(options=b"")
        wire.server.syn_ack()
        wires.append(wire)
    report = kept(wires, syns)
    assert len(found(report, "syn-flood")) == 1
    assert {one["decided"] for one in report["connections"] if one["first_ns"] < START + SECOND // 2} == {True}


def test_one_plain_segment_shows_that_nothing_was_filtered():
    half = Wire(client=("192.0.2.77", 5))
    half.client.syn()
    half.server.syn_ack(lost="after")
    half.wait(5 * SECOND)
    other = Wire(start=START + 10 * SECOND).handshake()
    report = merged(half, other)
    assert [one["decided"] for one in report["connections"]] == [True, True]


def test_frames_that_are_not_tcp_show_it_too():
    half = Wire()
    half.client.syn()
    half.server.syn_ack(lost="after")
    half.quiet(5 * SECOND)
    assert half.connection()["decided"] is True


def asked(times):
    def act(wire, number):
        for pause in (1, 2, 4, 8)[:times]:
            wire.client.syn(lost="after")
            wire.wait(pause * SECOND)

    return act


def test_syns_alone_do_not_show_that_nothing_answered():
    """A filter on SYNs without ACK: connections that went well look the same."""
    last = Wire(client=("192.0.2.99", 9), start=START + 60 * SECOND)
    last.client.syn()
    report = kept([*crowd(20, healthy), last], syns_without_ack)
    undecided = [one for one in report["connections"] if one["outcome"] == "timed-out"]
    assert len(undecided) == 20
    assert not any(one["decided"] for one in undecided)
    assert "may lack the answer" in undecided[0]["why"]
    assert {one["id"] for one in report["findings"]} == {"capture-quality"}


@pytest.mark.parametrize(("times", "decided"), [(1, False), (2, False), (3, True), (4, True)])
def test_a_client_that_asks_again_and_again_shows_that_nothing_answered(times, decided):
    wire = crowd(1, asked(times))[0]
    late = Wire(client=("192.0.2.99", 9), start=START + 60 * SECOND)
    late.client.syn()
    report = kept([wire, late], syns_without_ack)
    assert (report["connections"][0]["outcome"], report["connections"][0]["decided"]) == ("timed-out", decided)


def test_a_refusal_that_a_filter_left_out_looks_like_silence():
    """Only SYNs and SYN-ACKs are kept: that no RST is in the capture says nothing of the SYN without an answer."""
    refused = Wire(client=("192.0.2.50", 4000), server=("198.51.100.2", 8443))
    refused.client.syn()
    refused.server.refuse()
    report = kept([refused, *crowd(5, healthy)], syns)
    (alone,) = [one for one in report["connections"] if one["server"]["port"] == 8443]
    assert alone["decided"] is False
    assert found(report, "timed-out") == []


# Where the capture says by which filter it was made.


def said(wires, text, keep=lambda flags: True):
    """The report of a pcapng file that names its filter."""
    timed = sorted((ns, frame) for wire in wires for ns, frame in wire.frames() if keep(flags_of(frame)))
    content = captures.section() + captures.interface(resolution=9, filter_text=b"\0" + text.encode())
    return report_of(content + b"".join(captures.packet(frame, ns) for ns, frame in timed))


def half_open(wire, number):
    wire.client.syn()
    wire.server.syn_ack(lost="after")
    wire.wait(5 * SECOND)


def test_a_filter_that_asks_for_no_flags_hides_nothing():
    """Without it, a capture that holds nothing but SYN and SYN-ACK would look filtered."""
    late = Wire(client=("192.0.2.99", 9), start=START + 60 * SECOND)
    late.client.syn()
    wires = [*crowd(5, half_open), late]
    assert {one["decided"] for one in kept(wires, openings_and_ends)["connections"][:5]} == {False}
    report = said(wires, "tcp port 443")
    assert {one["decided"] for one in report["connections"][:5]} == {True}
    assert report["capture"]["filters"] == ["tcp port 443"]


def test_a_filter_on_flags_hides_final_acks_whatever_else_is_captured():
    wires = crowd(5, healthy_open)
    wires[0].quiet(SECOND)  # a frame that is not TCP
    report = said(wires, "udp or tcp[tcpflags] & tcp-syn != 0", lambda flags: not flags or syns(flags))
    assert {(one["outcome"], one["decided"]) for one in report["connections"]} == {("half-open", False)}
    assert [one["metrics"]["kind"] for one in report["findings"]] == ["filtered"]


def test_a_filter_that_keeps_data_but_no_bare_acks():
    """`tcp-syn|tcp-push`: who sends nothing looks half-open."""

    def opened(wire, number):
        wire.handshake().exchange()

    def idle(wire, number):
        wire.handshake().quiet(10 * SECOND)

    wires = [*crowd(3, opened), *crowd(3, idle, address="192.0.2.9")]
    report = said(wires, "tcp[tcpflags] & (tcp-syn|tcp-push) != 0", lambda flags: flags & (frames.SYN | frames.PSH))
    outcomes = [(one["client"]["ip"], one["outcome"], one["decided"]) for one in report["connections"]]
    assert sorted(set(outcomes)) == [("192.0.2.1", "established", True), ("192.0.2.9", "half-open", False)]


def test_silence_is_silence_where_the_filter_lets_answers_pass():
    late = Wire(client=("192.0.2.99", 9), start=START + 60 * SECOND)
    late.client.syn()
    wires = [*crowd(3, asked(1)), late]
    assert not kept(wires, syns)["connections"][0]["decided"]
    for text, decided in {"tcp[13] & 6 != 0": True, "tcp[13] & 2 != 0": False, "tcp[13] == 2": False}.items():
        assert {one["decided"] for one in said(wires, text, syns)["connections"][:3]} == {decided}, text


def test_a_filter_on_flags_that_bare_acks_passed():
    wires = [*crowd(3, healthy_open), *crowd(3, half_open, address="192.0.2.9")]
    report = said(wires, "tcp[tcpflags] & tcp-syn != 0 or tcp[tcpflags] == tcp-ack", lambda flags: flags != frames.PSH)
    assert {one["decided"] for one in report["connections"]} == {True}


def test_a_filter_that_cannot_be_read_is_judged_by_what_is_there():
    for text in ("not tcp[13] & 16 == 16", "tcp[13] > 1"):
        assert {one["decided"] for one in said(crowd(5, healthy_open), text, syns)["connections"]} == {False}
        assert {one["decided"] for one in said(crowd(5, healthy_open), text)["connections"]} == {True}


@pytest.mark.parametrize("size", [1, 100, 40_000])
def test_what_came_after_the_handshake_shows_that_it_completed(size):
    """The server resets behind what it sent, or the client closes behind what it got; none of that was kept."""

    def reset(wire, number):
        wire.handshake().exchange(size)
        wire.server.rst_ack()

    def closed(wire, number):
        wire.handshake().exchange(size)
        wire.client.fin()

    for act in (reset, closed):
        report = kept(crowd(4, act), openings_and_ends)
        assert {(one["outcome"], one["decided"]) for one in report["connections"]} == {("established", True)}
        assert {one["id"] for one in report["findings"]} <= {"capture-quality"}


@pytest.mark.parametrize("words", [{}, {"timestamps": False}, {"at": "server"}], ids=["timestamps", "plain", "server"])
@pytest.mark.parametrize("sent", [1, 100, 60_000, 70_000, 9_000_000, 1_500_000_000])
@pytest.mark.parametrize("who", ["client", "server"])
@pytest.mark.parametrize("how", ["rst", "rst_ack"])
def test_a_reset_behind_the_handshake_ended_what_was_established(how, who, sent, words):
    """However far: the windows that tell are not in the capture."""

    def reset(wire, number):
        wire.handshake()
        end = getattr(wire, who)
        end.snd_nxt = (end.snd_nxt + sent) % 2**32
        getattr(end, how)()

    report = kept(crowd(4, reset, every=5 * MS, **words), openings_and_ends)
    said = {
        (one["outcome"], one["cause"], one["decided"], one["close"]["reset_by"], *one["state"].values())
        for one in report["connections"]
    }
    assert said == {("established", f"reset-by-{who}", True, who, "CLOSED", "CLOSED")}
    assert {one["id"] for one in report["findings"]} <= {"capture-quality"}


def test_a_lone_reset_beyond_the_window_may_be_a_stray():
    """Nobody answers one, and the server waits on: only later, or among others, does it show a filter."""
    for again in (False, True):
        wire = Wire()
        wire.client.syn()
        wire.server.syn_ack()
        wire.client.rst(seq=wire.client.snd_nxt + 70_000)
        if again:
            wire.wait(SECOND)
            wire.server.syn_ack()
        connection = wire.connection()
        assert (connection["outcome"], connection["state"]["server"]) == ("half-open", "SYN_RECEIVED")
        assert connection["decided"] is False or again


@pytest.mark.parametrize(("count", "found"), [(3, ("half-open", False)), (4, ("established", True))])
@pytest.mark.parametrize("who", ["client", "server"])
def test_resets_beyond_the_window_show_a_filter_where_several_connections_lack_the_rest(who, count, found):
    def reset(wire, number):
        wire.handshake()
        end = getattr(wire, who)
        end.rst(seq=end.snd_nxt + 9_000_000)

    report = kept(crowd(count, reset, every=5 * MS), openings_and_ends)
    assert {(one["outcome"], one["decided"]) for one in report["connections"]} == {found}


def reset_behind_a_gap(who, ahead, since, *, flags="R", syn_acks=1, again=False, others=3):
    """A connection of which the capture lacks all between the last of so many SYN-ACKs and a RST."""

    def act(wire, number):
        wire.client.syn()
        wire.server.syn_ack()
        for doubled in range(syn_acks - 1):
            wire.wait(SECOND << doubled)
            wire.server.syn_ack()
        wire.wait(since)
        end = getattr(wire, who)
        end.send(flags, seq=end.snd_nxt + ahead, stay=True)
        if again:
            wire.wait(SECOND)
            wire.server.syn_ack()
        wire.quiet(10 * SECOND)

    report = merged(*crowd(1, act), *crowd(others, healthy, address="192.0.2.99"))
    (one,) = (each for each in report["connections"] if each["client"]["ip"] == "192.0.2.1")
    return one


@pytest.mark.parametrize("others", [0, 3], ids=["alone", "among others"])
@pytest.mark.parametrize("flags", ["R", "RA"])
@pytest.mark.parametrize(("who", "ahead", "since", "found"), [
    ("client", 500, 3500 * MS, "established"), ("client", 9_000_000, 3500 * MS, "established"),
    ("server", 9_000_000, 3600 * MS, "established"), ("client", 9_000_000, 3500 * MS - 1, "half-open"),
    ("client", 70_000, SECOND, "half-open"),
])  # fmt: skip
def test_a_gap_behind_the_syn_ack_and_then_a_reset(who, ahead, since, found, flags, others):
    """The server would have sent its SYN-ACK again."""
    one = reset_behind_a_gap(who, ahead, since, flags=flags, others=others)
    assert (one["outcome"], one["decided"]) == (found, found == "established")
    if found == "established":
        assert (one["cause"], one["rtt"]["ackdat"]["method"]) == (f"reset-by-{who}", "none")
    else:
        assert "RST beyond what was sent" in one["why"]


@pytest.mark.parametrize(("syn_acks", "since"), [(2, 7), (3, 14), (7, 224), (8, 224)])
def test_a_server_waits_twice_as_long_after_each_syn_ack(syn_acks, since):
    """It still waits a moment before that; and no kernel waits longer than two minutes."""
    found = [
        reset_behind_a_gap("client", 9_000_000, since * SECOND - before, syn_acks=syn_acks)["outcome"]
        for before in (0, 1)
    ]
    assert found == ["established", "half-open"]


@pytest.mark.parametrize(("flags", "found"), [
    ("RA", ("established", "reset-by-server", True)), ("R", ("half-open", "no-final-ack", False)),
])  # fmt: skip
def test_a_server_that_acknowledges_in_its_reset_had_sent_what_lies_before(flags, found):
    """One without ACK may only reject a segment, with whatever number that acknowledged."""
    one = reset_behind_a_gap("server", 9_000_000, 10 * MS, flags=flags)
    assert (one["outcome"], one["cause"], one["decided"]) == found


@pytest.mark.parametrize(("who", "flags", "since"), [
    ("client", "R", 3600 * MS), ("server", "R", 3600 * MS), ("server", "RA", 10 * MS),
])  # fmt: skip
@pytest.mark.parametrize("others", [0, 3], ids=["alone", "among others"])
def test_a_syn_ack_after_the_reset_refutes_it(who, flags, since, others):
    one = reset_behind_a_gap(who, 9_000_000, since, flags=flags, again=True, others=others)
    assert (one["outcome"], one["decided"]) == ("half-open", True)


@pytest.mark.parametrize("flags", ["R", "RA"])
@pytest.mark.parametrize("who", ["client", "server"])
def test_a_syn_ack_after_the_reset_refutes_it_in_a_filtered_capture_too(who, flags):
    def waits(wire, number):
        wire.client.syn()
        wire.server.syn_ack()
        end = getattr(wire, who)
        end.send(flags, seq=end.snd_nxt + 9_000_000)
        wire.wait(SECOND)
        wire.server.syn_ack()

    report = kept(crowd(5, waits, every=5 * MS), openings_and_ends)
    assert "established" not in {one["outcome"] for one in report["connections"]}


@pytest.mark.parametrize("who", ["client", "server"])
def test_a_reset_beyond_the_window_at_the_start_of_a_whole_capture_ends_nothing(who):
    """Until the final ACK comes, the capture looks as if it was filtered."""
    wire = Wire()
    wire.client.syn()
    wire.server.syn_ack()
    end = getattr(wire, who)
    end.rst(seq=end.snd_nxt + 1_000_000, ident=7)
    wire.client.ack()
    connection = wire.exchange().close().connection()
    assert (connection["outcome"], connection["cause"]) == ("established", "closed")
    assert {connection["rtt"][leg]["method"] for leg in ("synack", "ackdat")} == {"exact"}


def test_a_reset_with_the_number_of_the_syn_ack_does_not():
    def reset(wire, number):
        wire.handshake()
        wire.server.rst_ack()

    assert {one["outcome"] for one in kept(crowd(4, reset), openings_and_ends)["connections"]} == {"half-open"}


def without_rst(flags):
    return not flags & frames.RST


def is_there(wire, number):
    """A health check that only asks whether somebody listens, as HAProxy does: its kernel resets."""
    wire.client.syn()
    wire.server.syn_ack()
    wire.client.rst_ack()


def is_silent(wire, number):
    """A client behind a firewall that drops its ACK; the server asks again."""
    wire.client.syn()
    wire.server.syn_ack(lost="after")
    wire.wait(SECOND)
    wire.server.syn_ack(lost="after")


def served(host="192.0.2.1"):
    """Five connections of a client that end well, from ports of their own."""
    wires = [Wire(client=(host, 50_000 + n), client_isn=chance(n), server_isn=chance(-n)) for n in range(5)]
    return [wire.handshake().exchange().close() for wire in wires]


def quiet_end():
    return Wire(client=("203.0.113.7", 5000)).quiet(10 * SECOND)


@pytest.mark.parametrize("keep", [without_rst, syns, lambda flags: flags & (frames.SYN | frames.FIN)])
def test_health_checks_without_their_resets_are_neither_failures_nor_cookies(keep):
    wires = [*crowd(30, is_there), *served(), quiet_end()]
    report = kept(wires, keep)
    assert {one["decided"] for one in report["connections"] if one["outcome"] == "half-open"} == {False}
    assert {finding["id"] for finding in report["findings"]} <= {"capture-quality"}


def test_the_latest_health_checks_without_their_resets_are_no_failures_either():
    """Of one client, whose other attempts had time."""
    wires = [*crowd(80, is_there), *served(), Wire(client=("203.0.113.7", 5000)).quiet(8 * SECOND)]
    report = kept(wires, without_rst)
    assert {finding["id"] for finding in report["findings"]} <= {"capture-quality"}


def test_the_sentence_names_the_missing_resets():
    report = kept([*crowd(3, is_there), *served(), quiet_end()], without_rst)
    why = {one["why"] for one in report["connections"] if one["outcome"] == "half-open"}
    assert len(why) == 1
    assert "the capture has no RSTs" in why.pop()


def test_a_syn_ack_that_is_repeated_shows_that_no_reset_came():
    report = kept([*crowd(30, is_silent), *served(), quiet_end()], without_rst)
    assert {one["decided"] for one in report["connections"] if one["outcome"] == "half-open"} == {True}
    assert only(report, "half-open")["metrics"]["connections"] == 30


@pytest.mark.parametrize(("count", "decided"), [(2, True), (3, False)])
def test_a_few_attempts_without_an_end_are_no_health_checks(count, decided):
    wires = [*crowd(count, lambda wire, n: wire.client.syn() and wire.server.syn_ack()), *served(), quiet_end()]
    report = kept(wires, lambda flags: True)
    assert {one["decided"] for one in report["connections"] if one["outcome"] == "half-open"} == {decided}


def test_a_client_that_completes_nothing_may_not_be_there():
    """A forged source answers nothing."""
    report = kept([*crowd(3, is_there), *served(host="192.0.2.9"), quiet_end()], without_rst)
    assert {one["decided"] for one in report["connections"] if one["outcome"] == "half-open"} == {True}


def test_a_capture_with_a_reset_would_hold_the_others():
    wires = [*crowd(3, lambda wire, n: wire.client.syn() and wire.server.syn_ack()), *served(), quiet_end()]
    report = kept([*wires, *crowd(1, is_there, address="192.0.2.9")], lambda flags: True)
    assert {one["decided"] for one in report["connections"] if one["outcome"] == "half-open"} == {True}
