"""The claims of Zoom-shot, one function each; `ktlib.judging` says how they are judged.

A test set stands where a concept stands in Knowledge Transfer: differences in top-1 accuracy are paired by
set and seed, averaged over the encoders, and drawn again by set. Nine sets make rough intervals. The margins
(D26) were fixed before a map was scored on one: a gain in mean accuracy below one point is none, and two
settings are equally good within two points.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from statistics import fmean

from ktlib.companion.classification_sets import Kind, kinds
from ktlib.companion.record.compare import Difference, NotMeasuredError, Table, difference
from ktlib.companion.record.judging import FAILS, HOLDS, UNDECIDED, Verdict, decide, directed, equivalent, judge, points
from ktlib.companion.record.rows import Row, select, written
from ktlib.companion.scales import scale as scale_of
from ktlib.evaluate.intervals import Estimate

MARGIN = 0.01  # a smaller gain in mean top-1 accuracy is none: ours (D26)
NEAR = 0.02  # "about as good", "nearly matches": ZS prints differences of up to 2.1 points: ours (D26)
NOTHING = 0.1  # "learns almost nothing": no more than this above chance: ours (D26)

# One table an encoder, in the order of ZS Tab. 1.
LOSSES = ("ZS Tab. 3", "ZS Tab. 9", "ZS Tab. 10", "ZS Tab. 11", "ZS Tab. 12")
SIZES = ("ZS Tab. 4", "ZS Tab. 13", "ZS Tab. 15", "ZS Tab. 17", "ZS Tab. 19")
ALIGNER_SIZES = ("ZS Tab. 5", "ZS Tab. 14", "ZS Tab. 16", "ZS Tab. 18", "ZS Tab. 20")
# Not items of the paper: what the verdicts on Z6 and Z13 need, and where learning rates were chosen.
COSINES, HOT = {"matching": "cosines"}, {"matching": "ht_ce", "temperature": "20"}
WEIGHTS, RESCALING, RATES = "weight_of_distillation", "rescaling_of_variance", "learning_rates_of_maps"

Tables = dict[str, Table]  # model -> set -> seed -> accuracy
_gain = partial(judge, margin=MARGIN)


def tables(
    rows: Iterable[Row],
    items: str | Sequence[str],
    method: str,
    varied: Mapping[str, str] | None = None,
    *,
    metric: str = "top1",
) -> Tables:
    """Accuracy of a method for each encoder, set and seed.

    Args:
        rows: of one scale.
        items: one published item, or several that hold an encoder each.
        method, varied: which rows; whatever was varied where None is given.
        metric: `top1` or `probe`.

    Raises:
        NotMeasuredError: there are no such rows.
        ValueError: a set was measured twice.
    """
    items = (items,) if isinstance(items, str) else tuple(items)
    found: Tables = {}
    for row in select(rows, item=items, method=method, split="test", metric=metric):
        if varied is not None and row.varied != varied:
            continue
        seeds = found.setdefault(row.model, {}).setdefault(row.subject, {})
        if row.seed in seeds:
            raise ValueError(
                f"two rows beside {row.item}: {method}, {written(row.varied)}, {row.subject}, seed {row.seed}"
            )
        seeds[row.seed] = row.value
    if not found:
        raise NotMeasuredError(
            f"there are no test rows of {f'{method}, {written(varied)}' if varied else method} beside {items[0]}"
        )
    return found


def _decide(
    claim: str, rows: Sequence[Row], item: str, found: Sequence[Difference], *, how: str = "top-1 accuracy",
    rule: Callable[[Estimate], str] | Sequence[Callable[[Estimate], str]] = _gain, remark: str = "",
) -> Verdict:  # fmt: skip
    return decide(claim, rows, item, found, how=how, rule=rule, remark=remark, metric="top1", things="sets")


def _only(found: Tables, names: Iterable[str]) -> Tables:
    wanted = set(names)
    return {model: {name: seeds for name, seeds in table.items() if name in wanted} for model, table in found.items()}


def _kinds(rows: Sequence[Row]) -> dict[str, Kind]:
    return kinds(scale_of(rows[0].scale).zoom_shot.sets)


def _coarse(rows: Sequence[Row], coarse: bool = True) -> list[str]:
    return [name for name, kind in _kinds(rows).items() if kind.coarse == coarse]


def _chance(found: Tables, rows: Sequence[Row]) -> Tables:
    known = _kinds(rows)
    return {
        model: {name: dict.fromkeys(seeds, 1 / known[name].classes) for name, seeds in table.items()}
        for model, table in found.items()
    }


def _wins(one: Difference) -> str:
    ahead = sum(fmean(seeds.values()) > 0 for seeds in one.table.values())
    return f"ahead on {ahead} of {len(one.table)} sets"


# -- one function a claim ---------------------------------------------------------------------------
def beats_the_aligner(rows: Sequence[Row]) -> Verdict:
    """Z1: higher accuracy than the Linear Aligner, as published and put right."""
    item = "ZS Tab. 1"
    own = tables(rows, item, "zoom_shot")
    arms = ("linear_aligner", "linear_aligner_fixed")
    found = [difference(f"Zoom-shot minus {name}", own, tables(rows, item, name)) for name in arms]
    controls = []
    for name in ("linear_aligner_tuned", "mse_adam", "least_squares"):
        control = difference(name, own, tables(rows, item, name))
        controls.append(f"{name} {points(control.estimate)} ({_wins(control)})")
    return _decide("Z1", rows, item, found, remark=f"; Zoom-shot minus the controls: {', '.join(controls)}")


def beats_clip(rows: Sequence[Row]) -> Verdict:
    """Z2: the strongest encoder, mapped, beats CLIP itself on coarse sets."""
    item, here = "ZS Tab. 1", scale_of(rows[0].scale).zoom_shot
    strongest, coarse = here.strongest, _coarse(rows)

    def of(model: str, method: str, metric: str = "top1") -> Tables:
        return {strongest: _only(tables(rows, item, method, metric=metric), coarse)[model]}

    found = difference(f"{strongest} mapped minus CLIP", of(strongest, "zoom_shot"), of(here.clip, "clip"))
    probed = difference("", of(strongest, "probe", "probe"), of(here.clip, "probe", "probe")).estimate
    remark = (
        f"; {_wins(found)}; given labels, and where there is a target, it beats CLIP's image tower by {points(probed)}"
    )
    return _decide("Z2", rows, item, [found], how="top-1 accuracy on coarse sets", remark=remark)


def forward_is_better(rows: Sequence[Row]) -> Verdict:
    """Z3: images into CLIP's space beats texts into the encoder's."""
    forward, back = tables(rows, "ZS Tab. 1", "zoom_shot"), tables(rows, "ZS Tab. 2", "zoom_shot")
    controls = []
    for name in ("mse_adam", "least_squares"):
        gap = difference("", tables(rows, "ZS Tab. 1", name), tables(rows, "ZS Tab. 2", name)).estimate
        controls.append(f"{name} {points(gap)}")
    remark = f"; the same of maps without the multimodal losses: {', '.join(controls)}"
    return _decide("Z3", rows, "ZS Tab. 2", [difference("h minus h⁻¹", forward, back)], remark=remark)


def _losses(rows: Sequence[Row], name: str) -> Tables:
    return tables(rows, LOSSES, "zoom_shot", {"losses": name})


def reconstruction_is_needed(rows: Sequence[Row]) -> Verdict:
    """Z4: without reconstruction almost nothing is learnt."""
    found: list[Difference] = []
    rules: list[Callable[[Estimate], str]] = []
    for name in ("CC", "CC+PG-KD"):
        without = _losses(rows, name)
        found.append(difference(f"MSE minus {name}", _losses(rows, "MSE"), without))
        above = difference("", without, _chance(without, rows))
        least = {c: {s: NOTHING - v for s, v in seeds.items()} for c, seeds in above.table.items()}
        models = {model: NOTHING - value for model, value in above.models.items()}
        found.append(Difference(f"{100 * NOTHING:g} points minus what {name} has above chance", least, models))
        rules += [_gain, directed]
    return _decide("Z4", rows, LOSSES[0], found, rule=rules)


def cycle_helps(rows: Sequence[Row]) -> Verdict:
    """Z5: reconstruction with cycle consistency beats reconstruction alone."""
    found = difference("MSE+CC minus MSE", _losses(rows, "MSE+CC"), _losses(rows, "MSE"))
    exact = difference("", _losses(rows, "MSE+CC"), tables(rows, "ZS Tab. 1", "least_squares")).estimate
    remark = f"; {_wins(found)}; minus least squares {points(exact)}"
    return _decide("Z5", rows, LOSSES[0], [found], remark=remark)


def distillation_does_not_help_alone(rows: Sequence[Row]) -> Verdict:
    """Z6: distillation alone is poor, and at no weight clearly helps reconstruction."""
    mse = _losses(rows, "MSE")
    alone = difference("MSE minus PG-KD", mse, _losses(rows, "PG-KD"))
    weights = sorted({row.varied["weight"] for row in select(rows, item=WEIGHTS, split="test")}, key=float)
    if not weights:
        raise NotMeasuredError(f"there are no test rows beside {WEIGHTS}")
    gains = [
        difference(f"MSE+PG-KD (weight={w}) minus MSE", tables(rows, WEIGHTS, "zoom_shot", {"weight": w}), mse)
        for w in weights
    ]

    def no_gain(estimate: Estimate) -> str:
        """Refuted by a gain above the margin; a gain within it is none."""
        return FAILS if estimate.low > MARGIN else HOLDS if estimate.high < MARGIN else UNDECIDED

    return _decide("Z6", rows, LOSSES[0], [alone, *gains], rule=[_gain, *[no_gain] * len(gains)])


def all_is_best(rows: Sequence[Row]) -> Verdict:
    """Z7: all three losses beat every other combination."""
    own = _losses(rows, "All")
    found = [difference(f"All minus {name}", own, _losses(rows, name)) for name in ("MSE+CC", "MSE+PG-KD", "MSE")]
    return _decide("Z7", rows, LOSSES[0], found, rule=directed)


def logits_beat_cross_entropy(rows: Sequence[Row]) -> Verdict:
    """Z8: for distillation, matching logits beats cross-entropy at a high temperature, in both directions."""
    found = []
    for item, direction in (("ZS Tab. 7", "h"), ("ZS Tab. 8", "h⁻¹")):
        matched, entropy = (tables(rows, item, "zoom_shot", {"losses": "PG-KD"} | m) for m in (COSINES, HOT))
        found.append(difference(f"LM minus HT-CE, {direction}", matched, entropy))
    whole = [tables(rows, "ZS Tab. 7", "zoom_shot", {"losses": "All"} | m) for m in (COSINES, HOT)]
    alone = [r for r in select(rows, item="ZS Tab. 7", split="test", metric="top1") if r.varied["losses"] == "PG-KD"]
    values: dict[str, list[float]] = {}
    for row in alone:
        how = {name: value for name, value in row.varied.items() if name != "losses"}
        values.setdefault(written(how).removeprefix("matching="), []).append(row.value)
    means = ", ".join(f"{how} {100 * fmean(found):.1f} %" for how, found in sorted(values.items()))
    inside = difference("", *whole).estimate
    remark = f"; inside the full loss, h: {points(inside)}; means of distillation alone, h: {means}"
    return _decide("Z8", rows, "ZS Tab. 7", found, remark=remark)


def _size(rows: Sequence[Row], share: float, epochs: int) -> Tables:
    return tables(rows, SIZES, "zoom_shot", {"share": f"{share:g}", "epochs": f"{epochs}"})


def _aligner_size(rows: Sequence[Row], share: float, epochs: int) -> Tables:
    return tables(rows, ALIGNER_SIZES, "linear_aligner", {"share": f"{share:g}", "epochs": f"{epochs}"})


WITHIN = f"top-1 accuracy, equal within {100 * NEAR:g} points"
_near = partial(equivalent, margin=NEAR)


def a_fifth_is_enough(rows: Sequence[Row]) -> Verdict:
    """Z9: 20 % of the images are about as good as all; fewer are worse."""
    fifth = _size(rows, 0.2, 1)
    found = [
        difference("20 % minus 100 %", fifth, _size(rows, 1, 1)),
        difference("20 % minus 5 %", fifth, _size(rows, 0.05, 1)),
    ]
    return _decide(
        "Z9", rows, SIZES[0], found, how=f"top-1 accuracy, equal within {100 * NEAR:g} points", rule=[_near, _gain]
    )


def compute_replaces_data(rows: Sequence[Row]) -> Verdict:
    """Z10: 1 % twenty times nearly matches 20 % once, and beats 1 % once."""
    often = _size(rows, 0.01, 20)
    found = [
        difference("1 % twenty times minus 20 % once", often, _size(rows, 0.2, 1)),
        difference("1 % twenty times minus 1 % once", often, _size(rows, 0.01, 1)),
    ]
    return _decide("Z10", rows, SIZES[0], found, how=WITHIN, rule=[_near, _gain])


def the_aligner_trades_too(rows: Sequence[Row]) -> Verdict:
    """Z11: the Linear Aligner trades compute for data as well, and stays below at matched settings."""
    found = [
        difference(
            "Aligner: 1 % 120 times minus 20 % six times", _aligner_size(rows, 0.01, 120), _aligner_size(rows, 0.2, 6)
        ),
        difference("Zoom-shot minus Aligner at 20 %", _size(rows, 0.2, 1), _aligner_size(rows, 0.2, 6)),
        difference("Zoom-shot minus Aligner at 1 %, often", _size(rows, 0.01, 20), _aligner_size(rows, 0.01, 120)),
    ]
    right = difference("", _size(rows, 0.2, 1), tables(rows, "ZS Tab. 1", "linear_aligner_fixed")).estimate
    remark = f"; all with the Aligner as published; put right, Zoom-shot minus it at 20 % is {points(right)}"
    return _decide("Z11", rows, ALIGNER_SIZES[0], found, how=WITHIN, rule=[_near, _gain, _gain], remark=remark)


def target_images_help(rows: Sequence[Row]) -> Verdict:
    """Z12: unlabelled images of the target raise accuracy, above all on fine-grained sets."""
    item = "ZS Tab. 6"
    own, usual, mixed = (tables(rows, item, "zoom_shot", {"train": name}) for name in ("target", "ImageNet", "mixed"))
    gain = difference("target minus ImageNet", own, usual)
    groups = [_coarse(rows, coarse) for coarse in (False, True)]
    fine, coarse = (difference("", _only(own, names), _only(usual, names)) for names in groups)
    half = difference("", mixed, usual).estimate
    remark = (
        f"; {_wins(gain)}; half and half minus ImageNet {points(half)}; "
        f"fine-grained sets {points(fine.estimate)}, coarse ones {points(coarse.estimate)}"
    )
    return _decide("Z12", rows, item, [gain], how="top-1 accuracy at equal steps", remark=remark)


def rescaling_is_crucial(rows: Sequence[Row]) -> Verdict:
    """Z13: scaling both spaces to one variance is needed for quick convergence, with the rate chosen in both arms."""
    scaled = tables(rows, RESCALING, "zoom_shot", {"variance": "4.5", "rate": "chosen"})
    found = difference(
        "scaled minus unscaled", scaled, tables(rows, RESCALING, "zoom_shot", {"variance": "none", "rate": "chosen"})
    )
    same = difference(
        "", scaled, tables(rows, RESCALING, "zoom_shot", {"variance": "none", "rate": "of the scaled arm"})
    ).estimate
    how = "top-1 accuracy after one epoch, each arm at the rate chosen on validation sets"
    return _decide(
        "Z13", rows, RESCALING, [found], how=how, remark=f"; unscaled at the rate of the scaled arm: {points(same)}"
    )


CLAIMS: Mapping[str, Callable[[Sequence[Row]], Verdict]] = {
    "Z1": beats_the_aligner, "Z2": beats_clip, "Z3": forward_is_better, "Z4": reconstruction_is_needed,
    "Z5": cycle_helps, "Z6": distillation_does_not_help_alone, "Z7": all_is_best,
    "Z8": logits_beat_cross_entropy, "Z9": a_fifth_is_enough,
    "Z10": compute_replaces_data, "Z11": the_aligner_trades_too, "Z12": target_images_help, "Z13": rescaling_is_crucial,
}  # fmt: skip
