"""MSCOCO: Karpathy's split, every reference of an image, and every kind of damage named or counted."""

import json

import pytest

from ktlib.companion.sources import generated as fixtures
from ktlib.companion.studies.captioning.tables import Said
from ktlib.data import coco
from ktlib.evaluate import java
from tests.damage import damage_coco


@pytest.fixture
def home(tmp_path):
    return fixtures.coco(tmp_path)


def test_a_split_is_read_with_all_references(home):
    gallery = coco.read(home.parent, partial=True)
    assert [len(gallery.of(number)) for number in range(3)] == [5, 5, 6]
    assert gallery.of(0)[0] == "A person." and gallery.of(0)[4] == "there is a person"  # white space around it goes
    assert gallery.notes == ("3 images, 16 captions",)
    assert [gallery.images[number].shape[0] for number in range(3)] == [3, 3, 3]  # one of them is grey
    assert len(coco.read(home.parent, split="val", partial=True).images) == 4


def test_each_split_is_in_its_folder(home):
    assert len(coco.read(home.parent, split="train", partial=True).images) == 1  # in train2014
    assert len(coco.read(home.parent, split="restval", partial=True).images) == 1  # in val2014


def test_the_published_numbers_of_images_are_asked_for(home):
    with pytest.raises(ValueError, match=r"expected 5,000 images of the split test .* found 3"):
        coco.read(home.parent)
    assert sum(coco.SPLITS.values()) == 123_287


def test_a_reference_that_an_image_has_twice_counts_twice(home):
    file = home / "dataset_coco.json"
    file.write_text(file.read_text().replace("a person in a street", "A person."))
    assert coco.read(home.parent, partial=True).of(0)[:2] == ("A person.", "A person.")


def test_captions_that_differ_from_the_annotations_are_counted(home):
    file = home / "annotations" / "captions_val2014.json"
    file.write_text(file.read_text().replace("A person.", "A dog."))
    # image 1 of the test split and image 1 of the validation split are of persons
    assert coco.read(home.parent, partial=True).notes[-1] == "1 captions differ from annotations/captions_*.json"
    file.unlink()
    assert len(coco.read(home.parent, partial=True).notes) == 1


def test_another_reference_is_another_digest(home):
    first = coco.read(home.parent, partial=True).digest
    file = home / "dataset_coco.json"
    file.write_text(file.read_text().replace("a person in a street", "a person in a field"))
    assert coco.read(home.parent, partial=True).digest != first


@pytest.mark.parametrize(
    ("how", "note", "images"),
    [
        ("no caption", "1 images without a caption: left out", 2),
        ("empty caption", "1 empty captions: left out", 3),
        ("an image twice", "1 images that are listed a second time: left out", 2),
        ("a picture twice", "1 images that are listed a second time: left out", 2),
        ("missing image", "1 images that are absent: left out", 2),
    ],
)
def test_what_is_left_out_is_counted_and_the_rest_is_kept(home, how, note, images):
    damage_coco(home, how)
    gallery = coco.read(home.parent, partial=True)
    assert note in gallery.notes and len(gallery.images) == images
    assert gallery.left_out == 3 - images == gallery.take([0]).left_out  # for the rows
    assert {path.name for path in gallery.images.paths} <= {file.name for file in (home / "val2014").iterdir()}


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ("no split file", FileNotFoundError, "expected Karpathy's split file"),
        ("half a split file", ValueError, "the file was cut short or is another one"),
        ("no image at all", FileNotFoundError, "found 3 absent: COCO_val2014_000000391895.jpg, .*show mscoco` says"),
        ("no caption at all", ValueError, "expected captions in .*dataset_coco.json, found none for any of 3 images"),
        ("a number for a caption", ValueError, r"found something else \(7 where a str belongs\)"),
        ("a list for an id", ValueError, r"found something else \(\[391895\] where a int belongs\)"),
        ("no ids", ValueError, "expected images with filename, split, filepath, cocoid and sentences"),
        ("another folder", ValueError, "expected a file name and a folder of train2014 or val2014 for image 391895"),
        ("a path for a name", ValueError, "found 'val2014' and '../COCO_val2014_000000391895.jpg'"),
        ("half the annotations", ValueError, "expected annotations with image_id and caption in .*captions_val2014"),
    ],
)
def test_damage_is_named(home, how, error, message):
    damage_coco(home, how)
    with pytest.raises(error, match=message):
        coco.read(home.parent, partial=True)


def test_a_damaged_image_is_named_when_it_is_read(home):
    damage_coco(home, "truncated image")
    with pytest.raises(ValueError, match=r"expected a complete picture, found .*000000391895\.jpg"):
        coco.read(home.parent, partial=True).images[0]


def test_an_absent_image_of_the_published_split_does_not_cost_the_others(home, monkeypatch):
    damage_coco(home, "missing image")
    monkeypatch.setitem(coco.SPLITS, "test", 3)
    gallery = coco.read(home.parent)
    assert gallery.notes == ("2 images, 11 captions", "1 images that are absent: left out") and gallery.left_out == 1
    assert gallery.of(0)[0] == "A bicycle." and gallery.images[0].shape == (3, 48, 64)  # captions stay with their image


def test_of_an_image_listed_first_without_captions_the_second_is_read(home):
    damage_coco(home, "an image twice")
    facts = json.loads((home / "dataset_coco.json").read_text())
    facts["images"][0]["sentences"] = []
    (home / "dataset_coco.json").write_text(json.dumps(facts))
    gallery = coco.read(home.parent, partial=True)
    assert gallery.of(0)[0] == "A bicycle." and gallery.notes[1:2] == ("1 images without a caption: left out",)


def test_half_a_character_is_read_and_scored(home, monkeypatch):
    damage_coco(home, "half a character")
    gallery = coco.read(home.parent, partial=True)
    monkeypatch.setattr(java, "find", lambda: java.Java("cat", 17))  # every program says what it is given
    monkeypatch.setattr(java.Java, "command", lambda self, *_: [self.path])
    assert java.tokenize(gallery.of(0)[:2]) == ["a dog", "a person in a street"]


def test_what_was_left_out_is_counted_in_the_rows(home):
    damage_coco(home, "no caption")
    gallery = coco.read(home.parent, partial=True)
    assert Said({"0": "a bicycle", "1": "a car"}, gallery, "test", metrics=("rouge_l",)).told == {"left_out": "1"}


def test_fewer_than_no_images_are_refused(home):
    """A slice up to -1 would leave the last one out."""
    with pytest.raises(ValueError, match="expected first of 0, for all images, or more, found -1"):
        coco.read(home.parent, partial=True, first=-1)
