"""What the papers claim of rare concepts, and what our rows say about it: one function a claim.

The positive control of nearly all of them is the same: ten real pictures of a concept, taught with the same caption
and recipe, must gain on the same concepts and models, at equal retention (D40). Where they do not, the claim is not
testable here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean

from ktlib.companion.record.compare import (
    by_model,
    choose_rate,
    forgotten,
    only,
    over_rates,
    rows_of,
    scores,
)
from ktlib.companion.record.differences import Difference, NotMeasuredError, Table, difference, trend
from ktlib.companion.record.judging import EQUIVALENCE, Control, Verdict, above, at_most, decide, plain, points, within
from ktlib.companion.record.rows import Row, select
from ktlib.companion.scales import scale as scale_of

POORLY = 0.5  # K1 is about concepts "that CLIP recognises poorly": named in fewer of their pictures: ours (D42)
TABLE_1, PATTERNS = "KT Tab. 1", "KT v2 Tab. 12"


# -- the positive control ---------------------------------------------------------------------------
def _real(rows: Sequence[Row], item: str, *, beside: str = TABLE_1, among: Sequence[str] | None = None) -> Control:
    """What real pictures gain for the models of an item, on some concepts or on those that the item has.

    Args:
        rows: of one scale.
        item: whose models and concepts.
        beside: where the rows of real pictures stand.
        among: concepts.
    """
    name = "real minus base"
    own = select(rows, item=item, split="test")
    models, concepts = sorted({row.model for row in own}), among or sorted({row.subject for row in own})
    there = select(rows, item=beside, model=models, subject=list(concepts))
    try:
        real = scores(there, beside, "real", budget=scale_of(rows[0].scale).budget)
        return Control(name, difference(name, real, scores(there, beside, "base")))
    except NotMeasuredError:
        return Control(name, None)


# -- one function a claim ---------------------------------------------------------------------------
def _over(
    rows: Sequence[Row], item: str, method: str, others: Sequence[str], among: Sequence[str] | None = None
) -> list[Difference]:
    """A method against others at equal retention."""
    budget = scale_of(rows[0].scale).budget

    def of(name: str) -> Mapping[str, Table]:
        found = scores(rows, item, name, budget=budget)
        return found if among is None else only(found, among)

    own = of(method)
    return [difference(f"{method} minus {other}", own, of(other)) for other in others]


def _equally(rows: Sequence[Row]) -> str:
    return f"target accuracy at a retention loss of at most {100 * scale_of(rows[0].scale).budget:.1f} points"


def inversion_teaches(rows: Sequence[Row]) -> Verdict:
    """K1: on concepts recognised poorly, transfer gains, and more than with noise or with another concept's images."""
    others = ("base", "noise", "wrong")
    known: dict[str, list[float]] = {}
    for row in select(rows_of(rows, TABLE_1, "base"), metric="target_accuracy"):
        known.setdefault(row.subject, []).append(row.value)
    poor = sorted(concept for concept, values in known.items() if fmean(values) < POORLY)
    everything = _over(rows, TABLE_1, "kt", others)
    told = ", ".join(f"{d.name} {points(d.estimate)} (ahead on {d.ahead})" for d in everything)
    how = f"{_equally(rows)}, concepts named in fewer than {100 * POORLY:g} % of their pictures before"
    return decide(
        "K1", rows, TABLE_1, _over(rows, TABLE_1, "kt", others, poor) if poor else everything, how=how,
        remark=f"; over all {len(known)} concepts: {told}", control=_real(rows, TABLE_1, among=poor),
        blind="" if poor else "no test concept is recognised poorly",
    )  # fmt: skip


def little_is_forgotten(rows: Sequence[Row]) -> Verdict:
    """K2: at the rate chosen beforehand there is a gain over base and noise, and little that was known is lost."""
    scale = scale_of(rows[0].scale)
    rates = {model: _rate(rows, model) for model, _ in by_model(rows_of(rows, TABLE_1, "kt"))}

    def of(method: str, metric: str = "target_accuracy") -> dict[str, Table]:
        found: dict[str, Table] = {}
        for model, rate in rates.items():
            varied = {} if method == "base" else {"lr": rate}
            found |= scores(select(rows, model=model), TABLE_1, method, metric=metric, **varied)
        return found

    kept = difference("", of("kt", "retention"), of("base", "retention"))
    found = [
        difference("kt minus base", of("kt"), of("base")),
        difference("kt minus noise", of("kt"), of("noise")),
        kept.below(0, "loss of what was known"),
    ]
    chosen = ", ".join(f"{model} {rate:g}" for model, rate in rates.items())
    how = f"at the rate chosen on validation concepts ({chosen}), a loss within {100 * scale.budget:.1f} points"
    rules = [above(), above(), at_most(scale.budget)]
    return decide("K2", rows, TABLE_1, found, how=how, rule=rules, control=_real(rows, TABLE_1))


def _rate(rows: Sequence[Row], model: str) -> float:
    """The learning rate of a model: that of the scale, or the one that validation concepts choose.

    Raises:
        NotMeasuredError: there are no validation rows to choose it on.
    """
    scale = scale_of(rows[0].scale)
    own = select(rows, item=TABLE_1, model=model)
    if scale.clip.rate is None and not select(own, split="validation", method="kt"):
        raise NotMeasuredError(f"there are no validation rows beside {TABLE_1} to choose the rate on")
    return scale.clip.rate or choose_rate(own, model, scale.budget)


def rate_trades(rows: Sequence[Row]) -> Verdict:
    """K3: a larger rate teaches more and forgets more."""
    kt = rows_of(rows, TABLE_1, "kt")
    found = [
        trend("rate with target accuracy", select(kt, metric="target_accuracy"), lambda row: row.lr),
        trend("rate with retention, sign reversed", select(kt, metric="retention"), lambda row: row.lr, sign=-1),
    ]
    how = f"Spearman's rank correlation over {len({row.lr for row in kt})} rates"
    control = _real(rows, TABLE_1)
    return decide("K3", rows, TABLE_1, found, how=how, rule=above(None), write=plain, control=control)


def visual_alone(rows: Sequence[Row]) -> Verdict:
    """K5: training the visual encoder beats training the text encoder or both, in what is new and in what is kept."""
    item, found = "KT Fig. 4", []
    for metric, name in (("target_accuracy", "target accuracy"), ("retention", "known classes kept")):
        visual = over_rates(rows, item, "visual", metric=metric)
        for other in ("text", "both"):
            less = over_rates(rows, item, other, metric=metric)
            found.append(difference(f"visual minus {other}, {name}", visual, less))
    losses = ", ".join(f"{m} {points(-forgotten(rows, item, m))}" for m in ("visual", "text", "both"))
    remark = f"; change of retention at the largest rate: {losses}"
    how = f"means over {len({row.lr for row in rows_of(rows, item, 'visual')})} rates, each arm at the same ones"
    return decide("K5", rows, item, found, how=how, remark=remark)


def name_is_needed(rows: Sequence[Row]) -> Verdict:
    """K6: the caption must hold the name."""
    item = "KT Fig. 5"
    found = _over(rows, item, "named", ("unnamed",))
    return decide("K6", rows, item, found, how=_equally(rows), control=_real(rows, item))


def patterns_transfer(rows: Sequence[Row]) -> Verdict:
    """K21: patterns gain too, and more than with noise or with another pattern's images."""
    there = {row.method for row in select(rows, item=PATTERNS, split="test")}
    others = [name for name in ("base", "noise", "wrong") if name in there or name != "wrong"]
    blind = "" if "wrong" in there else f"there are no rows of another pattern's images (wrong) beside {PATTERNS}"
    found, control = _over(rows, PATTERNS, "kt", others), _real(rows, PATTERNS, beside=PATTERNS)
    return decide("K21", rows, PATTERNS, found, how=_equally(rows), control=control, blind=blind)


def steps_help(rows: Sequence[Row]) -> Verdict:
    """K16: more steps of inversion, higher target accuracy."""
    item = "KT v2 Fig. 5"
    kt = rows_of(rows, item, "kt")
    accuracies = select(kt, metric="target_accuracy")
    found = trend("steps with target accuracy", accuracies, lambda row: float(row.varied["steps"]))
    how = f"Spearman's rank correlation over {len({row.varied['steps'] for row in kt})} step counts"
    control = _real(rows, item)
    return decide("K16", rows, item, [found], how=how, rule=above(None), write=plain, control=control)


def augmentation_helps(rows: Sequence[Row]) -> Verdict:
    """K17: augmentation and total variation together beat neither."""
    item = "KT v2 Tab. 9"
    full = scores(rows, item, "kt", augmentation="on", tv=0.005)
    none = scores(rows, item, "kt", augmentation="off", tv=0.0)
    found = difference("augmentation with total variation 0.005 minus neither", full, none)
    how, control = "target accuracy at the chosen rate", _real(rows, item)
    return decide("K17", rows, item, [found], how=how, control=control)


def any_length_serves(rows: Sequence[Row]) -> Verdict:
    """K18: short descriptions serve as well as medium and long ones, within a margin; all models of the table."""
    item = "KT v2 Tab. 10"
    own = {length: scores(rows, item, "kt", description=length) for length in ("short", "medium", "long")}
    found = [difference(f"short minus {length}", own["short"], own[length]) for length in ("medium", "long")]
    untouched = select(rows, item=item, method="base", split="test")
    reached = ({"base": scores(rows, item, "base")} if untouched else {}) | own
    averages = ", ".join(f"{name} {100 * _average(found):.1f} %" for name, found in reached.items())
    remark = f"; averages over {len(own['short'])} model(s) and all concepts: {averages}"
    how = f"target accuracy at the chosen rate, equal within {100 * EQUIVALENCE:.0f} points or not"
    return decide("K18", rows, item, found, how=how, rule=within(), remark=remark, control=_real(rows, item))


def _average(found: Mapping[str, Table]) -> float:
    """The mean over models of the mean over concepts, as KT v2, Tab. 10 prints it."""
    return fmean(fmean(fmean(seeds.values()) for seeds in table.values()) for table in found.values())


def transfer_beats_prompting(rows: Sequence[Row]) -> Verdict:
    """K19: transfer beats the description as the class prompt."""
    item = "KT v2 Tab. 2"
    prompt = scores(rows, item, "prompt")
    found = difference("kt minus prompt", scores(rows, item, "kt"), prompt)
    try:
        real = scores(rows, TABLE_1, "real", budget=scale_of(rows[0].scale).budget)
        beside = f"real minus prompt {points(difference('', real, prompt).estimate)}, at equal retention"
    except NotMeasuredError:
        beside = "real pictures were not measured"
    remark = (
        f"; kt is ahead on {found.ahead} concepts; change of retention with kt {points(-forgotten(rows, item, 'kt'))}; "
        f"{beside}; the prompt, A NAME is DESCRIPTION, is a form of caption that the pocket models were trained on"
    )
    return decide("K19", rows, item, [found], how="target accuracy at the chosen rate", remark=remark)


CLAIMS: dict[str, Callable[[Sequence[Row]], Verdict]] = {
    "K1": inversion_teaches, "K2": little_is_forgotten, "K3": rate_trades, "K5": visual_alone, "K6": name_is_needed,
    "K16": steps_help, "K17": augmentation_helps, "K18": any_length_serves, "K19": transfer_beats_prompting,
    "K21": patterns_transfer,
}  # fmt: skip
