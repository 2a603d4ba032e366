"""What a report says of set-ups, from captures on: what hellos offer, what is encrypted, which services come first."""

import pytest
from msgspec.structs import replace
from support import frames, reports
from support.captures import pcap
from support.frames import CLIENT, SERVER
from support.tls import EARLY, TLS12, Talk, client, client_hello, handshake, hello_13, record, server
from support.wire import report_of

from handshake_inspect.render.layout import Style
from handshake_inspect.render.setups import SHOWN, setups
from handshake_inspect.report.setup import OwnTime, SetupGroup, SetupSummary, SpanDistribution, SpanDistributions

MS = 1_000_000


def tls_of(said, **options):
    return report_of(Talk(said).capture(), **options)["connections"][0]["tls"]


@pytest.mark.parametrize(
    ("version", "offered", "chosen"),
    [
        (TLS12, ["h2", "http/1.1"], "h2"),
        (None, ["h2", "http/1.1"], None),  # encrypted
        (None, ["h2"], "h2"),  # there was no other
        (None, [], None),
    ],
)
def test_the_protocol_that_was_agreed_on(version, offered, chosen):
    tls = tls_of(handshake(client(version, alpn=offered), server(version, alpn=offered[:1])))
    assert (tls["alpn_offered"], tls["alpn"]) == (offered, chosen)


def test_a_protocol_alone_that_nobody_agreed_on():
    tls = tls_of([(0, client_hello(alpn=b"\x02h2")), (1, bytes.fromhex("15030300020278"))])
    assert (tls["outcome"], tls["alpn_offered"], tls["alpn"]) == ("failed", ["h2"], None)
    assert (tls["alert"]["from"], tls["alert"]["description"]) == ("server", "no_application_protocol")


def older_hello(version):
    """As clients before TLS 1.3 send it: no list of versions."""
    hello = client_hello()
    return (hello[:9] + version + hello[11:]).replace(bytes.fromhex("002b0003020304"), bytes.fromhex("ff010003020000"))


@pytest.mark.parametrize(
    ("hello", "versions"),
    [
        (older_hello(b"\3\3"), ["1.2"]),
        (older_hello(b"\3\1"), ["1.0"]),
        (client_hello(), ["1.3"]),
        (client_hello().replace(bytes.fromhex("002b0003020304"), bytes.fromhex("002b0003020a0a")), []),  # RFC 8701
    ],
)
def test_the_versions_that_are_offered(hello, versions):
    assert tls_of([(0, hello), (1, hello_13() + record(53))])["versions_offered"] == versions


def test_an_encrypted_hello_is_offered_or_not():
    assert tls_of([(0, client_hello(extra=bytes.fromhex("fe0d0004") + bytes(4))), (1, hello_13())])["ech_offered"]
    assert tls_of([(0, client_hello()), (1, hello_13())])["ech_offered"] is False


def test_names_and_protocols_may_be_left_out():
    tls = tls_of(handshake(client(TLS12, alpn=["h2"]), server(TLS12, alpn=["h2"])), names=False)
    assert (tls["server_name"], tls["alpn_offered"], tls["alpn"]) == (None, None, None)
    assert (tls["outcome"], tls["version"]) == ("established", "1.2")


def test_the_spans_of_a_connection_join_and_sum_up():
    setup = report_of(Talk(handshake(client(), server()), position=7).capture())["connections"][0]["setup"]
    spans, end = setup["spans"], 0
    for name in ("tcp", "before_tls", "tls", "before_request"):
        assert spans[name]["start_ns"] == end
        end += spans[name]["value_ns"]
    assert spans["response"]["start_ns"] == end
    assert spans["first_byte"]["max_ns"] == end + spans["response"]["max_ns"]
    assert (spans["quic"], spans["lookup"], spans["before_connect"]) == (None, None, None)


def test_the_slowest_services_come_first_and_ten_of_them_are_shown():
    report = reports.healthy()

    def service(number):
        time = (number * 7 % 12 + 1) * MS
        summary = SetupSummary(
            1,
            spans=SpanDistributions(first_byte=SpanDistribution(1, p50_ns=time)),
            groups=[SetupGroup("plain", None, 1, first_byte=OwnTime(time, time, time))],
        )
        server = replace(report.services[0].server, port=1000 + number)
        return replace(report.services[0], server=server, setup=summary)

    services = [service(number) for number in range(12)]
    shown = replace(report, services=services, summary=replace(report.summary, setup=services[0].setup))
    lines = list(setups(shown, 100, Style(color=False, encoding="utf-8")))
    times = [float(line.split()[-2]) for line in lines if "plain" in line]
    assert times == sorted(range(3, 13), reverse=True)
    assert len(times) == SHOWN


def test_a_server_that_sends_its_certificate_resumes_no_session():
    """Also where the client, which does not trust it, ends the handshake of TLS 1.2."""
    talk = Talk(handshake(client(TLS12, trusts=False), server()))
    (connection,) = report_of(talk.capture())["connections"]
    assert (connection["tls"]["outcome"], connection["tls"]["kind"]) == ("failed", "full")


@pytest.mark.parametrize(("lengths", "bounds", "method"), [
    ((33, 83), (82, 82), "exact"),
    ((66, 76), (41, 82), "ambiguous"),
])  # fmt: skip
def test_a_short_answer_of_http2_under_tls_12_is_one_of_the_short_records(lengths, bounds, method):
    talk = Talk(handshake(client(TLS12, alpn=["h2"]), server(alpn=["h2"]), request=b"", response=b""))
    talk.say(0, record(90))
    for length in lengths:
        talk.say(1, record(length), at=talk.free[1] + 1)
        talk.free[1] += 40
    (connection,) = report_of(talk.capture())["connections"]
    answer = connection["setup"]["spans"]["response"]
    assert answer["method"] == method
    assert tuple(round(answer[name] / 1e6) for name in ("min_ns", "max_ns")) == bounds


@pytest.mark.parametrize("version", [TLS12, None])
@pytest.mark.parametrize("ended", [frames.fin, frames.rst])
def test_without_the_client_s_direction_nobody_knows_how_a_handshake_ended(version, ended):
    """A close_notify of the server, encrypted, looks like any other alert."""
    for alert in (b"", record(26 if version else 19, 21 if version else 23)):
        talk = Talk(
            [*handshake(client(version), server()), (1, alert)] if alert else handshake(client(version), server())
        )
        closed = ended(SERVER, CLIENT, seq=talk.next[1], ack=talk.next[0])
        both = [*talk.frames(), (talk.frames()[-1][0] + MS, closed)]
        (connection,) = report_of(pcap([each for each in both if is_server(each[1])], nano=True))["connections"]
        assert (connection["tls"]["outcome"], connection["tls"]["alert"]) == ("unknown", None)


def is_server(frame):
    return frame[26:30] == bytes(map(int, SERVER[0].split(".")))


def test_the_size_of_a_flight_is_not_known_where_what_answers_early_data_may_be_in_it():
    """96 bytes show the first record of each segment."""
    talk = Talk([(0, client_hello(extra=EARLY))])
    talk.say(0, record(300))
    talk.say(1, hello_13(extra=EARLY) + record(700) + record(53))
    talk.say(1, record(5000), at=talk.free[1] + 0.1)
    talk.say(0, record(21) + record(53))
    whole, cut = (report_of(talk.capture(snap))["connections"][0]["tls"] for snap in (None, 96))
    assert (whole["early_data"], whole["server_flight_bytes"]) == ("accepted", len(hello_13(extra=EARLY)) + 763)
    assert cut["server_flight_bytes"] is None
