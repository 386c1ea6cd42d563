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
from ktlib.companion.record.compare import Change, Difference
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
        deciding: that difference by its name, with its interval; empty if not run.
    """

    claim: str
    scale: str
    verdict: str
    comparison: str
    estimate: Estimate | None
    items: tuple[str, ...]
    deciding: str = ""


def points(value: float | Estimate) -> str:
    """A difference of fractions, written in percentage points."""
    if isinstance(value, Estimate):
        return f"{100 * value.value:+.1f} points [{100 * value.low:+.1f}, {100 * value.high:+.1f}]"
    return f"{100 * value:+.1f} points"


def plain(value: float | Estimate) -> str:
    """A correlation, written as it is."""
    return str(value) if isinstance(value, Estimate) else f"{value:.3f}"


# -- what may be wanted of a difference ---------------------------------------------------------------
@dataclass(frozen=True)
class Rule:
    """What a claim wants of a difference.

    Attributes:
        judge: from an estimate to a verdict.
        badness: of several differences under this rule, the one where it is highest decides.
    """

    judge: Callable[[Estimate], str]
    badness: Callable[[float], float]


def above(margin: float | None = MARGIN) -> Rule:
    """Wants a difference above 0; the smallest decides.

    Args:
        margin: what is wholly below it does not hold either; None where a claim has no smallest effect.
    """
    return Rule(lambda estimate: judge(estimate, margin), lambda value: -value)


def within(margin: float = EQUIVALENCE) -> Rule:
    """Wants a difference within a margin of 0; the largest in either direction decides."""
    return Rule(lambda estimate: equivalent(estimate, margin), abs)


def at_most(margin: float = EQUIVALENCE) -> Rule:
    """Wants no gain beyond a margin; the largest decides."""
    return Rule(lambda estimate: no_gain(estimate, margin), lambda value: value)


def judge(estimate: Estimate, margin: float | None = MARGIN) -> str:
    """The verdict on a difference that should be above 0."""
    if estimate.high < (0 if margin is None else margin):
        return FAILS
    return HOLDS if estimate.low > 0 else UNDECIDED


def equivalent(estimate: Estimate, margin: float = EQUIVALENCE) -> str:
    """The verdict on a difference that should be within a margin of 0."""
    if -margin <= estimate.low and estimate.high <= margin:
        return HOLDS
    return FAILS if estimate.low > margin or estimate.high < -margin else UNDECIDED


def no_gain(estimate: Estimate, margin: float = EQUIVALENCE) -> str:
    """The verdict on a gain that should be none, or within a margin."""
    return HOLDS if estimate.high <= margin else FAILS if estimate.low > margin else UNDECIDED


def together(verdicts: Iterable[str]) -> str:
    """The verdict on a claim of several differences: all must hold, and one that does not decides."""
    found = set(verdicts)
    return FAILS if FAILS in found else HOLDS if found == {HOLDS} else UNDECIDED


# -- the verdict and its sentence ---------------------------------------------------------------------
Part = Difference | Change


def decide(
    claim: str, rows: Sequence[Row], item: str, found: Sequence[Part], *, how: str,
    rule: Rule | Sequence[Rule] | None = None, write: Callable[[float | Estimate], str] = points, remark: str = "",
    metric: str = "target_accuracy", things: str = "concepts",
) -> Verdict:  # fmt: skip
    """The verdict on a claim from its differences, with the sentence that says what was compared.

    Args:
        claim: its id.
        rows: of one scale; how many images stand behind the comparison is read off them.
        item: whose rows.
        found: the differences that should all be as the claim says.
        how: what was measured.
        rule: what is wanted; one for all, or one each; by default `above()`.
        write: an estimate in words.
        remark: put at the end.
        metric, things: of the rows, and what their `subject` is called.
    """
    rule = rule or above()
    rules = [rule] * len(found) if isinstance(rule, Rule) else list(rule)
    each = [r.judge(d.estimate) if _enough(d) else UNDECIDED for r, d in zip(rules, found, strict=True)]
    last = found[_deciding(found, rules, each)]
    several = len(found) > 1
    parts = [
        ", ".join(_written(d, v if several else "", write) for d, v in zip(found, each, strict=True)),
        f"{last.name} decides" if several else "",
        how,
        _extent(last, select(rows, item=item, split="test", metric=metric), things),
        _across(last, write),
    ]
    text = "; ".join(part for part in parts if part) + f"{remark}."
    decides = _written(last, "", write)
    return Verdict(claim, rows[0].scale, together(each), text, last.estimate, items_of(claim), decides)


def _enough(one: Part) -> bool:
    if isinstance(one, Change):
        return one.seeds >= SEEDS
    return len(one.table) >= CONCEPTS and all(len(seeds) >= SEEDS for seeds in one.table.values())


def _deciding(found: Sequence[Part], rules: Sequence[Rule], each: Sequence[str]) -> int:
    """Under one rule the worst difference decides; under a rule each, the first that fails, or else is open."""
    if len(set(rules)) == 1:
        return max(range(len(found)), key=lambda i: rules[i].badness(found[i].estimate.value))
    open_ = [i for wanted in (FAILS, UNDECIDED) for i, verdict in enumerate(each) if verdict == wanted]
    return open_[0] if open_ else 0


def _written(one: Part, verdict: str, write: Callable[[float | Estimate], str]) -> str:
    return f"{one.name} {write(one.estimate)}" + (f" ({verdict})" if verdict else "")


def _extent(one: Part, rows: Sequence[Row], things: str) -> str:
    """On how much a difference rests."""
    few = "" if _enough(one) else ", too few to decide (at least "
    if isinstance(one, Change):
        return f"{one.images} test images, {one.seeds} seeds" + (few and f"{few}{SEEDS})")
    counts = sorted({row.n for row in rows})
    images = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    seeds = len(next(iter(one.table.values())))
    return (
        f"{len(one.table)} test {things}, {seeds} seeds{few and f'{few}{CONCEPTS} and {SEEDS})'}, {images} images each"
    )


def _across(one: Part, write: Callable[[float | Estimate], str]) -> str:
    """The mean of each model alone."""
    if isinstance(one, Change):
        return ""
    parts = ", ".join(f"{model} {write(value)}" for model, value in sorted(one.models.items()))
    return parts if len(one.models) == 1 else f"mean of {parts}"


def items_of(claim: str) -> tuple[str, ...]:
    """The published items a claim rests on."""
    return published.items_of(published.claims()[claim])
