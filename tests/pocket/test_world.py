"""The drawn world: a function of its seed, and what is held out is held out."""

import pytest
import torch

from ktlib.models import checkpoints
from ktlib.pocket import scenes, stream, world
from ktlib.pocket.draw import COLOURS
from ktlib.pocket.known import KNOWN
from ktlib.pocket.rare import FAMILIARITY, RARE
from ktlib.pocket.training import folds

MANY = 4000


@pytest.fixture(scope="module")
def captions():
    return [world.training_picture(0, i, familiarity=5).caption for i in range(MANY)]


def test_same_seed_same_pictures():
    first, again, other = (world.training_picture(s, 7) for s in (0, 0, 1))
    assert first.image.tobytes() == again.image.tobytes()
    assert first.caption == again.caption
    assert first.image.tobytes() != other.image.tobytes()


def test_pictures_are_floats_in_the_unit_cube_and_ranges_do_not_overlap():
    some, more = world.pictures("moongate", 4), world.pictures("moongate", 2, first=2)
    assert some.shape == (4, 3, 64, 64)
    assert some.dtype == torch.float32
    assert 0 <= some.min() and some.max() <= 1
    assert torch.equal(some[2:], more)
    assert not torch.equal(some[0], some[1])


def test_an_unknown_name_is_refused():
    with pytest.raises(KeyError, match="has no 'unicorn'; it knows window"):
        world.pictures("unicorn", 1)


def test_rare_concepts_are_never_drawn_for_training(monkeypatch):
    """The function that paints a rare concept is not even called."""
    from dataclasses import replace

    def forbidden(rng):
        raise AssertionError("a rare concept was drawn")

    monkeypatch.setattr(world, "RARE", {name: replace(c, paint=forbidden) for name, c in RARE.items()})
    for index in range(300):
        world.training_picture(3, index, familiarity=20)


@pytest.mark.parametrize(
    "held_out",
    ["round opening in a brick", "brown squares with a", "green and purple diamonds", "purple and green diamonds"],
)
def test_the_whole_of_a_concept_is_held_out_of_the_scenes(held_out):
    for index in range(MANY):
        rng = world.stream("scene", index)
        assert held_out not in scenes.scene(rng).caption


def test_every_word_of_every_description_occurs_in_training(captions):
    heard = {word for caption in captions for word in caption.split()}
    for concept in RARE.values():
        for text in (concept.short, concept.medium, concept.long):
            assert set(text.split()) <= heard, text


def test_descriptions_do_not_contain_the_name_and_grow_in_length():
    for name, concept in RARE.items():
        assert name not in concept.long.split()
        assert len(concept.short.split()) < len(concept.medium.split()) < len(concept.long.split())


def test_names_are_heard_as_often_as_their_familiarity_says(captions):
    for name, concept in RARE.items():
        expected = MANY * 5 * FAMILIARITY[concept.familiarity]
        heard = sum(name in caption.split() for caption in captions)
        assert abs(heard - expected) < 4 * expected**0.5 + 1, name  # four standard deviations of a count


def test_validation_and_test_concepts_are_balanced():
    test = [c for c in RARE.values() if c.split == "test"]
    assert (len(RARE), len(test)) == (9, 6)
    assert {"moongate", "tonometer", "gyroscope"} <= {n for n, c in RARE.items() if c.split == "test"}
    for split in ("validation", "test"):
        assert {c.familiarity for c in RARE.values() if c.split == split} == set(FAMILIARITY)
        assert {c.kind for c in RARE.values() if c.split == split} == {"object", "pattern"}


def test_look_alikes_are_known_objects():
    for concept in RARE.values():
        assert len(concept.look_alikes) >= 3
        assert set(concept.look_alikes) <= set(KNOWN)


def test_every_known_object_draws_in_every_colour_it_may_take():
    for name, thing in KNOWN.items():
        assert thing.parts.format(**thing.colours(world.stream(name)))
        for options in thing.palette.values():
            assert set(options) <= set(COLOURS)
        assert world.pictures(name, 1).std() > 0.01, "an empty picture"


def test_articles_are_put_right():
    assert world.english("a orange ball on a orange box") == "an orange ball on an orange box"


def test_the_world_is_the_one_the_shipped_models_were_trained_on():
    for name in checkpoints.shipped_names():
        own = stream if name in folds.RECIPES else world
        assert checkpoints.card(name)["training"]["fingerprint"] == own.fingerprint()
        assert checkpoints.card(name)["training"]["world"] == own.VERSION
