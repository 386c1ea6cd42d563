"""Drawn test sets: what is on the pictures is what the label says, and no split sees another's."""

import numpy as np
import pytest
import torch

from ktlib.companion import sources
from ktlib.companion.sources import COARSE, FINE
from ktlib.pocket import sets, world
from ktlib.pocket.draw import COLOURS
from ktlib.pocket.training.clip import tokenizer


def test_there_is_a_counterpart_for_each_published_set_in_its_order():
    assert [one.like for one in sets.SETS.values()] == [*COARSE, *FINE]
    assert list(sources.kinds("pocket")) == list(sets.SETS)
    assert [k.like for k in sources.kinds("files").values()] == [*COARSE, *FINE]


def test_every_class_name_and_prompt_is_in_the_words_of_the_world():
    words, unknown = tokenizer(), tokenizer().unk_token_id
    for one in (*sets.SETS.values(), *sets.VALIDATION.values()):
        assert len(set(one.names)) == len(one.names)
        for template in one.templates:
            for name in one.names:
                assert unknown not in words(template.format(name)).input_ids, template.format(name)
    assert len(sets.PROMPTS) == len(set(sets.PROMPTS)) == 44
    assert all(unknown not in words(prompt).input_ids for prompt in sets.PROMPTS)


@pytest.mark.parametrize("name", [*sets.SETS, *sets.VALIDATION])
def test_a_set_holds_each_class_equally_often_and_is_the_same_every_time(name):
    found = sets.drawn_set(name, "test")
    counts = torch.bincount(torch.tensor(found.labels))
    assert (counts == (sets.SETS | sets.VALIDATION)[name].per_class).all()
    again = sets.drawn_set(name, "test")
    assert found.digest == again.digest
    assert found.read(3).tobytes() == again.read(3).tobytes()
    assert found.read(3).size == (64, 64)


def test_splits_share_no_picture():
    pictures = {split: {sets.drawn_set("cars", split, count=40).read(i).tobytes() for i in range(40)}
                for split in ("train", "test", "validation")}  # fmt: skip
    assert all(len(found) == 40 for found in pictures.values())
    assert len(set.union(*pictures.values())) == 120


def nearest_colour(pixel):
    names = list(COLOURS)
    return names[int(np.abs(np.array([COLOURS[n] for n in names], float) - pixel).sum(1).argmin())]


def test_a_car_has_the_colour_of_its_class():
    found = sets.drawn_set("cars", "test", count=70)
    for index in range(70):
        pixels = np.asarray(found.read(index)).reshape(-1, 3)
        seen = [nearest_colour(pixel) for pixel in pixels[::7]]
        assert found.names[found.labels[index]] in seen


def test_a_hand_points_where_its_class_says():
    """The dark pixels inside the face, seen from the middle of the face, lie in the named direction."""
    angles = {name: i * np.pi / 4 for i, name in enumerate(sets.DIRECTIONS)}  # clockwise from the right
    found = sets.drawn_set("dials", "test", count=80)
    for index in range(80):
        grey = np.asarray(found.read(index).convert("L"), float)
        white = grey > 225
        y, x = (np.average(axis, weights=white) for axis in np.mgrid[:64, :64])
        rows, columns = np.nonzero((grey < 80) & (np.hypot(np.mgrid[:64, :64][0] - y, np.mgrid[:64, :64][1] - x) < 14))
        direction = np.arctan2(rows.mean() - y, columns.mean() - x)
        wanted = angles[found.names[found.labels[index]]]
        assert np.cos(direction - wanted) > np.cos(np.pi / 8 + 0.2)  # half a class, and room for the pixels


def test_the_training_pictures_of_maps_are_objects_and_nobody_elses():
    found = sets.everything(64)
    known = {
        world.pictures(name, 1, first=i)[0].mul(255).byte().numpy().tobytes()
        for name in ("car", "lamp")
        for i in (0, 1)
    }
    drawn = {
        torch.from_numpy(np.asarray(found.read(i)).copy()).permute(2, 0, 1).contiguous().numpy().tobytes()
        for i in range(64)
    }
    assert len(drawn) == 64
    assert not drawn & known
    assert found.names == ()


def test_an_unknown_set_is_refused():
    with pytest.raises(KeyError, match="expected a drawn set"):
        sets.drawn_set("boats", "test")
    with pytest.raises(ValueError, match="expected sets"):
        sources.sets("imagenet")
