"""Advice in steps: steps that the host's settings show as done are left out."""

import pytest

from handshake_inspect.verdicts.advice_steps import Step, remaining_steps, sentence

STEPS = (
    Step("have cookies on", "tcp_syncookies", lambda mode: mode >= 1),
    Step("raise the backlog"),
    Step("lower the retries", "tcp_synack_retries", lambda most: most <= 2),
)


@pytest.mark.parametrize(
    ("settings", "texts"),
    [
        ({}, ["have cookies on", "raise the backlog", "lower the retries"]),
        ({"tcp_syncookies": 0}, ["have cookies on", "raise the backlog", "lower the retries"]),
        ({"tcp_syncookies": 1}, ["raise the backlog", "lower the retries"]),
        ({"tcp_syncookies": 2, "tcp_synack_retries": 1}, ["raise the backlog"]),
    ],
)
def test_steps_that_are_taken_are_left_out(settings, texts):
    assert [step.text for step in remaining_steps(STEPS, settings)] == texts


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_sentence_has_each_step_in_order_and_a_full_stop(count):
    text = sentence(STEPS[:count])
    places = [text.lower().index(step.text) for step in STEPS[:count]]
    assert places == sorted(places)
    assert text[0].isupper()
    assert text.endswith(".")
