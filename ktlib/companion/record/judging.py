"""How a claim is judged: from paired differences, their intervals, and a margin fixed beforehand.

A claim *does not hold* when the 95 % interval of the paired difference it predicts lies below 0, or
wholly below the margin: then there may be an effect, but none worth claiming. It *holds* when the
interval otherwise lies above 0. Else the rows are *inconclusive*, and so they are with fewer than
two concepts or three seeds. A claim of several differences holds when all do, and fails when one
does. Differences are paired by concept and seed and averaged over the models; only test concepts
count (for Zoom-shot, test sets stand in their place). The margins (D10) are 0.05 for a difference in target
accuracy and 0.1 for an equivalence; Zoom-shot has its own (D26).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ktlib.companion.record import published
from ktlib.companion.record.compare import Difference
from ktlib.companion.record.rows import Row, select
from ktlib.evaluate.intervals import Estimate

HOLDS, FAILS, UNDECIDED, NOT_RUN = "holds", "does not hold", "inconclusive", "not run"
MARGIN = 0.05  # a smaller difference in target accuracy is none: ours (D10)
EQUIVALENCE = 0.1  # KT v2, Tab. 10 has ten images a concept, so one image: ours (D10)
CONCEPTS, SEEDS = 2, 3  # fewer decide nothing: ours (D10)


@dataclass(frozen=True)
class Verdict:
    """What the rows of one scale say about one claim.

    Attributes:
        claim: its id in `claims.csv`.
        scale: whose rows.
        verdict: `holds`, `does not hold`, `inconclusive` or `not run`.
        comparison: one sentence: what was compared, on how much; or why it was not run.
        estimate: of the deciding difference, a fraction (or a rank correlation); None if not run.
        items: the published items the claim rests on.
    """

    claim: str
    scale: str
    verdict: str
    comparison: str
    estimate: Estimate | None
    items: tuple[str, ...]


def points(value: float | Estimate) -> str:
    """A difference of fractions, written in percentage points."""
    if isinstance(value, Estimate):
        return f"{100 * value.value:+.1f} points [{100 * value.low:+.1f}, {100 * value.high:+.1f}]"
    return f"{100 * value:+.1f} points"


def plain(value: float | Estimate) -> str:
    """A correlation, written as it is."""
    return str(value) if isinstance(value, Estimate) else f"{value:.3f}"


def judge(estimate: Estimate, margin: float | None = MARGIN) -> str:
    """The verdict on a difference that should be above 0.

    Args:
        estimate: with its 95 % interval.
        margin: what is wholly below it does not hold either; None where a claim has no smallest effect.
    """
    if estimate.high < (0 if margin is None else margin):
        return FAILS
    return HOLDS if estimate.low > 0 else UNDECIDED


def directed(estimate: Estimate) -> str:
    """The verdict on a difference that should be above 0, however small."""
    return judge(estimate, None)


def equivalent(estimate: Estimate, margin: float = EQUIVALENCE) -> str:
    """The verdict on a difference that should be within a margin of 0."""
    if -margin <= estimate.low and estimate.high <= margin:
        return HOLDS
    return FAILS if estimate.low > margin or estimate.high < -margin else UNDECIDED


def together(verdicts: Iterable[str]) -> str:
    """The verdict on a claim of several differences: all must hold, and one that does not decides."""
    found = set(verdicts)
    return FAILS if FAILS in found else HOLDS if found == {HOLDS} else UNDECIDED


# -- sentences --------------------------------------------------------------------------------------
def _enough(one: Difference) -> bool:
    return len(one.table) >= CONCEPTS and all(len(seeds) >= SEEDS for seeds in one.table.values())


def _extent(rows: Sequence[Row], item: str, deciding: Difference, metric: str, things: str) -> str:
    counts = sorted({row.n for row in select(rows, item=item, split="test", metric=metric)})
    images = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    seeds = len(next(iter(deciding.table.values())))
    few = "" if _enough(deciding) else f", too few to decide (at least {CONCEPTS} and {SEEDS})"
    return f"{len(deciding.table)} test {things}, {seeds} seeds{few}, {images} images each"


def _across(deciding: Difference, write: Callable[[float], str]) -> str:
    parts = ", ".join(f"{model} {write(value)}" for model, value in sorted(deciding.models.items()))
    return parts if len(deciding.models) == 1 else f"mean of {parts}"


def decide(
    claim: str, rows: Sequence[Row], item: str, found: Sequence[Difference], *, how: str,
    rule: Callable[[Estimate], str] | Sequence[Callable[[Estimate], str]] = judge,
    write: Callable[[float | Estimate], str] = points, remark: str = "",
    metric: str = "target_accuracy", things: str = "concepts",
) -> Verdict:  # fmt: skip
    """The verdict on a claim from its differences, with the sentence that says what was compared.

    Args:
        claim: its id.
        rows: of one scale; the extent of the comparison is read off them.
        item: whose rows.
        found: the differences that should all be as the claim says.
        how: what was measured.
        rule: from an estimate to a verdict; one for all, or one each.
        write: an estimate in words.
        remark: put at the end.
        metric, things: of the rows, and what their `concept` is called.
    """
    rules = [rule] * len(found) if callable(rule) else list(rule)
    estimates = [one.estimate for one in found]
    each = [r(e) if _enough(d) else UNDECIDED for r, e, d in zip(rules, estimates, found, strict=True)]
    # The smallest difference decides; of equivalences, the largest in either direction. With a rule each, the
    # first that does not hold.
    last = min(range(len(found)), key=lambda i: -abs(estimates[i].value) if rule is equivalent else estimates[i].value)
    if not callable(rule):
        last = next((i for i, v in enumerate(each) if v == FAILS), each.index(min(each, key=lambda v: v == HOLDS)))
    parts = zip(found, estimates, each, strict=True)
    listed = ", ".join(f"{d.name} {write(e)}" + (f" ({v})" if len(found) > 1 else "") for d, e, v in parts)
    decides = f"; {found[last].name} decides" if len(found) > 1 else ""
    extent = _extent(rows, item, found[last], metric, things)
    text = f"{listed}{decides}; {how}; {extent}; {_across(found[last], write)}{remark}."
    return Verdict(claim, rows[0].scale, together(each), text, estimates[last], items_of(claim))


def items_of(claim: str) -> tuple[str, ...]:
    """The published items a claim rests on."""
    return published.items_of(published.claims()[claim])
