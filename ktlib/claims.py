"""What the papers claim, and what our rows say about it.

A claim *does not hold* when the 95 % interval of the paired difference it predicts lies below 0, or
wholly below the margin: then there may be an effect, but none worth claiming. It *holds* when the
interval otherwise lies above 0. Else the rows are *inconclusive*, and so they are with fewer than
two concepts or three seeds. A claim of several differences holds when all do, and fails when one
does. Differences are paired by concept and seed and averaged over the models; only test concepts
count. The margins (D10) are 0.05 for a difference in target accuracy and 0.1 for an equivalence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from ktlib import claims_pairs, published
from ktlib.evaluate.intervals import Estimate
from ktlib.evaluate.tradeoff import (
    Difference,
    NotMeasuredError,
    difference,
    forgotten,
    rows_of,
    targets,
    trend,
)
from ktlib.results import ROOT, Row, select
from ktlib.scales import scale as scale_of

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


def _plain(value: float | Estimate) -> str:
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


def _directed(estimate: Estimate) -> str:
    return judge(estimate, None)


def equivalent(estimate: Estimate) -> str:
    """The verdict on a difference that should be within `EQUIVALENCE` of 0."""
    if -EQUIVALENCE <= estimate.low and estimate.high <= EQUIVALENCE:
        return HOLDS
    return FAILS if estimate.low > EQUIVALENCE or estimate.high < -EQUIVALENCE else UNDECIDED


def together(verdicts: Iterable[str]) -> str:
    """The verdict on a claim of several differences: all must hold, and one that does not decides."""
    found = set(verdicts)
    return FAILS if FAILS in found else HOLDS if found == {HOLDS} else UNDECIDED


# -- sentences --------------------------------------------------------------------------------------
def _enough(one: Difference) -> bool:
    return len(one.table) >= CONCEPTS and all(len(seeds) >= SEEDS for seeds in one.table.values())


def _extent(rows: Sequence[Row], item: str, deciding: Difference) -> str:
    counts = sorted({row.n for row in select(rows, item=item, split="test", metric="target_accuracy")})
    images = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    seeds = len(next(iter(deciding.table.values())))
    few = "" if _enough(deciding) else f", too few to decide (at least {CONCEPTS} and {SEEDS})"
    return f"{len(deciding.table)} test concepts, {seeds} seeds{few}, {images} images each"


def _across(deciding: Difference, write: Callable[[float], str]) -> str:
    parts = ", ".join(f"{model} {write(value)}" for model, value in sorted(deciding.models.items()))
    return parts if len(deciding.models) == 1 else f"mean of {parts}"


def _verdict(
    claim: str, rows: Sequence[Row], item: str, found: Sequence[Difference], *, how: str,
    rule: Callable[[Estimate], str] = judge, write: Callable[[float | Estimate], str] = points, remark: str = "",
) -> Verdict:  # fmt: skip
    estimates = [one.estimate for one in found]
    each = [rule(e) if _enough(d) else UNDECIDED for e, d in zip(estimates, found, strict=True)]
    # The smallest difference decides; of equivalences, the largest in either direction.
    last = min(range(len(found)), key=lambda i: -abs(estimates[i].value) if rule is equivalent else estimates[i].value)
    parts = zip(found, estimates, each, strict=True)
    listed = ", ".join(f"{d.name} {write(e)}" + (f" ({v})" if len(found) > 1 else "") for d, e, v in parts)
    decides = f"; {found[last].name} decides" if len(found) > 1 else ""
    text = f"{listed}{decides}; {how}; {_extent(rows, item, found[last])}; {_across(found[last], write)}{remark}."
    return Verdict(claim, rows[0].scale, together(each), text, estimates[last], _items(claim))


def _items(claim: str) -> tuple[str, ...]:
    return published.items_of(published.claims()[claim])


# -- one function a claim ---------------------------------------------------------------------------
def _beats(
    claim: str, rows: Sequence[Row], item: str, method: str, others: Sequence[str], *, remark: str = ""
) -> Verdict:
    """A method against others at equal retention."""
    budget = scale_of(rows[0].scale).budget
    own = targets(rows, item, method, budget)
    found = [difference(f"{method} minus {other}", own, targets(rows, item, other, budget)) for other in others]
    how = f"target accuracy at a retention loss of at most {100 * budget:.1f} points"
    return _verdict(claim, rows, item, found, how=how, remark=remark)


def inversion_teaches(rows: Sequence[Row]) -> Verdict:
    """K1: transfer gains, and more than with noise or with another concept's images."""
    item, budget = "KT Tab. 1", scale_of(rows[0].scale).budget
    remark = ""
    if select(rows, item=item, method="real", split="test"):
        bound = difference("real minus base", targets(rows, item, "real", budget), targets(rows, item, "base"))
        remark = f"; ten real pictures in their place gain {points(bound.estimate)}"
    return _beats("K1", rows, item, "kt", ("base", "noise", "wrong"), remark=remark)


def little_is_forgotten(rows: Sequence[Row]) -> Verdict:
    """K2: there is a gain where little is forgotten, over the base and over noise read the same way."""
    return _beats("K2", rows, "KT Tab. 1", "kt", ("base", "noise"))


def rate_trades(rows: Sequence[Row]) -> Verdict:
    """K3: a larger rate teaches more and forgets more."""
    kt = rows_of(rows, "KT Tab. 1", "kt")
    found = [
        trend("rate with target accuracy", select(kt, metric="target_accuracy"), Row.lr),
        trend("rate with retention, sign reversed", select(kt, metric="retention"), Row.lr, sign=-1),
    ]
    how = f"Spearman's rank correlation over {len({row.lr() for row in kt})} rates"
    return _verdict("K3", rows, "KT Tab. 1", found, how=how, rule=_directed, write=_plain)


def visual_alone(rows: Sequence[Row]) -> Verdict:
    """K5: training the visual encoder beats training the text encoder or both."""
    losses = ", ".join(f"{m} {points(-forgotten(rows, 'KT Fig. 4', m))}" for m in ("visual", "text", "both"))
    remark = f"; change of retention at the largest rate: {losses}"
    return _beats("K5", rows, "KT Fig. 4", "visual", ("text", "both"), remark=remark)


def name_is_needed(rows: Sequence[Row]) -> Verdict:
    """K6: the caption must hold the name."""
    return _beats("K6", rows, "KT Fig. 5", "named", ("unnamed",))


def patterns_transfer(rows: Sequence[Row]) -> Verdict:
    """K21: patterns gain too, and more than with noise."""
    item = "KT v2 Tab. 12"
    count = len({row.concept for row in rows_of(rows, item, "kt")})
    remark = "; so few concepts make the interval a rough guide only" if count < 4 else ""
    return _beats("K21", rows, item, "kt", ("base", "noise"), remark=remark)


def steps_help(rows: Sequence[Row]) -> Verdict:
    """K16: more steps of inversion, higher target accuracy."""
    kt = rows_of(rows, "KT v2 Fig. 5", "kt")
    accuracies = select(kt, metric="target_accuracy")
    found = trend("steps with target accuracy", accuracies, lambda row: float(row.varied()["steps"]))
    how = f"Spearman's rank correlation over {len({row.varied()['steps'] for row in kt})} step counts"
    return _verdict("K16", rows, "KT v2 Fig. 5", [found], how=how, rule=_directed, write=_plain)


def augmentation_helps(rows: Sequence[Row]) -> Verdict:
    """K17: augmentation and total variation together beat neither."""
    item = "KT v2 Tab. 9"
    full = targets(rows, item, "kt", augmentation="on", tv=0.005)
    none = targets(rows, item, "kt", augmentation="off", tv=0.0)
    found = difference("augmentation with total variation 0.005 minus neither", full, none)
    return _verdict("K17", rows, item, [found], how="target accuracy at the chosen rate")


def any_length_serves(rows: Sequence[Row]) -> Verdict:
    """K18: short descriptions serve as well as medium and long ones, within a margin."""
    item = "KT v2 Tab. 10"
    short = targets(rows, item, "kt", description="short")
    found = [
        difference(f"short minus {length}", short, targets(rows, item, "kt", description=length))
        for length in ("medium", "long")
    ]
    how = f"target accuracy at the chosen rate, equal within {100 * EQUIVALENCE:.0f} points or not"
    return _verdict("K18", rows, item, found, how=how, rule=equivalent)


def transfer_beats_prompting(rows: Sequence[Row]) -> Verdict:
    """K19: transfer beats the description as the class prompt."""
    item = "KT v2 Tab. 2"
    prompt = targets(rows, item, "prompt")
    found = difference("kt minus prompt", targets(rows, item, "kt"), prompt)
    wins = sum(fmean(seeds.values()) > 0 for seeds in found.table.values())
    remark = (
        f"; kt is ahead on {wins} of {len(found.table)} concepts; change of retention with kt "
        f"{points(-forgotten(rows, item, 'kt'))}"
    )
    return _verdict("K19", rows, item, [found], how="target accuracy at the chosen rate", remark=remark)


CLAIMS: dict[str, Callable[[Sequence[Row]], Verdict]] = {
    "K1": inversion_teaches, "K2": little_is_forgotten, "K3": rate_trades, "K5": visual_alone, "K6": name_is_needed,
    "K16": steps_help, "K17": augmentation_helps, "K18": any_length_serves, "K19": transfer_beats_prompting,
    "K21": patterns_transfer,
}  # fmt: skip
CLAIMS |= claims_pairs.CLAIMS  # type: ignore[arg-type]


# -- all claims -------------------------------------------------------------------------------------
NO_WEIGHTS = "weights and data are not at hand"
_REASONS = {
    "K20": "the comparison needs SDXL, which cannot be had offline",
    "K22": "the experiment that varies familiarity belongs to notebook 07",
}
# Not the notebook of the items they name.
_ELSEWHERE = {"K22": "07_open_questions", "Z13": published.ZOOM_SHOT}


def notebook(claim: str) -> str:
    """The notebook that tests a claim."""
    return _ELSEWHERE.get(claim) or published.notebook(_items(claim)[0])


def of_notebook(number: str) -> tuple[str, ...]:
    """The claims that a notebook tests, by the notebook's number: `of_notebook("01")`."""
    return tuple(claim for claim in published.claims() if notebook(claim).startswith(f"{number}_"))


def verdict(claim: str, rows: Sequence[Row], scale: str) -> Verdict:
    """The verdict on one claim.

    Args:
        claim: its id, `K1`.
        rows: of that scale; others are left out.
        scale: `pocket` or `paper`; rehearsal numbers decide nothing.

    Raises:
        KeyError: there is no such claim.
    """
    own = select(rows, scale=scale)
    reason = _REASONS.get(claim)
    if not scale_of(scale).is_result:
        reason = f"{scale} numbers are not results"
    elif scale == "paper" and not own:
        reason = NO_WEIGHTS
    elif claim in CLAIMS:
        try:
            if not own:
                raise NotMeasuredError("there are no rows")
            return CLAIMS[claim](own)
        except NotMeasuredError as error:
            reason = f"{error}; ./run_all.sh --scale {scale} --only {notebook(claim)[:2]} writes them"
    elif reason is None:
        name = notebook(claim)
        there = (ROOT / "notebooks" / f"{name}.ipynb").exists()
        reason = f"notebook {name[:2]} does not test it yet" if there else f"notebook {name[:2]} is not there yet"
    return Verdict(claim, scale, NOT_RUN, reason, None, _items(claim))


def verdicts(rows: Sequence[Row], scale: str) -> list[Verdict]:
    """The verdict on every claim, in the order of `claims.csv`."""
    return [verdict(claim, rows, scale) for claim in published.claims()]
