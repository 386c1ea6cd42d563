"""What enters a model, checked and prepared in one place: pictures and texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def check_images(images: Tensor) -> None:
    """Refuse what is no batch of pictures.

    Whether the pixels lie in [0, 1] is not looked at: on a GPU every step would wait for the answer.

    Raises:
        ValueError: another layout, no pixel, or 8-bit pixels.
    """
    if images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"expected images (batch, 3, height, width) in [0, 1], found {tuple(images.shape)}")
    if 0 in images.shape[2:]:
        raise ValueError(f"expected images of a pixel at least, found {tuple(images.shape)}")
    if not images.is_floating_point():
        raise ValueError(f"expected float images in [0, 1], found {images.dtype}: divide by 255")


def resize(images: Tensor, size: tuple[int, int]) -> Float[Tensor, "batch 3 rows columns"]:
    """Pictures of a size: bicubic, antialiased where either side shrinks, untouched where nothing changes.

    Args:
        images: (batch, 3, height, width), RGB in [0, 1].
        size: height and width in pixels.

    Raises:
        ValueError: as `check_images`.
    """
    check_images(images)
    height, width = images.shape[-2:]
    if size == (height, width):
        return images
    return F.interpolate(images, size, mode="bicubic", antialias=size[0] < height or size[1] < width)


def prepare(images: Tensor, size: tuple[int, int], mean: Tensor, std: Tensor) -> Float[Tensor, "batch 3 rows columns"]:
    """Pictures as a network takes them: resized, normalised, and as exact as its numbers.

    Args:
        images: (batch, 3, height, width), RGB in [0, 1].
        size: height and width in pixels.
        mean, std: of the channels, (1, 3, 1, 1), or one number for all.

    Raises:
        ValueError: as `check_images`.
    """
    return ((resize(images, size) - mean) / std).to(mean.dtype)


def check_texts(texts: Sequence[str]) -> None:
    """Refuse one string where a list is expected: its letters would be taken for texts.

    Raises:
        ValueError: it is a string.
    """
    if isinstance(texts, str):
        raise ValueError(f"expected a list of texts, found one string: write [{texts!r}]")


def check_tokens(text: str, ids: Sequence[int], *, name: str, most: int, tokenizer: Any | None) -> None:
    """Refuse a text that the model would not read whole; nothing is ever cut off or passed over silently.

    Args:
        text: as it was written.
        ids: its tokens, start and end included.
        name: of the model.
        most: tokens it takes.
        tokenizer: of transformers, where a word it does not know is an error; None where it may stand for one.

    Raises:
        ValueError: words that are not known, or too many tokens.
    """
    if tokenizer is not None and tokenizer.unk_token_id in ids:
        known = tokenizer.get_vocab()
        unknown = [word for word in text.lower().replace(".", "").split() if word not in known]
        raise ValueError(
            f"{name} does not know {', '.join(map(repr, unknown))} in {text!r}: a pocket model speaks "
            "only the world's words; `python -m ktlib pocket words` lists them"
        )
    if len(ids) > most:
        raise ValueError(
            f"expected at most {most} tokens for {name}, found {len(ids)} in {text!r}: "
            "shorten it (the name in front of a description counts too)"
        )
