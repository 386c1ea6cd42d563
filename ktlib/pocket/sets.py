"""Drawn test sets, from coarse to fine: what Zoom-shot's nine are to photographs.

A picture is a function of `("set", name, split, index)`. Splits are `train` (unlabelled images of the
target distribution, ZS Tab. 6), `test`, and for the sets that settings are chosen on `validation`.
No pocket CLIP or encoder was trained on a picture of these streams.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from PIL import Image

from ktlib.data.sets import LabelledImages
from ktlib.pocket import scenes, world
from ktlib.pocket.draw import COLOURS, IMAGE_SIZE, Canvas
from ktlib.pocket.drawings import BRIGHT
from ktlib.pocket.objects import OBJECTS, painted
from ktlib.store import key

PLAIN = ("a photo of a {}", "a {}")
DIRECTIONS = ("right", "below right", "below", "below left", "left", "above left", "above", "above right")


@dataclass(frozen=True)
class DrawnSet:
    """A set of drawn pictures.

    Attributes:
        names: of the classes, as they stand in prompts.
        templates: prompts, averaged.
        draw: a picture of a class.
        like: the set of photographs whose part it plays.
        per_class: test pictures of a class.
    """

    names: tuple[str, ...]
    templates: tuple[str, ...]
    draw: Callable[[int, Random], Image.Image]
    like: str
    per_class: int


def _painted(name: str, **colours: str) -> Callable[[Random], Image.Image]:
    return lambda rng: painted(name, rng, colours)[0]


def _choice(painters: list[Callable[[Random], Image.Image]]) -> Callable[[int, Random], Image.Image]:
    return lambda label, rng: painters[label](rng)


def _named(names: tuple[str, ...]) -> Callable[[int, Random], Image.Image]:
    return lambda label, rng: painted(names[label], rng)[0]


def _blurred(label: int, rng: Random) -> Image.Image:
    """An object at a quarter of the side, as CIFAR's pictures are small."""
    small = _named(tuple(OBJECTS))(label, rng).reduce(4)
    return small.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BICUBIC)


def _shape(label: int, rng: Random) -> Image.Image:
    """A single shape of any colour, texture and size."""
    while True:
        picture = scenes.single(rng)
        if picture.caption.split()[-1] == scenes.SHAPES[label]:
            return picture.image


def _dial(label: int, rng: Random) -> Image.Image:
    """A dial whose hand points in one of eight directions: no caption of the world ever says where."""
    c = Canvas(rng, scenes.ground_without(rng, "white", "black"))
    x, y, r = rng.uniform(0.42, 0.58), rng.uniform(0.42, 0.58), rng.uniform(0.28, 0.4)
    angle = (label + rng.uniform(-0.3, 0.3)) * math.pi / 4
    c.disk(x, y, r, "white")
    c.ring(x, y, r, 0.03, "black")
    c.line(x, y, x + 0.7 * r * math.cos(angle), y + 0.7 * r * math.sin(angle), 0.03, "black")
    return c.finished()


_FLAG, _HOUSE = OBJECTS["flag"].palette, OBJECTS["house"].palette
_FLAGS = [(a, b, c) for a in _FLAG["a"] for b in _FLAG["b"] for c in _FLAG["c"] if a != c]
_HOUSES = [(a, b) for a in _HOUSE["a"] for b in _HOUSE["b"]]
_FLOWERS = OBJECTS["flower"].palette["a"]
_MUGS = OBJECTS["mug"].palette["a"]
_SOME = tuple(OBJECTS)[1::2]
_SURFACES = {"brick": "brick wall", "wooden": "wooden wall", "grey stone": "grey stone wall",
             "garden": "garden with a blue sky", "field": "green field below a pale sky"}  # fmt: skip

SETS: dict[str, DrawnSet] = {
    "shapes": DrawnSet(scenes.SHAPES, PLAIN, _shape, "CIFAR-10", 60),
    "blurred objects": DrawnSet(tuple(OBJECTS), PLAIN, _blurred, "CIFAR-100", 20),
    "some objects": DrawnSet(_SOME, PLAIN, _named(_SOME), "ImageNet-100", 20),
    "objects": DrawnSet(tuple(OBJECTS), PLAIN, _named(tuple(OBJECTS)), "ImageNet-1000", 20),
    "flags": DrawnSet(
        tuple(f"{a} and {b} and {c}" for a, b, c in _FLAGS),
        ("lying {} stripes on a brown rod", "a photo of a {} flag"),
        _choice([_painted("flag", a=a, b=b, c=c) for a, b, c in _FLAGS]), "CUB-200", 12,
    ),
    "flowers": DrawnSet(
        _FLOWERS, ("a photo of a {} flower", "a {} flower"), _choice([_painted("flower", a=a) for a in _FLOWERS]),
        "Flowers-102", 60,
    ),
    "dials": DrawnSet(DIRECTIONS, ("a round dial with a black hand {}",), _dial, "Herbarium-19", 50),
    "houses": DrawnSet(
        tuple(f"a {b} triangle on top of a {a} box" for a, b in _HOUSES), ("{}", "a photo of {}"),
        _choice([_painted("house", a=a, b=b) for a, b in _HOUSES]), "Oxford-IIIT Pets", 20,
    ),
    "cars": DrawnSet(
        BRIGHT, ("a photo of a {} car", "a {} car"), _choice([_painted("car", a=a) for a in BRIGHT]),
        "Stanford Cars", 60,
    ),
}  # fmt: skip

# Settings are chosen on these alone.
VALIDATION: dict[str, DrawnSet] = {
    "lamps": DrawnSet(
        BRIGHT, ("a photo of a {} lamp", "a {} lamp"), _choice([_painted("lamp", a=a) for a in BRIGHT]), "", 40
    ),
    "mugs": DrawnSet(
        _MUGS, ("a photo of a {} mug", "a {} mug"), _choice([_painted("mug", a=a) for a in _MUGS]), "", 40
    ),
    "surfaces": DrawnSet(
        tuple(_SURFACES.values()), ("a photo of a {}", "a {}"),
        lambda label, rng: scenes.surface(rng, list(_SURFACES)[label]).image, "", 40,
    ),
}  # fmt: skip

TRAIN, TARGET = 20_480, 2_048  # pictures that a map is trained on, and those of a set of its own (ZS Tab. 6)

# What distillation is guided by: 44 general things of this world, as ZS, Fig. 5 lists 44 of ours.
_GENERAL = tuple(OBJECTS)[:40:2]
_COLOURED = tuple(f"{colour} square" for colour in COLOURS)
PROMPTS = tuple(
    f"a photo of a {name}" for name in (*scenes.SHAPES, *_GENERAL, *_COLOURED, *list(_SURFACES.values())[:3])
)


def drawn_set(name: str, split: str, *, count: int | None = None) -> LabelledImages:
    """A drawn set, its classes in turn.

    Args:
        name: of `SETS` or `VALIDATION`.
        split: `train`, `test` or `validation`; they share no picture.
        count: of pictures; `per_class` of each class by default.

    Raises:
        KeyError: there is no such set.
    """
    sets = SETS | VALIDATION
    if name not in sets:
        raise KeyError(f"expected a drawn set ({', '.join(sets)}), found {name!r}")
    chosen = sets[name]
    count = count or chosen.per_class * len(chosen.names)
    labels = tuple(index % len(chosen.names) for index in range(count))

    def read(index: int) -> Image.Image:
        return chosen.draw(labels[index], world.stream("set", name, split, index))

    digest = key(world.VERSION, name, split, count, [list(read(index).tobytes()[::97]) for index in range(3)])
    return LabelledImages(name, read, labels, chosen.names, chosen.templates, digest)


def everything(count: int = TRAIN) -> LabelledImages:
    """The unlabelled images a map is trained on: objects, each as often as any other.

    Args:
        count: of pictures.
    """
    names = tuple(OBJECTS)

    def read(index: int) -> Image.Image:
        rng = world.stream("set", "everything", index)
        return painted(rng.choice(names), rng)[0]

    digest = key(world.fingerprint(), "everything", count)
    return LabelledImages("objects, unlabelled", read, (0,) * count, (), PLAIN, digest)


def tests() -> dict[str, LabelledImages]:
    """The nine sets by name, in the order of ZS Tab. 1."""
    return {name: drawn_set(name, "test") for name in SETS}


def targets() -> dict[str, LabelledImages]:
    """Training pictures of seven of them: ImageNet's two have no target of their own, they are the source (Tab. 6)."""
    sources = ("ImageNet-100", "ImageNet-1000")
    return {name: drawn_set(name, "train", count=TARGET) for name, one in SETS.items() if one.like not in sources}


def validation() -> dict[str, LabelledImages]:
    """The sets that settings are chosen on."""
    return {name: drawn_set(name, "validation") for name in VALIDATION}
