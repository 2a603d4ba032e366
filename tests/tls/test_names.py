"""Strings that are kept once: their numbers, and what becomes of those for which there is no room."""

import pytest

from handshake_inspect import build
from handshake_inspect.tls import names as module
from handshake_inspect.tls.names import Names

pytestmark = pytest.mark.skipif(build() == "compiled", reason="what only C calls has no Python name there")

WORDS = [b"lab.test", b"", b"h2", b"\0" * 300, b"lab.tes", b"lab.test."]


def interned(names, *words):
    return [names.intern(word, 0, len(word)) for word in words]


def test_a_string_has_one_number_however_often_it_comes():
    names = Names()
    assert interned(names, *WORDS) == [1, 2, 3, 4, 5, 6]
    assert interned(names, *reversed(WORDS)) == [6, 5, 4, 3, 2, 1]
    assert [names.text(number) for number in range(1, 7)] == WORDS
    assert (names.count, names.refused) == (6, 0)


def test_a_string_is_a_part_of_what_was_captured():
    names = Names()
    assert names.intern(b"xxlab.testyy", 2, 8) == names.intern(b"lab.test", 0, 8) == 1
    assert names.text(1) == b"lab.test"


def test_a_number_that_is_none_has_no_string():
    names = Names()
    interned(names, b"lab.test")
    assert [names.text(number) for number in (-1, 0, 2)] == [b"", b"", b""]


@pytest.mark.parametrize(("word", "value"), [(b"", 0x811C9DC5), (b"a", 0xE40C292C), (b"foobar", 0xBF9CF968)])
def test_the_place_is_that_of_a_published_function(word, value):
    """Test vectors of FNV-1a with 32 bits, folded into as many bits as there are places."""
    names = Names()
    interned(names, word)
    assert module.SLOTS == 1 << 19
    assert names.slots[(value ^ value >> 15) % module.SLOTS] == 1


def test_strings_that_were_made_to_collide_are_counted(monkeypatch):
    monkeypatch.setattr(module, "PRIME", 0)
    monkeypatch.setattr(module, "MAX_PROBES", 3)
    names = Names()
    assert interned(names, b"a", b"b", b"c", b"d", b"e", b"a", b"c") == [1, 2, 3, 0, 0, 1, 3]
    assert names.refused == 2


def test_no_more_strings_than_there_is_room_for(monkeypatch):
    monkeypatch.setattr(module, "MAX_STRINGS", 3)
    names = Names()
    assert interned(names, b"a", b"b", b"c", b"d", b"a") == [1, 2, 3, 0, 1]
    assert (names.count, names.refused) == (3, 1)


def test_no_more_bytes_than_there_is_room_for(monkeypatch):
    monkeypatch.setattr(module, "ARENA", 10)
    names = Names()
    assert interned(names, b"four", b"another", b"and six", b"sixsix", b"x", b"") == [1, 0, 0, 2, 0, 3]
    assert names.refused == 3
    assert names.text(2) == b"sixsix"


def test_the_room_is_for_a_quarter_of_a_million_strings_of_64_bytes():
    """And the index stays at most half full, so that runs are short."""
    assert (module.MAX_STRINGS, module.ARENA // module.MAX_STRINGS, module.SLOTS // module.MAX_STRINGS) == (
        262_144,
        64,
        2,
    )
