"""What pictures show is what the connections say, whether these are rows or objects."""

import msgspec
import pytest
from support import reports
from support.reports import MS, START, connection
from support.samples import LIVES

from handshake_inspect import engine
from handshake_inspect.report.model import Close, Direction, Endpoint, ListedConnections, has_trouble
from handshake_inspect.report.pictures import BINS, Pictures
from handshake_inspect.report.scales import ticks
from handshake_inspect.report.trouble import trouble_kinds


def of(*connections):
    return Pictures(reports.report(list(connections)))


@pytest.mark.parametrize(
    "sample", ["healthy-burst", "port-scan-connect", "syn-flood-hping3", "http-to-tls", "accept-queue-overflow", *LIVES]
)
def test_rows_and_objects_give_the_same_pictures(pcaps, sample):
    report = engine.analyze([pcaps / f"{sample}.pcap"])
    listed = msgspec.structs.replace(report, connections=ListedConnections(list(report.connections)))
    one, other = Pictures(report), Pictures(listed)
    for name in ("timeline", "half_open", "cloud", "ordinary"):
        assert getattr(one, name)() == getattr(other, name)(), name
    assert one.histogram("synack") == other.histogram("synack")
    assert one.trouble(20, 3) == other.trouble(20, 3)
    assert one.slowest(4) == other.slowest(4)


def test_every_attempt_is_in_a_bar():
    pictures = of(*(connection(i, "refused" if i % 3 else "established") for i in range(100)))
    timeline = pictures.timeline()
    assert {word: sum(counts) for word, counts in timeline.attempts.items()} == {"established": 34, "refused": 66}
    assert all(len(counts) == BINS for counts in timeline.attempts.values())


def test_of_one_server_only():
    other = Endpoint("10.0.0.9", 80)
    pictures = of(connection(0), connection(1, server=other), connection(2))
    assert sum(pictures.timeline(other).attempts["established"]) == 1


def test_half_open_at_the_same_time():
    """Two are open at once for 10 ms, and one alone until the end."""

    def shaken(number, begin, acked):
        made = connection(number, first_ns=START + begin)
        times = {"synack_ns": START + begin, "ack_ns": None if acked is None else START + acked}
        state = made.state if acked is not None else msgspec.structs.replace(made.state, server="SYN_RECEIVED")
        return msgspec.structs.replace(made, state=state, handshake=msgspec.structs.replace(made.handshake, **times))

    pictures = of(shaken(0, 0, 20 * MS), shaken(1, 10 * MS, None))
    levels = pictures.half_open()
    assert max(levels) == 2
    assert levels[-1] == 1


def test_one_that_ends_as_another_begins_is_not_beside_it():
    made = []
    for number, (begin, end) in enumerate([(0, 5 * MS), (5 * MS, 9 * MS)]):
        each = connection(number, first_ns=START + begin)
        times = {"synack_ns": START + begin, "ack_ns": START + end}
        made.append(msgspec.structs.replace(each, handshake=msgspec.structs.replace(each.handshake, **times)))
    assert max(of(*made).half_open()) == 1


def test_a_histogram_holds_every_value():
    pictures = of(*(connection(i, rtt_ns=(i + 1) * MS) for i in range(200)))
    counted = pictures.histogram("synack")
    assert sum(counted.counts) == 200
    assert counted.place(MS) < 0.05
    assert counted.place(200 * MS) > 0.95


def test_nothing_measured():
    pictures = of(connection(0, "refused"))
    assert pictures.histogram("total") is pictures.cloud() is pictures.scale("total") is None
    assert pictures.ordinary() is None


def test_trouble_is_grouped_by_what_explains_it():
    one, other = Endpoint("10.0.0.2", 80), Endpoint("10.0.0.3", 80)
    pictures = of(
        *(connection(i, "refused", server=one) for i in range(3)),
        *(connection(i, "timed-out", server=other) for i in range(3, 8)),
        connection(8),
    )
    groups = pictures.trouble(10, 2)
    assert [(group.outcome, group.server, group.connections) for group in groups] == [
        ("timed-out", "10.0.0.3:80", 5), ("refused", "10.0.0.2:80", 3),
    ]  # fmt: skip
    assert groups[0].examples == [3, 4]


@pytest.mark.parametrize(("hosts", "server"), [(1, "10.0.0.2"), (30, "")])
def test_a_scan_is_one_group(hosts, server):
    scanned = [Endpoint(f"10.0.0.{2 + i % hosts}", 1 + i) for i in range(90)]
    groups = of(*(connection(i, "refused", server=end) for i, end in enumerate(scanned))).trouble(20, 1)
    assert [(group.server, group.connections, group.servers) for group in groups] == [(server, 90, 90)]


def test_what_a_scan_learnt():
    ends = [Endpoint("10.0.0.2", port) for port in (443, 22, 23)]
    pictures = of(
        *(connection(i, word, server=ends[i]) for i, word in enumerate(["timed-out", "established", "refused"]))
    )
    assert [(probe.server.port, probe.state) for probe in pictures.probes("10.0.0.1", 100)] == [
        (22, "open"), (23, "closed"), (443, "filtered"),
    ]  # fmt: skip
    assert len(pictures.probes("10.0.0.1", 2)) == 2


def test_sources_by_their_first_byte():
    pictures = of(*(connection(i, "half-open", client=Endpoint(f"{i}.0.0.1", 1000)) for i in range(1, 200)))
    counts = pictures.sources("10.0.0.2", 443)
    assert sum(counts) == 199
    assert max(counts) == 1
    assert of(connection(0)).sources("10.9.9.9", None) == []


def test_an_empty_report():
    pictures = of()
    assert pictures.timeline().attempts == {}
    assert pictures.half_open() == [0] * BINS
    assert pictures.trouble(5, 5) == []


@pytest.mark.parametrize(("low", "high"), [(1, 2), (900, 40_000_000), (35_000, 36_000), (1, 10**13)])
def test_ticks_lie_inside_and_are_few(low, high):
    found = ticks(low, high)
    assert len(found) <= 6
    assert all(low <= tick <= high for tick in found)


def test_trouble_is_what_has_trouble():
    report = reports.troubled()
    assert sum(group.connections for group in Pictures(report).trouble(1000, 1)) == sum(
        map(has_trouble, report.connections)
    )


def test_half_open_to_one_server():
    other = Endpoint("10.0.0.9", 80)
    made = [connection(i, "half-open", server=other if i else Endpoint("10.0.0.2", 443)) for i in range(3)]
    made = [msgspec.structs.replace(c, handshake=msgspec.structs.replace(c.handshake, synack_ns=START)) for c in made]
    assert max(of(*made).half_open(other)) == 2
    assert max(of(*made).half_open()) == 3


def test_open_connections_are_grouped_by_what_they_suffered():
    reset, lossy = Close("rst", "server", "server"), Direction(frames=20, retransmissions=4)
    made = [
        connection(0, syns=2),
        connection(1, server_to_client=Direction(zero_windows=3)),
        connection(2, client_to_server=Direction(zero_windows=3)),
        connection(3, close=reset),
        connection(4, close=reset),
        connection(5, close=reset, client_to_server=lossy),
        connection(6, client_to_server=lossy),
        connection(7, "midstream", close=reset),
    ]
    groups = of(*made).trouble(10, 2)
    assert [group.examples for group in groups] == [[3, 4], [0], [1], [2], [5], [6], [7]]
    assert all(group.kinds == trouble_kinds(made[group.examples[0]]) for group in groups)
