"""SYN cookies in timestamps: what of a client's options Linux puts into the low bits (tcp_cookie_timestamp)."""

import pytest
from support.attempts import MS, attempts

from handshake_inspect.tcp import facts as f
from handshake_inspect.verdicts.cookies import MIN_AGREEING, offered, proofs, stamped
from handshake_inspect.verdicts.numbering import ConnectionRows
from handshake_inspect.wire import const

ALL = const.OPT_WINDOW_SCALE | const.OPT_SACK_PERMITTED | const.OPT_ECN


@pytest.mark.parametrize(
    ("client", "scale", "server", "bits"),
    [
        (0, 0, 0, 0xF),  # 15: no window scale
        (const.OPT_WINDOW_SCALE, 7, 0, 7),
        (const.OPT_WINDOW_SCALE, 14, 0, 14),
        (const.OPT_WINDOW_SCALE, 200, 0, 14),  # RFC 7323 section 2.3
        (const.OPT_SACK_PERMITTED, 0, 0, 0x1F),
        (const.OPT_ECN, 0, 0, 0xF),  # offered, and not taken
        (const.OPT_ECN, 0, const.OPT_ECN, 0x2F),
        (ALL, 7, ALL, 0x37),
    ],
)
def test_what_a_cookie_encodes(client, scale, server, bits):
    ends = {"options": (client, server), "window_scale": (scale, 3)}
    trace = attempts({"facts": f.FACT_SYN | f.FACT_SYNACK, "ends": ends})
    assert offered(trace, ConnectionRows([0])).tolist() == [bits]


@pytest.mark.parametrize("cut", [(0, 0), (const.OPT_CUT, 0), (0, const.OPT_CUT)])
def test_options_that_the_capture_lacks_prove_no_cookie(cut):
    ends = {"options": tuple(const.OPT_TIMESTAMPS | bits for bits in cut)}
    assert len(stamped(attempts({"facts": f.FACT_SYN | f.FACT_SYNACK, "ends": ends}))) == (not any(cut))


DONE = f.FACT_SYN | f.FACT_SYNACK | f.FACT_ACKED
OFFER = {
    "options": (const.OPT_TIMESTAMPS | const.OPT_SACK_PERMITTED | const.OPT_WINDOW_SCALE,) * 2,
    "window_scale": (7, 7),
}
SAYS = 7 | 1 << 4  # what a cookie makes of that
BEGUN_MS = [0, 37, 150, 263, 391, 530]  # of the SYN-ACKs, at any place of 64 ms


def with_cookies(*, back=0, began=BEGUN_MS):
    """Handshakes of as many clients with a server whose clock the last segment, 100 ms later, shows."""
    rows = []
    for number, at in enumerate(began):
        clock = 7000 + at
        cookie = clock - clock % 64 + SAYS
        cookie -= 64 * (cookie > clock) + back
        ends = OFFER | {"syn_tsval": (1, cookie), "tsval": (1, clock + 100), "frames": (3, 3)}
        rows.append(
            {"facts": DONE, "from_": f"192.0.2.{number + 1}", "ends": ends}
            | {"first_ns": at * MS, "synack_ns": at * MS, "ack_ns": (at + 100) * MS}
        )
    return proofs(attempts(*rows))


def test_the_clock_that_a_cookie_lags_behind():
    (proof,) = with_cookies().values()
    assert (proof.method, len(proof.agreeing)) == ("clock", 5)  # with the one before


def test_frames_that_all_have_one_time_show_no_clock():
    """Ordinary SYN-ACKs, 5 ms before the server's last segment."""
    rows = []
    for number, at in enumerate(BEGUN_MS):
        ends = OFFER | {"syn_tsval": (1, 7000 + at), "tsval": (1, 7005 + at), "frames": (3, 3)}
        rows.append({"facts": DONE, "from_": f"192.0.2.{number + 1}", "ends": ends, "synack_ns": 1, "ack_ns": 1})
    assert not proofs(attempts(*rows))


def test_a_lag_that_no_cookie_has():
    """It takes 64 off at most: an ordinary clock that is read late lags by more."""
    assert not with_cookies(back=64)


def test_so_many_agree_at_least():
    assert with_cookies(began=BEGUN_MS[: MIN_AGREEING + 1])
    assert not with_cookies(began=BEGUN_MS[:MIN_AGREEING])


@pytest.mark.parametrize(("lag", "proven"), [(2, False), (3, True), (63, True), (64, True), (65, False)])
def test_the_longest_and_shortest_lag(lag, proven):
    """From the slack of two clocks to 63 ms, and one for the rounding of either."""
    rows = []
    for number in range(6):
        at = 64 * number
        ends = OFFER | {"syn_tsval": (1, 7000 + at - lag), "tsval": (1, 7100 + at), "frames": (3, 3)}
        rows.append(
            {"facts": DONE, "from_": f"192.0.2.{number + 1}", "ends": ends}
            | {"first_ns": at * MS, "synack_ns": at * MS, "ack_ns": (at + 100) * MS}
        )
    assert bool(proofs(attempts(*rows))) == proven
