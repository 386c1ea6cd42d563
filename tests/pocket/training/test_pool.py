"""What the pocket ViLT is trained on: pictures, captions that are true of them, and captions that are not."""

from random import Random

import pytest
import torch

from ktlib.pocket import world
from ktlib.pocket.rare import RARE
from ktlib.pocket.training import pool as pools


@pytest.fixture(scope="module")
def pool():
    return pools.draw(300, scenes=0.25, seed=0)


def test_a_pool_is_scenes_first_and_then_what_the_clips_saw(pool):
    assert pool.images.shape == (300, 3, 64, 64) and pool.images.dtype == torch.uint8
    assert [len(told) for told in pool.captions] == [5] * 75 + [1] * 225
    shown = world.training_scene(0, 80)
    assert (pool.captions[80], pool.subjects[80]) == ((shown.caption,), shown.subject)
    assert torch.equal(pool.images[80] / 255, world.to_tensor([shown.image])[0])


def test_no_rare_concept_is_ever_drawn_for_training(monkeypatch):
    for concept in RARE.values():
        monkeypatch.setitem(vars(concept), "paint", None)
    heard = pools.draw(60, scenes=0.25, seed=0, familiarity=300.0)  # names in one caption of three, and no `paint`
    assert set(RARE) & set(heard.subjects)


def test_a_changed_caption_differs_in_one_word_of_the_same_kind(pool):
    change = pools.Changes(pool.captions)
    seen = set()
    for number in range(400):
        rng = Random(number)
        told = rng.choice(pool.captions)[0]
        other = change(told, rng)
        if other is None:
            continue
        pairs = [(a, b) for a, b in zip(told.split(), other.split(), strict=True) if a != b and {a, b} != {"a", "an"}]
        assert len(pairs) == 1, (told, other)
        (old, new) = pairs[0]
        group = change.of[old]
        assert new in group
        seen.add(group)
    assert len(seen) >= 5  # colours, shapes, names, numbers, sides


def test_a_batch_is_a_function_of_its_number(pool):
    one, other = (pools.Batches(pool, 8, 0) for _ in range(2))
    images, true, false = one(3)
    again = other(3)
    assert torch.equal(images, again[0]) and (true, false) == again[1:]
    assert other(4)[1] != true
    assert images.shape == (8, 3, 64, 64) and images.max() <= 1
    assert all(a != b for a, b in zip(true, false, strict=True))


def test_a_false_caption_of_a_known_thing_never_merely_says_less_of_it(pool):
    batches = pools.Batches(pool, 64, 0)
    for index in range(10):
        _, true, false = batches(index)
        for a, b in zip(true, false, strict=True):
            assert not set(b.split()) <= set(a.split()) or len(set(a.split()) ^ set(b.split())) <= 2, (a, b)
