"""Flickr30k: the split that Karpathy made, the captions as written, and every kind of damage named."""

import json

import pytest
import torch
from PIL import Image

from ktlib.companion.sources import generated as fixtures
from ktlib.data import flickr30k
from tests.damage import damage_flickr30k


@pytest.fixture
def home(tmp_path):
    return fixtures.flickr30k(tmp_path)


def test_a_split_is_read_in_its_order_with_its_captions(home):
    gallery = flickr30k.read(home.parent, partial=True)
    assert len(gallery.images) == 4
    assert gallery.captions[0] == "A red disk."  # as written: capital and full stop
    assert gallery.owner[:5] == (0,) * 5
    assert gallery.images[0].shape == (3, 48, 64)
    assert gallery.images[1].shape == (3, 64, 48)
    assert 0 <= gallery.images[0].min() and gallery.images[0].max() <= 1
    assert gallery.images[0].dtype == torch.float32
    assert len(flickr30k.read(home.parent, split="val", partial=True).images) == 2


def test_duplicate_captions_are_counted_and_decided_in_the_open(home):
    gallery = flickr30k.read(home.parent, partial=True)
    assert gallery.notes == (
        "4 images, 19 captions",
        "1 captions that an image has twice: kept once",
        "1 captions that another image has too: right for both",
    )
    assert len(gallery.captions) == len(gallery.owner) == 19


def test_an_image_in_no_split_is_in_none(home):
    read = [flickr30k.read(home.parent, split=split, partial=True) for split in flickr30k.SPLITS]
    assert sum(len(gallery.images) for gallery in read) == 7


def test_the_published_numbers_of_images_are_asked_for(home):
    with pytest.raises(ValueError, match=r"expected 1,000 images of the split test .* found 4"):
        flickr30k.read(home.parent)
    assert sum(flickr30k.SPLITS.values()) == 31_014  # of 31,783: 769 are in no split


def test_another_caption_or_another_order_is_another_digest(home):
    first = flickr30k.read(home.parent, partial=True).digest
    split_file = home / "dataset_flickr30k.json"
    split_file.write_text(split_file.read_text().replace("A red disk.", "A blue disk."))
    (home / "results_20130124.token").unlink()
    assert flickr30k.read(home.parent, partial=True).digest != first


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ("missing image", FileNotFoundError, "found 1 absent: 1000092795.jpg"),
        ("no split file", FileNotFoundError, "expected Karpathy's split file"),
        ("half a split file", ValueError, "the file was cut short or is another one"),
        ("four captions", ValueError, "expected at least 5 captions, none empty, for 1000092795.jpg, found 4 of 4"),
        ("empty caption", ValueError, "expected at least 5 captions, none empty, for 1000092795.jpg, found 4 of 5"),
        ("a line without a tab", ValueError, r"expected <image>#<n><TAB>caption in line 1 of .*\.token"),
    ],
)
def test_damage_is_named(home, how, error, message):
    damage_flickr30k(home, how)
    with pytest.raises(error, match=message):
        flickr30k.read(home.parent, partial=True)


def test_a_damaged_image_is_named_when_it_is_read(home):
    damage_flickr30k(home, "truncated image")
    gallery = flickr30k.read(home.parent, partial=True)
    with pytest.raises(ValueError, match=r"expected a complete picture, found .*1000092795\.jpg"):
        gallery.images[0]


def test_captions_that_differ_from_the_published_list_are_counted(home):
    token = home / "results_20130124.token"
    token.write_text(token.read_text().replace("1000092795.jpg#0\tA red disk.", "1000092795.jpg#0\tA dog."))
    assert flickr30k.read(home.parent, partial=True).notes[-1] == "1 captions differ from results_20130124.token"


def test_an_unknown_split_is_refused(home):
    with pytest.raises(ValueError, match="expected a split of train, val, test, found 'dev'"):
        flickr30k.read(home.parent, split="dev", partial=True)


def test_images_are_read_as_they_are_stored_like_every_benchmark_s(home):
    (path, *_) = flickr30k.read(home.parent, partial=True).images.paths
    turned = Image.Exif()
    turned[0x112] = 6
    Image.new("RGB", (40, 20)).save(path, exif=turned)
    assert flickr30k.read(home.parent, partial=True).images[0].shape == (3, 20, 40)


def changed(home, change):
    file = home / "dataset_flickr30k.json"
    facts = json.loads(file.read_text())
    change(facts["images"], next(entry for entry in facts["images"] if entry.get("split") == "test"))
    file.write_text(json.dumps(facts))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda every, one: one["sentences"][0].update(raw=None), "None where a str belongs"),
        (lambda every, one: one.update(filename=5), "5 where a str belongs"),
        (lambda every, one: every.append(dict(one)), "expected each image once in .*, found .*jpg again"),
    ],
)
def test_odd_entries_are_refused(home, change, said):
    changed(home, change)
    with pytest.raises(ValueError, match=said):
        flickr30k.read(home.parent, partial=True)


def test_a_negative_number_of_images_is_refused(home):
    with pytest.raises(ValueError, match="expected first to be 0, for all images, or a number of images, found -1"):
        flickr30k.read(home.parent, partial=True, first=-1)


@pytest.mark.parametrize("mark", ["\u2028", "\x85", "\x0b"])
def test_only_a_line_feed_ends_a_line_of_captions(home, mark):
    caption = f"a dog{mark}on a lawn"
    changed(home, lambda every, one: one["sentences"][0].update(raw=caption))
    name = flickr30k.read(home.parent, partial=True).images.paths[0].name
    token = home / "results_20130124.token"
    lines = [line for line in token.read_text().split("\n") if not line.startswith(f"{name}#0")]
    token.write_text("\n".join([f"{name}#0\t{caption}", *lines]), encoding="utf-8")
    assert not any("differ" in note for note in flickr30k.read(home.parent, partial=True).notes)
