"""The pocket MSCOCO: five true references in words of their own, drawn apart from everything else."""

import re

import pytest

from ktlib.companion.scales import scale
from ktlib.data.prompts import published
from ktlib.models import load
from ktlib.pocket import coco, exams, flickr, telling, world
from ktlib.pocket.flickr import Thing
from ktlib.pocket.scenes import SHAPES

SCENES = coco.split("test", 60)
_THING = re.compile(rf"((?:{'|'.join(world.COLOURS)}) )?\b(?:{'|'.join({*world.OBJECTS, *SHAPES})})\b")


def built(caption):
    """How a sentence is built: without its things."""
    return _THING.sub("…", re.sub(r"\ban\b", "a", caption.lower().rstrip(".")))


def test_references_say_what_stands_where():
    disk, box = Thing("disk", {"a": "orange"}), Thing("box", {"a": "blue"})
    assert coco.references(disk, box, "left of") == (
        "the orange disk is left of the blue box",
        "an orange disk with a blue box right of it",
        "left of the blue box is an orange disk",
        "one orange disk and one blue box",
        "the disk and the box in one picture",
    )
    assert coco.references(box, Thing("tree", {}), "above")[0] == "the blue box is above the tree"


def test_every_word_can_be_said():
    words = {word for scene in SCENES for reference in scene.captions for word in reference.split()}
    assert words <= set(world.vocabulary())
    load("pocket/coca-web").tokenizer([reference for scene in SCENES for reference in scene.captions])


def test_no_reference_is_a_caption_that_a_captioner_was_trained_on():
    told = {reference for scene in SCENES for reference in scene.captions}
    shown = [telling.training_picture(0, index, scenes=1.0)[0] for index in range(300)]
    plain = {caption for one in shown for caption in telling.plain_captions(one)}
    plain |= {caption for one in shown for caption in flickr.captions(*one.things, one.relation)}
    assert all(len(scene.captions) == len(set(scene.captions)) == 5 for scene in SCENES)
    assert not told & plain


def test_no_reference_is_built_like_a_caption_or_a_prompt_that_teaches():
    trained = {built(prompt.format("disk")) for prompt in published("kt_caption_templates")}
    for picture, rng in (telling.training_picture(0, index, scenes=0.8) for index in range(300)):
        trained |= {built(told) for told in (*telling.plain_captions(picture), telling.fragments(picture, rng))}
    trained |= {built(told) for index in range(100) for told in flickr.training_scene(0, index).captions}
    ways = {built(reference) for scene in SCENES for reference in scene.captions}
    assert {"a … left of a …", "a … and a …", "a photo of one …"} <= trained  # things are taken out as they should be
    assert len(ways) == 3 * 4 + 2  # three ways say where, for each of four relations
    assert not ways & trained


def test_splits_are_apart_from_each_other_and_from_the_other_scenes():
    own = {scene.image.tobytes() for scene in SCENES}
    others = [*coco.split("validation", 60), *flickr.split("test", 20), *flickr.split("validation", 20)]
    pictures = [scene.image for scene in others] + [one.image for one in telling.split("validation", 40)]
    assert len(own) == 60 and not own & {picture.tobytes() for picture in pictures}


def test_a_scene_is_the_same_however_many_are_drawn_with_it():
    assert coco.split("test", 3)[2] == SCENES[2]
    assert coco.fingerprint(3) != coco.fingerprint(4)


def test_an_unknown_split_is_refused():
    with pytest.raises(ValueError, match="expected a split of validation, test, found 'train'"):
        coco.split("train", 1)


def test_the_gallery_holds_as_many_scenes_as_it_says_with_five_references_each():
    found = exams.captioned("validation")
    assert len(found.images) == exams.CAPTIONED_IMAGES["validation"] and found.units == ()
    assert all(len(found.of(number)) == 5 for number in range(len(found.images)))
    assert found.of(0) == coco.split("validation", 1)[0].captions


def test_there_are_scenes_to_choose_on_and_others_to_learn_real_captions_from():
    pocket = scale("pocket")
    here, wanted = pocket.captioning, pocket.coca.images_per_concept * pocket.captioning.classes
    assert exams.CAPTIONED_IMAGES["validation"] >= here.validation + wanted
    assert exams.CAPTIONED_IMAGES["test"] >= here.test
