"""SYNs from impossible addresses: forged, whatever the port and its queues do."""

import pytest
from support import frames
from support.wire import MS, SECOND, START, Wire, merged

SERVER, SERVER6 = "198.51.100.2", "2001:db8:ffff::2"
IMPOSSIBLE = [
    "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.0.9",
    "ff02::1", "ff0e::99", "::", "::1",
]  # fmt: skip
POSSIBLE = [
    "1.0.0.1", "10.0.0.1", "126.255.255.255", "128.0.0.1", "223.255.255.255", "169.254.3.4", "192.168.0.1",
    "fe80::1", "2001:db8::1", "fd00::1", "::2", "fec0::1",
]  # fmt: skip


def silent(source, server=None, *, copies=2, options=None, port=443):
    wire = Wire(client=(source, 40_000), server=(server or (SERVER6 if ":" in source else SERVER), port))
    for _ in range(copies):
        wire.client.syn(lost="after", stay=True, options=options)
        wire.wait(SECOND)
    return wire.quiet(9 * SECOND)


def alive(server=SERVER, port=443):
    """The port answers somebody else."""
    client = "2001:db8::77" if ":" in server else "192.0.2.77"
    return Wire(client=(client, 50_000), server=(server, port), start=START + MS).handshake()


def cause(*wires):
    (one,) = [one for one in merged(*wires)["connections"] if one["client"]["port"] == 40_000]
    assert one["outcome"] == "timed-out"
    return one["cause"]


@pytest.mark.parametrize("copies", [1, 2])
@pytest.mark.parametrize("source", IMPOSSIBLE)
def test_a_source_that_cannot_be(source, copies):
    server = SERVER6 if ":" in source else SERVER
    assert cause(silent(source, copies=copies)) == "bogon-source"
    assert cause(silent(source, copies=copies), alive(server)) == "bogon-source"


@pytest.mark.parametrize("source", POSSIBLE)
def test_a_source_that_can_be(source):
    assert cause(silent(source), alive(SERVER6 if ":" in source else SERVER)) == "syn-dropped"


@pytest.mark.parametrize("server", [SERVER, SERVER6])
def test_land(server):
    """The victim's own address as the source."""
    assert cause(silent(server, server), alive(server)) == "bogon-source"


@pytest.mark.parametrize(("server", "size"), [(SERVER, 65495), (SERVER, 16344), (SERVER6, 65476)])
def test_on_loopback_a_host_talks_to_itself(server, size):
    """The MSS is that of a loopback interface."""
    assert cause(silent(server, server, options=frames.mss(size) + frames.sack_permitted())) == "port-filtered"


def test_a_host_that_talks_to_itself_elsewhere_in_the_capture():
    other = Wire(client=(SERVER, 50_000), server=(SERVER, 22), start=START + MS).handshake()
    assert cause(silent(SERVER, SERVER), other) == "port-filtered"


@pytest.mark.parametrize(("ends", "said"), [
    (("127.0.0.1", "127.0.0.1"), "port-filtered"), (("::1", "::1"), "port-filtered"),
    (("127.0.0.1", "127.0.0.53"), "host-silent"),
])  # fmt: skip
def test_loopback_to_itself(ends, said):
    assert cause(silent(*ends)) == said


def test_the_finding_never_blames_the_queue():
    wires = [silent("240.0.0.1", port=443), alive()]
    (finding,) = merged(*wires)["findings"]
    assert (finding["id"], finding["metrics"]["cause"]) == ("timed-out", "bogon-source")
    assert "queue" not in finding["advice"]
    (why,) = [one["why"] for one in merged(*wires)["connections"] if one["outcome"] == "timed-out"]
    assert "the source is forged" in why
    assert "queue" not in why


def test_many_of_them_do_not_take_a_service_down():
    wires = [Wire(client=(f"240.0.0.{n}", 40_000 + n), start=START + n * SECOND) for n in range(1, 30)]
    for wire in wires:
        wire.client.syn(lost="after")
    (finding,) = [
        one for one in merged(*wires, silent("1.0.0.1"))["findings"] if one["metrics"]["cause"] == "bogon-source"
    ]
    assert finding["severity"] == "warning"
