"""What every concept gains over the untouched model, as figures show it, and how two numbers go together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

from scipy import stats

from ktlib.companion.record.compare import scores
from ktlib.companion.record.differences import Difference, difference
from ktlib.companion.record.rows import Row
from ktlib.evaluate.intervals import Estimate

Gains = dict[str, dict[str, Difference]]  # model -> method -> gain over the untouched model


class Correlation(NamedTuple):
    """Spearman's rank correlation with its 95 % interval, and over how many pairs."""

    estimate: Estimate
    pairs: int


def gains(rows: Sequence[Row], item: str, methods: Sequence[str], *, budget: float) -> Gains:
    """Paired gain in target accuracy over the untouched model where the budget of retention is spent.

    Args:
        rows: of one scale; test rows alone are read.
        item: whose.
        methods: in the order in which they are wanted.
        budget: loss of retention at which all are read, a fraction (D10).

    Returns:
        For each model, in the order of their names, the methods that were measured with it: a value for each concept
        and seed; `estimate` is the mean with its t-interval over concepts.

    Raises:
        NotMeasuredError: the untouched model or one of the methods was not measured at all.
    """
    before = scores(rows, item, "base")
    reached = {method: scores(rows, item, method, budget=budget) for method in methods}
    return {
        model: {
            method: difference(f"{method} minus base", {model: found[model]}, {model: before[model]})
            for method, found in reached.items()
            if model in found
        }
        for model in before
    }


def of_concepts(gain: Difference) -> dict[str, float]:
    """The gain of each concept, mean over its seeds."""
    return {concept: fmean(seeds.values()) for concept, seeds in gain.table.items()}


def rank_correlation(one: Mapping[str, float], other: Mapping[str, float]) -> Correlation | None:
    """Spearman's rank correlation over what both name, with its 95 % interval.

    Args:
        one, other: numbers by name.

    Returns:
        None where there is none: fewer than four pairs, or a side whose numbers are all equal.

    Source: interval by Fisher's transformation with the variance of Bonett and Wright 2000.
    """
    shared = sorted(one.keys() & other.keys())
    x, y = ([side[name] for name in shared] for side in (one, other))
    if len(shared) < 4 or len(set(x)) == 1 or len(set(y)) == 1:
        return None
    value = float(stats.spearmanr(x, y).statistic)
    half = float(stats.norm.ppf(0.975)) * math.sqrt((1 + value**2 / 2) / (len(shared) - 3))
    middle = math.atanh(max(-1 + 1e-12, min(1 - 1e-12, value)))
    return Correlation(Estimate(value, math.tanh(middle - half), math.tanh(middle + half)), len(shared))
