"""New knowledge against old: methods are compared where they have forgotten equally much.

A larger learning rate teaches more and forgets more, so two methods at one rate are not on equal
terms. Here each method walks from the untouched model through its rates, and is read where its
retention has fallen by a budget (D10).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import TypeVar

import numpy as np

from ktlib.companion.record.differences import NotMeasuredError, Table, difference
from ktlib.companion.record.rows import Row, ordered, select, written
from ktlib.evaluate.intervals import Estimate

Setting = TypeVar("Setting", float, tuple[float, int])  # a learning rate, or one with what else was varied
Reading = TypeVar("Reading", float, np.ndarray)  # of all pictures together, or of each
ROUNDING = 1e-6  # rows are kept with six digits; a smaller overdraft is none


def overspent(retention: float, base: float, budget: float) -> bool:
    """Whether more retention is lost than a budget allows, beyond what rows are rounded to."""
    return retention < base - budget - ROUNDING


def target_at_budget(points: Sequence[tuple[float, Reading]], base: tuple[float, Reading], budget: float) -> Reading:
    """Target accuracy where retention first falls below that of the base by more than the budget.

    The way is straight between neighbours. A method that never forgets that much is read at its
    last rate. No maximum is taken along the way: the best of several noisy points would lie above
    the base even for a method that does nothing.

    Args:
        points: (retention, target accuracy) in the order of increasing learning rate; the second may be an array, of
            pictures for example, each of which is read at the same place.
        base: the same two of the untouched model.
        budget: loss of retention that is allowed, a fraction.

    Raises:
        ValueError: a negative budget.

    Source: ours (D10).
    """
    if budget < 0:
        raise ValueError(f"expected a budget of 0 or more, found {budget}")
    limit = base[0] - budget
    retention, target = base
    for next_retention, next_target in points:
        if overspent(next_retention, base[0], budget):
            share = max(0.0, (retention - limit) / (retention - next_retention))
            return target + share * (next_target - target)
        retention, target = next_retention, next_target
    return target


def by_seed(rows: Iterable[Row], budget: float) -> Table:
    """`target_at_budget` of every concept and seed: `{concept: {seed: target accuracy}}`.

    Args:
        rows: of one model: its base, and one method at one or several rates.
        budget: loss of retention that is allowed, a fraction.

    Raises:
        ValueError: several models, methods or settings beside the rate; a missing or double row.
    """
    rows = select(rows, metric=("target_accuracy", "retention"))
    taught = [row for row in rows if row.method != "base"]
    kinds = {(row.model, row.method, *sorted(row.varied.items() - {("lr", row.varied.get("lr"))})) for row in taught}
    if len(kinds) > 1 or len({row.model for row in rows}) > 1:
        raise ValueError(f"expected one model, one method and nothing varied but lr, found {sorted(map(str, kinds))}")
    bases: dict[str, dict[str, float]] = {}
    curves: dict[str, dict[int | None, dict[float, dict[str, float]]]] = {}
    for row in rows:
        cell = (
            bases.setdefault(row.subject, {})
            if row.method == "base"
            else curves.setdefault(row.subject, {}).setdefault(row.seed, {}).setdefault(row.lr, {})
        )
        if row.metric in cell:
            raise ValueError(
                f"two rows for {row.subject}, {row.method}, {written(row.varied)}, seed {row.seed}, {row.metric}"
            )
        cell[row.metric] = row.value
    table: Table = {}
    for concept, seeds in sorted(curves.items()):
        if concept not in bases:
            raise ValueError(f"expected rows of the base for {concept}, found none")
        base = _point(bases[concept], f"{concept}, base")
        for seed, curve in ordered(seeds):
            points = [_point(cell, f"{concept}, seed {seed}, lr {rate:g}") for rate, cell in sorted(curve.items())]
            table.setdefault(concept, {})[seed] = target_at_budget(points, base, budget)
    return table


def _point(cell: dict[str, float], where: str) -> tuple[float, float]:
    if len(cell) != 2:
        raise ValueError(f"{where}: expected target_accuracy and retention, found {', '.join(cell) or 'neither'}")
    return cell["retention"], cell["target_accuracy"]


def at_budget(rows: Iterable[Row], budget: float) -> dict[str, list[float]]:
    """`by_seed` with the seeds in order, as `intervals.over_concepts` takes its values.

    Args:
        rows: of one model: its base, and one method at one or several rates.
        budget: loss of retention that is allowed, a fraction.
    """
    return {concept: list(seeds.values()) for concept, seeds in by_seed(rows, budget).items()}


def choose_rate(rows: Iterable[Row], model: str, budget: float, *, method: str = "kt") -> float:
    """The learning rate to use on concepts not seen before, chosen on the validation ones.

    It is the one with the highest mean target accuracy of the method among those whose mean loss of
    retention is within the budget; the smallest when none is; the smaller of two equals.

    Args:
        rows: of one item; only validation rows that vary nothing but the rate are read.
        model: whose rate.
        budget: loss of retention that is allowed, a fraction.
        method: whose rate; a control may have its own.

    Raises:
        ValueError: there are no such rows, or the base is missing.

    Source: ours (D10).
    """
    own = select(rows, model=model, split="validation")
    taught = [row for row in select(own, method=method) if set(row.varied) == {"lr"}]
    known = {row.subject: row.value for row in select(own, method="base", metric="retention")}
    if not taught or {row.subject for row in taught} - known.keys():
        raise ValueError(f"expected validation rows of base and {method} for {model}; run the item's notebook again")
    affordable = []
    rates = sorted({row.lr for row in taught})
    for rate in rates:
        here = [row for row in taught if row.lr == rate]
        loss = fmean(known[row.subject] - row.value for row in select(here, metric="retention"))
        if loss <= budget + ROUNDING:
            affordable.append((fmean(row.value for row in select(here, metric="target_accuracy")), -rate))
    return -max(affordable)[1] if affordable else rates[0]


def smallest_best(worth: Mapping[Setting, float], *, within: float = 1e-12) -> Setting:
    """The smallest of the settings that are worth most.

    Args:
        worth: by setting; not empty.
        within: what is no difference.
    """
    return min(setting for setting, value in worth.items() if value >= max(worth.values()) - within)


def at_the_end(value: float, tried: Iterable[float]) -> str:
    """`smallest` or `largest` if a value is the end of several that were tried, so that more might be better still."""
    there = sorted(set(tried))
    return {there[0]: "smallest", there[-1]: "largest"}.get(value, "") if len(there) > 1 else ""


# -- what a method reaches ----------------------------------------------------------------------------
def rows_of(rows: Iterable[Row], item: str | Sequence[str], method: str, **varied: str | float) -> list[Row]:
    """Rows on test subjects of one method and, where given, of what was varied.

    Args:
        rows: of one scale.
        item: one, or several that hold a model each.
        method: its name.
        varied: text to equal, or numbers.

    Raises:
        NotMeasuredError: there are none.
    """
    items = [item] if isinstance(item, str) else list(item)
    chosen = [row for row in select(rows, item=items, method=method, split="test") if _has(row.varied, varied)]
    if not chosen:
        settings = "".join(f", {key}={value}" for key, value in varied.items())
        raise NotMeasuredError(f"there are no test rows of {method}{settings} beside {items[0]}")
    return chosen


def _has(found: Mapping[str, str], wanted: Mapping[str, str | float]) -> bool:
    return all(
        key in found and (found[key] == value if isinstance(value, str) else float(found[key]) == value)
        for key, value in wanted.items()
    )


def by_model(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """Rows of each model, in the order of their names."""
    return [(model, select(rows, model=model)) for model in sorted({row.model for row in rows})]


def base_rows(rows: Iterable[Row], item: str, model: str) -> list[Row]:
    """Test rows of the untouched model, beside the item or, where it has none, beside another."""
    known = select(rows, method="base", model=model, split="test", metric=("target_accuracy", "retention"))
    own_last = sorted(known, key=lambda row: (row.item == item, row.item))
    return list({(row.subject, row.metric): row for row in own_last}.values())


def scores(
    rows: Sequence[Row],
    item: str | Sequence[str],
    method: str,
    *,
    metric: str = "target_accuracy",
    budget: float | None = None,
    **varied: str | float,
) -> dict[str, Table]:
    """What a method reaches, for each model, subject and seed.

    Args:
        rows: of one scale.
        item, method, varied: which of them, as in `rows_of`.
        metric: what is read.
        budget: read target accuracy at this loss of retention; None to read at the one rate there is.

    Raises:
        NotMeasuredError: there are no such rows.
        ValueError: a subject and seed was measured twice; several rates, and no budget.
    """
    found: dict[str, Table] = {}
    for model, own in by_model(rows_of(rows, item, method, **varied)):
        if budget is not None and any(row.seed is not None for row in own):
            found[model] = by_seed([*base_rows(rows, own[0].item, model), *own], budget)
            continue
        for row in select(own, metric=metric):
            seeds = found.setdefault(model, {}).setdefault(row.subject, {})
            if row.seed in seeds:
                where = f"{method}, {written(row.varied)}, {model}, {row.subject}, seed {row.seed}"
                raise ValueError(f"two rows beside {row.item}: {where}")
            seeds[row.seed] = row.value
    if not found:
        raise NotMeasuredError(f"there is no {metric} of {method} beside {item}")
    return found


def minus(groups: Mapping[str, Sequence[Row]], other: Sequence[Row], *, metric: str = "top1") -> dict[str, Estimate]:
    """Differences of groups of rows from another, paired by model, subject and seed; seeds are crossed with subjects.

    Args:
        groups: rows of one method each, by a name; of several items where each model has one of its own.
        other: rows of one method.
        metric: what is compared.
    """

    def read(own: Sequence[Row]) -> dict[str, Table]:
        return scores(own, sorted({row.item for row in own}), own[0].method, metric=metric)

    rest = read(other)
    return {name: difference(name, read(own), rest, crossed=True).estimate for name, own in groups.items()}


def only(found: Mapping[str, Table], subjects: Iterable[str]) -> dict[str, Table]:
    """The same of some subjects."""
    wanted = set(subjects)
    return {model: {name: s for name, s in table.items() if name in wanted} for model, table in found.items()}


def forgotten(rows: Sequence[Row], item: str, method: str) -> float:
    """Mean loss of retention at the largest rate, over models, concepts and seeds."""
    losses = []
    for model, own in by_model(rows_of(rows, item, method)):
        before = {row.subject: row.value for row in select(base_rows(rows, item, model), metric="retention")}
        largest = max(row.lr for row in own)
        losses += [before[r.subject] - r.value for r in select(own, metric="retention") if r.lr == largest]
    return fmean(losses)


def over_rates(rows: Sequence[Row], item: str, method: str, *, metric: str) -> dict[str, Table]:
    """What a method reaches in the mean over its rates, for each model, subject and seed.

    Args:
        rows: of one scale.
        item, method: which of them, as in `rows_of`.
        metric: what is read.

    Raises:
        NotMeasuredError: there are no such rows.
        ValueError: other rates for some subjects or seeds.
    """
    own = select(rows_of(rows, item, method), metric=metric)
    by_rate = {rate: scores([r for r in own if r.lr == rate], item, method, metric=metric) for rate in _rates(own)}
    found: dict[str, Table] = {}
    for model, table in by_rate[_rates(own)[0]].items():
        for subject, seeds in table.items():
            for seed in seeds:
                every = [one.get(model, {}).get(subject, {}).get(seed) for one in by_rate.values()]
                values = [value for value in every if value is not None]
                if len(values) < len(every):
                    raise ValueError(f"expected {method} at every rate for {subject}, seed {seed}; finish the run")
                found.setdefault(model, {}).setdefault(subject, {})[seed] = fmean(values)
    return found


def _rates(rows: Iterable[Row]) -> list[float]:
    return sorted({row.lr for row in rows})
