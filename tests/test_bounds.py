"""Numbers that can be, and what is said of the others."""

import math
from dataclasses import dataclass

import pytest

from ktlib import bounds


@dataclass
class Settings:
    rate: object = 0.1
    sides: tuple[object, ...] = (1, 2)


@pytest.mark.parametrize(
    ("bound", "good", "bad"),
    [
        (bounds.COUNT, [1, 10**9], [0, -1, 1.0, 1.5, True, "1", math.nan]),
        (bounds.INDEX, [0, 3], [-1, 0.0, False]),
        (bounds.POSITIVE, [1e-30, 1], [0, 0.0, -1, math.inf, math.nan, True, "x"]),
        (bounds.NOT_NEGATIVE, [0, 0.0, 5], [-1e-30, math.inf, math.nan]),
        (bounds.SHARE, [0, 0.5, 1], [-0.1, 1.1, math.nan]),
        (bounds.FINITE, [-5, 0, 1e300], [math.inf, -math.inf, math.nan]),
        (bounds.LIMIT, [1, math.inf], [0, -math.inf, math.nan]),
    ],
    ids=str,
)
def test_a_bound_lets_through_what_can_be(bound, good, bad):
    for value in good:
        bounds.check(Settings(rate=value), rate=bound)
    for value in bad:
        with pytest.raises(ValueError, match=f"expected rate of Settings to be {bound}, found"):
            bounds.check(Settings(rate=value), rate=bound)


def test_none_is_not_looked_at_and_every_number_of_a_tuple_is():
    bounds.check(Settings(rate=None), rate=bounds.COUNT)
    with pytest.raises(
        ValueError, match=r"expected sides of Settings to be a whole number of 1 or more, found \(1, 0\)"
    ):
        bounds.check(Settings(sides=(1, 0)), sides=bounds.COUNT)


@pytest.mark.parametrize("seed", [2**64, -(2**63) - 1, 1.0, True, "1", None])
def test_a_seed_has_64_bits(seed):
    for fine in (0, 2**64 - 1):
        bounds.check_seed(fine)
    with pytest.raises(ValueError, match="expected a seed of 64 bits"):
        bounds.check_seed(seed)
