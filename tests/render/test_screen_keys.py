"""Keys: from bytes to names, and from names to what is shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.snapshots import troubled

from handshake_inspect.render.screen.keys import KeyDecoder
from handshake_inspect.render.screen.view import LONGEST_FILTER, SORTS, View

TROUBLE = troubled().trouble
NAMES = ["up", "down", "page-up", "page-down", "home", "end", "enter", "escape", "backspace", "clear", "redraw", "tab",
         "resized", *"qpsf/jkgGh? x8:é"]  # fmt: skip


@pytest.mark.parametrize(
    ("octets", "keys"),
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
def test_octets_are_keys_however_they_come(octets, keys):
    assert KeyDecoder().feed(octets) == keys
    slowly = KeyDecoder()
    assert [key for octet in octets for key in slowly.feed(bytes([octet]))] == keys


def test_only_time_tells_an_escape_from_a_sequence():
    decoder = KeyDecoder()
    assert decoder.feed(b"\x1b") == []
    assert decoder.waiting
    assert decoder.expire() == ["escape"]
    assert not decoder.waiting
    assert decoder.feed(b"\x1b[") == []
    assert decoder.expire() == []


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_any_octets_are_keys_or_nothing(pieces):
    decoder = KeyDecoder()
    for piece in pieces:
        for key in decoder.feed(piece):
            assert key
    assert len(decoder._rest) < 16


def view_after(keys, trouble=TROUBLE, view=None):
    view = view or View()
    for key in keys:
        view.press(key, trouble)
    return view


def test_quit_and_pause():
    assert view_after("q").quitting
    assert view_after("p").paused
    assert not view_after("pp").paused


def test_sorts_go_round():
    view = View()
    seen = []
    for _ in SORTS:
        view.press("s", [])
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
    assert len(View(filter=typed).trouble(TROUBLE)) == kept


def test_the_filter_lets_services_through_by_what_became_of_their_connections():
    kept = View(filter="half-open").services(troubled().services)
    assert [service.server.port for service in kept] == [80]


def test_choosing_goes_down_and_up_and_back_to_the_newest():
    assert view_after("jj").selected == TROUBLE[1].id
    assert view_after("jjk").selected == TROUBLE[0].id
    assert view_after("jk").selected is None
    assert view_after("G").selected == TROUBLE[-1].id
    assert view_after("Gj").selected == TROUBLE[-1].id
    assert view_after("Gg").selected is None
    assert view_after(["down", "escape"]).selected is None


def test_the_choice_stays_with_its_connection():
    view = view_after("jjj")
    assert view.chosen(TROUBLE[1:]) == 1
    assert view.chosen([*TROUBLE[:2], *TROUBLE[3:]]) == 2  # gone: its place
    assert view.chosen(TROUBLE[:1]) == 0
    assert view.chosen([]) is None


def test_enter_shows_the_chosen_one_or_the_newest_and_escape_leaves():
    assert view_after(["enter"]).shown == TROUBLE[0]
    view = view_after(["j", "j", "enter", "j", "j"])
    assert (view.shown, view.mode, view.scroll) == (TROUBLE[1], "detail", 2)
    view = view_after(["escape"], view=view)
    assert (view.shown, view.mode, view.selected) == (None, "overview", TROUBLE[1].id)
    assert view_after(["enter"], trouble=[]).mode == "overview"


def test_help_goes_back_to_where_it_was_asked_for():
    view = view_after(["enter", "?"])
    assert (view.mode, view.shown) == ("help", TROUBLE[0])
    assert view_after(["escape"], view=view).mode == "detail"
    assert view_after(["?", "?"]).mode == "overview"


def test_escape_drops_the_choice_before_the_filter():
    view = view_after(["f", "8", "enter", "j", "escape"])
    assert (view.selected, view.filter) == (None, "8")
    assert view_after(["escape"], view=view).filter == ""


@given(st.lists(st.sampled_from(NAMES), max_size=60), st.integers(0, 5))
def test_no_keys_break_anything(keys, length):
    view = view_after(keys, trouble=TROUBLE[:length])
    assert view.mode in ("overview", "filter", "detail", "help")
    assert view.mode != "detail" or view.shown is not None
    assert view.mode != "overview" or view.shown is None
    assert view.scroll >= 0
