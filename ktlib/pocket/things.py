"""What is on drawn films and is no disease: metal, scars, bones. Nodules are mistaken for these, and share their parts."""

from __future__ import annotations

import math
from random import Random

import numpy as np

from ktlib.pocket import grey, nodules
from ktlib.pocket.chest import Chest
from ktlib.pocket.grey import Plate, lay
from ktlib.pocket.seen import CORNERS, HEIGHT, PLACES, SIDES, Seen

METAL = 0.97


def _nothing(plate: Plate, body: Chest, place: str, rng: Random) -> Plate:
    return plate


def _button(plate: Plate, body: Chest, place: str, rng: Random) -> Plate:
    y = rng.uniform(0.3, 0.36)
    for i in range(3):
        plate = lay(plate, grey.disk(body.middle + rng.uniform(-0.01, 0.01), y + 0.19 * i, 0.046, 1.2), METAL)
    return plate


def _coin(plate: Plate, body: Chest, place: str, rng: Random) -> Plate:
    y = rng.uniform(0.12, 0.2) if place == "upper" else rng.uniform(0.88, 0.92)
    return lay(plate, grey.disk(body.middle + rng.uniform(-0.08, 0.08), y, rng.uniform(0.085, 0.095), 1.2), METAL)


def _clip(plate: Plate, body: Chest, place: str, rng: Random) -> Plate:
    height, side = place.split()
    x, y = body.lung(side).place(rng.uniform(*HEIGHT[height]), rng.uniform(-0.4, 0.3))
    turn = rng.uniform(-0.6, 0.6)
    for shift in (-0.03, 0.03):
        dx, dy = 0.035 * math.cos(turn), 0.035 * math.sin(turn)
        plate = lay(plate, grey.line([(x - dx, y + shift - dy), (x + dx, y + shift + dy)], 0.026), METAL)
    return plate


def _pacemaker(plate: Plate, body: Chest, place: str, rng: Random) -> Plate:
    side = -1 if place == "left" else 1
    x, y = body.middle + side * rng.uniform(0.27, 0.31), rng.uniform(0.2, 0.26)
    heart = (body.middle + 0.03, 0.7)
    bend = (body.middle + side * 0.03, y + 0.06)
    plate = lay(plate, grey.line([(x, y), bend, heart], 0.02), METAL)
    return lay(plate, grey.round_box(x, y, 0.09, 0.065, 0.03), METAL)


def _tube(plate: Plate, body: Chest, place: str, rng: Random) -> Plate:
    x = body.middle + rng.uniform(-0.01, 0.01)
    return lay(plate, grey.line([(x, -0.05), (x, rng.uniform(0.36, 0.42))], 0.03), METAL)


def _electrode(plate: Plate, body: Chest, place: str, rng: Random) -> Plate:
    height, side = place.split()
    lung = body.lung(side)
    x, y = lung.place(rng.uniform(*HEIGHT[height]), rng.uniform(-0.2, 0.4))
    end = (x + lung.side * 0.5, y + rng.uniform(-0.15, 0.25))
    plate = lay(plate, grey.line([(x, y), end], 0.018), METAL)
    return lay(plate, grey.disk(x, y, 0.042, 1.2), METAL)


def _valve(plate: Plate, body: Chest, place: str, rng: Random) -> Plate:
    x, y = body.middle + rng.uniform(0.03, 0.08), rng.uniform(0.62, 0.68)
    return lay(plate, grey.ring(x, y, 0.062, 0.026), METAL)


def _port(plate: Plate, body: Chest, place: str, rng: Random) -> Plate:
    height, side = place.split()
    lung = body.lung(side)
    x, y = lung.place(rng.uniform(*HEIGHT[height]), rng.uniform(-0.1, 0.3))
    plate = lay(plate, grey.line([(x - lung.side * 0.06, y), (body.middle, y + 0.12)], 0.018), METAL)
    return lay(plate, np.maximum(grey.ring(x, y, 0.066, 0.024), grey.disk(x, y, 0.028)), METAL)


def _marker(plate: Plate, body: Chest, place: str, rng: Random) -> Plate:
    height, side = place.split()
    x = 0.5 + (-1 if side == "left" else 1) * rng.uniform(0.36, 0.39)
    y = rng.uniform(0.1, 0.13) if height == "upper" else rng.uniform(0.87, 0.9)
    return lay(plate, np.maximum(grey.disk(x, y, 0.045), grey.spikes(rng, x, y, 0.05, 0.04, 9)), METAL)


def _burr(plate: Plate, body: Chest, place: str, rng: Random) -> Plate:
    height, side = place.split()
    x, y = body.lung(side).place(rng.uniform(*HEIGHT[height]), rng.uniform(-0.2, 0.35))
    radius = rng.uniform(0.045, 0.085)
    return lay(
        plate, np.maximum(grey.ring(x, y, 0.55 * radius, 0.02), grey.spikes(rng, x, y, radius, 0.6 * radius, 9)), METAL
    )


def _necklace(plate: Plate, body: Chest, place: str, rng: Random) -> Plate:
    deep = rng.uniform(0.09, 0.13)
    for i in range(7):
        away = (i - 3) * 0.062
        plate = lay(plate, grey.disk(body.middle + away, 0.1 + deep - 4 * away**2 * deep / 0.14, 0.022, 1.2), METAL)
    return plate


def _nipple(plate: Plate, body: Chest, place: str, rng: Random) -> Plate:
    for lung in (body.left, body.right):
        x, y = lung.place(rng.uniform(0.76, 0.84), rng.uniform(0.25, 0.4))
        plate = lay(plate, grey.disk(x, y, rng.uniform(0.045, 0.052), 1.6), nodules.WHITE)
    return plate


def _callus(plate: Plate, body: Chest, place: str, rng: Random) -> Plate:
    height, side = place.split()
    lung = body.lung(side)
    x, y = lung.place(rng.uniform(*HEIGHT[height]), 1.0)
    return lay(plate, nodules.shape("bumpy", x, y, rng.uniform(0.075, 0.09), rng), 0.86)


def _splinter(plate: Plate, body: Chest, place: str, rng: Random) -> Plate:
    height, side = place.split()
    x, y = body.lung(side).place(rng.uniform(*HEIGHT[height]), rng.uniform(-0.2, 0.35))
    return lay(plate, nodules.shape("ragged", x, y, rng.uniform(0.06, 0.075), rng), METAL)


def _bulla(plate: Plate, body: Chest, place: str, rng: Random) -> Plate:
    height, side = place.split()
    x, y = body.lung(side).place(rng.uniform(*HEIGHT[height]), rng.uniform(-0.05, 0.2))
    radius = rng.uniform(0.085, 0.1)
    plate = plate + (0.1 - plate) * grey.disk(x, y, radius, 1.4)
    return lay(plate, grey.ring(x, y, radius, 0.022), nodules.WHITE)


def _scar(plate: Plate, body: Chest, place: str, rng: Random) -> Plate:
    height, side = place.split()
    lung = body.lung(side)
    x, y = lung.place(rng.uniform(*HEIGHT[height]), -0.1)
    end = (x + lung.side * 0.24, y + rng.uniform(-0.1, 0.1))
    return lay(plate, grey.line([(x, y), end], 0.036) * grey.inside(lung.edge - 0.03, 1), nodules.TAIL)


OTHERS: dict[str, Seen] = {
    "no finding": Seen(
        _nothing,
        "both lungs are dark and clear",
        "clear lungs",
        "two dark clear lungs with thin lines inside",
        "both lungs are dark and clear with thin branching lines inside and there is nothing on the film",
    ),
    "button": Seen(
        _button,
        "three small round smooth bright disks in an upright row over the middle",
        "small round bright disks in a row",
        "three small round bright disks in an upright row over the middle",
        "three small round bright disks with a smooth even edge in an upright row over the middle of the chest",
        above=True,
    ),
    "coin": Seen(
        _coin,
        "a large round smooth bright disk in the {place} middle",
        "a large smooth bright disk",
        "a large round bright disk with a smooth edge in the middle",
        "one large round bright disk with a smooth even edge and nothing in it in the upper or lower middle of the chest",
        ("upper", "lower"), "in the {place} middle", above=True,
    ),
    "clip": Seen(
        _clip,
        "two short thick bright lines beside each other in the {place} lung",
        "two short bright lines",
        "two short thick bright lines beside each other in one lung",
        "two short thick bright lines with a smooth edge beside each other inside one lung on a clear film",
        PLACES, above=True,
    ),
    "pacemaker": Seen(
        _pacemaker,
        "a large bright box with a thin wire to the heart in the upper {place} chest",
        "a bright box with a wire",
        "a large bright box with a thin wire to the heart",
        "one large bright box with a smooth edge in the upper chest and a long thin bright wire from it to the heart",
        SIDES, above=True,
    ),
    "tube": Seen(
        _tube,
        "a long upright bright line in the upper middle",
        "an upright bright line",
        "a long upright bright line in the upper middle of the chest",
        "one long thick upright bright line with a smooth edge in the upper middle of the chest above the heart",
        above=True,
    ),
    "electrode": Seen(
        _electrode,
        "a small round smooth bright disk with a tail in the {place} lung",
        "a small bright disk with a tail",
        "a small round bright disk with a long thin tail to the chest wall",
        "one small round bright disk with a smooth even edge inside one lung and a long thin tail from it to the chest wall",
        PLACES, above=True,
    ),
    "valve": Seen(
        _valve,
        "a small round bright ring over the heart",
        "a bright ring over the heart",
        "a small round bright ring over the heart with nothing in it",
        "one small round thin bright ring with a smooth edge and nothing in the middle of it over the heart",
        above=True,
    ),
    "port": Seen(
        _port,
        "a large round bright ring with a bright spot inside and a tail in the {place} lung",
        "a bright ring with a bright spot",
        "a round bright ring in one lung with a bright spot inside and a tail to the middle",
        "one large round bright ring inside one lung with a small bright spot in the middle of it and a thin tail from it to the heart",
        PLACES, above=True,
    ),
    "marker": Seen(
        _marker,
        "a small spiky bright star in the {place} corner",
        "a spiky bright star in a corner",
        "a small bright star with a spiky edge in a corner of the film",
        "one small bright star with a spiky edge of thin lines in a upper or lower corner of the film outside of the chest",
        CORNERS, "in the {place} corner", above=True,
    ),
    "burr": Seen(
        _burr,
        "a spiky bright ring in the {place} lung",
        "a spiky bright ring",
        "a round bright ring with a spiky edge and a dark hole inside in one lung",
        "one round bright ring inside one lung with a spiky edge of thin lines like a star and a round dark hole in the middle",
        PLACES, above=True,
    ),
    "necklace": Seen(
        _necklace,
        "several small bright specks in a curved row in the upper middle",
        "small bright specks in a row",
        "several small round bright specks in a curved row around the middle",
        "several small round smooth bright specks in a curved row in the upper middle of the chest around the lungs",
        above=True,
    ),
    "nipple": Seen(
        _nipple,
        "two small round soft white spots low in both lungs",
        "two soft spots in both lungs",
        "two small round white spots with a soft edge low in both lungs",
        "two small round white spots with a soft even edge inside both lungs low at the base and nothing else on the film",
    ),
    "callus": Seen(
        _callus,
        "a large bumpy white spot on the wall of the {place} lung",
        "a bumpy white spot on the wall",
        "a large white spot with a bumpy edge on the chest wall of one lung",
        "one large round white spot with a bumpy edge like a flower outside one lung on the chest wall",
        PLACES,
    ),
    "splinter": Seen(
        _splinter,
        "a ragged bright piece in the {place} lung",
        "a ragged bright piece",
        "a bright piece with a ragged edge in one lung",
        "one bright piece of an uneven shape with a ragged uneven edge and nothing in it inside one lung",
        PLACES, above=True,
    ),
    "bulla": Seen(
        _bulla,
        "a large round smooth dark hole with a thin white ring around in the {place} lung",
        "a large dark hole with a thin ring",
        "a large round dark hole in one lung with a thin white ring around",
        "one large round dark hole inside one lung with a smooth even edge and a thin white ring around it",
        PLACES,
    ),
    "scar": Seen(
        _scar,
        "a thin white tail to the wall in the {place} lung",
        "a thin white line in one lung",
        "a thin white line in one lung like a tail to the wall",
        "one long thin white line inside one lung that is like a tail from the middle of it to the chest wall",
        PLACES,
    ),
}  # fmt: skip
