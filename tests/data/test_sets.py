"""A gallery knows which captions belong to which image, and may be taken in part."""

import pytest
import torch

from ktlib.data.sets import Gallery

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
