"""Outcomes from the facts of a row: each rule, and which one wins if two apply."""

import pytest
from support.attempts import MS, SECOND, START, attempts

from handshake_inspect.tcp import facts as f
from handshake_inspect.tcp.transitions import TcpState
from handshake_inspect.verdicts.outcome import judge
from handshake_inspect.verdicts.words import CAUSES, OUTCOMES

OPENED = f.FACT_SYN | f.FACT_SYNACK
SHAKEN = OPENED | f.FACT_ACKED
# A healthy connection beside the one in question: the capture holds both directions.
OTHER = {
    "facts": SHAKEN | f.FACT_SERVER_PROVED,
    "server": ("198.51.100.9", 443),
    "synack_ns": 20 * MS,
    "ack_ns": 30 * MS,
}


def judged(row, **words):
    """Outcome, cause and whether it is decided, of this row beside a healthy connection."""
    found = judge(attempts(row, OTHER, **words))
    return OUTCOMES[found.outcome[0]], CAUSES[found.cause[0]], bool(found.decided[0])


def test_a_listener_that_is_known_to_be_full_is_alive():
    """Nothing on the wire shows a queue that was full from the first SYN on: the host that has it knows."""
    rows = attempts({"facts": f.FACT_SYN, "seen": (1, 0)}, {**OTHER, "server": ("198.51.100.2", 22)})
    host = rows.connections[0]
    full = [(int(host["hi1"]), int(host["lo1"]), int(host["port1"]))]
    assert CAUSES[judge(rows).cause[0]] == "port-filtered"
    assert CAUSES[judge(rows, [(*full[0][:2], 1)]).cause[0]] == "port-filtered"
    assert CAUSES[judge(rows, full).cause[0]] == "syn-dropped"


KINDS = {
    # facts -> outcome
    "a handshake": (SHAKEN, "established"),
    "the server proved it": (OPENED | f.FACT_SERVER_PROVED, "established"),
    "data before a SYN-ACK that is missing": (f.FACT_SYN | f.FACT_SERVER_PROVED, "established"),
    "both opened, one has the SYN of the other": (
        OPENED | f.FACT_SIMULTANEOUS | f.FACT_SERVER_PROVED,
        "half-open",
    ),
    "both opened and acknowledged": (SHAKEN | f.FACT_SIMULTANEOUS | f.FACT_SERVER_PROVED, "established"),
    "the middle of a connection": (f.FACT_MIDSTREAM, "midstream"),
    "the middle of a connection that proves itself": (f.FACT_MIDSTREAM | f.FACT_SERVER_PROVED, "midstream"),
    "the middle of one that looks shaken": (f.FACT_MIDSTREAM | SHAKEN, "midstream"),
    "a SYN-ACK alone": (f.FACT_SYNACK, "unsolicited"),
    "a RST alone": (f.FACT_RST, "unsolicited"),
    "an ACK without what it acknowledges": (f.FACT_RST | f.FACT_REFUSED, "unsolicited"),
    "a SYN-ACK and its ACK": (f.FACT_SYNACK | f.FACT_ACKED, "established"),
    "a SYN-ACK and its ACK, asked again": (f.FACT_SYNACK | f.FACT_ACKED | f.FACT_SYNACK_AFTER_ACK, "half-open"),
    "a refusal": (f.FACT_SYN | f.FACT_REFUSED | f.FACT_RST, "refused"),
    "a refusal after an error": (f.FACT_SYN | f.FACT_REFUSED | f.FACT_ICMP, "refused"),
    "an error": (f.FACT_SYN | f.FACT_ICMP, "rejected"),
    "an error, and then an answer": (OPENED | f.FACT_ICMP, "half-open"),
    "an error, and then a handshake": (SHAKEN | f.FACT_ICMP, "established"),
    "the client gave up by a RST": (f.FACT_SYN | f.FACT_ABORTED | f.FACT_RST, "aborted"),
    "the client reset the answer": (OPENED | f.FACT_ABORTED | f.FACT_RST, "aborted"),
    "an answer alone": (OPENED, "half-open"),
    "an answer that came again after the ACK": (SHAKEN | f.FACT_SYNACK_AFTER_ACK, "half-open"),
    "one that came again and then took data": (
        SHAKEN | f.FACT_SYNACK_AFTER_ACK | f.FACT_SERVER_PROVED,
        "established",
    ),
    "both opened, asked again and then taken": (
        SHAKEN | f.FACT_SIMULTANEOUS | f.FACT_SERVER_PROVED | f.FACT_SYNACK_AFTER_ACK,
        "established",
    ),
    "an answer again after the server's RST": (SHAKEN | f.FACT_SYNACK_AFTER_RST, "half-open"),
    "nothing": (f.FACT_SYN, "timed-out"),
}


@pytest.mark.parametrize("what", KINDS)
def test_what_the_facts_say(what):
    known, outcome = KINDS[what]
    assert judged({"facts": known, "synack_ns": MS, "last_synack_ns": MS})[0] == outcome


@pytest.mark.parametrize(
    ("server", "more", "outcome"),
    [
        (TcpState.SYN_RECEIVED, f.FACT_ACK_REJECTED, "half-open"),
        (TcpState.SYN_RECEIVED, 0, "established"),  # as far as the capture goes
        (TcpState.ESTABLISHED, f.FACT_ACK_REJECTED, "established"),  # what came later arrived
    ],
)
def test_an_error_about_the_final_ack_shows_that_it_was_lost(server, more, outcome):
    row = {
        "facts": SHAKEN | more,
        "synack_ns": MS,
        "last_synack_ns": MS,
        "ends": {"state": (TcpState.ESTABLISHED, server)},
    }
    assert judged(row)[0] == outcome


@pytest.mark.parametrize(
    ("icmp_ns", "rst_ns", "synack", "outcome"),
    [(5, 6, 0, "rejected"), (5, 5, 0, "rejected"), (6, 5, 0, "aborted"), (5, 6, f.FACT_SYNACK, "aborted")],
)
def test_whichever_came_first_an_error_or_the_clients_rst(icmp_ns, rst_ns, synack, outcome):
    known = f.FACT_SYN | f.FACT_ICMP | f.FACT_ABORTED | f.FACT_RST | synack
    assert judged({"facts": known, "icmp_ns": icmp_ns, "rst_ns": rst_ns})[0] == outcome


@pytest.mark.parametrize(
    ("waited", "more", "expected"),
    [
        (3 * SECOND, 0, ("timed-out", True)),
        (3 * SECOND - 1, 0, ("pending", False)),
        (1, f.FACT_REPLACED, ("timed-out", True)),  # the client began another one
    ],
)
def test_an_unanswered_syn_times_out(waited, more, expected):
    outcome, _, decided = judged({"facts": f.FACT_SYN | more}, last_ns=START + waited)
    assert (outcome, decided) == expected


@pytest.mark.parametrize(
    ("since", "more", "decided"), [(3 * SECOND, 0, True), (3 * SECOND - 1, 0, False), (1, f.FACT_RST, True)]
)
def test_a_half_open_one_is_decided_after_its_time_or_by_a_rst(since, more, decided):
    row = {"facts": OPENED | more, "synack_ns": 10 * MS, "last_synack_ns": 10 * MS, "rst_side": 1}
    assert judged(row, last_ns=START + 10 * MS + since)[::2] == ("half-open", decided)


ERRORS = [
    (4, 3, 1, "host-unreachable"), (4, 3, 3, "port-unreachable"), (4, 3, 13, "admin-prohibited"),
    (4, 11, 0, "ttl-exceeded"), (6, 1, 4, "port-unreachable"), (6, 3, 0, "ttl-exceeded"), (4, 3, 99, "icmp-error"),
    (6, 11, 0, "icmp-error"),
]  # fmt: skip


@pytest.mark.parametrize(("version", "kind", "code", "cause"), ERRORS)
def test_an_error_names_its_cause(version, kind, code, cause):
    row = {"facts": f.FACT_SYN | f.FACT_ICMP, "ip_version": version, "icmp_type": kind, "icmp_code": code}
    assert judged(row) == ("rejected", cause, True)


@pytest.mark.parametrize(("answered", "cause"), [(0, "cancelled"), (f.FACT_SYNACK, "reset-by-client")])
def test_who_takes_an_attempt_back(answered, cause):
    assert judged({"facts": f.FACT_SYN | f.FACT_ABORTED | f.FACT_RST | answered})[1] == cause


STRAYS = [f.FACT_CHALLENGE_ACK, f.FACT_BAD_SYNACK, f.FACT_RST_DOUBTED]


@pytest.mark.parametrize("stray", STRAYS)
def test_an_answer_that_does_not_fit_is_stray(stray):
    assert judged({"facts": f.FACT_SYN | stray}) == ("timed-out", "stray-answer", True)
    assert judged({"facts": SHAKEN | f.FACT_SERVER_PROVED | stray})[1] is None, "it is the cause of no other outcome"


HALF_OPEN = {
    # facts, side of the RST -> cause
    "nothing came": (OPENED, 0, "no-final-ack"),
    "the ACK was not taken": (SHAKEN | f.FACT_SYNACK_AFTER_ACK, 0, "accept-queue-overflow"),
    "nor after a RST": (SHAKEN | f.FACT_SYNACK_AFTER_ACK | f.FACT_BARE_RST_AFTER_ACK, 1, "accept-queue-overflow"),
    "a RST answered the ACK": (SHAKEN | f.FACT_BARE_RST_AFTER_ACK | f.FACT_RST, 1, "reset-by-server"),
    "the server reset the connection": (OPENED | f.FACT_RST, 1, "reset-by-server"),
    "a RST of the client": (OPENED | f.FACT_RST, 0, "no-final-ack"),
    "the client's RST was lost": (OPENED | f.FACT_RST_LOST, 0, "final-ack-lost"),
    "a side without a RST": (OPENED, 1, "no-final-ack"),
    "asked again after a RST in its name": (SHAKEN | f.FACT_SYNACK_AFTER_RST, 0, "address-conflict"),
    "a RST that something undid": (SHAKEN | f.FACT_BARE_RST_AFTER_ACK, 1, "reset-by-server"),
    "two hosts": (SHAKEN | f.FACT_SYNACK_AFTER_ACK | f.FACT_TWO_ISNS, 0, "address-conflict"),
    "two hosts, and a RST of one": (OPENED | f.FACT_RST | f.FACT_TWO_ISNS, 1, "address-conflict"),
    "two hosts, and nothing came": (OPENED | f.FACT_TWO_ISNS, 0, "no-final-ack"),
    "one host seen before and behind a rewriter": (
        OPENED | f.FACT_RST | f.FACT_TWO_ISNS | f.FACT_BOTH_ACKED,
        1,
        "reset-by-server",
    ),
}


@pytest.mark.parametrize("what", HALF_OPEN)
def test_why_a_handshake_was_not_completed(what):
    known, side, cause = HALF_OPEN[what]
    row = {"facts": known, "rst_side": side, "synack_ns": MS, "last_synack_ns": MS}
    assert judged(row) == ("half-open", cause, True)


ENDS = {
    # more facts, FINs of client and server, side of the RST -> cause
    "open": (0, (0, 0), 0, None),
    "both closed": (0, (1, 1), 0, "closed"),
    "the client closed": (0, (1, 0), 0, "half-closed"),
    "the server closed": (0, (0, 1), 0, "half-closed"),
    "reset by the client": (f.FACT_RST, (0, 0), 0, "reset-by-client"),
    "reset by the server": (f.FACT_RST, (0, 0), 1, "reset-by-server"),
    "reset after a FIN": (f.FACT_RST, (1, 0), 1, "reset-by-server"),
    "reset when all was said": (f.FACT_RST | f.FACT_LAST_ACK_SEEN, (1, 1), 1, "closed"),
    "a peer that is gone": (f.FACT_RST | f.FACT_DEAD_PEER, (0, 0), 0, "dead-peer"),
    "a dead peer without a RST": (f.FACT_DEAD_PEER, (0, 0), 0, None),
}


@pytest.mark.parametrize("what", ENDS)
def test_how_an_established_connection_ended(what):
    more, fins, side, cause = ENDS[what]
    row = {
        "facts": SHAKEN | f.FACT_SERVER_PROVED | more, "traits": [f.TRAIT_FIN * fin for fin in fins], "rst_side": side,
        "synack_ns": MS, "rst_ns": 50 * MS,
    }  # fmt: skip
    assert judged(row) == ("established", cause, True)


def test_which_end_is_the_client_does_not_depend_on_the_first_frame():
    row = {"facts": SHAKEN | f.FACT_SERVER_PROVED | f.FACT_RST, "client": 1, "synack_ns": MS, "rst_ns": 50 * MS}
    assert judged(row | {"rst_side": 1})[1] == "reset-by-client"
    assert judged(row | {"rst_side": 0})[1] == "reset-by-server"


@pytest.mark.parametrize(
    ("wait", "proved", "decided"), [(2200, 0, True), (2199, 0, False), (1, f.FACT_SERVER_PROVED, True)]
)
def test_another_syn_ack_may_be_due_yet(wait, proved, decided):
    """The ACK was repeated and may have been taken: after a gap of 1 s the next SYN-ACK is due within 2.2 s."""
    row = {
        "facts": SHAKEN | f.FACT_SYNACK_AFTER_ACK | proved, "synack_ns": MS, "synack_count": 2, "ack_ns": 2 * MS,
        "last_synack_ns": SECOND + MS, "resent_count": 1, "reack_count": 1,
        "retries": {"synack_ns": [START + SECOND + MS]},
    }  # fmt: skip
    assert judged(row, last_ns=START + MS + SECOND + wait * MS)[::2] == ("established", decided)


@pytest.mark.parametrize(
    ("resent", "reacked", "outcome"), [(1, 1, "established"), (2, 1, "half-open"), (1, 0, "half-open")]
)
def test_a_syn_ack_repeated_once_and_acknowledged_again_was_taken(resent, reacked, outcome):
    row = {
        "facts": SHAKEN | f.FACT_SYNACK_AFTER_ACK, "synack_ns": MS, "last_synack_ns": MS, "resent_count": resent,
        "reack_count": reacked,
    }  # fmt: skip
    assert judged(row)[0] == outcome


def test_a_backscatter_is_no_half_of_a_connection_where_both_directions_are_captured():
    row = {"facts": f.FACT_SYNACK, "traits": (0, 0)}
    assert judged(row)[:2] == ("unsolicited", "backscatter")


FORGED = {
    # facts, side of the RST, which must have gone on after it -> outcome and cause
    "of the server": (SHAKEN | f.FACT_SERVER_PROVED, 1, ("established", "reset-by-middlebox")),
    "of the client": (SHAKEN | f.FACT_SERVER_PROVED, 0, ("established", "reset-by-middlebox")),
    "in answer to the final ACK": (SHAKEN | f.FACT_BARE_RST_AFTER_ACK, 1, ("established", "reset-by-middlebox")),
    "before the final ACK": (OPENED, 1, ("half-open", "reset-by-middlebox")),
    "in answer to the SYN": (f.FACT_SYN | f.FACT_REFUSED, 1, ("refused", "middlebox-reset")),
}


@pytest.mark.parametrize("what", FORGED)
def test_a_rst_whose_sender_went_on_is_not_its_own(what):
    known, side, expected = FORGED[what]
    checks = [f.CHECK_WENT_ON * (side == each) for each in (0, 1)]
    row = {"facts": known | f.FACT_RST, "rst_side": side, "checks": checks, "synack_ns": MS, "rst_ns": 2 * MS}
    assert judged(row)[:2] == expected
    own = judged(row | {"checks": checks[::-1]})
    assert own[1] not in {"reset-by-middlebox", "middlebox-reset"}


@pytest.mark.parametrize(("side", "cause"), [(0, "reset-by-client"), (1, "address-conflict")])
def test_of_two_hosts_one_resets_the_connection_of_the_other(side, cause):
    known = SHAKEN | f.FACT_SERVER_PROVED | f.FACT_RST | f.FACT_TWO_ISNS
    row = {"facts": known, "rst_side": side, "synack_ns": MS, "rst_ns": 50 * MS}
    assert judged(row)[:2] == ("established", cause)


def test_the_bare_rst_of_another_host_does_not_undo_a_handshake():
    row = {"facts": SHAKEN | f.FACT_BARE_RST_AFTER_ACK | f.FACT_RST | f.FACT_TWO_ISNS, "rst_side": 1, "synack_ns": MS}
    assert judged(row)[0] == "established"


def test_half_open_is_decided_while_another_syn_ack_may_be_due():
    row = {
        "facts": SHAKEN | f.FACT_SYNACK_AFTER_ACK, "synack_ns": MS, "synack_count": 2, "ack_ns": 2 * MS,
        "last_synack_ns": 4 * SECOND, "resent_count": 2, "retries": {"synack_ns": [START + 4 * SECOND]},
    }  # fmt: skip
    assert judged(row, last_ns=START + 6 * SECOND) == ("half-open", "accept-queue-overflow", True)


def all_judged(*rows, **words):
    found = judge(attempts(*rows, **words))
    return [(OUTCOMES[code], CAUSES[cause]) for code, cause in zip(found.outcome, found.cause, strict=True)]


def test_a_port_that_refuses_some_while_it_serves_others():
    at = 100 * MS
    rows = []
    for number in range(7):
        refused = {"facts": f.FACT_SYN | f.FACT_REFUSED | f.FACT_RST, "rst_side": 1, "rst_ns": number * at + MS}
        served = {"facts": SHAKEN | f.FACT_SERVER_PROVED, "synack_ns": number * at + MS}
        rows.append({"first_ns": number * at} | (refused if number % 2 else served))
    assert [each for each in all_judged(*rows) if each[0] == "refused"] == [("refused", "refused-while-serving")] * 3
    rows[1]["checks"] = (0, f.CHECK_WENT_ON)
    assert all_judged(*rows)[1] == ("refused", "middlebox-reset"), "a forged RST is nobody's refusal"
    alone = [row for row in rows if row["facts"] & f.FACT_REFUSED][1:]
    assert all_judged(*alone, OTHER)[0] == ("refused", "closed-port")


@pytest.mark.parametrize(
    ("server", "cause"),
    [
        (("198.51.100.50", 443), "host-silent"),
        (("198.51.100.9", 8443), "port-filtered"),
        (OTHER["server"], "syn-dropped"),
    ],
)
def test_what_else_the_server_sent_says_why_nothing_came(server, cause):
    assert judged({"facts": f.FACT_SYN, "server": server, "seen": (1, 0)}) == ("timed-out", cause, True)


def test_a_source_that_cannot_be():
    assert judged({"facts": f.FACT_SYN, "from_": "240.0.0.1", "seen": (1, 0)})[1] == "bogon-source"


def test_silence_proves_nothing_where_answers_are_not_captured():
    mine = {"facts": f.FACT_SYN | f.FACT_ACKED, "seen": (1, 0)}
    found = judge(attempts({"facts": f.FACT_SYN, "seen": (1, 0)}, mine))
    assert OUTCOMES[found.outcome[0]] == "timed-out"
    assert found.decided.tolist() == [False, True]


@pytest.mark.parametrize(("data", "cause"), [(0, "deferred-accept"), (f.FACT_CLIENT_DATA, "accept-queue-overflow")])
def test_a_listener_that_waits_for_data_has_no_full_queue(data, cause):
    waits = {
        "facts": SHAKEN | f.FACT_SERVER_PROVED | f.FACT_SYNACK_AFTER_ACK | f.FACT_DEFERRED, "synack_ns": MS,
        "ack_ns": 2 * MS, "last_synack_ns": 3 * SECOND,
    }  # fmt: skip
    row = {"facts": SHAKEN | f.FACT_SYNACK_AFTER_ACK | data, "synack_ns": MS, "last_synack_ns": MS}
    assert all_judged(row, waits)[0] == ("half-open", cause)
    assert all_judged(row, waits | {"server": ("198.51.100.3", 80)})[0] == ("half-open", "accept-queue-overflow")
