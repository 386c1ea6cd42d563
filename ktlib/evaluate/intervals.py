"""How sure a number is: intervals for proportions, for paired differences, for concepts and seeds."""

from __future__ import annotations

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
    return over_concepts(difference[:, None], seed=seed, resamples=resamples, confidence=confidence)


def over_concepts(values: Values, *, seed: int = 0, resamples: int = 4000, confidence: float = 0.95) -> Estimate:
    """The mean over concepts and seeds, with an interval that respects their nesting.

    Concepts are drawn with replacement, then seeds within each drawn concept, so a difference that
    one concept alone carries gets a wide interval.

    Args:
        values: (concepts, seeds).
        seed: of the resampling.
        resamples: how many.
        confidence: of the interval.

    Raises:
        ValueError: not a table of finite numbers.

    Source: two-stage (cluster) bootstrap, percentile interval; D9.
    """
    table = np.asarray(values, float)
    if table.ndim != 2 or table.size == 0 or not np.isfinite(table).all():
        raise ValueError(f"expected finite numbers (concepts, seeds), found {table.shape}")
    rng = np.random.default_rng(seed)
    concepts = rng.integers(len(table), size=(resamples, len(table)))
    seeds = rng.integers(table.shape[1], size=(resamples, len(table), table.shape[1]))
    means = table[concepts[..., None], seeds].mean((1, 2))
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(float(table.mean()), float(low), float(high))
