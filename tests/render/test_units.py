"""Numbers and foreign text in words a person reads."""

import pytest

from handshake_inspect.render.units import address, durations, moment, offsets, plural, printable, share, span
from handshake_inspect.report.model import Endpoint

MS = 1_000_000
SECOND = 1_000 * MS


@pytest.mark.parametrize(
    ("column", "cells"),
    [
        ([], []),
        ([None, None], ["", ""]),
        ([0], ["0.000 µs"]),
        ([35_000, 120_500], ["35.0 µs", "120.5 µs"]),
        ([40 * MS, None, 41_250_000], ["40.0 ms", "", "41.2 ms"]),
        ([35_000, 40 * MS], ["0.035 ms", "40.000 ms"]),
        ([35_000, 1_040 * MS], ["0.04 ms", "1,040.00 ms"]),
        ([3 * SECOND, 63 * SECOND], ["3.00 s", "63.00 s"]),
    ],
)
def test_a_column_of_durations_has_one_unit(column, cells):
    assert durations(column) == cells


def test_durations_without_unicode():
    assert durations([1_000], "u") == ["1.00 us"]


@pytest.mark.parametrize(
    ("ns", "said"),
    [
        (40 * MS, "40.0 ms"),
        (12_512 * MS, "12.5 s"),
        (6 * SECOND, "6 s"),
        (130 * SECOND, "2 min 10 s"),
        (3 * 3600 * SECOND + 300 * SECOND, "3 h 05 min"),
        (52 * 3600 * SECOND, "2 d 04 h"),
    ],
)
def test_lengths_of_time(ns, said):
    assert span(ns) == said


@pytest.mark.parametrize(
    ("part", "whole", "said"),
    [(0, 0, ""), (0, 5, "0.0 %"), (5, 5, "100.0 %"), (1, 3_000_000, "<0.1 %"), (2_999_999, 3_000_000, ">99.9 %")],
)
def test_a_share_never_rounds_to_nothing_or_all(part, whole, said):
    assert share(part, whole) == said


def test_moments():
    assert moment(1_795_000_000_123_456_789) == "2026-11-18 11:06:40.123456 UTC"
    assert moment(-1) == "1969-12-31 23:59:59.999999 UTC"
    assert moment(1 << 70) == f"{(1 << 70) // SECOND:,} s since 1970"


def test_offsets_are_finer_in_a_short_capture():
    assert offsets([1_500_000], 2 * SECOND) == ["0.001500 s"]
    assert offsets([1_500_000], 20 * SECOND) == ["0.002 s"]
    assert offsets([15_000 * SECOND], 20_000 * SECOND) == ["15000.0 s"]


def test_addresses():
    assert address(Endpoint("192.0.2.1", 443)) == "192.0.2.1:443"
    assert address(Endpoint("2001:db8::1", 443)) == "[2001:db8::1]:443"


def test_plurals():
    assert [plural(1, "frame"), plural(2_000, "frame"), plural(0, "frame")] == ["1 frame", "2,000 frames", "0 frames"]


def test_what_drives_terminals_is_escaped():
    assert printable("a\x1b[31m\nb\u202e\udcff\x9b") == r"a\x1b[31m\nb\u202e\udcff\x9b"
    assert printable("café naïve.pcap") == "café naïve.pcap"
