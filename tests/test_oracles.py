"""tshark as a second opinion on every small sample: where both must agree they do, and where not the reason is here."""

import csv
import io
import shutil
import subprocess
from collections import Counter

import pytest
from support.samples import DIRECTORY, SAMPLES
from support.wire import report_of

TSHARK = shutil.which("tshark")
pytestmark = pytest.mark.skipif(TSHARK is None, reason="tshark is not installed")

FIELDS = [
    "frame.number", "tcp.stream", "tcp.completeness", "tcp.analysis.initial_rtt", "tcp.analysis.retransmission",
    "tcp.analysis.fast_retransmission", "tcp.analysis.spurious_retransmission", "tcp.analysis.out_of_order",
    "tcp.flags.syn", "tcp.flags.ack", "tcp.len",
]  # fmt: skip
SYN = ("1", "0")
LARGEST = 300_000  # bytes: tshark takes its time

# sample -> why Wireshark counts other connections.
OTHER_STREAMS = {
    "blind-syn": "Wireshark begins a stream with any SYN that has another ISN, also one that leads to nothing",
    "timed-out-answered-from-elsewhere": "Wireshark begins a stream with an answer from another address",
}
COPIES = "packets are stored twice, and Wireshark takes the copies for retransmissions"
# sample -> why Wireshark sees other retransmissions.
OTHER_RETRANSMISSIONS = {
    "two-capture-points": COPIES,
    "bridge-any": COPIES,
    "router-any": COPIES,
    "syn-proxy-any": COPIES,
    "doubled-syn": COPIES,
    "doubled-data": COPIES,
    "path-mtu-answers": "Wireshark takes the first copy, sent on a selective acknowledgment, for out of order",
    "blind-reset-in-window": "the forged RST moves the sequence number that Wireshark expects next",
    "blind-reset-out-of-window": "the forged RST moves the sequence number that Wireshark expects next",
    "self-connect": "both ends are one: Wireshark takes the SYN-ACK for the SYN again",
    "simultaneous-open": "the SYN-ACKs repeat the ISNs of the SYNs, which is no retransmission",
}
# sample -> why Wireshark has another initial RTT.
OTHER_RTT = dict.fromkeys(
    ("two-capture-points", "bridge-any", "router-any", "syn-proxy-any", "doubled-syn"),
    "Wireshark takes the time to or from a later copy",
)
# sample -> why Wireshark counts other segments to a stream.
OTHER_COMPLETENESS = OTHER_STREAMS | {
    "stale-peer-client": "Wireshark began the new stream with the SYN, so the RST of the old connection is in it",
}


def small(names):
    return [name for name in names if (DIRECTORY / f"{name}.pcap").stat().st_size <= LARGEST]


def ask(path):
    """One row of FIELDS per TCP segment; `-2` so that completeness is what it was in the end."""
    command = [
        TSHARK,
        "-2",
        "-n",
        "-r",
        str(path),
        "-Y",
        "tcp && !icmp && !icmpv6",
        "-T",
        "fields",
        "-E",
        "separator=,",
    ]
    for field in FIELDS:
        command += ["-e", field]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return [dict(zip(FIELDS, row, strict=True)) for row in csv.reader(io.StringIO(done.stdout))]


def first_rows(rows):
    """The first segment of each stream, in order."""
    streams = {}
    for row in rows:
        streams.setdefault(int(row["tcp.stream"]), row)
    return streams


@pytest.fixture(scope="module", params=small(SAMPLES))
def case(request, pcaps):
    path = pcaps / f"{request.param}.pcap"
    return request.param, report_of(path), ask(path)


def test_streams_are_connections(case):
    name, report, rows = case
    found = [connection["first_frame"] for connection in report["connections"]]
    theirs = [int(row["frame.number"]) for row in first_rows(rows).values()]
    if name in OTHER_STREAMS:
        assert found != theirs, "the difference is gone: take it off the list"
    else:
        assert found == theirs


def test_segments_are_counted_alike(case):
    _, report, rows = case
    assert report["capture"]["tcp_segments"] == len(rows)


def test_initial_rtt(case):
    """Where each segment of the handshake was sent once, the sum of the legs is Wireshark's initial RTT."""
    name, report, rows = case
    if name in OTHER_STREAMS | OTHER_RTT:
        pytest.skip((OTHER_STREAMS | OTHER_RTT)[name])
    theirs = {}
    for row in rows:
        if row["tcp.analysis.initial_rtt"]:
            theirs[int(row["tcp.stream"])] = round(float(row["tcp.analysis.initial_rtt"]) * 1e9)
    for stream, connection in enumerate(report["connections"]):
        total = connection["rtt"]["total"]
        if stream in theirs and total["method"] == "exact":
            assert abs(total["value_ns"] - theirs[stream]) <= 1000, stream


def test_completeness(case):
    """Wireshark's bits of what a stream holds."""
    name, report, rows = case
    if name in OTHER_COMPLETENESS:
        pytest.skip(OTHER_COMPLETENESS[name])
    theirs = {int(row["tcp.stream"]): int(row["tcp.completeness"]) for row in rows}
    ours = {number: one["aliases"]["tshark"]["completeness"] for number, one in enumerate(report["connections"])}
    assert {stream: (ours[stream], bits) for stream, bits in theirs.items() if ours[stream] != bits} == {}


def test_retransmissions(case):
    name, report, rows = case
    if name in OTHER_STREAMS:
        pytest.skip(OTHER_STREAMS[name])
    theirs = Counter(int(row["tcp.stream"]) for row in rows if row["tcp.analysis.retransmission"])
    ours = Counter()
    for number, one in enumerate(report["connections"]):
        ours[number] += one["client_to_server"]["retransmissions"] + one["server_to_client"]["retransmissions"]
    differing = {stream: (ours[stream], theirs[stream]) for stream in ours if ours[stream] != theirs[stream]}
    if name in OTHER_RETRANSMISSIONS:
        assert differing, "the difference is gone: take it off the list"
    else:
        assert differing == {}
