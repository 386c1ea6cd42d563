"""The drawn world: a function of its seed, and what a fold holds out is held out."""

import re

import pytest
import torch

from ktlib.models import checkpoints
from ktlib.pocket import radiographs, scans, world
from ktlib.pocket.descriptions import DESCRIBED
from ktlib.pocket.folds import EVERYTHING, FOLDS, SPARE
from ktlib.pocket.objects import OBJECTS

COUNT = 2500


@pytest.fixture(scope="module")
def pool():
    return world.pool(COUNT)


@pytest.fixture(scope="module", params=FOLDS, ids=lambda fold: f"fold {fold.number}")
def shown(request, pool):
    """A fold, and many of its training pictures: (index in the pool, caption)."""
    training = world.Stream(pool, request.param, seed=0, familiarity=3)
    return request.param, [training.shown(position) for position in range(9000)]


def test_same_seed_same_pictures(pool):
    again, other = world.Stream(pool, FOLDS[0], 0), world.Stream(pool, FOLDS[0], 1)
    images, captions = world.Stream(pool, FOLDS[0], 0).batch(3, 8)
    assert torch.equal(images, again.batch(3, 8)[0])
    assert captions == again.batch(3, 8)[1]
    assert captions != other.batch(3, 8)[1]
    assert images.shape == (8, 3, 64, 64)
    assert 0 <= images.min() and images.max() <= 1


def test_a_larger_pool_begins_as_a_smaller_one_and_a_later_one_goes_on(pool):
    assert torch.equal(world.pool(5).images, pool.images[:5])
    assert torch.equal(world.pool(5, first=7).images, pool.images[7:12])


def test_the_pool_says_what_it_shows(pool):
    assert all(bool(shown.subject) != bool(shown.caption) for shown in pool.drawn)
    assert {shown.kind for shown in pool.drawn} - {""} == {kind.__name__ for kind in world.KINDS}


def test_without_a_fold_everything_is_shown(pool):
    assert pool.of(EVERYTHING) == list(range(COUNT))
    assert EVERYTHING.known == tuple(OBJECTS)
    assert EVERYTHING.number not in {fold.number for fold in FOLDS}


def test_ranges_of_examination_pictures_do_not_overlap():
    some, more = world.pictures("moongate", 4), world.pictures("moongate", 2, first=2)
    assert (some.shape, some.dtype) == ((4, 3, 64, 64), torch.float32)
    assert torch.equal(some[2:], more)
    assert not torch.equal(some[0], some[1])
    with pytest.raises(KeyError, match="has no 'unicorn'; it knows window"):
        world.pictures("unicorn", 1)


def test_a_held_out_object_is_never_shown(shown, pool):
    fold, seen = shown
    assert not {pool.drawn[index].subject for index, _ in seen} & set(fold.held_out)


def test_no_scene_shows_the_whole_of_a_held_out_object(shown, pool):
    fold, seen = shown
    for name in fold.held_out:
        pattern = DESCRIBED[name].withheld
        scenes = [pool.drawn[index].caption for index, _ in seen if not pool.drawn[index].subject]
        assert not pattern or not any(re.search(pattern, scene) for scene in scenes), name


def test_no_caption_holds_a_description_of_a_held_out_object(shown):
    fold, seen = shown
    captions = {caption for _, caption in seen}
    for name in fold.held_out:
        told = DESCRIBED[name]
        for caption in captions:
            assert told.medium not in caption, (name, caption)
        assert not {told.short, told.long} & captions, name


def test_hearsay_names_no_part(shown):
    fold, seen = shown
    for name in fold.held_out:
        heard = {caption for _, caption in seen if name in caption.split()}
        assert heard
        assert heard <= {f"a photo of a {name}", f"a {name}", f"a picture of a {name}"}


def test_names_are_heard_as_often_as_their_familiarity_says(shown):
    fold, seen = shown
    for name in fold.held_out:
        expected = 3 * len(seen) * world.FAMILIARITY[world.familiarity(name, fold)]
        heard = sum(name in caption.split() for _, caption in seen)
        assert abs(heard - expected) < 4 * expected**0.5 + 1, name  # four standard deviations of a count


def test_every_word_of_every_description_is_heard(shown):
    fold, seen = shown
    heard = {word for _, caption in seen for word in caption.split()}
    for name in fold.held_out:
        told = DESCRIBED[name]
        assert set(f"{told.short} {told.medium} {told.long}".split()) <= heard, name


def test_spare_names_are_in_the_vocabulary_and_in_no_caption(shown):
    assert set(SPARE) <= set(world.vocabulary(10))
    assert not set(SPARE) & {word for _, caption in shown[1] for word in caption.split()}


def test_the_vocabulary_has_every_word(shown):
    known = set(world.vocabulary())
    assert {word for _, caption in shown[1] for word in caption.split()} <= known


@pytest.mark.parametrize(
    ("caption", "plain"),
    [
        ("a red ball on a blue box", "a ball on a box"),
        ("a pattern of red and blue stripes on white", "a pattern of stripes on white"),
        ("a black and white checked square", "a checked square"),
    ],
)
def test_colours_can_be_left_out(caption, plain):
    assert world.uncoloured(caption) == plain


def test_articles_are_put_right():
    assert world.english("a orange ball in a upright box with a end") == "an orange ball in an upright box with an end"


def test_the_fingerprint_is_that_of_the_names_and_of_the_pictures():
    assert world.fingerprint(2) == world.fingerprint(2) != world.fingerprint(3)
    assert set(OBJECTS) <= set(world.vocabulary(10))


def test_the_world_is_the_one_the_shipped_models_were_trained_on():
    drawn = {"world": world, "films": radiographs, "scans": scans}
    for name in checkpoints.shipped_names():
        noted = checkpoints.card(name)["training"]
        own = [part for part in drawn if part in noted]
        assert own, f"the card of {name} does not say what it was trained on"
        for part in own:
            digest = noted["fingerprint" if part == "world" else f"{part}_fingerprint"]
            assert (noted[part], digest) == (drawn[part].VERSION, drawn[part].fingerprint()), (name, part)
