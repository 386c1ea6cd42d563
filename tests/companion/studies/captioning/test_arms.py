"""What is taught: the same captions, prompts and steps in every arm, and one part of it another."""

import pytest
import torch

from ktlib.captioning import CaptioningSettings
from ktlib.companion.studies.captioning import arms
from ktlib.transfer import TransferSettings
from tests.companion.studies.captioning import tiny


@pytest.fixture
def taught(subject):
    return {method: arms.courses(subject, method, progress=False) for method in arms.ARMS}


def test_there_are_26_prompts_and_each_names_the_class_once():
    assert len(arms.published("kt_caption_templates")) == 26
    assert all(prompt.count("{}") == 1 for prompt in arms.published("kt_caption_templates"))


def test_every_class_has_its_images_its_explanation_and_its_prompts(taught):
    course = taught["kt"][0]
    assert course.lesson.images.shape == (4, 3, 32, 32)
    assert course.captions == ["A moongate is a round opening"] * 2 + ["A disk is a red disk"] * 2
    assert course.told[0] == ["a photo of a moongate", "a red moongate"]
    assert course.told[3] == ["a photo of a disk", "a red disk"]
    assert course.lesson.settings == tiny.HERE.coca.inversion
    assert set(taught["kt"]) == {0, 1} and not torch.equal(course.lesson.images, taught["kt"][1].lesson.images)


def test_contrast_alone_has_the_same_images_and_captions_and_tells_nothing(taught):
    whole, alone = taught["kt"][0], taught["kt_visual"][0]
    assert torch.equal(whole.lesson.images, alone.lesson.images) and whole.captions == alone.captions
    assert alone.told == () and type(alone.recipe) is TransferSettings
    shared = {name: value for name, value in vars(whole.recipe).items() if name not in ("contrast", "captioning")}
    assert vars(alone.recipe) == shared


def test_controls_keep_captions_and_prompts_and_change_the_images(taught):
    kt = taught["kt"][1]
    for method in ("noise", "real_templates"):
        other = taught[method][1]
        assert (other.captions, other.told, other.recipe) == (kt.captions, kt.told, kt.recipe)
        assert other.lesson.images.shape == kt.lesson.images.shape and other.lesson.settings is None
    noise = taught["noise"][0].lesson.images
    assert len({image.sum().item() for image in noise}) == 4, "every class has noise of its own"
    assert torch.equal(taught["real_templates"][1].lesson.images[:2], tiny.pictures("moongate", 2, 1))


def test_the_templates_alone_are_told_without_any_image(taught):
    alone, kt = taught["templates"][0], taught["kt"][0]
    assert alone.lesson is None and alone.told == kt.told
    assert alone.recipe.contrast == 0 and alone.recipe.captioning == kt.recipe.captioning


def test_real_pictures_with_real_captions_are_none_that_settings_are_chosen_on(taught, subject):
    course = taught["real_captions"][0]
    rest = tiny.GALLERY.take(range(2, 6))
    assert len(course.lesson.images) == 4  # as many as there are images elsewhere
    there = {image.sum().item(): number for number, image in enumerate(rest.images)}
    places = [there[image.sum().item()] for image in course.lesson.images]
    assert sorted(places) == [0, 1, 2, 3]
    assert course.told == [list(rest.of(place)) for place in places]
    assert course.captions == [rest.of(place)[0] for place in places]


def test_a_class_without_real_pictures_to_spare_is_left_out_of_that_arm_alone(tmp_path):
    def some(name, count, seed):
        return tiny.pictures(name, 1, seed) if name == "disk" else None

    found = arms.courses(tiny.subject(tmp_path, lessons=some), "real_templates")
    assert found[0].captions == ["A disk is a red disk"] and len(found[0].told) == 1
    assert arms.courses(tiny.subject(tmp_path, lessons=lambda *_: None), "real_templates") == {}


def test_a_cell_sets_rate_and_passes_and_nothing_else(taught):
    moved = arms.at(taught["kt"][0], (0.5, 7))
    assert moved.recipe == CaptioningSettings(batch=4, lr=0.5, epochs=7)
    assert moved.told == taught["kt"][0].told


def test_an_unknown_arm_and_a_recipe_for_other_models_are_refused(subject):
    with pytest.raises(ValueError, match="expected one of kt_visual, kt, .* found 'real'"):
        arms.courses(subject, "real")
    other = tiny.replace(subject, teaching=tiny.replace(subject.teaching, transfer=TransferSettings()))
    with pytest.raises(ValueError, match="expected CaptioningSettings for pocket/tiny, found TransferSettings"):
        arms.courses(other, "kt")
