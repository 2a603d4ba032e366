"""SYNs with an older timestamp than their address sent before, and the resulting order of advice."""

import pytest
from support import frames
from support.wire import SECOND, START, Wire, merged

QUEUE, PAWS = "a full queue", "timestamps older"


def stamped(tsval, at, *, client=("192.0.2.1", 41_000), copies=2, options=None):
    """An attempt that fails."""
    wire = Wire(client=client, start=START + at)
    for n in range(copies):
        value = frames.linux_syn_options((tsval + 1000 * n) % (1 << 32)) if options is None else options
        wire.client.syn(lost="after", stay=True, options=value)
        wire.wait(SECOND)
    return wire


def serves(tsval, at, *, client=("192.0.2.1", 40_000)):
    wire = Wire(client=client, start=START + at)
    wire.client.syn(options=frames.linux_syn_options(tsval))
    wire.server.syn_ack()
    wire.client.ack(options=frames.timestamps((tsval + 50) % (1 << 32), 1))
    return wire


def quiet():
    return Wire(client=("203.0.113.7", 1), server=("203.0.113.8", 2)).quiet(90 * SECOND)


def dropped(*wires):
    (finding,) = [one for one in merged(*wires, quiet())["findings"] if one["id"] == "timed-out"]
    assert finding["metrics"]["cause"] == "syn-dropped"
    order = sorted((QUEUE, PAWS), key=finding["advice"].index)
    return finding["metrics"]["older_timestamps"], order[0]


@pytest.mark.parametrize("newest", [900_000, 50_000, 1 << 31, (1 << 32) - 10])
@pytest.mark.parametrize("copies", [1, 2])
def test_an_older_timestamp(newest, copies):
    older = (newest - 60_000) % (1 << 32)
    assert dropped(serves(newest, 0), stamped(older, SECOND, copies=copies)) == (1, PAWS)


def test_of_a_client_that_was_there_before_the_capture():
    """Nothing but data, whose timestamp counts too."""
    before = Wire(client=("192.0.2.1", 40_000), start=START)
    before.client.data(options=frames.timestamps(900_000, 1))
    before.server.data()
    assert dropped(before, stamped(5, SECOND)) == (1, PAWS)


@pytest.mark.parametrize("words", [
    {"tsval": 901_000},  # newer
    {"tsval": 899_950},  # a little older: two SYNs that overtook each other
    {"tsval": 5, "client": ("192.0.2.9", 41_000)},  # another address has a clock of its own
    {"tsval": 5, "options": frames.mss(1460)},  # no timestamp
], ids=str)  # fmt: skip
def test_what_is_not_older(words):
    assert dropped(serves(900_000, 0), stamped(at=SECOND, **words)) == (0, QUEUE)


def test_what_came_later_is_not_before():
    assert dropped(serves(900_000, 20 * SECOND), stamped(5, SECOND)) == (0, QUEUE)


def test_where_others_are_dropped_too_it_is_not_the_first_reason():
    wires = [stamped(5, SECOND), stamped(950_000, 2 * SECOND, client=("192.0.2.1", 42_000))]
    assert dropped(serves(900_000, 0), *wires) == (1, QUEUE)
