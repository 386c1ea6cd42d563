"""What enters a model, checked and prepared in one place: pictures and texts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

SLACK = 0.5  # how far beyond [0, 1] a pixel may lie (ours)


def check_images(images: Tensor, *, pixels: bool = True) -> None:
    """Refuse what is no batch of pictures.

    Resizing overshoots and a step of inversion leaves [0, 1] for a moment, so the range has slack, and pixels that are
    being optimised are not looked at. It tells [0, 255], [-1, 1] and what is normalised already from [0, 1].

    Args:
        images: (batch, 3, height, width), RGB in [0, 1].
        pixels: whether they are pictures; activations need only be finite numbers.

    Raises:
        ValueError: no tensor, another layout, no image, no pixel, 8-bit pixels, another range, or numbers that are not
            finite.
    """
    if not isinstance(images, Tensor):
        raise ValueError(f"expected images as a tensor, found {type(images).__name__}; make one (torch.from_numpy)")
    shape = tuple(images.shape)
    if images.ndim == 5:
        raise ValueError(f"expected images of one concept (batch, 3, height, width), found {shape}: pass images[0]")
    if pixels and (images.ndim != 4 or images.shape[1] != 3):
        raise ValueError(f"expected images (batch, 3, height, width) in [0, 1], found {shape}")
    if pixels and 0 in shape[2:]:
        raise ValueError(f"expected images of a pixel at least, found {shape}")
    if not images.is_floating_point():
        raise ValueError(f"expected float images in [0, 1], found {images.dtype}: divide by 255")
    if not len(images):
        raise ValueError(f"expected images, found an empty batch, {shape}")
    if images.requires_grad:
        return
    low, high = (bound.item() for bound in images.aminmax())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError(f"expected finite numbers in images, found {low} to {high}; check where they come from")
    if pixels and (low < -SLACK or high > 1 + SLACK):
        todo = "divide by 255" if high > 8 else "they are normalised in the model, give them as they are"
        raise ValueError(f"expected images in [0, 1], found numbers from {low:.3g} to {high:.3g}: {todo}")


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
    """Refuse one string where a list is expected, for its letters would be taken for texts, and texts that say nothing.

    Raises:
        ValueError: it is a string, has no text, or one of them is empty or none at all.
    """
    if isinstance(texts, str):
        raise ValueError(f"expected a list of texts, found one string: write [{texts!r}]")
    if not len(texts) or (odd := [text for text in texts if not isinstance(text, str) or not text.strip()]):
        found = f"{odd[0]!r} among {len(texts)}" if len(texts) else "none"
        raise ValueError(f"expected texts that say something, found {found}; leave it out, or write it")


def prompts(names: Sequence[str], templates: Sequence[str]) -> list[str]:
    """Every name in every template, name by name.

    Args:
        names: of classes; `[""]` where the templates say all.
        templates: with one `{}` for the name.

    Raises:
        ValueError: a string where a list is expected, nothing at all, or a template without its `{}`.
    """
    for what, texts in (("names", names), ("templates", templates)):
        if isinstance(texts, str) or not len(texts) or not all(isinstance(text, str) for text in texts):
            hint = f": write [{texts!r}]" if isinstance(texts, str) else ""
            raise ValueError(f"expected a list of {what}, found {texts!r}{hint}")
    if list(names) != [""] and not all(name.strip() for name in names):
        raise ValueError(f"expected names, found an empty one among {list(names)!r}; write it, or leave it out")
    if list(names) != [""] and (odd := [text for text in templates if text.count("{}") != 1]):
        raise ValueError(f"expected one {{}} for the name in every template, found {odd[0]!r}")
    return [template.replace("{}", name) for name in names for template in templates]


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
        words = text.lower().replace(".", "").split()
        unknown = [word for word in words if tokenizer.unk_token_id in tokenizer(word).input_ids] or words
        hint = "take words that its tokenizer knows"
        if name.startswith("pocket/"):
            hint = "a pocket model speaks only the world's words; `python -m ktlib pocket words` lists them"
        raise ValueError(f"{name} does not know {', '.join(map(repr, unknown))} in {text!r}: {hint}")
    if len(ids) > most:
        raise ValueError(
            f"expected at most {most} tokens for {name}, found {len(ids)} in {text!r}: "
            "shorten it (the name in front of a description counts too)"
        )


def fitting(rows: Sequence[list[int]], *, most: int, too_long: str) -> list[list[int]]:
    """Texts as tokens, those that do not fit cut or left to be refused.

    Args:
        rows: token ids of each text, start and end included.
        most: tokens the model takes.
        too_long: `refuse` leaves them as they are, for `check_tokens`; `cut` keeps what fits before the end token, as
            ViLT's code does.

    Raises:
        ValueError: another word for `too_long`.
    """
    if too_long not in ("refuse", "cut"):
        raise ValueError(f"expected too_long to be refuse or cut, found {too_long!r}")
    return [[*row[: most - 1], row[-1]] if too_long == "cut" and len(row) > most else row for row in rows]


_MARKS = (
    "sot_token_id",
    "eot_token_id",
    "bos_token_id",
    "eos_token_id",
    "cls_token_id",
    "sep_token_id",
    "pad_token_id",
)


def check_marks(text: str, ids: Sequence[int], *, name: str, tokenizer: Any) -> None:
    """Refuse a text that holds a token with a meaning of its own, such as the one that ends a text.

    Args:
        text: as it was written.
        ids: its tokens, start and end included.
        name: of the model.
        tokenizer: of transformers or open_clip.

    Raises:
        ValueError: one of the inner tokens is such a mark: what follows it would not be read.
    """
    marks = {getattr(tokenizer, mark, None) for mark in _MARKS} - {None}
    if marks & set(ids[1:-1]):
        raise ValueError(
            f"expected a text without the tokenizer's own marks for {name}, found one inside {text!r}, where the text "
            "would end or be passed over; remove it"
        )
