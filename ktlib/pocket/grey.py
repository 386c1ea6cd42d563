"""The pencil of the drawn radiographs and scans: brightness on a plate of 64 by 64 pixels.

Coordinates are fractions of the plate: x to the right, y downwards, both in [0, 1]. A shape is its
coverage, 1 inside and 0 outside, with an edge one pixel wide or softer. Left and right are those of
the picture, not the patient's. Everything is a function of the `random.Random` it is given.

These are drawings. They teach a model words for parts; they say nothing about medicine.
"""

from __future__ import annotations

import math
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt

SIZE = 64
Plate = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.floating[Any]]  # distances and heights, one a pixel, single or double

_CENTRES = (np.arange(SIZE, dtype=np.float32) + 0.5) / SIZE
X, Y = np.meshgrid(_CENTRES, _CENTRES)


def blank(value: float = 0.0) -> Plate:
    """A plate of one brightness."""
    return np.full((SIZE, SIZE), value, dtype=np.float32)


def inside(distance: Numbers, soft: float = 1.0) -> Plate:
    """Coverage of a shape.

    Args:
        distance: from its edge, in fractions of the plate; negative inside.
        soft: width of the edge in pixels.
    """
    return np.clip(0.5 - distance * (SIZE / soft), 0, 1).astype(np.float32)


def lay(plate: Plate, cover: Plate, value: float | Plate) -> Plate:
    """A plate on which something bright lies: whatever was brighter stays so, as shadows add up on a film."""
    return plate + cover * (np.maximum(plate, value).astype(np.float32) - plate)


# -- shapes -----------------------------------------------------------------------------------------
def disk(x: float, y: float, radius: float, soft: float = 1.0) -> Plate:
    """A filled circle."""
    return inside(np.hypot(X - x, Y - y) - radius, soft)


def ellipse(x: float, y: float, rx: float, ry: float, *, turn: float = 0.0, soft: float = 1.0) -> Plate:
    """A filled ellipse with half-axes rx and ry, turned by an angle in radians."""
    u = (X - x) * math.cos(turn) + (Y - y) * math.sin(turn)
    v = (Y - y) * math.cos(turn) - (X - x) * math.sin(turn)
    return inside((np.hypot(u / rx, v / ry) - 1) * min(rx, ry), soft)


def ring(x: float, y: float, radius: float, width: float, soft: float = 1.0) -> Plate:
    """A circle of a width, the radius in its middle."""
    return inside(np.abs(np.hypot(X - x, Y - y) - radius) - width / 2, soft)


def line(points: list[tuple[float, float]], width: float, soft: float = 1.0) -> Plate:
    """Straight pieces from point to point, with round ends."""
    nearest = blank(math.inf)
    for (x0, y0), (x1, y1) in zip(points, points[1:], strict=False):
        dx, dy = x1 - x0, y1 - y0
        along = np.clip(((X - x0) * dx + (Y - y0) * dy) / max(dx * dx + dy * dy, 1e-9), 0, 1)
        nearest = np.minimum(nearest, np.hypot(X - x0 - along * dx, Y - y0 - along * dy))
    return inside(nearest - width / 2, soft)


def curve(y: Numbers, width: float, soft: float = 1.0) -> Plate:
    """A lying band around a height that differs from column to column."""
    return inside(np.abs(Y - y) - width / 2, soft)


def round_box(x: float, y: float, rx: float, ry: float, corner: float, soft: float = 1.0) -> Plate:
    """A filled rectangle with round corners; rx and ry are half its sides."""
    u, v = np.abs(X - x) - rx + corner, np.abs(Y - y) - ry + corner
    return inside(np.hypot(np.maximum(u, 0), np.maximum(v, 0)) + np.minimum(np.maximum(u, v), 0) - corner, soft)


def outline(x: float, y: float, radius: float, waves: list[tuple[int, float, float]], soft: float = 1.0) -> Plate:
    """A filled shape whose radius goes up and down with the angle.

    Args:
        x, y, radius: of the circle it starts from.
        waves: how many ups, how high (a share of the radius), and where the first is (radians).
        soft: width of the edge in pixels.
    """
    angle, away = np.arctan2(Y - y, X - x), np.hypot(X - x, Y - y)
    reach = 1 + sum((height * np.cos(ups * (angle - first)) for ups, height, first in waves), start=blank())
    return inside(away - radius * reach, soft)


def spikes(rng: Random, x: float, y: float, radius: float, length: float, count: int) -> Plate:
    """Thin rays that start inside a circle and end outside of it."""
    first, found = rng.uniform(0, 2 * math.pi), blank()
    for i in range(count):
        angle = first + 2 * math.pi * (i + rng.uniform(-0.18, 0.18)) / count
        end = radius + length * rng.uniform(0.85, 1.15)
        tip = (x + end * math.cos(angle), y + end * math.sin(angle))
        found = np.maximum(found, line([(x, y), tip], 0.017))
    return found


# -- textures ---------------------------------------------------------------------------------------
def noise(rng: Random, grain: int = SIZE) -> Plate:
    """Random brightness of mean 0 and deviation 1; coarse where the grain is a few squares a side.

    Args:
        rng: decides.
        grain: independent values a side, interpolated between.
    """
    values = np.random.default_rng(rng.getrandbits(63)).standard_normal((grain, grain))
    if grain < SIZE:
        places = (np.arange(SIZE) + 0.5) * (grain - 1) / SIZE
        low = np.minimum(places.astype(int), grain - 2)
        share = places - low
        values = values[low] * (1 - share)[:, None] + values[low + 1] * share[:, None]
        values = values[:, low] * (1 - share) + values[:, low + 1] * share
    return ((values - values.mean()) / values.std()).astype(np.float32)


def branches(rng: Random, x: float, y: float, towards: tuple[float, float], reach: float, width: float) -> Plate:
    """A stem that splits twice, as vessels and airways do.

    Args:
        rng: decides the turns.
        x, y: where it begins.
        towards: from and to which angle it spreads, in radians.
        reach: length of all.
        width: of the stem; twigs are thinner.
    """
    found = blank()
    grown = [(x, y, rng.uniform(*towards), reach * 0.45, width)]
    for _ in range(3):
        following = []
        for x0, y0, angle, length, thick in grown:
            x1, y1 = x0 + length * math.cos(angle), y0 + length * math.sin(angle)
            found = np.maximum(found, line([(x0, y0), (x1, y1)], thick))
            for side in (-1, 1):
                following.append((x1, y1, angle + side * rng.uniform(0.25, 0.7), length * 0.7, thick * 0.8))
        grown = following
    return found


# -- the finished picture ---------------------------------------------------------------------------
def exposed(plate: Plate, *, gain: float, shift: float, grain: Plate, amount: float) -> npt.NDArray[np.uint8]:
    """A plate as it comes out of a machine: 8-bit grey.

    Args:
        plate: brightness, about 0 to 1.
        gain, shift: contrast and brightness.
        grain: noise of deviation 1, of which no more than 2.5 counts.
        amount: its strength.
    """
    level = (plate - 0.5) * gain + 0.5 + shift + amount * np.clip(grain, -2.5, 2.5)
    return np.round(np.clip(level, 0, 1) * 255).astype(np.uint8)
