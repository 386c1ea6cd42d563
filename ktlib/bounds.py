"""Numbers that can be: settings and seeds are held to these bounds before anything is computed with them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any


@dataclass(frozen=True)
class Bound:
    """What a number may be; never NaN, and infinite only where that is said.

    Attributes:
        least, most: included.
        above: whether `least` itself is too little.
        whole: whether it must be a whole number.
        infinite: whether there may be no limit.
    """

    least: float = -math.inf
    most: float = math.inf
    above: bool = False
    whole: bool = False
    infinite: bool = False

    def __str__(self) -> str:
        """`a whole number of 1 or more`."""
        kind = "a whole number" if self.whole else "a number" if self.infinite else "a finite number"
        if math.isfinite(self.most):
            return f"{kind} {'above' if self.above else 'from'} {self.least:g} to {self.most:g}"
        if not math.isfinite(self.least):
            return kind
        return f"{kind} above {self.least:g}" if self.above else f"{kind} of {self.least:g} or more"

    def holds(self, value: Any) -> bool:
        """Whether a value is such a number; True and False are none."""
        if isinstance(value, bool) or not isinstance(value, Integral if self.whole else Real):
            return False
        if not self.whole and not math.isfinite(value):
            return self.infinite and value == math.inf
        number = int(value) if isinstance(value, Integral) else float(value)
        return self.least <= number <= self.most and not (self.above and number == self.least)


COUNT = Bound(1, whole=True)
INDEX = Bound(0, whole=True)
POSITIVE = Bound(0, above=True)
NOT_NEGATIVE = Bound(0)
SHARE = Bound(0, 1)
FINITE = Bound()
LIMIT = Bound(0, above=True, infinite=True)


def check(settings: object, **bounds: Bound) -> None:
    """Refuse settings that cannot be: NaN rates, no epochs, negative variances.

    Args:
        settings: whose fields they are; None in a field means that there is nothing to check.
        bounds: by the name of the field; of a tuple every number is held to it.

    Raises:
        ValueError: with the first field that is out of its bounds.

    Source:
        ours
    """
    for name, bound in bounds.items():
        value = getattr(settings, name)
        for one in value if isinstance(value, tuple) else (value,):
            if one is not None and not bound.holds(one):
                kind = type(settings).__name__
                raise ValueError(f"expected {name} of {kind} to be {bound}, found {value!r}; correct it")


def check_seed(seed: Any) -> None:
    """Refuse what torch's generators would not take, or would take for another seed.

    Raises:
        ValueError: it is no whole number of 64 bits.
    """
    if isinstance(seed, bool) or not isinstance(seed, Integral) or not -(2**63) <= int(seed) < 2**64:
        raise ValueError(f"expected a seed of 64 bits, a whole number from 0 to 2**64 - 1, found {seed!r}")
