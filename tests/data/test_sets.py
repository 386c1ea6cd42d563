"""A gallery knows which captions belong to which image, masks go with images, and each may be taken in part."""

import pytest
import torch
from PIL import Image

from ktlib.data.sets import Gallery, LabelledImages, MaskedImages, Pair

CAPTIONS = ("a", "b", "c", "d", "e")


@pytest.fixture
def gallery():
    return Gallery([*torch.rand(3, 3, 4, 4)], CAPTIONS, (0, 2, 1, 2, 0), "digest", "g", units=(0, 0, 1))


def test_an_image_has_its_own_captions_in_their_order(gallery):
    assert [gallery.of(image) for image in range(3)] == [("a", "e"), ("c",), ("b", "d")]


def test_a_part_keeps_images_captions_and_units_together(gallery):
    part = gallery.take([2, 0])
    assert len(part.images) == 2
    assert torch.equal(part.images[0], gallery.images[2]) and torch.equal(part.images[1], gallery.images[0])
    assert [part.of(image) for image in range(2)] == [("b", "d"), ("a", "e")]
    assert part.units == (1, 0) and gallery.take([1]).units == (0,)
    assert len({one.digest for one in (gallery, part, gallery.take([0, 2]))}) == 3


def test_nothing_is_read_before_it_is_asked_for():
    class Absent:
        def __len__(self):
            return 2

        def __getitem__(self, index):
            raise FileNotFoundError(f"image {index}")

    part = Gallery(Absent(), ("a", "b"), (0, 1), "digest", "g").take([1])
    with pytest.raises(FileNotFoundError, match="image 1"):
        part.images[0]


# -- images and masks -----------------------------------------------------------------------------------
SIZES = ((4, 6), (4, 6), (4, 6), (5, 6), (4, 6))  # height, width


def pairs(index):
    if index == 2:
        raise ValueError("c is damaged")
    height, width = SIZES[index]
    mask = torch.zeros(height, width, dtype=torch.bool)
    mask[0, index] = index != 1
    return Pair(Image.new("RGB", (width, height), (index, 0, 0)), mask, "turned" if index > 2 else "")


@pytest.fixture
def masked():
    return MaskedImages(
        "m", tuple("abcde"), pairs, "digest", ("k",) * 5, (0, 0, 1, 1, 2), {"z": "absent"}, ("5 images",)
    )


def test_what_cannot_be_read_or_has_an_empty_mask_is_left_out_counted_and_named(masked):
    good = masked.readable()
    assert good.files == ("a", "d", "e") and good.units == (0, 1, 2) and good.kinds == ("k",) * 3
    assert good.left_out["z"] == "absent" and good.left_out["c"] == "c is damaged"
    assert good.left_out["b"].startswith("the mask of b is empty")
    assert good.notes == ("5 images", "2 turned")
    assert good.digest != masked.digest
    assert masked.readable(empty=True).files == ("a", "b", "d", "e")
    with pytest.raises(ValueError, match="expected images of m that can be used, found none of 1: c is damaged"):
        masked.take([2]).readable()


def test_a_batch_holds_neighbours_of_one_size(masked):
    batches = list(masked.take([0, 1, 3, 4]).batches(8))
    assert [tuple(images.shape) for images, _ in batches] == [(2, 3, 4, 6), (1, 3, 5, 6), (1, 3, 4, 6)]
    assert [tuple(masks.shape) for _, masks in batches] == [(2, 4, 6), (1, 5, 6), (1, 4, 6)]
    assert [round(255 * value) for images, _ in batches for value in images[:, 0, 0, 0].tolist()] == [0, 1, 3, 4]
    assert batches[1][1][0, 0].tolist() == [False] * 3 + [True] + [False] * 2
    assert [len(images) for images, _ in masked.take([0, 1, 0]).batches(2)] == [2, 1]
    with pytest.raises(ValueError, match="c is damaged"):
        list(masked.batches())


def test_a_sample_is_drawn_once_and_keeps_the_order(masked):
    drawn = masked.sample(3)
    assert len(set(drawn.files)) == 3 and list(drawn.files) == sorted(drawn.files)
    assert drawn.files == masked.sample(3).files and drawn.digest == masked.sample(3).digest
    assert len({masked.sample(3, seed=seed).files for seed in range(9)}) > 1
    assert masked.sample(5) is masked and masked.sample(9) is masked


def test_an_image_without_a_kind_or_a_unit_is_refused():
    with pytest.raises(ValueError, match="expected one for each of 2 images of m, found 1"):
        MaskedImages("m", ("a", "b"), pairs, "digest", kinds=("k",))


def test_labelled_pictures_that_cannot_be_read_are_left_out():
    def picture(index):
        if index == 1:
            raise FileNotFoundError("it is gone")
        return Image.new("RGB", (2, 2))

    ours = LabelledImages("l", picture, (0, 1, 1), ("x", "y"), ("{}",), "digest")
    good = ours.readable()
    assert good.labels == (0, 1) and good.left_out == {"picture 1": "it is gone"}
    assert good.readable() is good
