"""Lookups: questions, retries and answers; arbitrary bytes."""

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.dns import MS, RRSIG, SECOND, answer, labels, query, record

from handshake_inspect.dns import messages
from handshake_inspect.dns.lookups import RETRY_NS, Lookups
from handshake_inspect.dns.messages import AAAA, CNAME, NXDOMAIN, A

CLIENT, OTHER, RESOLVER = (bytes(10) + b"\xff\xff" + bytes([192, 0, 2, end]) for end in (1, 2, 53))


def mapped(text: str) -> bytes:
    return bytes(10) + b"\xff\xff" + socket.inet_aton(text)


class Talk:
    """A client and its resolver."""

    def __init__(self) -> None:
        self.lookups, self.now, self.frame = Lookups(), SECOND, 0

    def put(self, src, src_port, dst, dst_port, data):
        self.frame += 1
        self.lookups.take(self.now, self.frame, (src, src_port, dst, dst_port), data)
        return self

    def ask(self, *words, port=40000, client=CLIENT, **named):
        return self.put(client, port, RESOLVER, 53, query(*words, **named))

    def say(self, *words, port=40000, client=CLIENT, **named):
        return self.put(RESOLVER, 53, client, port, answer(*words, **named))

    def wait(self, ns):
        self.now += ns
        return self


def test_a_lookup():
    (found,) = Talk().ask().wait(5_000_000).say().lookups.all()
    assert (found.client, found.server, found.name, found.kind) == (CLIENT, RESOLVER, "www.example.org", A)
    assert (found.first_ns, found.answer_ns, found.queries, found.rcode) == (SECOND, SECOND + 5_000_000, 1, 0)
    assert (found.first_frame, found.answer_frame) == (1, 2)
    assert (found.addresses, found.ttl_s) == ((mapped("198.51.100.2"),), 300)


def test_queries_go_to_port_53_and_answers_come_from_it():
    """Multicast DNS (port 5353) and reflected queries are ignored."""
    assert len(Talk().put(CLIENT, 40000, RESOLVER, 5353, query()).lookups) == 0
    (found,) = Talk().ask().put(RESOLVER, 5353, CLIENT, 40000, answer()).lookups.all()
    assert found.answer_ns == 0


def test_questions_of_other_classes_are_no_lookups():
    """Class CHAOS has names such as version.bind; the highest bit is used by multicast DNS."""
    for number, there in ((3, 0), (0x8001, 1)):
        asked = query()[:-2] + struct.pack(">H", number)
        assert len(Talk().put(CLIENT, 40000, RESOLVER, 53, asked).lookups) == there


def test_aliases_are_followed_in_any_order_and_the_least_ttl_counts():
    chain = [
        record("c.example.net", A, socket.inet_aton("198.51.100.9"), 60),
        record("b.example.net", CNAME, labels("c.example.net"), 20),
        record("www.example.org", CNAME, labels("B.example.net"), 500),
        record("other.example", A, socket.inet_aton("203.0.113.1"), 1),
    ]
    (found,) = Talk().ask().say(records=chain).lookups.all()
    assert (found.addresses, found.ttl_s) == ((mapped("198.51.100.9"),), 20)


def test_a_loop_of_aliases_ends():
    loop = [record("a.example", CNAME, labels("b.example")), record("b.example", CNAME, labels("a.example"))]
    (found,) = Talk().ask("a.example").say("a.example", records=loop).lookups.all()
    assert found.addresses == ()


def test_both_families_are_two_lookups():
    talk = Talk().ask(kind=A).ask(kind=AAAA, number=8)
    talk.say(kind=AAAA, number=8, records=[record("www.example.org", AAAA, bytes(15) + b"\1")]).say(kind=A)
    v4, v6 = talk.lookups.all()
    assert (v4.kind, v6.kind, v6.addresses) == (A, AAAA, (bytes(15) + b"\1",))


@pytest.mark.parametrize("port", [40000, 50000])
@pytest.mark.parametrize("number", [7, 8])
def test_a_repeated_query_is_the_same_lookup(port, number):
    talk = Talk().ask().wait(5 * SECOND).ask(port=port, number=number).wait(1000).say(port=port, number=number)
    (found,) = talk.lookups.all()
    assert (found.queries, found.answer_ns - found.first_ns) == (2, 5 * SECOND + 1000)


def test_the_same_question_much_later_is_another_lookup():
    first, second = Talk().ask().wait(RETRY_NS).ask().say().lookups.all()
    assert (first.rcode, first.queries, second.rcode) == (-1, 1, 0)


@pytest.mark.parametrize("change", [{"port": 40001}, {"number": 9}, {"client": OTHER}, {"name": "evil.example"}])
def test_an_unsolicited_answer_is_ignored(change):
    words = [change.pop("name")] if "name" in change else []
    (found,) = Talk().ask().say(*words, **change).lookups.all()
    assert found.rcode == -1


def test_a_truncated_answer_does_not_complete_a_lookup():
    talk = Talk().ask().say(flags=0x8380)
    assert [each.rcode for each in talk.lookups.all()] == [-1]
    assert [each.rcode for each in talk.say().lookups.all()] == [0]


def test_no_such_name():
    (found,) = Talk().ask().say(records=[], rcode=NXDOMAIN).lookups.all()
    assert (found.rcode, found.addresses) == (NXDOMAIN, ())


def test_names_are_lower_case_and_escaped():
    (found,) = Talk().ask("WWW.Ex\x1bample.ORG").lookups.all()
    assert found.name == "www.ex\x1bample.org"


def test_signatures_beside_an_address_are_skipped():
    signed = [
        record("www.example.org", A, socket.inet_aton("198.51.100.9")),
        record("www.example.org", RRSIG, bytes(18) + labels("example.org") + bytes(64)),
    ]
    (found,) = Talk().ask().say(records=signed).lookups.all()
    assert (found.rcode, found.addresses) == (0, (mapped("198.51.100.9"),))


def test_sections_after_the_answers_may_be_cut_off():
    whole = bytearray(answer())
    whole[8:12] = b"\0\1\0\1"
    found = messages.read(bytes(whole))
    assert found is not None
    assert found.addresses == (mapped("198.51.100.2"),)


def test_only_the_first_of_many_answers_are_read():
    many = [record("www.example.org", A, socket.inet_aton(f"198.51.100.{i}")) for i in range(100)]
    found = messages.read(answer(records=many))
    assert found is not None
    assert found.addresses == tuple(mapped(f"198.51.100.{i}") for i in range(messages.MAX_RECORDS))


@pytest.mark.parametrize(("jumps", "is_read"), [(0, True), (9, True), (10, False), (600, False)])
def test_names_with_many_compression_pointers(jumps, is_read):
    """A chain of pointers in the data of a record, and another record whose name begins with the last one."""
    begin = len(query()) + len(record("www.example.org", RRSIG, b""))
    places = [12, *range(begin, begin + 2 * jumps, 2)]
    pointers = b"".join(struct.pack(">H", 0xC000 | place) for place in places[:-1])
    named = struct.pack(">HHHIH", 0xC000 | places[-1], A, 1, 300, 4) + socket.inet_aton("198.51.100.9")
    found = messages.read(answer(records=[record("www.example.org", RRSIG, pointers), named]))
    assert (found is not None) == is_read
    assert found is None or found.addresses == (mapped("198.51.100.9"),)


@given(st.binary(max_size=60), st.integers(0, 3))
def test_any_bytes(noise, where):
    whole = answer()
    data = (noise, whole[: len(noise)], whole[:12] + noise, whole + noise)[where]
    found = messages.read(data)
    assert found is None or isinstance(found.name, str)


@given(st.data())
def test_any_flipped_byte(data):
    whole = bytearray(
        answer(records=[record("www.example.org", CNAME, labels("b.example")), record("b.example", A, b"1234")])
    )
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    found = messages.read(bytes(whole))
    assert found is None or all(len(each) == 16 for each in found.addresses)


def test_many_lookups_stay_bounded(monkeypatch):
    monkeypatch.setattr("handshake_inspect.dns.lookups.MAX_PENDING", 10)
    monkeypatch.setattr("handshake_inspect.dns.lookups.MAX_ANSWERS", 20)
    talk = Talk()
    for number in range(100):
        talk.ask(f"n{number}.example")
    assert len(talk.lookups.pending) == 10
    assert len(talk.lookups.unanswered) <= 20
    assert talk.lookups.dropped + len(talk.lookups) == 100


@pytest.mark.parametrize(("apart", "queries"), [(0, 1), (9 * MS, 1), (10 * MS, 2)])
def test_a_query_captured_twice_counts_once(apart, queries):
    talk = Talk().ask().wait(apart).ask().wait(MS).say()
    assert [each.queries for each in talk.lookups.all()] == [queries]
