"""Pictures from files: float32 `(batch, 3, height, width)`, RGB in [0, 1], whatever the file holds.

Cropping is CLIP's: short side to the size, bicubic with antialiasing, then the centre
(openai/CLIP `clip/clip.py`, `_transform`). Three things differ from there, all before the resize:
we convert to RGB first (CLIP resizes a palette or CMYK picture as it is), we put transparency on
white (CLIP drops the alpha channel and shows whatever colour lies under it), and we turn a
photograph the way its EXIF orientation says (CLIP does not; `upright=False` keeps it as stored).
"""

from __future__ import annotations

import errno
import math
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F

from ktlib import places

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
# Pictures of formats that are not read here: one left in a folder is an error, for it would be missed without a word.
OTHERS = (
    ".arw", ".avif", ".bmp", ".cr2", ".dng", ".gif", ".heic", ".heif", ".ico", ".jfif", ".jp2", ".jpe", ".jxl", ".nef",
    ".pgm", ".ppm", ".psd", ".svg", ".tga", ".tif", ".tiff",
)  # fmt: skip
_SIXTEEN_BIT = ("I;16", "I;16B", "I;16L")  # how PIL names 16-bit grey; of a PGM it makes "I"
_MOST = 20_000_000  # pixels of a resized picture before it is cut; one of a thousand to one would need a gigabyte
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # by EXIF orientation


class _ExifError(ValueError):
    """EXIF data that cannot be read; the message says of which picture."""


def read_image(path: str | Path, *, upright: bool = True) -> Image.Image:
    """One picture, as 8-bit RGB.

    Greyscale is repeated to three channels, palettes are resolved, CMYK is converted without a colour
    profile, transparency is put on white, 16-bit grey is scaled from [0, 65535] to [0, 255] (ours).

    Args:
        path: of the file; its content decides the format, not its suffix.
        upright: turn and mirror as the EXIF orientation says.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a picture, it is cut short or too large, the system does not open it, its EXIF data
            cannot be read, or its pixels are floating point or 32-bit.
    """
    return _to_rgb(decoded(path, upright=upright), Path(path))


def decoded(path: str | Path, *, upright: bool = False) -> Image.Image:
    """One picture with the values that its file holds: grey, coloured, or the numbers of a palette.

    Args:
        path: as in `read_image`.
        upright: as in `read_image`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a picture, or it is cut short.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"expected a picture at {path}, found {places.kind(path)}; check the path")
    try:
        with Image.open(path) as opened:
            opened.load()  # PIL reads lazily; here a file that was cut short raises
            turn = _turn(opened, path) if upright else None
            return opened if turn is None else opened.transpose(turn)
    except _ExifError:
        raise
    except UnidentifiedImageError as error:
        raise ValueError(
            f"expected a picture, found {path} ({path.stat().st_size:,} bytes), which no image format matches; "
            "remove it or replace it with a copy that opens in an image viewer"
        ) from error
    except Image.DecompressionBombError as error:
        raise ValueError(
            f"expected a picture of a size that fits in memory, found {path} ({error}); shrink it"
        ) from error
    except MemoryError as error:
        raise ValueError(f"expected a picture that fits in memory, found {path}; shrink it, or free memory") from error
    except Exception as error:  # decoders throw whatever a damaged file leads them to
        if isinstance(error, OSError) and error.errno is not None:
            todo = (
                "close other files or raise `ulimit -n`" if error.errno in (errno.EMFILE, errno.ENFILE) else "see to it"
            )
            raise ValueError(
                f"expected to open {path}, found that the system refuses: {error.strerror}; {todo}"
            ) from error
        raise ValueError(
            f"expected a complete picture, found {path} ({path.stat().st_size:,} bytes), which cannot be decoded "
            f"({error}); it was probably cut short when it was copied: fetch it again"
        ) from error


def resize(image: Image.Image, size: int) -> Image.Image:
    """A square of `size` pixels: short side to `size` (bicubic, antialiased), then the centre.

    Source: openai/CLIP, `_transform`.
    """
    short, long = sorted(image.size)
    whole = int(size * long / short)  # of the long side, as torchvision has it
    if whole * size > _MOST:  # the same square, without what would be cut off
        step, first = long / whole, round((whole - size) / 2)
        margin = 2 * max(step, 1) + 1  # bicubic weights reach two pixels, or two of the new ones
        low, high = max(0, math.floor(first * step - margin)), min(long, math.ceil((first + size) * step + margin))
        ends = first * step - low, (first + size) * step - low
        box: tuple[float, float, float, float]
        if image.width == long:
            part, box = image.crop((low, 0, high, short)), (ends[0], 0, ends[1], short)
        else:
            part, box = image.crop((0, low, short, high)), (0, ends[0], short, ends[1])
        return part.resize((size, size), Image.Resampling.BICUBIC, box=box)
    return F.center_crop(F.resize(image, [size], InterpolationMode.BICUBIC), [size])  # PIL always antialiases


def square(image: Float[Tensor, "3 height width"], size: int) -> Float[Tensor, "3 size size"]:
    """`resize` for a picture that is a tensor already, RGB in [0, 1]; one that has the size is returned as it is.

    Source: openai/CLIP, `_transform`; bicubic weights overshoot, and what leaves [0, 1] is cut as PIL cuts it.
    """
    if image.shape[-2:] == (size, size):
        return image
    shrunk = F.resize(image, [size], InterpolationMode.BICUBIC, antialias=True)
    return F.center_crop(shrunk, [size]).clamp(0, 1)


def to_tensor(images: Sequence[Image.Image]) -> Float[Tensor, "batch 3 height width"]:
    """RGB pictures of one size as float32 in [0, 1].

    Raises:
        ValueError: no picture, pictures of several sizes, or a picture that is not RGB.
    """
    kinds = sorted({(image.mode, image.size) for image in images})
    if len(kinds) != 1 or kinds[0][0] != "RGB":
        found = ", ".join(f"{mode} {width} x {height}" for mode, (width, height) in kinds) or "no picture"
        raise ValueError(f"expected RGB pictures of one size, found {found}; give a size to resize them to")
    array = np.stack([np.asarray(image) for image in images])  # batch height width 3
    return torch.from_numpy(array).permute(0, 3, 1, 2).contiguous().float() / 255


def folder(path: str | Path) -> list[Path]:
    """The pictures of a folder, sorted by name; hidden files are left out, and so are others, with a warning.

    Raises:
        FileNotFoundError: the folder is not there, or holds no file with one of `SUFFIXES`.
        ValueError: it holds pictures that would be missed: of other formats, or links that lead nowhere.
    """
    path = places.given(path)
    entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
    pictures = [entry for entry in entries if entry.is_file() and entry.suffix.lower() in SUFFIXES]
    others = [entry for entry in entries if entry not in set(pictures)]
    if missed := [entry for entry in others if not entry.exists() or entry.suffix.lower() in OTHERS]:
        dead = [entry for entry in missed if not entry.exists()]
        raise ValueError(
            f"expected pictures ending in {', '.join(SUFFIXES)} in {path}, found {len(pictures)} and, beside them, "
            f"{_listed(missed)}{f'; {len(dead)} of these are links that lead nowhere' if dead else ''}; save them as "
            "JPEG or PNG, or remove them"
        )
    if not pictures:
        found = _listed(others)
        raise FileNotFoundError(
            f"expected files ending in {', '.join(SUFFIXES)} in {path}, found {found or 'nothing'}; "
            "put the pictures directly into this folder"
        )
    if others:
        warnings.warn(f"{len(others)} entries of {path} are no pictures and left out: {_listed(others)}", stacklevel=2)
    return pictures


def read_folder(path: str | Path, size: int | None = None) -> Float[Tensor, "batch 3 height width"]:
    """Every picture of a folder as one batch, sorted by name.

    Args:
        path: of the folder.
        size: side in pixels to resize and crop to; without it all pictures must have one size.

    Raises:
        FileNotFoundError: see `folder`.
        ValueError: a picture cannot be read, or sizes differ and no `size` is given.
    """
    return to_tensor([resize(read_image(file), size) if size else read_image(file) for file in folder(path)])


def _turn(opened: Image.Image, path: Path) -> Image.Transpose | None:
    """How the EXIF orientation says that a picture is to be turned; no other tag is looked at."""
    try:
        return _TURNS.get(opened.getexif().get(0x112, 1))
    except Exception as error:  # PIL reads EXIF data without checking them
        raise _ExifError(
            f"expected EXIF data that can be read in {path}, found others ({type(error).__name__}: {error}); save the "
            "picture without them, upright"
        ) from error


def _to_rgb(image: Image.Image, path: Path) -> Image.Image:
    if image.mode == "I" and image.format != "PPM":
        raise ValueError(f"expected 8-bit or 16-bit pixels, found 32-bit grey in {path}; save it as 8 bit")
    if image.mode in (*_SIXTEEN_BIT, "I"):
        pixels, clear = np.asarray(image).astype(np.int64), image.info.get("transparency")
        if isinstance(clear, int):
            pixels = np.where(pixels == clear, 65535, pixels)  # on white
        image = Image.fromarray(np.round(pixels / 257).astype(np.uint8))  # 65535 / 255 = 257
    if image.mode == "F":
        raise ValueError(f"expected 8-bit or 16-bit pixels, found floating point in {path}; save it as 8 bit")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _listed(entries: Sequence[Path]) -> str:
    names = [entry.name + "/" * entry.is_dir() for entry in entries]
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
