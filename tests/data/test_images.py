"""Pictures of every kind that a folder may hold, and what is said about those that cannot be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from ktlib.data import images


def saved(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


@pytest.mark.parametrize(
    ("mode", "colour", "suffix", "expected"),
    [
        ("L", 128, "png", (128, 128, 128)),
        ("1", 1, "png", (255, 255, 255)),
        ("RGB", (10, 20, 30), "png", (10, 20, 30)),
        ("RGBA", (200, 0, 0, 255), "png", (200, 0, 0)),
        ("LA", (100, 255), "png", (100, 100, 100)),
        ("I;16", 257 * 200, "png", (200, 200, 200)),
        ("I;16", 65535, "png", (255, 255, 255)),
        ("CMYK", (0, 255, 255, 0), "jpg", (255, 0, 0)),
    ],
)
def test_every_mode_becomes_eight_bit_rgb(
    tmp_path: Path, mode: str, colour: int | tuple[int, ...], suffix: str, expected: tuple[int, ...]
) -> None:
    read = images.read_image(saved(tmp_path / f"a.{suffix}", Image.new(mode, (8, 8), colour)))
    assert read.mode == "RGB"
    # 3 of 255: JPEG's rounding, the PNGs are exact
    assert np.abs(np.asarray(read).astype(int) - expected).max() <= (3 if suffix == "jpg" else 0)


def test_transparency_is_put_on_white_and_not_on_the_colour_under_it(tmp_path: Path) -> None:
    picture = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    picture.putpixel((1, 0), (0, 0, 0, 128))
    read = images.read_image(saved(tmp_path / "a.png", picture))
    assert read.getpixel((0, 0)) == (255, 255, 255)
    assert read.getpixel((1, 0)) == (127, 127, 127)  # 255 * (1 - 128 / 255)


def test_palette_with_a_transparent_entry_is_put_on_white(tmp_path: Path) -> None:
    picture = Image.new("P", (2, 1), 0)
    picture.putpalette([0, 0, 0, 0, 0, 255])
    picture.putpixel((1, 0), 1)
    read = images.read_image(saved(tmp_path / "a.png", picture, transparency=0))
    assert [read.getpixel((x, 0)) for x in (0, 1)] == [(255, 255, 255), (0, 0, 255)]


def test_exif_orientation_turns_the_picture_unless_told_otherwise(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn clockwise by a quarter
    path = saved(tmp_path / "a.jpg", Image.new("RGB", (20, 10)), exif=exif)
    assert images.read_image(path).size == (10, 20)
    assert images.read_image(path, upright=False).size == (20, 10)


def test_a_decoded_picture_keeps_the_numbers_of_its_file(tmp_path: Path) -> None:
    picture = Image.new("P", (2, 1))
    picture.putpalette([9, 9, 9, 200, 0, 0])
    picture.putpixel((1, 0), 1)
    read = images.decoded(saved(tmp_path / "a.png", picture))
    assert read.mode == "P" and [read.getpixel((x, 0)) for x in (0, 1)] == [0, 1]


@pytest.mark.parametrize("size", [(37, 61), (64, 48), (32, 32), (20, 90)])
def test_resize_is_clips_transform(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    clip = transforms.Compose(
        [transforms.Resize(32, transforms.InterpolationMode.BICUBIC), transforms.CenterCrop(32), transforms.ToTensor()]
    )  # openai/CLIP _transform without its normalisation
    assert torch.equal(images.to_tensor([images.resize(image, 32)])[0], clip(image))


def test_open_clip_prepares_the_same_pixels() -> None:
    open_clip = pytest.importorskip("open_clip.transform")
    rng = np.random.default_rng(1)
    image = Image.fromarray(rng.integers(0, 256, (50, 70, 3), dtype=np.uint8))
    theirs = open_clip.image_transform(32, is_train=False, mean=(0.0,) * 3, std=(1.0,) * 3)
    assert torch.equal(images.to_tensor([images.resize(image, 32)])[0], theirs(image))


def test_read_folder_gives_one_batch_sorted_by_name(tmp_path: Path) -> None:
    saved(tmp_path / "b.png", Image.new("RGB", (40, 60), (255, 0, 0)))
    saved(tmp_path / "a.JPG", Image.new("L", (70, 50), 0), format="JPEG")
    saved(tmp_path / ".hidden.png", Image.new("RGB", (9, 9)))
    (tmp_path / "notes.txt").write_text("no picture")
    batch = images.read_folder(tmp_path, size=16)
    assert batch.shape == (2, 3, 16, 16)
    assert batch.dtype == torch.float32
    assert batch[0].max() < 0.01  # a.JPG is black
    assert torch.equal(batch[1, :, 0, 0], torch.tensor([1.0, 0.0, 0.0]))


def test_read_folder_without_a_size_names_the_sizes_that_differ(tmp_path: Path) -> None:
    saved(tmp_path / "a.png", Image.new("RGB", (4, 5)))
    saved(tmp_path / "b.png", Image.new("RGB", (6, 7)))
    with pytest.raises(ValueError, match=r"expected RGB pictures of one size, found RGB 4 x 5, RGB 6 x 7; give a size"):
        images.read_folder(tmp_path)
    with pytest.raises(ValueError, match="found no picture"):
        images.to_tensor([])


def test_absent_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"expected a folder of pictures at .*absent, found nothing; check"):
        images.folder(tmp_path / "absent")


def test_folder_without_pictures_says_what_was_looked_for_and_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(FileNotFoundError, match=r"expected files ending in \.jpg.*found inner/, notes\.txt; put the"):
        images.folder(tmp_path)


def test_absent_picture_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"expected a picture at .*a\.png, found nothing; check the path"):
        images.read_image(tmp_path / "a.png")


def test_text_in_a_picture_s_clothes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_text("<html>not found</html>")
    with pytest.raises(ValueError, match=r"expected a picture, found .*a\.jpg \(22 bytes\).*no image format.*replace"):
        images.read_image(path)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_a_picture_cut_short_anywhere_raises_a_value_error_that_names_it(tmp_path: Path, suffix: str) -> None:
    rng = np.random.default_rng(0)
    whole = saved(tmp_path / f"whole.{suffix}", Image.fromarray(rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)))
    content = whole.read_bytes()
    images.read_image(whole)
    cut = tmp_path / f"cut.{suffix}"
    for length in range(0, int(0.95 * len(content)), 23):  # the last bytes may be an end mark that decoders do without
        cut.write_bytes(content[:length])
        with pytest.raises(ValueError, match=rf"expected a (complete )?picture, found .*cut\.{suffix}"):
            images.read_image(cut)


def test_floating_point_pixels_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    Image.new("F", (4, 4), 0.5).save(path)
    with pytest.raises(ValueError, match="expected 8-bit or 16-bit pixels, found floating point.*save it as 8 bit"):
        images.read_image(path)


@pytest.mark.parametrize("shape", [(40, 60), (60, 40), (33, 33)])
def test_a_tensor_is_cut_as_the_picture_it_shows(shape: tuple[int, int]) -> None:
    """PIL rounds to whole levels after each axis: half a level and half a level."""
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels)
    found = images.square(images.to_tensor([picture])[0], 16)
    expected = images.to_tensor([images.resize(picture, 16)])[0]
    assert found.shape == (3, 16, 16) and 0 <= found.min() and found.max() <= 1
    assert (found - expected).abs().max() < 2 / 255


def test_a_square_of_the_right_size_is_left_as_it_is() -> None:
    picture = torch.rand(3, 16, 16)
    assert images.square(picture, 16) is picture
