"""What may be seen on a drawn film: how it is drawn, how a report puts it, how it is explained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from ktlib.pocket.chest import Chest
from ktlib.pocket.grey import Plate

HEIGHT = {"upper": (0.2, 0.36), "middle": (0.48, 0.6), "lower": (0.72, 0.82)}  # of the lung
SIDES = ("left", "right")
PLACES = tuple(f"{height} {side}" for height in HEIGHT for side in SIDES)
CORNERS = tuple(f"{height} {side}" for height in ("upper", "lower") for side in SIDES)


@dataclass(frozen=True)
class Seen:
    """Something on a film.

    Attributes:
        paint: draws it on a plate; the place is one of `places`.
        parts: its parts in words, with `{place}` where it may lie in several.
        places: where it may lie; empty where there is one place for it.
        where: how a report puts its place.
        short, medium, long: descriptions without the name and without a place of its own.
        above: drawn above the ribs, as metal is.
        shrinks: the lung of its place is small.
        heart: half width of the heart, from and to, where it is another than usual.
    """

    paint: Callable[[Plate, Chest, str, Random], Plate]
    parts: str
    short: str
    medium: str
    long: str
    places: tuple[str, ...] = ()
    where: str = "in the {place} lung"
    above: bool = False
    shrinks: bool = False
    heart: tuple[float, float] | None = None
