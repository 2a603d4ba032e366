"""HTTPS records: target names and addresses, malformed records, and arbitrary bytes."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.dns import CNAME, HTTPS, RRSIG, SECOND, SVCB, answer, labels, query, record, service

from handshake_inspect.dns import messages
from handshake_inspect.dns.lookups import FOLLOW_NS, Lookups
from handshake_inspect.dns.messages import A

NAME = "www.example.org"
CLIENT, OTHER, RESOLVER = (bytes(10) + b"\xff\xff" + bytes([192, 0, 2, end]) for end in (1, 2, 53))
V6 = socket.inet_pton(socket.AF_INET6, "2001:db8::7")


def v4(end: int) -> bytes:
    return bytes(10) + b"\xff\xff" + bytes([198, 51, 100, end])


def read(*data: bytes, name: str = NAME, kind: int = HTTPS, more=()) -> messages.Message:
    """Return the answer with these HTTPS records."""
    found = messages.read(answer(name, kind, records=[*more, *(record(NAME, kind, each) for each in data)]))
    assert found is not None
    return found


# -- one answer ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "addresses"),
    [
        (service(), ()),
        (service("", "198.51.100.7", "198.51.100.8"), (v4(7), v4(8))),
        (service("", "198.51.100.7", "2001:db8::7"), (v4(7), V6)),
        (service("", "2001:db8::7", parameters={1: b"\x02h2", 3: b"\x01\xbb", 5: bytes(70)}), (V6,)),
    ],
)
def test_hints_are_addresses(data, addresses):
    found = read(data)
    assert (found.kind, found.addresses, found.targets) == (HTTPS, addresses, ())


def test_other_targets_are_returned():
    found = read(service("A.Example.NET", "198.51.100.7"), service("b.example.net", priority=2))
    assert (found.addresses, found.targets) == ((v4(7),), ("a.example.net", "b.example.net"))


def test_the_name_itself_is_not_a_target():
    assert read(service(NAME)).targets == ()


def test_an_alias_has_a_target_and_no_parameters():
    found = read(service("svc.example.net", "198.51.100.7", priority=0))
    assert (found.addresses, found.targets) == ((), ("svc.example.net",))


def test_records_behind_a_cname_count_and_others_do_not():
    chain = [record("begin.example", CNAME, labels(NAME), 20)]
    assert read(service("", "198.51.100.7"), name="begin.example", more=chain).addresses == (v4(7),)
    assert read(service("", "198.51.100.7"), name="begin.example").addresses == ()


def test_the_minimum_ttl_counts():
    chain = [record("begin.example", CNAME, labels(NAME), 20)]
    assert read(service(), name="begin.example", more=chain).ttl == 20


def test_signatures_beside_them_are_skipped():
    assert read(service("", "198.51.100.7"), more=[record(NAME, RRSIG, bytes(90))]).addresses == (v4(7),)


def test_svcb_answers_give_no_address():
    found = read(service("dns.example.net", "198.51.100.7"), kind=SVCB)
    assert (found.kind, found.rcode, found.addresses, found.targets) == (SVCB, 0, (), ())


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"\0",
        b"\0\1",
        b"\0\1\3abc",
        b"\0\1\xc0\x0c",  # a target is never compressed
        b"\0\1\x3f" + bytes(63),  # a name without an end
        b"\0\1" + (b"\x3f" + b"a" * 63) * 4 + b"\0",  # a name of more than 255 bytes
        b"\0\1\0\0",
        b"\0\1\0\0\4\0\5\1\2\3\4",
        b"\0\1\0\0\4\0\0",  # no address
        b"\0\1\0\0\4\0\3\1\2\3",
        b"\0\1\0\0\6\0\4\1\2\3\4",
        b"\0\1\0\0\4\0\4\1\2\3\4\0\1\0\0",  # keys that fall
        b"\0\1\0\0\4\0\4\1\2\3\4\0\4\0\4\1\2\3\4",  # and the same one twice
    ],
)
def test_one_malformed_record_rejects_all(bad):
    found = read(service("a.example.net", "198.51.100.7"), bad)
    assert (found.rcode, found.addresses, found.targets) == (0, (), ())


def test_a_truncated_record_is_malformed():
    whole = answer(NAME, HTTPS, records=[record(NAME, HTTPS, service("", "198.51.100.7", "198.51.100.8"))])
    assert messages.read(whole).addresses == (v4(7), v4(8))
    assert [messages.read(whole[:-cut]).addresses for cut in range(1, 9)] == [()] * 8


def test_addresses_are_bounded():
    many = [f"10.0.{i >> 8}.{i & 255}" for i in range(1000)]
    assert len(read(service("", *many)).addresses) == messages.MAX_RECORDS


@given(st.data())
def test_any_flipped_byte(data):
    whole = bytearray(answer(NAME, HTTPS, records=[record(NAME, HTTPS, service("a.b", "198.51.100.7", "2001:db8::7"))]))
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    found = messages.read(bytes(whole))
    assert found is None or all(len(each) == 16 for each in found.addresses)


@given(st.binary(max_size=80))
def test_any_data(noise):
    found = read(noise)
    assert all(len(each) == 16 for each in found.addresses)
    assert all(each.isascii() for each in found.targets)


# -- a client that follows -----------------------------------------------------------------------------------------


class Talk:
    """A client that first asks for HTTPS records, and its further queries."""

    def __init__(self) -> None:
        self.lookups, self.now, self.number = Lookups(), SECOND, 0

    def ask(self, name, kind, *records, client=CLIENT):
        self.number += 1
        self.lookups.take(self.now, self.number, (client, 40000, RESOLVER, 53), query(name, kind, self.number))
        said = answer(name, kind, self.number, records=records)
        self.lookups.take(self.now, self.number, (RESOLVER, 53, client, 40000), said)
        return self

    def lead(self, name, target, priority=1):
        return self.ask(name, HTTPS, record(name, HTTPS, service(target, priority=priority)))

    def address(self, name, **named):
        return self.ask(name, A, record(name, A, v4(7)[-4:]), **named)

    def wait(self, ns):
        self.now += ns
        return self

    def last(self):
        return self.lookups.answered[-1].names


def test_addresses_of_a_target_belong_to_the_name_that_leads_to_it():
    assert Talk().lead(NAME, "svc.example.net").address("svc.example.net").last() == (NAME,)


def test_targets_of_targets():
    talk = Talk().lead(NAME, "pool.example.net", priority=0).lead("pool.example.net", "host.example.net")
    assert talk.address("host.example.net").last() == (NAME,)


def test_two_names_may_lead_to_one_target():
    talk = Talk().lead("a.example", "svc.example.net").lead("b.example", "svc.example.net").address("svc.example.net")
    assert talk.last() == ("a.example", "b.example")


@pytest.mark.parametrize(
    ("wait", "named"),
    [(FOLLOW_NS + 1, {}), (0, {"client": OTHER}), (0, {"name": "other.example.net"})],
)
def test_an_independent_query_has_no_origin(wait, named):
    name = named.pop("name", "svc.example.net")
    assert Talk().lead(NAME, "svc.example.net").wait(wait).address(name, **named).last() == (name,)


def test_a_port_prefix_is_not_part_of_the_name():
    assert Talk().ask("_8443._https.www.example.org", HTTPS).last() == (NAME,)
    assert Talk().ask("_8443._https.www.example.org", A).last() == ("_8443._https.www.example.org",)


def test_leads_are_bounded(monkeypatch):
    monkeypatch.setattr("handshake_inspect.dns.lookups.MAX_PENDING", 10)
    talk = Talk()
    for number in range(50):
        talk.lead(NAME, f"n{number}.example").lead(f"m{number}.example", "svc.example.net")
    assert len(talk.lookups.leads) <= 10
    assert len(talk.address("svc.example.net").last()) == 4
