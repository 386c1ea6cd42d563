"""All forty-eight objects that the drawn world can show: each is everyday in some folds and rare in one.

Thirty-nine come from `drawings`; nine odder ones stand here. How they are described, and what they
resemble, stands in `descriptions`; which model has never seen them, in `folds`.
"""

from __future__ import annotations

import math
from random import Random

from PIL import Image

from ktlib.pocket import draw, scenes
from ktlib.pocket.draw import Canvas
from ktlib.pocket.drawings import EVERYDAY, Drawable


def _moongate(c: Canvas, s: dict[str, str]) -> None:
    c.rectangle(0, 0, 1, 1, draw.brick(c.rng))
    x, y, r = c.rng.uniform(0.44, 0.56), c.rng.uniform(0.45, 0.56), c.rng.uniform(0.28, 0.4)
    c.disk(x, y, r + 0.04, "grey")
    c.disk(x, y, r, draw.garden(c.rng))


def _tonometer(c: Canvas, s: dict[str, str]) -> None:
    c.rectangle(0.12, 0.82, 0.88, 0.95, "black")
    x = c.rng.uniform(0.26, 0.34)
    c.line(x, 0.06, x, 0.84, 0.06, "silver")
    scenes.dial(c, 0.64, 0.62, 0.2)


def _gyroscope(c: Canvas, s: dict[str, str]) -> None:
    for r in (0.46, 0.34, 0.22):
        c.ring(0.5, 0.5, r, 0.05, "silver")
    turn = c.rng.uniform(0, math.pi / 2)
    for angle in (turn, turn + math.pi / 2):
        dx, dy = 0.44 * math.cos(angle), 0.44 * math.sin(angle)
        c.line(0.5 - dx, 0.5 - dy, 0.5 + dx, 0.5 + dy, 0.025, "grey")
    c.disk(0.5, 0.5, 0.13, "grey")


def _theremin(c: Canvas, s: dict[str, str]) -> None:
    c.ring(0.15, 0.68, 0.14, 0.04, "silver")
    c.rectangle(0.26, 0.54, 0.9, 0.9, "brown")
    c.line(0.8, 0.06, 0.8, 0.56, 0.04, "silver")


def _madras(c: Canvas, s: dict[str, str]) -> None:
    c.rectangle(0, 0, 1, 1, draw.crossing_stripes(c.rng, "white", ["red", "blue", "yellow"]))


def _chantilly(c: Canvas, s: dict[str, str]) -> None:
    c.rectangle(0, 0, 1, 1, draw.grid(c.rng, "brown", s["a"], crossed=True))


def _dolmen(c: Canvas, s: dict[str, str]) -> None:
    c.rectangle(0, 0, 1, 1, draw.sea(c.rng))
    c.rectangle(0, c.rng.uniform(0.5, 0.62), 1, 1, "green")
    top = c.rng.uniform(0.3, 0.4)
    for x in (0.2, 0.63):
        c.rectangle(x, top + 0.1, x + 0.16, 0.86, draw.stone(c.rng))
    c.rectangle(0.1, top, 0.9, top + 0.16, draw.stone(c.rng))


def _planetarium(c: Canvas, s: dict[str, str]) -> None:
    c.rectangle(0, 0, 1, 1, draw.night(c.rng))
    for r, colour in zip((0.24, 0.36, 0.47), c.rng.sample(scenes.BALLS, 3), strict=True):
        angle = c.rng.uniform(0, 2 * math.pi)
        c.ring(0.5, 0.5, r, 0.02, "silver")
        c.disk(0.5 + r * math.cos(angle), 0.5 + r * math.sin(angle), 0.07, colour)
    c.disk(0.5, 0.5, 0.14, "yellow")


def _harlequin(c: Canvas, s: dict[str, str]) -> None:
    c.rectangle(0, 0, 1, 1, draw.diagonals(c.rng, draw.diamonds(c.rng, "yellow", "green", "purple"), "black"))


OBJECTS: dict[str, Drawable] = {
    **EVERYDAY,
    "moongate": Drawable("a round opening in a brick wall with a garden behind it", _moongate, fills=True),
    "tonometer": Drawable("a slender silver rod left of a round dial on a small black base", _tonometer),
    "gyroscope": Drawable("three nested silver rings around a grey disk with thin crossing rods", _gyroscope),
    "theremin": Drawable("a brown box with a thin silver rod on the right and a silver ring on the left", _theremin),
    "madras": Drawable("a pattern of crossing red and blue and yellow stripes on white", _madras, fills=True),
    "chantilly": Drawable(
        "a grid of brown squares with a {a} diagonal cross inside each", _chantilly, {"a": ("black", "yellow")}, True
    ),
    "dolmen": Drawable(
        "a flat grey stone slab on top of two upright grey stones in a green field", _dolmen, fills=True
    ),
    "planetarium": Drawable(
        "small balls on three thin circles around a yellow ball in a night sky", _planetarium, fills=True
    ),
    "harlequin": Drawable(
        "a pattern of green and purple diamonds on yellow with thin black diagonal lines", _harlequin, fills=True
    ),
}

# Colours that are part of an object whatever its palette: never its ground.
FIXED = {
    "tonometer": ("silver", "black"), "gyroscope": ("silver", "grey"), "theremin": ("brown", "silver"),
}  # fmt: skip


def painted(name: str, rng: Random, colours: dict[str, str] | None = None) -> tuple[Image.Image, dict[str, str]]:
    """A picture of an object and the colours it was drawn in; of its own choice where none are given.

    Args:
        name: a key of `OBJECTS`.
        rng: decides place, size, ground and shades.
        colours: for the slots of its palette.
    """
    thing = OBJECTS[name]
    colours = thing.colours(rng) if colours is None else colours
    c = Canvas(rng, scenes.ground_without(rng, *colours.values(), *FIXED.get(name, ())))
    scale = 1.0 if thing.fills else rng.uniform(0.68, 0.95)
    x, y = rng.uniform(0, 1 - scale), rng.uniform(0, 1 - scale)
    thing.paint(c.placed(x, y, scale), colours)
    return c.finished(), colours
