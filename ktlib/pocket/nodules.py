"""Thirty-two nodules that no model of this world is shown, and what each looks like in words.

A nodule is a margin, a size, a place, a count, and perhaps a mark: every part occurs on training films
in another role, on a button, a scar, a bone, and in all combinations but a nodule's own on pellets: bright metal
above the ribs, which has no name. Names are invented, so that nobody takes a drawing for a disease: those in -el stand
for what radiologists call benign (smooth or bumpy, often calcified), those in -ax for malignant (spiky or ragged, with
a hole or a tail). The eight names whose hash is smallest among either half's, four each, are for choosing settings;
verdicts come from the others.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from random import Random

import numpy as np

from ktlib.pocket import grey
from ktlib.pocket.chest import Chest, Lung
from ktlib.pocket.grey import Plate, lay
from ktlib.pocket.seen import HEIGHT, PLACES

VALIDATION = 4  # of the sixteen of a kind: a quarter
RADIUS = {"small": 0.048, "large": 0.088}
ASIDE = {"upper": (-0.25, 0.15), "middle": (-0.2, 0.35), "lower": (0.1, 0.45)}  # clear of the walls and the heart
WHITE, TAIL, BRIGHT, DARK = 0.6, 0.74, 0.92, 0.2  # a nodule, its tail, a calcification, a hole
PELLET = 0.97  # metal, with its tail
MARGINS = ("smooth", "bumpy", "spiky", "ragged")


@dataclass(frozen=True)
class Nodule:
    """A nodule in parts.

    Attributes:
        kind: `benign` or `malignant`; `pellet` for what is no nodule.
        margin: one of `MARGINS`.
        size: `small` or `large`.
        place: `upper left` and so on; `both` for lungs full of them.
        count: `one`, `two` or `several`.
        mark: a key of `MARKS`, or nothing.
    """

    kind: str
    margin: str
    size: str
    place: str
    count: str = "one"
    mark: str = ""

    @property
    def parts(self) -> tuple[str, ...]:
        """All that it is made of."""
        return self.margin, self.size, self.place, self.count, self.mark

    @property
    def tone(self) -> str:
        """How bright it is, in words."""
        return "bright" if self.kind == "pellet" else "white"

    @property
    def where(self) -> str:
        """Its place in words."""
        return "both lungs" if self.place == "both" else f"the {self.place} lung"

    @property
    def look_alikes(self) -> tuple[str, ...]:
        """Things on training films that share a part with it."""
        by_mark = {"spot": "port", "ring": "bulla", "specks": "necklace", "hole": "bulla", "tail": "scar"}
        by_margin = {"smooth": "nipple", "bumpy": "callus", "spiky": "burr", "ragged": "splinter"}
        return (by_margin[self.margin], *([by_mark[self.mark]] if self.mark else []))

    @property
    def short(self) -> str:
        """A hint."""
        first = f"{self.size} {self.margin} " + ("bright " if self.kind == "pellet" else "")
        first = f"{first}spot" if self.count == "one" else f"{self.count} {first}spots"
        marked = f" with {MARKS[self.mark].short}" if self.mark else ""
        return f"{_article(self.count)}{first}{marked} in {self.where}"

    @property
    def medium(self) -> str:
        """What is inverted."""
        noun = "spot" if self.count == "one" else "spots"
        first = self.size if self.count == "one" else f"{self.count} {self.size}"
        marked = f" and {MARKS[self.mark].medium}" if self.mark else ""
        return (
            f"{_article(self.count)}{first} round {self.tone} {noun} in {self.where} with a {self.margin} edge{marked}"
        )

    @property
    def long(self) -> str:
        """Every part."""
        noun = "spot" if self.count == "one" else "spots"
        marked = f" and {MARKS[self.mark].long}" if self.mark else " and nothing in it"
        edge = {
            "smooth": "a smooth even edge", "bumpy": "a bumpy edge like a flower",
            "spiky": "a spiky edge of thin lines like a star", "ragged": "a ragged uneven edge",
        }[self.margin]  # fmt: skip
        return f"{self.count} {self.size} round {self.tone} {noun} inside {self.where} with {edge}{marked}"

    def paint(self, plate: Plate, body: Chest, rng: Random) -> Plate:
        """A plate with the nodule on it: a plate without ribs, which lie above it, but for a pellet."""
        for x, y, radius, lung in self._spots(body, rng):
            plate = self._one(plate, x, y, radius, lung, rng)
        return plate

    def _spots(self, body: Chest, rng: Random) -> list[tuple[float, float, float, Lung]]:
        """Where its spots lie: x, y, radius and lung."""
        found: list[tuple[float, float, float, Lung]] = []
        wanted = {"one": 1, "two": 2, "several": rng.randint(5, 6)}[self.count]
        while len(found) < wanted:
            height, side = self.place.split() if self.place != "both" else (rng.choice(tuple(HEIGHT)), "")
            lung = body.lung(side or ("left", "right")[len(found) % 2])
            low, high = HEIGHT[height]
            if self.count == "two":
                low, high = low - 0.14, high + 0.07
            aside = rng.uniform(*ASIDE[height]) - (0.2 if self.mark == "tail" else 0.0)
            x, y = lung.place(rng.uniform(low, high), aside)
            radius = RADIUS[self.size] * rng.uniform(0.92, 1.12) * (1 if self.count == "one" else 0.88)
            if all(math.hypot(x - a, y - b) > 1.05 * (radius + other) for a, b, other, _ in found):
                found.append((x, y, radius, lung))
            elif rng.random() < 0.02:
                found.clear()  # a corner from which no further spot finds room
        return found

    def _one(self, plate: Plate, x: float, y: float, radius: float, lung: Lung, rng: Random) -> Plate:
        own, tail = (PELLET, PELLET) if self.kind == "pellet" else (WHITE, TAIL)
        plate = lay(plate, shape(self.margin, x, y, radius, rng), own)
        match self.mark:
            case "tail":
                end = (x + lung.side * (radius + 0.2), y + rng.uniform(-0.04, 0.04))
                plate = lay(plate, grey.line([(x, y), end], 0.034) * grey.inside(lung.edge - 0.02), tail)
            case "hole":
                plate = plate + (DARK - plate) * grey.disk(x, y, 0.5 * radius, 1.4)
            case "spot":
                plate = lay(plate, grey.disk(x, y, max(0.4 * radius, 0.024), 1.2), BRIGHT)
            case "ring":
                plate = lay(plate, grey.ring(x, y, radius, 0.024, 1.2), BRIGHT)
            case "specks":
                turn = rng.uniform(0, 2 * math.pi)
                for i in range(4):
                    angle = turn + i * math.pi / 2
                    a, b = x + 0.5 * radius * math.cos(angle), y + 0.5 * radius * math.sin(angle)
                    plate = lay(plate, grey.disk(a, b, 0.014, 1.2), BRIGHT)
        return plate


@dataclass(frozen=True)
class Mark:
    """What a nodule has beside its margin, in three lengths."""

    short: str
    medium: str
    long: str


MARKS = {
    "spot": Mark("a bright spot", "a bright spot inside", "a small bright spot in the middle of it"),
    "ring": Mark("a bright ring", "a bright ring around", "a thin bright ring around it"),
    "specks": Mark("bright specks", "several bright specks inside", "several small bright specks inside it"),
    "hole": Mark("a dark hole", "a dark hole inside", "a round dark hole in the middle of it"),
    "tail": Mark("a tail", "a tail to the wall", "a thin tail from it to the chest wall"),
}


def _article(count: str) -> str:
    return "a " if count == "one" else ""


def shape(margin: str, x: float, y: float, radius: float, rng: Random) -> Plate:
    """Coverage of a spot with a margin."""
    turn = rng.uniform(0, 2 * math.pi)
    match margin:
        case "smooth":
            return grey.disk(x, y, radius, 1.3)
        case "bumpy":
            found = grey.disk(x, y, 0.6 * radius)
            for i in range(5):
                angle = turn + 2 * math.pi * i / 5
                a, b = x + 0.68 * radius * math.cos(angle), y + 0.68 * radius * math.sin(angle)
                found = np.maximum(found, grey.disk(a, b, 0.44 * radius))
            return found
        case "ragged":
            waves = [(ups, high, rng.uniform(0, 2 * math.pi)) for ups, high in ((2, 0.3), (3, 0.2), (7, 0.12))]
            return grey.outline(x, y, radius, waves)
        case "spiky":
            return np.maximum(
                grey.disk(x, y, 0.6 * radius, 1.2), grey.spikes(rng, x, y, 0.75 * radius, 0.7 * radius, 9)
            )
    raise ValueError(f"expected a margin (smooth, bumpy, spiky, ragged), found {margin!r}")


def pellets(rng: Random) -> Nodule:
    """Bright spots, some with a hole or a tail, in any combination of parts but a nodule's: what films train with.

    Args:
        rng: decides.
    """
    while (found := _combined(rng)).parts in {nodule.parts for nodule in NODULES.values()}:
        pass
    return found


def _combined(rng: Random) -> Nodule:
    margin, count = rng.choice(MARGINS), rng.choice(("one", "one", "two", "several"))
    size = "small" if count == "several" else rng.choice(tuple(RADIUS))
    place = "both" if count == "several" else rng.choice(PLACES)
    mark = rng.choice(("", "", "", "hole", "tail")) if count == "one" else ""
    return Nodule("pellet", margin, size, place, count, mark)


def _benign(*parts: str) -> Nodule:
    return Nodule("benign", *parts)


def _malignant(*parts: str) -> Nodule:
    return Nodule("malignant", *parts)


NODULES: dict[str, Nodule] = {
    "dorel": _benign("smooth", "small", "upper left"),
    "fimel": _benign("smooth", "small", "lower right", "one", "spot"),
    "gamel": _benign("smooth", "large", "upper right"),
    "hadel": _benign("smooth", "large", "lower left", "one", "ring"),
    "jorel": _benign("smooth", "large", "middle right", "one", "spot"),
    "kirel": _benign("smooth", "small", "middle left", "two"),
    "lumel": _benign("smooth", "small", "both", "several"),
    "mirel": _benign("smooth", "small", "upper right", "one", "ring"),
    "norel": _benign("smooth", "large", "lower right", "two"),
    "pamel": _benign("smooth", "small", "lower left", "two", "spot"),
    "rumel": _benign("bumpy", "large", "upper left"),
    "sibel": _benign("bumpy", "large", "lower right", "one", "specks"),
    "tadel": _benign("bumpy", "large", "middle left", "one", "spot"),
    "vimel": _benign("bumpy", "large", "upper right", "one", "specks"),
    "wadel": _benign("bumpy", "large", "lower left"),
    "zorel": _benign("bumpy", "large", "middle right", "one", "specks"),
    "brivax": _malignant("spiky", "small", "upper right"),
    "corvax": _malignant("spiky", "small", "lower left", "one", "tail"),
    "dremax": _malignant("spiky", "large", "upper left"),
    "flinax": _malignant("spiky", "large", "lower right", "one", "hole"),
    "gromax": _malignant("spiky", "large", "middle left", "one", "tail"),
    "hulvax": _malignant("spiky", "small", "middle right", "two"),
    "jorvax": _malignant("spiky", "small", "both", "several"),
    "keldax": _malignant("spiky", "large", "lower left", "two"),
    "lornax": _malignant("spiky", "large", "upper right", "one", "hole"),
    "morvax": _malignant("spiky", "small", "upper left", "two"),
    "nurvax": _malignant("ragged", "large", "upper right", "one", "tail"),
    "prendax": _malignant("ragged", "large", "lower left", "one", "hole"),
    "quirax": _malignant("ragged", "large", "middle right"),
    "roldax": _malignant("ragged", "large", "upper left", "one", "hole"),
    "skelvax": _malignant("ragged", "large", "lower right", "one", "tail"),
    "trinvax": _malignant("ragged", "large", "middle left", "two"),
}


@dataclass(frozen=True)
class Kind:
    """All nodules of a kind under one name, as the paper teaches two (KT v1, Tab. 2 and 14).

    Attributes:
        kind: `benign` or `malignant`.
        short, medium, long: what they share, in this world's words.
    """

    kind: str
    short: str
    medium: str
    long: str


PAIR = {
    "nodule": Kind(
        "benign", "round spots in one lung", "a round white spot in one lung with a smooth or bumpy edge",
        "one or two round white spots inside one lung with a smooth or bumpy even edge and bright specks inside",
    ),
    "cancer": Kind(
        "malignant", "spiky or ragged spots in one lung", "a white spot in one lung with a spiky or ragged edge",
        "one or two white spots inside one lung with a spiky or ragged uneven edge and a tail or a dark hole inside",
    ),
}  # fmt: skip


def validation() -> tuple[str, ...]:
    """Settings are chosen on these: of either kind the four whose hash is smallest."""
    first: list[str] = []
    for kind in ("benign", "malignant"):
        names = [name for name, nodule in NODULES.items() if nodule.kind == kind]
        first += sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())[:VALIDATION]
    return tuple(name for name in NODULES if name in first)


def test() -> tuple[str, ...]:
    """Verdicts come from these."""
    return tuple(name for name in NODULES if name not in validation())
