"""Nameless scenes: shapes, counts, relations, openings, nested frames, instruments, patterns.

They teach a pocket model the vocabulary in which objects are described. Three of the odder objects would
come about by chance: the lines that see to it that they do not are marked "held out". Of all others a fold
leaves out the scenes that show one of its rare objects (`descriptions.Described.withheld`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from typing import NamedTuple

from PIL import Image

from ktlib.pocket import draw
from ktlib.pocket.draw import COLOURS, Canvas, Fill

ALL = tuple(COLOURS)
SOLID = ("red", "green", "blue", "yellow", "orange", "purple", "pink", "brown", "grey", "black")
NUMBERS = {2: "two", 3: "three", 4: "four"}
BALLS = ("red", "green", "blue", "orange", "purple", "pink")
METAL = ("silver", "grey")


class Picture(NamedTuple):
    """An image (PIL, RGB, `IMAGE_SIZE`) and what it shows."""

    image: Image.Image
    caption: str


def background(rng: Random) -> Fill:
    """A quiet ground: a pale colour, now and then a dark or a mottled one."""
    return rng.choice(("white", "white", "silver", "silver", "pink", "yellow", "grey", "black"))


def ground_without(rng: Random, *colours: str) -> str:
    """A background colour other than those drawn on it."""
    return rng.choice([g for g in ("white", "silver", "grey", "pink", "yellow", "black") if g not in colours])


def _shape(c: Canvas, kind: str, fill: Fill) -> None:
    match kind:
        case "disk" | "ball":
            c.disk(0.5, 0.5, 0.45, fill)
        case "square" | "box":
            c.rectangle(0.08, 0.08, 0.92, 0.92, fill)
        case "triangle":
            c.polygon([(0.5, 0.05), (0.95, 0.92), (0.05, 0.92)], fill)
        case "diamond":
            c.polygon([(0.5, 0.02), (0.98, 0.5), (0.5, 0.98), (0.02, 0.5)], fill)
        case "star":
            c.polygon(draw.star_points(0.5, 0.52, 0.5), fill)
        case "slab":
            c.rectangle(0.0, 0.36, 1.0, 0.64, fill)
        case "ring":
            c.ring(0.5, 0.5, 0.45, 0.12, str(fill))
        case "rod":
            c.rectangle(0.44, 0.02, 0.56, 0.98, fill)
        case "cross":
            c.rectangle(0.38, 0.05, 0.62, 0.95, fill)
            c.rectangle(0.05, 0.38, 0.95, 0.62, fill)


SHAPES = ("disk", "square", "triangle", "diamond", "star", "slab", "ring", "rod", "cross")


def _plural(noun: str) -> str:
    return noun + ("es" if noun.endswith("s") else "s")


def _textured(rng: Random) -> tuple[str, Fill]:
    """A texture and the words for it."""
    a, b = rng.sample(SOLID + ("white",), 2)
    return rng.choice(
        [
            lambda: ("brick", draw.brick(rng)),
            lambda: ("wooden", draw.wood(rng)),
            lambda: ("grey stone", draw.stone(rng)),
            lambda: (f"{a} and {b} striped", draw.stripes(rng, a, b, upright=rng.random() < 0.5)),
            lambda: (f"{a} and {b} checked", draw.checks(rng, a, b)),
            lambda: (f"{a} and {b} dotted", draw.dots(rng, a, b)),
        ]
    )()


def _plain(colour: str) -> tuple[str, Fill]:
    return colour, colour


def single(rng: Random) -> Picture:
    """One shape of some size, plain or textured."""
    kind = rng.choice(SHAPES)
    big = rng.random() < 0.5
    size = rng.uniform(0.6, 0.85) if big else rng.uniform(0.25, 0.42)
    colour = rng.choice(ALL)
    c = Canvas(rng, ground_without(rng, colour))
    if kind in ("ring", "rod") or rng.random() < 0.6:
        words, fill = _plain(colour)
    else:
        words, fill = _textured(rng)
    _shape(c.placed(rng.uniform(0, 1 - size), rng.uniform(0, 1 - size), size), kind, fill)
    adjective = ("large " if big else "small ") if rng.random() < 0.6 else ""
    return Picture(c.finished(), f"a {adjective}{words} {kind}")


def pair(rng: Random) -> Picture:
    """Two shapes and how they stand to each other."""
    first, second = rng.sample(SHAPES, 2)
    a, b = rng.sample(ALL, 2)
    c = Canvas(rng, ground_without(rng, a, b))
    relation = rng.choice(("left of", "right of", "above", "below", "on top of", "inside"))
    if relation == "inside" and second in ("rod", "slab", "cross", "star", "triangle"):
        relation = "left of"
    size, near, far = rng.uniform(0.34, 0.44), rng.uniform(0.02, 0.1), rng.uniform(0.5, 0.55)
    middle = rng.uniform(0.2, 0.4)
    places = {
        "left of": ((near, middle), (far, middle)),
        "right of": ((far, middle), (near, middle)),
        "above": ((middle, near), (middle, far)),
        "below": ((middle, far), (middle, near)),
        "on top of": ((middle, 0.5 - size * 0.86), (middle, 0.5)),
        "inside": ((0.36, 0.36), (0.06, 0.06)),
    }
    (x1, y1), (x2, y2) = places[relation]
    _shape(c.placed(x2, y2, 0.88 if relation == "inside" else size), second, b)
    _shape(c.placed(x1, y1, 0.28 if relation == "inside" else size), first, a)
    return Picture(c.finished(), f"a {a} {first} {relation} a {b} {second}")


def count(rng: Random) -> Picture:
    """Two to four of the same shape, in a row or a column."""
    kind, number, colour = rng.choice(SHAPES), rng.choice((2, 3, 4)), rng.choice(ALL)
    c = Canvas(rng, ground_without(rng, colour))
    row = rng.random() < 0.5
    across = rng.uniform(0.1, 0.65)
    for i in range(number):
        along = 0.04 + i * 0.94 / number
        x, y = (along, across) if row else (across, along)
        _shape(c.placed(x, y, 0.8 / number), kind, colour)
    return Picture(c.finished(), f"{NUMBERS[number]} {colour} {_plural(kind)} in a {'row' if row else 'column'}")


def opening(rng: Random, form: str = "", wall: str = "", view: str = "") -> Picture:
    """A wall with a hole in it and something behind. Held out: a round opening in bricks."""
    form = form or rng.choice(("round", "square"))
    walls = ["white", "wooden", "grey stone", "red", "yellow", "blue", "brick"]
    wall = wall or rng.choice([w for w in walls if (form, w) != ("round", "brick")])
    view = view or rng.choice(("garden", "sea", "night"))
    fills: dict[str, Callable[[Random], Fill]] = {
        "brick": draw.brick,
        "wooden": draw.wood,
        "grey stone": draw.stone,
    }
    views = {"garden": draw.garden, "sea": draw.sea, "night": draw.night}
    c = Canvas(rng, fills[wall](rng) if wall in fills else wall)
    r, x, y = rng.uniform(0.26, 0.4), rng.uniform(0.44, 0.56), rng.uniform(0.44, 0.56)
    if form == "round":
        c.disk(x, y, r, views[view](rng))
    else:
        c.rectangle(x - r, y - r, x + r, y + r, views[view](rng))
    seen = "the sea" if view == "sea" else "a night sky" if view == "night" else "a garden"
    tail = f" with {seen} behind it" if rng.random() < 0.8 else ""
    return Picture(c.finished(), f"a {form} opening in a {wall} wall{tail}")


def surface(rng: Random, kind: str = "") -> Picture:
    """A wall, or a view, and nothing else."""
    kind = kind or rng.choice(("brick", "wooden", "grey stone", "garden", "sea", "night", "field"))
    views = {"garden": draw.garden, "sea": draw.sea, "night": draw.night}
    if kind in views:
        named = {"garden": "a garden with a blue sky", "sea": "the sea", "night": "a night sky with stars"}
        return Picture(Canvas(rng, views[kind](rng)).finished(), named[kind])
    if kind == "field":
        c = Canvas(rng, draw.sea(rng))
        c.rectangle(0, 0.5, 1, 1, "green")
        return Picture(c.finished(), "a green field below a pale sky")
    fill = {"brick": draw.brick, "wooden": draw.wood, "grey stone": draw.stone}[kind](rng)
    return Picture(Canvas(rng, fill).finished(), f"a {kind} wall")


def nested(rng: Random, form: str = "", colour: str = "", core: str | None = None) -> Picture:
    """Rings, squares or diamonds inside each other. Held out: metal rings around a disk."""
    form = form or rng.choice(("rings", "squares", "diamonds"))
    colour = colour or rng.choice(ALL)
    number = rng.choice((2, 3))
    if core is None:
        core = rng.choice(ALL) if rng.random() < 0.5 else ""
    if form == "rings" and colour in METAL:
        core = ""
    c = Canvas(rng, ground_without(rng, colour, core))
    x, y = rng.uniform(0, 0.15), rng.uniform(0, 0.15)
    placed = c.placed(x, y, 0.85)
    for i in range(number):
        r = 0.46 - 0.13 * i
        if form == "rings":
            placed.ring(0.5, 0.5, r, 0.05, colour)
        elif form == "squares":
            placed.frame(0.5 - r, 0.5 - r, 0.5 + r, 0.5 + r, 0.05, colour)
        else:
            points = [(0.5, 0.5 - r), (0.5 + r, 0.5), (0.5, 0.5 + r), (0.5 - r, 0.5), (0.5, 0.5 - r)]
            for (x0, y0), (x1, y1) in zip(points, points[1:], strict=False):
                placed.line(x0, y0, x1, y1, 0.05, colour)
    if core:
        placed.disk(0.5, 0.5, 0.12, core)
    tail = f" around a {core} disk" if core else ""
    return Picture(c.finished(), f"{NUMBERS[number]} nested {colour} {form}{tail}")


def crossing_rods(rng: Random, colour: str = "") -> Picture:
    """Two thin rods that cross, upright or diagonal."""
    colour = colour or rng.choice(ALL)
    c = Canvas(rng, ground_without(rng, colour))
    if rng.random() < 0.5:
        c.line(0.5, 0.05, 0.5, 0.95, 0.04, colour)
        c.line(0.05, 0.5, 0.95, 0.5, 0.04, colour)
    else:
        c.line(0.12, 0.12, 0.88, 0.88, 0.04, colour)
        c.line(0.12, 0.88, 0.88, 0.12, 0.04, colour)
    return Picture(c.finished(), f"two thin crossing {colour} rods")


def dial(c: Canvas, x: float, y: float, radius: float) -> None:
    """A white face with a black rim and a hand."""
    c.disk(x, y, radius, "white")
    c.ring(x, y, radius, 0.03, "black")
    angle = c.rng.uniform(0, 2 * math.pi)
    c.line(x, y, x + 0.7 * radius * math.cos(angle), y + 0.7 * radius * math.sin(angle), 0.03, "black")


def instrument(rng: Random, parts: str = "") -> Picture:
    """Two of rod, base, box, dial and ring. Held out: rod, base and dial together; box, rod and ring."""
    parts = parts or rng.choice(("rod base", "dial base", "dial box", "rod dial", "box rod", "box ring", "dial"))
    a, b = rng.sample(SOLID + ("silver",), 2)
    c = Canvas(rng, ground_without(rng, a, b))
    p = c.placed(rng.uniform(0, 0.12), rng.uniform(0, 0.12), rng.uniform(0.78, 0.88))
    match parts:
        case "rod base":
            p.line(0.5, 0.08, 0.5, 0.85, 0.06, a)
            p.rectangle(0.3, 0.82, 0.7, 0.95, b)
            caption = f"a slender {a} rod on a small {b} base"
        case "dial base":
            dial(p, 0.5, 0.55, 0.26)
            p.rectangle(0.3, 0.82, 0.7, 0.95, b)
            caption = f"a round dial on a small {b} base"
        case "dial box":
            p.rectangle(0.12, 0.4, 0.88, 0.9, b)
            dial(p, 0.5, 0.65, 0.18)
            caption = f"a {b} box with a round dial in it"
        case "rod dial":
            left = rng.random() < 0.5
            p.line(0.25 if left else 0.75, 0.1, 0.25 if left else 0.75, 0.9, 0.06, a)
            dial(p, 0.67 if left else 0.33, 0.5, 0.24)
            caption = f"a slender {a} rod {'left' if left else 'right'} of a round dial"
        case "box rod":
            right = rng.random() < 0.5
            x = 0.78 if right else 0.22
            p.rectangle(0.12, 0.55, 0.88, 0.9, b)
            p.line(x, 0.08, x, 0.56, 0.04, a)
            caption = f"a {b} box with a thin {a} rod on the {'right' if right else 'left'}"
        case "box ring":
            right = rng.random() < 0.5
            p.rectangle(0.24, 0.5, 0.78, 0.9, b) if right else p.rectangle(0.3, 0.5, 0.84, 0.9, b)
            p.ring(0.86 if right else 0.18, 0.66, 0.15, 0.045, a)
            caption = f"a {b} box with a {a} ring on the {'right' if right else 'left'}"
        case _:
            dial(p, 0.5, 0.5, rng.uniform(0.25, 0.42))
            caption = "a round dial with a black hand"
    return Picture(c.finished(), caption)


def orbit(rng: Random, parts: str = "") -> Picture:
    """Balls around a ball, or thin circles around a ball. Held out: balls on circles around yellow."""
    parts = parts or rng.choice(("balls", "circles", "circle ball"))
    middle = rng.choice([b for b in (*BALLS, "yellow")])
    sky = rng.random() < 0.4
    c = Canvas(rng, draw.night(rng) if sky else ground_without(rng, middle))
    p, line = c.placed(0.04, 0.04, 0.92), "silver" if sky else "black"
    turn = rng.uniform(0, 2 * math.pi)
    if parts == "balls":
        for i, colour in enumerate(rng.sample(BALLS, 3)):
            angle = turn + i * 2.1
            p.disk(0.5 + 0.36 * math.cos(angle), 0.5 + 0.36 * math.sin(angle), 0.08, colour)
        caption = f"small balls around a {middle} ball"
    elif parts == "circles":
        for r in (0.3, 0.44):
            p.ring(0.5, 0.5, r, 0.02, line)
        caption = f"two thin circles around a {middle} ball"
    else:
        p.ring(0.5, 0.5, 0.42, 0.02, line)
        p.disk(0.5 + 0.42 * math.cos(turn), 0.5 + 0.42 * math.sin(turn), 0.09, middle)
        return Picture(c.finished(), f"a small {middle} ball on a thin circle")
    p.disk(0.5, 0.5, 0.14, middle)
    return Picture(c.finished(), caption + (" in a night sky" if sky else ""))


def stones(rng: Random, parts: str = "") -> Picture:
    """A slab, or upright stones, in a field. Held out: the slab on top of two upright stones."""
    parts = parts or rng.choice(("slab", "upright", "slab box"))
    c = Canvas(rng, draw.sea(rng))
    c.rectangle(0, 0.55, 1, 1, "green")
    place = " in a green field" if rng.random() < 0.7 else ""
    if parts == "slab":
        y = rng.uniform(0.5, 0.68)
        c.rectangle(0.12, y, 0.88, y + 0.17, draw.stone(rng))
        return Picture(c.finished(), f"a flat grey stone slab{place}")
    if parts == "slab box":
        colour = rng.choice(("red", "brown", "yellow", "blue", "white"))
        c.rectangle(0.3, 0.5, 0.7, 0.85, colour)
        c.rectangle(0.14, 0.36, 0.86, 0.51, draw.stone(rng))
        return Picture(c.finished(), f"a flat grey stone slab on top of a {colour} box{place}")
    for x in (0.18, 0.64):
        c.rectangle(x, rng.uniform(0.28, 0.4), x + 0.17, 0.85, draw.stone(rng))
    return Picture(c.finished(), f"two upright grey stones{place}")


def pattern(rng: Random, kind: str = "") -> Picture:
    """Something that repeats. Held out: the madras colours, crosses in wooden squares, the harlequin."""
    kind = kind or rng.choice(
        ("stripes", "crossing", "checks", "dots", "grid", "crossed grid", "diagonals", "diamonds", "planks")
    )
    a, b = rng.sample(SOLID + ("white",), 2)
    match kind:
        case "stripes":
            upright = rng.random() < 0.5
            fill = draw.stripes(rng, a, b, upright=upright)
            caption = f"a pattern of {'upright' if upright else 'lying'} {a} and {b} stripes"
        case "crossing":
            colours = rng.sample(SOLID, rng.choice((1, 2)))
            if set(colours) <= {"red", "blue", "yellow"} and len(colours) > 1:  # held out: madras
                colours = colours[:1]
            base = rng.choice([g for g in ("white", "pink", "silver", "green", "yellow") if g not in colours])
            fill = draw.crossing_stripes(rng, base, colours)
            caption = f"a pattern of crossing {' and '.join(colours)} stripes on {base}"
        case "checks":
            fill, caption = draw.checks(rng, a, b), f"a pattern of {a} and {b} checks"
        case "dots":
            fill, caption = draw.dots(rng, a, b), f"a pattern of {b} dots on {a}"
        case "grid":
            fill, caption = draw.grid(rng, a, b), f"a grid of {a} squares with {b} lines between them"
        case "crossed grid":
            if a == "brown":  # held out: chantilly
                a = rng.choice([other for other in ("pink", "green", "white") if other != b])
            fill = draw.grid(rng, a, b, crossed=True)
            caption = f"a grid of {a} squares with a {b} diagonal cross inside each"
        case "diagonals":
            fill, caption = draw.diagonals(rng, a, b), f"a pattern of thin {b} diagonal lines on {a}"
        case "diamonds":
            first, second = rng.sample(SOLID, 2)
            if {first, second} == {"green", "purple"}:  # held out: harlequin
                second = "blue"
            base = rng.choice([g for g in ("white", "silver", "black", "yellow") if g not in (first, second)])
            fill = draw.diamonds(rng, base, first, second)
            caption = f"a pattern of {first} and {second} diamonds on {base}"
        case _:
            fill, caption = draw.wood(rng), "a pattern of brown wooden planks"
    return Picture(Canvas(rng, fill).finished(), caption)


KINDS: tuple[Callable[[Random], Picture], ...] = (
    single, single, pair, pair, count, opening, opening, surface, nested, nested,
    crossing_rods, instrument, instrument, orbit, stones, pattern, pattern,
)  # fmt: skip


def scene(rng: Random) -> Picture:
    """A nameless scene of any kind."""
    return rng.choice(KINDS)(rng)
