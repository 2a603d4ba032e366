"""Long text on a terminal goes through a pager, as git's does; short text and everything else does not."""

import shlex
import shutil
import sys

import pytest

pytest.importorskip("pyte", reason="needs pyte, the terminal emulator: pip install 'handshake-inspect[test]'")

from support.terminals import Seat

pytestmark = pytest.mark.any_build

MARKED = f"{sys.executable} -c \"import sys; sys.stdout.write('PAGED ' + str(len(sys.stdin.read().splitlines())))\""
QUITS = f"{shlex.quote(sys.executable)} -c \"print('QUIT')\""


def last_lines(seat):
    assert seat.ends() == 0
    return seat.text


def test_more_than_a_screen_is_paged(pcaps):
    with Seat(pcaps / "accept-queue-overflow.pcap", HSI_PAGER=MARKED) as seat:
        assert "PAGED 4" in last_lines(seat)
        assert b"CONNECTIONS" not in seat.out


@pytest.mark.parametrize(
    "variables", [{"PAGER": "cat"}, {"HSI_PAGER": ""}, {"PAGER": "no-such-pager"}, {"TERM": "dumb"}]
)
def test_it_is_not_where_nothing_can_page_or_shall(pcaps, variables):
    with Seat(pcaps / "accept-queue-overflow.pcap", **{"PAGER": MARKED, **variables}) as seat:
        assert "next: hsi explain" in last_lines(seat)


@pytest.mark.parametrize("arguments", [["-q"], ["--no-pager"], ["-T", "json"]])
def test_it_is_not_when_it_is_short_or_not_wanted(pcaps, arguments):
    with Seat(*arguments, pcaps / "accept-queue-overflow.pcap", PAGER=MARKED) as seat:
        assert "PAGED" not in last_lines(seat)


def test_what_fits_stays_on_the_terminal(pcaps):
    with Seat(pcaps / "accept-queue-overflow.pcap", lines=90, PAGER=MARKED) as seat:
        assert "next: hsi explain" in last_lines(seat)


def test_who_quits_the_pager_early_has_seen_enough(pcaps):
    with Seat("--all", pcaps / "syn-flood-hping3.pcap", PAGER=QUITS) as seat:
        assert "QUIT" in last_lines(seat)
        assert b"error" not in seat.out


@pytest.mark.skipif(shutil.which("less") is None, reason="needs less")
def test_less_shows_the_verdict_first_and_leaves_by_q(pcaps):
    with Seat(pcaps / "accept-queue-overflow.pcap") as seat:
        seat.sees(r"\A2 of 3 connections established, 1 half-open: accept queue", r"^TROUBLE  1 connection")
        seat.type(b"q")
        assert seat.ends() == 0


def test_a_pipe_is_not_paged(hsi, pcaps):
    done = hsi(pcaps / "accept-queue-overflow.pcap", env={"PAGER": MARKED})
    assert b"PAGED" not in done.stdout
