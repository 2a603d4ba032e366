"""`-T`, `-o`, `-e` and `-Y` on the command line."""

import json

import pytest

from handshake_inspect.cli.input_options import chosen_format
from handshake_inspect.render import FORMATS


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a.json", "json"), ("a.csv", "csv"), ("a.sarif", "sarif"), ("a.sarif.json", "sarif"), ("a.xml", "junit"),
        ("a.md", "markdown"), ("conn.log", "zeek"), ("a.NDJSON", "ndjson"), ("a", "text"), ("-", "text"),
        ("dir.csv/a", "text"), ("a.txt", "text"), ("a.parquet", "parquet"),
    ],
)  # fmt: skip
def test_the_name_says_the_format(name, form):
    assert chosen_format(None, name) == form
    assert chosen_format("json", name) == "json"
    assert form in FORMATS


def test_a_name_does_not_say_a_format_that_the_command_has_not(hsi, pcaps, tmp_path):
    """A file called .xml that held text would fail only later, in the build that reads it."""
    capture = pcaps / "refused.pcap"
    for command in (("diff", "-o", "out.xml", capture, capture), ("check", "-o", "out.parquet", capture)):
        done = hsi(*command, cwd=tmp_path)
        assert done.returncode == 2
        assert b"its formats are text, json" in done.stderr
    assert not list(tmp_path.iterdir())
    assert hsi("check", "--no-rules", "-o", "check.log", capture, cwd=tmp_path).returncode == 0
    assert (tmp_path / "check.log").read_text().startswith("ok ")


def test_a_filtered_report(hsi, pcaps):
    done = hsi("-T", "json", "-Y", "server.port == 81 and outcome == refused", pcaps / "refused.pcap")
    assert json.loads(done.stdout)["summary"]["outcomes"]["refused"] == 1
    done = hsi("-T", "json", "-Y", "server.port == 82", pcaps / "refused.pcap")
    assert (json.loads(done.stdout)["connections"], done.returncode) == ([], 0)


def test_a_mistake_has_a_caret(hsi, pcaps):
    done = hsi("-Y", "outcom == refused", pcaps / "refused.pcap")
    assert done.returncode == 2
    assert done.stderr.decode().splitlines() == [
        "hsi: error: no field outcom; did you mean outcome or tls.outcome?",
        "  outcom == refused",
        "  ^",
    ]


def test_a_mistake_is_found_before_anything_is_read(hsi):
    done = hsi("-Y", "outcom == refused", "no-such-file")
    assert b"no field outcom" in done.stderr


def test_columns_need_a_format_with_columns(hsi, pcaps):
    done = hsi("-T", "junit", "-e", "id", pcaps / "refused.pcap")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"-e chooses columns" in done.stderr
    assert hsi("-T", "csv", "-e", "id,outcome", pcaps / "refused.pcap").stdout == b"id,outcome\n0,refused\n"


def test_the_output_file_chooses(hsi, pcaps, tmp_path):
    assert hsi("-o", tmp_path / "out.csv", pcaps / "refused.pcap").returncode == 0
    assert (tmp_path / "out.csv").read_text().startswith("id,first_frame,")


def test_a_saved_report_is_shown_as_the_capture_is(hsi, pcaps, tmp_path):
    capture, saved = pcaps / "accept-queue-overflow.pcap", tmp_path / "report.json"
    hsi("-o", saved, capture)
    assert hsi(saved).stdout == hsi(capture).stdout
    chosen = ["-Y", "outcome == half-open", "-T", "csv"]
    assert hsi(*chosen, saved).stdout == hsi(*chosen, capture).stdout
    for arguments in (["--write", tmp_path / "out.pcapng", saved], [saved, capture]):
        done = hsi(*arguments)
        assert (done.returncode, done.stdout) == (2, b"")
        assert b"the capture itself" in done.stderr


def test_a_single_connection_shows_its_ladder(hsi, pcaps):
    def page(*arguments, **given):
        return hsi(*arguments, env={"LC_ALL": "C.UTF-8", "COLUMNS": "300"}, **given).stdout.decode()

    shown = page(pcaps / "zero-window.pcap")
    assert shown.endswith(f"next: hsi explain {pcaps / 'zero-window.pcap'} 0  with options and evidence\n")
    assert "CONNECTION 0  10.0.0.1:40001 → 10.0.0.2:80\n" in shown
    assert "its window is full" in shown
    assert "9 segments not listed, 14,480 bytes of the client" in shown
    assert "CONNECTION 2 " in page("-Y", "outcome == half-open", pcaps / "accept-queue-overflow.pcap")
    assert "SEGMENTS" not in page(pcaps / "accept-queue-overflow.pcap")
    whole = page("-v", pcaps / "half-closed.pcap")  # more than without it, not less
    assert "SEGMENTS" in whole
    assert "evidence  frames 1, 2 and 3" in whole
    assert "sent 5 segments, 11 bytes" in whole
    assert "next: " not in whole
    assert whole.count("SET-UP") == 1
    assert "SEGMENTS" not in page("--all", pcaps / "zero-window.pcap")
    assert "SEGMENTS" in page("-", input=(pcaps / "handshake.pcap").read_bytes())


def test_a_single_connection_of_quic_shows_its_datagrams(hsi, pcaps):
    def page(*arguments):
        return hsi(*arguments, env={"LC_ALL": "C.UTF-8", "COLUMNS": "300"}).stdout.decode()

    sample = pcaps / "quic-retry.pcap"
    shown = page(sample)
    assert "QUIC CONNECTION q0  10.0.0.1:41001 → 10.0.0.2:443 (lab.example)\n" in shown
    assert "Retry +100" in shown
    assert "ClientHello" not in shown  # what goes as it should is for `hsi explain`
    assert shown.endswith(f"next: hsi explain {sample} q0  with what each datagram did\n")
    short = page("explain", "--short", sample)
    assert short in shown
    assert "DATAGRAMS" not in page(pcaps / "quic-early-data.pcap")  # two
    assert "DATAGRAMS" not in page("--no-connections", sample)
    assert "DATAGRAMS" not in page(pcaps / "quic-blocked.pcap")  # TCP too
