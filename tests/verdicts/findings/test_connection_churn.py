from support.detected import MS, SECOND, crowd, found, merged, only


def request(wire, number=0):
    wire.handshake().exchange().close()


def test_short_connections_one_after_another():
    report = merged(*crowd(60, request, every=500 * MS))
    finding = only(report, "connection-churn")
    assert finding["severity"] == "info"
    metrics = finding["metrics"]
    assert (metrics["connections"], metrics["open_at_once"], metrics["handshakes_saved"]) == (60, 1, 59)
    assert metrics["client"] == "192.0.2.1"
    assert metrics["handshake_mean_ns"] == 40 * MS
    assert metrics["handshake_saved_ns"] == 59 * 40 * MS


def test_a_crowd_behind_one_address_that_comes_at_once():
    assert found(merged(*crowd(60, request, every=0)), "connection-churn") == []


def test_too_few():
    assert found(merged(*crowd(40, request, every=500 * MS)), "connection-churn") == []


def test_one_a_minute_would_have_been_closed_anyway():
    assert found(merged(*crowd(60, request, every=60 * SECOND)), "connection-churn") == []


def test_connections_that_stay_open_are_a_pool():
    report = merged(*crowd(60, lambda wire, _: wire.handshake().exchange(), every=500 * MS))
    assert found(report, "connection-churn") == []


def test_many_clients_once_each_are_not_one_that_comes_back():
    wires = [crowd(1, request, address=f"192.0.2.{n}")[0] for n in range(1, 61)]
    assert found(merged(*wires), "connection-churn") == []
