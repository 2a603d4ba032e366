"""Keys: from bytes to names, and from names to what is shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.snapshots import troubled

from handshake_inspect.render.screen.keys import KeyDecoder
from handshake_inspect.render.screen.lists import Row, about_connection
from handshake_inspect.render.screen.view import LONGEST_FILTER, SORTS, View

TROUBLE = troubled().trouble
NAMES = ["up", "down", "page-up", "page-down", "home", "end", "enter", "escape", "backspace", "clear", "redraw", "tab",
         "resized", *"qpsf/jkgGh? x8:é"]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        (b"q", ["q"]),
        (b"pjk", ["p", "j", "k"]),
        (b"\r", ["enter"]),
        (b"\n", ["enter"]),
        (b"\x1b[A\x1bOB", ["up", "down"]),
        (b"\x1b[5~\x1b[6~\x1b[H\x1b[F", ["page-up", "page-down", "home", "end"]),
        (b"\x7f\x08\x15", ["backspace", "backspace", "clear"]),
        (b"\x1b[1;5A\x1b[200~q", ["q"]),
        (b"\x1bxq", ["q"]),
        ("é→".encode(), ["é", "→"]),
        (b"\xff\x80q", ["q"]),
        (b"\x1b\x1b[A", ["escape", "up"]),
        (b"\x00\x01q", ["q"]),
    ],
)
def test_bytes_are_keys_however_they_come(data, keys):
    assert KeyDecoder().feed(data) == keys
    slowly = KeyDecoder()
    assert [key for byte in data for key in slowly.feed(bytes([byte]))] == keys


def test_only_time_distinguishes_an_escape_from_a_sequence():
    decoder = KeyDecoder()
    assert decoder.feed(b"\x1b") == []
    assert decoder.waiting
    assert decoder.expire() == ["escape"]
    assert not decoder.waiting
    assert decoder.feed(b"\x1b[") == []
    assert decoder.expire() == []


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_any_bytes_are_keys_or_nothing(pieces):
    decoder = KeyDecoder()
    for piece in pieces:
        for key in decoder.feed(piece):
            assert key
    assert len(decoder._rest) < 16


def view_after(keys, trouble=TROUBLE, view=None):
    """What keys lead to, with these connections as the list that is shown."""
    view = view or View()
    for key in keys:
        rows = [Row(each) for each in trouble]
        view.press(key, {"trouble": rows, "connections": rows[:2], "findings": []})
    return view


def chosen(view):
    """The id of the chosen connection."""
    key = view.selected.get("trouble")
    return None if key is None else key[1]


def test_quit_and_pause():
    assert view_after("q").quitting
    assert view_after("p").paused
    assert not view_after("pp").paused


def test_sorts_go_round():
    view = View()
    seen = []
    for _ in SORTS:
        view.press("s", {"trouble": [], "connections": [], "findings": []})
        seen.append(view.sort)
    assert seen == [*SORTS[1:], SORTS[0]]


def test_what_is_typed_into_the_filter_is_no_command():
    view = view_after(["f", *"qps?"])
    assert (view.filter, view.quitting, view.paused, view.mode) == ("qps?", False, False, "filter")
    view = view_after(["backspace", "backspace", "enter"], view=view)
    assert (view.filter, view.mode) == ("qp", "overview")
    view = view_after(["f", "escape"], view=view)
    assert view.filter == ""
    assert len(view_after(["f", *"x" * 500]).filter) == LONGEST_FILTER


@pytest.mark.parametrize(
    ("typed", "kept"),
    [("8080", 3), ("refused", 4), ("REFUSED 8080", 3), ("2001:db8", 1), ("accept-queue", 3), ("nothing like it", 0)],
)
def test_the_filter_matches_address_port_and_outcome(typed, kept):
    assert sum(about_connection(each, View(filter=typed).words) for each in TROUBLE) == kept


def test_the_filter_lets_services_through_by_what_became_of_their_connections():
    kept = View(filter="half-open").services(troubled().services)
    assert [service.server.port for service in kept] == [80]


def test_choosing_goes_down_and_up_and_back_to_the_newest():
    assert chosen(view_after("jj")) == TROUBLE[1].id
    assert chosen(view_after("jjk")) == TROUBLE[0].id
    assert chosen(view_after("jk")) is None
    assert chosen(view_after("G")) == TROUBLE[-1].id
    assert chosen(view_after("Gj")) == TROUBLE[-1].id
    assert chosen(view_after("Gg")) is None
    assert chosen(view_after(["down", "escape"])) is None


def test_the_choice_stays_with_its_connection():
    view, rows = view_after("jjj"), [Row(each) for each in TROUBLE]
    assert view.chosen("trouble", rows[1:]) == 1
    assert view.chosen("trouble", [*rows[:2], *rows[3:]]) == 2  # gone: its place
    assert view.chosen("trouble", rows[:1]) == 0
    assert view.chosen("trouble", []) is None


def test_tab_goes_round_the_lists_and_each_keeps_its_choice():
    view = view_after(["j", "tab", "j", "j", "tab", "j", "tab"])
    assert view.panel == "trouble"
    assert view.selected == {"trouble": ("connection", TROUBLE[0].id), "connections": ("connection", TROUBLE[1].id)}
    nothing = {"trouble": [], "connections": [], "findings": []}
    assert View().focus(nothing) == "trouble"
    assert View().focus(nothing | {"connections": [Row(TROUBLE[0])]}) == "connections"


@pytest.mark.parametrize(
    ("typed", "is_expression"),
    [
        ("10.0.0.2:443", False), ("[2001:db8::1]:443", False), ("refused closed-port", False), ("nginx", False),
        ("outcome == refused", True), ("server.port in {80, 443}", True), ("not established", True),
        ("a and b", True), ("orange", False), ("rtt.total > 1s", True), ("outcome eq foo", True),
    ],
)  # fmt: skip
def test_an_expression_has_signs_that_words_have_not(typed, is_expression):
    assert View(filter=typed).is_expression == is_expression
    assert bool(View(filter=typed).words) != is_expression


def test_enter_shows_the_chosen_one_or_the_newest_and_escape_leaves():
    assert view_after(["enter"]).shown == TROUBLE[0]
    view = view_after(["j", "j", "enter", "j", "j"])
    assert (view.shown, view.mode, view.scroll) == (TROUBLE[1], "detail", 2)
    view = view_after(["escape"], view=view)
    assert (view.shown, view.mode, chosen(view)) == (None, "overview", TROUBLE[1].id)
    assert view_after(["enter"], trouble=[]).mode == "overview"


def test_help_goes_back_to_where_it_was_asked_for():
    view = view_after(["enter", "?"])
    assert (view.mode, view.shown) == ("help", TROUBLE[0])
    assert view_after(["escape"], view=view).mode == "detail"
    assert view_after(["?", "?"]).mode == "overview"


def test_escape_drops_the_choice_before_the_filter():
    view = view_after(["f", "8", "enter", "j", "escape"])
    assert (chosen(view), view.filter) == (None, "8")
    assert view_after(["escape"], view=view).filter == ""


@given(st.lists(st.sampled_from(NAMES), max_size=60), st.integers(0, 5))
def test_no_keys_break_anything(keys, length):
    view = view_after(keys, trouble=TROUBLE[:length])
    assert view.mode in ("overview", "filter", "detail", "help")
    assert view.mode != "detail" or view.shown is not None
    assert view.mode != "overview" or view.shown is None
    assert view.scroll >= 0
