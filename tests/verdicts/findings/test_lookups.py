"""Findings about lookups and the addresses that they returned, and what only looks like them."""

import pytest
from support import frames
from support.captures import pcap
from support.dns import HTTPS, MS, NXDOMAIN, RESOLVER, RRSIG, SECOND, Talk, answer, labels, query, record, service
from support.wire import Wire, report_of

V4, OTHER, V6 = "198.51.100.2", "198.51.100.3", "2001:db8:f::2"
SECOND_CLIENT = "192.0.2.2"


def only(talk: Talk, kind: str) -> dict:
    found = talk.found(kind)
    assert len(found) == 1, [each["title"] for each in found]
    return found[0]


# -- lookup-failed -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rcode", "kind"), [(3, "nxdomain"), (2, "servfail"), (5, "refused"), (4, "other")])
def test_a_name_without_an_answer(rcode, kind):
    finding = only(Talk().look_up("wwww.example.org", rcode=rcode), "lookup-failed")
    assert (finding["severity"], finding["target"]) == ("warning", {"ip": RESOLVER, "port": 53})
    assert finding["metrics"] == {"lookups": 1, "names": 1, "clients": 1, "gave_up": 1, "kind": kind}
    assert finding["evidence"]["frames"] == [2]


def test_a_server_that_is_silent():
    finding = only(Talk().look_up("a.example", silent=True, tries=2), "lookup-failed")
    assert (finding["metrics"]["kind"], finding["metrics"]["gave_up"]) == ("no-answer", 1)


@pytest.mark.parametrize(("silence", "found"), [(5 * SECOND, 1), (5 * SECOND - 1, 0)])
def test_a_server_is_silent_after_5_s(silence, found):
    """If the capture ends sooner, the answer may still come."""
    talk = Talk().put(frames.udp((SECOND_CLIENT, 30001), (RESOLVER, 53), query("a.example"))).wait(silence)
    taken = [*talk.taken, (talk.now, frames.syn())]
    kinds = [each["id"] for each in report_of(pcap(taken, nano=True))["findings"]]
    assert kinds.count("lookup-failed") == found


@pytest.mark.parametrize(("who", "found"), [(None, 1), ("client", 0)])
def test_silence_is_none_in_a_capture_of_one_direction(who, found):
    """The client goes on, so that its connection shows that the capture lacks what others sent, be it a RST."""
    talk = Talk().put(frames.udp((SECOND_CLIENT, 30001), (RESOLVER, 53), query("a.example")))
    wire = Wire(start=talk.now).handshake().exchange().close()
    check = Wire(start=wire.now, client=(SECOND_CLIENT, 40001), client_isn=77)
    check.client.syn()
    check.server.syn_ack()
    check.client.rst_ack()
    end = [(check.now + 10 * SECOND, frames.udp(("203.0.113.7", 5000), ("203.0.113.8", 5000)))]
    report = report_of(pcap([*talk.taken, *wire.frames(only=who), *check.frames(only=who), *end], nano=True))
    assert [each["id"] for each in report["findings"]].count("lookup-failed") == found


def test_a_search_domain_is_tried_in_passing():
    talk = Talk().look_up("db.prod.svc.cluster.local", rcode=NXDOMAIN).look_up("db.prod", V4).connect(V4)
    finding = only(talk, "lookup-failed")
    assert (finding["severity"], finding["metrics"]["gave_up"]) == ("info", 0)


@pytest.mark.parametrize("name", ["db", "xdb.prod", "db.prod2", "prod"])
def test_another_name_is_no_other_spelling(name):
    talk = Talk().look_up("db.prod.svc", rcode=NXDOMAIN).look_up(name, V4)
    assert only(talk, "lookup-failed")["metrics"]["gave_up"] == (0 if name == "db" else 1)


def test_an_answer_to_another_client_helps_nobody():
    talk = Talk().look_up("a.example", rcode=NXDOMAIN).look_up("a.example", V4, client=SECOND_CLIENT)
    assert only(talk, "lookup-failed")["metrics"]["gave_up"] == 1


@pytest.mark.parametrize(("after", "gave_up"), [(10 * SECOND, 0), (10 * SECOND + 1, 1)])
def test_a_later_success_is_another_story(after, gave_up):
    talk = Talk().look_up("a.example", rcode=NXDOMAIN, took=MS).wait(after - MS).look_up("a.example", V4)
    assert only(talk, "lookup-failed")["metrics"]["gave_up"] == gave_up


def test_a_name_without_addresses_of_one_family_has_not_failed():
    assert Talk().look_up("a.example", V4).look_up("a.example", kind=28).found("lookup-failed") == []


def test_an_answer_without_an_https_record_has_not_failed():
    assert Talk().look_up("a.example", records=[]).wait(9 * SECOND).found("lookup-failed") == []


@pytest.mark.parametrize("name", ["a.example", "_8443._https.a.example"])
def test_a_server_that_does_not_know_https_records_fails_in_passing(name):
    finding = only(Talk().look_up(name, kind=HTTPS, rcode=4).look_up("a.example", V4), "lookup-failed")
    assert (finding["severity"], finding["metrics"]["gave_up"]) == ("info", 0)


def test_an_answer_with_records_of_other_types_has_not_failed():
    signed = [record("a.example", kind, labels("b.example") + bytes(40)) for kind in (RRSIG, HTTPS, 39, 65280)]
    assert Talk().look_up("a.example", kind=1, records=signed).wait(9 * SECOND).found("lookup-failed") == []


# -- slow-lookup ---------------------------------------------------------------------------------------------------


def test_a_slow_server():
    talk = Talk()
    for number, took in enumerate((90, 100, 400)):
        talk.look_up(f"n{number}.example", V4, took=took * MS)
    metrics = only(talk, "slow-lookup")["metrics"]
    assert metrics == {"lookups": 3, "took_p50_ns": 100 * MS, "took_max_ns": 400 * MS, "repeated": 0}


@pytest.mark.parametrize("times", [(500, 500), (99, 99, 400), (20, 20, 20)])
def test_too_few_or_quick_enough(times):
    talk = Talk()
    for number, took in enumerate(times):
        talk.look_up(f"n{number}.example", V4, took=took * MS)
    assert talk.found("slow-lookup") == []


@pytest.mark.parametrize(("gap", "repeated"), [(890, None), (900, 1)])
def test_a_query_that_comes_again_after_a_second_or_so(gap, repeated):
    talk = Talk()
    ends = ("192.0.2.1", 30001), ("192.0.2.53", 53)
    for _ in range(2):
        talk.put(frames.udp(*ends, query("a.example"))).wait(gap * MS // 2)
    talk.put(frames.udp(*ends[::-1], answer("a.example")))
    assert [each["metrics"]["repeated"] for each in talk.found("slow-lookup")] == [repeated] * (repeated or 0)


def test_one_slow_answer_to_one_query_is_none_that_had_to_come_again():
    assert Talk().look_up("a.example", V4, took=2 * SECOND).found("slow-lookup") == []


def test_one_that_has_to_be_asked_again():
    metrics = only(Talk().look_up("a.example", V4, tries=2), "slow-lookup")["metrics"]
    assert (metrics["repeated"], metrics["took_max_ns"]) == (1, 5 * SECOND + 10 * MS)


# -- ipv6-broken ---------------------------------------------------------------------------------------------------


def told_both(name="www.example.org", talk=None) -> Talk:
    """Over IPv4 the client asks for both families."""
    return (talk or Talk()).look_up(name, V6).look_up(name, V4)


def test_ipv6_that_goes_nowhere():
    finding = only(told_both().fail(V6).connect(V4), "ipv6-broken")
    assert (finding["severity"], finding["target"]) == ("warning", {"ip": "192.0.2.1", "port": None})
    assert finding["metrics"] == {"connections": 1, "names": 1, "fallback_p50_ns": 3300 * MS, "without_fallback": 0}


def test_ipv6_that_only_an_https_record_hinted_at():
    hints = [record("www.example.org", HTTPS, service("", V4, V6))]
    talk = Talk().look_up("www.example.org", records=hints, client="192.0.2.1").fail(V6).connect(V4)
    assert only(talk, "ipv6-broken")["metrics"]["connections"] == 1


def test_no_fallback_afterwards():
    metrics = only(told_both().connect(V4).wait(SECOND).fail(V6), "ipv6-broken")["metrics"]
    assert (metrics["fallback_p50_ns"], metrics["without_fallback"]) == (None, 1)


@pytest.mark.parametrize(
    "steps",
    [
        lambda talk: talk.connect(V6).connect(V4),
        lambda talk: talk.connect(V6).fail(V6).connect(V4),  # it works at times
        lambda talk: talk.fail(V6).fail(V4),  # nothing works
        lambda talk: talk.fail(V6),  # nobody needed IPv4
        lambda talk: talk.fail(V6).look_up("other.example", OTHER).connect(OTHER),  # another name
    ],
)
def test_ipv6_is_not_to_blame(steps):
    assert steps(told_both()).found("ipv6-broken") == []


def test_two_clients_of_one_network_are_distinguished_by_time():
    talk = told_both().connect(V4).wait(5 * SECOND)
    talk.look_up("www.example.org", V6, client=SECOND_CLIENT).look_up("www.example.org", V4, client=SECOND_CLIENT)
    talk.fail(V6, client="2001:db8::2").connect(V4, client=SECOND_CLIENT)
    assert only(talk, "ipv6-broken")["target"]["ip"] == SECOND_CLIENT


# -- dead-address --------------------------------------------------------------------------------------------------


def test_one_of_two_addresses_is_dead():
    talk = Talk().look_up("www.example.org", V4, OTHER)
    finding = only(talk.connect(V4).fail(OTHER).fail(OTHER).connect(V4), "dead-address")
    assert (finding["target"], finding["severity"]) == ({"ip": OTHER, "port": None}, "warning")
    assert finding["metrics"] == {"connections": 2, "clients": 1, "working_addresses": 1}


@pytest.mark.parametrize(
    "steps",
    [
        lambda talk: talk.connect(V4).fail(OTHER),  # once is no rule
        lambda talk: talk.fail(V4).fail(V4).fail(OTHER).fail(OTHER),  # nothing works
        lambda talk: talk.connect(V4).fail(OTHER).fail(OTHER).connect(OTHER),  # it is alive
    ],
)
def test_no_dead_address(steps):
    assert steps(Talk().look_up("www.example.org", V4, OTHER)).found("dead-address") == []


def test_a_family_that_works_for_no_address_has_none_that_is_dead():
    """That is `ipv6-broken`, and not one host."""
    talk = told_both().fail(V6).fail(V6).connect(V4)
    assert talk.found("dead-address") == []
    assert len(talk.found("ipv6-broken")) == 1


def test_two_names_do_not_make_one():
    talk = Talk().look_up("a.example", V4).look_up("b.example", OTHER).connect(V4).fail(OTHER).fail(OTHER)
    assert talk.found("dead-address") == []
