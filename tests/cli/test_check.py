"""`hsi check` as a process: exit status, files of rules, formats."""

import csv
import io
import json
from xml.etree import ElementTree

import jsonschema
import pytest
from support.quic import Flow, initial

from handshake_inspect.render import CHECKS
from handshake_inspect.report.schema import check_schema


def test_exit_status(hsi, pcaps, tmp_path):
    assert hsi("check", "--profile", "smoke", pcaps / "handshake.pcap", cwd=tmp_path).returncode == 0
    assert hsi("check", "--profile", "smoke", pcaps / "refused.pcap", cwd=tmp_path).returncode == 1
    for unusable in (["--max-refused", "x", pcaps / "refused.pcap"], ["no-such-file"], [], ["--rules", "none", "-"]):
        done = hsi("check", *unusable, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, b"")
        assert len(done.stderr.splitlines()) == 1


def test_one_line_per_assertion_and_what_broke_it(hsi, pcaps, tmp_path):
    capture = pcaps / "refused.pcap"
    done = hsi("check", "--max-refused", "0", "--max-timed-out", "0", capture, cwd=tmp_path)
    lines = done.stdout.decode().splitlines()
    why = [line for line in lines if line.startswith("         ")]
    assert why[0].startswith("         refused: 10.0.0.2 answered with RST")
    assert [line for line in lines if line not in why] == [
        "ok    min-connections 1  1 connection; expected: at least 1",
        "FAIL  max-refused 0      1 of 1 connection (100.0 %); expected: none",
        "      #0 10.0.0.1:40001 > 10.0.0.2:81 (frames 1, 2)",
        "ok    max-timed-out 0    0 of 1 connection; expected: none",
        f"next  hsi explain {capture} 0",
        "hsi check: failed, 1 of 3 assertions, 1 connection; max-refused 0",
    ]
    assert done.stderr == b""
    assert len(hsi("check", "-q", "--max-refused", "0", capture, cwd=tmp_path).stdout.splitlines()) == 1


def test_connections_of_two_assertions_are_listed_once(hsi, pcaps, tmp_path):
    done = hsi("check", "--max-refused", "0", "--fail-on", "critical", pcaps / "refused-storm.pcap", cwd=tmp_path)
    lines = done.stdout.decode().splitlines()
    assert sum(line.startswith("      #0 ") for line in lines) == 1
    assert "      connections: as under max-refused 0" in lines


def test_the_last_line_names_what_failed_before_it_counts_connections(hsi, pcaps, tmp_path):
    capture = pcaps / "accept-queue-overflow.pcap"
    done = hsi("check", "--expect", "10.0.0.2:443 established", "--max-refused", "0", capture, cwd=tmp_path)
    assert done.stdout.decode().splitlines()[-1] == (
        "hsi check: failed, 1 of 3 assertions; expect 10.0.0.2:443 established"
    )


def test_rules_of_the_working_directory(hsi, pcaps, tmp_path):
    (tmp_path / "hsi.toml").write_text('max-refused = 0\nignore = "server.port == 9"\n')
    capture = pcaps / "refused.pcap"
    assert hsi("check", capture, cwd=tmp_path).returncode == 1
    assert hsi("check", "--max-refused", "1", capture, cwd=tmp_path).returncode == 0
    assert hsi("check", "--no-rules", capture, cwd=tmp_path).returncode == 0
    (tmp_path / "mine.toml").write_text('max-refused = "x"\n')
    done = hsi("check", "--rules", "mine.toml", capture, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(b"hsi: error: mine.toml: max-refused: 'x'")


def test_a_report_can_be_checked_later(hsi, pcaps, tmp_path):
    capture, saved = pcaps / "port-scan-connect.pcap", tmp_path / "report.json"
    hsi("-o", saved, capture)
    rules = ["--profile", "strict", "--rtt", "total.p90<1ms", "--expect", "10.0.0.2 established 1..3"]
    straight = hsi("check", *rules, capture, cwd=tmp_path)
    later = hsi("check", *rules, saved, cwd=tmp_path)
    assert later.stdout == straight.stdout
    assert later.returncode == straight.returncode == 1
    hsi("-o", saved, "--no-connections", capture)
    assert b"has no connections" in hsi("check", saved, cwd=tmp_path).stderr


def test_a_report_without_its_quic_connections_is_refused(hsi, tmp_path):
    capture, saved = tmp_path / "quic.pcap", tmp_path / "report.json"
    capture.write_bytes(Flow().client(initial(size=1200)).file().getvalue())
    for option, status in (("--all", 1), ("--no-connections", 2)):
        hsi("-o", saved, option, capture)
        done = hsi("check", "--min-connections", "0", "--allow", "10.0.0.0/8", saved, cwd=tmp_path)
        assert done.returncode == status
    assert b"has no connections" in done.stderr


def test_only_some_connections(hsi, pcaps, tmp_path):
    capture = pcaps / "port-scan-connect.pcap"
    done = hsi("check", "-Y", "outcome == refused", "--expect", "* refused all", capture, cwd=tmp_path)
    assert done.returncode == 0


@pytest.mark.parametrize("form", CHECKS)
@pytest.mark.parametrize("sample", ["refused", "handshake", "port-scan-connect", "pending"])
def test_formats(hsi, pcaps, tmp_path, form, sample):
    command = ["check", "-T", form, "--profile", "strict", pcaps / f"{sample}.pcap"]
    done = hsi(*command, cwd=tmp_path)
    assert done.returncode == (0 if sample == "handshake" else 1)
    assert done.stdout == hsi(*command, cwd=tmp_path).stdout
    text = done.stdout.decode()
    if form == "json":
        jsonschema.validate(json.loads(text), check_schema())
        assert json.loads(text)["passed"] == (sample == "handshake")
    elif form == "junit":
        root = ElementTree.fromstring(text)
        assert bool(int(root.get("failures"))) == (sample != "handshake")
        assert int(root.get("tests")) == len(list(root.iter("testcase")))
    elif form == "sarif":
        kinds = {result["kind"] for result in json.loads(text)["runs"][0]["results"]}
        assert ("fail" in kinds) == (sample != "handshake")
    elif form in ("csv", "tsv"):
        rows = list(csv.DictReader(io.StringIO(text), delimiter="," if form == "csv" else "\t"))
        assert {row["status"] for row in rows} == ({"passed"} if sample == "handshake" else {"passed", "failed"})
    elif form == "github":
        assert all(line.startswith("::error title=hsi check%3A ") for line in text.splitlines())
        assert bool(text) == (sample != "handshake")


def test_the_output_file_chooses(hsi, pcaps, tmp_path):
    hsi("check", "-o", "junit.xml", pcaps / "handshake.pcap", cwd=tmp_path)
    assert ElementTree.parse(tmp_path / "junit.xml").getroot().tag == "testsuites"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--live", "--", "true"], "--live: name an interface with -i"),
        (["--live", "-i", "lo"], "put a command after --, or set the time with --duration"),
        (["--live", "-i", "lo", "refused.pcap", "--", "true"], "refused.pcap is already a capture"),
        (["--live", "-i", "lo", "-r", "refused.pcap", "--", "true"], "refused.pcap is already a capture"),
        (["--live", "-i", "lo", "--write", "-", "--", "true"], "name a file"),
        (["--live", "-i", "lo", "-o", "no/such/directory", "--", "true"], "cannot write no/such/directory"),
        (["--live", "-i", "no-such-interface0", "--", "true"], "no such interface"),
        (["--live", "-i", "lo", "--max-refused", "x", "--", "true"], "max-refused: 'x'"),
        (["--", "make", "test"], "make: no such file; to check the traffic of a command, add --live"),
        (["-i", "lo", "refused.pcap"], "--interface is for capturing: it needs --live"),
        (["--settle", "1s", "refused.pcap"], "--settle is for capturing: it needs --live"),
        (["-f", "tcp", "refused.pcap"], "--filter is for capturing: it needs --live"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(hsi, tmp_path, arguments, message):
    done = hsi("check", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert message in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1


def test_dashes_still_part_options_from_captures(hsi, pcaps, tmp_path):
    (tmp_path / "-odd.pcap").write_bytes((pcaps / "handshake.pcap").read_bytes())
    assert hsi("check", "--", "-odd.pcap", cwd=tmp_path).returncode == 0


def test_the_slowest_connections_are_listed_with_their_times(hsi, pcaps, tmp_path):
    capture = pcaps / "connection-churn.pcap"
    done = hsi("check", "--max-p95", "1us", capture, cwd=tmp_path, env={"LC_ALL": "C.UTF-8"})
    lines = done.stdout.decode().splitlines()
    listed = [line for line in lines if line.startswith("      #")]
    assert len(listed) == 5
    assert listed[0].endswith("  115 µs")
    assert "      and 145 more" in lines
    assert "expected: at most 1us" in lines[1]
    more = hsi("check", "--max-p95", "1us", "--limit", "7", capture, cwd=tmp_path).stdout.decode()
    assert more.count("      #") == 7
    report = json.loads(hsi("check", "--max-p95", "1us", "-T", "json", capture, cwd=tmp_path).stdout)
    assert len(report["assertions"][-1]["breaches"]) == 20
