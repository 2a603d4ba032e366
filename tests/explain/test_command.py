"""`hsi explain` as a process."""

import json

import pytest


def test_it_explains(hsi, pcaps):
    done = hsi("explain", pcaps / "handshake.pcap", "10.0.0.1:40001", env={"LC_ALL": "C.UTF-8"})
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode().startswith("CONNECTION 0  established\n")


def test_a_pipe_is_enough(hsi, pcaps):
    data = (pcaps / "lost-syn.pcap").read_bytes()
    for name in (["0"], ["10.0.0.1:40001"], ["--finding", "syn-retransmission"], []):
        done = hsi("explain", "-T", "json", "-", *name, input=data)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["connection"]["id"] == 0


def test_read_option_and_several_captures(hsi, pcaps):
    done = hsi("explain", "-T", "json", "-r", pcaps / "handshake.pcap", "-r", pcaps / "refused.pcap", "10.0.0.2:81")
    assert json.loads(done.stdout)["connection"]["outcome"] == "refused"


def test_an_expression_chooses(hsi, pcaps):
    sample = pcaps / "syn-retransmission.pcap"
    story = json.loads(hsi("explain", "-T", "json", "-Y", "handshake.syn_count > 1", sample).stdout)
    assert story["connection"]["handshake"]["syn_count"] > 1
    listed = json.loads(hsi("analyze", "-T", "json", "-Y", "handshake.syn_count > 1", sample).stdout)
    assert story["matches"] == [connection["id"] for connection in listed["connections"]]
    named = hsi("explain", "-Y", "handshake.syn_count > 1", sample, str(story["matches"][1]), "-T", "json")
    assert json.loads(named.stdout)["matches"] == story["matches"][1:2]
    none = hsi("explain", "-Y", "handshake.syn_count > 1", sample, "0")
    assert (none.returncode, none.stdout) == (2, b"")
    assert b"no connection matches the expression after -Y" in none.stderr
    total = len(json.loads(hsi("analyze", "-T", "json", sample).stdout)["connections"])
    for words, meant in (((), ""), (("10.0.0.2:80",), " that are meant")):
        none = hsi("explain", "-Y", "handshake.syn_count > 99", sample, *words, text=True)
        assert f"0 of {total} connections{meant} match the expression after -Y" in none.stderr


def test_output_goes_to_a_file(hsi, pcaps, tmp_path):
    done = hsi("explain", "-T", "json", "-o", tmp_path / "story.json", pcaps / "handshake.pcap", "0")
    assert (done.returncode, done.stdout) == (0, b"")
    assert json.loads((tmp_path / "story.json").read_text())["segments"] == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name a capture and a connection"),
        (["-r", "missing.pcap", "0"], "missing.pcap"),
        (["{pcaps}/handshake.pcap", "9"], "no connection 9"),
        (["{pcaps}/handshake.pcap", "10.0.0"], "is not a connection"),
        (["{pcaps}/handshake.pcap", "10.0.0.9"], "no connection of 10.0.0.9"),
        (["-T", "json", "{pcaps}/handshake.pcap", "10.0.0.1"], "is a host, not a connection"),
        (["{pcaps}/../tests/golden/closed-by-client.json", "0"], "give the capture itself"),
        (["-", "-", "0"], "only once"),
        (["-o", "{pcaps}/handshake.pcap", "{pcaps}/handshake.pcap", "0"], "would replace the capture"),
    ],
)
def test_errors_are_one_line(arguments, said, hsi, pcaps):
    done = hsi("explain", *(argument.format(pcaps=pcaps) for argument in arguments))
    assert done.returncode == 2
    assert done.stdout == b""
    assert done.stderr.decode().startswith("hsi: error: ")
    assert done.stderr.decode().count("\n") == 1
    assert said in done.stderr.decode()


def test_strict_reports_a_cut_capture(hsi, pcaps, tmp_path):
    cut = tmp_path / "cut.pcap"
    cut.write_bytes((pcaps / "closed-by-client.pcap").read_bytes()[:-7])
    assert hsi("explain", cut, "0").returncode == 0
    done = hsi("explain", "--strict", cut, "0")
    assert done.returncode == 3
    assert b"problem" in done.stdout


def test_an_address_lists_its_connections(hsi, pcaps):
    sample = pcaps / "refused-while-serving.pcap"
    shown = hsi("explain", sample, "10.0.0.2").stdout.decode()
    assert shown.startswith("CONNECTIONS of 10.0.0.2  6 connections\n")
    assert f"next: hsi explain {sample} 1" in shown  # the first with trouble
    refused = hsi("explain", "-Y", "outcome == refused", sample, "10.0.0.1").stdout.decode()
    assert refused.startswith("CONNECTIONS of 10.0.0.1  3 connections\n")


def test_short_is_the_ladder_and_the_verdict(hsi, pcaps):
    shown = hsi("explain", "--short", pcaps / "handshake.pcap", env={"LC_ALL": "C.UTF-8"}).stdout.decode()
    assert shown.startswith("CONNECTION 0  10.0.0.1:40001 → 10.0.0.2:80\n")
    assert "opens a connection" not in shown
    assert shown.count("↔ RTT") == 3
    assert len(shown.splitlines()) < 20


def test_short_says_why_tls_failed(hsi, pcaps):
    """The ladder leaves out what goes as it should, and an alert does."""
    shown = hsi("explain", "--short", pcaps / "tls13-unknown-ca.pcap").stdout.decode()
    assert "  set-up    TLS 1.3, failed: alert unknown_ca (48) from the client" in shown
    assert "set-up  " not in hsi("explain", "--short", pcaps / "tls-40ms.pcap").stdout.decode()


def test_absolute_numbers_are_those_of_the_wire(hsi, pcaps):
    arguments = ["explain", pcaps / "handshake.pcap", "--limit", "3"]
    story = json.loads(hsi(*arguments, "-T", "json").stdout)
    shown = hsi(*arguments, "-S", env={"LC_ALL": "C.UTF-8", "COLUMNS": "160"}).stdout.decode()
    for step in story["steps"]:
        assert f"[{step['flags']}] seq {step['raw_seq']}" in shown
    assert "Numbers are those on the wire." in shown


def test_evidence_that_the_ladder_shows_is_named_by_its_frames(hsi, pcaps):
    whole = hsi("explain", pcaps / "handshake.pcap").stdout.decode()
    assert "  evidence  frames 1, 2 and 3\n" in whole
    cut = hsi("explain", "--limit", "1", pcaps / "handshake.pcap").stdout.decode()
    assert "  evidence  frame 3\n            frame 1: the SYN\n" in cut
