"""The claims of Zoom-shot, one function each; `record.judging` says how they are judged.

A test set stands where a concept stands in Knowledge Transfer: differences in top-1 accuracy are paired by
set and seed and averaged over the encoders; sets and seeds are crossed, for the same order and subset meet every
set. The margins (D26) were fixed before a map was scored on one: a gain in mean accuracy below one point is none, and
two settings are equally good within two points. Those of D43 came after.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from statistics import fmean

from ktlib.companion.record import differences, published
from ktlib.companion.record.compare import only, rows_of, scores
from ktlib.companion.record.differences import Contrast, Difference, Table
from ktlib.companion.record.judging import Verdict, above, at_most, decide, points, within
from ktlib.companion.record.rows import Row, select, written
from ktlib.companion.scales import scale as scale_of
from ktlib.companion.sources import Kind, kinds
from ktlib.companion.studies.zoom_shot import ALIGNER_SIZES, LOSSES, RESCALING, SIZES, WEIGHTS

MARGIN = 0.01  # a smaller gain in mean top-1 accuracy is none: ours (D26)
NEAR = 0.02  # "about as good", "nearly matches": ZS prints differences of up to 2.1 points: ours (D26)
NOTHING = 0.1  # "learns almost nothing": no more than this above chance: ours (D26)
NEARLY = 0.8  # "nearly every" cell: four in five; ZS, Tab. 1 has 38 of 45: ours (D43)
SETS = 4  # fewer sets decide nothing; the paper has four coarse ones, and there are no more to be had: ours (D43)

Scores = Mapping[str, Table]  # of each encoder, set and seed
GAIN, ANY, AS_GOOD = above(MARGIN), above(None), within(NEAR)
WITHIN = f"top-1 accuracy, equal within {100 * NEAR:g} points"

_top1 = partial(scores, metric="top1")
_decide = partial(decide, how="top-1 accuracy", rule=GAIN, metric="top1", things="sets", least=SETS)
difference = partial(differences.difference, crossed=True)


def _kinds(rows: Sequence[Row]) -> Mapping[str, Kind]:
    return kinds(scale_of(rows[0].scale).zoom_shot.sets)


def _coarse(rows: Sequence[Row], coarse: bool = True) -> list[str]:
    return [name for name, kind in _kinds(rows).items() if kind.coarse == coarse]


# -- one function a claim ---------------------------------------------------------------------------
def beats_the_aligner(rows: Sequence[Row]) -> Verdict:
    """Z1: higher accuracy than the Linear Aligner, as published and put right, in nearly every cell."""
    item = "ZS Tab. 1"
    own, right = _top1(rows, item, "zoom_shot"), _top1(rows, item, "linear_aligner_fixed")
    arms = ("linear_aligner", "linear_aligner_fixed")
    found = [difference(f"Zoom-shot minus {name}", own, _top1(rows, item, name)) for name in arms]
    won = _won(own, right)
    every: Scores = {model: {name: {None: NEARLY} for name in table} for model, table in won.items()}
    found.append(difference(f"cells won against {arms[1]} minus {100 * NEARLY:g} %", won, every))
    cells = [share for table in won.values() for seeds in table.values() for share in seeds.values()]
    controls = []
    for name in ("linear_aligner_tuned", "mse_adam", "least_squares"):
        control = difference(name, own, _top1(rows, item, name))
        controls.append(f"{name} {points(control.estimate)} (ahead on {control.ahead} sets)")
    remark = (
        f"; {sum(cells):g} of {len(cells)} cells (encoder and set) won against {arms[1]}; "
        f"Zoom-shot minus the controls: {', '.join(controls)}"
    )
    return _decide("Z1", rows, item, found, rule=[GAIN, GAIN, ANY], remark=remark)


def _won(one: Scores, other: Scores) -> Scores:
    """1 for each encoder and set where one is ahead in the mean over seeds, else 0."""
    return {
        model: {
            name: {None: float(fmean(seeds.values()) > fmean(other[model][name].values()))}
            for name, seeds in table.items()
        }
        for model, table in one.items()
    }


def beats_clip(rows: Sequence[Row]) -> Verdict:
    """Z2: the strongest encoder, mapped, beats CLIP itself on coarse sets."""
    item, here = "ZS Tab. 1", scale_of(rows[0].scale).zoom_shot
    coarse = _coarse(rows)

    def of(model: str, method: str, metric: str = "top1") -> Scores:
        return {here.strongest: only(scores(rows, item, method, metric=metric), coarse)[model]}

    found = difference(f"{here.strongest} mapped minus CLIP", of(here.strongest, "zoom_shot"), of(here.clip, "clip"))
    probed = difference("", of(here.strongest, "probe", "probe"), of(here.clip, "probe", "probe")).estimate
    remark = (
        f"; ahead on {found.ahead} sets; given labels, and where there is a target, it beats CLIP's image tower by "
        f"{points(probed)}"
    )
    return _decide("Z2", rows, item, [found], how="top-1 accuracy on coarse sets", remark=remark)


def forward_is_better(rows: Sequence[Row]) -> Verdict:
    """Z3: images into CLIP's space beats texts into the encoder's."""
    forward, back = "ZS Tab. 1", "ZS Tab. 2"

    def gap(method: str) -> Difference:
        return difference("h minus h⁻¹", _top1(rows, forward, method), _top1(rows, back, method))

    controls = ", ".join(f"{name} {points(gap(name).estimate)}" for name in ("mse_adam", "least_squares"))
    remark = f"; the same of maps without the multimodal losses: {controls}"
    return _decide("Z3", rows, back, [gap("zoom_shot")], remark=remark)


def _losses(rows: Sequence[Row], name: str) -> Scores:
    return _top1(rows, LOSSES, "zoom_shot", losses=name)


def reconstruction_is_needed(rows: Sequence[Row]) -> Verdict:
    """Z4: without reconstruction almost nothing is learnt."""
    mse, found = _losses(rows, "MSE"), []
    for name in ("CC", "PG-KD", "CC+PG-KD"):
        found += [difference(f"MSE minus {name}", mse, _losses(rows, name)), _nothing(rows, name)]
    return _decide("Z4", rows, LOSSES[0], found, rule=[GAIN, ANY] * 3)


def _nothing(rows: Sequence[Row], name: str) -> Difference:
    """How far a combination of losses stays below what counts as almost nothing above chance."""
    known, own = _kinds(rows), _losses(rows, name)
    chance: Scores = {
        model: {one: dict.fromkeys(seeds, 1 / known[one].classes) for one, seeds in table.items()}
        for model, table in own.items()
    }
    above_chance = difference("", own, chance)
    return above_chance.below(NOTHING, f"{100 * NOTHING:g} points minus what {name} has above chance")


def cycle_helps(rows: Sequence[Row]) -> Verdict:
    """Z5: reconstruction with cycle consistency beats reconstruction alone."""
    own = _losses(rows, "MSE+CC")
    found = difference("MSE+CC minus MSE", own, _losses(rows, "MSE"))
    exact = difference("", own, _top1(rows, "ZS Tab. 1", "least_squares")).estimate
    remark = f"; ahead on {found.ahead} sets; minus least squares {points(exact)}"
    return _decide("Z5", rows, LOSSES[0], [found], remark=remark)


def distillation_does_not_help_alone(rows: Sequence[Row]) -> Verdict:
    """Z6: distillation alone is poor, and at no weight clearly helps reconstruction."""
    mse = _losses(rows, "MSE")
    alone = difference("MSE minus PG-KD", mse, _losses(rows, "PG-KD"))
    weights = sorted({row.varied["weight"] for row in rows_of(rows, WEIGHTS, "zoom_shot")}, key=float)
    gains = [
        difference(f"MSE+PG-KD (weight={w}) minus MSE", _top1(rows, WEIGHTS, "zoom_shot", weight=w), mse)
        for w in weights
    ]
    found, rules = [alone, _nothing(rows, "PG-KD"), *gains], [GAIN, ANY, *[at_most(MARGIN)] * len(gains)]
    return _decide("Z6", rows, LOSSES[0], found, rule=rules)


def all_is_best(rows: Sequence[Row]) -> Verdict:
    """Z7: all three losses beat every other combination, by what is printed over the runner-up or more."""
    own = _losses(rows, "All")
    printed = _printed_average(rows, LOSSES, "All") - _printed_average(rows, LOSSES, "MSE+CC")
    found = [difference(f"All minus {name}", own, _losses(rows, name)) for name in ("MSE+CC", "MSE+PG-KD", "MSE")]
    how = f"top-1 accuracy, a gain wholly below the printed {100 * printed:.2f} points over MSE+CC is none"
    return _decide("Z7", rows, LOSSES[0], found, how=how, rule=above(printed))


def _printed_average(rows: Sequence[Row], items: Sequence[str], variant: str) -> float:
    """Mean over encoders of what the paper prints as the average over sets, a fraction.

    Where some of its sets were measured and not all, of what it prints for those.
    """
    numbers = [n for item in items for n in published.numbers(item) if n.variant == variant]
    sets = {n.dataset for n in numbers} - {"Average"}
    there = sets & {row.subject for row in rows}
    meant = there if there and there != sets else {"Average"}
    return fmean(float(n.printed) for n in numbers if n.dataset in meant) / 100


def logits_beat_cross_entropy(rows: Sequence[Row]) -> Verdict:
    """Z8: for distillation, matching logits beats cross-entropy at a high temperature, in both directions."""

    def gap(item: str, losses: str, name: str = "") -> Difference:
        matched = _top1(rows, item, "zoom_shot", losses=losses, matching="cosines")
        return difference(
            name, matched, _top1(rows, item, "zoom_shot", losses=losses, matching="ht_ce", temperature=20)
        )

    directions = (("ZS Tab. 7", "h"), ("ZS Tab. 8", "h⁻¹"))
    found = [gap(item, "PG-KD", f"LM minus HT-CE, {direction}") for item, direction in directions]
    alone: dict[str, list[float]] = {}
    for row in select(rows_of(rows, "ZS Tab. 7", "zoom_shot", losses="PG-KD"), metric="top1"):
        how = written({name: value for name, value in row.varied.items() if name != "losses"})
        alone.setdefault(how.removeprefix("matching="), []).append(row.value)
    means = ", ".join(f"{how} {100 * fmean(values):.1f} %" for how, values in sorted(alone.items()))
    inside = points(gap("ZS Tab. 7", "All").estimate)
    read = _literally(rows, directions)
    remark = f"; inside the full loss, h: {inside}; means of distillation alone, h: {means}{read}"
    return _decide("Z8", rows, "ZS Tab. 7", found, remark=remark)


def _literally(rows: Sequence[Row], directions: Sequence[tuple[str, str]]) -> str:
    """The L1 distance of probabilities, as ZS writes it, minus cross-entropy, beside the printed gap; or nothing."""
    parts = []
    for item, direction in directions:
        if any(row.varied.get("matching") == "softmax" for row in select(rows, item=item)):
            own = _top1(rows, item, "zoom_shot", losses="PG-KD", matching="softmax")
            other = _top1(rows, item, "zoom_shot", losses="PG-KD", matching="ht_ce", temperature=20)
            printed = _printed_average(rows, [item], "LM") - _printed_average(rows, [item], "HT-CE")
            parts.append(f"{direction} {points(difference('', own, other).estimate)} (printed {points(printed)})")
    return f"; read literally (softmax), LM minus HT-CE: {', '.join(parts)}" if parts else ""


def _size(rows: Sequence[Row], share: float, epochs: int) -> Scores:
    return _top1(rows, SIZES, "zoom_shot", share=share, epochs=epochs)


def _aligner_size(rows: Sequence[Row], share: float, epochs: int) -> Scores:
    return _top1(rows, ALIGNER_SIZES, "linear_aligner", share=share, epochs=epochs)


def a_fifth_is_enough(rows: Sequence[Row]) -> Verdict:
    """Z9: 20 % of the images are about as good as all; fewer are worse."""
    fifth = _size(rows, 0.2, 1)
    found = [
        difference("20 % minus 100 %", fifth, _size(rows, 1, 1)),
        difference("20 % minus 5 %", fifth, _size(rows, 0.05, 1)),
    ]
    return _decide("Z9", rows, SIZES[0], found, how=WITHIN, rule=[AS_GOOD, GAIN])


def compute_replaces_data(rows: Sequence[Row]) -> Verdict:
    """Z10: 1 % twenty times nearly matches 20 % once, and beats 1 % once."""
    often = _size(rows, 0.01, 20)
    found = [
        difference("1 % twenty times minus 20 % once", often, _size(rows, 0.2, 1)),
        difference("1 % twenty times minus 1 % once", often, _size(rows, 0.01, 1)),
    ]
    return _decide("Z10", rows, SIZES[0], found, how=WITHIN, rule=[AS_GOOD, GAIN])


def the_aligner_trades_too(rows: Sequence[Row]) -> Verdict:
    """Z11: the Linear Aligner trades compute for data as well, and stays below at matched settings."""
    often, usual, own = _aligner_size(rows, 0.01, 120), _aligner_size(rows, 0.2, 6), _size(rows, 0.2, 1)
    found = [
        difference("Aligner: 1 % 120 times minus 20 % six times", often, usual),
        difference("Zoom-shot minus Aligner at 20 %", own, usual),
        difference("Zoom-shot minus Aligner at 1 %, often", _size(rows, 0.01, 20), often),
    ]
    right = _top1(rows, "ZS Tab. 1", "linear_aligner_fixed")
    found.append(difference("Zoom-shot minus Aligner put right, at 20 %", own, right))
    return _decide("Z11", rows, ALIGNER_SIZES[0], found, how=WITHIN, rule=[AS_GOOD, GAIN, GAIN, GAIN])


def target_images_help(rows: Sequence[Row]) -> Verdict:
    """Z12: unlabelled images of the target raise accuracy, above all on fine-grained sets."""
    item = "ZS Tab. 6"
    own, usual, mixed = (_top1(rows, item, "zoom_shot", train=name) for name in ("target", "ImageNet", "mixed"))
    gain = difference("target minus ImageNet", own, usual)
    groups = [_coarse(rows, coarse) for coarse in (False, True)]
    fine, coarse = (difference("", only(own, names), only(usual, names)) for names in groups)
    more = Contrast("gain on fine-grained sets minus gain on coarse ones", fine, coarse)
    half = difference("", mixed, usual).estimate
    remark = (
        f"; ahead on {gain.ahead} sets; half and half minus ImageNet {points(half)}; "
        f"fine-grained sets {points(fine.estimate)}, coarse ones {points(coarse.estimate)}"
    )
    return _decide("Z12", rows, item, [gain, more], how="top-1 accuracy at equal steps", remark=remark)


def rescaling_is_crucial(rows: Sequence[Row]) -> Verdict:
    """Z13: scaling both spaces to one variance is needed for quick convergence, with the rate chosen in both arms."""
    scaled, unscaled, same = (
        _top1(rows, RESCALING, "zoom_shot", variance=variance, rate=rate)
        for variance, rate in (("4.5", "chosen"), ("none", "chosen"), ("none", "of the scaled arm"))
    )
    found = difference("scaled minus unscaled", scaled, unscaled)
    how = "top-1 accuracy after one epoch, each arm at the rate chosen on validation sets"
    remark = f"; unscaled at the rate of the scaled arm: {points(difference('', scaled, same).estimate)}"
    return _decide("Z13", rows, RESCALING, [found], how=how, remark=remark)


CLAIMS: Mapping[str, Callable[[Sequence[Row]], Verdict]] = {
    "Z1": beats_the_aligner, "Z2": beats_clip, "Z3": forward_is_better, "Z4": reconstruction_is_needed,
    "Z5": cycle_helps, "Z6": distillation_does_not_help_alone, "Z7": all_is_best,
    "Z8": logits_beat_cross_entropy, "Z9": a_fifth_is_enough,
    "Z10": compute_replaces_data, "Z11": the_aligner_trades_too, "Z12": target_images_help, "Z13": rescaling_is_crucial,
}  # fmt: skip
