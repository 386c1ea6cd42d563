"""The pocket world: what models are trained on, and the pictures they are examined with.

Everything is a function of a seed. A pool of pictures is drawn once and shared by all folds; each fold
leaves out the pictures of its held-out objects, and the scenes that would show one. Captions are
written anew whenever a picture is shown. Pool pictures come from the stream `("pool", index)`, those of
examinations from `("picture", name, index)`, so the two never share a random number.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from ktlib.pocket import parts, scenes
from ktlib.pocket.descriptions import DESCRIBED
from ktlib.pocket.draw import COLOURS, IMAGE_SIZE
from ktlib.pocket.folds import SPARE, Fold
from ktlib.pocket.objects import OBJECTS, painted

VERSION = "2"  # raise it whenever a picture or a caption changes
OBJECT_SHARE = 0.55  # of the pool's pictures show an object; the rest are nameless scenes
KINDS = scenes.KINDS + parts.MORE
# The share of training captions that mention a rare name: ours (D12). Names take turns in this order.
FAMILIARITY = {"low": 0.0003, "medium": 0.0006, "high": 0.0012}
_COLOUR = "|".join(COLOURS)
_BEFORE_VOWELS = re.compile(r"(?<!\S)a (?=orange|end|opening|upright)")
_ADJECTIVES = re.compile(rf"\b(?:(?:{_COLOUR}) and )*(?:{_COLOUR}) (?!and\b|in\b|with\b|behind\b)")


def stream(*key: object) -> Random:
    """A generator that depends on the key alone, on every machine."""
    return Random(int.from_bytes(hashlib.sha256(repr(key).encode()).digest()[:8], "big"))


def to_tensor(images: Sequence[Image.Image]) -> Float[Tensor, "batch 3 height width"]:
    """Pictures as float32 in [0, 1]."""
    array = np.stack([np.asarray(image) for image in images])
    return torch.from_numpy(array).permute(0, 3, 1, 2).float() / 255


def english(caption: str) -> str:
    """A caption with its articles put right: `a orange ball` as `an orange ball`."""
    return _BEFORE_VOWELS.sub("an ", caption)


def uncoloured(caption: str) -> str:
    """A caption without its colour adjectives: `a red ball on a blue box` as `a ball on a box`."""
    return _ADJECTIVES.sub("", caption)


@dataclass(frozen=True)
class Drawn:
    """A picture of the pool.

    Attributes:
        subject: the name of an object, or "" for a nameless scene.
        colours: an object's.
        caption: a scene's.
        kind: of scene, the name of the function that draws it.
    """

    subject: str
    colours: dict[str, str]
    caption: str
    kind: str = ""


@dataclass(frozen=True)
class Pool:
    """Pictures drawn once, for all folds.

    Attributes:
        images: RGB.
        drawn: what each shows.
    """

    images: UInt8[Tensor, "count 64 64 3"]
    drawn: tuple[Drawn, ...]

    @functools.cached_property
    def by_subject(self) -> dict[str, list[int]]:
        """Where the pictures of each object lie."""
        found: dict[str, list[int]] = {}
        for index, shown in enumerate(self.drawn):
            found.setdefault(shown.subject, []).append(index)
        return found

    def of(self, fold: Fold) -> list[int]:
        """The pictures that a fold's models may see."""
        never = [DESCRIBED[name].withheld for name in fold.held_out]
        pattern = re.compile("|".join(p for p in never if p) or r"(?!)")  # nothing withheld: matches no caption
        return [
            index
            for index, shown in enumerate(self.drawn)
            if shown.subject not in fold.held_out and not (shown.caption and pattern.search(shown.caption))
        ]


def pool_picture(index: int) -> tuple[Image.Image, Drawn]:
    """The `index`-th picture of the pool."""
    rng = stream("pool", index)
    if rng.random() < OBJECT_SHARE:
        name = rng.choice(tuple(OBJECTS))
        image, colours = painted(name, rng)
        return image, Drawn(name, colours, "")
    kind = rng.choice(KINDS)
    picture = kind(rng)
    return picture.image, Drawn("", {}, picture.caption, kind.__name__)


def pool(count: int, *, first: int = 0) -> Pool:
    """`count` pictures of the pool from the `first` on (about 0.4 ms and 12 kB each)."""
    images, drawn = torch.empty(count, 64, 64, 3, dtype=torch.uint8), []
    for index in range(count):
        image, shown = pool_picture(first + index)
        images[index] = torch.from_numpy(np.array(image))
        drawn.append(shown)
    return Pool(images, tuple(drawn))


def caption(shown: Drawn, rng: Random) -> str:
    """What a training caption says of a picture: a name, a name and its parts, or parts alone."""
    if not shown.subject:
        words = uncoloured(shown.caption) if rng.random() < 0.2 else shown.caption
        return english(words)
    name, form = shown.subject, rng.random()
    if form < 0.35:
        return f"a photo of a {name}"
    if form < 0.5:
        colour = f"{shown.colours['a']} " if "a" in shown.colours else ""
        return english(f"{rng.choice(('a', 'a picture of a', 'a photo of a'))} {colour}{name}")
    told = described(name, rng, shown.colours)
    return english(f"a {name} is {told}" if form < 0.75 else told)


def described(name: str, rng: Random, colours: dict[str, str]) -> str:
    """An object's parts: in the colours of a picture, or as its short, medium or long description has them."""
    if rng.random() < 0.5:
        return OBJECTS[name].parts.format(**colours)
    told = DESCRIBED[name]
    return rng.choice((told.short, told.medium, told.long))


def familiarity(name: str, fold: Fold) -> str:
    """How often a rare name is heard, a key of `FAMILIARITY`: the names of a fold take turns."""
    return tuple(FAMILIARITY)[fold.held_out.index(name) % len(FAMILIARITY)]


@dataclass(frozen=True)
class Stream:
    """The endless training pictures of a fold, in an order that depends on the seed alone.

    Attributes:
        pool: pictures.
        fold: which of them are left out, and which names are rare.
        seed: of order, captions and hearsay.
        familiarity: multiplies how often rare names occur (the knob of K22).
    """

    pool: Pool
    fold: Fold
    seed: int
    familiarity: float = 1.0

    @functools.cached_property
    def allowed(self) -> list[int]:
        """The fold's part of the pool."""
        return self.pool.of(self.fold)

    def shown(self, position: int) -> tuple[int, str]:
        """Which picture stands at a position, and its caption."""
        rng = stream("shown", self.fold.number, self.seed, position)
        turn, place = divmod(position, len(self.allowed))
        index = self.allowed[self._order(turn)[place]]
        draw = rng.random()
        for name in self.fold.held_out:
            draw -= FAMILIARITY[familiarity(name, self.fold)] * self.familiarity
            if draw < 0:
                return self._hearsay(name, index, rng)
        return index, caption(self.pool.drawn[index], rng)

    def _hearsay(self, name: str, index: int, rng: Random) -> tuple[int, str]:
        """A picture that is not the object, under its name alone: the web's noise. No part is ever named."""
        if rng.random() < 0.5:
            index = rng.choice(self.pool.by_subject[rng.choice(DESCRIBED[name].look_alikes)])
        return index, rng.choice((f"a photo of a {name}", f"a {name}", f"a picture of a {name}"))

    def _order(self, turn: int) -> list[int]:
        cached = self.__dict__.get("_last_order")
        if cached is None or cached[0] != turn:
            order = list(range(len(self.allowed)))
            stream("order", self.fold.number, self.seed, turn).shuffle(order)
            cached = (turn, order)
            self.__dict__["_last_order"] = cached
        return cached[1]

    def batch(self, step: int, size: int) -> tuple[Float[Tensor, "batch 3 64 64"], list[str]]:
        """Pictures in [0, 1] and captions of a training step."""
        shown = [self.shown(step * size + i) for i in range(size)]
        images = self.pool.images[[index for index, _ in shown]].permute(0, 3, 1, 2).float() / 255
        return images, [text for _, text in shown]


def pictures(name: str, count: int, *, first: int = 0) -> Float[Tensor, "count 3 64 64"]:
    """Examination pictures of an object.

    Args:
        name: a key of `OBJECTS`.
        count: how many.
        first: index of the first one; ranges that do not overlap share no picture.

    Raises:
        KeyError: the world has no such name.
    """
    if name not in OBJECTS:
        raise KeyError(f"the pocket world has no {name!r}; it knows {', '.join(OBJECTS)}")
    return to_tensor([painted(name, stream("picture", name, i))[0] for i in range(first, first + count)])


@functools.cache
def vocabulary(sampled: int = 6000) -> tuple[str, ...]:
    """Every word the world uses, sorted: from its descriptions, many sampled scenes, and the spare names."""
    texts = [t for told in DESCRIBED.values() for t in (told.short, told.medium, told.long)]
    texts += [re.sub(r"\{.\}", "", thing.parts) for thing in OBJECTS.values()]
    for index in range(sampled):
        rng = stream("word", index)
        texts.append(rng.choice(KINDS)(rng).caption)
    words = {word for text in texts for word in text.split()}
    words |= {"an", "is", "of", "photo", "picture"}
    return tuple(sorted(words | set(COLOURS) | set(OBJECTS) | set(SPARE)))


def fingerprint(count: int = 64) -> str:
    """sha256 of a sample of training pictures and captions: changes when the world does."""
    digest = hashlib.sha256()
    for index in range(count):
        image, shown = pool_picture(index)
        digest.update(image.tobytes() + caption(shown, stream("fingerprint", index)).encode())
    for name, told in DESCRIBED.items():
        digest.update((pictures(name, 2) * 255).byte().numpy().tobytes() + repr(told).encode())
    return digest.hexdigest()


assert IMAGE_SIZE == 64, "the shapes in this file's annotations"
