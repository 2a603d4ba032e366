"""Server names from earlier lookups of the same client."""

import io
import socket

import pytest
from support import frames
from support.captures import pcap
from support.wire import MS, SECOND

from handshake_inspect.capture.trace import open_trace
from handshake_inspect.dns.lookups import Lookup
from handshake_inspect.dns.messages import AAAA, HTTPS, A
from handshake_inspect.engine.pump import Pump
from handshake_inspect.engine.stream import pump_all
from handshake_inspect.tcp.tracker import Tracker
from handshake_inspect.verdicts.gathering import attempts_of_table
from handshake_inspect.verdicts.limits import Limits
from handshake_inspect.verdicts.names import LIVES_NS, LOOKUP_WINDOW, Names, other_awaited, waited_for

CLIENT, OTHER = "192.0.2.1", "192.0.2.99"
SERVER, SECOND_SERVER = "198.51.100.2", "198.51.100.3"


def mapped(text: str) -> bytes:
    return bytes(10) + b"\xff\xff" + socket.inet_aton(text)


def lookup(name="www.example.org", *addresses, client=CLIENT, at=0, took=10 * MS, ttl=60, kind=A) -> Lookup:
    packed = tuple(map(mapped, addresses or (SERVER,)))
    return Lookup(mapped(client), mapped("192.0.2.53"), name, kind, at - took, 1, 1, at, 2, 0, packed, ttl)


def names_of(lookups, *attempts) -> Names:
    """Names of SYNs: (client, server, when), a port each."""
    syns = [
        (when, frames.syn(src=(client, 40000 + i), dst=(server, 443)))
        for i, (client, server, when) in enumerate(attempts)
    ]
    pump = Pump(Tracker(64))
    with open_trace([io.BytesIO(pcap(sorted(syns), nano=True))]) as source:
        pump_all(source, pump)
        return Names(attempts_of_table(pump.tracker.table, pump.first_ns, pump.last_ns, Limits(), len(syns)), lookups)


def first(lookups, *attempts):
    """The name of the first attempt."""
    names = names_of(lookups, *attempts)
    return names.name(int(names.attempts.order[0]))


NOW = 1_700_000_000 * SECOND


@pytest.mark.parametrize(
    ("other", "is_one"),
    [
        ({"at": NOW + 20 * MS, "took": 25 * MS}, True),
        ({"at": NOW + 20 * MS, "took": 20 * MS}, True),
        ({"at": NOW + 20 * MS, "took": 19 * MS}, False),  # asked when the answer was there
        ({"at": NOW, "took": 5 * MS}, False),  # no later than that
        ({"at": NOW + 31 * MS, "took": 40 * MS}, False),  # after the client had connected
        ({"at": NOW + 20 * MS, "took": 25 * MS, "kind": A}, False),
        ({"at": NOW + 20 * MS, "took": 25 * MS, "client": OTHER}, False),
        ({"at": NOW + 20 * MS, "took": 25 * MS, "name": "other.example.org"}, False),
    ],
)
def test_another_answer_for_which_a_client_waits(other, is_one):
    beside = [lookup("else.example.org", at=NOW)] * (LOOKUP_WINDOW - 2)
    lookups = [lookup(at=NOW), *beside, lookup(**{"kind": AAAA, **other})]
    assert (other_awaited(lookups, 0, NOW + 30 * MS) is lookups[-1]) == is_one
    assert other_awaited([*lookups[:1], *beside, *beside, lookups[-1]], 0, NOW + 30 * MS) is None


def test_the_name_that_the_client_was_given():
    assert first([lookup(at=NOW)], (CLIENT, SERVER, NOW + MS)) == "www.example.org"


@pytest.mark.parametrize(
    ("given", "attempt"),
    [
        ({"client": OTHER}, (CLIENT, SERVER, NOW + MS)),
        ({}, (CLIENT, SECOND_SERVER, NOW + MS)),
        ({}, (CLIENT, SERVER, NOW - 1)),
        ({}, (CLIENT, SERVER, NOW + LIVES_NS + 1)),
    ],
)
def test_no_name(given, attempt):
    assert first([lookup(at=NOW, **given)], attempt) is None


@pytest.mark.parametrize(
    ("ttl", "after", "alive"),
    [
        (60, 600 * SECOND, True),
        (60, 600 * SECOND + 1, False),
        (3600, 3600 * SECOND, True),
        (3600, 3601 * SECOND, False),
    ],
)
def test_how_long_a_name_lives(ttl, after, alive):
    assert (first([lookup(at=NOW, ttl=ttl)], (CLIENT, SERVER, NOW + after)) is not None) == alive


def test_an_answer_at_the_very_moment_counts():
    assert first([lookup(at=NOW)], (CLIENT, SERVER, NOW)) == "www.example.org"


def test_two_names_of_one_address_are_none():
    names = names_of([lookup("a.example", at=NOW), lookup("b.example", at=NOW + MS)], (CLIENT, SERVER, NOW + 2 * MS))
    assert (names.name(0), names.all_names) == (None, {0: ["b.example", "a.example"]})


def test_the_same_name_twice_is_one_and_an_old_one_is_forgotten():
    looked_up = [lookup("old.example", at=NOW - LIVES_NS), lookup(at=NOW), lookup(at=NOW + MS)]
    assert first(looked_up, (CLIENT, SERVER, NOW + 2 * MS)) == "www.example.org"


def test_at_most_four_names():
    looked_up = [lookup(f"n{i}.example", at=NOW + i) for i in range(9)]
    names = names_of(looked_up, (CLIENT, SERVER, NOW + MS))
    assert names.all_names == {0: ["n8.example", "n7.example", "n6.example", "n5.example"]}


def test_every_address_of_an_answer_has_its_name():
    names = names_of(
        [lookup("www.example.org", SERVER, SECOND_SERVER, at=NOW)],
        (CLIENT, SERVER, NOW),
        (CLIENT, SECOND_SERVER, NOW + MS),
    )
    assert {row: names.name(row) for row in range(2)} == {0: "www.example.org", 1: "www.example.org"}


def test_who_waited_for_a_lookup():
    looked_up = [lookup("www.example.org", SERVER, SECOND_SERVER, at=NOW)]
    attempts = (CLIENT, SECOND_SERVER, NOW + 3 * MS), (CLIENT, SERVER, NOW + 5 * MS), (OTHER, SERVER, NOW + MS)
    names = names_of(looked_up, *attempts)
    ids = {int(names.attempts.ids[row]): place for row, place in waited_for(names)[0].items()}
    assert ids == {1: 0}  # the other client came first of all, and asked nobody


@pytest.mark.parametrize("sooner", [0, 1])
def test_of_tcp_and_quic_who_began_first_waited(sooner):
    begun = [NOW + MS, NOW + 2 * MS][:: 1 - 2 * sooner]
    every = [names_of([lookup(at=NOW)], (CLIENT, SERVER, at)) for at in begun]
    assert [bool(each) for each in waited_for(*every)] == [sooner == 0, sooner == 1]


@pytest.mark.parametrize(("after", "waited"), [(0, True), (SECOND, True), (SECOND + 1, False)])
def test_what_begins_later_did_not_wait(after, waited):
    assert bool(waited_for(names_of([lookup(at=NOW)], (CLIENT, SERVER, NOW + after)))[0]) == waited


def test_without_lookups_nothing_has_a_name():
    names = names_of([], (CLIENT, SERVER, NOW))
    assert (names.lookup_of, names.all_names, waited_for(names)) == ({}, {}, [{}])


# -- hints of HTTPS records ----------------------------------------------------------------------------------------


def waited(lookups, begun) -> int | None:
    """The place of the lookup that a connection which begins then waited for."""
    return waited_for(names_of(lookups, (CLIENT, SERVER, begun)))[0].get(0)


def test_a_hint_gives_a_name_and_is_waited_for_where_no_answer_gave_the_address():
    looked_up = [lookup("www.example.org", SECOND_SERVER, at=NOW), lookup(at=NOW + MS, kind=HTTPS)]
    assert first(looked_up, (CLIENT, SERVER, NOW + 2 * MS)) == "www.example.org"
    assert waited(looked_up, NOW + 2 * MS) == 1


@pytest.mark.parametrize("hint", [-3 * MS, -1, 0, 1, 3 * MS])
def test_the_address_of_an_answer_is_used_and_not_its_hint(hint):
    looked_up = [lookup(at=NOW), lookup(at=NOW + hint, kind=HTTPS)]
    assert waited(looked_up, NOW + 5 * MS) == 0


def test_a_hint_that_came_first_is_used_by_who_does_not_wait():
    looked_up = [lookup(at=NOW), lookup(at=NOW - 5 * MS, kind=HTTPS)]
    assert waited(looked_up, NOW - MS) == 1


@pytest.mark.parametrize(
    ("ago", "ttl", "place"), [(60 * SECOND, 60, 0), (60 * SECOND + 1, 60, 1), (SECOND, 0, 0), (SECOND + 1, 0, 1)]
)
def test_a_hint_is_news_where_the_answer_has_expired(ago, ttl, place):
    """Who asks for both at once uses the answer, however short it lives."""
    looked_up = [lookup(at=NOW - ago, ttl=ttl), lookup(at=NOW, kind=HTTPS)]
    assert names_of(looked_up, (CLIENT, SERVER, NOW + MS)).lookup_of == {0: place}


@pytest.mark.parametrize("change", [{"client": OTHER}, {"name": "other.example"}])
def test_what_another_client_or_name_was_given_leaves_a_hint_news(change):
    name = change.pop("name", "www.example.org")
    assert waited([lookup(name, at=NOW, **change), lookup(at=NOW + MS, kind=HTTPS)], NOW + 2 * MS) == 1


def test_names_of_hints_and_of_answers_are_distinguished():
    looked_up = [lookup("other.example", at=NOW), lookup(at=NOW + MS, kind=HTTPS)]
    names = names_of(looked_up, (CLIENT, SERVER, NOW + 2 * MS))
    assert names.all_names == {0: ["www.example.org", "other.example"]}


def test_the_address_of_a_target_is_named_by_what_led_to_it():
    led = lookup("svc.example.net", at=NOW)._replace(origins=("a.example", "b.example"))
    assert names_of([led], (CLIENT, SERVER, NOW)).all_names == {0: ["a.example", "b.example"]}
    assert first([led._replace(origins=("a.example",))], (CLIENT, SERVER, NOW)) == "a.example"
