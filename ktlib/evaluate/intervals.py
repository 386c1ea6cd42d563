"""How sure a number is: intervals for proportions, for many items (bootstrap), for a few concepts and seeds (t)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

Values = np.ndarray | Sequence[Any]  # numbers, nested or not: their shape is checked where they are used


class Estimate(NamedTuple):
    """A value with the bounds of its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def wilson(hits: int, count: int, confidence: float = 0.95) -> Estimate:
    """A proportion with Wilson's interval, which stays inside [0, 1] and works at 0 and at 1.

    Raises:
        ValueError: no trials, or more hits than trials.

    Source: Wilson 1927, through scipy.
    """
    if not 0 <= hits <= count or count == 0:
        raise ValueError(f"expected 0 <= hits <= count and count > 0, found {hits} of {count}")
    interval = stats.binomtest(hits, count).proportion_ci(confidence, method="wilson")
    return Estimate(hits / count, float(interval.low), float(interval.high))


def square_and_add(one: Estimate, other: Estimate, *, correlation: float = 0.0) -> Estimate:
    """One proportion minus another, from the interval of each.

    It has a width where all of few trials come out alike, and a bootstrap has none.

    Args:
        one, other: each with its Wilson interval.
        correlation: of the two where the same items are tried twice; 0 for different items.

    Source: Newcombe 1998, method 10 of either paper, without the continuity correction of the correlation.
    """

    def length(a: float, b: float) -> float:
        return math.sqrt(max(0.0, a * a - 2 * correlation * a * b + b * b))

    value = one.value - other.value
    low = length(one.value - one.low, other.high - other.value)
    high = length(one.high - one.value, other.value - other.low)
    return Estimate(value, value - low, value + high)


def paired_bootstrap(
    before: Values, after: Values, *, seed: int = 0, resamples: int = 4000, confidence: float = 0.95
) -> Estimate:
    """The mean of `after - before` over the same items, with a percentile bootstrap interval.

    Args:
        before, after: one value an item (an image, say), in the same order.
        seed: of the resampling.
        resamples: how many.
        confidence: of the interval.

    Raises:
        ValueError: different numbers of items, or none.
    """
    difference = np.asarray(after, float) - np.asarray(before, float)
    if difference.ndim != 1 or difference.size == 0 or len(before) != len(after):
        raise ValueError(f"expected the same items twice, found {len(before)} and {len(after)}")
    return over_items(difference, seed=seed, resamples=resamples, confidence=confidence)


def over_items(values: Values, *, seed: int = 0, resamples: int = 4000, confidence: float = 0.95) -> Estimate:
    """The mean of many items, images by the hundred, with a percentile bootstrap interval.

    Args:
        values: one an item.
        seed: of the resampling.
        resamples: how many.
        confidence: of the interval.

    Raises:
        ValueError: not a list of finite numbers.

    Source: percentile bootstrap; for few items it is too narrow, and `over_concepts` is meant (D9, D39).
    """
    items = np.asarray(values, float)
    if items.ndim != 1 or items.size == 0 or not np.isfinite(items).all():
        raise ValueError(f"expected finite numbers, one an item, found {items.shape}")
    drawn = np.random.default_rng(seed).integers(len(items), size=(resamples, len(items)))
    means = items[drawn][..., None].mean((1, 2))
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(float(items[:, None].mean()), float(low), float(high))


def over_images(
    values: Values,
    *,
    units: Sequence[int] = (),
    seed: int = 0,
    resamples: int = 2000,
    confidence: float = 0.95,
) -> Estimate:
    """The mean over seeds and images, both drawn again, with a percentile bootstrap interval.

    The same seeds meet every image. Images of one unit (the slices of a patient) are drawn together, for they are not
    independent. Two sets of values of the same images and seeds see the same draws.

    Args:
        values: (seeds, images).
        units: for each image the number of its unit; none where each stands alone.
        seed: of the resampling.
        resamples: how many.
        confidence: of the interval.

    Raises:
        ValueError: not a table of finite numbers, or another number of units.

    Source: percentile bootstrap over crossed factors: ours (D54, D73).
    """
    table = np.asarray(values, float)
    if table.ndim != 2 or table.size == 0 or not np.isfinite(table).all() or (units and len(units) != table.shape[1]):
        raise ValueError(f"expected finite numbers (seeds, images) and a unit an image, found {table.shape}")
    _, member = np.unique(list(units) or range(table.shape[1]), return_inverse=True)
    random = np.random.default_rng(seed)
    images = _times(random, int(member.max()) + 1, resamples)[:, member]  # (resamples, images)
    seeds = _times(random, len(table), resamples)  # (resamples, seeds)
    means = ((images @ table.T) * seeds).sum(1) / (images.sum(1) * len(table))
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    value = float(table.mean())
    return Estimate(value, min(value, float(low)), max(value, float(high)))


def _times(random: np.random.Generator, count: int, resamples: int) -> np.ndarray:
    """How often each of so many is drawn: (resamples, count)."""
    return random.multinomial(count, np.full(count, 1 / count), size=resamples)


def over_concepts(values: Values, *, crossed: bool = False, confidence: float = 0.95) -> Estimate:
    """The mean over concepts and seeds, with a t-interval that is honest for a handful of them.

    Nested, each concept has seeds of its own: only the concepts' means are independent, and t has one degree of
    freedom less than there are concepts. Crossed, the same seeds meet every concept (a set order, a batch order):
    concepts and seeds are both random, Var(mean) = (MS_concepts + MS_seeds - MS_rest) / (concepts * seeds), never
    below what the larger of the two says alone. One concept has an interval over its seeds; one value has no width.

    Args:
        values: (concepts, seeds).
        crossed: whether column j is the same seed for every concept.
        confidence: of the interval.

    Raises:
        ValueError: not a table of finite numbers.

    Source: Student 1908; two-way random effects with Satterthwaite's degrees of freedom (Satterthwaite 1946); D39.
    """
    table = np.asarray(values, float)
    if table.ndim != 2 or table.size == 0 or not np.isfinite(table).all():
        raise ValueError(f"expected finite numbers (concepts, seeds), found {table.shape}")
    concepts, seeds = table.shape
    if crossed and concepts > 1 and seeds > 1:
        return _t(float(table.mean()), *_crossed(table), confidence)
    means = table.mean(1) if concepts > 1 else table[0]
    spread = float(means.var(ddof=1)) / len(means) if len(means) > 1 else 0.0
    return _t(float(table.mean()), spread, len(means) - 1, confidence)


def _crossed(table: np.ndarray) -> tuple[float, float]:
    """Variance of the mean and its degrees of freedom, where concepts and seeds are both random."""
    concepts, seeds = table.shape
    rows, columns = table.mean(1), table.mean(0)
    rest = table - rows[:, None] - columns + table.mean()
    free = (concepts - 1, seeds - 1, (concepts - 1) * (seeds - 1))
    squares = (float(seeds * rows.var(ddof=1)), float(concepts * columns.var(ddof=1)), float((rest**2).sum()) / free[2])
    larger = 0 if squares[0] >= squares[1] else 1
    total = squares[0] + squares[1] - squares[2]
    if total <= squares[larger]:  # the smaller factor adds nothing that could be told from the rest
        return squares[larger] / table.size, free[larger]
    return total / table.size, total**2 / sum(square**2 / f for square, f in zip(squares, free, strict=True))


def between(one: Values, other: Values, *, confidence: float = 0.95) -> Estimate:
    """The mean over some concepts minus the mean over others, each (concepts, seeds), with Welch's t-interval.

    Args:
        one, other: two groups of concepts; at least two in each.
        confidence: of the interval.

    Raises:
        ValueError: not two tables of finite numbers with two concepts or more.

    Source: Welch 1947, over the concepts' means; D39.
    """
    tables = [np.asarray(values, float) for values in (one, other)]
    if any(t.ndim != 2 or len(t) < 2 or t.size == 0 or not np.isfinite(t).all() for t in tables):
        raise ValueError(f"expected two tables (concepts, seeds), found {', '.join(str(t.shape) for t in tables)}")
    parts = [(float(t.mean(1).var(ddof=1)) / len(t), len(t) - 1) for t in tables]
    spread = sum(part for part, _ in parts)
    free = spread**2 / sum(part**2 / f for part, f in parts) if spread else 1.0
    return _t(float(tables[0].mean() - tables[1].mean()), spread, free, confidence)


def _t(value: float, variance: float, free: float, confidence: float) -> Estimate:
    if variance <= 0:
        return Estimate(value, value, value)
    half = float(stats.t.ppf((1 + confidence) / 2, free)) * variance**0.5
    return Estimate(value, value - half, value + half)
