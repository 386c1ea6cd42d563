"""How a claim is judged: from paired differences, their intervals, and a margin fixed beforehand.

A claim *does not hold* when the 95 % interval of the paired difference it predicts lies below 0, or
wholly below the margin: then there may be an effect, but none worth claiming. It *holds* when the
interval otherwise lies above 0. Else the rows are *inconclusive*, and so they are with fewer than
eight concepts. It is *not testable here* when its positive control does not work in the rows it rests
on, whatever else they say: where ten real pictures do not teach, no verdict about inverted ones means
anything (D40). Differences are paired by concept and seed and averaged over the models; only test
concepts count (for Zoom-shot, test sets stand in their place). The margins (D10) are 0.05 for a
difference in target accuracy and 0.1 for an equivalence; Zoom-shot has its own (D26).

A claim of m differences holds when all do, each at 95 %: a false "holds" needs the one that is not
so to seem so, which no number of others makes likelier (an intersection-union test, no correction).
It does not hold when one does not, and with m chances of a false "does not hold" that one must fail
at a level of 1 - 0.05 / m (Bonferroni; D41).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from ktlib.companion.record import published
from ktlib.companion.record.differences import Change, Contrast, Difference
from ktlib.companion.record.rows import Row, select
from ktlib.evaluate.intervals import Estimate

HOLDS, FAILS, UNDECIDED, NOT_RUN = "holds", "does not hold", "inconclusive", "not run"
NOT_TESTABLE = "not testable here"  # the positive control does not work: ours (D40)
TESTED = (HOLDS, FAILS, UNDECIDED, NOT_TESTABLE)  # in the order in which they are counted
MARGIN = 0.05  # a smaller difference in target accuracy is none: ours (D10)
EQUIVALENCE = 0.1  # KT v2, Tab. 10 has ten images a concept, so one image: ours (D10)
DIFFERENCE, SAMENESS, CORRELATION = "difference", "equivalence", "correlation"  # what may decide a claim
CONCEPTS = 8  # fewer decide nothing, however many seeds: ours (D40)


@dataclass(frozen=True)
class Verdict:
    """What the rows of one scale say about one claim.

    Attributes:
        claim: its id in `claims.csv`.
        scale: whose rows.
        verdict: `holds`, `does not hold`, `inconclusive`, `not testable here` or `not run`.
        comparison: one sentence: what was compared, on how much; or why it was not run.
        estimate: of the deciding difference, a fraction (or a rank correlation); None if not run.
        items: the published items the claim rests on.
        deciding: that difference by its name, with its interval; the control where that decides; empty if not run.
        kind: what the estimate is: `difference`, `equivalence` or `correlation`.
        allowed: of an equivalence, the bounds that it must keep to.
    """

    claim: str
    scale: str
    verdict: str
    comparison: str
    estimate: Estimate | None
    items: tuple[str, ...]
    deciding: str = ""
    kind: str = DIFFERENCE
    allowed: tuple[float, float] | None = None


def points(value: float | Estimate) -> str:
    """A difference of fractions, written in percentage points."""
    if isinstance(value, Estimate):
        return f"{100 * value.value:+.1f} points [{100 * value.low:+.1f}, {100 * value.high:+.1f}]"
    return f"{100 * value:+.1f} points"


def counted(count: int, what: str) -> str:
    """`1 seed`, `2 seeds`."""
    return f"{count} {what}{'' if count == 1 else 's'}"


def plain(value: float | Estimate) -> str:
    """A correlation, written as it is."""
    if isinstance(value, Estimate):
        return str(Estimate(value.value, max(-1.0, value.low), min(1.0, value.high)))
    return f"{value:.3f}"


# -- what may be wanted of a difference ---------------------------------------------------------------
@dataclass(frozen=True)
class Rule:
    """What a claim wants of a difference.

    Attributes:
        judge: from an estimate to a verdict.
        badness: of several differences under this rule, the one where it is highest decides.
        allowed: the bounds that it must keep to, where it should be none; else None.
    """

    judge: Callable[[Estimate], str]
    badness: Callable[[float], float]
    allowed: tuple[float, float] | None = None


def above(margin: float | None = MARGIN) -> Rule:
    """Wants a difference above 0; the smallest decides.

    Args:
        margin: what is wholly below it does not hold either; None where a claim has no smallest effect.
    """
    return Rule(lambda estimate: judge(estimate, margin), lambda value: -value)


def within(margin: float = EQUIVALENCE) -> Rule:
    """Wants a difference within a margin of 0; the largest in either direction decides."""
    return Rule(lambda estimate: equivalent(estimate, margin), abs, (-margin, margin))


def at_most(margin: float = EQUIVALENCE) -> Rule:
    """Wants no gain beyond a margin; the largest decides."""
    return Rule(lambda estimate: no_gain(estimate, margin), lambda value: value, (-math.inf, margin))


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
Part = Difference | Contrast | Change


@dataclass(frozen=True)
class Control:
    """What must work before a claim can be tested, because the claim asks for less than it.

    Attributes:
        name: what was taken from what: `real minus base`.
        found: that difference; None where it was not measured.
        margin: a smaller gain is none.
    """

    name: str
    found: Difference | Change | None
    margin: float = MARGIN

    @property
    def works(self) -> bool:
        """Whether it gains more than the margin, with an interval above 0."""
        return self.found is not None and self.found.estimate.value > self.margin and self.found.estimate.low > 0

    def written(self, things: str) -> str:
        """The control in words: its estimate, and on how many subjects it works, where there are some."""
        if self.found is None:
            return f"{self.name} was not measured"
        shown = f"{self.name} {points(self.found.estimate)}"
        if isinstance(self.found, Change):
            return shown
        return f"{shown}, above {100 * self.margin:g} points on {self.found.above(self.margin)} {things}"

    def failure(self, things: str) -> str:
        """Why nothing can be tested beside it."""
        says = "there is no positive control" if self.found is None else "the positive control does not work"
        return f"{says}: {self.written(things)}"


def decide(
    claim: str, rows: Sequence[Row], item: str, found: Sequence[Part], *, how: str,
    rule: Rule | Sequence[Rule] | None = None, write: Callable[[float | Estimate], str] = points, remark: str = "",
    metric: str = "target_accuracy", things: str = "concepts", least: int = CONCEPTS, control: Control | None = None,
    blind: str = "",
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
        least: fewer subjects (or images) decide nothing.
        control: the positive control; where it does not work, nothing else counts.
        blind: why the rows cannot show what is claimed, whatever their control says; empty if they can.

    Source: intersection-union for "holds", Bonferroni for "does not hold" (D41); positive controls (D40).
    """
    rule = rule or above()
    rules = [rule] * len(found) if isinstance(rule, Rule) else list(rule)
    each = [_verdict(one, r, len(found), least) for one, r in zip(found, rules, strict=True)]
    place = _deciding(found, rules, each)
    last, allowed = found[place], rules[place].allowed
    several = len(found) > 1
    parts = [
        ", ".join(_written(d, v if several else "", write) for d, v in zip(found, each, strict=True)),
        _corrected(found, rules, each),
        f"{last.name} decides" if several else "",
        how,
        _extent(last, select(rows, item=item, split="test", metric=metric), things, least),
        _across(last, write),
        f"control: {control.written(things)}" if control and (control.works or blind) else "",
    ]
    text = "; ".join(part for part in parts if part) + remark
    kind = CORRELATION if write is plain else SAMENESS if allowed else DIFFERENCE
    verdict = Verdict(
        claim, rows[0].scale, together(each), f"{text}.", last.estimate, items_of(claim), _written(last, "", write),
        kind, allowed,
    )  # fmt: skip
    why = blind or (control.failure(things) if control and not control.works else "")
    if not why:
        return verdict
    return replace(verdict, verdict=NOT_TESTABLE, comparison=f"{why}; {text}.", deciding=why)


def _verdict(one: Part, rule: Rule, differences: int, least: int) -> str:
    """On one of several: it holds at 95 %, and does not at a level corrected for their number."""
    if not _enough(one, least):
        return UNDECIDED
    if rule.judge(one.estimate) == HOLDS:
        return HOLDS
    return FAILS if rule.judge(one.at(1 - 0.05 / differences)) == FAILS else UNDECIDED


def _corrected(found: Sequence[Part], rules: Sequence[Rule], each: Sequence[str]) -> str:
    """What is said where a difference fails at 95 %, and no longer when it is one of several."""
    open_ = [r.judge(d.estimate) for d, r, v in zip(found, rules, each, strict=True) if v == UNDECIDED]
    level = 100 * (1 - 0.05 / len(found))
    if len(found) == 1 or FAILS not in open_:
        return ""
    return f"one of {len(found)} fails at 95 % and not at the {level:.1f} % that {len(found)} comparisons ask for"


def _enough(one: Part, least: int) -> bool:
    return (one.images if isinstance(one, Change) else len(one.table)) >= least


def _deciding(found: Sequence[Part], rules: Sequence[Rule], each: Sequence[str]) -> int:
    """Of those that fail, or else are open, or else of all: the worst under one rule, the first under a rule each."""
    there = [i for i, verdict in enumerate(each) if verdict == together(each)]
    if len(set(rules)) == 1:
        return max(there, key=lambda i: rules[i].badness(found[i].estimate.value))
    return there[0]


def _written(one: Part, verdict: str, write: Callable[[float | Estimate], str]) -> str:
    return f"{one.name} {write(one.estimate)}" + (f" ({verdict})" if verdict else "")


def _extent(one: Part, rows: Sequence[Row], things: str, least: int) -> str:
    """On how much a difference rests."""
    few = "" if _enough(one, least) else f", too few to decide (at least {least})"
    if isinstance(one, Change):
        return f"{one.images} test images{few}, {counted(one.seeds, 'seed')}"
    counts = sorted({row.n for row in rows})
    images = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    seeds = len(next(iter(one.table.values())))
    return f"{len(one.table)} test {things}{few}, {counted(seeds, 'seed')}, {images} images each"


def _across(one: Part, write: Callable[[float | Estimate], str]) -> str:
    """The mean of each model alone."""
    if isinstance(one, Change):
        return ""
    parts = ", ".join(f"{model} {write(value)}" for model, value in sorted(one.models.items()))
    return parts if len(one.models) == 1 else f"mean of {parts}"


def items_of(claim: str) -> tuple[str, ...]:
    """The published items a claim rests on."""
    return published.items_of(published.claims()[claim])
