"""Options that the snap length cut: what the capture does not show is not known, and is no sign of anything."""

import random

import pytest
from support import captures, frames
from support.wire import MS, SECOND, Wire, report_of

from handshake_inspect.verdicts.syn_offers import is_bare, is_poor
from handshake_inspect.wire.const import OPT_CUT, OPT_ECN, OPT_MSS, OPT_SACK_PERMITTED

HEADERS = 14 + 20 + 20
SHOWN = {"mss": 4, "sack_permitted": 6, "timestamps": 16, "window_scale": 20}  # bytes of Linux's options that show it
NOT_OFFERED = ("tfo", "mptcp", "signed")


def cut(timed, options_kept):
    """A capture of which each frame keeps so many bytes of TCP options."""
    return captures.snapped(captures.pcap(timed, nano=True), HEADERS + options_kept)


def attempts(*, repeated):
    """A handshake, and an attempt that nothing answered, as one row or the other holds it."""
    done = Wire()
    done.client.syn(options=frames.linux_syn_options())
    done.server.syn_ack(options=frames.linux_syn_options(9, 1))
    done.client.ack(options=frames.timestamps(2, 9))
    silent = Wire(client=("192.0.2.1", 41_000))
    for _ in range(1 + repeated):
        silent.client.syn(options=frames.linux_syn_options(), lost="after")
        silent.wait(SECOND)
    return sorted(done.frames() + silent.frames(), key=lambda each: each[0])


@pytest.mark.parametrize("repeated", [False, True])
@pytest.mark.parametrize("kept", range(21))
def test_what_is_not_shown_is_null(kept, repeated):
    done, silent = report_of(cut(attempts(repeated=repeated), kept))["connections"]
    offers = [done["handshake"]["client_options"], done["handshake"]["server_options"]]
    for offered in [*offers, silent["handshake"]["client_options"]]:
        assert {name: offered[name] is not None for name in SHOWN} == {name: kept >= n for name, n in SHOWN.items()}
        assert [offered[name] for name in NOT_OFFERED] == [False if kept == 20 else None] * 3
        assert offered["ecn"] is False, "its bits are in the header itself"


def test_nothing_follows_the_end_of_the_list():
    wire = Wire()
    wire.client.syn(options=frames.mss(1460) + b"\0" + bytes(7))
    (connection,) = report_of(cut(wire.frames(), 5))["connections"]
    assert connection["handshake"]["client_options"]["sack_permitted"] is False
    (connection,) = report_of(cut(wire.frames(), 4))["connections"]
    assert connection["handshake"]["client_options"]["sack_permitted"] is None


def test_a_header_without_options_lacks_none():
    wire = Wire()
    wire.client.syn(options=b"")
    (connection,) = report_of(cut(wire.frames(), -4))["connections"]
    assert connection["handshake"]["client_options"]["timestamps"] is False


@pytest.mark.parametrize(
    ("options", "poor", "bare"),
    [
        (0, True, True),
        (OPT_ECN, True, True),
        (OPT_MSS, True, False),
        (OPT_MSS | OPT_SACK_PERMITTED, False, False),
        (OPT_CUT, False, False),
        (OPT_CUT | OPT_MSS, False, False),
    ],
)
def test_a_cut_syn_does_not_look_forged(options, poor, bare):
    assert (bool(is_poor(options)), bool(is_bare(options))) == (poor, bare)


@pytest.mark.parametrize(("options", "ratio"), [(frames.linux_syn_options(), 0), (b"", 1)])
def test_a_flood_is_not_called_bare_for_the_snap_length(options, ratio):
    dice, timed = random.Random(4), []
    for number in range(400):
        source = f"10.{dice.randrange(256)}.{dice.randrange(256)}.{dice.randrange(1, 255)}"
        wire = Wire(client=(source, dice.randrange(1024, 65_535)), at="server")
        wire.wait(number * 2 * MS)
        wire.client.syn(options=options)
        for _ in range(3):
            wire.server.syn_ack(lost="after", stay=True)
            wire.wait(SECOND)
        timed += wire.frames()
    report = report_of(cut(sorted(timed), 0))
    (flood,) = [one for one in report["findings"] if one["id"] == "syn-flood"]
    assert flood["metrics"]["spoofing_signs"]["no_options_ratio"] == ratio


def test_the_ladder_says_that_they_are_cut(hsi, tmp_path):
    file = tmp_path / "cut.pcap"
    file.write_bytes(cut(attempts(repeated=False), 4))
    assert b"mss 1460, options cut" in hsi("explain", file, "0").stdout


def test_whole_captures_are_as_before():
    timed = attempts(repeated=False)
    assert report_of(cut(timed, 1000))["connections"] == report_of(captures.pcap(timed, nano=True))["connections"]
