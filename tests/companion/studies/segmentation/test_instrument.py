"""What is taught: the same sentence and steps in every arm, and other images; what is looked at: the first ones."""

import pytest
import torch

from ktlib.companion.studies import bench
from ktlib.companion.studies.segmentation import instrument
from tests.companion.studies.segmentation import tiny


@pytest.fixture
def taught(own):
    return {method: instrument.courses(own.subject, method, progress=False) for method in bench.ARMS}


def test_every_arm_has_the_same_sentence_recipe_and_number_of_images(taught):
    kt = taught["kt"]
    assert set(kt) == {(name, seed) for name in ("disk", "opening") for seed in (0, 1)}
    assert kt["disk", 0].captions == "A disk is a red disk"
    for method in ("noise", "wrong", "real"):
        for place, course in taught[method].items():
            assert (course.captions, course.recipe) == (kt[place].captions, kt[place].recipe)
            assert course.lesson.images.shape == kt[place].lesson.images.shape == (2, 3, 32, 32)
            assert not torch.equal(course.lesson.images, kt[place].lesson.images)


def test_wrong_images_are_those_of_the_next_lesion_and_real_ones_are_given(taught):
    assert torch.equal(taught["wrong"]["disk", 1].lesson.images, taught["kt"]["opening", 1].lesson.images)
    assert torch.equal(taught["real"]["disk", 1].lesson.images, tiny.pictures("disk", 2, 1))


def test_a_lesion_without_real_images_is_left_out_of_that_arm(tmp_path):
    own = tiny.instrument(tmp_path, lessons=lambda name, *rest: tiny.pictures(name, *rest) if name == "disk" else None)
    assert set(instrument.courses(own.subject, "real")) == {("disk", 0), ("disk", 1)}


def test_an_unknown_arm_is_refused(own):
    with pytest.raises(ValueError, match="expected one of kt, noise, wrong, real, found 'templates'"):
        instrument.courses(own.subject, "templates")


def test_the_first_images_of_a_split_are_looked_at(own):
    assert own.images(tiny.LESIONS[0], "test").files == tuple(f"disk-test-{n}" for n in range(5))
    assert own.images(tiny.LESIONS[0], "validation").files == tuple(f"disk-validation-{n}" for n in range(3))


def test_a_course_at_another_rate_changes_nothing_else_and_leaves_the_model_as_it_was(own, taught):
    course = taught["noise"]["disk", 0]
    moved = instrument.at(course, 0.5)
    assert moved.recipe.lr == 0.5 and moved.lesson is course.lesson and moved.captions == course.captions
    before = own.model.digest()
    assert instrument.taught(own.model, None) is own.model
    assert instrument.taught(own.model, course).digest() != before == own.model.digest()
