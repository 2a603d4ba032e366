"""Refusals while the port serves others: a full backlog or a dead backend, and what only looks like it."""

import pytest
from support import frames
from support.wire import MS, START, Wire, merged

from handshake_inspect.verdicts.refusals import AROUND_NS

V4, V6 = (("10.0.0.{}", frames.SERVER), ("2001:db8::{}", frames.SERVER6))


def attempts(pattern, *, every=100 * MS, ends=V4, start=START, port=None):
    """One attempt for each letter: `+` is accepted, `-` refused, `h` answered and left alone; others pass time."""
    clients, server = ends
    wires = []
    for n, letter in enumerate(pattern):
        wire = Wire(
            client=(clients.format(n % 200 + 1), 40_000 + n), server=(server[0], port or server[1]),
            client_isn=1000 * n, start=start + n * every, delay=MS,
        )  # fmt: skip
        if letter == "-":
            wire.client.syn()
            wire.server.refuse(ttl=57)
        elif letter == "+":
            wire.handshake()
        elif letter == "h":
            wire.client.syn()
            wire.server.syn_ack(lost="after")
        if wire.taken:
            wires.append(wire)
    return wires


def causes(*wires):
    rows = merged(*wires)["connections"]
    return [one["cause"] for one in rows if one["outcome"] == "refused"]


def serving(pattern, **words):
    """One letter for each refusal: s refused while serving, c a closed port."""
    return "".join(
        {"refused-while-serving": "s", "closed-port": "c"}[cause] for cause in causes(*attempts(pattern, **words))
    )


@pytest.mark.parametrize("ends", [V4, V6], ids=["v4", "v6"])
@pytest.mark.parametrize(("pattern", "said"), [
    ("+-+-+", "ss"),
    ("+--+---++-+", "ssssss"),
    ("++-+h-h+", "ss"),  # a SYN-ACK is an acceptance: a kernel sends none for a closed port
    ("++----++", "cccc"),  # a restart
    ("+-+", "c"),
    ("-+-+", "cc"),  # only one of the runs is between acceptances
    ("-+-+-+-", "ssss"),  # two are, and the capture ends before it can show more
    ("----", "cccc"),
    ("+-           -+", "cc"),  # one run, however long its refusals are apart
    ("+-            +-+", "cc"),  # one run that is too long, and one that is not
    ("+-+            -+-+            -", "scsc"),
])  # fmt: skip
def test_refused_while_serving(pattern, said, ends):
    assert serving(pattern, ends=ends) == said


@pytest.mark.parametrize(("every", "said"), [(AROUND_NS // 2, "ss"), (AROUND_NS, "ss"), (AROUND_NS + 5 * MS, "cc")])
def test_only_around_that_time(every, said):
    """Accepted 12 ms after the SYN, refused as soon: the distance is that of the answers."""
    assert serving("+-+-+", every=every) == said


def test_acceptances_of_another_port_are_of_another_service():
    refused = attempts("- - -")
    accepted = attempts("+++++", port=8443)
    assert set(causes(*refused, *accepted)) == {"closed-port"}


def test_a_forged_rst_is_no_refusal_of_the_port():
    """The RSTs of a box on the way, with another TTL: they are no runs."""
    wires = attempts("+++++++++++")
    for n in (2, 4):
        wire = Wire(client=(f"10.9.0.{n}", 50_000), start=START + n * 100 * MS + 50 * MS, delay=MS)
        wire.client.syn()
        wire.server.refuse(ttl=200)
        wires.append(wire)
    assert causes(*wires) == ["middlebox-reset"] * 2


def test_the_finding_says_so():
    report = merged(*attempts("++-+-++"))
    (finding,) = [one for one in report["findings"] if one["id"] == "refused"]
    assert "(refused-while-serving)" in finding["title"]
    assert finding["metrics"]["cause"] == "refused-while-serving"
    assert "backlog" in finding["advice"]
    assert "backend" in finding["advice"]
    (why,) = {one["why"] for one in report["connections"] if one["outcome"] == "refused"}
    assert "accepted others within a second before and after" in why
    assert "nothing listens" not in why
