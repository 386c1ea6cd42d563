"""Pictures from files: float32 `(batch, 3, height, width)`, RGB in [0, 1], whatever the file holds.

Cropping is CLIP's: short side to the size, bicubic with antialiasing, then the centre
(openai/CLIP `clip/clip.py`, `_transform`). Three things differ from there, all before the resize:
we convert to RGB first (CLIP resizes a palette or CMYK picture as it is), we put transparency on
white (CLIP drops the alpha channel and shows whatever colour lies under it), and we turn a
photograph the way its EXIF orientation says (CLIP does not; `upright=False` keeps it as stored).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
_SIXTEEN_BIT = ("I;16", "I;16B", "I;16L", "I")  # how PIL names 16-bit grey; "I" is what older versions make of a PNG


def read_image(path: str | Path, *, upright: bool = True) -> Image.Image:
    """One picture, as 8-bit RGB.

    Greyscale is repeated to three channels, palettes are resolved, CMYK is converted without a colour
    profile, transparency is put on white, 16-bit grey is scaled from [0, 65535] to [0, 255] (ours).

    Args:
        path: of the file; its content decides the format, not its suffix.
        upright: turn and mirror as the EXIF orientation says.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a picture, it is cut short, or its pixels are floating point or 32-bit.
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
        raise FileNotFoundError(f"expected a picture at {path}, found {_kind(path)}; check the path")
    try:
        with Image.open(path) as opened:
            opened.load()  # PIL reads lazily; here a file that was cut short raises
            return ImageOps.exif_transpose(opened) if upright else opened.copy()
    except UnidentifiedImageError as error:
        raise ValueError(
            f"expected a picture, found {path} ({path.stat().st_size:,} bytes), which no image format matches; "
            "remove it or replace it with a copy that opens in an image viewer"
        ) from error
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(
            f"expected a complete picture, found {path} ({path.stat().st_size:,} bytes), which cannot be decoded "
            f"({error}); it was probably cut short when it was copied: fetch it again"
        ) from error


def resize(image: Image.Image, size: int) -> Image.Image:
    """A square of `size` pixels: short side to `size` (bicubic, antialiased), then the centre.

    Source: openai/CLIP, `_transform`.
    """
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
    """The pictures of a folder, sorted by name; sub-folders and hidden files are left out.

    Raises:
        FileNotFoundError: the folder is not there, or holds no file with one of `SUFFIXES`.
    """
    path = Path(path)
    if not path.is_dir():
        raise FileNotFoundError(f"expected a folder of pictures at {path}, found {_kind(path)}; check the path")
    entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
    pictures = [entry for entry in entries if entry.is_file() and entry.suffix.lower() in SUFFIXES]
    if not pictures:
        names = [entry.name + "/" * entry.is_dir() for entry in entries]
        found = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        raise FileNotFoundError(
            f"expected files ending in {', '.join(SUFFIXES)} in {path}, found {found or 'nothing'}; "
            "put the pictures directly into this folder"
        )
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
    images = [read_image(file) for file in folder(path)]
    return to_tensor([resize(image, size) for image in images] if size else images)


def _to_rgb(image: Image.Image, path: Path) -> Image.Image:
    if image.mode in _SIXTEEN_BIT:
        pixels = np.asarray(image).astype(np.int64)
        if pixels.min() < 0 or pixels.max() > 65535:
            found = f"[{pixels.min()}, {pixels.max()}]"
            raise ValueError(f"expected grey values in [0, 65535], found {found} in {path}; save it as 8 bit")
        image = Image.fromarray(np.round(pixels / 257).astype(np.uint8))  # 65535 / 255 = 257
    if image.mode == "F":
        raise ValueError(f"expected 8-bit or 16-bit pixels, found floating point in {path}; save it as 8 bit")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _kind(path: Path) -> str:
    return "a folder" if path.is_dir() else "a file" if path.exists() else "nothing"
