"""Forty-eight objects, each rare once, each described without a name."""

import re

import pytest

from ktlib.pocket import world
from ktlib.pocket.descriptions import DESCRIBED
from ktlib.pocket.draw import COLOURS
from ktlib.pocket.folds import FOLDS, SPARE
from ktlib.pocket.objects import FIXED, OBJECTS


def test_every_object_is_rare_in_exactly_one_fold():
    held_out = [name for fold in FOLDS for name in fold.held_out]
    assert sorted(held_out) == sorted(OBJECTS)
    assert [len(fold.known) for fold in FOLDS] == [36] * 4


def test_a_quarter_is_for_validation_and_at_least_thirty_are_for_verdicts():
    assert sum(len(fold.validation) for fold in FOLDS) == 12
    assert sum(len(fold.test) for fold in FOLDS) == 36
    for fold in FOLDS:
        assert sorted(fold.validation + fold.test) == sorted(fold.held_out)


@pytest.mark.parametrize("fold", FOLDS, ids=lambda fold: f"fold {fold.number}")
def test_look_alikes_stay_known(fold):
    for name in fold.held_out:
        assert len(DESCRIBED[name].look_alikes) == 3
        assert set(DESCRIBED[name].look_alikes) <= set(fold.known), name


@pytest.mark.parametrize("fold", FOLDS, ids=lambda fold: f"fold {fold.number}")
def test_every_fold_has_patterns_and_objects(fold):
    assert 2 <= sum(DESCRIBED[name].kind == "pattern" for name in fold.held_out) <= 3


def test_descriptions_grow_in_length_and_hold_no_name_and_no_spare_name():
    names = set(OBJECTS) | set(SPARE)
    for name, told in DESCRIBED.items():
        lengths = [len(text.split()) for text in (told.short, told.medium, told.long)]
        assert lengths[0] < lengths[1] < lengths[2] <= 27, name  # `a NAME is`, start and end make 32 tokens
        assert not names & set(f"{told.short} {told.medium} {told.long}".split()), name


def test_no_two_objects_share_a_description():
    texts = [text for told in DESCRIBED.values() for text in (told.short, told.medium, told.long)]
    assert len(set(texts)) == len(texts)


def test_descriptions_and_objects_are_the_same_forty_eight():
    assert list(DESCRIBED) == list(OBJECTS)
    assert len(OBJECTS) == 48
    assert set(FIXED) <= set(OBJECTS)


def test_patterns_compile_and_an_unknown_name_is_refused():
    for told in DESCRIBED.values():
        re.compile(told.withheld)


def test_every_object_draws_in_every_colour_it_may_take():
    for name, thing in OBJECTS.items():
        assert thing.parts.format(**thing.colours(world.stream(name)))
        for options in thing.palette.values():
            assert set(options) <= set(COLOURS)
        assert world.pictures(name, 1).std() > 0.01, "an empty picture"
