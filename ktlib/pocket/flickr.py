"""A pocket Flickr: scenes of two things with five captions each, in pairs that differ in a relation alone.

Scene 2k and scene 2k + 1 show the same two things in the same colours, once left of and once right of
(or above and below) each other, so that a model which counts words cannot tell their captions apart.
As in Flickr30k the captions of an image say the same in different words; some leave out a colour.
The objects are known ones of `FOLD`, so that the models of that fold can be trained and examined with scenes.
"""

from __future__ import annotations

import hashlib
from random import Random
from typing import NamedTuple

from PIL import Image

from ktlib.pocket import scenes
from ktlib.pocket.draw import Canvas
from ktlib.pocket.folds import FOLDS
from ktlib.pocket.objects import FIXED, OBJECTS
from ktlib.pocket.world import english, stream

VERSION = "2"  # raise it whenever a picture or a caption changes
CAPTIONS = 5
RELATIONS = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
FOLD = FOLDS[0]
_THINGS = tuple(name for name in FOLD.known if not OBJECTS[name].fills)
_OBJECT_SHARE = 0.7  # of the things; the rest are coloured shapes


class Scene(NamedTuple):
    """A picture and five sentences that are true of it."""

    image: Image.Image
    captions: tuple[str, ...]


class Thing(NamedTuple):
    """Something in a picture.

    Attributes:
        name: of an object or a shape.
        colours: by the slots of its palette; empty where it has none.
    """

    name: str
    colours: dict[str, str]

    @property
    def full(self) -> str:
        """With its colour, where it has one."""
        return f"a {self.colours['a']} {self.name}" if "a" in self.colours else self.short

    @property
    def short(self) -> str:
        """Without its colour."""
        return f"a {self.name}"

    @property
    def seen(self) -> tuple[str, ...]:
        """The colours that its ground must not have."""
        return (*self.colours.values(), *FIXED.get(self.name, ()))


class Arrangement(NamedTuple):
    """Two things, and how the first stands to the second: a key of `RELATIONS`."""

    first: Thing
    second: Thing
    relation: str


def _thing(rng: Random, other: Thing | None = None) -> Thing:
    taken = other.name if other else ""
    if rng.random() < _OBJECT_SHARE:
        name = rng.choice([n for n in _THINGS if n != taken])
        return Thing(name, OBJECTS[name].colours(rng))
    used = set(other.colours.values()) if other else set()
    colour = rng.choice([c for c in scenes.ALL if c not in used])
    return Thing(rng.choice([s for s in scenes.SHAPES if s != taken]), {"a": colour})


def arrange(rng: Random, *, flip: bool = False) -> Arrangement:
    """What a scene shows; `flip` reverses the relation.

    Args:
        rng: decides what, where and in which colours; the picture goes on with it.
        flip: as in `scene`.
    """
    first = _thing(rng)
    second = _thing(rng, first)
    relation = rng.choice(tuple(RELATIONS))
    return Arrangement(first, second, RELATIONS[relation] if flip else relation)


def picture(rng: Random, shown: Arrangement) -> Image.Image:
    """The picture of an arrangement.

    Args:
        rng: decides ground, places and shades.
        shown: from `arrange`.
    """
    first, second, relation = shown
    c = Canvas(rng, scenes.ground_without(rng, *first.seen, *second.seen))
    size, near, far = rng.uniform(0.36, 0.44), rng.uniform(0.02, 0.1), rng.uniform(0.5, 0.55)
    middle = rng.uniform(0.2, 0.4)
    along = (near, far) if relation in ("left of", "above") else (far, near)
    for thing, place in zip((first, second), along, strict=True):
        x, y = (place, middle) if relation in ("left of", "right of") else (middle, place)
        spot = c.placed(x, y, size)
        if thing.name in OBJECTS:
            OBJECTS[thing.name].paint(spot, thing.colours)
        else:
            scenes._shape(spot, thing.name, thing.colours["a"])
    return c.finished()


def captions(a: Thing, b: Thing, relation: str) -> tuple[str, ...]:
    """Five sentences that are true of an arrangement."""
    back = RELATIONS[relation]
    told = (
        f"{a.full} {relation} {b.full}",
        f"{b.full} {back} {a.full}",
        f"{a.short} {relation} {b.full}",
        f"a photo of {b.short} {back} {a.full}",
        f"a picture of {a.short} {relation} {b.short}",
    )
    return tuple(english(caption) for caption in told)


def scene(rng: Random, *, flip: bool = False) -> Scene:
    """Two things beside or above each other; `flip` draws the same two the other way round.

    Args:
        rng: decides what, where and in which colours.
        flip: reverse the relation.
    """
    shown = arrange(rng, flip=flip)
    return Scene(picture(rng, shown), captions(*shown))


def training_scene(seed: int, index: int) -> Scene:
    """A scene to train on; shares no random number with those of `split`."""
    return scene(stream("train flickr", seed, index))


def split(name: str, count: int) -> list[Scene]:
    """The first `count` scenes of a split: `validation` or `test`.

    Args:
        name: of the split.
        count: an even number; scene 2k + 1 is scene 2k the other way round.

    Raises:
        ValueError: an odd count, or no such split.
    """
    if name not in ("validation", "test") or count % 2:
        raise ValueError(f"expected validation or test and an even count, found {name!r} and {count}")
    return [scene(stream("flickr", name, i // 2), flip=bool(i % 2)) for i in range(count)]


def fingerprint(count: int = 20) -> str:
    """sha256 of the first test scenes and their captions."""
    digest = hashlib.sha256()
    for shown in split("test", count):
        digest.update(shown.image.tobytes() + "|".join(shown.captions).encode())
    return digest.hexdigest()
