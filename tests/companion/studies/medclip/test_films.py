"""Prompts of classes, and namings of the same films set against each other."""

import pytest

from ktlib.companion.studies.medclip import films
from tests.companion.studies.medclip import tiny


def test_a_class_is_asked_for_by_its_phrases_where_it_has_some():
    exam = tiny.exam(phrases={"wall": ("a wall", "a brick wall")})
    both = [(one.names, one.templates) for one in films.groups(exam, ["wall", "disk"])]
    assert both == [([""], ("a wall", "a brick wall")), (["disk"], ("a photo of {}",))]
    bare = [(one.names, one.templates) for one in films.groups(exam, ["wall"], phrases=False)]
    assert bare == [(["wall"], ("a photo of {}",))]


def test_labels_are_those_of_the_walk():
    assert films.labels(tiny.exam()) == [0, 0, 1, 1, 1]


def test_what_could_not_be_used_is_counted_and_nothing_said_where_all_could():
    assert films.lost(tiny.exam()) == {}
    assert films.lost(tiny.exam(left_out={"JPCLN001": "cut short"})) == {"left_out": "1"}


def test_a_change_is_paired_by_film_and_one_before_serves_all_trials():
    after = {0: [1, 1, 0, 1], 1: [1, 0, 0, 1]}
    found = films.compared(after, {-1: [0, 1, 0, 1]})
    assert found.value == pytest.approx((1 + 0) / 8)
    assert found.low < found.value < found.high
    assert films.compared(after, after) == (0, 0, 0)


@pytest.mark.parametrize("before", [{0: [1, 0]}, {1: [1, 0, 1]}])
def test_other_films_are_refused(before):
    with pytest.raises(ValueError, match="expected the same 3 films before and after, found"):
        films.compared({0: [1, 1, 1]}, before)
