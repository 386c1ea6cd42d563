"""Checks say right or not yet, and why; nothing that a reader writes stops a notebook."""

import pytest
import torch

from ktlib.companion import exercises
from ktlib.companion.exercises import kinds


def test_no_answer_is_no_answer():
    for answer in (None, ..., lambda images: None):
        assert exercises.sheet("00")("ex1", answer) == exercises.Checked(False, "**Not answered yet.**")


def test_a_wrong_function_is_told_the_case_that_fails():
    said = exercises.sheet("00")("ex1", lambda images: images.sum() * 0)
    assert said.said == "**Not yet.** Tried with one step from dark to light: expected 5.464, found 0."
    assert not said.passed


def test_a_function_that_breaks_is_told_in_its_own_words():
    said = exercises.sheet("00")("ex1", lambda images: 1 / 0)
    assert said == exercises.Checked(False, "**Not yet.** It stopped with ZeroDivisionError: division by zero")


def test_another_shape_and_other_things_than_functions_are_named():
    check = exercises.sheet("06")
    assert "expected the shape (20, 2), found (20, 3)" in check("ex1", lambda source, target: source).said
    assert check("ex1", 3).said == "**Not yet.** Expected a function, found int."


def test_a_letter_is_read_in_either_case_and_a_wrong_one_is_told_why():
    case = kinds.chosen("b", {"a": "too small"})
    assert exercises.judge(case, " B ").passed
    assert exercises.judge(case, "a").said == "**Not yet.** too small"
    assert exercises.judge(case, "q").said == "**Not yet.** Expected one of the letters a, b, found 'q'."


def test_an_answer_that_writes_into_its_arguments_spoils_no_case():
    case = kinds.agrees(lambda x: x + 1, ("ones", (torch.ones(2),)))
    assert exercises.judge(case, lambda x: x.add_(1)).passed
    assert exercises.judge(case, lambda x: x + 1).passed


def test_common_mistakes_do_not_pass():
    total_variation = exercises.sheet("00")
    assert not total_variation("ex1", lambda x: (x[..., 1:] - x[..., :-1]).norm()).passed
    nt_xent = exercises.sheet("01")
    clip = lambda i, t, temperature: torch.nn.functional.cross_entropy(i @ t.T / temperature, torch.arange(len(i)))  # noqa: E731
    assert not nt_xent("ex1", clip).passed
    no_bias = lambda x, y: x @ torch.linalg.lstsq(x, y).solution  # noqa: E731
    assert not exercises.sheet("06")("ex1", no_bias).passed


def test_there_is_no_sheet_of_a_notebook_without_exercises_and_no_check_of_others():
    with pytest.raises(ValueError, match="expected a notebook with exercises"):
        exercises.sheet("99")
    with pytest.raises(ValueError, match="expected an exercise of notebook 00"):
        exercises.sheet("00")("ex99", 1)


def test_an_answer_that_empties_a_list_spoils_no_case():
    case = kinds.agrees(max, ("two numbers", ([1, 2],)))

    def empties(numbers):
        numbers.clear()
        return 2

    assert not case(empties)
    assert not case(max)


def test_an_answer_that_leaves_python_or_cannot_say_what_is_wrong_stops_nothing():
    class WordlessError(Exception):
        def __str__(self):
            raise TypeError

    def wordless(images):
        raise WordlessError

    def leaves(images):
        raise SystemExit(3)

    check = exercises.sheet("00")
    assert check("ex1", leaves).said == "**Not yet.** It stopped with SystemExit: 3"
    assert check("ex1", wordless).said == "**Not yet.** It stopped with WordlessError: it does not say why"
