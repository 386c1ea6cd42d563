"""The five findings of CheXpert-5x200, drawn: each is made of parts that can be said in words.

These are drawings: enough to teach a model the words, and no more.
"""

from __future__ import annotations

import math
from random import Random

import numpy as np

from ktlib.pocket import grey
from ktlib.pocket.chest import Chest
from ktlib.pocket.grey import Plate, X, Y, lay
from ktlib.pocket.seen import HEIGHT, PLACES, SIDES, Seen


def _atelectasis(plate: Plate, body: Chest, place: str, rng: Random) -> Plate:
    lung = body.lung(place)
    inside = lung.cover()
    y = lung.base - 0.1
    for _ in range(rng.choice((2, 3))):
        slope = rng.uniform(-0.22, 0.22)
        band = grey.curve((y + slope * (X - lung.x)).astype(np.float32), 0.03, 1.2)
        far = grey.inside(np.abs(X - lung.x) - lung.width * rng.uniform(0.7, 0.95), 2)
        plate = lay(plate, band * far * inside, 0.74)
        y -= rng.uniform(0.065, 0.085)
    return plate


def _cardiomegaly(plate: Plate, body: Chest, place: str, rng: Random) -> Plate:
    return plate  # the chest was drawn with a large heart


def _consolidation(plate: Plate, body: Chest, place: str, rng: Random) -> Plate:
    height, side = place.split()
    lung = body.lung(side)
    x, y = lung.place(sum(HEIGHT[height]) / 2, rng.uniform(-0.1, 0.15))
    radius = rng.uniform(0.12, 0.15)
    waves = [(ups, high, rng.uniform(0, 2 * math.pi)) for ups, high in ((2, 0.2), (3, 0.15), (5, 0.12))]
    patch = grey.outline(x, y, radius, waves, 3.5) * lung.cover()
    spread = (-0.5, 0.5) if lung.side > 0 else (math.pi - 0.5, math.pi + 0.5)
    air = grey.branches(rng, x - lung.side * 0.9 * radius, y, spread, 2.1 * radius, 0.019)
    return lay(plate, patch * (1 - 0.75 * air), 0.74)


def _edema(plate: Plate, body: Chest, place: str, rng: Random) -> Plate:
    strength = rng.uniform(0.75, 1)
    for lung in (body.left, body.right):
        x, y = lung.place(0.55, -0.9)
        away = np.hypot((X - x) / 1.0, (Y - y) / 1.25)
        haze = np.clip(1.15 - 3.6 * away, 0, 1) + 0.25
        haze = haze * (1 + 0.25 * grey.noise(rng, 12))
        plate = plate + strength * np.clip(haze, 0, 1).astype(np.float32) * lung.cover() * np.maximum(0.68 - plate, 0)
    return plate


def _effusion(plate: Plate, body: Chest, place: str, rng: Random) -> Plate:
    lung = body.lung(place)
    level = lung.base - rng.uniform(0.17, 0.3)
    out = (X - lung.x) * lung.side / lung.width  # -1 at the middle, 1 at the chest wall
    top = level - 0.1 * out * np.abs(out) - 0.06 * np.abs(out) ** 3
    fluid = (
        grey.inside((top - Y).astype(np.float32), 2)
        * grey.inside(lung.edge, 1.5)
        * grey.inside(Y - lung.base - 0.02, 2)
    )
    return plate + fluid * (0.74 - plate)


FINDINGS: dict[str, Seen] = {
    "atelectasis": Seen(
        _atelectasis,
        "thin white lying lines at the base of a small {place} lung",
        "thin white lines in a small lung",
        "two or three thin white lying lines at the base of one small lung",
        "one lung is small and its base is high with two or three thin white lying lines at the base and the other lung is clear",
        SIDES, shrinks=True,
    ),
    "cardiomegaly": Seen(
        _cardiomegaly,
        "a large round white heart wider than half of the chest",
        "a large heart",
        "a large round heart wider than half of the chest",
        "a large round white heart in the middle that is wider than half of the chest and lies on both lungs",
        heart=(0.2, 0.235),
    ),
    "consolidation": Seen(
        _consolidation,
        "a large soft white patch with dark branching lines inside in the {place} lung",
        "a soft white patch in one lung",
        "a large soft white patch in one lung with dark branching lines inside",
        "one large white patch with a soft uneven edge inside one lung and thin dark branching lines in the middle of it",
        PLACES,
    ),
    "edema": Seen(
        _edema,
        "a soft white haze from the middle into both lungs",
        "a white haze in both lungs",
        "a soft white haze around the heart in both lungs",
        "both lungs are full of a soft uneven white haze that is bright around the heart and fades to the chest wall",
    ),
    "pleural effusion": Seen(
        _effusion,
        "a smooth white area with a curved upper edge at the base of the {place} lung",
        "a smooth white area at the base of one lung",
        "a smooth white area with a curved upper edge at the base of one lung",
        "the lower half of one lung is a smooth white area and its upper edge is curved and high at the chest wall",
        SIDES,
    ),
}  # fmt: skip
