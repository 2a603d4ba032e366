"""Zeek's conn_state from endpoint states, and the identifiers that other tools give a connection."""

import numpy as np
import pytest

from handshake_inspect.tcp import facts, rows
from handshake_inspect.tcp.zeek_words import CLOSED, ESTABLISHED, INACTIVE, PARTIAL, RESET, SYN_ACK_SENT, SYN_SENT
from handshake_inspect.verdicts.aliases import (
    CONN_STATES,
    EMBRYO_CONN_STATE,
    EMBRYO_HISTORY,
    community_id,
    conn_state,
    history_texts,
)
from handshake_inspect.wire.address import address_halves

EMPTY = ((1000, 1001, 0), (5000, 5001, 0))  # iss, snd_nxt, traits


def decide(orig, resp, history="", ends=EMPTY, flipped=0):
    alias = rows.Alias(flipped=flipped, length=len(history))
    alias.state[flipped], alias.state[flipped ^ 1] = orig, resp
    for place, letter in enumerate(history.encode()):
        alias.history[place] = letter
    endpoints = b"".join(bytes(rows.Endpoint(iss=iss, snd_nxt=snd_nxt, traits=traits)) for iss, snd_nxt, traits in ends)
    codes = conn_state(
        np.frombuffer(bytes(alias), dtype=np.dtype(rows.Alias)),
        np.frombuffer(endpoints, dtype=np.dtype(rows.Endpoint)),
    )
    assert codes.dtype == np.uint8
    return CONN_STATES[codes[0]]


# Rows: the originator's state.  Columns: the responder's, 0 to 6.
#            INACTIVE  SYN_SENT  SYN_ACK   PARTIAL   ESTABL.   CLOSED    RESET
TABLE = {
    INACTIVE: ("OTH", "OTH", "OTH", "OTH", "OTH", "SHR", "RSTRH"),
    SYN_SENT: ("S0", "OTH", "OTH", "OTH", "OTH", "S3", "REJ"),
    SYN_ACK_SENT: ("OTH", "OTH", "OTH", "OTH", "OTH", "S3", "REJ"),
    PARTIAL: ("OTH", "OTH", "OTH", "OTH", "OTH", "SHR", "RSTRH"),
    ESTABLISHED: ("OTH", "OTH", "OTH", "OTH", "S1", "S3", "RSTR"),
    CLOSED: ("SH", "S2", "S2", "SH", "S2", "SF", "RSTR"),
    RESET: ("OTH", "RSTO", "RSTO", "OTH", "RSTO", "RSTO", "REJ"),
}


@pytest.mark.parametrize("flipped", [0, 1])
@pytest.mark.parametrize(("orig", "resp"), [(orig, resp) for orig in TABLE for resp in range(7)])
def test_decides_by_the_two_states(orig, resp, flipped):
    assert decide(orig, resp, flipped=flipped) == TABLE[orig][resp]


@pytest.mark.parametrize(
    ("ends", "state"),
    [
        (EMPTY, "REJ"),
        (((1000, 1002, 0), (5000, 5001, 0)), "RSTR"),
        (((1000, 1001, 0), (5000, 5002, 0)), "RSTR"),
        (((1000, 1002, facts.TRAIT_FIN), (5000, 5001, 0)), "REJ"),  # a FIN is no payload
        (((0xFFFF_FFFF, 0, 0), (0xFFFF_FFF0, 0xFFFF_FFF1, 0)), "REJ"),
        (((0xFFFF_FFFF, 1, 0), (0xFFFF_FFF0, 0xFFFF_FFF1, 0)), "RSTR"),
        (((1000, 1001, 0), (0, 0, 0)), "REJ"),  # only ever sent a RST
    ],
)
def test_two_resets_are_a_rejection_unless_there_was_data(ends, state):
    assert decide(RESET, RESET, ends=ends) == state


def test_acknowledged_bytes_that_nobody_saw_are_data_too():
    alias = np.zeros(1, dtype=np.dtype(rows.Alias))
    alias["state"] = RESET
    ends = np.zeros(2, dtype=np.dtype(rows.Endpoint))
    ends["iss"], ends["snd_nxt"] = 1000, 1001
    ends["last_ack"][1] = 1500
    assert CONN_STATES[conn_state(alias, ends)[0]] == "REJ"
    ends["traits"][1] = facts.TRAIT_ACKS
    assert CONN_STATES[conn_state(alias, ends)[0]] == "RSTR"


@pytest.mark.parametrize(
    ("history", "state"),
    [
        ("SR", "RSTOS0"),
        ("SaR", "RSTOS0"),
        ("^SR", "RSTOS0"),
        ("SWTR", "RSTOS0"),
        ("SRA", "RSTOS0"),
        ("ShfdiqR", "RSTOS0"),
        ("SaFR", "OTH"),
        ("SAR", "OTH"),
        ("SDR", "RSTOS0"),  # Zeek's pattern has no D
        ("R", "OTH"),
        ("sR", "OTH"),
        ("S^R", "RSTOS0"),
        ("Sr", "OTH"),
    ],
)
def test_a_reset_that_nobody_answered_needs_a_syn_before_it(history, state):
    assert decide(RESET, INACTIVE, history) == state
    assert decide(RESET, PARTIAL, history, flipped=1) == state


def test_judges_many_rows_at_once():
    aliases = np.zeros(3, dtype=np.dtype(rows.Alias))
    aliases["state"] = [[SYN_SENT, INACTIVE], [RESET, RESET], [RESET, INACTIVE]]
    aliases["history"][2, :2] = list(b"SR")
    ends = np.zeros(6, dtype=np.dtype(rows.Endpoint))
    ends["snd_nxt"][2] = 500  # the middle connection carried data
    assert [CONN_STATES[code] for code in conn_state(aliases, ends)] == ["S0", "RSTR", "RSTOS0"]
    assert len(conn_state(aliases[:0], ends[:0])) == 0


def test_an_unanswered_syn_is_what_the_table_says():
    assert decide(SYN_SENT, INACTIVE, EMBRYO_HISTORY) == EMBRYO_CONN_STATE


def test_histories_are_the_letters_of_rows():
    aliases = (rows.Alias * 3)()
    aliases[1].history[:3] = tuple(b"^hA")
    aliases[2].history[:] = tuple(b"S" * 24)
    assert history_texts(np.frombuffer(aliases, dtype=np.dtype(rows.Alias)), np.array([1, 0, 2])) == [
        "^hA",
        "",
        "S" * 24,
    ]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        # published test vectors of the Community ID specification
        (("128.232.110.120", 34855), ("66.35.250.204", 80), "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
        (("1.2.3.4", 1122), ("5.6.7.8", 3344), "1:wCb3OG7yAFWelaUydu0D+125CLM="),
        (
            ("2001:470:e5bf:dead:4957:2174:e82c:4887", 63943),
            ("2607:f8b0:400c:c03::1a", 25),
            "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4=",
        ),
        # one address on both ends: the ports decide the order
        (("10.0.0.1", 10), ("10.0.0.1", 20), None),
        (("fe80::1", 1), ("fe80::2", 1), None),
    ],
)
def test_the_community_id_has_no_direction(one, other, expected):
    def identify(a, b):
        return community_id(*address_halves(a[0]), *address_halves(b[0]), a[1], b[1])

    assert identify(one, other) == identify(other, one)
    if expected:
        assert identify(one, other) == expected
