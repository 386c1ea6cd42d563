"""Lesions are looked for before and after a course, and what is found is compared with the truth (KT Tab. 4 and 7).

A map costs a hundred passes, so what came of it is remembered, as transfers are. SAM's image encoder sees each image
once for all the models that are judged together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from ktlib.companion.cells import Cell, address, each
from ktlib.companion.record import baselines
from ktlib.companion.record.compare import at_the_end, smallest_best
from ktlib.companion.record.differences import paired
from ktlib.companion.record.rows import Row
from ktlib.companion.sources import Lesion
from ktlib.companion.studies.bench import Course, row
from ktlib.companion.studies.segmentation import COARSE, DECIDES, METRICS, SETTINGS, TABLE_4, looking
from ktlib.companion.studies.segmentation.instrument import Courses, Instrument, at
from ktlib.data.sets import MaskedImages
from ktlib.evaluate.intervals import Estimate, over_images
from ktlib.evaluate.overlap import Scores
from ktlib.evaluate.saliency import SaliencySettings
from ktlib.evaluate.segmentation import Choice
from ktlib.memory import belonging

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
    images, bare = own.images(lesion, split), _travelling(own)

    def file(some: MaskedImages, course: Course | None) -> Path:
        return own.subject.file("masks", "segmentation", _VERSION, own, some, lesion.prompt, settings, course)

    def sent(some: MaskedImages, course: Course | None) -> Callable[[], dict[str, Any]]:
        return partial(looking.alone, bare, lesion, some, course, settings)

    pieces = [Cell(file(some, None), sent(some, None)) for some in looking.shards(images)]
    spread = [course is None and len(pieces) > 1 for course in courses]  # what comes after a course is one piece
    paths = [file(images, course) for course in courses]
    waiting = [number for number, path in enumerate(paths) if not path.exists()]
    done: dict[int, dict[str, Any]] = {}

    def compute(number: int) -> dict[str, Any]:
        if number not in done:  # and those after it that are not known either
            some = [number, *(n for n in waiting if n > number and not spread[n])][:TOGETHER]
            results = looking.looked(own, lesion, images, [courses[n] for n in some], settings)
            done.update(zip(some, results, strict=True))
        return done[number]

    def cell(number: int) -> Cell:
        if spread[number]:
            return Cell(paths[number], partial(_together, pieces), spread=True)
        return Cell(paths[number], sent(images, courses[number]) if address() else partial(compute, number))

    cells = [cell(number) for number in range(len(courses))]
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
        baselines.check(measured(own, TABLE_4, "base", found.values()))
    return found


def _travelling(own: Instrument) -> Instrument:
    """The instrument as it goes to another machine, where there is one: what SAM has made of images stays here."""
    return replace(own, kept={}) if address() else own


def _together(pieces: Sequence[Cell]) -> dict[str, Any]:
    return dict(looking.together(each(pieces, progress=False)))


def _found(kept: Mapping[str, Any], images: MaskedImages, lesion: Lesion, split: str, *rest: Any) -> Found:
    fine, rough = looking.scored(kept["masks"]), looking.scored(kept["coarse"])
    return Found(fine, rough, kept["fell_back"], images, lesion, split, *rest)


def limits(own: Instrument, lesion: Lesion, split: str) -> dict[str, Found]:
    """What SAM makes of a box around the whole image and of the true box, as if a model had pointed there.

    It is looked at before the settings are chosen, and stands in `TABLE_4`: memory that ran out is said there.

    Args:
        own: what outlines.
        lesion: what is to be outlined.
        split: `validation` or `test`.
    """
    images = own.images(lesion, split)

    def cell(some: MaskedImages) -> Cell:
        return Cell(
            own.subject.file("masks", "limits", _VERSION, own.outlines, some),
            partial(looking.bounded, _travelling(own), some),
        )

    pieces, whole = [cell(some) for some in looking.shards(images)], cell(images)
    if len(pieces) > 1:
        whole = replace(whole, compute=partial(_together, pieces), spread=True)
    with belonging(TABLE_4):
        kept = each([whole], progress=False)[0]
    found = {what: looking.scored(one) for what, one in kept.items()}
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
    return choices(own, lesion, [course], rule=rule)[0]


def choices(
    own: Instrument, lesion: Lesion, courses: Sequence[Course | None], *, rule: str = "validation"
) -> list[Choice]:
    """A choice for the model after each of some courses; before any, each pair of beta and layer is a piece of work.

    Args:
        own: what looks.
        lesion: what is looked for.
        courses: whose models search; None for none.
        rule: as in `choice`.
    """
    images, here = own.images(lesion, "validation"), own.here
    cells = []
    for course in courses:

        def cell(betas: Sequence[float], layers: Sequence[int], course: Course | None = course) -> Cell:
            parts = (own, images, lesion.prompt, here.maps, tuple(betas), tuple(layers), rule)
            work = partial(looking.chosen, _travelling(own), lesion, images, betas, layers, rule, course)
            return Cell(own.subject.file("masks", "choice", _VERSION, *parts, course), work)

        whole = cell(here.betas, here.layers)
        pairs = [cell((beta,), (layer,)) for layer in here.layers for beta in here.betas]
        if course is None and rule == "validation" and len(pairs) > 1:  # the other rule looks at three images
            whole = replace(whole, compute=partial(_best, pairs), spread=True)
        cells.append(whole)
    return [looking.choice_of(here.maps, rule, kept["cells"]) for kept in each(cells, progress=False)]


def _best(pairs: Sequence[Cell]) -> dict[str, Any]:
    return {"cells": looking.marked([kept["cells"][0][:3] for kept in each(pairs, progress=False)])}


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
    pairs = paired(before, after)
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
