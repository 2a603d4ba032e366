"""A connection with translated addresses is one; what only looks like it is two."""

from io import BytesIO

import pytest
from support import frames
from support.captures import pcap

import handshake_inspect

MS = 1_000_000
CLIENT, SERVICE, POD, NODE = ("10.1.0.5", 40_000), ("10.96.0.10", 80), ("10.1.0.9", 8080), ("10.0.0.1", 61_234)


def exchange(client, server, *, began=0, inside=0, isns=(1000, 5000), stamp=7, answered=True, ident=0):
    """A handshake and a request, with times; so far inside what translates that both ways are shorter by that."""
    mine, theirs = isns
    options = frames.linux_syn_options(stamp) if stamp else frames.mss(1460)
    later = frames.timestamps(stamp + 1, 9) if stamp else b""
    wire = [(0, frames.syn(client, server, seq=mine, options=options, ident=ident))]
    if answered:
        answer = frames.linux_syn_options(9, stamp) if stamp else frames.mss(1460)
        wire += [
            (2, frames.syn_ack(server, client, seq=theirs, ack=mine + 1, options=answer)),
            (4, frames.ack(client, server, seq=mine + 1, ack=theirs + 1, options=later)),
            (6, frames.data(b"GET", client, server, seq=mine + 1, ack=theirs + 1, options=later)),
        ]
    return [(began + at * MS + (-inside if at == 2 else inside), frame) for at, frame in wire]


@pytest.mark.parametrize(("outer", "inner", "found"), [
    (4, 3, 1),  # the request was not passed on, or the capture ended just before
    (3, 4, 2),  # nothing that was passed on can have come from nowhere
])  # fmt: skip
def test_what_was_not_passed_on_is_no_other_connection(outer, inner, found):
    made = connections(exchange(CLIENT, SERVICE)[:outer], exchange(CLIENT, POD, inside=10_000)[:inner])
    assert len(made) == found


@pytest.mark.parametrize("stamp", [0, 7])
@pytest.mark.parametrize("inner", [(CLIENT, POD), (NODE, SERVICE)], ids=["DNAT", "SNAT"])
def test_a_first_syn_that_the_translation_dropped(inner, stamp):
    """Its copy a second later passes: one connection, whose first SYN was lost."""
    second = exchange(CLIENT, SERVICE, began=1000 * MS, stamp=stamp and stamp + 1000, ident=10)
    first = exchange(CLIENT, SERVICE, stamp=stamp, ident=9)[:1]
    passed = exchange(*inner, began=1000 * MS, inside=10_000, stamp=stamp and stamp + 1000, ident=10)
    (found,) = connections(first, second, passed)
    assert (str(found.server), found.outcome, found.handshake.syn_count) == ("10.96.0.10:80", "established", 2)
    assert ends(found.translated_to) == tuple(f"{ip}:{port}" for ip, port in inner)


@pytest.mark.parametrize("other", [
    exchange(CLIENT, POD, began=1000 * MS, inside=10_000, stamp=1008),
    exchange(CLIENT, POD, began=1000 * MS, inside=10_000, stamp=1007, isns=(1000, 5001)),
    exchange(CLIENT, POD, began=1000 * MS, inside=10_000, stamp=1007)[:3],
    exchange(CLIENT, POD, began=990 * MS, inside=10_000, stamp=1007),
], ids=["other clock", "other ISN", "less sent", "another time"])  # fmt: skip
def test_what_is_no_second_half_of_a_connection_whose_first_syn_was_lost(other):
    second = exchange(CLIENT, SERVICE, began=1000 * MS, stamp=1007)
    assert len(connections(exchange(CLIENT, SERVICE)[:1], second, other)) == 2


def test_less_passed_on_and_out_of_step_is_another_connection():
    syn, answer, (at, ack), _ = exchange(CLIENT, POD, inside=10_000)
    assert len(connections(exchange(CLIENT, SERVICE), [syn, answer, (at + 3 * MS, ack)])) == 2


def refusal(client, server, *, began=0, inside=0, isn=1000, stamp=7, ident=0):
    """A SYN and the RST that answers it, as `exchange`."""
    options = frames.linux_syn_options(stamp) if stamp else frames.mss(1460)
    syn = frames.syn(client, server, seq=isn, options=options, ident=ident)
    rst = frames.rst(server, client, ack=isn + 1)
    return [(began + inside, syn), (began + 2 * MS - inside, rst)]


def connections(*exchanges):
    wire = sorted((each for exchange in exchanges for each in exchange), key=lambda each: each[0])
    report = handshake_inspect.analyze(BytesIO(pcap((1 + ns, frame) for ns, frame in wire)))
    assert report.summary.connections == len(report.connections)
    return list(report.connections)


def ends(translation):
    return None if translation is None else (str(translation.client), str(translation.server))


def test_a_service_and_its_pod():
    (found,) = connections(exchange(CLIENT, SERVICE), exchange(CLIENT, POD, inside=10_000))
    assert (str(found.server), found.outcome) == ("10.96.0.10:80", "established")
    assert ends(found.translated_to) == ("10.1.0.5:40000", "10.1.0.9:8080")
    assert (found.client_to_server.frames, found.aliases.tshark.stream) == (3, 0)


def test_both_ends_may_be_translated():
    (found,) = connections(exchange(CLIENT, SERVICE), exchange(NODE, POD, inside=10_000))
    assert ends(found.translated_to) == ("10.0.0.1:61234", "10.1.0.9:8080")


@pytest.mark.parametrize("kind", [exchange, refusal])
def test_without_timestamps_the_identification_of_the_syn_decides(kind):
    (found,) = connections(kind(CLIENT, SERVICE, stamp=0, ident=9), kind(CLIENT, POD, inside=10_000, stamp=0, ident=9))
    assert ends(found.translated_to) == ("10.1.0.5:40000", "10.1.0.9:8080")


@pytest.mark.parametrize("kind", [exchange, refusal])
@pytest.mark.parametrize(
    ("stamps", "idents"), [((0, 0), (0, 0)), ((0, 0), (9, 10)), ((0, 0), (9, 0)), ((0, 7), (9, 9))]
)
def test_without_timestamps_and_the_same_identification_nothing_is_joined(kind, stamps, idents):
    """Two connections of a host whose ISNs repeat look the same: parallel ones, of a device with a bad generator."""
    one = kind(CLIENT, SERVICE, stamp=stamps[0], ident=idents[0])
    assert len(connections(one, kind(CLIENT, POD, inside=10_000, stamp=stamps[1], ident=idents[1]))) == 2


@pytest.mark.parametrize(("inner", "found"), [
    ((63, 64), 1),  # the SYN lost a hop on its way in, the SYN-ACK on its way out
    ((64, 64), 2), ((63, 63), 2), ((64, 63), 2), ((65, 64), 2),
])  # fmt: skip
@pytest.mark.parametrize(("client", "service", "pod"), [
    (CLIENT, SERVICE, POD), (("fd00::5", 40_000), ("fd00::10", 80), ("fd00::9", 8080)),
])  # fmt: skip
def test_without_any_mark_a_router_between_shows_one_connection(client, service, pod, inner, found):
    outer = routed(exchange(client, service, stamp=0), 64, 63)
    made = connections(outer, routed(exchange(client, pod, inside=10_000, stamp=0), *inner))
    assert len(made) == found
    other_port = (client[0], client[1] + 1)
    assert len(connections(outer, routed(exchange(other_port, pod, inside=10_000, stamp=0), *inner))) == 2


def routed(wire, asking, answering):
    """The exchange with the hops that are left to each end's packets."""
    return [(at, with_hops(frame, asking if number != 1 else answering)) for number, (at, frame) in enumerate(wire)]


def with_hops(frame, hops):
    place = 21 if frame[12:14] == b"\x86\xdd" else 22
    return frame[:place] + bytes([hops]) + frame[place + 1 :]


@pytest.mark.parametrize("stamp", [0, 7])
def test_two_clients_with_like_handshakes_at_the_same_time_are_two(stamp):
    """Of one script, behind one balancer, each translated: either has its own translation, and not the other's."""
    other, elsewhere = ("10.1.0.6", 40_000), ("10.1.0.10", 8080)
    found = connections(
        exchange(CLIENT, SERVICE, stamp=stamp, ident=9), exchange(CLIENT, POD, inside=10_000, stamp=stamp, ident=9),
        exchange(other, SERVICE, began=1000, stamp=stamp, ident=9, isns=(1001, 5001)),
        exchange(other, elsewhere, began=1000, inside=10_000, stamp=stamp, ident=9, isns=(1001, 5001)),
    )  # fmt: skip
    assert [ends(each.translated_to)[1] for each in found] == ["10.1.0.9:8080", "10.1.0.10:8080"]


def test_the_first_translation_of_several_is_named():
    further = exchange(("10.1.0.5", 40_000), ("10.9.9.9", 8080), inside=20_000)
    (found,) = connections(exchange(CLIENT, SERVICE), exchange(CLIENT, POD, inside=10_000), further)
    assert ends(found.translated_to) == ("10.1.0.5:40000", "10.1.0.9:8080")


@pytest.mark.parametrize(
    "other",
    [
        exchange(CLIENT, POD, inside=10_000, stamp=8),
        exchange(CLIENT, POD, inside=10_000, isns=(1000, 5001)),
        exchange(CLIENT, POD, inside=10_000, isns=(1001, 5000)),
        exchange(CLIENT, POD, began=1_100 * MS),
        exchange(CLIENT, POD, began=10_000),
        exchange(CLIENT, POD, inside=10_000, answered=False),
    ],
    ids=[
        "other timestamp",
        "other ISN of the server",
        "other ISN of the client",
        "much later",
        "not within",
        "not answered",
    ],
)
def test_what_is_another_connection(other):
    found = connections(exchange(CLIENT, SERVICE), other)
    assert [each.translated_to for each in found] == [None, None]


def test_a_refusal_of_the_pod_is_one_of_the_service():
    (found,) = connections(refusal(CLIENT, SERVICE), refusal(CLIENT, POD, inside=10_000))
    assert (found.outcome, ends(found.translated_to)) == ("refused", ("10.1.0.5:40000", "10.1.0.9:8080"))
    assert "translated to 10.1.0.9:8080" in found.why


def scan(*, marks):
    """A scanner gives all its SYNs one ISN, here to eight ports that refuse them, before and behind the translation."""
    for at, port in enumerate(range(20, 28)):
        mark = marks(at)
        yield refusal(CLIENT, ("10.1.0.9", port), began=at * 100_000, **mark)
        yield refusal(NODE, ("10.1.0.9", port), began=at * 100_000, inside=10_000, **mark)


@pytest.mark.parametrize("marks", [lambda at: {"stamp": 0, "ident": 9 + at}, lambda at: {"stamp": 7 + at}])
def test_of_a_scan_with_one_isn_each_refusal_has_its_own_translation(marks):
    found = connections(*scan(marks=marks))
    assert [(each.cause, ends(each.translated_to)) for each in found] == [
        ("closed-port", ("10.0.0.1:61234", f"10.1.0.9:{port}")) for port in range(20, 28)
    ]


def test_more_than_a_few_that_are_all_alike_are_no_translations():
    assert len(connections(*scan(marks=lambda _: {"stamp": 0, "ident": 9}))) == 16


def silence(client, server, *, tries=(0, 1000, 3000), lag=0, isn=1000, stamp=7, ident=0, end=()):
    """SYNs that nothing answers, at these milliseconds; `end`: what comes after the last of them."""
    options = frames.linux_syn_options(stamp) if stamp else frames.mss(1460)
    syns = [
        (at * MS + lag, frames.syn(client, server, seq=isn, options=options, ident=ident and ident + number))
        for number, at in enumerate(tries)
    ]
    return syns + [(syns[-1][0] + 500 * MS - 2 * lag, make(client, server, syns[0][1])) for make in end]


def unreachable(client, server, syn):
    return frames.icmp_error(syn[14:], code=13, reporter="192.0.2.254")


def reset(client, server, syn):
    return frames.rst(client, server, seq=1001, ack=None)


LATER = [(9000 * MS, frames.udp(("203.0.113.7", 53), ("203.0.113.8", 53)))]


@pytest.mark.parametrize(("end", "outcome"), [
    ((), "timed-out"), ((unreachable,), "rejected"), ((reset,), "aborted"),
])  # fmt: skip
@pytest.mark.parametrize("marks", [{}, {"stamp": 0, "ident": 9}])
@pytest.mark.parametrize("inner", [(CLIENT, POD), (NODE, SERVICE), (NODE, POD)])
def test_what_nothing_answers_behind_the_translation_is_one_attempt(inner, marks, end, outcome):
    """It is that of the address that was asked, and times out there."""
    (found,) = connections(
        silence(CLIENT, SERVICE, end=end, **marks), silence(*inner, lag=50_000, end=end, **marks), LATER
    )
    assert (found.outcome, found.handshake.syn_count, str(found.server)) == (outcome, 3, "10.96.0.10:80")
    assert ends(found.translated_to) == tuple(f"{address}:{port}" for address, port in inner)


@pytest.mark.parametrize(
    ("hops", "client", "found"), [(63, CLIENT, 1), (64, CLIENT, 2), (65, CLIENT, 2), (63, NODE, 2)]
)
def test_unmarked_syns_that_nothing_answers_are_one_attempt_of_one_socket_behind_a_router(hops, client, found):
    inner = [(at, with_hops(frame, hops)) for at, frame in silence(client, POD, lag=50_000, stamp=0)]
    assert len(connections(silence(CLIENT, SERVICE, stamp=0), inner, LATER)) == found


@pytest.mark.parametrize(
    "other",
    [
        silence(CLIENT, POD, lag=50_000, stamp=8),
        silence(CLIENT, POD, lag=50_000, isn=1001),
        silence(CLIENT, POD, lag=3 * MS),
        silence(CLIENT, POD, lag=50_000, tries=(0, 1000)),
        silence(CLIENT, POD, lag=50_000, tries=(0, 1000, 3200)),
        silence(CLIENT, POD, lag=50_000, end=(unreachable,)),
    ],
    ids=["other timestamp", "other ISN", "later", "fewer", "another timer", "rejected"],
)
def test_what_is_another_attempt_that_nothing_answers(other):
    wire = [(at + MS, frame) for at, frame in [*silence(CLIENT, SERVICE), *other, *LATER]]
    assert len(connections(wire)) == 2


@pytest.mark.parametrize(
    "other",
    [
        refusal(CLIENT, POD, inside=10_000, stamp=8),
        refusal(CLIENT, POD, inside=10_000, isn=1001),
        refusal(CLIENT, POD, began=10_000),
        exchange(CLIENT, POD, inside=10_000),
    ],
    ids=["other timestamp", "other ISN", "not within", "accepted"],
)
def test_what_is_another_refusal(other):
    found = connections(refusal(CLIENT, SERVICE), other)
    assert [each.translated_to for each in found] == [None, None]


def test_of_frames_with_the_same_time_the_first_in_the_capture_came_first():
    """Where times are coarse; `sorted` keeps the order of frames of one time."""
    outer, inner = exchange(CLIENT, SERVICE), exchange(CLIENT, POD)
    (syn, syn_ack, *rest), (syn_2, syn_ack_2, *rest_2) = outer, inner
    (found,) = connections([syn, syn_2, syn_ack_2, syn_ack, *rest, *rest_2])
    assert ends(found.translated_to) == ("10.1.0.5:40000", "10.1.0.9:8080")
    for untranslated in ([syn, syn_2, syn_ack, syn_ack_2, *rest, *rest_2], [*outer, *inner]):
        assert [each.translated_to for each in connections(untranslated)] == [None, None]


def test_many_translations_are_found_together():
    """Each of its own: among thousands of other connections, no row is compared with any but those of its ISNs."""
    wire = []
    for i in range(300):
        client, isns = (f"10.1.{i >> 8}.{i & 255}", 40_000 + i), (1000 + i, 5000 + i)
        wire += exchange(client, SERVICE, began=i * MS, isns=isns)
        wire += exchange(client, POD, began=i * MS, isns=isns, inside=10_000)
    found = connections(wire)
    assert [each.client.port for each in found] == [40_000 + i for i in range(300)]
    assert {ends(each.translated_to)[1] for each in found} == {"10.1.0.9:8080"}
    assert {str(each.server) for each in found} == {"10.96.0.10:80"}


def test_hosts_whose_isns_repeat_are_no_translations():
    found = connections(*(exchange(CLIENT, (f"10.96.0.{i}", 80), inside=i) for i in range(1, 7)))
    assert [each.translated_to for each in found] == [None] * 6


def test_streams_are_those_of_wireshark():
    later = exchange(CLIENT, ("10.96.0.11", 80), began=50 * MS, isns=(9, 99))
    found = connections(exchange(CLIENT, SERVICE), exchange(CLIENT, POD, inside=10_000), later)
    assert [(each.id, each.aliases.tshark.stream) for each in found] == [(0, 0), (1, 2)]
