"""One table of attempts, whichever rows store them: a lone SYN reads like a connection with nothing but a SYN."""

import io

import numpy as np
import pytest
from support import captures, frames

from handshake_inspect.capture.source import open_source
from handshake_inspect.engine import Options
from handshake_inspect.engine.pump import Pump
from handshake_inspect.engine.reporting import case_of
from handshake_inspect.tcp.facts import FACT_RST, FACT_SYN
from handshake_inspect.tcp.tracker import Tracker
from handshake_inspect.verdicts import attempts as module
from handshake_inspect.verdicts import gathering
from handshake_inspect.verdicts.columns import batches

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
V4, V6 = ("192.0.2.1", "198.51.100.2"), ("2001:db8::1", "2001:db8::2")
RICH = frames.linux_syn_options()


def syn_of(number, pair):
    here, there = (pair[0], 30000 + number), (pair[1], 80 + number % 3)
    return here, there, frames.syn(here, there, seq=1000 * number + 7, options=RICH, ttl=50 + number % 5)


def attempts_of(total, followed=(), start=0, over=False):
    """So many SYNs, IPv4 and IPv6 in turn; a RST of the client follows some of them, which become connections."""
    timed = []
    for number in range(total):
        here, there, syn = syn_of(number, V6 if number % 4 == 3 else V4)
        timed.append((START + number * SECOND // 8, syn))
        if number in followed:
            timed.append((START + number * SECOND // 8 + 1000, frames.rst(here, there, seq=1000 * number + 8)))
    pump = Pump(Tracker(1 << 10))
    with open_source(io.BytesIO(captures.pcap(timed, nano=True))) as source:
        source.reader.frames = start
        while pump.drain(source.reader) == 0 and source.fill():
            pass
        return case_of(source, pump, Options().limits, pump.last_ns, over=over).attempts


def by_time(attempts, values):
    """What a column of all attempts says, in order of first frames."""
    return np.asarray(values)[attempts.order].tolist()


EVERY = 40
COLUMNS = {
    "client port": lambda a, rows: a.address("client", "port", rows),
    "server port": lambda a, rows: a.address("server", "port", rows),
    "client address": lambda a, rows: a.address("client", "lo", rows),
    "server halves": lambda a, rows: a.halves("server", rows)[0] ^ a.halves("server", rows)[1],
    "client ends": lambda a, rows: a.client_ends(rows),
    "isn": lambda a, rows: a.end("client", "iss", rows),
    "options": lambda a, rows: a.end("client", "options", rows),
    "mss": lambda a, rows: a.end("client", "mss", rows),
    "ttl": lambda a, rows: a.end("client", "syn_ttl", rows),
    "timestamp": lambda a, rows: a.end("client", "syn_tsval", rows),
    "frames of the server": lambda a, rows: a.end("server", "frames", rows),
    "first time": lambda a, rows: a.connection("first_ns", rows),
    "SYNs": lambda a, rows: a.connection("syn_count", rows),
    "SYN-ACKs": lambda a, rows: a.connection("synack_count", rows),
    "IPv4": lambda a, rows: a.is_ipv4(rows),
    "begun": lambda a, rows: a.first_times[rows],
    "service": lambda a, rows: a.server_key[rows],
    "server": lambda a, rows: a.server_host[rows],
    "client": lambda a, rows: a.client_host[rows],
}


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("followed", [(), range(EVERY), range(0, EVERY, 3)])
def test_a_column_does_not_depend_on_which_rows_hold_the_attempts(name, followed):
    alone, attempts = attempts_of(EVERY), attempts_of(EVERY, followed)
    assert len(attempts) == len(alone) == EVERY
    assert len(attempts.facts) == len(followed)
    expected = by_time(alone, COLUMNS[name](alone, np.arange(EVERY)))
    assert by_time(attempts, COLUMNS[name](attempts, np.arange(EVERY))) == expected


@pytest.mark.parametrize("start", [0, 2**32 - 4])
@pytest.mark.parametrize("followed", [(), [0], [39], range(0, EVERY, 3), range(EVERY)])
def test_when_all_is_over_rows_of_syns_lie_without_gaps_and_say_the_same(start, followed):
    before, after = attempts_of(EVERY, followed, start), attempts_of(EVERY, followed, start, over=True)
    assert (after.embryo_numbers is None, len(after)) == (True, EVERY)
    rows = np.arange(EVERY)
    for name, column in COLUMNS.items():
        assert by_time(after, column(after, rows)) == by_time(before, column(before, rows)), name
    assert by_time(after, after.first_frame) == by_time(before, before.first_frame)


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("rows", [[], [1], [39], [0, 39], [39, 0, 20, 3], [3, 2, 1], [38, 37], list(range(0, 40, 7))])
def test_a_column_of_some_attempts_has_their_order(name, rows):
    attempts = attempts_of(EVERY, range(0, EVERY, 3))
    whole = COLUMNS[name](attempts, np.arange(EVERY))
    rows = np.array(rows, dtype=np.intp)
    assert COLUMNS[name](attempts, rows).tolist() == whole[rows].tolist()


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_of_several_batches_has_their_order(name, monkeypatch):
    rows = np.arange(EVERY)[::-1].reshape(8, 5).T.ravel()
    whole = COLUMNS[name](attempts_of(EVERY, range(0, EVERY, 3)), rows).tolist()
    monkeypatch.setattr(module, "batches", lambda count, _most=0: batches(count, 7))
    assert COLUMNS[name](attempts_of(EVERY, range(0, EVERY, 3)), rows).tolist() == whole


@pytest.mark.parametrize("followed", [(), range(EVERY), range(0, EVERY, 3)])
def test_what_was_sent_is_what_the_columns_say(followed):
    attempts, every = attempts_of(EVERY, followed), np.arange(EVERY)
    assert by_time(attempts, attempts.address("client", "port", every)) == [30000 + n for n in every]
    assert by_time(attempts, attempts.end("client", "iss", every)) == [1000 * n + 7 for n in every]
    assert by_time(attempts, attempts.end("client", "syn_ttl", every)) == [50 + n % 5 for n in every]
    assert by_time(attempts, attempts.is_ipv4(every)) == [n % 4 != 3 for n in every]
    assert by_time(attempts, attempts.first_times) == [START + n * SECOND // 8 for n in every]
    assert (attempts.connection("facts", every) & FACT_SYN != 0).all()
    ends = [attempts.one_end("server", row)[2] for row in every.tolist()]
    assert by_time(attempts, ends) == [80 + n % 3 for n in every]
    assert by_time(attempts, attempts.client("port")) == [30000 + n for n in every]
    assert by_time(attempts, attempts.server("port")) == [80 + n % 3 for n in every]


@pytest.mark.parametrize("start", [0, 2**32 - 4, 2**32 + 100])
@pytest.mark.parametrize("followed", [(), [0], range(0, EVERY, 3)])
def test_frame_numbers_are_whole_whoever_holds_them(start, followed):
    attempts, rows = attempts_of(EVERY, followed, start), np.arange(EVERY)[::-1]
    sent = [start + 1 + n + sum(before < n for before in followed) for n in range(EVERY)]
    assert by_time(attempts, attempts.first_frame) == sent
    assert by_time(attempts, attempts.first_frames(np.arange(EVERY))) == sent
    assert attempts.first_frames(rows).tolist() == attempts.first_frame[rows].tolist()
    assert attempts.first_frames(attempts.earliest(rows, 5)).tolist() == sent[:5]
    copies, order, places = gathering.copied(attempts, rows)
    assert copies.first_frame[places].tolist() == attempts.first_frame[rows].tolist()
    assert copies.first_frame.tolist() == attempts.first_frame[order].tolist()
    odd = rows % 2 == 1
    assert gathering.subset(attempts, odd).first_frame.tolist() == attempts.first_frame[odd].tolist()


def test_connections_come_first_and_are_distinguished():
    attempts = attempts_of(EVERY, range(0, EVERY, 3))
    rows = np.array([39, 2, 20, 0])
    assert attempts.tracked(rows).tolist() == [2, 0]
    assert attempts.is_tracked(rows).tolist() == [False, True, False, True]
    full, alone = attempts.split(rows)
    assert (full.tolist(), alone.tolist()) == ([2, 0], [39 - 14, 20 - 14])
    assert (attempts.connection("facts", full) & FACT_RST != 0).all()
    assert attempts.of_connections(attempts.first_times).tolist() == attempts.first_times[:14].tolist()
    assert attempts.of_lone(attempts.first_times).tolist() == attempts.first_times[14:].tolist()


def test_masks_are_of_all_attempts_or_of_connections():
    attempts = attempts_of(EVERY, range(0, EVERY, 3))
    assert np.flatnonzero(attempts.mask(np.array([1, 39]), np.array([3]))).tolist() == [1, 3, 39]
    assert len(attempts.mask()) == EVERY
    assert np.flatnonzero(attempts.connection_mask(np.array([1, 13]))).tolist() == [1, 13]
    assert len(attempts.connection_mask()) == 14
    column = attempts.column(attempts.facts & FACT_SYN != 0, False)
    assert (column[:14].all(), column[14:].any()) == (True, False)


def test_a_part_of_a_column_may_be_written_to():
    attempts = attempts_of(EVERY, [0])
    mask = attempts.mask()
    attempts.of_connections(mask)[:] |= attempts.facts & FACT_RST != 0
    assert np.flatnonzero(mask).tolist() == [0]
