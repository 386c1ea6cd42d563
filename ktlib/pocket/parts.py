"""More nameless scenes: the parts of everyday objects, so that each can be described when it is rare.

A fold that holds an object out draws a scene anew when its caption says the whole of it
(`descriptions.Described.withheld`); nothing here has to know of that.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from ktlib.pocket import draw
from ktlib.pocket.draw import Canvas, Fill
from ktlib.pocket.scenes import ALL, NUMBERS, SHAPES, SOLID, Picture, _shape, ground_without

SOLIDS = ("disk", "box", "triangle", "diamond", "star", "slab", "cross")


def _two(rng: Random) -> tuple[str, str, Canvas]:
    a, b = rng.sample(ALL, 2)
    return a, b, Canvas(rng, ground_without(rng, a, b))


def _inner(rng: Random, c: Canvas) -> Canvas:
    """A view with a random margin."""
    size = rng.uniform(0.75, 0.95)
    return c.placed(rng.uniform(0, 1 - size), rng.uniform(0, 1 - size), size)


def _many(noun: str) -> str:
    return noun + ("es" if noun.endswith(("s", "x")) else "s")


def _flat(rng: Random) -> str:
    return "flat " if rng.random() < 0.5 else ""


def trapezium(c: Canvas, x: float, y: float, width: float, height: float, fill: Fill) -> None:
    """A lamp's shade: narrow above, wide below; (x, y) is the middle of its upper edge."""
    c.polygon([(x - width / 4, y), (x + width / 4, y), (x + width / 2, y + height), (x - width / 2, y + height)], fill)


def thickness(rng: Random) -> Picture:
    """A thick or thin outline or rod; or a ring seen from the side."""
    colour = rng.choice(ALL)
    ground = ground_without(rng, colour)
    c = _inner(rng, whole := Canvas(rng, ground))
    kind, thick = rng.choice(("ring", "ring", "rod", "frame", "frame", "cross", "flat ring")), rng.random() < 0.5
    width, word = (0.2, "thick") if thick else (0.05, "thin")
    match kind:
        case "ring":
            c.ring(0.5, 0.5, 0.44, width, colour)
        case "frame":
            c.frame(0.08, 0.08, 0.92, 0.92, width * 0.8, colour)
        case "rod":
            c.rectangle(0.5 - width / 2, 0.02, 0.5 + width / 2, 0.98, colour)
        case "cross":
            c.line(0.5, 0.05, 0.5, 0.95, width, colour)
            c.line(0.05, 0.5, 0.95, 0.5, width, colour)
        case _:
            c.ellipse(0.5, 0.5, 0.46, 0.14, colour)
            c.ellipse(0.5, 0.48, 0.36, 0.08, ground)
            return Picture(whole.finished(), f"a flat {colour} ring")
    return Picture(whole.finished(), f"a {word} {colour} {kind}")


def shade(rng: Random) -> Picture:
    """A shade, alone, beside something or on something."""
    a, b, c = _two(rng)
    form = rng.choice(("alone", "beside", "on box", "base", "rod"))
    if form == "alone":
        big = rng.random() < 0.5
        width = rng.uniform(0.7, 0.9) if big else rng.uniform(0.3, 0.45)
        trapezium(c, rng.uniform(width / 2, 1 - width / 2), rng.uniform(0.05, 0.4), width, width * 0.55, a)
        return Picture(c.finished(), f"a {'large' if big else 'small'} {a} shade")
    if form == "beside":
        left, kind = rng.random() < 0.5, rng.choice(("disk", "square", "star", "triangle"))
        trapezium(c, 0.26 if left else 0.74, 0.3, 0.44, 0.3, a)
        _shape(c.placed(0.54 if left else 0.04, 0.28, 0.4), kind, b)
        return Picture(c.finished(), f"a {a} shade {'left' if left else 'right'} of a {b} {kind}")
    p = _inner(rng, c)
    trapezium(p, 0.5, 0.08, 0.7, 0.36, a)
    if form == "on box":
        p.rectangle(0.2, 0.44, 0.8, 0.92, b)
        return Picture(c.finished(), f"a {a} shade on top of a {b} box")
    if form == "base":
        p.rectangle(0.28, 0.8, 0.72, 0.92, b)
        return Picture(c.finished(), f"a {a} shade above a flat {b} base")
    p.line(0.5, 0.44, 0.5, 0.95, 0.05, b)
    return Picture(c.finished(), f"a {a} shade on a thin {b} rod")


def perched(rng: Random) -> Picture:
    """One shape, or a few, on an upright rod."""
    a, b, c = _two(rng)
    p, kind = _inner(rng, c), rng.choice(("disk", "triangle", "box", "diamond", "star"))
    number = rng.choice((1, 1, 2, 3, 4))
    p.line(0.5, 0.4, 0.5, 0.97, rng.uniform(0.05, 0.1), b)
    if number == 1:
        _shape(p.placed(0.25, 0.06, 0.5), kind, a)
        return Picture(c.finished(), f"a {a} {kind} on a {b} rod")
    if rng.random() < 0.5:  # one above the other
        for i in range(number):
            _shape(p.placed(0.5 - 0.35 / number, 0.02 + 0.7 * i / number, 0.7 / number), kind, a)
        return Picture(c.finished(), f"{NUMBERS[number]} {a} {_many(kind)} in a column on a {b} rod")
    corners = [(0.12, 0.05), (0.5, 0.05), (0.12, 0.38), (0.5, 0.38)][:number]
    for x, y in corners:
        _shape(p.placed(x, y, 0.38), kind, a)
    return Picture(c.finished(), f"{NUMBERS[number]} {a} {_many(kind)} on a {b} rod")


def around(rng: Random) -> Picture:
    """Small disks around a disk."""
    a, b, c = _two(rng)
    p = _inner(rng, c)
    for dx, dy in ((0.3, 0), (-0.3, 0), (0.15, 0.26), (-0.15, 0.26), (0.15, -0.26), (-0.15, -0.26)):
        p.disk(0.5 + dx, 0.5 + dy, 0.14, a)
    p.disk(0.5, 0.5, 0.15, b)
    return Picture(c.finished(), f"small {a} disks around a {b} disk")


def legs(rng: Random) -> Picture:
    """Something on two of something else."""
    a, b, c = _two(rng)
    p, kind, under = _inner(rng, c), rng.choice(("slab", "box", "triangle", "disk")), rng.choice(("rod", "disk", "box"))
    if kind == "slab":
        p.rectangle(0.06, 0.36, 0.94, 0.5, a)
    else:
        _shape(p.placed(0.24, 0.0, 0.54), kind, a)
    for x in (0.28, 0.72):
        match under:
            case "rod":
                p.rectangle(x - 0.04, 0.48, x + 0.04, 0.95, b)
            case "disk":
                p.disk(x, 0.64, 0.15, b)
            case _:
                p.rectangle(x - 0.14, 0.5, x + 0.14, 0.8, b)
    upright = "upright " if under == "rod" and rng.random() < 0.5 else ""
    return Picture(
        c.finished(), f"a {_flat(rng) if kind == 'slab' else ''}{a} {kind} on two {upright}{b} {_many(under)}"
    )


def stacked(rng: Random) -> Picture:
    """A box on a box."""
    a, b, c = _two(rng)
    p, small = _inner(rng, c), rng.random() < 0.5
    p.rectangle(0.08, 0.5, 0.92, 0.9, b)
    p.rectangle(*((0.3, 0.26, 0.7, 0.5) if small else (0.1, 0.1, 0.9, 0.5)), a)
    return Picture(c.finished(), f"a {'small' if small else 'large'} {a} box on top of a large {b} box")


def afloat(rng: Random) -> Picture:
    """Something on the water."""
    colour = rng.choice([a for a in ALL if a != "blue"])
    kind = rng.choice(SHAPES)
    c = Canvas(rng, draw.sea(rng) if rng.random() < 0.5 else ground_without(rng, colour))
    c.rectangle(0, rng.uniform(0.68, 0.78), 1, 1, "blue")
    textured = kind in ("box", "square", "slab") and rng.random() < 0.5
    _shape(
        c.placed(rng.uniform(0.05, 0.35), rng.uniform(0.15, 0.25), 0.6), kind, draw.stone(rng) if textured else colour
    )
    return Picture(c.finished(), f"a {'grey stone' if textured else colour} {kind} on blue water")


def framed(rng: Random) -> Picture:
    """Something in a frame."""
    a, b = rng.sample(SOLID + ("white",), 2)
    frame = rng.choice([f for f in ALL if f not in (a, b)])
    form = rng.choice(("shape", "stripes", "checks", "dots", "wood"))
    width, thick = rng.choice(((0.1, "thick "), (0.1, ""), (0.04, "thin ")))
    upright = rng.random() < 0.5
    fills: dict[str, tuple[str, Fill]] = {
        "stripes": (
            f"{'upright' if upright else 'lying'} {a} and {b} stripes", draw.stripes(rng, a, b, upright=upright)
        ),
        "checks": (f"{a} and {b} checks", draw.checks(rng, a, b)),
        "dots": (f"{b} dots on {a}", draw.dots(rng, a, b)),
        "wood": ("brown wooden planks", draw.wood(rng)),
    }  # fmt: skip
    kind = rng.choice(SOLIDS)
    words, fill = fills.get(form, (f"a {a} {kind}", ground_without(rng, a, frame)))
    c = Canvas(rng, fill)
    if form == "shape":
        _shape(c.placed(0.25, 0.25, 0.5), kind, a)
    c.frame(0, 0, 1, 1, width, frame)
    return Picture(c.finished(), f"{words} in a {thick}{frame} frame")


def ended(rng: Random) -> Picture:
    """A rod with an end of another colour, upright, lying or diagonal."""
    a, b, c = _two(rng)
    lie, round_end = rng.choice(("upright", "lying", "diagonal")), rng.random() < 0.4
    ends = {"upright": (0.5, 0.92, 0.5, 0.1), "lying": (0.08, 0.5, 0.9, 0.5), "diagonal": (0.15, 0.88, 0.85, 0.15)}
    x0, y0, x1, y1 = ends[lie]
    if rng.random() < 0.5:
        x0, y0, x1, y1 = x1, y1, x0, y0
    p, width = _inner(rng, c), rng.uniform(0.05, 0.09)
    p.line(x0, y0, x1, y1, width, a)
    if round_end:
        p.disk(x1, y1, 0.09, b)
    else:
        p.line(x0 + 0.8 * (x1 - x0), y0 + 0.8 * (y1 - y0), x1, y1, width, b)
    return Picture(c.finished(), f"a slender {lie} {a} rod with a {'round ' if round_end else ''}{b} end")


def hands(rng: Random) -> Picture:
    """A dial with one hand or two, alone or in a ring."""
    colour = rng.choice(ALL)
    c = Canvas(rng, ground_without(rng, "white", colour))
    p, two, ring = _inner(rng, c), rng.random() < 0.5, rng.random() < 0.4
    if ring:
        p.disk(0.5, 0.5, 0.46, colour)
    p.disk(0.5, 0.5, 0.36, "white")
    if not ring:
        p.ring(0.5, 0.5, 0.36, 0.03, "black")
    for _ in range(2 if two else 1):
        dx, dy = rng.uniform(-1, 1), rng.uniform(-1, 1)
        size = 0.26 / max(0.1, (dx * dx + dy * dy) ** 0.5)
        p.line(0.5, 0.5, 0.5 + dx * size, 0.5 + dy * size, 0.04, "black")
    words = f"a round white dial with {'two black hands' if two else 'one black hand'}"
    return Picture(c.finished(), words + (f" in a {colour} ring" if ring else ""))


def boxed(rng: Random) -> Picture:
    """A box with something in it, or on top, or both."""
    a, b = rng.sample(ALL, 2)
    third = rng.choice([x for x in ALL if x not in (a, b)])
    c = Canvas(rng, ground_without(rng, a, b, third))
    p = _inner(rng, c)
    inside, top = (
        rng.choice(("", "disk", "slab", "diamond", "star", "opening")),
        rng.choice(("", "rod", "slab", "disk")),
    )
    if not inside and not top:
        inside = "disk"
    p.rectangle(0.1, 0.42, 0.9, 0.92, a)
    words = []
    if inside == "opening":
        p.rectangle(0.42, 0.6, 0.58, 0.92, "black")
        words.append("a black opening in it")
    elif inside:
        _shape(p.placed(rng.choice((0.16, 0.34, 0.52)), 0.5, 0.34), inside, b)
        words.append(f"a {b} {inside} in it")
    match top:
        case "rod":
            p.line(0.72, 0.42, rng.choice((0.72, 0.88)), 0.08, 0.04, third)
            words.append(f"a thin {third} rod on top")
        case "slab":
            p.rectangle(0.06, 0.32, 0.94, 0.42, third)
            words.append(f"a flat {third} slab on top")
        case "disk":
            p.disk(0.5, 0.26, 0.16, third)
            words.append(f"a {third} disk on top")
    return Picture(c.finished(), f"a {a} box with {' and '.join(words)}")


def walls(rng: Random) -> Picture:
    """A wall with two openings, or something upright or thin before a view."""
    views = {"garden": "a garden", "sea": "the sea", "night": "a night sky"}
    view = rng.choice(tuple(views))
    painted = {"garden": draw.garden, "sea": draw.sea, "night": draw.night}[view]
    form = rng.choice(("openings", "planks", "lines", "plain planks"))
    colour = rng.choice(("brown", "white", "red", "grey", "green"))
    if form == "openings":
        material, fill = rng.choice((("white", "white"), ("brick", draw.brick(rng)), ("wooden", draw.wood(rng)),
                                     ("grey stone", draw.stone(rng)), ("yellow", "yellow")))  # fmt: skip
        c, square = Canvas(rng, fill), rng.random() < 0.4
        for x in (0.27, 0.73):
            (c.rectangle(x - 0.17, 0.33, x + 0.17, 0.67, "blue") if square else c.disk(x, 0.5, 0.18, "blue"))
        return Picture(c.finished(), f"a {material} wall with two {'square' if square else 'round'} blue openings")
    if form == "lines":
        fill = draw.diagonals(rng, painted(rng), colour)
        return Picture(Canvas(rng, fill).finished(), f"thin {colour} diagonal lines with {views[view]} behind them")
    c = Canvas(rng, painted(rng) if form == "planks" else ground_without(rng, colour))
    number, upright = rng.choice((2, 3, 4)), rng.random() < 0.5
    for i in range(number):
        at = 0.06 + 0.92 * i / number
        box = (at, 0.2, at + 0.14, 0.95) if upright else (0.05, at, 0.95, at + 0.12)
        c.rectangle(*box, colour)
    words = f"{NUMBERS[number]} {colour} {'upright' if upright else 'lying'} planks"
    return Picture(c.finished(), words + (f" with {views[view]} behind them" if form == "planks" else ""))


def inside(rng: Random) -> Picture:
    """A ring, a square or a diamond with something inside."""
    a, b, c = _two(rng)
    outer, p = rng.choice(("ring", "square", "wooden square")), _inner(rng, c)
    kind = rng.choice(("crossing rods", "diagonal cross", "disk", "star", "small ring"))
    match outer:
        case "ring":
            p.ring(0.5, 0.5, 0.46, 0.08, a)
        case "square":
            p.rectangle(0.06, 0.06, 0.94, 0.94, a)
        case _:
            p.rectangle(0.06, 0.06, 0.94, 0.94, draw.wood(rng))
    width = 0.04 if kind == "crossing rods" else 0.1
    match kind:
        case "crossing rods":
            p.line(0.5, 0.16, 0.5, 0.84, width, b)
            p.line(0.16, 0.5, 0.84, 0.5, width, b)
        case "diagonal cross":
            p.line(0.25, 0.25, 0.75, 0.75, width, b)
            p.line(0.25, 0.75, 0.75, 0.25, width, b)
        case "small ring":
            p.ring(0.5, 0.5, 0.2, 0.07, b)
        case _:
            _shape(p.placed(0.3, 0.3, 0.4), kind, b)
    described = f"crossing {b} rods" if kind == "crossing rods" else f"a {kind}"
    if kind == "small ring":
        described = f"a small {b} ring"
    elif kind != "crossing rods":
        described = f"a {b} {kind}"
    article = "brown wooden square" if outer == "wooden square" else f"{a} {outer}"
    return Picture(c.finished(), f"a {article} with {described} inside")


def nested_disks(rng: Random) -> Picture:
    """Disks or boxes of two colours inside each other."""
    a, b, c = _two(rng)
    p, disks, number = _inner(rng, c), rng.random() < 0.5, rng.choice((2, 3, 4))
    for i in range(number):
        r, colour = 0.46 * (1 - i / number), a if i % 2 == 0 else b
        p.disk(0.5, 0.5, r, colour) if disks else p.rectangle(0.5 - r, 0.5 - r, 0.5 + r, 0.5 + r, colour)
    return Picture(c.finished(), f"nested {a} and {b} {'disks' if disks else 'boxes'}")


def hung(rng: Random) -> Picture:
    """Stripes below a slab, or on a rod."""
    a, b = rng.sample(SOLID + ("white",), 2)
    third = rng.choice([x for x in ALL if x not in (a, b)])
    upright = rng.random() < 0.5
    fill = draw.stripes(rng, a, b, upright=upright)
    words = f"{'upright' if upright else 'lying'} {a} and {b} stripes"
    if rng.random() < 0.5:
        c = Canvas(rng, fill)
        above = rng.random() < 0.5
        c.rectangle(0, 0 if above else 0.88, 1, 0.12 if above else 1, third)
        return Picture(c.finished(), f"{words} {'below' if above else 'above'} a {third} slab")
    c = Canvas(rng, ground_without(rng, a, b, third))
    c.rectangle(0.2, 0.08, 0.92, 0.55, fill)
    c.line(0.17, 0.05, 0.17, 0.95, 0.06, third)
    return Picture(c.finished(), f"{words} on a {third} rod")


def sky(rng: Random) -> Picture:
    """A ball in the night sky, with a rod, a ring or a circle."""
    c, a, b = (
        Canvas(rng, draw.night(rng)),
        rng.choice(("yellow", "red", "white", "pink")),
        rng.choice(("silver", "red")),
    )
    x, y = rng.uniform(0.4, 0.6), rng.uniform(0.4, 0.6)
    form = rng.choice(("", "rod", "ring", "square"))
    if form == "rod":
        c.line(x, y, rng.choice((0.1, 0.9)), rng.choice((0.1, 0.9)), 0.06, b)
    elif form == "ring":
        c.ring(x, y, 0.36, 0.07, b)
    elif form == "square":
        c.frame(x - 0.34, y - 0.34, x + 0.34, y + 0.34, 0.04, b)
    c.disk(x, y, rng.uniform(0.12, 0.2), a)
    tail = {"": "", "rod": f" with a {b} rod", "ring": f" with a {b} ring around it", "square": f" in a {b} square"}
    return Picture(c.finished(), f"a {a} ball{tail[form]} in a night sky")


MORE: tuple[Callable[[Random], Picture], ...] = (
    thickness, shade, shade, perched, perched, around, legs, legs, stacked, afloat, framed, framed,
    ended, hands, boxed, boxed, walls, walls, inside, nested_disks, hung, sky,
)  # fmt: skip
