"""Drawn slices and films with exact masks: lungs in CT, breasts in ultrasound, brains in MR, collapsed lungs.

They play the parts of UnitoChest, UDIAT, BraTS23 and SIIM (KT v1, Tab. 4). A lesion is laid on a finished
picture of healthy tissue, whole pixels at a time, so its mask is what it drew: the pixels that differ from the
picture without it. What it does to its surroundings, a shadow or a pleural line, is drawn before and is no part of
the mask; the mask of a brain tumour is of the whole, as BraTS has it: the bright mass and the swelling around it.

A slice is a function of `("scan", task, split, index)`. These are drawings and not medical data.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Bool, UInt8
from torch import Tensor

from ktlib.pocket import chest, grey
from ktlib.pocket.grey import Plate, X, Y, lay
from ktlib.pocket.world import stream

VERSION = "1"  # raise it whenever a slice, a mask or a caption changes
SPLITS = ("train", "validation", "test", "lesson")  # they share no slice

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Layers:
    """A slice before it is exposed.

    Attributes:
        tissue: all but the lesion and what lies above it.
        cover: of the lesion: 0 outside, from a half to 1 inside.
        lesion: its brightness, everywhere further from the tissue's than grain can hide.
        above: added on top: ribs.
        told: size and place of the lesion in words; empty without one.
        parts: masks of what else can be outlined: organs, layers, bones.
    """

    tissue: Plate
    cover: Plate
    lesion: Plate
    above: Plate
    told: tuple[str, str] = ("", "")
    parts: tuple[Mask, ...] = ()

    @property
    def mask(self) -> Mask:
        """The pixels of the lesion."""
        return self.cover > 0

    def plate(self, *, lesion: bool = True) -> Plate:
        """The finished plate, with the lesion or without it."""
        return self.tissue + (self.cover * (self.lesion - self.tissue) if lesion else 0) + self.above


@dataclass(frozen=True)
class Scan:
    """A slice or film.

    Attributes:
        name: of its file, were it one: task, split and number.
        image: 8-bit grey (64, 64).
        mask: of the lesion; empty in a healthy one.
        caption: a sentence that is true of it.
    """

    name: str
    image: npt.NDArray[np.uint8]
    mask: Mask
    caption: str


@dataclass(frozen=True)
class Task:
    """One of four kinds of slices.

    Attributes:
        name: of what is looked for, as it stands in captions.
        like: the data set whose part it plays.
        novel: whether the models that are trained on slices never see a lesion of it (KT v1, Tab. 4).
        scene: what is scanned, in captions.
        draw: a slice, with a lesion or without.
        prompt: the one sentence that all its slices are asked with (KT v1, Tab. 4): the lesion alone. With the whole scene
            in front, models answer to the scene (D71).
        parts: a lesion in words, with its size and place.
        short, medium, long: descriptions without the name (KT v1, Tab. 16).
    """

    name: str
    like: str
    novel: bool
    scene: str
    draw: Callable[[Random, bool], Layers]
    prompt: str
    parts: str
    short: str
    medium: str
    long: str


def _covered(distance_cover: Plate) -> Plate:
    """Coverage of whole pixels: what is less than half covered is not covered."""
    return np.where(distance_cover >= 0.5, distance_cover, 0).astype(np.float32)


def _masks(covers: Sequence[npt.NDArray[Any]]) -> tuple[Mask, ...]:
    """Masks of coverages, the largest first."""
    return tuple(sorted((cover >= 0.5 for cover in covers), key=lambda mask: -int(mask.sum())))


def _brighter(tissue: Plate, value: Plate | float) -> Plate:
    return np.maximum(value, tissue + 0.14).astype(np.float32)


def _darker(tissue: Plate, value: Plate | float) -> Plate:
    return np.minimum(value, tissue - 0.1).astype(np.float32)


def _side(x: float) -> str:
    return "left" if x < 0.5 else "right"


def _size(radius: float, large: float) -> str:
    return "large" if radius > large else "small"


# -- lungs in CT --------------------------------------------------------------------------------------
def _lungs(rng: Random, lesion: bool) -> Layers:
    x0, y0, wide = 0.5 + rng.uniform(-0.02, 0.02), 0.51 + rng.uniform(-0.02, 0.02), rng.uniform(0.42, 0.45)
    body = grey.ellipse(x0, y0, wide, 0.8 * wide, soft=1.5)
    tissue = grey.blank(0.04) + 0.5 * body + 0.02 * grey.noise(rng, 16)
    tissue = lay(
        tissue, grey.ellipse(x0, y0, wide, 0.8 * wide) - grey.ellipse(x0, y0, wide - 0.02, 0.8 * wide - 0.02), 0.4
    )
    lungs, parts = {}, [body]
    for side in (-1, 1):
        x, rx, ry = x0 + side * 0.2, rng.uniform(0.135, 0.155), rng.uniform(0.225, 0.25)
        cover = grey.ellipse(x, y0 - 0.01, rx, ry, turn=side * 0.2, soft=1.3)
        cover *= 1 - grey.disk(x0 + 0.05, y0 - 0.09, 0.135, 1.3)  # the heart
        lungs[side] = (x, y0 - 0.01, rx, ry)
        parts.append(cover)
        tissue = tissue + (0.13 - tissue) * cover
        found = grey.blank()
        inwards = 0.0 if side < 0 else math.pi
        for turn in (-1.1, -0.4, 0.4, 1.1):
            spread = (math.pi - inwards + turn - 0.1, math.pi - inwards + turn + 0.1)
            found = np.maximum(found, grey.branches(rng, x - side * 0.09, y0 + 0.02, spread, 0.24, 0.022))
        tissue = tissue + 0.22 * found * cover
    parts += [grey.disk(x0 + 0.05, y0 - 0.09, 0.12, 1.3), grey.disk(x0, y0 + 0.21, 0.062, 1.3)]  # heart, vertebra
    tissue = lay(lay(tissue, parts[-2], 0.62), parts[-1], 0.9)
    tissue = lay(tissue, grey.line([(x0, y0 + 0.23), (x0, y0 + 0.31)], 0.03), 0.85)
    for i in range(10):  # ribs
        angle = 2 * math.pi * (i + 0.5) / 10 + rng.uniform(-0.1, 0.1)
        x, y = x0 + (wide - 0.045) * math.cos(angle), y0 + (0.8 * wide - 0.045) * math.sin(angle)
        tissue = lay(tissue, grey.ellipse(x, y, 0.045, 0.02, turn=angle + math.pi / 2), 0.88)
    if not lesion:
        return Layers(tissue, grey.blank(), tissue, grey.blank(), parts=_masks(parts))
    side, radius, cover = rng.choice((-1, 1)), rng.uniform(0.04, 0.085), grey.blank()
    x, y, rx, ry = lungs[side]
    angle, away = rng.uniform(-1.2, 1.2), rng.uniform(0.2, 0.62)
    a, b = x + side * away * (rx - radius) * math.cos(angle), y + away * (ry - radius) * math.sin(angle) + 0.04
    cover = _covered(grey.outline(a, b, radius, [(3, rng.uniform(0, 0.08), rng.uniform(0, 6))]))
    told = (_size(radius, 0.062), _side(a))
    return Layers(tissue, cover, _brighter(tissue, 0.72), grey.blank(), told, _masks(parts))


# -- breasts in ultrasound ------------------------------------------------------------------------------
def _breast(rng: Random, lesion: bool) -> Layers:
    skin, fat, muscle = rng.uniform(0.05, 0.08), rng.uniform(0.2, 0.28), rng.uniform(0.76, 0.84)
    sway = 0.03 * np.sin(2 * math.pi * (X * rng.uniform(0.6, 1.2) + rng.random())).astype(np.float32)
    level = np.where(fat + sway > Y, 0.42, 0.6).astype(np.float32)
    level = np.where(muscle + sway < Y, 0.4, level) + 0.07 * grey.noise(rng, 9)
    level = lay(level, grey.curve(grey.blank(skin), 0.05, 2), 0.85)
    parts = [(fat + sway > Y) & (skin < Y), (fat + sway < Y) & (muscle + sway > Y), muscle + sway < Y]
    for edge in (fat, muscle):
        level = lay(level, grey.curve((edge + sway).astype(np.float32), 0.02, 1.5), 0.72)
    for _ in range(6):  # bright strands of tissue
        x, y = rng.random(), rng.uniform(fat, muscle)
        level = lay(level, grey.line([(x - 0.15, y), (x + 0.15, y + rng.uniform(-0.05, 0.05))], 0.014), 0.74)
    x, y = rng.uniform(0.32, 0.68), rng.uniform(0.42, 0.58)
    radius = rng.uniform(0.1, 0.17)
    waves = [(ups, high, rng.uniform(0, 6)) for ups, high in ((2, 0.2), (3, 0.14), (5, 0.1), (9, 0.06))]
    if lesion:  # what lies below it is in its shadow
        shadow = grey.inside(np.abs(X - x) - 0.75 * radius, 5) * grey.inside(y - Y, 4)
        level = level * (1 - 0.45 * shadow)
    speckle = 1 + 0.16 * (0.7 * grey.noise(rng) + 0.7 * grey.noise(rng, 32))
    tissue = np.clip(level * speckle, 0.26, 1).astype(np.float32)
    if not lesion:
        return Layers(tissue, grey.blank(), tissue, grey.blank(), parts=_masks(parts))
    cover = _covered(grey.outline(x, y, radius, waves))
    inner = 0.12 + 0.025 * grey.noise(rng, 16)
    told = (_size(radius, 0.135), _side(x))
    return Layers(tissue, cover, _darker(tissue, inner), grey.blank(), told, _masks(parts))


# -- brains in MR ---------------------------------------------------------------------------------------
def _brain(rng: Random, lesion: bool) -> Layers:
    x0, y0 = 0.5 + rng.uniform(-0.02, 0.02), 0.5 + rng.uniform(-0.02, 0.02)
    rx, ry = rng.uniform(0.34, 0.37), rng.uniform(0.41, 0.44)
    tissue = grey.blank(0.03)
    tissue = lay(tissue, grey.ellipse(x0, y0, rx + 0.045, ry + 0.045), 0.5)
    tissue = tissue + (0.08 - tissue) * grey.ellipse(x0, y0, rx + 0.02, ry + 0.02)  # skull
    inside = grey.ellipse(x0, y0, rx, ry, soft=1.5)
    folds = np.clip(grey.noise(rng, 14), -1.5, 1.5)
    rim = 1 - grey.ellipse(x0, y0, rx - 0.07, ry - 0.07, soft=6)
    tissue = tissue + (0.42 + 0.06 * folds * rim + 0.05 * rim + 0.015 * grey.noise(rng, 20) - tissue) * inside
    tissue = tissue - 0.14 * grey.line([(x0, y0 - ry), (x0, y0 + ry)], 0.012) * inside
    parts = [inside, inside * (x0 > X), inside * (x0 < X)]
    for side in (-1, 1):  # ventricles
        for height in (-1, 1):
            x, y = x0 + side * 0.055, y0 + height * 0.075
            horn = grey.ellipse(x, y, 0.032, 0.085, turn=side * height * 0.45, soft=1.4)
            tissue = tissue + (0.12 - tissue) * horn
            parts.append(horn)
    if not lesion:
        return Layers(tissue, grey.blank(), tissue, grey.blank(), parts=_masks(parts))
    side, up = rng.choice((-1, 1)), rng.choice((-1, 1))
    radius = rng.uniform(0.085, 0.13)
    x, y = x0 + side * rng.uniform(0.15, 0.19), y0 + up * rng.uniform(0.06, 0.17)
    waves = [(ups, high, rng.uniform(0, 6)) for ups, high in ((2, 0.16), (3, 0.14), (5, 0.1))]
    whole = grey.outline(x, y, 1.3 * radius, waves) * grey.ellipse(x0, y0, rx, ry)
    mass = grey.outline(x, y, 0.8 * radius, [*waves, (7, 0.1, rng.uniform(0, 6))], 1.3)
    bright = 0.66 + 0.02 * grey.noise(rng, 20) + 0.24 * mass
    told = (_size(radius, 0.107), f"{'upper' if up < 0 else 'lower'} {_side(x)}")
    return Layers(tissue, _covered(whole), _brighter(tissue, bright), grey.blank(), told, _masks(parts))


# -- collapsed lungs on films ---------------------------------------------------------------------------
def _film(rng: Random, lesion: bool) -> Layers:
    body = chest.chest(rng)
    tissue, above = chest.tissue(body, rng), chest.bones(body)
    if not lesion:
        parts = _masks([body.left.cover(), body.right.cover(), body.heart_cover])
        return Layers(tissue, grey.blank(), tissue, above, parts=parts)
    side = rng.choice(tuple(chest.SIDES))
    lung, deep = body.lung(side), rng.uniform(0.07, 0.13)
    fallen = chest.Lung(
        lung.side, lung.x - lung.side * 0.5 * deep, lung.top + 0.9 * deep, lung.base, lung.width - 0.5 * deep
    )
    outer = (X - fallen.x) * lung.side > -0.5 * fallen.width
    tissue = lay(tissue, grey.inside(np.abs(fallen.edge) - 0.012, 1) * outer * lung.cover(), 0.6)
    free = np.minimum(grey.inside(0.018 - fallen.edge, 1), grey.inside(lung.edge + 0.008, 1))
    air = np.minimum(free, grey.inside(Y - lung.dome + 0.01, 1)) * outer
    other = body.right if lung is body.left else body.left
    told, parts = (_size(deep, 0.1), side), _masks([other.cover(), body.heart_cover])
    return Layers(tissue, _covered(air.astype(np.float32)), _darker(tissue, 0.1), above, told, parts)


TASKS: dict[str, Task] = {
    "nodules": Task(
        "lung nodules", "UnitoChest", True, "a slice of two lungs", _lungs,
        "a round white spot inside one dark lung of a slice",
        "a {size} round white spot in the {place} lung of a slice",
        "a round white spot in a dark lung",
        "a round white spot with a clear edge in one dark lung of a slice",
        "one small or large round white spot with a smooth even edge and nothing in it inside one dark lung of a slice",
    ),
    "pneumothorax": Task(
        "pneumothorax", "SIIM", True, "a film of a chest", _film,
        "a dark area without lines at the wall of a chest",
        "a {size} dark area without lines at the wall of the {place} lung",
        "a dark area at the chest wall",
        "a dark area without lines at the wall of one lung with a thin white edge",
        "a dark curved area without lines at the chest wall beside one small lung and a thin white line at the edge of the lung",
    ),
    "breast": Task(
        "breast tumor", "UDIAT", False, "a slice of a breast", _breast,
        "a dark uneven spot inside a breast",
        "a {size} dark uneven spot with a shadow below in the {place} middle of a breast",
        "a dark uneven spot in a breast",
        "a dark ragged spot with an uneven edge in a breast and a shadow below",
        "a large dark ragged spot with an uneven edge inside bright layers of a breast and a long dark shadow below it",
    ),
    "brain": Task(
        "brain tumor", "BraTS23", False, "a slice of a brain", _brain,
        "a bright uneven spot inside a brain",
        "a {size} bright uneven spot in the {place} half of a brain",
        "a bright uneven spot in a brain",
        "a bright ragged spot with a soft white haze around in one half of a brain",
        "a large bright ragged spot with a thick uneven edge inside one half of a brain and a soft white haze around it",
    ),
}  # fmt: skip


def layers(task: str, split: str, index: int, *, lesion: bool = True) -> tuple[Layers, Random]:
    """A slice before it is exposed, and the generator to go on with.

    Args:
        task: a key of `TASKS`.
        split: of `SPLITS`.
        index: of the slice; healthy ones have numbers of their own.
        lesion: whether it has one.

    Raises:
        ValueError: there is no such task or split.
    """
    for what, asked, offered in (("task", task, tuple(TASKS)), ("split", split, SPLITS)):
        if asked not in offered:
            raise ValueError(f"expected a {what} ({', '.join(offered)}), found {asked!r}")
    rng = stream("scan", task, split, index, lesion)
    return TASKS[task].draw(rng, lesion), rng


def exposed(drawn: Layers, rng: Random, *, lesion: bool = True) -> npt.NDArray[np.uint8]:
    """A slice as it comes out of the machine: 8-bit grey."""
    gain, shift, amount = rng.uniform(0.85, 1.05), rng.uniform(-0.04, 0.04), rng.uniform(0.008, 0.025)
    return grey.exposed(drawn.plate(lesion=lesion), gain=gain, shift=shift, grain=grey.noise(rng), amount=amount)


def scan(task: str, split: str, index: int, *, lesion: bool = True) -> Scan:
    """A slice with its mask and a caption; see `layers` for the rest."""
    drawn, rng = layers(task, split, index, lesion=lesion)
    image = exposed(drawn, rng)
    name = f"{task}-{split}-{'' if lesion else 'healthy-'}{index:05d}"
    return Scan(name, image, drawn.mask, caption(task, drawn, rng))


def caption(task: str, drawn: Layers, rng: Random) -> str:
    """What is said of a slice: of a lesion its name, its name and parts, or parts alone; of a healthy one that it is clear."""
    told, (size, place) = TASKS[task], drawn.told
    if not size:
        return rng.choice((told.scene, f"a clear {told.scene.removeprefix('a ')}", f"{told.scene} without spots"))
    form = rng.random()
    if form < 0.2:
        return f"a scan of {told.name}"
    if form < 0.4:
        return f"{told.scene} with {told.name}"
    parts = told.parts.format(size=size, place=place)
    if rng.random() < 0.3:
        parts = rng.choice((told.short, told.medium, told.long))
    return f"a {told.name} is {parts}" if form < 0.65 else parts


@dataclass(frozen=True)
class Pool:
    """Slices drawn once.

    Attributes:
        images: grey.
        masks: of their lesions.
        captions: one each.
    """

    images: UInt8[Tensor, "count 64 64"]
    masks: Bool[Tensor, "count 64 64"]
    captions: tuple[str, ...]


def pool(tasks: Sequence[str], count: int, *, split: str = "train", lesion: bool = True, first: int = 0) -> Pool:
    """Slices of some tasks in turn (about 3 ms and 8 kB each).

    Args:
        tasks: keys of `TASKS`.
        count: of slices.
        split: of `SPLITS`.
        lesion: whether they have one.
        first: index of the first one of each task.
    """
    found = [scan(tasks[i % len(tasks)], split, first + i // len(tasks), lesion=lesion) for i in range(count)]
    images, masks = (torch.from_numpy(np.stack(part)) for part in zip(*((s.image, s.mask) for s in found), strict=True))
    return Pool(images, masks, tuple(one.caption for one in found))


def vocabulary() -> tuple[str, ...]:
    """Every word of slices, sorted."""
    texts = ["a clear scan of is with without spots upper lower left right small large"]
    for told in TASKS.values():
        texts += [told.name, told.scene, told.prompt, told.short, told.medium, told.long]
        texts.append(told.parts.format(size="small", place="left"))
    return tuple(sorted({word for text in texts for word in text.split()}))


def fingerprint(count: int = 6) -> str:
    """sha256 of the first test slices of each task: changes when slices, masks or captions do."""
    digest = hashlib.sha256()
    for task in TASKS:
        for index in range(count):
            for lesion in (True, False):
                found = scan(task, "test", index, lesion=lesion)
                digest.update(found.image.tobytes() + found.mask.tobytes() + found.caption.encode())
    return digest.hexdigest()
