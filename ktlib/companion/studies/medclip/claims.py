"""The claims about MedCLIP and about a model out of its domain, one function each; `record.judging` says how.

K7 is judged on drawn nodules, where there are enough: by how distinct real films of each are to the model before any
transfer, which the paper's two concepts cannot tell apart from what else they differ in. K8 needs its findings all at
once; its differences are paired by film, their intervals over films and trials (D68, D69).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean, median

from ktlib.companion.record.compare import only, scores
from ktlib.companion.record.differences import Change, Difference, NotMeasuredError, Table, change, difference
from ktlib.companion.record.judging import EQUIVALENCE, Control, Verdict, above, at_most, decide, points, within
from ktlib.companion.record.rows import Row, select
from ktlib.companion.scales import scale as scale_of
from ktlib.companion.studies.medclip import NODULES, TABLE_2, TABLE_3
from ktlib.companion.studies.medclip.nodules import rates
from ktlib.pocket.nodules import NODULES as DRAWN

BENIGN, MALIGNANT = "benign nodule", "lung cancer"  # as the paper names them
ZERO = 0.05  # a recall that is no more than this is called zero: ours (D69)


# -- K7 -----------------------------------------------------------------------------------------------
def distinctive_improves(rows: Sequence[Row]) -> Verdict:
    """K7: distinct nodules gain, also over noise, and little is lost; those that are not so do not change."""
    return _by_nodule(rows) if scale_of(rows[0].scale).medclip.rate is None else _by_kind(rows)


def distinct_halves(rows: Sequence[Row]) -> tuple[list[str], list[str]]:
    """The test nodules that are more distinct than the median one before any transfer, and the others.

    Raises:
        NotMeasuredError: it was not measured how distinct they are.
    """
    found = {row.subject: row.value for row in select(rows, item=NODULES, split="test", metric="distinctness")}
    if not found:
        raise NotMeasuredError(f"there are no rows of distinctness beside {NODULES}")
    middle = median(found.values())
    return sorted(n for n, v in found.items() if v > middle), sorted(n for n, v in found.items() if v <= middle)


def _by_nodule(rows: Sequence[Row]) -> Verdict:
    own = select(rows, item=NODULES)
    if not select(own, split="validation", method="kt"):
        raise NotMeasuredError(f"there are no validation rows beside {NODULES} to choose rates on")
    chosen = rates(own)
    budget = scale_of(rows[0].scale).budget
    high, low = distinct_halves(rows)

    def of(method: str, metric: str = "target_accuracy") -> Mapping[str, Table]:
        varied = {} if method == "base" else {"lr": chosen[method]}
        return scores(own, NODULES, method, metric=metric, **varied)

    def gain(method: str, over: str, among: Sequence[str], which: str) -> Difference:
        return difference(f"{method} minus {over}, {which}", only(of(method), among), only(of(over), among))

    lost = difference("", of("kt", "retention"), of("base", "retention")).below(0, "loss of what was known")
    found = [
        gain("kt", "base", high, "the more distinct half"),
        gain("kt", "noise", high, "the more distinct half"),
        lost,
        gain("kt", "base", low, "the less distinct half"),
    ]
    told = ", ".join(
        f"{kind} {points(gain('kt', 'base', names, kind).estimate)}"
        for kind in ("malignant", "benign")
        if (names := [name for name in [*high, *low] if DRAWN[name].kind == kind])
    )
    beside = ", ".join(f"{method} {value:g}" for method, value in chosen.items())
    same = f"no change is one within {100 * EQUIVALENCE:g} points"
    how = f"each arm at the rate that validation nodules choose ({beside}); {same}"
    rules = [above(), above(), at_most(budget), within()]
    remark, control = f"; kt minus base by kind: {told}", Control("real minus base", None)
    if "real" in chosen:
        control = Control("real minus base", gain("real", "base", [*high, *low], "all"))
        remark += f"; real minus base on the less distinct half {points(gain('real', 'base', low, '').estimate)}"
    return decide(
        "K7", rows, NODULES, found, how=how, rule=rules, remark=remark,
        things="nodules", control=control,
    )  # fmt: skip


def _by_kind(rows: Sequence[Row]) -> Verdict:
    """As the paper has it: one name a kind, at the rate that the scale states."""
    rate, budget = scale_of(rows[0].scale).medclip.rate, scale_of(rows[0].scale).budget

    def of(method: str, concept: str, metric: str = "target_accuracy", sign: int = 1) -> Change:
        name = f"{metric.replace('_', ' ')} of {method} minus base, {concept}"
        own = select(rows, item=TABLE_2, subject=concept, method=method, split="test")
        found = [row for row in select(own, metric=metric, over="base") if row.lr == rate]
        if not found:
            raise NotMeasuredError(f"there are no rows of {name} beside {TABLE_2}")
        return change(name, found[0], len({row.seed for row in own} - {None}), sign)

    assert rate is not None, "where none is stated, nodules choose it"
    kept = of("kt", MALIGNANT, "retention", -1)
    found = [of("kt", MALIGNANT), replace(kept, name="loss of what was known"), of("kt", BENIGN)]
    try:
        control = Control("real minus base", of("real", MALIGNANT))
    except NotMeasuredError:
        control = Control("real minus base", None)
    return decide(
        "K7", rows, TABLE_2, found, how=f"at rate {rate:g}", rule=[above(), at_most(budget), within()],
        things="films", control=control,
    )  # fmt: skip


# -- K8 -----------------------------------------------------------------------------------------------
def learns_in_part(rows: Sequence[Row]) -> Verdict:
    """K8: accuracy over all findings rises, also over noise, more for the larger model; some do not move, others fall.

    Which finding does not move, and which falls, is chosen on validation films and tested on test films.
    """
    own = select(rows, item=TABLE_3)
    small, large = (next(iter(one.models)) for one in scale_of(rows[0].scale).films.outside)
    found, rules = [], []
    for model in (small, large):
        for over in ("base", "noise"):
            found.append(_of(own, model, "kt", over))
            rules.append(above(None))
    found.append(_of(own, large, "kt", small))
    rules.append(above(None))
    for model in (small, large):
        still, worse = _still(own, model), _worse(own, model)
        if still:
            found.append(_of(own, model, "kt", "base", still))
            rules.append(at_most(ZERO))
        if worse:
            found.append(_of(own, model, "kt", "base", worse, sign=-1))
            rules.append(above(None))
    chance = 1 / len({row.subject for row in own} - {""})
    reached = ", ".join(f"{m} {100 * _top1(own, m, 'base'):.1f} % before and {100 * _top1(own, m, 'kt'):.1f} % after"
                        for m in (small, large))  # fmt: skip
    remark = f"; top-1: {reached}, by chance {100 * chance:g} %"
    how = "accuracy over all findings, each arm at its own rate"
    controls = [Control(f"{model}: real minus base", _or_none(own, model)) for model in (small, large)]
    control = next((one for one in controls if not one.works), controls[0])
    return decide(
        "K8", rows, TABLE_3, found, how=how, rule=rules, remark=remark, metric="top1", things="films", control=control
    )


def _of(rows: Sequence[Row], model: str, method: str, over: str, finding: str = "", sign: int = 1) -> Change:
    """What a method changes in a model, over all findings or for one.

    Raises:
        NotMeasuredError: it was not measured.
    """
    found = [r for r in select(rows, model=model, method=method, over=over, subject=finding) if r.split == "test"]
    name = f"{model}: {method} minus {over}" + (f", {finding}" if finding else "")
    if not found:
        raise NotMeasuredError(f"there are no rows of {name} beside {TABLE_3}")
    own = change(name, found[0], _trials(rows, model, method), sign)
    return replace(own, name=f"{model}: {over} minus {method}, {finding}") if sign < 0 else own


def _or_none(rows: Sequence[Row], model: str) -> Change | None:
    try:
        return _of(rows, model, "real", "base")
    except NotMeasuredError:
        return None


def _trials(rows: Sequence[Row], model: str, method: str) -> int:
    return len({row.seed for row in select(rows, model=model, method=method, split="test")} - {None})


def _top1(rows: Sequence[Row], model: str, method: str) -> float:
    own = select(rows, model=model, method=method, metric="top1", split="test")
    return fmean(row.value for row in own if "prompts" not in row.varied and row.lr == _rate(rows, model, method))


def _rate(rows: Sequence[Row], model: str, method: str) -> float:
    """Of the rows that are set against others: the chosen one; 0 of the untouched model."""
    return next((row.lr for row in select(rows, model=model, method=method, split="test") if row.over), 0.0)


def _recalls(rows: Sequence[Row], model: str, method: str) -> dict[str, float]:
    """Mean recall of each finding on validation films; on test films where all serve the verdict."""
    for split in ("validation", "test"):
        own = select(rows, model=model, method=method, metric="target_accuracy", split=split)
        own = [r for r in own if "prompts" not in r.varied and r.lr == _rate(rows, model, method)]
        if own:
            return {name: fmean(r.value for r in own if r.subject == name) for name in sorted({r.subject for r in own})}
    raise NotMeasuredError(f"there are no recalls of {method} for {model} beside {TABLE_3}")


def _still(rows: Sequence[Row], model: str) -> str:
    """The finding that starts at zero and moves least, on validation films; empty where none starts there."""
    before, after = (_recalls(rows, model, method) for method in ("base", "kt"))
    there = [name for name, value in before.items() if value <= ZERO]
    return min(there, key=lambda name: abs(after[name] - before[name]), default="")


def _worse(rows: Sequence[Row], model: str) -> str:
    """The finding that falls most, on validation films; empty where none falls by more than what is called zero."""
    before, after = (_recalls(rows, model, method) for method in ("base", "kt"))
    fallen = [name for name in before if before[name] - after[name] > ZERO]
    return min(fallen, key=lambda name: after[name] - before[name], default="")


CLAIMS: dict[str, Callable[[Sequence[Row]], Verdict]] = {"K7": distinctive_improves, "K8": learns_in_part}
