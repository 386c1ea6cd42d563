"""How everyday objects look: each has a drawing and a sentence about its parts.

Slots of the sentence such as `{a}` are colours drawn anew for every picture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from ktlib.pocket import draw
from ktlib.pocket.draw import Canvas

ANY = ("red", "green", "blue", "yellow", "orange", "purple", "pink", "brown", "grey", "black")
BRIGHT = ("red", "green", "blue", "yellow", "orange", "purple", "pink")


@dataclass(frozen=True)
class Drawable:
    """Something with a picture and a sentence about its parts.

    Attributes:
        parts: what is seen, in the world's own words; slots are filled from `palette`.
        paint: draws it into the unit square of a canvas, given the filled slots.
        palette: for each slot the colours it may take.
        fills: true when the drawing covers the whole picture (a pattern, a wall).
    """

    parts: str
    paint: Callable[[Canvas, dict[str, str]], None]
    palette: dict[str, tuple[str, ...]] = field(default_factory=dict)
    fills: bool = False

    def colours(self, rng: Random) -> dict[str, str]:
        """One colour a slot, no two alike where the palettes allow it."""
        chosen: dict[str, str] = {}
        for slot, options in self.palette.items():
            free = [o for o in options if o not in chosen.values()] or list(options)
            chosen[slot] = rng.choice(free)
        return chosen


def _window(c: Canvas, s: dict[str, str]) -> None:
    c.rectangle(0, 0, 1, 1, draw.brick(c.rng))
    c.rectangle(0.22, 0.22, 0.78, 0.78, draw.sea(c.rng))
    c.frame(0.22, 0.22, 0.78, 0.78, 0.05, "white")
    c.line(0.5, 0.22, 0.5, 0.78, 0.04, "white")
    c.line(0.22, 0.5, 0.78, 0.5, 0.04, "white")


def _tunnel(c: Canvas, s: dict[str, str]) -> None:
    c.rectangle(0, 0, 1, 1, draw.stone(c.rng))
    c.disk(0.5, 0.62, 0.3, "black")
    c.rectangle(0.2, 0.62, 0.8, 1, "black")


def _wheel(c: Canvas, s: dict[str, str]) -> None:
    for dx, dy in ((0.36, 0), (0, 0.36), (0.25, 0.25), (0.25, -0.25)):
        c.line(0.5 - dx, 0.5 - dy, 0.5 + dx, 0.5 + dy, 0.035, s["a"])
    c.ring(0.5, 0.5, 0.42, 0.08, s["a"])
    c.disk(0.5, 0.5, 0.08, s["a"])


def _target(c: Canvas, s: dict[str, str]) -> None:
    for i, radius in enumerate((0.44, 0.33, 0.22, 0.11)):
        c.disk(0.5, 0.5, radius, s["a"] if i % 2 == 0 else "white")


def _planet(c: Canvas, s: dict[str, str]) -> None:
    c.disk(0.5, 0.5, 0.25, s["a"])
    c.ellipse(0.5, 0.5, 0.46, 0.1, s["b"])
    c.ellipse(0.5, 0.48, 0.36, 0.05, s["a"])


def _donut(c: Canvas, s: dict[str, str]) -> None:
    c.ring(0.5, 0.5, 0.42, 0.24, s["a"])


def _lamp(c: Canvas, s: dict[str, str]) -> None:
    c.line(0.5, 0.35, 0.5, 0.9, 0.05, "black")
    c.polygon([(0.35, 0.1), (0.65, 0.1), (0.8, 0.42), (0.2, 0.42)], s["a"])
    c.rectangle(0.32, 0.88, 0.68, 0.95, "black")


def _clock(c: Canvas, s: dict[str, str]) -> None:
    c.disk(0.5, 0.5, 0.42, s["a"])
    c.disk(0.5, 0.5, 0.34, "white")
    c.line(0.5, 0.5, 0.5, 0.22, 0.04, "black")
    c.line(0.5, 0.5, 0.68, 0.58, 0.04, "black")


def _scale(c: Canvas, s: dict[str, str]) -> None:
    c.rectangle(0.15, 0.55, 0.85, 0.92, s["a"])
    c.rectangle(0.1, 0.46, 0.9, 0.55, "silver")
    c.disk(0.5, 0.74, 0.14, "white")
    c.line(0.5, 0.74, 0.58, 0.65, 0.03, "black")


def _pen(c: Canvas, s: dict[str, str]) -> None:
    c.line(0.2, 0.85, 0.75, 0.22, 0.09, s["a"])
    c.line(0.7, 0.28, 0.82, 0.14, 0.09, "black")


def _thermometer(c: Canvas, s: dict[str, str]) -> None:
    c.rectangle(0.43, 0.08, 0.57, 0.75, "white")
    c.line(0.5, 0.3, 0.5, 0.8, 0.05, "red")
    c.disk(0.5, 0.82, 0.13, "red")


def _radio(c: Canvas, s: dict[str, str]) -> None:
    c.rectangle(0.1, 0.42, 0.9, 0.88, s["a"])
    c.line(0.72, 0.42, 0.88, 0.1, 0.03, "black")
    c.disk(0.32, 0.65, 0.14, "black")
    c.rectangle(0.55, 0.55, 0.8, 0.66, "white")


def _table(c: Canvas, s: dict[str, str]) -> None:
    c.rectangle(0.08, 0.35, 0.92, 0.46, "brown")
    for x in (0.16, 0.78):
        c.rectangle(x, 0.46, x + 0.07, 0.92, "brown")


def _bridge(c: Canvas, s: dict[str, str]) -> None:
    c.rectangle(0, 0.7, 1, 1, "blue")
    c.rectangle(0, 0.4, 1, 0.82, draw.stone(c.rng))
    for x in (0.28, 0.72):
        c.disk(x, 0.82, 0.17, "blue")


def _flower(c: Canvas, s: dict[str, str]) -> None:
    c.line(0.5, 0.5, 0.5, 0.95, 0.04, "green")
    for dx, dy in ((0.18, 0), (-0.18, 0), (0.09, 0.16), (-0.09, 0.16), (0.09, -0.16), (-0.09, -0.16)):
        c.disk(0.5 + dx, 0.36 + dy, 0.11, s["a"])
    c.disk(0.5, 0.36, 0.1, "yellow")


def _traffic_light(c: Canvas, s: dict[str, str]) -> None:
    c.rectangle(0.32, 0.08, 0.68, 0.92, "black")
    for y, colour in ((0.24, "red"), (0.5, "yellow"), (0.76, "green")):
        c.disk(0.5, y, 0.11, colour)


def _house(c: Canvas, s: dict[str, str]) -> None:
    c.rectangle(0.2, 0.45, 0.8, 0.92, s["a"])
    c.polygon([(0.1, 0.47), (0.5, 0.1), (0.9, 0.47)], s["b"])
    c.rectangle(0.43, 0.65, 0.57, 0.92, "black")


def _tree(c: Canvas, s: dict[str, str]) -> None:
    c.rectangle(0.44, 0.55, 0.56, 0.95, "brown")
    for x, y in ((0.35, 0.38), (0.65, 0.38), (0.5, 0.26), (0.5, 0.45)):
        c.disk(x, y, 0.2, "green")


def _fir(c: Canvas, s: dict[str, str]) -> None:
    c.rectangle(0.45, 0.8, 0.55, 0.95, "brown")
    for y, r in ((0.08, 0.2), (0.3, 0.29), (0.52, 0.38)):
        c.polygon([(0.5, y), (0.5 + r, y + 0.3), (0.5 - r, y + 0.3)], "green")


def _boat(c: Canvas, s: dict[str, str]) -> None:
    c.rectangle(0, 0.78, 1, 1, "blue")
    c.polygon([(0.12, 0.62), (0.88, 0.62), (0.74, 0.84), (0.26, 0.84)], s["a"])
    c.polygon([(0.52, 0.1), (0.52, 0.58), (0.84, 0.58)], "white")


def _car(c: Canvas, s: dict[str, str]) -> None:
    c.rectangle(0.06, 0.48, 0.94, 0.72, s["a"])
    c.rectangle(0.26, 0.3, 0.74, 0.5, s["a"])
    c.rectangle(0.32, 0.35, 0.68, 0.48, "white")
    for x in (0.27, 0.73):
        c.disk(x, 0.74, 0.12, "black")


def _parasol(c: Canvas, s: dict[str, str]) -> None:
    c.line(0.5, 0.45, 0.5, 0.88, 0.04, "black")
    c.arc(0.44, 0.88, 0.06, 0, 180, 0.04, "black")
    c.polygon([(0.08, 0.5), (0.2, 0.25), (0.5, 0.12), (0.8, 0.25), (0.92, 0.5)], s["a"])


def _flag(c: Canvas, s: dict[str, str]) -> None:
    for i, slot in enumerate("abc"):
        c.rectangle(0.18, 0.12 + 0.16 * i, 0.92, 0.28 + 0.16 * i, s[slot])
    c.line(0.15, 0.08, 0.15, 0.96, 0.05, "brown")


def _curtain(c: Canvas, s: dict[str, str]) -> None:
    c.rectangle(0, 0, 1, 1, draw.stripes(c.rng, s["a"], s["b"]))
    c.rectangle(0, 0, 1, 0.1, "black")


def _rug(c: Canvas, s: dict[str, str]) -> None:
    c.rectangle(0, 0, 1, 1, draw.stripes(c.rng, s["a"], s["b"], upright=False))
    c.frame(0, 0, 1, 1, 0.1, s["b"])


def _chessboard(c: Canvas, s: dict[str, str]) -> None:
    c.rectangle(0, 0, 1, 1, draw.checks(c.rng, "white", "black"))


def _net(c: Canvas, s: dict[str, str]) -> None:
    c.rectangle(0, 0, 1, 1, draw.diagonals(c.rng, s["a"], "black"))


def _tiling(c: Canvas, s: dict[str, str]) -> None:
    c.rectangle(0, 0, 1, 1, draw.grid(c.rng, s["a"], "white"))


def _fence(c: Canvas, s: dict[str, str]) -> None:
    c.rectangle(0, 0, 1, 1, draw.garden(c.rng))
    for y in (0.45, 0.72):
        c.rectangle(0, y, 1, y + 0.07, "brown")
    for x in (0.06, 0.28, 0.5, 0.72):
        c.rectangle(x, 0.3, x + 0.13, 0.95, "brown")


def _porthole(c: Canvas, s: dict[str, str]) -> None:
    c.rectangle(0, 0, 1, 1, s["a"])
    c.disk(0.5, 0.5, 0.36, "brown")
    c.disk(0.5, 0.5, 0.3, draw.sea(c.rng))


def _altar(c: Canvas, s: dict[str, str]) -> None:
    c.rectangle(0, 0, 1, 1, draw.sea(c.rng))
    c.rectangle(0, 0.56, 1, 1, "green")
    c.rectangle(0.28, 0.46, 0.72, 0.86, draw.stone(c.rng))
    c.rectangle(0.12, 0.32, 0.88, 0.47, draw.stone(c.rng))


def _comet(c: Canvas, s: dict[str, str]) -> None:
    c.rectangle(0, 0, 1, 1, draw.night(c.rng))
    c.line(0.5, 0.5, 0.9, 0.12, 0.06, "silver")
    c.disk(0.48, 0.52, 0.15, "yellow")


def _moon(c: Canvas, s: dict[str, str]) -> None:
    c.rectangle(0, 0, 1, 1, draw.night(c.rng))
    c.ring(0.5, 0.5, 0.4, 0.02, "silver")
    c.disk(0.5, 0.5, 0.2, s["a"])


def _quilt(c: Canvas, s: dict[str, str]) -> None:
    c.rectangle(0, 0, 1, 1, draw.diamonds(c.rng, s["a"], s["b"], s["c"]))


def _mug(c: Canvas, s: dict[str, str]) -> None:
    c.ring(0.2, 0.56, 0.17, 0.05, s["a"])
    c.rectangle(0.3, 0.25, 0.8, 0.88, s["a"])


def _timer(c: Canvas, s: dict[str, str]) -> None:
    c.disk(0.5, 0.45, 0.32, "white")
    c.ring(0.5, 0.45, 0.32, 0.03, "black")
    c.line(0.5, 0.45, 0.62, 0.24, 0.03, "black")
    c.rectangle(0.2, 0.78, 0.8, 0.92, s["a"])


def _tablecloth(c: Canvas, s: dict[str, str]) -> None:
    c.rectangle(0, 0, 1, 1, draw.crossing_stripes(c.rng, "white", [s["a"]]))


def _trellis(c: Canvas, s: dict[str, str]) -> None:
    c.rectangle(0, 0, 1, 1, draw.diagonals(c.rng, draw.garden(c.rng), "brown"))


def _crate(c: Canvas, s: dict[str, str]) -> None:
    c.rectangle(0.1, 0.1, 0.9, 0.9, draw.wood(c.rng))
    c.frame(0.1, 0.1, 0.9, 0.9, 0.08, s["a"])
    c.line(0.13, 0.13, 0.87, 0.87, 0.07, s["a"])
    c.line(0.13, 0.87, 0.87, 0.13, 0.07, s["a"])


EVERYDAY: dict[str, Drawable] = {
    "window": Drawable(
        "a square opening in a brick wall with the sea behind it and a white cross in it", _window, fills=True
    ),
    "tunnel": Drawable("a round black opening in a grey stone wall", _tunnel, fills=True),
    "fence": Drawable("brown upright planks with a garden behind them", _fence, fills=True),
    "wheel": Drawable(
        "a {a} ring with crossing {a} rods inside", _wheel, {"a": ("black", "grey", "silver", "brown", "red")}
    ),
    "target": Drawable("nested {a} and white disks", _target, {"a": ("red", "black", "blue")}),
    "planet": Drawable(
        "a {a} disk with a flat {b} ring around it", _planet, {"a": BRIGHT, "b": ("silver", "yellow", "orange", "pink")}
    ),
    "donut": Drawable("a thick {a} ring", _donut, {"a": ("brown", "pink", "yellow", "orange")}),
    "lamp": Drawable("a {a} shade on a thin black rod on a black base", _lamp, {"a": BRIGHT}),
    "clock": Drawable(
        "a round white dial with two black hands in a {a} ring",
        _clock,
        {"a": ("red", "blue", "brown", "black", "green", "silver")},
    ),
    "scale": Drawable("a {a} box with a round dial in it and a flat silver slab on top", _scale, {"a": ANY}),
    "pen": Drawable(
        "a slender {a} rod with a black end", _pen, {"a": ("red", "blue", "green", "yellow", "silver", "purple")}
    ),
    "thermometer": Drawable("a slender white rod with a small red ball below", _thermometer),
    "radio": Drawable(
        "a {a} box with a black disk in it and a thin black rod on top",
        _radio,
        {"a": ("red", "blue", "green", "brown", "silver", "orange")},
    ),
    "table": Drawable("a flat brown slab on two upright brown rods", _table),
    "bridge": Drawable("a grey stone wall with two round openings on blue water", _bridge, fills=True),
    "flower": Drawable(
        "small {a} disks around a yellow disk on a green rod",
        _flower,
        {"a": ("red", "pink", "purple", "blue", "white", "orange")},
    ),
    "trafficlight": Drawable("a red disk above a yellow disk above a green disk in a black box", _traffic_light),
    "house": Drawable(
        "a {b} triangle on top of a {a} box with a black opening",
        _house,
        {"a": ("white", "yellow", "pink", "silver", "orange"), "b": ("red", "brown", "blue", "grey")},
    ),
    "tree": Drawable("four green disks on a brown rod", _tree),
    "fir": Drawable("three green triangles on a brown rod", _fir),
    "boat": Drawable(
        "a white triangle on top of a {a} slab on blue water",
        _boat,
        {"a": ("red", "brown", "yellow", "green", "orange")},
    ),
    "car": Drawable("a {a} box on two black disks", _car, {"a": BRIGHT}),
    "parasol": Drawable("a {a} shade on a thin black rod with a round end", _parasol, {"a": BRIGHT}),
    "flag": Drawable(
        "lying {a} and {b} and {c} stripes on a brown rod",
        _flag,
        {
            "a": ("red", "black", "green", "orange", "purple"),
            "b": ("white", "yellow", "pink"),
            "c": ("blue", "green", "red", "purple"),
        },
    ),
    "curtain": Drawable(
        "upright {a} and {b} stripes below a black slab",
        _curtain,
        {"a": BRIGHT, "b": ("white", "yellow", "silver", "pink", "red")},
        fills=True,
    ),
    "rug": Drawable(
        "lying {a} and {b} stripes in a {b} frame",
        _rug,
        {"a": BRIGHT, "b": ("brown", "red", "blue", "green", "purple")},
        fills=True,
    ),
    "chessboard": Drawable("a pattern of black and white checks", _chessboard, fills=True),
    "net": Drawable(
        "a pattern of thin black diagonal lines on {a}",
        _net,
        {"a": ("white", "blue", "green", "yellow", "silver")},
        fills=True,
    ),
    "tiling": Drawable(
        "a grid of {a} squares with white lines between them",
        _tiling,
        {"a": ("red", "blue", "green", "brown", "orange", "grey")},
        fills=True,
    ),
    "porthole": Drawable(
        "a round opening in a {a} wall with the sea behind it and a brown ring around it",
        _porthole,
        {"a": ("white", "grey", "silver", "red")},
        fills=True,
    ),
    "altar": Drawable("a flat grey stone slab on top of a grey stone box in a green field", _altar, fills=True),
    "comet": Drawable("a yellow ball with a silver rod in a night sky", _comet, fills=True),
    "moon": Drawable(
        "a {a} ball with a thin circle around it in a night sky",
        _moon,
        {"a": ("white", "silver", "pink", "yellow")},
        fills=True,
    ),
    "quilt": Drawable(
        "a pattern of {b} and {c} diamonds on {a}",
        _quilt,
        {"a": ("white", "yellow", "silver"), "b": ("red", "blue", "purple"), "c": ("blue", "red", "green", "orange")},
        fills=True,
    ),
    "mug": Drawable(
        "a {a} box with a {a} ring on the left",
        _mug,
        {"a": ("brown", "red", "blue", "green", "grey", "silver", "orange")},
    ),
    "timer": Drawable(
        "a round dial with one black hand on a flat {a} base", _timer, {"a": ("black", "red", "brown", "grey", "blue")}
    ),
    "tablecloth": Drawable(
        "a pattern of crossing {a} stripes on white",
        _tablecloth,
        {"a": ("red", "blue", "green", "yellow", "orange")},
        fills=True,
    ),
    "trellis": Drawable("thin brown diagonal lines with a garden behind them", _trellis, fills=True),
    "crate": Drawable(
        "a brown wooden square with a {a} diagonal cross inside", _crate, {"a": ("black", "yellow", "brown", "silver")}
    ),
}
