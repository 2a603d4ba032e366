"""Which connections had trouble: the same from connections and from rows, and in words for those that were open."""

import pytest
from support.reports import connection
from support.samples import LIVES as SAMPLES

from handshake_inspect import analyze
from handshake_inspect.report import trouble_columns
from handshake_inspect.report.model import OUTCOMES, TROUBLE_OUTCOMES, Close, Direction, has_trouble
from handshake_inspect.report.trouble import ENDED, trouble_kinds, trouble_of_open, words_of_kinds
from handshake_inspect.verdicts.columns import batches

WAYS = ("client_to_server", "server_to_client")
LOSSY = Direction(frames=60, retransmissions=3)


def test_an_attempt_that_failed_is_trouble():
    assert {outcome for outcome in OUTCOMES if has_trouble(connection(0, outcome))} == set(TROUBLE_OUTCOMES)
    assert not has_trouble(connection(0, "established"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"syns": 3}, "connected only after 2 repeated SYNs"),
        ({"close": Close("rst", "server", "server")}, "reset by the server"),
        ({"close": Close("rst", "client", "client")}, ""),
        ({"close": Close("rst", None, "middlebox")}, "reset by a device on the path"),
        ({"close": Close("rst-after-fin", "client", "server")}, ""),
        ({"close": Close("timeout")}, "given up because the other end had stopped answering"),
        ({"server_to_client": Direction(zero_windows=1)}, "the server could take no more data (zero window once)"),
        ({"client_to_server": LOSSY}, "the client sent 3 of 60 segments again (5.0 %)"),
        ({"syns": 4, "client_to_server": Direction(6, retransmissions=4)}, "connected only after 3 repeated SYNs"),
        ({"client_to_server": Direction(frames=61, retransmissions=3)}, ""),
        ({"client_to_server": Direction(frames=2, retransmissions=2)}, ""),
        (
            {"close": Close("rst", "server", "server"), "client_to_server": LOSSY},
            "reset by the server; the client sent 3 of 60 segments again (5.0 %)",
        ),
    ],
)
def test_what_is_trouble_of_an_open_connection(changes, words):
    assert trouble_of_open(connection(0, "established", **changes)) == words
    assert has_trouble(connection(0, "established", **changes)) == bool(words)


def test_a_failed_attempt_has_its_own_reason():
    assert trouble_of_open(connection(0, "half-open", syns=3)) == ""


@pytest.mark.parametrize("most", [3, 1 << 14])
@pytest.mark.parametrize("name", SAMPLES)
def test_rows_agree_with_connections(pcaps, name, most, monkeypatch):
    monkeypatch.setattr(trouble_columns, "batches", lambda count: batches(count, most))
    connections = analyze(pcaps / f"{name}.pcap").connections
    assert [each.id for each in connections.trouble()] == [each.id for each in connections if has_trouble(each)]
    kinds = connections.trouble_kinds[connections.attempts.order]
    assert kinds.tolist() == list(map(trouble_kinds, connections))


def test_words_of_a_kind_hold_for_all_of_it():
    """They begin as those of one connection do, and have none of its numbers."""
    made = [
        connection(0, syns=3),
        *(connection(0, close=Close(how, None, by)) for how, by in ENDED),
        *(connection(0, **{way: Direction(zero_windows=2)}) for way in WAYS),
        *(connection(0, **{way: LOSSY}) for way in WAYS),
    ]
    kinds = list(map(trouble_kinds, made))
    assert len(set(kinds)) == len(made) - 1, "two endings are the same in words"
    for each, kind in zip(made, kinds, strict=True):
        words = words_of_kinds("established", kind)
        assert words.split()[:3] == trouble_of_open(each).split()[:3]
        assert not any(map(str.isdecimal, words))
        assert words_of_kinds("refused", kind) == ""
    assert words_of_kinds("midstream", kinds[1] | kinds[-1]).count("; ") == 1
