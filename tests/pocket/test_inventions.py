"""Things that a reader makes up: the same on every machine, unlike each other, in the world's words."""

import pytest
import torch

from ktlib.pocket.descriptions import DESCRIBED
from ktlib.pocket.folds import SPARE
from ktlib.pocket.inventions import INVENTIONS, Part, pictures
from ktlib.pocket.world import vocabulary

PARTS = [("ring", "green", 0.0, 0.3, 0.3), ("box", "red", 0.5, 0.3, 0.4)]


def test_a_picture_is_a_function_of_parts_and_index():
    both = pictures(PARTS, 2)
    assert both.shape == (2, 3, 64, 64) and both.dtype == torch.float32
    assert torch.equal(pictures(PARTS, 1, first=1)[0], both[1])
    assert not torch.equal(both[0], both[1])
    assert torch.equal(pictures([Part(*part) for part in PARTS], 2), both)


@pytest.mark.parametrize("part", [("moon", "red", 0, 0, 1), ("disk", "mauve", 0, 0, 1)])
def test_what_the_world_does_not_have_is_named(part):
    with pytest.raises(ValueError, match="expected a shape .* and a colour .*moon|mauve"):
        pictures([part], 1)


def test_no_part_or_no_picture_is_refused():
    for parts, count in (([], 1), (PARTS, 0)):
        with pytest.raises(ValueError, match="a part and a picture at least"):
            pictures(parts, count)


def test_the_three_have_spare_names_and_descriptions_in_words_of_the_world_that_are_nobody_elses():
    assert len(INVENTIONS) == 3 and set(INVENTIONS) <= set(SPARE)
    for name, thing in INVENTIONS.items():
        assert set(thing.description.split()) <= set(vocabulary()) - {name}
        assert thing.description not in {t for told in DESCRIBED.values() for t in (told.short, told.medium, told.long)}
