"""Memoized functions run once per subject."""

from dataclasses import dataclass, field

from handshake_inspect.verdicts.memo import once


@dataclass
class Subject:
    memo: dict = field(default_factory=dict)
    asked: int = 0


@once
def answer(subject):
    """What is asked."""
    subject.asked += 1
    return subject.asked


def test_each_subject_is_asked_once():
    one, other = Subject(), Subject()
    assert [answer(one), answer(one), answer(other), answer(one)] == [1, 1, 1, 1]
    assert (one.asked, other.asked) == (1, 1)


def test_functions_of_one_name_are_distinguished():
    @once
    def answer(subject):
        return "another"

    subject = Subject()
    assert answer(subject) == "another"
    assert globals()["answer"](subject) == 1
    assert answer.__name__ == "answer"
