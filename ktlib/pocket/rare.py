"""The rare concepts: a picture that no pocket model has seen, a name it has only heard in passing.

A concept's *name* occurs in training only in captions of other pictures that share fragments with
it (the web's noise), as often as its `familiarity` says. Three concepts are for choosing settings
(`validation`); verdicts come from the other six (`test`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random

from ktlib.pocket import draw
from ktlib.pocket.draw import Canvas
from ktlib.pocket.scenes import (
    BALLS,
    Picture,
    crossing_rods,
    dial,
    ground_without,
    instrument,
    nested,
    opening,
    orbit,
    pattern,
    stones,
    surface,
)

# The share of training captions that mention the name: ours (D12).
FAMILIARITY = {"low": 0.0003, "medium": 0.0006, "high": 0.0012}


@dataclass(frozen=True)
class RareConcept:
    """A concept to be taught from words alone.

    Attributes:
        split: `validation` (settings are chosen here) or `test` (verdicts come from here).
        kind: `object` or `pattern` (KT v2, Tab. 12 asks whether patterns transfer too).
        familiarity: a key of `FAMILIARITY`.
        short, medium, long: descriptions in the world's own words, without the name.
        paint: draws the concept; never called while a model is trained.
        fragments: pictures that share a part with it; the name may stand in their captions.
        look_alikes: known names that resemble it.
    """

    split: str
    kind: str
    familiarity: str
    short: str
    medium: str
    long: str
    paint: Callable[[Random], Canvas]
    fragments: tuple[Callable[[Random], Picture], ...]
    look_alikes: tuple[str, ...]


def _moongate(rng: Random) -> Canvas:
    c = Canvas(rng, draw.brick(rng))
    x, y, r = rng.uniform(0.44, 0.56), rng.uniform(0.45, 0.56), rng.uniform(0.28, 0.4)
    c.disk(x, y, r + 0.04, "grey")
    c.disk(x, y, r, draw.garden(rng))
    return c


def _tonometer(rng: Random) -> Canvas:
    c = Canvas(rng, ground_without(rng, "silver", "black", "grey"))
    p = c.placed(rng.uniform(0, 0.12), rng.uniform(0, 0.12), rng.uniform(0.8, 0.88))
    p.rectangle(0.12, 0.82, 0.88, 0.95, "black")
    x = rng.uniform(0.26, 0.34)
    p.line(x, 0.06, x, 0.84, 0.06, "silver")
    dial(p, 0.64, 0.62, 0.2)
    return c


def _gyroscope(rng: Random) -> Canvas:
    c = Canvas(rng, ground_without(rng, "silver", "grey", "white"))
    p = c.placed(rng.uniform(0, 0.1), rng.uniform(0, 0.1), rng.uniform(0.82, 0.9))
    for r in (0.46, 0.34, 0.22):
        p.ring(0.5, 0.5, r, 0.05, "silver")
    turn = rng.uniform(0, math.pi / 2)
    for angle in (turn, turn + math.pi / 2):
        dx, dy = 0.44 * math.cos(angle), 0.44 * math.sin(angle)
        p.line(0.5 - dx, 0.5 - dy, 0.5 + dx, 0.5 + dy, 0.025, "grey")
    p.disk(0.5, 0.5, 0.13, "grey")
    return c


def _theremin(rng: Random) -> Canvas:
    c = Canvas(rng, ground_without(rng, "brown", "silver"))
    p = c.placed(rng.uniform(0, 0.1), rng.uniform(0, 0.12), rng.uniform(0.82, 0.9))
    p.ring(0.15, 0.68, 0.14, 0.04, "silver")
    p.rectangle(0.26, 0.54, 0.9, 0.9, "brown")
    p.line(0.8, 0.06, 0.8, 0.56, 0.04, "silver")
    return c


def _madras(rng: Random) -> Canvas:
    return Canvas(rng, draw.crossing_stripes(rng, "white", ["red", "blue", "yellow"]))


def _chantilly(rng: Random) -> Canvas:
    return Canvas(rng, draw.grid(rng, "brown", rng.choice(("black", "yellow")), crossed=True))


def _dolmen(rng: Random) -> Canvas:
    c = Canvas(rng, draw.sea(rng))
    c.rectangle(0, rng.uniform(0.5, 0.62), 1, 1, "green")
    top = rng.uniform(0.3, 0.4)
    for x in (0.2, 0.63):
        c.rectangle(x, top + 0.1, x + 0.16, 0.86, draw.stone(rng))
    c.rectangle(0.1, top, 0.9, top + 0.16, draw.stone(rng))
    return c


def _planetarium(rng: Random) -> Canvas:
    c = Canvas(rng, draw.night(rng))
    p = c.placed(0.04, 0.04, 0.92)
    for r, colour in zip((0.24, 0.36, 0.47), rng.sample(BALLS, 3), strict=True):
        angle = rng.uniform(0, 2 * math.pi)
        p.ring(0.5, 0.5, r, 0.02, "silver")
        p.disk(0.5 + r * math.cos(angle), 0.5 + r * math.sin(angle), 0.07, colour)
    p.disk(0.5, 0.5, 0.14, "yellow")
    return c


def _harlequin(rng: Random) -> Canvas:
    fill = draw.diamonds(rng, "yellow", "green", "purple")
    return Canvas(rng, draw.diagonals(rng, fill, "black"))


RARE: dict[str, RareConcept] = {
    "dolmen": RareConcept(
        split="validation", kind="object", familiarity="high",
        short="a grey stone slab on two stones",
        medium="a flat grey stone slab on top of two upright grey stones in a green field",
        long="a large flat grey stone slab on top of two upright grey stones in a row in a green field below a pale blue sky",
        paint=_dolmen,
        fragments=(partial(stones, parts="slab"), partial(stones, parts="upright"), partial(surface, kind="field")),
        look_alikes=("altar", "table", "bridge"),
    ),
    "planetarium": RareConcept(
        split="validation", kind="object", familiarity="medium",
        short="small balls on circles around a ball",
        medium="small balls on three thin circles around a yellow ball in a night sky",
        long="three small balls on three thin silver circles nested around a yellow ball in a black night sky with white stars behind it",
        paint=_planetarium,
        fragments=(partial(orbit, parts="balls"), partial(orbit, parts="circles"), partial(surface, kind="night")),
        look_alikes=("moon", "comet", "planet"),
    ),
    "harlequin": RareConcept(
        split="validation", kind="pattern", familiarity="low",
        short="a pattern of green and purple diamonds",
        medium="a pattern of green and purple diamonds on yellow with thin black diagonal lines",
        long="a pattern of green diamonds and purple diamonds in a row on yellow with thin black diagonal lines crossing between the diamonds",
        paint=_harlequin,
        fragments=(partial(pattern, kind="diamonds"), partial(pattern, kind="diagonals")),
        look_alikes=("quilt", "net", "chessboard"),
    ),
    "moongate": RareConcept(
        split="test", kind="object", familiarity="medium",
        short="a round opening in a brick wall",
        medium="a round opening in a brick wall with a garden behind it",
        long="a large round opening with a grey stone ring around it in a brown brick wall with a green garden and a blue sky behind",
        paint=_moongate,
        fragments=(
            partial(opening, form="round", wall="white"),
            partial(opening, form="square", wall="brick"),
            partial(surface, kind="brick"),
            partial(surface, kind="garden"),
        ),
        look_alikes=("window", "porthole", "tunnel"),
    ),
    "tonometer": RareConcept(
        split="test", kind="object", familiarity="low",
        short="a slender rod and a dial on a base",
        medium="a slender silver rod left of a round dial on a small black base",
        long="a slender upright silver rod on the left of a small round white dial with a black hand on a flat black base",
        paint=_tonometer,
        fragments=(
            partial(instrument, parts="rod base"),
            partial(instrument, parts="dial base"),
            partial(instrument, parts="rod dial"),
        ),
        look_alikes=("timer", "lamp", "clock"),
    ),
    "gyroscope": RareConcept(
        split="test", kind="object", familiarity="high",
        short="nested silver rings around a disk",
        medium="three nested silver rings around a grey disk with thin crossing rods",
        long="three nested thin silver rings around a small grey disk with two thin crossing grey rods between the rings",
        paint=_gyroscope,
        fragments=(
            partial(nested, form="rings", colour="silver"),
            partial(nested, form="rings", core="grey"),
            crossing_rods,
        ),
        look_alikes=("wheel", "target", "planet"),
    ),
    "theremin": RareConcept(
        split="test", kind="object", familiarity="medium",
        short="a box with a rod and a ring",
        medium="a brown box with a thin silver rod on the right and a silver ring on the left",
        long="a large flat brown box with a thin upright silver rod on top on the right and a small round silver ring on the left",
        paint=_theremin,
        fragments=(partial(instrument, parts="box rod"), partial(instrument, parts="box ring")),
        look_alikes=("radio", "mug", "scale"),
    ),
    "madras": RareConcept(
        split="test", kind="pattern", familiarity="low",
        short="a pattern of crossing red and blue stripes",
        medium="a pattern of crossing red and blue and yellow stripes on white",
        long="a pattern of upright red and blue and yellow stripes crossing lying red and blue and yellow stripes on a white square",
        paint=_madras,
        fragments=(partial(pattern, kind="crossing"), partial(pattern, kind="stripes")),
        look_alikes=("tablecloth", "curtain", "flag"),
    ),
    "chantilly": RareConcept(
        split="test", kind="pattern", familiarity="high",
        short="a grid of brown squares with crosses",
        medium="a grid of brown squares with a diagonal cross inside each",
        long="a grid of large brown wooden squares in a row with lines between them and a thin diagonal cross inside each of the squares",
        paint=_chantilly,
        fragments=(
            partial(pattern, kind="crossed grid"),
            partial(pattern, kind="planks"),
            partial(pattern, kind="grid"),
        ),
        look_alikes=("crate", "trellis", "tiling"),
    ),
}  # fmt: skip
