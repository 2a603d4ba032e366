"""`hsi live -T text` where no screen can be: a line for each connection when it is decided."""

import io
import re

import pytest
from live.test_run import SECOND, START, completed, refused, run_of
from support import captures, frames

from handshake_inspect.render import FORMATS, Options


def lines(octets, **options):
    out = io.BytesIO()
    run_of(octets, FORMATS["text"].event_writer(out, Options(width=1 << 20)), 1 << 10, **options).run()
    return out.getvalue().decode().splitlines()


def spaced(*packets):
    """Packets, and others for a minute, so that the run looks at its table now and then."""
    later = [refused(200 + n, START + n * SECOND) for n in range(1, 60)]
    return captures.pcap(sorted([*packets, *(packet for each in later for packet in each)]), nano=True)


def of(told, client):
    return [line for line in told if f" {client} " in line]


def test_a_line_for_each_connection_that_is_decided():
    told = lines(spaced(*refused(1, START)))
    assert len(told) == 60
    assert re.fullmatch(
        r"2023-11-14T22:13:20\.000000Z  refused      10\.0\.0\.1:1025 → 10\.9\.0\.1:80  closed-port: .*", told[0]
    )


def test_there_is_no_second_line_when_one_ends():
    client, server = ("10.0.0.1", 4000), ("10.9.0.2", 443)
    reset = frames.rst(seq=frames.CLIENT_ISN + 1, ack=frames.SERVER_ISN + 1, src=client, dst=server)
    told = of(lines(spaced(*completed(START), (START + 20 * SECOND, reset))), "10.0.0.1:4000")
    assert len(told) == 1
    assert "established  10.0.0.1:4000 → 10.9.0.2:443  connect RTT 2 µs, open, sent 0 bytes, got 0 bytes" in told[0]
    told = of(lines(spaced(*completed(START), (START + 5000, reset))), "10.0.0.1:4000")
    assert len(told) == 1
    assert "reset by client" in told[0]


def test_what_the_capture_leaves_undecided_is_in_the_report_alone():
    assert not lines(captures.pcap([(START, frames.syn())], nano=True))


@pytest.mark.parametrize(("options", "written"), [([], 3), (["-q"], 0)])
def test_lines_and_then_the_report(hsi, pcaps, options, written):
    said = hsi("live", "-r", pcaps / "connection-churn.pcap", "-T", "text", *options).stdout.decode().splitlines()
    told = [line for line in said if re.match(r"\d{4}-\d\d-\d\dT", line)]
    assert len(told) >= written if written else not told
    assert any("connections established" in line for line in said)


def test_a_file_gets_the_report_alone(hsi, pcaps, tmp_path):
    hsi("live", "-q", "-r", pcaps / "refused.pcap", "-T", "text", "-o", tmp_path / "report.txt")
    assert "T" not in (tmp_path / "report.txt").read_text()[:11].replace("TCP", "")
