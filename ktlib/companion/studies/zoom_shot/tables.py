"""The twenty tables of Zoom-shot, one function for each kind; notebook 06 calls them in turn.

Every arm has a learning rate of its own, chosen on the validation sets, and every function returns rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean

from tqdm.auto import tqdm

from ktlib import store
from ktlib.companion.record.rows import Row, written
from ktlib.companion.scales import ZoomShot
from ktlib.companion.studies.zoom_shot import ALIGNER_SIZES, LOSSES, RATES, RESCALING, SIZES, WEIGHTS
from ktlib.companion.studies.zoom_shot.laboratory import (
    IMAGES,
    TEXTS,
    Answers,
    Laboratory,
    clip_itself,
    closed_form,
    linear_aligner,
    probe,
    zoom_shot,
)
from ktlib.companion.studies.zoom_shot.rates import widened
from ktlib.evaluate.intervals import Estimate, paired_bootstrap, wilson
from ktlib.linear_maps import DivergedError
from ktlib.zoom_shot import AlignerSettings, ZoomShotSettings

# The seven ways to combine the losses, as ZS Tab. 3 names them.
COMBINATIONS = {
    "MSE": (1.0, 0.0, 0.0),
    "MSE+PG-KD": (1.0, 0.0, 1.0),
    "MSE+CC": (1.0, 1.0, 0.0),
    "PG-KD": (0.0, 0.0, 1.0),
    "CC": (0.0, 1.0, 0.0),
    "CC+PG-KD": (0.0, 1.0, 1.0),
    "All": (1.0, 1.0, 1.0),
}

# How distillation may compare, in the rows' words (ZS Tab. 7 and 8; LM is `cosines`).
MATCHINGS: tuple[Mapping[str, str], ...] = (
    {"matching": "cosines"},
    {"matching": "softmax"},
    {"matching": "ht_ce", "temperature": "20"},
    {"matching": "ht_ce", "temperature": "5"},
)

Rates = Mapping[str, float]  # learning rate of each arm, by its name


@dataclass(frozen=True)
class Arm:
    """Something whose learning rate is chosen on its own, so that it is not handicapped by another's."""

    method: str
    varied: Mapping[str, str]
    settings: ZoomShotSettings | AlignerSettings

    @property
    def name(self) -> str:
        """What is varied; the method where nothing is."""
        return written(self.varied) or self.method


def arms(zoom: ZoomShot) -> list[Arm]:
    """All arms: the Linear Aligner, each combination of losses, each way to distil, and no rescaling."""
    alone = combination(zoom.settings, "PG-KD")
    return [
        Arm("linear_aligner", {}, zoom.aligner),
        *(Arm("zoom_shot", {"losses": name}, combination(zoom.settings, name)) for name in COMBINATIONS),
        *(Arm("zoom_shot", {"losses": "PG-KD"} | dict(how), matched(alone, how)) for how in MATCHINGS),
        Arm("zoom_shot", {"variance": "none"}, replace(zoom.settings, variance=None)),
    ]


def combination(settings: ZoomShotSettings, name: str) -> ZoomShotSettings:
    """Settings with one of the seven combinations of losses."""
    reconstruction, cycle, distillation = COMBINATIONS[name]
    return replace(settings, reconstruction=reconstruction, cycle=cycle, distillation=distillation)


def matched(settings: ZoomShotSettings, how: Mapping[str, str]) -> ZoomShotSettings:
    """Settings with one of the ways to distil."""
    return replace(settings, matching=how["matching"], temperature=float(how.get("temperature", settings.temperature)))


def choose_rates(lab: Laboratory, *, progress: bool = True) -> tuple[dict[str, float], list[Row]]:
    """The learning rate of each arm with the highest mean accuracy on the validation sets, all encoders together.

    The range of an arm whose best rate lies at its end is widened (D45). Where there are no validation sets there is
    nothing to choose: the scale's rate stands, and no row is written.

    Args:
        lab: the laboratory.
        progress: show a bar.
    """
    zoom = lab.scale.zoom_shot
    chosen: dict[str, float] = {}
    found: list[Row] = []
    for arm in tqdm(arms(zoom), desc=RATES, disable=not progress):
        if not lab.sets.validation:
            chosen[arm.name] = arm.settings.lr
            continue
        rates = zoom.aligner_rates if isinstance(arm.settings, AlignerSettings) else zoom.rates
        scores = widened(partial(_validated, lab, arm, found), rates, zoom.limits)
        chosen[arm.name] = max(scores, key=scores.__getitem__)
    return chosen, found


def _validated(lab: Laboratory, arm: Arm, found: list[Row], rate: float) -> float:
    """Mean accuracy of an arm at a rate on the validation sets; its rows are added to those found.

    Minus infinity, and no row, where a training diverges: such a rate is never chosen.
    """
    varied = {**arm.varied, "lr": f"{rate:g}"}
    reached, own = [], []
    for encoder in lab.encoders:
        try:
            answers = _trained(lab, encoder, replace(arm.settings, lr=rate))
        except DivergedError:
            return float("-inf")
        reached.append(answers.accuracy(lab.sets.validation))
        own += rows(lab, RATES, arm.method, answers, varied=varied, split="validation")
    found += own
    return fmean(reached)


def _trained(lab: Laboratory, encoder: str, settings: ZoomShotSettings | AlignerSettings) -> Answers:
    """Either method on the scale's share of the images, towards properly normalised CLIP features."""
    if isinstance(settings, AlignerSettings):
        return linear_aligner(lab, encoder, settings, raw=False)
    return zoom_shot(lab, encoder, settings)


def losses(lab: Laboratory, rates: Rates, *, progress: bool = True) -> dict[str, list[Row]]:
    """ZS Tab. 3 and 9 to 12: every combination of the losses, one item an encoder."""
    found: dict[str, list[Row]] = {}
    for item, encoder in _paired(LOSSES, lab, "losses", progress):
        found[item] = []
        for name in COMBINATIONS:
            settings = replace(combination(lab.scale.zoom_shot.settings, name), lr=rates[f"losses={name}"])
            answers = zoom_shot(lab, encoder, settings)
            found[item] += rows(lab, item, "zoom_shot", answers, varied={"losses": name})
    return found


def methods(lab: Laboratory, rates: Rates, *, progress: bool = True) -> dict[str, list[Row]]:
    """ZS Tab. 1 and 2: Zoom-shot and the Linear Aligner in CLIP's space, and texts in the encoder's, with controls."""
    one, two, zoom = "ZS Tab. 1", "ZS Tab. 2", lab.scale.zoom_shot
    own = clip_itself(lab)
    found = rows(lab, one, "clip", own) + rows(lab, one, "probe", probe(lab, lab.clip), metric="probe")
    back = []
    full = replace(zoom.settings, lr=rates["losses=All"])
    alone = replace(combination(zoom.settings, "MSE"), lr=rates["losses=MSE"])
    right = replace(zoom.aligner, bias_fix=True)
    for encoder in tqdm(lab.encoders, desc="methods", disable=not progress):
        exact, best = closed_form(lab, encoder), zoom_shot(lab, encoder, full)
        others = {
            "linear_aligner": linear_aligner(lab, encoder, zoom.aligner),
            "linear_aligner_fixed": linear_aligner(lab, encoder, right, raw=False),
            "linear_aligner_tuned": linear_aligner(lab, encoder, replace(right, lr=rates["linear_aligner"]), raw=False),
            "mse_adam": zoom_shot(lab, encoder, alone),
            "least_squares": exact,
        }
        for name, answers in (others | {"zoom_shot": best}).items():
            found += rows(lab, one, name, answers)
        found += rows(lab, one, "probe", probe(lab, encoder), metric="probe")
        found += gains(lab, one, "zoom_shot", best, others | {"clip": own})
        for name, answers in (("zoom_shot", best), ("mse_adam", others["mse_adam"]), ("least_squares", exact)):
            back += rows(lab, two, name, answers, varied={"mapping": TEXTS}, direction=TEXTS)
    return {one: found, two: back}


def sizes(lab: Laboratory, rates: Rates, *, progress: bool = True) -> dict[str, list[Row]]:
    """ZS Tab. 4, 13, 15, 17, 19 and 5, 14, 16, 18, 20: the share of the images against passes over it."""
    found: dict[str, list[Row]] = {}
    zoom = lab.scale.zoom_shot
    full = replace(zoom.settings, lr=rates["losses=All"])
    once, often = zoom.settings.epochs, zoom.aligner.epochs
    for item, encoder in _paired(SIZES, lab, "sizes", progress):
        found[item] = []
        for share, epochs in ((1.0, once), (0.2, once), (0.05, once), (0.01, once), (0.01, 20 * once)):
            answers = zoom_shot(lab, encoder, replace(full, epochs=epochs), share=share)
            varied = {"share": f"{share:g}", "epochs": f"{epochs}"}
            found[item] += rows(lab, item, "zoom_shot", answers, varied=varied)
    for item, encoder in _paired(ALIGNER_SIZES, lab, "sizes, Linear Aligner", progress):
        found[item] = []
        for share, epochs in ((1.0, often), (0.2, often), (0.01, often), (0.01, 20), (0.01, 20 * often)):
            answers = linear_aligner(lab, encoder, replace(zoom.aligner, epochs=epochs), share=share)
            varied = {"share": f"{share:g}", "epochs": f"{epochs}"}
            found[item] += rows(lab, item, "linear_aligner", answers, varied=varied)
    return found


def targets(lab: Laboratory, rates: Rates, *, progress: bool = True) -> list[Row]:
    """ZS Tab. 6: unlabelled images of the target, of ImageNet, and half and half, at equal steps."""
    item, zoom = "ZS Tab. 6", lab.scale.zoom_shot
    full = replace(zoom.settings, lr=rates["losses=All"])
    found = []
    for encoder in tqdm(lab.encoders, desc=item, disable=not progress):
        usual = zoom_shot(lab, encoder, full)
        for target in lab.sets.targets:
            settings = equal_steps(lab, full, target)
            for name, answers in (
                ("ImageNet", usual),
                ("target", zoom_shot(lab, encoder, settings, train=target)),
                ("mixed", zoom_shot(lab, encoder, settings, train=f"mixed: {target}")),
            ):
                every = rows(lab, item, "zoom_shot", answers, varied={"train": name})
                found += [row for row in every if row.subject == target]
    return found


def equal_steps(lab: Laboratory, settings: ZoomShotSettings, target: str) -> ZoomShotSettings:
    """Settings with as many passes over a target's images as make the steps of the usual training."""
    usual = lab.scale.zoom_shot.share * len(lab.sets.train)
    return replace(settings, epochs=max(1, round(settings.epochs * usual / len(lab.sets.targets[target]))))


def matchings(lab: Laboratory, rates: Rates, *, progress: bool = True) -> dict[str, list[Row]]:
    """ZS Tab. 7 and 8: how distillation compares, alone in both directions and inside the full loss."""
    settings = lab.scale.zoom_shot.settings
    full = replace(settings, lr=rates["losses=All"])
    found: dict[str, list[Row]] = {"ZS Tab. 7": [], "ZS Tab. 8": []}
    for encoder in tqdm(lab.encoders, desc="matchings", disable=not progress):
        for how in MATCHINGS:
            alone, inside = {"losses": "PG-KD"} | dict(how), {"losses": "All"} | dict(how)
            own = replace(combination(settings, "PG-KD"), lr=rates[written(alone)])
            answers = zoom_shot(lab, encoder, matched(own, how))
            found["ZS Tab. 7"] += rows(lab, "ZS Tab. 7", "zoom_shot", answers, varied=alone)
            found["ZS Tab. 8"] += rows(lab, "ZS Tab. 8", "zoom_shot", answers, varied=alone, direction=TEXTS)
            whole = zoom_shot(lab, encoder, matched(full, how))
            found["ZS Tab. 7"] += rows(lab, "ZS Tab. 7", "zoom_shot", whole, varied=inside)
    return found


def weights_of_distillation(lab: Laboratory, rates: Rates, *, progress: bool = True) -> list[Row]:
    """Reconstruction with distillation of several weights: whether some weight would have helped (Z6)."""
    settings = replace(combination(lab.scale.zoom_shot.settings, "MSE+PG-KD"), lr=rates["losses=MSE+PG-KD"])
    found = []
    for encoder in tqdm(lab.encoders, desc=WEIGHTS, disable=not progress):
        for weight in (0.1, 1.0, 10.0, 100.0):
            answers = zoom_shot(lab, encoder, replace(settings, distillation=weight))
            found += rows(lab, WEIGHTS, "zoom_shot", answers, varied={"weight": f"{weight:g}"})
    return found


def rescalings(lab: Laboratory, rates: Rates, *, progress: bool = True) -> list[Row]:
    """With and without one variance for both spaces (Z13), each arm at the rate chosen for it."""
    settings, found = lab.scale.zoom_shot.settings, []
    for encoder in tqdm(lab.encoders, desc=RESCALING, disable=not progress):
        for variance, rate, which in (
            (settings.variance, rates["losses=All"], "chosen"),
            (None, rates["variance=none"], "chosen"),
            (None, rates["losses=All"], "of the scaled arm"),
        ):
            answers = zoom_shot(lab, encoder, replace(settings, variance=variance, lr=rate))
            varied = {"variance": "none" if variance is None else f"{variance:g}", "rate": which}
            found += rows(lab, RESCALING, "zoom_shot", answers, varied=varied)
    return found


def _paired(items: Sequence[str], lab: Laboratory, title: str, progress: bool) -> Iterable[tuple[str, str]]:
    """Each item with the encoder it is about."""
    return tqdm(list(zip(items, lab.encoders, strict=False)), desc=title, disable=not progress)


# -- rows -------------------------------------------------------------------------------------------
def rows(
    lab: Laboratory,
    item: str,
    method: str,
    answers: Answers,
    *,
    varied: Mapping[str, str] | None = None,
    direction: str = IMAGES,
    split: str = "test",
    metric: str = "top1",
) -> list[Row]:
    """Top-1 accuracy on every set of a split for every seed, with Wilson's intervals.

    Args:
        lab: the laboratory.
        item: the item the rows stand beside.
        method, varied: what was done.
        answers: that it led to.
        direction: `h` or `h_inv`.
        split: `test` or `validation`.
        metric: `top1`, or `probe` for a classifier that was given labels.
    """
    made = partial(_row, lab, item, method, answers, varied=varied, split=split, metric=metric)
    found = []
    for name in lab.sets.tests if split == "test" else lab.sets.validation:
        if (direction, name) in answers.hits:
            seeds = [None] if answers.alike else lab.scale.seeds
            for seed, hits in zip(seeds, answers.hits[direction, name], strict=True):
                found.append(made(name, wilson(int(hits.sum()), len(hits)), n=len(hits), seed=seed))
    return found


def gains(
    lab: Laboratory,
    item: str,
    method: str,
    answers: Answers,
    others: Mapping[str, Answers],
    *,
    varied: Mapping[str, str] | None = None,
) -> list[Row]:
    """What one method gains over others on the same images: a paired bootstrap over the images of each set.

    Args:
        lab, item, method, answers, varied: as in `rows`.
        others: answers of others by name.
    """
    found = []
    for other, theirs in others.items():
        for name in lab.sets.tests:
            before, after = (a.hits[IMAGES, name].float().mean(0).tolist() for a in (theirs, answers))
            estimate = paired_bootstrap(before, after, resamples=1000)
            found.append(_row(lab, item, method, answers, name, estimate, n=len(after), varied=varied, over=other))
    return found


def _row(
    lab: Laboratory,
    item: str,
    method: str,
    answers: Answers,
    name: str,
    estimate: Estimate,
    *,
    n: int,
    seed: int | None = None,
    varied: Mapping[str, str] | None = None,
    over: str = "",
    split: str = "test",
    metric: str = "top1",
) -> Row:
    return Row(
        item=item,
        scale=lab.scale.name,
        dataset=lab.sets.dataset,
        model=answers.encoder,
        subject=name,
        method=method,
        varied=dict(varied or {}),
        metric=metric,
        over=over,
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        n=n,
        seed=seed,
        split=split,
        settings=store.key(*answers.parts)[:12],
        weights=lab.weights[answers.encoder],
    )
