"""`rst-injection`: forged RSTs by each sign, and RSTs that only look forged."""

import pytest
from support.detected import MS, Wire, crowd, found, merged, only

FAR = 243  # 12 hops from 255


def reset(wire, **words):
    wire.handshake().exchange()
    wire.server.rst(**words)
    return wire


def test_a_ttl_that_the_host_never_has():
    report = reset(Wire(), ttl=FAR, ident=4711).report()
    finding = only(report, "rst-injection")
    assert finding["severity"] == "warning"
    assert (finding["metrics"]["odd_ttl"], finding["metrics"]["ended_by_it"]) == (1, 1)
    assert finding["metrics"]["rst_ttls"] == [FAR]
    assert finding["metrics"]["host_ttls"] == [57]
    assert finding["evidence"]["frames"] == [report["capture"]["frames"]]


@pytest.mark.parametrize("ttl", [57, 56, 59, 248], ids=["same", "a hop more", "two less", "other start, same hops"])
def test_ttls_that_prove_nothing(ttl):
    assert found(reset(Wire(), ttl=ttl, ident=0).report(), "rst-injection") == []


@pytest.mark.parametrize("ttl", [54, 60, 249, 128])
def test_ttls_from_elsewhere(ttl):
    assert only(reset(Wire(), ttl=ttl, ident=0).report(), "rst-injection")["metrics"]["odd_ttl"] == 1


def test_a_refusal_with_another_ttl_than_the_hosts_other_ports():
    answered = crowd(2, lambda wire, _: wire.handshake())
    refused = Wire(client=("192.0.2.1", 2000), server=("198.51.100.2", 22), start=answered[-1].now)
    refused.client.syn()
    refused.server.refuse(ttl=FAR)
    finding = only(merged(*answered, refused), "rst-injection")
    assert finding["target"] == {"ip": "198.51.100.2", "port": 22}


def test_a_refusal_sooner_than_the_host_can_answer():
    answered = crowd(3, lambda wire, _: wire.handshake(), delay=20 * MS)
    refused = Wire(client=("192.0.2.1", 2000), server=("198.51.100.2", 22), start=answered[-1].now, delay=3 * MS)
    refused.client.syn()
    refused.server.refuse(ident=0)
    metrics = only(merged(*answered, refused), "rst-injection")["metrics"]
    assert (metrics["odd_timing"], metrics["odd_ttl"]) == (1, 0)


def test_a_closed_port_of_a_known_host_is_no_injection():
    answered = crowd(3, lambda wire, _: wire.handshake())
    refused = Wire(client=("192.0.2.1", 2000), server=("198.51.100.2", 22), start=answered[-1].now)
    refused.client.syn()
    refused.server.refuse(ident=0)
    assert found(merged(*answered, refused), "rst-injection") == []


def test_a_closed_port_of_a_host_that_only_refuses_is_no_injection():
    wire = Wire()
    wire.client.syn()
    wire.server.refuse(ttl=FAR)
    assert found(wire.report(), "rst-injection") == []


def test_a_scanner_whose_kernel_resets_what_its_raw_socket_began():
    wire = Wire()
    wire.client.syn(ttl=41, ident=20_000)
    wire.server.syn_ack()
    wire.client.rst(ttl=64, ident=0)
    assert found(wire.report(), "rst-injection") == []


def test_a_rst_that_its_target_ignored():
    wire = reset(Wire())
    wire.wait(500 * MS)
    wire.server.ident = 9010
    wire.exchange()
    assert only(wire.report(), "rst-injection")["metrics"]["ignored_by_target"] == 1


def test_a_rst_far_out_of_the_window():
    wire = Wire().handshake().exchange()
    wire.client.rst(seq=wire.client.snd_nxt + 1_000_000_000, ident=0)
    wire.exchange()
    metrics = only(wire.report(), "rst-injection")["metrics"]
    assert (metrics["impossible_sequence"], metrics["ended_by_it"]) == (1, 0)


def test_an_ip_id_out_of_the_count():
    wire = Wire().handshake().exchange()
    wire.client.rst(ident=50_000)
    assert only(wire.report(), "rst-injection")["metrics"]["odd_ip_id"] == 1


@pytest.mark.parametrize("ident", [0, 1010, 3000])
def test_ip_ids_that_prove_nothing(ident):
    wire = Wire().handshake().exchange()
    wire.client.rst(ident=ident)
    assert found(wire.report(), "rst-injection") == []


@pytest.mark.parametrize("who", ["client", "server"])
def test_an_end_may_reset_its_own_connection(who):
    wire = Wire().handshake().exchange()
    getattr(wire, who).rst_ack()
    assert found(wire.report(), "rst-injection") == []


def hang_up_early(wire):
    """The client closes while the server still sends, and answers what comes then without a socket."""
    wire.handshake().exchange()
    wire.client.fin()
    for ident in (50_000, 50_001, 50_002):
        wire.server.data(1000)
        wire.client.rst(seq=wire.client.snd_nxt - 1, ident=ident)
    return wire


@pytest.mark.parametrize("queue", [0, 500 * MS], ids=["soon", "through a long queue"])
def test_a_client_that_closes_while_the_server_sends(queue):
    wire = hang_up_early(Wire())
    wire.server.data(1000, later=queue)
    wire.client.rst(ident=50_003)
    report = wire.report()
    assert found(report, "rst-injection") == []
    assert report["connections"][0]["close"] == {"how": "rst-after-fin", "first": "client", "reset_by": "client"}


def test_a_closed_server_that_answers_an_old_segment():
    wire = Wire().handshake().exchange()
    old = wire.server.snd_nxt
    wire.server.data(20)
    wire.server.fin()
    wire.client.data(500)
    wire.server.rst(seq=old, ident=0)
    assert found(wire.report(), "rst-injection") == []


@pytest.mark.parametrize("words", [{}, {"ident": 0}], ids=["in the count", "without a number"])
def test_a_host_that_goes_on_after_a_rst_in_its_name(words):
    wire = Wire().handshake().exchange()
    wire.server.rst(stay=True, **words)
    wire.wait(100 * MS)
    wire.server.data(300)
    report = wire.report()
    metrics = only(report, "rst-injection")["metrics"]
    assert (metrics["sender_went_on"], metrics["ended_by_it"]) == (1, 1)
    connection = report["connections"][0]
    assert connection["close"]["reset_by"] == "middlebox"
    assert connection["state"] == {"client": "CLOSED", "server": "ESTABLISHED"}


def test_the_target_of_a_forged_rst_tears_down_the_other_end():
    wire = Wire().handshake().exchange()
    wire.server.rst(stay=True, ident=0)
    wire.wait(100 * MS)
    wire.server.data(300)
    wire.client.rst(ident=0)
    connection = wire.connection()
    assert connection["close"]["reset_by"] == "middlebox"
    assert connection["state"] == {"client": "CLOSED", "server": "CLOSED"}
