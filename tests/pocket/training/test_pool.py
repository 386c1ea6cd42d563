"""What the pocket ViLT is trained on: pictures, captions that are true of them, and captions that are not."""

from random import Random

import pytest
import torch

from ktlib.pocket import flickr, world
from ktlib.pocket.objects import OBJECTS
from ktlib.pocket.training import pool as pools


@pytest.fixture(scope="module")
def pool():
    return pools.draw(300, scenes=0.25, seed=0)


def test_a_pool_is_scenes_first_and_then_what_the_clip_of_the_fold_sees(pool):
    assert pool.images.shape == (300, 3, 64, 64) and pool.images.dtype == torch.uint8
    assert [len(told) for told in pool.captions] == [5] * 75 + [1] * 225
    seen = world.Stream(world.pool(281), flickr.FOLD, 0)
    for position in (0, 80):
        index, caption = seen.shown(position)
        assert pool.captions[75 + position] == (caption,)
        assert torch.equal(pool.images[75 + position].permute(1, 2, 0), seen.pool.images[index])
        shown = seen.pool.drawn[index]
        assert pool.subjects[75 + position] in (shown.subject, shown.kind, *flickr.FOLD.held_out)


def test_what_the_fold_holds_out_is_heard_of_and_never_shown():
    heard = pools.draw(300, scenes=0.25, seed=0, familiarity=60.0)  # names in one caption of two
    everything = world.pool(281)
    never = {everything.images[i].numpy().tobytes() for i in set(range(281)) - set(everything.of(flickr.FOLD))}
    assert len(never) > 20
    assert not {image.permute(1, 2, 0).contiguous().numpy().tobytes() for image in heard.images} & never
    held_out = [i for i, subject in enumerate(heard.subjects) if subject in flickr.FOLD.held_out]
    assert len(held_out) > 50
    assert all(len(heard.captions[i][0].split()) <= 5 for i in held_out)  # a bare name


def test_a_pool_may_begin_later():
    assert not torch.equal(pools.draw(8, scenes=0.5, seed=0).images, pools.draw(8, scenes=0.5, seed=0, first=9).images)


def test_subjects_are_objects_scenes_and_kinds(pool):
    assert set(pool.subjects) <= {"scene", *OBJECTS, *(kind.__name__ for kind in world.KINDS)}


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
