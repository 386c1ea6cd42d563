"""Pictures of every kind that a folder may hold, and what is said about those that cannot be read."""

from __future__ import annotations

import errno
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
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


# -- what is odd about a picture, and what is said of it ------------------------------------------------
def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, depth: int, *chunks: bytes) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IEND", b"")


def jpeg_with(*tags: tuple[int, int, int, bytes]) -> bytes:
    """A picture of 8 x 4 with EXIF tags: (tag, type, count, value)."""
    out = io.BytesIO()
    Image.new("RGB", (8, 4)).save(out, "jpeg")
    body = b"".join(struct.pack("<HHI", *tag[:3]) + tag[3].ljust(4, b"\0") for tag in sorted(tags))
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + body + b"\0\0\0\0"
    return out.getvalue()[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + out.getvalue()[2:]


@pytest.mark.parametrize(
    "tag",
    [
        (0x11B, 2, 2, b"7\0"),  # a resolution that is text
        (0x10F, 11, 1, struct.pack("<f", 1.0)),  # a maker that is a number
        (0x8825, 9, 1, b"\xff" * 4),  # GPS data before the beginning
        (0x100, 11, 1, struct.pack("<f", 1.5)),  # a width that is a fraction
    ],
)
def test_of_odd_exif_data_only_the_orientation_is_looked_at(tmp_path: Path, tag: tuple[int, int, int, bytes]) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg_with((0x112, 3, 1, b"\x06"), tag))
    assert images.read_image(tmp_path / "a.jpg").size == (4, 8)


@pytest.mark.parametrize("orientation", range(10))
def test_orientations_are_those_of_the_library(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x112] = orientation
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    path = saved(tmp_path / "a.png", Image.fromarray(pixels), exif=exif)
    expected = ImageOps.exif_transpose(Image.open(path))
    assert np.array_equal(np.asarray(images.read_image(path)), np.asarray(expected))


def test_the_cause_that_is_named_is_the_true_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(20000, 10000, 1, chunk(b"IDAT", zlib.compress(b"\0" * 2501 * 10000))))
    with pytest.raises(
        ValueError, match=r"of a size that fits in memory, found .*a\.png .*200000000 pixels.*; shrink it"
    ):
        images.read_image(path)
    path.write_bytes(png(1, 1, 8, chunk(b"eXIf", b"garbage"), chunk(b"IDAT", zlib.compress(b"\0\7"))))
    with pytest.raises(ValueError, match=r"expected EXIF data that can be read in .*a\.png, found others"):
        images.read_image(path)
    assert images.read_image(path, upright=False).getpixel((0, 0)) == (7, 7, 7)
    for number, todo in ((errno.EMFILE, "ulimit -n"), (errno.EIO, "see to it")):

        def refuse(_: Path, number: int = number) -> None:
            raise OSError(number, "Refused")

        monkeypatch.setattr(images.Image, "open", refuse)
        with pytest.raises(
            ValueError, match=rf"expected to open .*a\.png, found that the system refuses: Refused; .*{todo}"
        ):
            images.read_image(path)


def test_sixteen_bit_grey_that_is_transparent_is_put_on_white(tmp_path: Path) -> None:
    path, data = tmp_path / "a.png", chunk(b"IDAT", zlib.compress(b"\0\x12\x34\x12\x35"))
    path.write_bytes(png(2, 1, 16, chunk(b"tRNS", b"\x12\x34"), data))
    read = images.read_image(path)
    assert (read.getpixel((0, 0)), read.getpixel((1, 0))) == ((255,) * 3, (18,) * 3)


def test_grey_of_thirty_two_bits_is_refused_and_that_of_a_pgm_is_not(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.tif", Image.fromarray(np.full((2, 2), 200, np.int32)))
    with pytest.raises(ValueError, match="expected 8-bit or 16-bit pixels, found 32-bit grey in .*save it as 8 bit"):
        images.read_image(path)
    (tmp_path / "a.pgm").write_bytes(b"P5 1 1 65535\n\xff\xff")
    assert images.read_image(tmp_path / "a.pgm").getpixel((0, 0)) == (255, 255, 255)


def test_a_picture_that_would_be_missed_is_an_error_and_what_is_none_is_said(tmp_path: Path) -> None:
    saved(tmp_path / "a.jpg", Image.new("RGB", (8, 8)))
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.warns(UserWarning, match=r"1 entries of .* are no pictures and left out: notes\.txt"):
        assert [path.name for path in images.folder(tmp_path)] == ["a.jpg"]
    saved(tmp_path / "b.gif", Image.new("RGB", (8, 8)))
    (tmp_path / "c.jpg").symlink_to(tmp_path / "absent")
    with pytest.raises(
        ValueError, match=r"found 1 and, beside them, b\.gif, c\.jpg; 1 of these are links that lead nowhere"
    ):
        images.folder(tmp_path)


def test_a_folder_is_decoded_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "ab":
        saved(tmp_path / f"{name}.png", Image.new("RGB", (20, 20)))
    order: list[str] = []
    read, resize = images.read_image, images.resize
    monkeypatch.setattr(images, "read_image", lambda path: order.append("read") or read(path))
    monkeypatch.setattr(images, "resize", lambda image, size: order.append("resize") or resize(image, size))
    images.read_folder(tmp_path, 8)
    assert order == ["read", "resize"] * 2


@pytest.mark.parametrize("size", [(4000, 7), (7, 4001), (3999, 1)])
def test_a_very_long_picture_is_cut_before_it_is_resized(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is cut afterwards; a level may differ, for the box has single precision."""
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    expected = np.asarray(images.resize(image, 32)).astype(int)
    monkeypatch.setattr(images, "_MOST", 0)
    assert np.abs(np.asarray(images.resize(image, 32)).astype(int) - expected).max() <= 1
