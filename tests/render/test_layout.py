"""Tables and paragraphs as wide as they may be."""

from textwrap import wrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_inspect.render.layout import SHADES, Column, Style, Table, paragraph

words = st.text(st.sampled_from("ab\u00b5 \t\n"), max_size=80) | st.lists(
    st.text("x", min_size=1, max_size=30), max_size=20
).map(" ".join)


@given(words, st.integers(8, 130), st.integers(0, 6))
def test_prose_is_wrapped_as_the_standard_library_wraps_it(text, width, indent):
    text, margin = text.lstrip().expandtabs(1), " " * indent
    expected = wrap(
        text, min(width, 120), initial_indent=margin, subsequent_indent=margin, break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip
    assert paragraph(text, width, margin) == expected


def test_a_number_stays_with_its_unit():
    assert paragraph("a lookup, up to 191 ms", 22, "") == ["a lookup, up to 191 ms"]
    assert paragraph("a lookup, up to 191 ms", 21, "") == ["a lookup, up to", "191 ms"]
    assert paragraph("half of them, 50.0 %", 18, "") == ["half of them,", "50.0 %"]
    assert paragraph("on 2 samples", 6, "") == ["on 2", "samples"]  # not a unit


def test_a_command_that_fits_a_line_is_not_broken():
    assert paragraph("look at it (`ip route get 10.0.0.2`), then wait", 30, "  ") == [
        "  look at it", "  (`ip route get 10.0.0.2`),", "  then wait",
    ]  # fmt: skip
    long = "see `nft add rule inet filter input ct state invalid drop`"
    assert paragraph(long, 40, "") == ["see `nft add rule inet filter input ct", "state invalid drop`"]


def test_columns_are_as_wide_as_their_widest_cell_whatever_colours_they_have():
    style = Style(color=True, encoding="utf-8")
    columns = [
        Column("name", ["a", "long one"], paint=lambda text: style.paint(text, "red")),
        Column("count", ["1", "1,000"], right=True),
        Column("last", ["x", ""]),
    ]
    titles, first, second = Table(80, style).lines(columns)
    assert titles == "  \x1b[2mname\x1b[0m      \x1b[2mcount\x1b[0m  \x1b[2mlast\x1b[0m"
    assert first == "  \x1b[31ma\x1b[0m             1  x"
    assert second == "  \x1b[31mlong one\x1b[0m  1,000"


def test_pieces_of_a_table_are_equally_wide():
    table = Table(80, Style(color=False, encoding="utf-8"))
    table.lines([Column("name", ["a long name"]), Column("n", ["1"], right=True)])
    assert table.lines([Column("name", ["b"]), Column("n", ["2"], right=True)], header=False) == ["  b            2"]


@pytest.mark.parametrize("name", SHADES)
def test_colours_are_read_on_black_and_on_white(name):
    """By WCAG 2: 3 to 1 is the least for large or bold letters, 4.5 for others; bold makes none of them pale."""
    assert Style(color=True, encoding="utf-8").paint("x", "bold", name) == f"\x1b[1;38;5;{SHADES[name]}mx\x1b[0m"
    cube = SHADES[name] - 16
    levels = [0, 95, 135, 175, 215, 255]
    parts = [levels[cube // 36] / 255, levels[cube // 6 % 6] / 255, levels[cube % 6] / 255]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    light = sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    assert min(1.05 / (light + 0.05), (light + 0.05) / 0.05) >= 4.3


@pytest.mark.parametrize(("width", "shown"), [
    (50, "929 half-open, 70 pending, 1 refused"), (36, "929 half-open, 70 pending, 1 refused"),
    (35, "929 half-open, 70 pending,…"), (27, "929 half-open, 70 pending,…"), (26, "929 half-open,…"),
    (10, "929 half-…"),
])  # fmt: skip
def test_of_a_list_whole_items_are_left_out(width, shown):
    assert Style(color=False, encoding="utf-8").shorten_list("929 half-open, 70 pending, 1 refused", width) == shown
