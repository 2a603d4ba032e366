"""Names of servers, from what their own clients looked up before."""

import io
import socket

import pytest
from support import frames
from support.captures import pcap
from support.wire import MS, SECOND

from handshake_inspect.capture.trace import open_trace
from handshake_inspect.dns.lookups import Lookup
from handshake_inspect.dns.messages import A
from handshake_inspect.engine.pump import Pump
from handshake_inspect.engine.stream import pump_all
from handshake_inspect.tcp.tracker import Tracker
from handshake_inspect.verdicts.gathering import gathered
from handshake_inspect.verdicts.limits import Limits
from handshake_inspect.verdicts.names import LIVES_NS, Names, waited_for

CLIENT, OTHER = "192.0.2.1", "192.0.2.99"
SERVER, SECOND_SERVER = "198.51.100.2", "198.51.100.3"


def mapped(text: str) -> bytes:
    return bytes(10) + b"\xff\xff" + socket.inet_aton(text)


def lookup(name="www.example.org", *addresses, client=CLIENT, at=0, took=10 * MS, ttl=60) -> Lookup:
    packed = tuple(map(mapped, addresses or (SERVER,)))
    return Lookup(mapped(client), mapped("192.0.2.53"), name, A, at - took, 1, 1, at, 2, 0, packed, ttl)


def names_of(lookups, *attempts) -> Names:
    """Names of SYNs: (client, server, when), a port each."""
    syns = [
        (when, frames.syn(src=(client, 40000 + i), dst=(server, 443)))
        for i, (client, server, when) in enumerate(attempts)
    ]
    pump = Pump(Tracker(64))
    with open_trace([io.BytesIO(pcap(sorted(syns), nano=True))]) as source:
        pump_all(source, pump)
        return Names(gathered(pump.tracker.table, pump.first_ns, pump.last_ns, Limits(), len(syns)), lookups)


def first(lookups, *attempts):
    """The name of the first attempt."""
    names = names_of(lookups, *attempts)
    return names.name(int(names.attempts.order[0]))


NOW = 1_700_000_000 * SECOND


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
    ("ttl", "after", "alive"), [(60, LIVES_NS, True), (3600, 3600 * SECOND, True), (3600, 3601 * SECOND, False)]
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


@pytest.mark.parametrize(("after", "waited"), [(0, True), (SECOND, True), (SECOND + 1, False)])
def test_what_begins_later_did_not_wait(after, waited):
    assert bool(waited_for(names_of([lookup(at=NOW)], (CLIENT, SERVER, NOW + after)))[0]) == waited


def test_without_lookups_nothing_has_a_name():
    names = names_of([], (CLIENT, SERVER, NOW))
    assert (names.lookup_of, names.all_names, waited_for(names)) == ({}, {}, [{}])
