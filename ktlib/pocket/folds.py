"""Which objects a model has never seen: each of the forty-eight is rare in exactly one of four folds.

Look-alikes of a held-out object stay known in its fold, so that an odd picture is not "the odd name"
merely because nothing else comes near. In each fold the three names whose hash is smallest are for
choosing settings (`validation`); verdicts come from the other nine (`test`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from ktlib.pocket.objects import OBJECTS

VALIDATION = 3  # of twelve: a quarter

# Found by a search for look-alikes in other folds and two or three patterns in each.
_HELD_OUT = (
    "planet scale pen table flower trafficlight fir rug chessboard moongate gyroscope chantilly",
    "donut clock radio bridge parasol porthole altar comet trellis crate tonometer harlequin",
    "tunnel target lamp house tree car curtain net moon mug timer madras",
    "window fence wheel thermometer boat flag tiling quilt tablecloth theremin dolmen planetarium",
)

SPARE = ("wug", "dax", "blicket", "toma", "fep", "zorp")
"""Names that every tokenizer has and no caption holds: for concepts of a reader's own."""


@dataclass(frozen=True)
class Fold:
    """One way to split the objects.

    Attributes:
        number: from 0.
        held_out: never drawn while the fold's models are trained.
    """

    number: int
    held_out: tuple[str, ...]

    @property
    def known(self) -> tuple[str, ...]:
        """The names whose recognition must be kept."""
        return tuple(name for name in OBJECTS if name not in self.held_out)

    @property
    def validation(self) -> tuple[str, ...]:
        """Settings are chosen on these: the three whose hash is smallest."""
        first = sorted(self.held_out, key=lambda name: hashlib.sha256(name.encode()).hexdigest())[:VALIDATION]
        return tuple(name for name in self.held_out if name in first)

    @property
    def test(self) -> tuple[str, ...]:
        """Verdicts come from these."""
        return tuple(name for name in self.held_out if name not in self.validation)


FOLDS = tuple(Fold(number, tuple(names.split())) for number, names in enumerate(_HELD_OUT))
EVERYTHING = Fold(len(FOLDS), ())
"""No fold: for a model that has seen every object."""
