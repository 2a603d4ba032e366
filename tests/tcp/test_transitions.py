"""The state table: every (event, state) has its row, or a reason why it changes nothing; and every row is used."""

from itertools import permutations
from pathlib import Path

import pytest
from support import captures, frames
from support.wire import MS, SECOND, START, Wire, json_of, report_of, states

import handshake_inspect
from handshake_inspect.tcp import endpoint
from handshake_inspect.tcp.transitions import (
    STATES,
    TRANSITIONS,
    WITHDRAWN,
    Event,
    TcpState,
    diagram,
    next_state,
    packed,
)

S, E = TcpState, Event
OPENING = {S.CLOSED, S.LISTEN, S.SYN_SENT, S.SYN_RECEIVED}
CLOSING = {S.FIN_WAIT_1, S.FIN_WAIT_2, S.CLOSE_WAIT, S.CLOSING, S.LAST_ACK, S.TIME_WAIT}
SYNCHRONIZED = {S.ESTABLISHED, *CLOSING}
EVERY = set(S)

# Event -> why it changes nothing, and in which states.
STAYS = {
    E.SENT_SYN: [
        ("a repeated SYN", {S.SYN_SENT, S.SYN_RECEIVED}),
        ("a SYN of another incarnation, which has a row of its own", SYNCHRONIZED - {S.TIME_WAIT}),
    ],
    E.SENT_SYN_ACK: [
        ("a repeated SYN-ACK", {S.SYN_RECEIVED}),
        ("a late copy: what was sent since proves more", CLOSING - {S.TIME_WAIT}),
    ],
    E.SENT_ACK: [
        ("an ACK is what a synchronized end sends", SYNCHRONIZED),
        ("an ACK of a connection that is over, or that an unsynchronized end sends by the rules of RFC 9293 3.10.7.1",
         {S.CLOSED, S.LISTEN}),
    ],
    E.SENT_FIN: [
        ("a repeated FIN", CLOSING - {S.CLOSE_WAIT}),
        ("nobody to send it to, or no number to acknowledge: RFC 9293 3.10.4", {S.LISTEN, S.SYN_SENT}),
    ],
    E.GOT_SYN: [
        ("a listener that is silent is unknown from no listener", {S.CLOSED}),
        ("a repeated SYN", {S.SYN_RECEIVED}),
        ("draws a challenge ACK (RFC 9293 3.10.7.4)", SYNCHRONIZED),
    ],
    E.GOT_SYN_ACK: [
        ("nobody asked: draws a RST", {S.CLOSED, S.LISTEN}),
        ("a repeated SYN-ACK: draws an ACK", SYNCHRONIZED),
    ],
    E.GOT_ACK_OF_SYN: [
        ("nothing waits for it", EVERY - {S.SYN_RECEIVED}),
    ],
    E.GOT_FIN: [
        ("cannot be: no SYN of that peer was seen (RFC 9293 3.10.7.3, 3.10.7.4)", {S.CLOSED, S.LISTEN, S.SYN_SENT}),
        ("it comes with the ACK of the SYN, or is not taken", {S.SYN_RECEIVED}),
        ("a repeated FIN", {S.CLOSE_WAIT, S.CLOSING, S.LAST_ACK}),
    ],
    E.GOT_ACK_OF_FIN: [
        ("it sent no FIN, or knows already", EVERY - {S.FIN_WAIT_1, S.CLOSING, S.LAST_ACK}),
    ],
    E.GOT_ERROR: [
        ("a soft error: hosts end only an opening for it (RFC 5461)", EVERY - {S.SYN_SENT, S.SYN_RECEIVED}),
    ],
    E.TWO_MSL: [
        ("the timer runs in TIME-WAIT", EVERY - {S.TIME_WAIT}),
    ],
    E.SYN_ACK_WAS_LOST: [
        ("it is not thought to have the SYN-ACK, or proved to have it", EVERY - {S.ESTABLISHED}),
    ],
    E.ACK_OF_SYN_WAS_LOST: [
        ("it is not thought to have the ACK, or proved to have it", EVERY - {S.ESTABLISHED, S.CLOSE_WAIT}),
    ],
    E.FIN_WAS_LOST: [
        ("it is not thought to have the FIN", EVERY - {S.CLOSE_WAIT, S.CLOSING, S.LAST_ACK, S.TIME_WAIT}),
    ],
    E.ACK_OF_FIN_WAS_LOST: [
        ("it is not thought to have the ACK", EVERY - {S.FIN_WAIT_2, S.TIME_WAIT, S.CLOSED}),
    ],
    E.SYN_WAS_LOST: [
        ("it is not thought to have the SYN that crossed its own, or proved to have it", EVERY - {S.SYN_RECEIVED}),
    ],
    E.PROVED_OPEN: [
        ("its state is known already", EVERY - {S.CLOSED}),
    ],
    E.NO_FIN: [
        ("it is not thought to have closed", {*OPENING - {S.CLOSED}, S.ESTABLISHED, S.CLOSE_WAIT}),
    ],
}  # fmt: skip

# Rows that no capture takes, and why they are there.
NOT_ON_THE_WIRE = {
    "no observer sees a listener that is silent: LISTEN is in the table for the RFC's figures": {
        (event, S.LISTEN) for event in (E.SENT_SYN, E.GOT_SYN, E.SENT_SYN_ACK, E.SENT_RST, E.GOT_RST)
    },
    "a new incarnation has a row of its own, which begins at CLOSED": {
        (E.SENT_SYN, S.TIME_WAIT), (E.SENT_SYN_ACK, S.TIME_WAIT),
    },
    "the SYN that it answers took it to SYN-RECEIVED, and a SYN-ACK later says that an ACK was lost": {
        (E.SENT_SYN_ACK, S.SYN_SENT),
    },
    "a repeated FIN only restarts the clock": {(E.GOT_FIN, S.TIME_WAIT)},
    "time passes for all rows at once, when the capture ends": {(E.TWO_MSL, S.TIME_WAIT)},
}  # fmt: skip


@pytest.mark.parametrize("event", Event, ids=lambda event: event.name)
def test_every_cell_has_its_row_or_its_reason(event):
    rows = {state for (row, state) in TRANSITIONS | WITHDRAWN if row is event}
    reasons = [state for _, group in STAYS.get(event, []) for state in sorted(group)]
    assert len(reasons) == len(set(reasons))
    assert rows.isdisjoint(reasons)
    assert rows | set(reasons) == EVERY
    for state in reasons:
        assert next_state(event, state) is state


@pytest.mark.parametrize("state", TcpState, ids=lambda state: state.name)
def test_a_rst_leaves_nothing_behind(state):
    assert next_state(E.SENT_RST, state) is next_state(E.GOT_RST, state) is S.CLOSED


def walk(state, events):
    for event in events:
        state = next_state(event, state)
    return state


def test_second_thoughts_go_back():
    """A withdrawn belief leaves the state in which the end would be had the believed event not happened."""
    believed = {
        E.SYN_ACK_WAS_LOST: E.GOT_SYN_ACK,
        E.ACK_OF_SYN_WAS_LOST: E.GOT_ACK_OF_SYN,
        E.FIN_WAS_LOST: E.GOT_FIN,
        E.ACK_OF_FIN_WAS_LOST: E.GOT_ACK_OF_FIN,
        E.SYN_WAS_LOST: E.GOT_SYN,
    }
    for (event, state), before in WITHDRAWN.items():
        if event is E.NO_FIN:
            continue  # takes back two, what it sent and that this was acknowledged: the next test
        steps = [E.SENT_FIN, E.GOT_FIN, believed[event]]
        ways = [order for count in (1, 2) for order in permutations(steps, count) if believed[event] in order]
        assert any(
            walk(start, way) is state and walk(start, [step for step in way if step is not believed[event]]) is before
            for start in TcpState
            for way in ways
        ), (event.name, state.name)


@pytest.mark.parametrize("acked", [True, False])
@pytest.mark.parametrize("way", [*permutations([E.SENT_FIN, E.GOT_FIN, E.GOT_ACK_OF_FIN])], ids=str)
def test_a_fin_that_was_none_leaves_the_end_as_if_only_its_peer_had_closed(way, acked):
    for count in range(1, 4):
        steps = [step for step in way[:count] if acked or step is not E.GOT_ACK_OF_FIN]
        if E.SENT_FIN not in steps:
            continue
        others = [step for step in steps if step is E.GOT_FIN]
        assert next_state(E.NO_FIN, walk(S.ESTABLISHED, steps)) is walk(S.ESTABLISHED, others)


def test_the_packed_table_is_the_table():
    table = packed()
    assert len(table) == STATES * len(Event)
    for event in Event:
        for state in TcpState:
            assert table[event * STATES + state] == next_state(event, state)


def test_the_diagram_shows_every_change_but_the_resets():
    lines = set(diagram().splitlines()[1:])
    changes = {
        f"    {state.name} --> {after.name}: {event.name.lower().replace('_', ' ')}"
        for (event, state), after in TRANSITIONS.items()
        if state is not after and event not in {E.SENT_RST, E.GOT_RST}
    }
    assert lines == changes


# -- every row is taken by some capture


def at_close(*segments):
    """A handshake, then (who, flags, seq offset, ack offset) by end; offsets count from behind the SYN."""
    taken = [frames.syn(ident=1), frames.syn_ack(ident=1), frames.ack(ident=2)]
    ends = {"c": (frames.CLIENT, frames.SERVER, 1001, 5001), "s": (frames.SERVER, frames.CLIENT, 5001, 1001)}
    bits = {"F": frames.FIN, "A": frames.ACK, "R": frames.RST, "P": frames.PSH}
    for number, (who, flags, seq, ack, *size) in enumerate(segments):
        src, dst, own, other = ends[who]
        taken.append(
            frames.segment(
                src, dst, sum(bits[flag] for flag in flags), seq=own + seq, ack=other + ack if "A" in flags else 0,
                payload=b"x" * sum(size), ident=10 + number,
            )
        )  # fmt: skip
    return captures.pcap([(START + number * 300 * MS, frame) for number, frame in enumerate(taken)])


C_FIN, S_FIN, S_FIN_FIRST = ("c", "FA", 0, 0), ("s", "FA", 0, 1), ("s", "FA", 0, 0)
SCRIPTS = {
    "a FIN without ACK right after the SYN": (
        captures.pcap([(START, frames.syn(ident=1)), (START + MS, frames.fin(flags=frames.FIN, ack=0, ident=2))]),
        ("SYN_SENT", "CLOSED"),
    ),
    "a FIN without ACK right after the SYN-ACK": (
        captures.pcap(
            [
                (START, frames.syn(ident=1)),
                (START + MS, frames.syn_ack(ident=1)),
                (START + 2 * MS, frames.segment(frames.SERVER, frames.CLIENT, frames.FIN, seq=5001, ident=2)),
            ]
        ),
        ("ESTABLISHED", "SYN_RECEIVED"),
    ),
    "a client's FIN without ACK after the SYN-ACK": (
        captures.pcap(
            [
                (START, frames.syn(ident=1)),
                (START + MS, frames.syn_ack(ident=1)),
                (START + 2 * MS, frames.fin(flags=frames.FIN, ack=0, ident=2)),
            ]
        ),
        ("ESTABLISHED", "SYN_RECEIVED"),
    ),
    "the server resets in SYN-RECEIVED": (
        captures.pcap(
            [
                (START, frames.syn(ident=1)),
                (START + MS, frames.syn_ack(ident=1)),
                (START + 2 * MS, frames.rst(seq=5001, ack=1001, ident=2)),
            ]
        ),
        ("CLOSED", "CLOSED"),
    ),
    "the client resets in SYN-SENT": (
        captures.pcap([(START, frames.syn(ident=1)), (START + MS, frames.rst(frames.CLIENT, frames.SERVER, seq=1001))]),
        ("CLOSED", "CLOSED"),
    ),
    "FIN-WAIT-1 resets": (at_close(C_FIN, ("c", "RA", 1, 0)), ("CLOSED", "CLOSED")),
    "CLOSE-WAIT resets": (at_close(C_FIN, ("s", "RA", 0, 1)), ("CLOSED", "CLOSED")),
    "FIN-WAIT-2 is reset": (at_close(C_FIN, ("s", "A", 0, 1), ("s", "RA", 0, 1)), ("CLOSED", "CLOSED")),
    "LAST-ACK resets": (at_close(C_FIN, S_FIN, ("s", "R", 1, 0)), ("CLOSED", "CLOSED")),
    "TIME-WAIT resets": (at_close(C_FIN, S_FIN, ("c", "R", 1, 0)), ("CLOSED", "CLOSED")),
    "CLOSING resets": (at_close(C_FIN, ("s", "FA", 0, 0), ("c", "R", 1, 0)), ("CLOSED", "CLOSED")),
    "the FIN came again to LAST-ACK: it had not arrived": (
        at_close(C_FIN, S_FIN, ("s", "FA", 0, 1)),
        ("FIN_WAIT_2", "LAST_ACK"),
    ),
    "the FIN came again to CLOSING": (at_close(C_FIN, ("s", "FA", 0, 0), C_FIN), ("FIN_WAIT_1", "FIN_WAIT_1")),
    "the FIN came again though it was acknowledged": (
        at_close(C_FIN, ("s", "A", 0, 1), C_FIN),
        ("FIN_WAIT_1", "CLOSE_WAIT"),
    ),
    "the FIN came again out of TIME-WAIT": (
        at_close(C_FIN, ("s", "FA", 0, 0), ("c", "A", 1, 1), ("s", "A", 1, 1), C_FIN),
        ("CLOSING", "TIME_WAIT"),
    ),
    "the FIN came again and again to LAST-ACK, which has acknowledged it": (
        at_close(C_FIN, S_FIN, C_FIN, C_FIN, C_FIN),
        ("FIN_WAIT_1", "LAST_ACK"),
    ),
    "a byte that was not captured seemed to be the FIN of TIME-WAIT": (
        at_close(("s", "FA", 0, 1), ("c", "PA", 1, 1, 10)),
        ("CLOSE_WAIT", "FIN_WAIT_2"),
    ),
    "a byte that was not captured seemed to be the last FIN": (
        at_close(("s", "FA", 0, 0), ("c", "A", 0, 1), ("s", "A", 1, 1), ("c", "PA", 1, 1, 10)),
        ("CLOSE_WAIT", "FIN_WAIT_2"),
    ),
    "a byte that was not captured seemed to be a FIN": (
        at_close(("c", "A", 1, 0), ("c", "PA", 0, 0, 1)),
        ("ESTABLISHED", "ESTABLISHED"),
    ),
    "a byte that was not captured seemed to be a FIN, and was acknowledged": (
        at_close(("c", "A", 1, 0), ("s", "A", 0, 1), ("c", "PA", 1, 0, 10)),
        ("ESTABLISHED", "ESTABLISHED"),
    ),
    "a byte that was not captured seemed to be a FIN of CLOSE-WAIT": (
        at_close(S_FIN_FIRST, ("c", "A", 0, 1), ("c", "A", 1, 1), ("c", "PA", 0, 1, 1)),
        ("CLOSE_WAIT", "FIN_WAIT_2"),
    ),
    "a byte that was not captured seemed to be a FIN that crossed another": (
        at_close(("c", "A", 1, 0), S_FIN_FIRST, ("c", "PA", 0, 1, 1)),
        ("CLOSE_WAIT", "FIN_WAIT_2"),
    ),
    "the FIN came again and again to CLOSE-WAIT, which has acknowledged it": (
        at_close(C_FIN, ("s", "A", 0, 1), C_FIN, C_FIN, C_FIN),
        ("FIN_WAIT_1", "CLOSE_WAIT"),
    ),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_odd_endings(name):
    capture, wanted = SCRIPTS[name]
    (connection,) = report_of(capture)["connections"]
    assert states(connection) == wanted


def walks(pcaps):
    """Captures that between them should take every row."""
    yield from (path for path in sorted(Path(pcaps).glob("*.pcap")) if path.stat().st_size < 100_000)
    yield from (capture for capture, _ in SCRIPTS.values())
    both = Wire(at="middle")
    both.client.syn(stay=True)
    both.server.syn()
    both.client.syn_ack(stay=True)
    both.server.syn_ack()
    yield both.pcap()
    both = Wire(at="middle")
    both.client.syn(stay=True)
    both.server.syn(lost="after")
    both.wait(SECOND)
    both.client.syn()
    yield both.pcap()
    fast = Wire()
    fast.client.send("S", 20, seq=1000, options=frames.linux_syn_options() + frames.fast_open(b"12345678"))
    fast.server.syn_ack()
    fast.server.fin()
    yield fast.pcap()
    early = Wire()
    early.client.syn()
    early.server.syn_ack(lost="after").data(lost="after").wire.wait(SECOND)
    early.server.syn_ack()
    yield early.pcap()
    undelivered = Wire(at="server")
    undelivered.client.syn()
    undelivered.server.syn_ack(lost="after")
    undelivered.icmp_error(undelivered.server.packet, code=1)
    yield undelivered.pcap()
    lost = Wire().handshake()
    lost.client.fin(lost="after")
    lost.wait(SECOND)
    lost.server.syn_ack()
    yield lost.pcap()
    yield Wire().handshake().exchange().close().wait(SECOND).pcap()


@pytest.mark.skipif(handshake_inspect.build() == "compiled", reason="C reads the table where nobody can watch")
def test_every_row_is_taken_by_some_capture(pcaps, monkeypatch):
    taken = set()

    class Watched(bytes):
        def __getitem__(self, at):
            taken.add((Event(at // STATES), TcpState(at % STATES)))
            return super().__getitem__(at)

    monkeypatch.setattr(endpoint, "NEXT_STATE", Watched(endpoint.NEXT_STATE))
    for capture in walks(pcaps):
        json_of(capture)
    excused = set().union(*NOT_ON_THE_WIRE.values())
    missing = {(event.name, state.name) for event, state in set(TRANSITIONS | WITHDRAWN) - taken - excused}
    assert missing == set()
    assert {(event.name, state.name) for event, state in excused & taken} == set(), "excused, and taken all the same"


def test_one_line_sets_the_state_of_an_end():
    """All else that moves a state goes through it, so that the table is the whole of it."""
    folder = Path(handshake_inspect.__file__).parent / "tcp"
    set_at = [
        (path.name, line.strip())
        for path in sorted(folder.glob("*.py"))
        for line in path.read_text().splitlines()
        if ".state = " in line and not line.lstrip().startswith("embryo.")  # an embryo has no state of RFC 9293
    ]
    assert set_at == [("endpoint.py", "endpoint.state = state")]
