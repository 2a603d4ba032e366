"""Numbers and foreign text in words a person reads."""

import pytest

from handshake_inspect.report.model import Endpoint, Target
from handshake_inspect.wire.text import (
    bounds,
    duration,
    durations,
    endpoint_text,
    gap,
    interval,
    listing,
    moment,
    offsets,
    plural,
    printable,
    rounded,
    share,
    span,
    utf8_safe,
)

MS = 1_000_000
SECOND = 1_000 * MS


@pytest.mark.parametrize(
    ("ns", "said"),
    [
        (0, "0 s"),
        (999, "999 ns"),
        (1_000, "1 µs"),
        (35_712, "35.7 µs"),
        (999_499, "999 µs"),
        (999_500, "1 ms"),  # three digits are never four, nor an exponent
        (41_250_000, "41.2 ms"),
        (400 * MS, "400 ms"),
        (999_700_000, "1 s"),
        (1_040 * MS, "1.04 s"),
        (127 * SECOND, "127 s"),
        (999_700 * MS, "16 min 40 s"),
        (2_400 * SECOND, "40 min"),
        (7_200 * SECOND, "2 h"),
        (7_500 * SECOND, "2 h 05 min"),
        (48 * 3600 * SECOND, "2 d"),
        (52 * 3600 * SECOND, "2 d 04 h"),
        (-35_700, "-35.7 µs"),
        (-7_200 * SECOND, "-2 h"),
    ],
)
def test_a_duration_has_three_digits_and_the_unit_that_fits(ns, said):
    assert duration(ns) == said


def test_cells_of_a_table_say_what_a_sentence_says():
    assert durations([35_000, None, 1_040 * MS]) == [duration(35_000), "", duration(1_040 * MS)]


def test_durations_without_unicode():
    assert duration(1_500, "u") == "1.5 us"
    assert durations([1_000], "u") == ["1 us"]


def test_bounds_where_no_value_can_be_named():
    assert bounds(40 * MS, 40 * MS, 40 * MS) == "40 ms"
    assert bounds(None, 1_200_000, 40 * MS) == "1.2 ms to 40 ms"
    assert bounds(None, None, 40 * MS) == "40 ms"
    assert bounds(None, 40_001_000, 40_004_000) == "40 ms"  # to three digits they are one


@pytest.mark.parametrize(
    ("least", "most", "said"),
    [
        (41_500_000, 83_500_000, "41.5-83.5 ms"),
        (116_000, 44_700_000, "116 µs-44.7 ms"),
        (0, 4_830_000, "0-4.83 ms"),
        (0, 0, "0 s"),
        (10_601_000, 10_602_000, "10.6 ms"),
    ],
)
def test_bounds_in_a_narrow_cell_share_their_unit(least, most, said):
    assert interval(least, most, "-") == said


def test_gaps_have_one_sign():
    assert gap(3_130) == "+3.13 µs"
    assert gap(-64_700) == "-64.7 µs"
    assert gap(0) == "+0 s"


@pytest.mark.parametrize(
    ("ns", "said"),
    [
        (40 * MS, "40 ms"),
        (12_512 * MS, "12.5 s"),
        (60 * SECOND, "1 min"),
        (130 * SECOND, "2 min 10 s"),
        (3 * 3600 * SECOND + 300 * SECOND, "3 h 05 min"),
        (52 * 3600 * SECOND, "2 d 04 h"),
    ],
)
def test_lengths_of_a_capture(ns, said):
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


@pytest.mark.parametrize(
    ("ip", "port", "said"),
    [
        ("192.0.2.1", 443, "192.0.2.1:443"),
        ("2001:db8::1", 443, "[2001:db8::1]:443"),
        ("2001:db8::1", None, "2001:db8::1"),
        ("198.51.100.0/24", None, "198.51.100.0/24"),
    ],
)
def test_endpoints(ip, port, said):
    assert endpoint_text(ip, port) == said
    assert str(Target(ip, port)) == said
    if port is not None:
        assert str(Endpoint(ip, port)) == said


def test_plurals():
    assert [plural(1, "frame"), plural(2_000, "frame"), plural(0, "frame")] == ["1 frame", "2,000 frames", "0 frames"]
    assert plural(1, "SYN dropped", "SYNs dropped") == "1 SYN dropped"
    assert plural(1_200, "SYN dropped", "SYNs dropped") == "1,200 SYNs dropped"


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0"),
        (0.4, "0.4"),
        (9, "9"),
        (12_345, "12,345"),
        (999_999, "999,999"),
        (3_000_000, "3.00 M"),
        (30_000_000, "30.0 M"),
        (999_600_000, "1.00 G"),
        (5e15, "5000 T"),
    ],
)
def test_counts_that_stay_short(count, said):
    assert rounded(count) == said


@pytest.mark.parametrize(
    ("words", "said"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_lists(words, said):
    assert listing(words) == said


def test_what_drives_terminals_is_escaped():
    assert printable("a\x1b[31m\nb\u202e\udcff\x9b") == r"a\x1b[31m\nb\u202e\udcff\x9b"
    assert printable("café naïve.pcap") == "café naïve.pcap"


def test_names_that_are_not_utf8_are_escaped():
    assert utf8_safe("caf\udce9.pcap") == r"caf\udce9.pcap"
    assert utf8_safe("café.pcap") == "café.pcap"
