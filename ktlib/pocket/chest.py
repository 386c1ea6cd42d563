"""A drawn chest: where lungs, heart, ribs and spine lie, and how bright they are on a film.

Films and the drawings of collapsed lungs share it. All sizes are ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

import numpy as np

from ktlib.pocket import grey
from ktlib.pocket.grey import Plate, X, Y

SIDES = {"left": -1, "right": 1}  # of the picture
HEART = (0.125, 0.145)  # half of its width, from and to
BONE, TISSUE, AIR, OUTSIDE = 0.10, 0.66, 0.24, 0.05  # ribs add to what lies below them


@dataclass(frozen=True)
class Lung:
    """One lung, as fractions of the plate.

    Attributes:
        side: -1 left, 1 right.
        x: of its axis.
        top, base: of the apex and of the dome it rests on.
        width: half of the widest part.
    """

    side: int
    x: float
    top: float
    base: float
    width: float

    @property
    def dome(self) -> Plate:
        """How low it reaches, column by column: higher in the middle, lowest at the chest wall."""
        away = (X - self.x + self.side * 0.05) / self.width
        return (self.base - 0.06 + 0.055 * away**2).astype(np.float32)

    @property
    def edge(self) -> Plate:
        """Distance from the walls and the apex, negative inside; the dome is not looked at."""
        height = (Y - self.top) / (self.base - self.top)
        reach = self.width * np.clip(height * (2.1 - 1.15 * height), 0, 1) ** 0.5
        axis = self.x - self.side * 0.035 * (1 - height)  # the apex leans to the middle
        return np.where(height > 0, np.abs(X - axis) - reach, 1.0).astype(np.float32)

    def cover(self, soft: float = 1.5) -> Plate:
        """All of it."""
        return np.minimum(grey.inside(self.edge, soft), grey.inside(Y - self.dome, soft))

    def place(self, height: float, aside: float = 0.0) -> tuple[float, float]:
        """A point in it.

        Args:
            height: 0 at the apex, 1 at the base.
            aside: from its axis, in half widths; positive towards the chest wall.
        """
        y = self.top + height * (self.base - self.top - 0.06)
        return self.x + self.side * aside * self.width, y


@dataclass(frozen=True)
class Chest:
    """Everything that every film shows.

    Attributes:
        middle: x of the spine.
        left, right: lungs.
        heart: half of its width.
        ribs: height of the first, distance of two, and how steeply they fall.
    """

    middle: float
    left: Lung
    right: Lung
    heart: float
    ribs: tuple[float, float, float]

    def lung(self, side: str) -> Lung:
        """By the name of its side."""
        return self.left if side == "left" else self.right

    @property
    def heart_cover(self) -> Plate:
        """The heart: it lies a little to the right of the picture's middle and rests on the domes."""
        height = 0.15 + 0.35 * (self.heart - 0.13)
        y = max(self.left.base, self.right.base) - 0.05 - height * 0.72
        return grey.ellipse(self.middle + 0.30 * self.heart, y, self.heart, height, turn=0.35, soft=1.6)

    def rib_cover(self) -> Plate:
        """Arcs from the spine to the chest wall."""
        first, step, fall = self.ribs
        away = np.abs(X - self.middle)
        found = grey.blank()
        for i in range(8):
            y = first + i * step - 0.45 * away + fall * away**2
            found = np.maximum(found, grey.curve(y.astype(np.float32), 0.022, 1.4) * (away < 0.43))
        return found


def chest(rng: Random, *, heart: tuple[float, float] = HEART, small: str = "") -> Chest:
    """A chest of no two sizes alike.

    Args:
        rng: decides.
        heart: from and to which half width.
        small: the side whose lung is small, its base raised.
    """
    middle, top, base = 0.5 + rng.uniform(-0.02, 0.02), rng.uniform(0.1, 0.15), rng.uniform(0.83, 0.89)
    lungs = []
    for name, side in SIDES.items():
        width = rng.uniform(0.165, 0.18)
        raised, narrow = (rng.uniform(0.1, 0.15), 0.86) if name == small else (0.0, 1.0)
        own = base + rng.uniform(-0.012, 0.012) - raised
        lungs.append(Lung(side, middle + side * 0.215 * (0.97 if narrow < 1 else 1), top, own, width * narrow))
    ribs = (rng.uniform(0.2, 0.26), rng.uniform(0.098, 0.112), rng.uniform(1.9, 2.4))
    return Chest(middle, lungs[0], lungs[1], rng.uniform(*heart), ribs)


def tissue(body: Chest, rng: Random) -> Plate:
    """The plate before anything is wrong with it: everything but the ribs, which lie above what is wrong."""
    shoulder = 0.04 + 1.5 * np.maximum(np.abs(X - body.middle) - 0.22, 0) ** 1.6
    plate = grey.blank(OUTSIDE)
    plate += (
        (TISSUE - OUTSIDE) * grey.inside((shoulder - Y).astype(np.float32), 2) * grey.inside(np.abs(X - 0.5) - 0.475, 2)
    )
    for lung in (body.left, body.right):
        plate += (AIR - plate) * lung.cover()
        plate += 0.11 * vessels(lung, rng) * lung.cover()
    plate += 0.07 * grey.inside(np.abs(X - body.middle) - 0.055, 3) * np.clip(Y * 6, 0, 1)  # spine
    plate -= 0.13 * grey.inside(np.abs(X - body.middle) - 0.022, 2) * grey.inside(Y - 0.3, 6)  # windpipe
    heart = body.heart_cover
    return plate + (np.maximum(plate, TISSUE + 0.04) - plate) * heart


def vessels(lung: Lung, rng: Random) -> Plate:
    """Faint lines that leave the middle and fade: what is meant by lung markings."""
    x, y = lung.place(0.55, -0.75)
    found = grey.blank()
    outwards = 0.0 if lung.side > 0 else math.pi
    for turn in (-0.9, -0.3, 0.3, 0.9):
        spread = (outwards + turn - 0.15, outwards + turn + 0.15)
        found = np.maximum(found, grey.branches(rng, x, y, spread, 0.34, 0.018))
    return found * np.clip(1.3 - 3.2 * np.hypot(X - x, Y - y), 0.25, 1)


def bones(body: Chest) -> Plate:
    """What ribs and collar bones add."""
    found = BONE * body.rib_cover()
    for side in (-1, 1):
        near = (body.middle + side * 0.05, body.left.top + 0.07)
        far = (body.middle + side * 0.4, body.left.top + 0.01)
        found = np.maximum(found, 0.14 * grey.line([near, far], 0.035, 1.4))
    return found
