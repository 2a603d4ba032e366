"""Tables and paragraphs as wide as they may be."""

from textwrap import wrap

from hypothesis import given
from hypothesis import strategies as st

from handshake_inspect.render.layout import Column, Style, Table, paragraph

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
