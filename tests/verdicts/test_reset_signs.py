"""Signs that a RST is not from its alleged sender: each sign, and what is none."""

import numpy as np
import pytest
from support.attempts import MS, attempts

from handshake_inspect.tcp import facts as f
from handshake_inspect.verdicts.numbering import ConnectionRows, EndpointRows
from handshake_inspect.verdicts.resets import (
    IP_ID_FAR,
    IP_ID_STEP,
    from_middlebox,
    odd_ip_id,
    odd_ttl,
    signs,
    too_soon,
    two_hosts,
)
from handshake_inspect.wire.const import ACK, RST

SHAKEN = f.FACT_SYN | f.FACT_SYNACK | f.FACT_ACKED
REFUSED = f.FACT_SYN | f.FACT_RST | f.FACT_REFUSED
FIRST = ConnectionRows(np.array([0]))


def of_server(row, judge, **server):
    """Whether the RST of the server of one connection, about which this is known, bears the sign."""
    ends = {name: (0, value) for name, value in server.items()}
    trace = attempts({"rst_side": 1, "rst_flags": RST | ACK, "rst_ns": 50 * MS, "ends": ends} | row)
    return bool(judge(trace, FIRST, EndpointRows(np.array([1])))[0])


COUNTS = {"syn_ip_id": 100, "ip_id": 120, "frames": 5}


@pytest.mark.parametrize(
    ("server", "rst_ip_id", "odd"),
    [
        ({}, 40_000, True),
        ({}, 120 + 4097, True),
        ({}, 120 + 4096, False),
        ({}, 120 + IP_ID_FAR + 1, True),
        ({}, 120 + IP_ID_FAR, False),  # as far as it may have counted meanwhile
        ({}, (119 - IP_ID_FAR) & 0xFFFF, True),  # as far back
        ({}, 0, False),  # no identification at all
        ({"syn_ip_id": 0, "ip_id": 20}, 40_000, False),  # its SYN-ACK had none
        ({"ip_id": 100}, 40_000, False),  # it does not count
        ({"frames": 2}, 40_000, False),  # two numbers are no count
        ({"frames": 3}, 40_000, True),
        ({"ip_id": 100 + 5 * IP_ID_STEP}, 40_000, True),
        ({"ip_id": 101 + 5 * IP_ID_STEP}, 40_000, False),  # random, not counted
        ({"ip_id": 180}, 40_000, True),  # 16 for each of five frames
        ({"ip_id": 181}, 40_000, False),
    ],
)
def test_an_identification_out_of_the_count(server, rst_ip_id, odd):
    assert of_server({"facts": SHAKEN | f.FACT_RST, "rst_ip_id": rst_ip_id}, odd_ip_id, **COUNTS | server) == odd


@pytest.mark.parametrize(
    ("flags", "traits", "server", "odd"),
    [
        (RST, 0, {}, True),
        (RST, f.TRAIT_FIN, {}, False),
        (RST, f.TRAIT_HOLE, {}, False),  # its FIN may be among what is missing
        (RST, 0, {"before_rst_nxt": 501}, False),  # nor is the RST where the capture shows that it was
        (RST, 0, {"hole_start": 400, "hole_end": 420}, False),
        (RST | ACK, f.TRAIT_FIN, {"before_rst_nxt": 501}, True),  # which answers nothing
    ],
)
def test_who_has_closed_answers_by_a_stack_without_the_socket(flags, traits, server, odd):
    """A bare RST then has an identification out of another count."""
    row = {"facts": SHAKEN | f.FACT_RST, "rst_ip_id": 40_000, "rst_flags": flags, "rst_seq": 500, "traits": (0, traits)}
    assert of_server(row, odd_ip_id, **{**COUNTS, "before_rst_nxt": 500, **server}) == odd


@pytest.mark.parametrize(
    ("server", "rst_ttl", "odd"),
    [
        ({"syn_ttl": 60}, 60, False),
        ({"syn_ttl": 60}, 62, False),  # a path may change a bit
        ({"syn_ttl": 60}, 57, True),  # but not by three hops
        ({"syn_ttl": 60}, 250, True),
        ({"syn_ttl": 0, "ttl": 60}, 250, True),  # known by its later segments
        ({"syn_ttl": 60, "ttl": 250}, 250, True),  # that of the SYN-ACK counts: later ones may be the box's
        ({"syn_ttl": 60}, 0, False),
        ({"syn_ttl": 0, "ttl": 0}, 250, False),  # nothing else was seen of it
    ],
)
def test_a_ttl_that_is_not_its_hosts(server, rst_ttl, odd):
    assert of_server({"facts": SHAKEN | f.FACT_RST, "rst_ttl": rst_ttl}, odd_ttl, **server) == odd


def refused_after(delay_ns, *rtts, server=("198.51.100.2", 80), facts=0, elsewhere=()):
    """Whether a refusal after this time came too soon, where these are the RTTs of the host's other connections."""
    others = [{"facts": SHAKEN, "synack_min_ns": rtt, "server": server, "synack_ns": rtt} for rtt in rtts]
    others += [{"facts": SHAKEN, "synack_min_ns": rtt, "server": ("198.51.100.9", 80)} for rtt in elsewhere]
    others += [{"facts": REFUSED, "rst_side": 1, "server": ("198.51.100.9", 81)} for _ in elsewhere[:1]]
    begun = len(others) * MS
    refused = {"facts": REFUSED | facts, "rst_side": 1, "first_ns": begun}
    refused["rst_ns"] = begun + delay_ns
    trace = attempts(*others, refused)
    return bool(too_soon(trace, ConnectionRows(np.arange(len(others) + 1)))[-1])


@pytest.mark.parametrize(
    ("delay_ns", "rtts", "soon"),
    [
        (10 * MS, [40 * MS, 41 * MS, 42 * MS], True),
        (10 * MS, [40 * MS, 41 * MS], False),  # too few to know the host
        (19 * MS, [90 * MS, 40 * MS, 90 * MS], True),  # the shortest counts
        (20 * MS, [40 * MS, 41 * MS, 42 * MS], False),  # half of it
        (MS // 10, [MS, MS, MS], False),  # a difference that means nothing
        (MS // 10, [2 * MS, 2 * MS, 2 * MS], True),
        (MS // 10, [MS + MS // 10 + 1] * 3, True),  # more than a millisecond
    ],
)
def test_a_refusal_before_its_host_can_have_answered(delay_ns, rtts, soon):
    assert refused_after(delay_ns, *rtts) == soon


def test_rtts_of_other_hosts_do_not_count():
    assert not refused_after(10 * MS, 40 * MS, 41 * MS, 42 * MS, server=("198.51.100.9", 80))


def test_rtts_of_other_hosts_do_not_make_up_the_number():
    assert not refused_after(10 * MS, 40 * MS, 41 * MS, elsewhere=(40 * MS, 40 * MS))
    assert refused_after(10 * MS, 40 * MS, 41 * MS, 42 * MS, elsewhere=(MS, MS))


def test_a_delay_that_nobody_knows_is_not_short():
    assert not refused_after(10 * MS, 40 * MS, 41 * MS, 42 * MS, facts=f.FACT_UNTIMED)


@pytest.mark.parametrize(("facts", "rst_ttl", "two"), [
    (f.FACT_TWO_ISNS, 60, True),
    (f.FACT_TWO_ISNS | f.FACT_BOTH_ACKED, 60, False),  # one host, renumbered
    (f.FACT_BOTH_ACKED, 60, False),
    (f.FACT_SYNACK_AFTER_RST, 60, True),  # the other one resets, and this one asks on
    (f.FACT_SYNACK_AFTER_RST, 250, False),  # from elsewhere: a box
    (0, 60, False),
])  # fmt: skip
def test_two_hosts_with_one_address(facts, rst_ttl, two):
    row = {"facts": f.FACT_SYN | f.FACT_SYNACK | f.FACT_RST | facts, "rst_side": 1, "rst_ttl": rst_ttl}
    assert two_hosts(attempts(row | {"ends": {"syn_ttl": (64, 60)}})).tolist() == [two]


@pytest.mark.parametrize("answered", [f.FACT_SYNACK, 0], ids=["answered", "did not answer"])
def test_a_rst_with_the_ttl_of_another_connection_of_its_host_is_of_one_of_two(answered):
    """One TTL is that of the host that answered here, the other of the one that answers elsewhere."""
    known = {"facts": f.FACT_SYN | answered, "ends": {"syn_ttl": (64, 250)}}
    facts = f.FACT_SYN | f.FACT_SYNACK | f.FACT_RST | f.FACT_SYNACK_AFTER_RST
    row = {"facts": facts, "rst_side": 1, "rst_ttl": 250, "ends": {"syn_ttl": (64, 60)}}
    assert two_hosts(attempts(row, known)).tolist() == [answered != 0, False]


@pytest.mark.parametrize(("facts", "forged"), [
    (f.FACT_RST, True), (f.FACT_REFUSED | f.FACT_RST, True), (f.FACT_RST_IGNORED, False),
    (f.FACT_RST | f.FACT_ABORTED, False), (f.FACT_RST | f.FACT_TWO_ISNS, False), (0, False),
])  # fmt: skip
def test_a_middlebox_ended_it_where_a_rst_that_counted_bears_a_sign(facts, forged):
    row = {"facts": SHAKEN | facts, "rst_side": 1, "rst_ttl": 250, "ends": {"syn_ttl": (64, 60)}}
    assert from_middlebox(attempts(row)).tolist() == [forged]


@pytest.mark.parametrize("fact", [f.FACT_RST, f.FACT_RST_IGNORED])
def test_a_rst_that_was_ignored_bears_its_signs_too(fact):
    """Though nobody believed it, it shows that there is a box."""
    row = {"facts": SHAKEN | fact, "rst_side": 1, "rst_ttl": 250, "ends": {"syn_ttl": (64, 60)}}
    found = signs(attempts(row, {"facts": SHAKEN, "rst_side": 1, "rst_ttl": 250, "ends": {"syn_ttl": (64, 60)}}))
    assert found.ttl.tolist() == [True, False]


TWICE = {"syn_ttl": 64, "ttl": 64, "twin_ttl": 56}


@pytest.mark.parametrize(
    ("server", "rst_ttl", "odd"),
    [
        (TWICE, 56, False),  # of the RST itself the capture lacks the first copy
        (TWICE | {"syn_ttl": 56}, 64, False),  # of the SYN-ACK it does
        (TWICE, 60, True),  # between both points
        (TWICE, 250, True),
        (TWICE | {"twin_ttl": 0}, 56, True),
    ],
)
def test_a_reset_of_which_one_of_two_capture_points_holds_a_copy(server, rst_ttl, odd):
    assert of_server({"facts": SHAKEN | f.FACT_RST, "rst_ttl": rst_ttl}, odd_ttl, **server) == odd


def test_an_end_of_which_only_copies_come_first_is_not_judged():
    """Its SYN is known from the farther point, so none of its copies has another TTL; the peer's have."""
    reset = {"facts": SHAKEN | f.FACT_RST, "rst_ttl": 64}
    assert of_server(reset, odd_ttl, syn_ttl=56)
    assert not of_server(reset | {"facts": reset["facts"] | f.FACT_TTL_TWIN}, odd_ttl, syn_ttl=56)


@pytest.mark.parametrize("twin_ttl", [0, 56])
def test_a_refusal_is_neither_odd_nor_early_at_the_farther_of_two_points(twin_ttl):
    """Others of this host show how far away it is, and that it is captured twice."""
    twice = f.FACT_TTL_TWIN if twin_ttl else 0
    seen = {"facts": SHAKEN | twice, "synack_min_ns": 40 * MS, "ends": {"syn_ttl": (0, 64), "twin_ttl": (0, twin_ttl)}}
    refusal = {"facts": REFUSED, "rst_side": 1, "rst_flags": RST | ACK, "rst_ttl": 56, "rst_ns": 4 * MS}
    trace = attempts(seen, seen, seen, refusal)
    row, sender = ConnectionRows(np.array([3])), EndpointRows(np.array([7]))
    assert bool(odd_ttl(trace, row, sender)[0]) == (twin_ttl == 0)
    assert bool(too_soon(trace, row)[0]) == (twin_ttl == 0)
