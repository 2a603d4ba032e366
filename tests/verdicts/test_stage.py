"""How far a connection had come when it died."""

import io

import pytest
from support import frames
from support.detected import MS, SECOND, repeats
from support.wire import Wire

from handshake_inspect import engine


def refused(wire):
    wire.client.syn()
    wire.server.refuse()


def unanswered(wire):
    wire.client.syn(lost="after")
    wire.quiet(10 * SECOND)


def unanswered_twice(wire):
    wire.client.syn(lost="after")
    wire.wait(SECOND)
    wire.client.syn(lost="after")
    wire.quiet(10 * SECOND)


def aborted(wire):
    wire.client.syn()
    wire.server.syn_ack()
    wire.client.rst()


def half_open(wire):
    wire.client.syn()
    wire.server.syn_ack(lost="after")
    wire.quiet(10 * SECOND)


def rejected(wire):
    wire.client.syn(lost="after")
    wire.icmp_error(wire.client.packet, code=13, reporter="192.0.2.254")


def at_once(wire):
    wire.handshake()
    wire.server.rst_ack()


def after_the_hello(wire):
    wire.handshake()
    wire.client.data(517)
    wire.server.rst_ack()


def after_the_hello_by_the_client(wire):
    wire.handshake()
    wire.client.data(517)
    wire.server.ack()
    wire.client.rst_ack()


def vanished_hello(wire):
    wire.handshake().exchange(0)
    repeats(wire.client, 300, 6)


def after_two(wire):
    wire.handshake().exchange()
    wire.client.data(100)
    wire.server.rst_ack()


def after_a_fin(wire):
    wire.handshake().exchange().exchange()
    wire.server.fin()
    wire.client.rst()


@pytest.mark.parametrize(
    ("act", "stage"),
    [
        (refused, "post-syn"), (unanswered, "post-syn"), (unanswered_twice, "post-syn"), (aborted, "post-syn"),
        (half_open, "post-syn"), (rejected, "post-syn"), (at_once, "post-ack"), (after_the_hello, "post-psh"),
        (after_the_hello_by_the_client, "post-psh"), (vanished_hello, "post-psh"), (after_two, "later"),
        (after_a_fin, "later"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)  # fmt: skip
def test_what_died(act, stage):
    wire = Wire()
    act(wire)
    assert wire.connection()["stage"] == stage


def closed(wire):
    wire.handshake().exchange().close()


def closed_and_reset(wire):
    closed(wire)
    wire.client.rst()


def still_open(wire):
    wire.handshake().exchange()


def too_soon(wire):
    wire.client.syn()
    wire.quiet(SECOND)


def half_closed(wire):
    wire.handshake().exchange()
    wire.client.fin()
    wire.server.ack()


def repaired(wire):
    wire.handshake()
    repeats(wire.client, 300, 2)
    wire.client.data(300, seq=wire.client.snd_nxt - 300)
    wire.server.ack()


def begun_before(wire):
    wire.client.rcv_nxt, wire.server.rcv_nxt = wire.server.isn, wire.client.isn
    wire.server.data(100)
    wire.client.ack()
    wire.server.rst_ack()


@pytest.mark.parametrize("act", [closed, closed_and_reset, still_open, too_soon, half_closed, repaired, begun_before])
def test_what_did_not_die_or_cannot_be_known(act):
    wire = Wire()
    act(wire)
    assert wire.connection()["stage"] is None


def test_what_was_open_before_and_sent_several():
    wire = Wire(client=frames.CLIENT6, server=frames.SERVER6)
    wire.client.rcv_nxt, wire.server.rcv_nxt = wire.server.isn, wire.client.isn
    wire.exchange().exchange()
    wire.wait(100 * MS)
    wire.server.rst_ack()
    assert wire.connection()["stage"] == "later"


def test_a_question_by_stage():
    """It is a field like others."""

    wire = Wire()
    after_the_hello(wire)
    report = engine.analyze([io.BytesIO(wire.pcap())])
    assert [c.stage for c in report.connections] == ["post-psh"]
