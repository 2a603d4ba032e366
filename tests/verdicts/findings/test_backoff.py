"""SYN retransmission profiles of stacks."""

import numpy as np
import pytest

from handshake_inspect.verdicts import backoff

NAMES = [profile.name for profile in backoff.PROFILES]


def fitting(seconds, ttl=64):
    gaps = np.zeros((1, 12), dtype=np.int64)
    gaps[0, : len(seconds)] = [int(gap * 1e9) for gap in seconds]
    fits = backoff.fit(gaps, np.array([len(seconds)]), np.array([ttl], dtype=np.uint8))
    return {name for name, fit in zip(NAMES, fits[0], strict=True) if fit}


@pytest.mark.parametrize("profile", backoff.PROFILES, ids=lambda profile: profile.name)
def test_every_profile_fits_itself_on_a_timer_that_runs_long(profile):
    gaps = [gap * 1.03 for gap in profile.gaps][:12]
    assert profile.name in fitting(gaps, ttl=profile.ttl - 3)


@pytest.mark.parametrize(
    ("seconds", "ttl", "names"),
    [
        ((1.02, 2.05, 4.1, 8.2), 60, {"linux-exponential"}),
        ((1.02, 2.05, 4.1, 8.2), 120, {"windows"}),
        ((1.0, 1.0, 1.0, 1.0, 1.0, 2.0), 64, {"linux-linear", "macos-bsd"}),
        ((1.0, 1.0, 1.0, 2.0), 64, {"vpp"}),
        ((3.0, 6.0), 128, {"windows-before-10"}),
        ((3.0, 6.0, 12.0), 64, {"linux-before-3.1"}),
        ((3.0, 3.0), 64, {"freebsd-before-13"}),
        ((5.0,), 64, set()),
        ((), 64, set()),
    ],
)
def test_what_gaps_show(seconds, ttl, names):
    assert fitting(seconds, ttl) == names


def test_when_connect_fails():
    assert backoff.gives_up_ns("linux-linear") == [133_000_000_000]
    assert backoff.gives_up_ns("linux-linear or macos-bsd") == [75_000_000_000, 133_000_000_000]
    assert backoff.gives_up_ns(backoff.RAW_SOCKET) == []
