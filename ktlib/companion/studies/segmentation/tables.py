"""Lesions are looked for before and after a course, and what is found is compared with the truth (KT Tab. 4 and 7).

A map costs a hundred passes, so what came of it is remembered, as transfers are. SAM's image encoder sees each image
once for all the models that are judged together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch

from ktlib.companion.cells import Cell, address, each
from ktlib.companion.record import baselines
from ktlib.companion.record.compare import at_the_end, smallest_best
from ktlib.companion.record.rows import Row
from ktlib.companion.sources import Lesion
from ktlib.companion.studies.bench import Course, row
from ktlib.companion.studies.segmentation import COARSE, DECIDES, METRICS, SETTINGS
from ktlib.companion.studies.segmentation.instrument import Courses, Instrument, at, taught
from ktlib.data.sets import MaskedImages
from ktlib.evaluate.intervals import Estimate, over_images
from ktlib.evaluate.overlap import Scores, joined, scores
from ktlib.evaluate.saliency import SaliencySettings
from ktlib.evaluate.segmentation import Choice, bounds, choose, segment
from ktlib.store import remembered

_VERSION = 1  # raise it when the same settings give other masks
TOGETHER = 8  # models that are held at once, in one process


@dataclass(frozen=True)
class Found:
    """What a model found in the images of a split.

    Attributes:
        masks: scores of SAM's masks.
        coarse: scores of what the maps point at.
        fell_back: how many maps had no brighter part, so that the box was the whole image.
        images: that were looked at.
        lesion: that was looked for.
        split: `validation` or `test`.
        settings: of the maps.
        course: what the model had been taught; None before.
        varied: what else was varied, for the rows.
    """

    masks: Scores
    coarse: Scores
    fell_back: int
    images: MaskedImages
    lesion: Lesion
    split: str
    settings: SaliencySettings | None
    course: Course | None = None
    varied: Mapping[str, str] = field(default_factory=dict)

    def of(self, metric: str) -> list[float]:
        """A metric's value for every image that has something to find."""
        return self.coarse.of(DECIDES) if metric == COARSE else self.masks.of(metric)

    @property
    def units(self) -> list[int]:
        """The patient of every such image; none where each stands alone."""
        there = (~self.masks.nothing).tolist()
        return (
            [unit for unit, something in zip(self.images.units, there, strict=True) if something]
            if self.patients
            else []
        )

    @property
    def patients(self) -> bool:
        """Whether images come from patients who have several."""
        return bool(self.images.units)

    @property
    def told(self) -> dict[str, str]:
        """What the rows say was varied: the rate, and how many images could not be used."""
        own = {"lr": f"{self.course.recipe.lr:g}"} if self.course else {}
        lost = len(self.images.left_out) + self.masks.left_out
        return own | dict(self.varied) | ({"left_out": f"{lost}"} if lost else {})


Seeds = Mapping[int, Found]


# -- what is found ----------------------------------------------------------------------------------------
def look(
    own: Instrument,
    lesion: Lesion,
    split: str,
    courses: Sequence[Course | None],
    settings: SaliencySettings,
    *,
    varied: Mapping[str, str] | None = None,
    progress: bool = True,
) -> list[Found]:
    """What the model finds after each of some courses, in the images of a split.

    Args:
        own: what looks and what outlines.
        lesion: what is looked for, by its prompt.
        split: `validation` or `test`.
        courses: taken before, each from the untouched model; None for none.
        settings: of the maps.
        varied: what else was varied, for the rows.
        progress: show a bar.
    """
    images = own.images(lesion, split)
    parts = ("segmentation", _VERSION, own, images, lesion.prompt, settings)
    paths = [own.subject.file("masks", *parts, course) for course in courses]
    waiting = [number for number, path in enumerate(paths) if not path.exists()]
    done: dict[int, dict[str, Any]] = {}

    def compute(number: int) -> dict[str, Any]:
        if number not in done:  # and those after it that are not known either
            some = [number, *(other for other in waiting if other > number)][:TOGETHER]
            done.update(zip(some, _look(own, lesion, images, [courses[n] for n in some], settings), strict=True))
        return done[number]

    bare = replace(own, kept={})  # what SAM has made of images stays here
    computes = [
        partial(_alone, bare, lesion, images, course, settings) if address() else partial(compute, number)
        for number, course in enumerate(courses)
    ]
    cells = [Cell(path, one) for path, one in zip(paths, computes, strict=True)]
    found = each(cells, desc=f"{lesion.name}, {split}", progress=progress and bool(waiting))
    return [
        _found(one, images, lesion, split, settings, course, varied or {})
        for one, course in zip(found, courses, strict=True)
    ]


def untouched(own: Instrument, split: str, settings: Mapping[str, SaliencySettings]) -> dict[str, Found]:
    """What the model finds of each lesion before any course.

    Args:
        own: what looks and what outlines.
        split: `validation` or `test`.
        settings: of the maps, by the lesion's name.
    """
    found = {one.name: look(own, one, split, [None], settings[one.name])[0] for one in own.lesions}
    if own.subject.scale.name == baselines.SCALE and split == "test":
        baselines.check(measured(own, "KT Tab. 4", "base", found.values()))
    return found


def _alone(
    own: Instrument, lesion: Lesion, images: MaskedImages, course: Course | None, settings: SaliencySettings
) -> dict[str, Any]:
    """The scores after one course, on a machine that has no others to hold beside it."""
    return _look(own, lesion, images, [course], settings)[0]


def _look(
    own: Instrument,
    lesion: Lesion,
    images: MaskedImages,
    courses: Sequence[Course | None],
    settings: SaliencySettings,
) -> list[dict[str, Any]]:
    """Scores image by image, as JSON keeps them: every image is embedded once for all models."""
    models = [taught(own.model, course) for course in courses]
    fine: list[list[Scores]] = [[] for _ in models]
    rough: list[list[Scores]] = [[] for _ in models]
    fell_back = [0] * len(models)
    for batch in own.batches(images):
        for number, model in enumerate(models):
            found = segment(
                model, own.segmenter, batch.images, lesion.prompt, settings=settings, embeddings=batch.embeddings
            )
            fine[number].append(scores(found.masks, batch.truths))
            rough[number].append(scores(found.coarse.masks, batch.truths))
            fell_back[number] += int(found.coarse.fell_back.sum())
    return [
        {"masks": _kept(joined(a)), "coarse": _kept(joined(b)), "fell_back": back}
        for a, b, back in zip(fine, rough, fell_back, strict=True)
    ]


def _kept(one: Scores) -> dict[str, Any]:
    return {"values": {m: v.tolist() for m, v in one.values.items()}, "nothing": one.nothing.tolist()}


def _scores(kept: Mapping[str, Any]) -> Scores:
    return Scores({m: torch.tensor(v) for m, v in kept["values"].items()}, torch.tensor(kept["nothing"]))


def _found(kept: Mapping[str, Any], images: MaskedImages, lesion: Lesion, split: str, *rest: Any) -> Found:
    fine, rough = _scores(kept["masks"]), _scores(kept["coarse"])
    return Found(fine, rough, kept["fell_back"], images, lesion, split, *rest)


def limits(own: Instrument, lesion: Lesion, split: str) -> dict[str, Found]:
    """What SAM makes of a box around the whole image and of the true box, as if a model had pointed there.

    Args:
        own: what outlines.
        lesion: what is to be outlined.
        split: `validation` or `test`.
    """
    images = own.images(lesion, split)
    path = own.subject.file("masks", "limits", _VERSION, own.outlines, images)

    def compute() -> dict[str, Any]:
        return {what: _kept(one) for what, one in bounds(own.segmenter, own.batches(images)).items()}

    found = {what: _scores(kept) for what, kept in remembered(path, compute).items()}
    return {what: Found(one, one, 0, images, lesion, split, None) for what, one in found.items()}


# -- beta and layer -----------------------------------------------------------------------------------------
def choice(own: Instrument, lesion: Lesion, *, rule: str = "validation", course: Course | None = None) -> Choice:
    """Beta and layer for a lesion, chosen on validation images.

    Args:
        own: what looks.
        lesion: what is looked for.
        rule: `validation`, with the model before any course, for all of them; or `published`, a search of each model.
        course: whose model searches, for the published rule.
    """
    images, here = own.images(lesion, "validation"), own.here
    parts = (own, images, lesion.prompt, here.maps, here.betas, here.layers, rule)
    path = own.subject.file("masks", "choice", _VERSION, *parts, course)

    def compute() -> dict[str, Any]:
        found = choose(
            taught(own.model, course), own.batches(images, embed=False), lesion.prompt, settings=here.maps,
            betas=here.betas, layers=here.layers, rule=rule,
        )  # fmt: skip
        best = (found.settings.beta, found.settings.layer)
        return {"cells": [[*cell, list(each), cell == best] for cell, each in found.each.items()]}

    cells = remembered(path, compute)["cells"]
    (beta, layer) = next((beta, layer) for beta, layer, _, best in cells if best)
    settings = SaliencySettings(**(vars(here.maps) | {"beta": beta, "layer": layer}))
    return Choice(settings, rule, {(beta, layer): tuple(each) for beta, layer, each, _ in cells})


def of_choice(own: Instrument, lesion: Lesion, found: Choice) -> list[Row]:
    """Rows of what each beta and layer scored on validation images.

    Args:
        own: what looked.
        lesion: what was looked for.
        found: from `choice`, by the rule `validation`.
    """
    images = own.images(lesion, "validation")
    return [
        row(
            own.subject, SETTINGS, "base", COARSE, over_images([list(each)]), split="validation", n=len(each),
            about=lesion.name, dataset=images.name, varied={"beta": f"{beta:g}", "layer": f"{layer}"},
            used=(found.settings,),
        )
        for (beta, layer), each in found.each.items()
    ]  # fmt: skip


# -- the learning rate --------------------------------------------------------------------------------------
def tried(
    own: Instrument, lesion: Lesion, split: str, courses: Courses, seeds: Iterable[int], settings: SaliencySettings
) -> dict[float, dict[int, Found]]:
    """What is found after the courses of a lesion at every learning rate of the scale.

    Args:
        own: what looks and what outlines.
        lesion: what is looked for.
        split: `validation` or `test`.
        courses: of an arm, from `instrument.courses`.
        seeds: which of them; those that the arm lacks are left out.
        settings: of the maps.
    """
    jobs = [(r, s) for r in own.subject.teaching.rates for s in seeds if (lesion.name, s) in courses]
    done = look(own, lesion, split, [at(courses[lesion.name, s], r) for r, s in jobs], settings)
    found: dict[float, dict[int, Found]] = {}
    for (rate, seed), one in zip(jobs, done, strict=True):
        found.setdefault(rate, {})[seed] = one
    return found


def choose_rate(found: Mapping[float, Seeds]) -> float:
    """The rate with the highest mean DSC; the smallest of equals.

    Args:
        found: on validation images, from `tried`.

    Source: ours (D73): KT picks the best rate of each task on its test images.
    """
    worth = {rate: _mean(one.values(), DECIDES) for rate, one in found.items()}
    return smallest_best(worth, within=1e-6)  # scores have seven digits


def _mean(found: Iterable[Found], metric: str) -> float:
    values = [value for one in found for value in one.of(metric)]
    return sum(values) / len(values)


def ends(own: Instrument, chosen: Mapping[tuple[str, str], float]) -> list[str]:
    """Which arms are best at the end of what was tried, so that more might be better still: a sentence each.

    Args:
        own: whose rates were tried.
        chosen: by the lesion's name and arm.
    """
    return [
        f"{name}, {method}: the {end} rate that was tried, {rate:g}"
        for (name, method), rate in chosen.items()
        if (end := at_the_end(rate, own.subject.teaching.rates))
    ]


# -- rows -----------------------------------------------------------------------------------------------
def measured(own: Instrument, item: str, method: str, found: Iterable[Found]) -> list[Row]:
    """Rows of every metric, with intervals over images.

    Args:
        own: whose they are.
        item, method: for the rows.
        found: any.
    """
    return [
        _row(own, item, method, metric, over_images([one.of(metric)], units=one.units), one, seed=_seed(one))
        for one in found
        for metric in METRICS
    ]


def changes(own: Instrument, item: str, method: str, after: Seeds, before: Found | Seeds, *, over: str) -> list[Row]:
    """Rows of `after - before` for every metric: paired by image, intervals over images and seeds.

    Args:
        own: whose they are.
        item, method: for the rows.
        after: by seed.
        before: one, or one for each seed of `after`.
        over: what `before` is: `base`, or another method.

    Raises:
        ValueError: other images, or a seed that `before` lacks.
    """
    if not isinstance(before, Found) and (alone := sorted(set(after) - set(before))):
        raise ValueError(f"expected the same seeds before and after, found none before of {alone}")
    pairs = [(before if isinstance(before, Found) else before[seed], one) for seed, one in after.items()]
    if len({one.images.digest for pair in pairs for one in pair}) > 1:
        raise ValueError("expected the same images before and after, found others: look at the same split")
    first = next(iter(after.values()))
    rows = []
    for metric in METRICS:
        table = [[a - b for a, b in zip(more.of(metric), less.of(metric), strict=True)] for less, more in pairs]
        rows.append(_row(own, item, method, metric, over_images(table, units=first.units), first, over=over))
    return rows


def compared(
    own: Instrument, item: str, before: Found, found: Mapping[str, Seeds], pairs: Iterable[tuple[str, str]]
) -> list[Row]:
    """Rows of the untouched model, of every method, and of their differences.

    Args:
        own: whose they are.
        item: for the rows.
        before: what the untouched model found.
        found: by method and seed.
        pairs: methods, and what each is set against: `base` or another; what was not taught is left out.
    """
    rows = measured(own, item, "base", [before])
    there = [(method, over) for method, over in pairs if method in found and over in ("base", *found)]
    for method in dict.fromkeys(method for method, _ in there):
        rows += measured(own, item, method, found[method].values())
    for method, over in there:
        rows += changes(own, item, method, found[method], before if over == "base" else found[over], over=over)
    return rows


def _seed(one: Found) -> int | None:
    return one.course.seed if one.course else None


def _row(
    own: Instrument,
    item: str,
    method: str,
    metric: str,
    estimate: Estimate,
    one: Found,
    *,
    over: str = "",
    seed: int | None = None,
) -> Row:
    used = (one.settings, own.outlines, *(one.course.used if one.course else ()))
    return row(
        own.subject, item, method, metric, estimate, split=one.split, n=len(one.of(metric)), about=one.lesion.name,
        seed=seed, dataset=one.images.name, over=over, varied=one.told, used=used,
    )  # fmt: skip
