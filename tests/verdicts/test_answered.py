"""The reported copy of a SYN or SYN-ACK: the answered one, if anything proves which."""

import pytest
from support import frames
from support.wire import MS, SECOND, Wire

from handshake_inspect.engine.explain import explain
from handshake_inspect.engine.selection import ConnectionQuery


def shown(wire, **words):
    handshake = wire.connection(**words)["handshake"]
    return {key: handshake[key] for key in ("syn_frame", "syn_copy", "synack_frame", "synack_copy")}


def test_what_was_sent_once():
    assert shown(Wire().handshake()) == {"syn_frame": 1, "syn_copy": 1, "synack_frame": 2, "synack_copy": 1}


def retried(wire, copies, options=None):
    """So many SYNs are lost behind the capture point, then one arrives."""
    for number in range(copies):
        wire.client.syn(lost="after", options=options if number == 0 else None)
        wire.wait((SECOND << number) - wire.delay)
    return wire.handshake()


@pytest.mark.parametrize("lost", [1, 2, 3, 12, 15])
def test_a_timestamp_echo_names_the_syn(lost):
    assert shown(retried(Wire(), lost)) == {
        "syn_frame": lost + 1, "syn_copy": lost + 1, "synack_frame": lost + 2, "synack_copy": 1,
    }  # fmt: skip


def test_time_and_options_are_those_of_the_copy_too():
    """The first SYN asked for Fast Open, the copy that was answered did not."""
    wire = retried(Wire(), 1, frames.linux_syn_options(700_000) + frames.fast_open())
    connection = wire.connection()
    handshake = connection["handshake"]
    assert handshake["syn_ns"] == connection["first_ns"] + SECOND
    assert handshake["client_options"]["tfo"] is False
    assert connection["first_frame"] == 1
    assert connection["evidence"] == [2, 3, 4]


def test_without_timestamps_nothing_shows_it():
    assert shown(retried(Wire(timestamps=False), 1)) == {
        "syn_frame": 1, "syn_copy": None, "synack_frame": 3, "synack_copy": 1,
    }  # fmt: skip


def test_an_echo_of_an_earlier_syn_proves_nothing():
    """It says which copy arrived first, and not that its answer is this one."""
    wire = Wire(at="middle")
    wire.client.syn()
    wire.server.syn_ack(lost="before")
    wire.wait(SECOND)
    wire.client.syn()
    wire.server.syn_ack()
    wire.client.ack()
    assert (shown(wire)["syn_frame"], shown(wire)["syn_copy"]) == (1, None)


def synack_lost(wire):
    wire.client.syn()
    wire.server.syn_ack(lost="after")
    wire.wait(SECOND)
    wire.server.syn_ack()
    return wire


def test_the_final_ack_names_the_syn_ack():
    wire = synack_lost(Wire(at="server"))
    wire.client.ack()
    assert shown(wire) == {"syn_frame": 1, "syn_copy": 1, "synack_frame": 3, "synack_copy": 2}
    rtt = wire.connection()["rtt"]
    assert (rtt["synack"]["value_ns"], rtt["ackdat"]["value_ns"]) == (0, 40 * MS)


def test_data_in_place_of_the_final_ack_also_name_it():
    wire = synack_lost(Wire(at="server"))
    wire.client.ack(lost="before")
    wire.client.data(80)
    assert (shown(wire)["synack_frame"], shown(wire)["synack_copy"]) == (3, 2)


def test_a_syn_ack_without_timestamps_is_not_named():
    wire = synack_lost(Wire(at="server", timestamps=False))
    wire.client.ack()
    assert (shown(wire)["synack_frame"], shown(wire)["synack_copy"]) == (2, None)


@pytest.mark.parametrize(("isn", "frame", "copy"), [(5000, 2, 1), (8000, 4, 2)])
def test_the_isn_names_the_syn_ack(isn, frame, copy):
    """The server forgot its first answer (a SYN cookie renewed with another count) and takes the copy for a new SYN."""
    wire = Wire(timestamps=False, server_isn=5000)
    wire.client.syn()
    wire.server.syn_ack(lost="after")
    wire.wait(SECOND)
    wire.client.syn()
    wire.server.syn_ack(seq=8000, options=frames.mss(1200))
    wire.client.ack(ack=isn + 1)
    handshake = wire.connection()["handshake"]
    assert (handshake["synack_frame"], handshake["synack_copy"]) == (frame, copy)
    assert handshake["server_options"]["mss"] == (1460 if copy == 1 else 1200)


def test_a_copy_behind_the_answer_is_not_meant():
    """A SYN-ACK that the server repeats after the final ACK was not what that acknowledged."""
    wire = Wire(at="server").handshake()
    wire.wait(SECOND)
    wire.server.syn_ack()
    wire.client.ack()
    assert (shown(wire)["synack_frame"], shown(wire)["synack_copy"]) == (2, 1)


def test_explain_says_of_no_ack_that_it_was_lost_before_one_was_sent(tmp_path):
    path = tmp_path / "capture.pcap"
    path.write_bytes(synack_lost(Wire(at="server")).pcap())
    (again,) = [mark.text for step in explain([path], ConnectionQuery()).steps for mark in step.anomalies]
    assert again == "The server sends its SYN-ACK for the 2nd time: no final ACK has passed yet."
