"""Paired differences: what one method has over another on the same concepts and seeds, with an honest interval."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TypeVar

from scipy import stats

from ktlib.companion.record.rows import Row, in_order, ordered
from ktlib.evaluate.intervals import Estimate, between, over_concepts

T = TypeVar("T")
Seed = TypeVar("Seed", int, tuple[float, int, int])  # alone, or behind a learning rate and a batch
Table = dict[str, dict[int | None, float]]  # concept -> seed -> value


class NotMeasuredError(LookupError):
    """Rows that a comparison needs are not there."""


@dataclass(frozen=True)
class Difference:
    """A named quantity for every subject and seed, averaged over the models.

    Attributes:
        name: what was taken from what.
        table: one value for each subject and seed.
        models: the mean of each model alone.
        crossed: whether the same seeds meet every subject.
    """

    name: str
    table: Table
    models: Mapping[str, float]
    crossed: bool = False

    @property
    def values(self) -> list[list[float]]:
        """As `intervals.over_concepts` takes them."""
        return [[v for _, v in ordered(seeds)] for _, seeds in sorted(self.table.items())]

    @property
    def estimate(self) -> Estimate:
        """Mean over subjects and seeds with its 95 % interval."""
        return self.at(0.95)

    def at(self, confidence: float) -> Estimate:
        """The same with an interval of any confidence."""
        return over_concepts(self.values, crossed=self.crossed, confidence=confidence)

    @property
    def ahead(self) -> str:
        """On how many subjects the mean over seeds is above 0."""
        return self.above(0)

    def above(self, limit: float) -> str:
        """On how many subjects the mean over seeds is above a limit."""
        return f"{sum(fmean(seeds.values()) > limit for seeds in self.table.values())} of {len(self.table)}"

    def below(self, limit: float, name: str) -> Difference:
        """How far it stays below a limit."""
        table: Table = {
            subject: {seed: limit - v for seed, v in seeds.items()} for subject, seeds in self.table.items()
        }
        models = {model: limit - value for model, value in self.models.items()}
        return replace(self, name=name, table=table, models=models)


@dataclass(frozen=True)
class Contrast:
    """A difference that is larger on some subjects than on others: `one - other`, subjects unpaired.

    Attributes:
        name: what is compared.
        one, other: the same difference on two groups of subjects.
    """

    name: str
    one: Difference
    other: Difference

    @property
    def estimate(self) -> Estimate:
        """Difference of the means with its 95 % interval."""
        return self.at(0.95)

    def at(self, confidence: float) -> Estimate:
        """The same with an interval of any confidence."""
        return between(self.one.values, self.other.values, confidence=confidence)

    @property
    def table(self) -> Table:
        """What was measured, on both groups."""
        return self.one.table | self.other.table

    @property
    def models(self) -> dict[str, float]:
        """The contrast of each model alone."""
        return {model: value - self.other.models[model] for model, value in self.one.models.items()}


@dataclass(frozen=True)
class Change:
    """A difference that is a row of its own: paired by image, its interval over images crossed with seeds.

    Attributes:
        name: what was taken from what.
        estimate: with its interval.
        images: that were paired.
        seeds: behind it.
        row: where it stands.
    """

    name: str
    estimate: Estimate
    images: int
    seeds: int
    row: Row

    def at(self, confidence: float) -> Estimate:
        """The same with an interval of any confidence, as wide as normal quantiles say."""
        wider = float(stats.norm.ppf((1 + confidence) / 2) / stats.norm.ppf(0.975))
        value, low, high = self.estimate
        return Estimate(value, value - wider * (value - low), value + wider * (high - value))


def change(name: str, row: Row, seeds: int, sign: int = 1) -> Change:
    """The difference that a row holds.

    Args:
        name: of the difference.
        row: with `over`.
        seeds: behind it.
        sign: -1 where a fall is meant.
    """
    low, value, high = (number + 0.0 for number in sorted((sign * row.low, sign * row.value, sign * row.high)))  # no -0
    return Change(name, Estimate(value, low, high), row.n, seeds, row)


def paired(before: T | Mapping[Seed, T], after: Mapping[Seed, T]) -> list[tuple[T, T]]:
    """What was before and after, in the order of `after`.

    Args:
        before: one for all, or one for each of `after`.
        after: by seed, or by setting and seed.

    Raises:
        ValueError: `before` has not the same seeds.
    """
    first = before if isinstance(before, Mapping) else dict.fromkeys(after, before)
    if alone := sorted(set(after) - set(first)):
        raise ValueError(
            f"expected the same seeds before and after, found none before of {alone}; measure both with the same"
        )
    return [(first[seed], one) for seed, one in after.items()]


def difference(name: str, one: Mapping[str, Table], other: Mapping[str, Table], *, crossed: bool = False) -> Difference:
    """`one - other`, paired by model, concept and seed, and averaged over the models that have them.

    A concept may have been measured with one model only.
    A method measured once (without a seed) stands beside every seed of the other.

    Args:
        name: of the difference.
        one, other: from `scores`.
        crossed: whether the same seeds meet every subject.

    Raises:
        NotMeasuredError: nothing was measured with both.
        ValueError: the concepts that were have different seeds.
    """
    pairs: dict[str, dict[tuple[str, int | None], float]] = {}
    for model in sorted(one.keys() & other.keys()):
        for concept in sorted(one[model].keys() & other[model].keys()):
            left, right = one[model][concept], other[model][concept]
            right = dict.fromkeys(left, right[None]) if set(right) == {None} else right
            for seed in sorted(left.keys() & right.keys(), key=in_order):
                pairs.setdefault(model, {})[concept, seed] = left[seed] - right[seed]
    return _averaged(name, pairs, crossed)


def _averaged(
    name: str, pairs: Mapping[str, Mapping[tuple[str, int | None], float]], crossed: bool = False
) -> Difference:
    measured = sorted({pair for p in pairs.values() for pair in p}, key=lambda pair: (pair[0], in_order(pair[1])))
    if not measured:
        raise NotMeasuredError(f"there is no concept and seed measured for both parts of: {name}")
    table: Table = {}
    for pair in measured:
        concept, seed = pair
        table.setdefault(concept, {})[seed] = fmean(p[pair] for p in pairs.values() if pair in p)
    if len({tuple(seeds) for seeds in table.values()}) > 1:
        raise ValueError(f"{name}: expected the same seeds for every concept, found {table}; finish the run")
    return Difference(name, table, {model: fmean(p.values()) for model, p in pairs.items()}, crossed)


def trend(name: str, rows: Iterable[Row], along: Callable[[Row], float], sign: int = 1) -> Difference:
    """Spearman's rank correlation of values with what was varied, for every concept and seed.

    Args:
        name: of the correlation.
        rows: of one item, method and metric.
        along: what was varied.
        sign: -1 to reverse it.

    Returns:
        Correlations; 0 where the values are constant.

    Raises:
        NotMeasuredError: fewer than three points.
    """
    series: dict[str, dict[tuple[str, int | None], list[tuple[float, float]]]] = {}
    for row in rows:
        series.setdefault(row.model, {}).setdefault((row.subject, row.seed), []).append((along(row), row.value))
    if any(len({x for x, _ in line}) < 3 for lines in series.values() for line in lines.values()):
        raise NotMeasuredError(f"there are fewer than three points, too few for a trend of {name}")
    pairs = {m: {pair: sign * _spearman(line) for pair, line in lines.items()} for m, lines in series.items()}
    return _averaged(name, pairs)


def _spearman(line: Sequence[tuple[float, float]]) -> float:
    x, y = zip(*sorted(line), strict=True)
    return 0.0 if len(set(y)) == 1 else float(stats.spearmanr(x, y).statistic)
