"""A range of learning rates that grows until the best of them lies inside it (D45)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ktlib.companion.record.rows import Row, written

FACTOR = 3.0  # from one rate to the next beyond an end, about as far as between those of the scales: ours (D45)


def widened(
    score: Callable[[float], float], rates: Sequence[float], limits: tuple[float, float], *, factor: float = FACTOR
) -> dict[float, float]:
    """The score of each rate that was tried: those given, and beyond an end as long as the best stands there.

    A single rate is taken as it is: it was stated, not chosen. Of equal scores the smaller rate given counts as the
    best, so a plateau is not climbed for nothing.

    Args:
        score: of a rate; the higher, the better. Minus infinity for one that cannot be used.
        rates: to begin with.
        limits: the smallest and the largest rate that may be tried.
        factor: between an end and the next rate beyond it; rates are rounded to two digits.

    Returns:
        Scores by rate, in the order they were tried.

    Source: ours (D45).
    """
    scores = {rate: score(rate) for rate in sorted(rates)}
    while len(scores) > 1:
        best, low, high = max(scores, key=scores.__getitem__), min(scores), max(scores)
        if low < best < high:
            break
        down = best == low
        further = float(f"{low / factor if down else high * factor:.2g}")
        if further < limits[0] if down else further > limits[1]:
            break
        scores[further] = score(further)
    return scores


def ranges(chosen: Mapping[str, float], rows: Sequence[Row]) -> dict[str, dict[str, str]]:
    """For each arm its chosen rate, and of those that were tried the ends and whether the best lies inside.

    Args:
        chosen: the rate of each arm by its name.
        rows: of the choice; none where the rates were stated.
    """
    tried: dict[str, set[float]] = {}
    for row in rows:
        rest = {name: value for name, value in row.varied.items() if name != "lr"}
        tried.setdefault(written(rest) or row.method, set()).add(float(row.varied["lr"]))
    found = {}
    for arm, rate in chosen.items():
        own = sorted(tried.get(arm, ()))
        inside = "stated" if not own else "yes" if own[0] < rate < own[-1] else "no: the limit was reached"
        tries = f"{own[0]:g} to {own[-1]:g}" if own else "–"
        found[arm] = {"learning rate": f"{rate:g}", "tried": tries, "best inside": inside}
    return found
