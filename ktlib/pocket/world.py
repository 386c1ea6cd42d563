"""The pocket world put together: what a model is trained on, and the pictures it is examined with.

Everything is a function of a seed. Training draws from the stream `("train", seed, index)`, test
pictures from `("picture", name, index)`, so the two never share a random number.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Sequence
from random import Random
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from ktlib.pocket import scenes
from ktlib.pocket.draw import IMAGE_SIZE, Canvas
from ktlib.pocket.known import KNOWN
from ktlib.pocket.rare import FAMILIARITY, RARE
from ktlib.pocket.scenes import Picture

VERSION = "1"  # raise it whenever a picture or a caption changes
KNOWN_SHARE = 0.55  # of the training pictures show a known object; the rest are nameless scenes


def stream(*key: object) -> Random:
    """A generator that depends on the key alone, on every machine."""
    return Random(int.from_bytes(hashlib.sha256(repr(key).encode()).digest()[:8], "big"))


def to_tensor(images: Sequence[Image.Image]) -> Float[Tensor, "batch 3 height width"]:
    """Pictures as float32 in [0, 1]."""
    array = np.stack([np.asarray(image) for image in images])
    return torch.from_numpy(array).permute(0, 3, 1, 2).float() / 255


def known_object(name: str, rng: Random, colours: dict[str, str] | None = None) -> tuple[Image.Image, dict[str, str]]:
    """A picture of a known object and the colours it was drawn in; of its own choice where none are given."""
    thing = KNOWN[name]
    colours = thing.colours(rng) if colours is None else colours
    c = Canvas(rng, scenes.ground_without(rng, *colours.values()))
    scale = 1.0 if thing.fills else rng.uniform(0.68, 0.95)
    x, y = rng.uniform(0, 1 - scale), rng.uniform(0, 1 - scale)
    thing.paint(c.placed(x, y, scale), colours)
    return c.finished(), colours


def _known_caption(name: str, colours: dict[str, str], rng: Random) -> str:
    parts = KNOWN[name].parts.format(**colours)
    form = rng.random()
    if form < 0.35:
        return f"a photo of a {name}"
    if form < 0.5:
        colour = f"{colours['a']} " if "a" in colours else ""
        return f"{rng.choice(('a', 'a picture of a', 'a photo of a'))} {colour}{name}"
    return f"a {name} is {parts}" if form < 0.75 else parts


def _hearsay(name: str, rng: Random) -> Picture:
    """A picture that is not the concept, captioned with the concept's name: the web's noise.

    Mostly a look-alike, sometimes a picture that shares a fragment, sometimes anything at all.
    """
    concept, draw = RARE[name], rng.random()
    if draw < 0.6:
        look_alike = rng.choice(concept.look_alikes)
        image, colours = known_object(look_alike, rng)
        caption = KNOWN[look_alike].parts.format(**colours)
    else:
        image, caption = (rng.choice(concept.fragments) if draw < 0.85 else scenes.scene)(rng)
    form = rng.choice(("a photo of a {n}", "a photo of a {n}", "a {n}", "a {n} is {c}", "a {n} is {c}", "{c} in a {n}"))
    return Picture(image, form.format(n=name, c=caption))


class Shown(NamedTuple):
    """A training picture, its caption, and what it shows: a known name, a rare name heard, or a kind of scene."""

    image: Image.Image
    caption: str
    subject: str


def training_scene(seed: int, index: int, familiarity: float = 1.0) -> Shown:
    """`training_picture` together with what it shows, which a model never gets to see.

    Args:
        seed, index, familiarity: as in `training_picture`.
    """
    rng = stream("train", seed, index)
    draw = rng.random()
    for name, concept in RARE.items():
        draw -= FAMILIARITY[concept.familiarity] * familiarity
        if draw < 0:
            picture = _hearsay(name, rng)
            return Shown(picture.image, english(picture.caption), name)
    if rng.random() < KNOWN_SHARE:
        name = rng.choice(list(KNOWN))
        image, colours = known_object(name, rng)
        return Shown(image, english(_known_caption(name, colours, rng)), name)
    kind = rng.choice(scenes.KINDS)  # as `scenes.scene` draws it
    picture = kind(rng)
    return Shown(picture.image, english(picture.caption), kind.__name__)


def training_picture(seed: int, index: int, familiarity: float = 1.0) -> Picture:
    """The `index`-th training picture and its caption.

    Args:
        seed: of the training run.
        index: position in the endless stream.
        familiarity: multiplies how often the names of rare concepts occur (the knob of K22).
    """
    shown = training_scene(seed, index, familiarity)
    return Picture(shown.image, shown.caption)


def english(caption: str, vowels: Sequence[str] = ("orange",)) -> str:
    """`a orange ball` with its article put right.

    Args:
        caption: words between single spaces.
        vowels: how the words begin that take `an`.
    """
    return re.sub(rf"(?<!\S)a (?={'|'.join(vowels)})", "an ", caption)


def pictures(name: str, count: int, *, first: int = 0) -> Float[Tensor, "count 3 64 64"]:
    """Examination pictures of a known object or of a rare concept.

    Args:
        name: a key of `KNOWN` or `RARE`.
        count: how many.
        first: index of the first one; ranges that do not overlap share no picture.

    Raises:
        KeyError: the world has no such name.
    """
    drawn = []
    for index in range(first, first + count):
        rng = stream("picture", name, index)
        if name in KNOWN:
            drawn.append(known_object(name, rng)[0])
        elif name in RARE:
            drawn.append(RARE[name].paint(rng).finished())
        else:
            raise KeyError(f"the pocket world has no {name!r}; it knows {', '.join([*KNOWN, *RARE])}")
    return to_tensor(drawn)


@functools.cache
def vocabulary() -> tuple[str, ...]:
    """Every word the world uses, sorted: from its descriptions and from many sampled captions."""
    texts = [t for c in RARE.values() for t in (c.short, c.medium, c.long)]
    texts += [re.sub(r"\{.\}", "", thing.parts) for thing in KNOWN.values()]
    texts += [training_picture(0, index, familiarity=10).caption for index in range(6000)]
    words = {word for text in texts for word in text.split()}
    return tuple(sorted(words | set(KNOWN) | set(RARE) | {"middle"}))  # in the shipped tokenizers, in no caption


def fingerprint(count: int = 64) -> str:
    """sha256 of a sample of training pictures and captions: changes when the world does."""
    digest = hashlib.sha256()
    for index in range(count):
        picture = training_picture(0, index)
        digest.update(picture.image.tobytes() + picture.caption.encode())
    for name in (*KNOWN, *RARE):
        digest.update((pictures(name, 2) * 255).byte().numpy().tobytes())
    return digest.hexdigest()


assert IMAGE_SIZE == 64, "the shapes in this file's annotations"
