"""MSCOCO: Karpathy's split, every reference of an image, and every kind of damage named or counted."""

import pytest

from ktlib.companion.sources import generated as fixtures
from ktlib.data import coco
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
    assert len(coco.read(home.parent, split="val", partial=True).images) == 2


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
        ("missing image", "1 images that are absent: left out", 2),
    ],
)
def test_what_is_left_out_is_counted_and_the_rest_is_kept(home, how, note, images):
    damage_coco(home, how)
    gallery = coco.read(home.parent, partial=True)
    assert note in gallery.notes and len(gallery.images) == images


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ("no split file", FileNotFoundError, "expected Karpathy's split file"),
        ("half a split file", ValueError, "the file was cut short or is another one"),
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


def test_an_image_of_the_whole_split_that_is_absent_is_an_error(home, monkeypatch):
    damage_coco(home, "missing image")
    monkeypatch.setitem(coco.SPLITS, "test", 3)
    with pytest.raises(FileNotFoundError, match="found 1 absent: COCO_val2014_000000391895.jpg"):
        coco.read(home.parent)
