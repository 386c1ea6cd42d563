"""Things that a reader makes up: drawn from the world's shapes and colours, named by none of its names.

A thing is a list of parts. Its pictures differ as those of the world's objects do: in place, size, ground and shade.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from ktlib.pocket.draw import COLOURS, Canvas
from ktlib.pocket.scenes import SHAPES, _shape, ground_without
from ktlib.pocket.world import stream, to_tensor

MOST = 0.02  # how far a part may stand from its place, as a share of the thing: ours
KINDS = (*SHAPES, "ball", "box")


class Part(NamedTuple):
    """A shape in its place.

    Attributes:
        shape: one of `KINDS`.
        colour: a key of `draw.COLOURS`.
        x, y: of its upper left corner, shares of the thing's width and height; y goes downwards.
        size: of its side, a share of the thing's.
    """

    shape: str
    colour: str
    x: float
    y: float
    size: float


@dataclass(frozen=True)
class Invention:
    """A thing and its description.

    Attributes:
        description: in the world's words, without a name.
        parts: painted one over the other, the first lowest.
    """

    description: str
    parts: tuple[Part, ...]


INVENTIONS = {
    "wug": Invention(
        "a red star inside a silver ring on top of a brown box",
        (
            Part("ring", "silver", 0.2, 0, 0.6), Part("star", "red", 0.35, 0.15, 0.3),
            Part("box", "brown", 0.25, 0.55, 0.5),
        ),
    ),
    "toma": Invention(
        "a pink cross with a blue disk above it",
        (Part("cross", "pink", 0.2, 0.4, 0.6), Part("disk", "blue", 0.35, 0.05, 0.3)),
    ),
    "dax": Invention(
        "a purple star left of an upright brown rod",
        (Part("star", "purple", 0, 0.25, 0.5), Part("rod", "brown", 0.4, 0.05, 0.9)),
    ),
}  # fmt: skip
"""Three of nine that were tried, which end differently; none is in a list of the world's, all have spare names."""


def pictures(parts: Sequence[Part | tuple[str, str, float, float, float]], count: int, *, first: int = 0) -> Float[
    Tensor, "count 3 64 64"
]:  # fmt: skip
    """Pictures of a thing.

    Args:
        parts: `Part`s, or tuples of the same five.
        count: how many.
        first: index of the first one; ranges that do not overlap share no picture.

    Raises:
        ValueError: no part, or a shape or a colour that the world does not have.

    Source: ours.
    """
    whole = [Part(*part) for part in parts]
    if not whole or count < 1:
        raise ValueError(f"expected a part and a picture at least, found {len(whole)} and {count}")
    for part in whole:
        if part.shape not in KINDS or part.colour not in COLOURS:
            raise ValueError(
                f"expected a shape ({', '.join(KINDS)}) and a colour ({', '.join(COLOURS)}), "
                f"found {part.shape!r} and {part.colour!r}"
            )
    images = []
    for index in range(first, first + count):
        rng = stream("invention", *whole, index)
        canvas = Canvas(rng, ground_without(rng, *(part.colour for part in whole)))
        scale = rng.uniform(0.7, 0.95)
        thing = canvas.placed(rng.uniform(0, 1 - scale), rng.uniform(0, 1 - scale), scale)
        for part in whole:
            x, y = part.x + rng.uniform(-MOST, MOST), part.y + rng.uniform(-MOST, MOST)
            _shape(thing.placed(x, y, part.size), part.shape, part.colour)
        images.append(canvas.finished())
    return to_tensor(images)
