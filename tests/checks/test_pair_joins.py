"""Which connection of one capture is which of the other: what is alike by chance is not joined, what has no SYN is."""

import pytest
from support import frames
from support.paths import MS, START, Box, Path, Sent, talk

from handshake_inspect.checks.pair import pair_captures
from handshake_inspect.engine.segment_columns import segment_columns
from handshake_inspect.errors import UsageError

NAT = ("203.0.113.9", 1000)
SECOND = 1000 * MS


def joined(path):
    files, _ = path.captures()
    return pair_captures(*(segment_columns([file]) for file in files))


def ports(found):
    return [each.client.port for each in found.connections]


def around(path):
    """Four connections that both captures have, twenty seconds apart."""
    for number in range(4):
        isns, began = (10 * number + 1, 20 * number + 7), START + (20 * number - 1) * SECOND
        talk(path, port=50_000 + number, began=began, loss=0, rounds=2, stamps=False, isns=isns)


def apart(path, *, isns, server=("198.51.100.2", 443), port=40_000):
    """Two other connections, half a minute apart, of which each capture has another one."""
    here, there = Path(box=path.box), Path(box=path.box, seed=1, server=server)
    talk(here, loss=0, rounds=2, stamps=False, isns=isns[0])
    talk(there, port=port, began=START + 30 * SECOND, loss=0, rounds=5, stamps=False, isns=isns[1])
    path._a += here._a
    path._b += there._b


OTHERS = {
    "a 4-tuple that is used again": (Box(), {"isns": [(1000, 5000), (99_999, 777)]}),
    "an ISN that is equal by chance": (
        Box(client=NAT),
        {"isns": [(555, 1), (555, 777)], "server": ("198.51.100.9", 80), "port": 1234},
    ),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_alike_by_chance_is_not_one(kind):
    box, how = OTHERS[kind]
    path = Path(box=box)
    around(path)
    apart(path, **how)
    found = joined(path)
    assert ports(found) == [50_000, 50_001, 50_002, 50_003]
    assert (found.summary.alone_a, found.summary.alone_b) == (1, 1)
    assert found.clock.consistent
    assert found.summary.a_to_b.lost == found.summary.a_to_b.born == 0


@pytest.mark.parametrize("kind", OTHERS)
def test_nor_where_nothing_else_is_in_both(kind):
    box, how = OTHERS[kind]
    path = Path(box=box)
    apart(path, **how)
    with pytest.raises(UsageError, match="no connection is in both"):
        joined(path)


def test_a_syn_by_its_isn_needs_a_port_that_stayed():
    path = Path(box=Box(client=NAT))
    path.send(START, Sent(True, 1000, 0, frames.SYN))
    assert [each.basis for each in joined(path).connections] == ["isn"]
    path = Path(box=Box(client=NAT, server=("10.0.0.5", 8443)))
    path.send(START, Sent(True, 1000, 0, frames.SYN))
    with pytest.raises(UsageError, match="no connection is in both"):
        joined(path)


def test_a_scanner_whose_syns_all_have_one_isn():
    """Each goes to another address: one was lost."""
    path = Path(box=Box(client=NAT))
    around(path)
    for number in range(10):
        path.server = (f"198.51.100.{100 + number}", 80)
        path.send(START + number * MS, Sent(True, 1_000_000, 0, frames.SYN), lose=number == 3)
    found = joined(path)
    scanned = [each for each in found.connections if each.client.port == 40_000]
    assert [each.server.ip for each in scanned] == [f"198.51.100.{100 + number}" for number in range(10) if number != 3]
    assert not any(change.what == "server-address" for each in scanned for change in each.changes)


def test_syns_by_isn_whose_last_copies_were_lost():
    path = Path(box=Box(client=NAT))
    around(path)
    for number, lose in enumerate([False, True, True]):
        path.send(START + (2**number - 1) * SECOND, Sent(True, 99_999, 0, frames.SYN), lose=lose)
    found = joined(path)
    assert [each.client_to_server.lost for each in found.connections if each.client.port == 40_000] == [2]


# -- what was open before ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stamps", [True, False], ids=["timestamps", "no timestamps"])
@pytest.mark.parametrize("begins", ["ab", "b"], ids=["both begin later", "B begins later"])
@pytest.mark.parametrize(
    "box", [Box(), Box(client=NAT), Box(client_isn_shift=77), Box(client=NAT, client_isn_shift=77, server_isn_shift=99)]
)
def test_a_connection_that_was_open_before_a_capture_began(box, begins, stamps):
    path = Path(box=box)
    for number in range(2):
        isns = 1000 + number * 7919, 500_000 + number * 104_729
        talk(path, port=40_000 + number, isns=isns, loss=0.1, rounds=20, stamps=stamps)
    for point in begins:
        path.miss(point, lambda ns: ns < START + 100 * MS)
    if not stamps and box.client and box.client_isn_shift:
        with pytest.raises(UsageError, match="no connection is in both"):
            joined(path)
        return
    found = joined(path)
    assert sorted(ports(found)) == [40_000, 40_001]
    assert found.summary.a_to_b.born == found.summary.b_to_a.born == 0
    assert found.summary.a_to_b.arrived > 40
    assert found.clock.offset.min <= 0 <= found.clock.offset.max


def test_who_is_the_client_was_guessed_differently_behind_nat():
    """It gives the client a port below the server's."""
    path = Path(box=Box(client=("203.0.113.9", -38_000)), server=("198.51.100.2", 8443))
    talk(path, loss=0.1, rounds=20)
    path.miss("a", lambda ns: ns < START + 100 * MS)
    path.miss("b", lambda ns: ns < START + 100 * MS)
    found = joined(path)
    assert ports(found) == [40_000]
    assert [change.what for change in found.connections[0].changes if change.what.endswith("address")] == [
        "client-address"
    ]
    assert found.summary.a_to_b.born == found.summary.b_to_a.born == 0
