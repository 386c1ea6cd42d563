"""The pencil of the pocket world: a small canvas, twelve colours, a handful of textures.

Everything is drawn at twice the size with PIL and box-filtered down, so edges are soft, and
everything is a function of the `random.Random` it is given. Coordinates are fractions of the
canvas: x to the right, y downwards, both in [0, 1].
"""

from __future__ import annotations

import math
from random import Random

from PIL import Image, ImageDraw

IMAGE_SIZE = 64
_DRAWN = 2 * IMAGE_SIZE

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (205, 45, 45),
    "green": (60, 150, 70),
    "blue": (50, 90, 200),
    "yellow": (240, 210, 60),
    "orange": (240, 145, 45),
    "purple": (135, 70, 165),
    "pink": (240, 150, 185),
    "brown": (135, 90, 55),
    "grey": (125, 125, 130),
    "silver": (190, 195, 205),
    "black": (30, 30, 35),
    "white": (245, 245, 245),
}

Fill = str | Image.Image  # the name of a colour, or a texture of the canvas's size


def shade(colour: str, rng: Random, spread: int = 14) -> tuple[int, int, int]:
    """The named colour as RGB in 0..255, moved a little so that no two reds are the same."""
    common = rng.randint(-spread, spread)
    red, green, blue = (max(0, min(255, c + common + rng.randint(-5, 5))) for c in COLOURS[colour])
    return red, green, blue


class Canvas:
    """A square picture to draw on. `placed` returns a view of it that draws into a sub-square."""

    def __init__(self, rng: Random, background: Fill) -> None:
        self.rng = rng
        self.image = Image.new("RGB", (_DRAWN, _DRAWN))
        self._pen = ImageDraw.Draw(self.image)
        self._x, self._y, self._scale = 0.0, 0.0, 1.0
        self.rectangle(0, 0, 1, 1, background)

    def placed(self, x: float, y: float, scale: float) -> Canvas:
        """The same picture, with (x, y)..(x + scale, y + scale) as the new unit square."""
        view = object.__new__(Canvas)
        view.rng, view.image, view._pen = self.rng, self.image, self._pen
        view._x, view._y = self._x + x * self._scale, self._y + y * self._scale
        view._scale = self._scale * scale
        return view

    def finished(self) -> Image.Image:
        """The picture at `IMAGE_SIZE`, RGB."""
        return self.image.reduce(_DRAWN // IMAGE_SIZE)

    # -- shapes ---------------------------------------------------------------------------------
    def disk(self, x: float, y: float, radius: float, fill: Fill) -> None:
        """A filled circle."""
        self._paint("ellipse", [(x - radius, y - radius), (x + radius, y + radius)], fill)

    def ellipse(self, x: float, y: float, rx: float, ry: float, fill: Fill) -> None:
        """A filled ellipse with half-axes rx and ry."""
        self._paint("ellipse", [(x - rx, y - ry), (x + rx, y + ry)], fill)

    def ring(self, x: float, y: float, radius: float, width: float, colour: str) -> None:
        """The outline of a circle; `width` grows inwards."""
        box = self._pixels([(x - radius, y - radius), (x + radius, y + radius)])
        self._pen.ellipse(box, outline=shade(colour, self.rng), width=self._width(width))

    def arc(self, x: float, y: float, radius: float, start: int, end: int, width: float, colour: str) -> None:
        """Part of a circle, from `start` to `end` degrees clockwise from three o'clock."""
        box = self._pixels([(x - radius, y - radius), (x + radius, y + radius)])
        self._pen.arc(box, start, end, fill=shade(colour, self.rng), width=self._width(width))

    def rectangle(self, x0: float, y0: float, x1: float, y1: float, fill: Fill) -> None:
        """A filled rectangle."""
        self._paint("rectangle", [(x0, y0), (x1, y1)], fill)

    def frame(self, x0: float, y0: float, x1: float, y1: float, width: float, colour: str) -> None:
        """The outline of a rectangle; `width` grows inwards."""
        box = self._pixels([(x0, y0), (x1, y1)])
        self._pen.rectangle(box, outline=shade(colour, self.rng), width=self._width(width))

    def polygon(self, points: list[tuple[float, float]], fill: Fill) -> None:
        """A filled polygon."""
        self._paint("polygon", points, fill)

    def line(self, x0: float, y0: float, x1: float, y1: float, width: float, colour: str) -> None:
        """A straight line."""
        points = self._pixels([(x0, y0), (x1, y1)])
        self._pen.line(points, fill=shade(colour, self.rng), width=self._width(width))

    # -- plumbing -------------------------------------------------------------------------------
    def _width(self, width: float) -> int:
        return max(1, round(width * self._scale * _DRAWN))

    def _pixels(self, points: list[tuple[float, float]]) -> list[tuple[int, int]]:
        size = self._scale * _DRAWN
        return [(round(self._x * _DRAWN + x * size), round(self._y * _DRAWN + y * size)) for x, y in points]

    def _paint(self, kind: str, points: list[tuple[float, float]], fill: Fill) -> None:
        pixels = self._pixels(points)
        if isinstance(fill, str):
            getattr(self._pen, kind)(pixels, fill=shade(fill, self.rng))
        else:
            mask = Image.new("L", self.image.size)
            getattr(ImageDraw.Draw(mask), kind)(pixels, fill=255)
            self.image.paste(fill, mask=mask)


# -- textures: functions of the generator that return a picture of the canvas's size ---------------
def _plain(rng: Random, colour: str) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGB", (_DRAWN, _DRAWN), shade(colour, rng))
    return image, ImageDraw.Draw(image)


def brick(rng: Random) -> Image.Image:
    """Brown bricks with pale joints."""
    image, pen = _plain(rng, "brown")
    joint, height = shade("silver", rng), rng.randint(11, 14)
    for row, y in enumerate(range(rng.randint(-10, 0), _DRAWN, height)):
        pen.line([(0, y), (_DRAWN, y)], fill=joint, width=2)
        for x in range((row % 2) * height, _DRAWN, 2 * height):
            pen.line([(x, y), (x, y + height)], fill=joint, width=2)
    return image


def wood(rng: Random) -> Image.Image:
    """Horizontal brown planks."""
    image, pen = _plain(rng, "brown")
    for y in range(rng.randint(0, 15), _DRAWN, rng.randint(15, 22)):
        pen.line([(0, y), (_DRAWN, y)], fill=shade("black", rng), width=2)
    return image


def stone(rng: Random) -> Image.Image:
    """Grey with darker and paler spots."""
    image, pen = _plain(rng, "grey")
    for _ in range(60):
        x, y, r = rng.randrange(_DRAWN), rng.randrange(_DRAWN), rng.randint(2, 6)
        level = rng.randint(85, 165)
        pen.ellipse([x - r, y - r, x + r, y + r], fill=(level, level, level + 4))
    return image


def garden(rng: Random) -> Image.Image:
    """A blue sky over green bushes."""
    image, pen = _plain(rng, "blue")
    sky = shade("blue", rng)
    pen.rectangle([0, 0, _DRAWN, _DRAWN], fill=tuple(min(255, c + 70) for c in sky))
    horizon = int(_DRAWN * rng.uniform(0.42, 0.55))
    pen.rectangle([0, horizon, _DRAWN, _DRAWN], fill=shade("green", rng))
    for _ in range(14):
        x, y, r = rng.randrange(_DRAWN), horizon + rng.randint(-6, 40), rng.randint(6, 14)
        pen.ellipse([x - r, y - r, x + r, y + r], fill=shade("green", rng, 30))
    return image


def sea(rng: Random) -> Image.Image:
    """A pale sky over blue water."""
    image, pen = _plain(rng, "silver")
    horizon = int(_DRAWN * rng.uniform(0.42, 0.55))
    pen.rectangle([0, horizon, _DRAWN, _DRAWN], fill=shade("blue", rng))
    for _ in range(10):
        x, y = rng.randrange(_DRAWN), rng.randint(horizon, _DRAWN)
        pen.line([(x, y), (x + 14, y)], fill=shade("white", rng), width=2)
    return image


def night(rng: Random) -> Image.Image:
    """A black sky with white stars."""
    image, pen = _plain(rng, "black")
    for _ in range(18):
        x, y = rng.randrange(_DRAWN), rng.randrange(_DRAWN)
        pen.ellipse([x - 1, y - 1, x + 1, y + 1], fill=shade("white", rng))
    return image


def stripes(rng: Random, a: str, b: str, *, upright: bool = True) -> Image.Image:
    """Stripes of two colours, upright or lying."""
    image, pen = _plain(rng, a)
    step = rng.randint(14, 22)
    for start in range(rng.randint(-step, 0), _DRAWN, 2 * step):
        box = [start, 0, start + step, _DRAWN] if upright else [0, start, _DRAWN, start + step]
        pen.rectangle(box, fill=shade(b, rng))
    return image


def crossing_stripes(rng: Random, ground: str, colours: list[str]) -> Image.Image:
    """Upright and lying stripes of each colour in turn over a ground, half transparent where they meet."""
    image, _ = _plain(rng, ground)
    step = rng.randint(26, 34) // (2 if len(colours) == 1 else 1)
    for upright in (True, False):
        layer, mask = image.copy(), Image.new("L", image.size)
        pen, mask_pen = ImageDraw.Draw(layer), ImageDraw.Draw(mask)
        first, offset = rng.randrange(len(colours)), rng.randint(-step, 0)
        for i, start in enumerate(range(offset, _DRAWN, step)):
            width = step // 2
            box = [start, 0, start + width, _DRAWN] if upright else [0, start, _DRAWN, start + width]
            pen.rectangle(box, fill=shade(colours[(i + first) % len(colours)], rng))
            mask_pen.rectangle(box, fill=165)
        image.paste(layer, mask=mask)
    return image


def checks(rng: Random, a: str, b: str) -> Image.Image:
    """Squares of two colours in turn, as on a chessboard."""
    image, pen = _plain(rng, a)
    step, other = rng.choice([16, 20, 26]), shade(b, rng)
    for i, x in enumerate(range(0, _DRAWN, step)):
        for j, y in enumerate(range(0, _DRAWN, step)):
            if (i + j) % 2:
                pen.rectangle([x, y, x + step - 1, y + step - 1], fill=other)
    return image


def dots(rng: Random, a: str, b: str) -> Image.Image:
    """Dots of colour b on a ground of colour a."""
    image, pen = _plain(rng, a)
    step, other = rng.choice([18, 22, 26]), shade(b, rng)
    for x in range(step // 2, _DRAWN, step):
        for y in range(step // 2, _DRAWN, step):
            pen.ellipse([x - step // 4, y - step // 4, x + step // 4, y + step // 4], fill=other)
    return image


def grid(rng: Random, ground: str, joint: str, *, crossed: bool = False) -> Image.Image:
    """Squares with joints between them; `crossed` adds a diagonal cross inside each square."""
    image, pen = _plain(rng, ground)
    step, colour = rng.choice([26, 30, 34]), shade(joint, rng)
    offset = rng.randint(-step, 0)
    for x in range(offset, _DRAWN, step):
        pen.line([(x, 0), (x, _DRAWN)], fill=colour, width=3)
        pen.line([(0, x), (_DRAWN, x)], fill=colour, width=3)
        if crossed:
            for y in range(offset, _DRAWN, step):
                pen.line([(x, y), (x + step, y + step)], fill=colour, width=4)
                pen.line([(x + step, y), (x, y + step)], fill=colour, width=4)
    return image


def diagonals(rng: Random, ground: str | Image.Image, colour: str, *, both: bool = True) -> Image.Image:
    """Thin diagonal lines, in both directions or in one."""
    image = _plain(rng, ground)[0] if isinstance(ground, str) else ground
    pen, step, drawn = ImageDraw.Draw(image), rng.choice([26, 30, 34]), shade(colour, rng)
    for start in range(-_DRAWN, 2 * _DRAWN, step):
        pen.line([(start, 0), (start + _DRAWN, _DRAWN)], fill=drawn, width=3)
        if both:
            pen.line([(start, 0), (start - _DRAWN, _DRAWN)], fill=drawn, width=3)
    return image


def diamonds(rng: Random, ground: str, a: str, b: str) -> Image.Image:
    """Diamonds of two colours in turn on a ground."""
    image, pen = _plain(rng, ground)
    step, colours = rng.choice([26, 30, 34]), (shade(a, rng), shade(b, rng))
    for i, x in enumerate(range(0, _DRAWN + step, step)):
        for y in range(0, _DRAWN + step, step):
            r = step / 2 - 1
            pen.polygon([(x, y - r), (x + r, y), (x, y + r), (x - r, y)], fill=colours[i % 2])
    return image


def star_points(x: float, y: float, radius: float, points: int = 5) -> list[tuple[float, float]]:
    """The corners of a star, in drawing order."""
    return [
        (
            x + math.sin(math.pi * i / points) * radius * (1 if i % 2 == 0 else 0.45),
            y - math.cos(math.pi * i / points) * radius * (1 if i % 2 == 0 else 0.45),
        )
        for i in range(2 * points)
    ]
