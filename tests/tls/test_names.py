"""Interned strings: their numbers, and what happens to those that do not fit."""

import pytest

from handshake_inspect import build
from handshake_inspect.tls import names as module
from handshake_inspect.tls.names import Names

pytestmark = pytest.mark.skipif(build() == "compiled", reason="what only C calls has no Python name there")

WORDS = [b"lab.test", b"", b"h2", b"\0" * 300, b"lab.tes", b"lab.test."]


def interned(names, *words):
    return [names.intern(word, 0, len(word)) for word in words]


def test_equal_strings_have_one_number():
    names = Names()
    assert interned(names, *WORDS) == [1, 2, 3, 4, 5, 6]
    assert interned(names, *reversed(WORDS)) == [6, 5, 4, 3, 2, 1]
    assert [names.text(number) for number in range(1, 7)] == WORDS
    assert (names.count, names.refused) == (6, 0)


def test_a_string_is_a_range_of_a_buffer():
    names = Names()
    assert names.intern(b"xxlab.testyy", 2, 8) == names.intern(b"lab.test", 0, 8) == 1
    assert names.text(1) == b"lab.test"


def test_an_invalid_number_has_no_string():
    names = Names()
    interned(names, b"lab.test")
    assert [names.text(number) for number in (-1, 0, 2)] == [b"", b"", b""]


@pytest.mark.parametrize(("word", "value"), [(b"", 0x811C9DC5), (b"a", 0xE40C292C), (b"foobar", 0xBF9CF968)])
def test_the_hash_is_fnv_1a(word, value):
    """Test vectors of 32-bit FNV-1a, folded to the number of slots."""
    names = Names()
    interned(names, word)
    assert module.SLOTS == 1 << 19
    assert names.slots[(value ^ value >> 15) % module.SLOTS] == 1


def test_deliberate_collisions_are_counted(monkeypatch):
    monkeypatch.setattr(module, "PRIME", 0)
    monkeypatch.setattr(module, "MAX_PROBES", 3)
    names = Names()
    assert interned(names, b"a", b"b", b"c", b"d", b"e", b"a", b"c") == [1, 2, 3, 0, 0, 1, 3]
    assert names.refused == 2


def test_the_number_of_strings_is_limited(monkeypatch):
    monkeypatch.setattr(module, "MAX_STRINGS", 3)
    names = Names()
    assert interned(names, b"a", b"b", b"c", b"d", b"a") == [1, 2, 3, 0, 1]
    assert (names.count, names.refused) == (3, 1)


def test_the_number_of_bytes_is_limited(monkeypatch):
    monkeypatch.setattr(module, "ARENA", 10)
    names = Names()
    assert interned(names, b"four", b"another", b"and six", b"sixsix", b"x", b"") == [1, 0, 0, 2, 0, 3]
    assert names.refused == 3
    assert names.text(2) == b"sixsix"


def test_there_is_room_for_262144_strings_of_64_bytes():
    """The index stays at most half full, so that probe sequences are short."""
    assert (module.MAX_STRINGS, module.ARENA // module.MAX_STRINGS, module.SLOTS // module.MAX_STRINGS) == (
        262_144,
        64,
        2,
    )
