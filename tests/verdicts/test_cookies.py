"""SYN cookies in timestamps: what of a client's options Linux puts into the low bits (tcp_cookie_timestamp)."""

import pytest
from support.attempts import attempts

from handshake_inspect.tcp import facts as f
from handshake_inspect.verdicts.cookies import offered, stamped
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
