"""The five findings, all at once, for models that have never seen a film (KT v1, Tab. 3).

A pocket CLIP was pretrained several times; a *trial* is one pretraining with one seed of inversion and transfer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from ktlib.companion.cells import Cell, each
from ktlib.companion.record import baselines
from ktlib.companion.record.compare import smallest_best
from ktlib.companion.record.rows import Row
from ktlib.companion.studies import bench
from ktlib.companion.studies.bench import ARMS, Course, Fold, Lesson, Subject, row
from ktlib.companion.studies.medclip import TABLE_3
from ktlib.companion.studies.medclip.films import Hits, compared, groups, labels, lost
from ktlib.data.sets import Examination
from ktlib.evaluate.intervals import Estimate, wilson
from ktlib.transfer import named_caption

NAMES = "names"  # a bare name for a class prompt, where classes have phrases of their own
VALIDATION, FIRST_VALIDATION = 20, 200  # films of each finding to choose on, from a stream that no lesson reaches
_VERSION = 1  # raise it when the same settings give other namings


@dataclass(frozen=True)
class Trial:
    """One pretraining and one seed.

    Attributes:
        number: for the rows, and the seed of inversion and transfer.
        fold: the pretraining.
    """

    number: int
    fold: Fold


@dataclass(frozen=True)
class Named:
    """What a model takes films for.

    Attributes:
        taken: for each split and kind of prompts the place of the name that each film is given.
        trial: whose model.
        course: what it had been taught; None before.
    """

    taken: Mapping[str, Mapping[str, Sequence[int]]]
    trial: Trial
    course: Course | None = None

    @property
    def varied(self) -> dict[str, str]:
        """For the rows."""
        return {"lr": f"{self.course.recipe.lr:g}"} if self.course else {}


Found = Mapping[int, Named]  # by number of the trial


def trials(subject: Subject) -> list[Trial]:
    """Every pretraining with as many seeds as the scale has, numbered from the first seed."""
    every = [fold for fold in subject.folds for _ in subject.teaching.seeds]
    return [Trial(subject.teaching.seeds[0] + place, fold) for place, fold in enumerate(every)]


def courses(subject: Subject, method: str, *, progress: bool = True) -> dict[int, Course]:
    """What an arm teaches in every trial: some images of each finding, with the sentence that explains it.

    Args:
        subject: whose models are taught, and invert.
        method: `kt` (inverted from the descriptions), `noise`, `wrong` (each finding has the images of the next), or
            `real`.
        progress: show a bar.

    Returns:
        By number of the trial; empty where there are no real films to spare.

    Raises:
        ValueError: there is no such method.
    """
    if method not in ARMS:
        raise ValueError(f"expected one of {', '.join(ARMS)}, found {method!r}")
    count, found = subject.teaching.images_per_concept, {}
    for trial in trials(subject):
        lesson = _lesson(subject, method, trial, progress)
        if lesson is not None:
            told = [named_caption(c.name, c.main) for c in trial.fold.exam.concepts for _ in range(count)]
            found[trial.number] = Course(lesson, told, (), trial.number, subject.teaching.transfer)
    return found


def _lesson(subject: Subject, method: str, trial: Trial, progress: bool) -> Lesson | None:
    """The images of all findings, finding after finding."""
    fold, count = trial.fold, subject.teaching.images_per_concept
    if method == "noise":
        every = count * len(fold.exam.concepts)
        return Lesson(fold.model.noise(every, torch.Generator().manual_seed(1000 + trial.number)))
    if method == "real":
        films = [fold.exam.lessons(c.name, count, trial.number) for c in fold.exam.concepts]
        there = [own for own in films if own is not None]
        return Lesson(torch.cat(there)) if len(there) == len(films) else None
    jobs = [(c.main, trial.number) for c in fold.exam.concepts]
    own = bench.dream(subject, jobs, count, fold=fold, progress=progress)
    own = own[1:] + own[:1] if method == "wrong" else own
    return Lesson(torch.cat([one.images for one in own]), own[0].inversion)


# -- what films are taken for ----------------------------------------------------------------------------
def validation(exam: Examination) -> list[tuple[Tensor, Tensor]]:
    """Films to choose a rate on, with their labels; none where all serve the verdict."""
    films = [exam.lessons(c.name, VALIDATION, FIRST_VALIDATION) for c in exam.concepts]
    there = [own for own in films if own is not None]
    return [(own, torch.full((len(own),), place)) for place, own in enumerate(there)]


def name_films(subject: Subject, trial: Trial, course: Course | None = None) -> Named:
    """What the model of a trial takes all films for, before or after a course; remembered.

    Args:
        subject: whose cache.
        trial: whose model.
        course: that it takes before.
    """
    return _namings(subject, [(trial, course)])[0]


def _namings(subject: Subject, asked: Sequence[tuple[Trial, Course | None]], *, desc: str = "") -> list[Named]:
    """What films are taken for in each trial after each course, a cell each; a bar where there is a description."""
    parts = ("outside", _VERSION)
    cells = [
        Cell(
            subject.file("scores", *parts, trial.fold, VALIDATION, FIRST_VALIDATION, course),
            partial(_taken, trial.fold, course),
        )
        for trial, course in asked
    ]
    found = each(cells, desc=desc, progress=bool(desc))
    return [Named(taken, trial, course) for (trial, course), taken in zip(asked, found, strict=True)]


def _taken(fold: Fold, course: Course | None) -> dict[str, Any]:
    exam = fold.exam
    model, count = course(fold.model) if course else fold.model, len(exam.known_names)
    asked = [*groups(exam, exam.known_names), *groups(exam, exam.known_names, phrases=False)]
    scored = model.classifier(asked)

    def taken(films: Iterable[tuple[Tensor, Tensor]]) -> dict[str, list[int]]:
        scores = torch.cat([scored(images).cpu() for images, _ in films] or [torch.empty(0, 2 * count)])
        parts = {"": scores[:, :count], NAMES: scores[:, count:]}
        return {prompts: own.argmax(1).tolist() for prompts, own in parts.items()}

    return {"test": taken(exam.known), "validation": taken(validation(exam))}


def named(
    subject: Subject, taught: Mapping[int, Course], rate: float, *, some: int | None = None, progress: bool = True
) -> dict[int, Named]:
    """What films are taken for after every course, at a rate.

    Args:
        subject: whose models.
        taught: by number of the trial.
        rate: of the transfer.
        some: of the trials, the first; all by default.
        progress: show a bar.
    """
    jobs = [trial for trial in trials(subject)[:some] if trial.number in taught]
    asked: list[tuple[Trial, Course | None]] = []
    for trial in jobs:
        course = taught[trial.number]
        asked.append((trial, replace(course, recipe=replace(course.recipe, lr=rate))))
    found = _namings(subject, asked, desc=f"{TABLE_3}: {rate:g}" if progress else "")
    return {one.trial.number: one for one in found}


def settle(
    subject: Subject, method: str, taught: Mapping[int, Course], *, progress: bool = True
) -> tuple[dict[int, Named], list[Row]]:
    """What films are taken for at the rate of an arm, which is chosen on validation films where none is stated.

    Args:
        subject: whose models.
        method: for the rows.
        taught: by number of the trial.
        progress: show a bar.

    Returns:
        Namings of every trial at that rate, and rows of the validation films at the others, which the first
        pretrainings have tried (`Films.chosen_on`).
    """
    if subject.scale.name == baselines.SCALE:  # nothing is taught before the untouched model names films as published
        before = {one.number: name_films(subject, one) for one in trials(subject)[:1]}
        baselines.check(measured(subject, "base", before))
    tried: dict[float, dict[int, Named]] = {}
    if subject.teaching.rate is None:
        some = subject.scale.films.chosen_on
        tried = {r: named(subject, taught, r, some=some, progress=progress) for r in subject.teaching.rates}
    rate = choose(subject, tried)
    rest = [own for other, own in tried.items() if other != rate]
    rows = [row for own in rest for row in measured(subject, method, own, split="validation")]
    return named(subject, taught, rate, progress=progress), rows


def choose(subject: Subject, tried: Mapping[float, Found]) -> float:
    """The rate of the highest accuracy on validation films, mean over the trials; of equals the smallest.

    Args:
        subject: whose rate.
        tried: by rate.

    Raises:
        ValueError: no rate, or no validation films.

    Source: ours (D69): the paper prints one rate a model and not how it was found.
    """
    if subject.teaching.rate is not None:
        return subject.teaching.rate
    worth = {rate: fmean(right(one, "validation") for one in found.values()) for rate, found in tried.items()}
    if not worth:
        raise ValueError(f"expected rates of {subject.name} to choose from, found none")
    return smallest_best(worth)


def right(one: Named, split: str, prompts: str = "") -> float:
    """The share of films that are named rightly."""
    hits = _right(one, split, prompts)
    return sum(hits) / len(hits)


def _truth(one: Named, split: str) -> list[int]:
    exam = one.trial.fold.exam
    return labels(exam) if split == "test" else [int(own) for _, part in validation(exam) for own in part]


def _right(one: Named, split: str, prompts: str, label: int | None = None) -> list[int]:
    """For each film, or each of one finding, whether it is named rightly."""
    pairs = zip(one.taken[split][prompts], _truth(one, split), strict=True)
    return [int(a == b) for a, b in pairs if label in (None, b)]


def reference(subject: Subject) -> list[Row]:
    """Rows of what a model that knows the findings makes of the same films, as the first line of KT v1, Tab. 3.

    Args:
        subject: of one pretraining; its examination's known classes are the findings.
    """
    exam, truth = subject.exam, labels(subject.exam)
    scored = subject.model.classifier(groups(exam, exam.known_names))
    hits = torch.cat([scored(images).argmax(1).cpu() for images, _ in exam.known]) == torch.tensor(truth)
    parts = {"": hits} | {
        name.lower(): hits[torch.tensor(truth) == place] for place, name in enumerate(exam.known_names)
    }
    return [
        row(
            subject, TABLE_3, "base", "target_accuracy" if about else "top1", wilson(int(own.sum()), len(own)),
            about=about, split="test", n=len(own), varied=lost(exam),
        )
        for about, own in parts.items()
    ]  # fmt: skip


# -- rows ------------------------------------------------------------------------------------------------
def measured(
    subject: Subject, method: str, found: Found, *, split: str = "test", prompts: str = ""
) -> list[Row]:  # fmt: skip
    """Rows of the accuracy over all films (`top1`), and for each finding of its recall and of how often it is named.

    Args:
        subject: whose models.
        method: for the rows.
        found: by trial.
        split: `test` or `validation`.
        prompts: `NAMES`, or the classes' own.
    """
    rows = []
    for number, one in found.items():
        told, taken = one.varied | ({"prompts": prompts} if prompts else {}), one.taken[split][prompts]
        for metric, about, hits in [("top1", "", _right(one, split, prompts))] + [
            (metric, concept.kind, hits)
            for label, concept in enumerate(one.trial.fold.exam.concepts)
            for metric, hits in (
                ("target_accuracy", _right(one, split, prompts, label)),
                ("named", [int(place == label) for place in taken]),
            )
        ]:
            estimate = wilson(sum(hits), len(hits))
            rows.append(_row(subject, method, metric, about, estimate, one, split, told, len(hits), number))
    return rows


def changes(subject: Subject, method: str, after: Found, before: Found, *, over: str) -> list[Row]:
    """Rows of `after - before` on test films, over all films and for each finding; over films crossed with trials.

    Args:
        subject: whose models.
        method: for the rows.
        after, before: by trial.
        over: what `before` is: `base`, or another method.
    """
    rows, first = [], next(iter(after.values()))
    concepts = first.trial.fold.exam.concepts
    for about, label in [("", None), *((concept.kind, place) for place, concept in enumerate(concepts))]:
        hits: list[Hits] = [{n: _right(one, "test", "", label) for n, one in own.items()} for own in (after, before)]
        metric = "target_accuracy" if about else "top1"
        count = len(next(iter(hits[0].values())))
        change = compared(*hits)
        rows.append(_row(subject, method, metric, about, change, first, "test", first.varied, count, None, over))
    return rows


def rows(subject: Subject, found: Mapping[str, Found], *, validation: bool) -> list[Row]:
    """All rows of a model: every method, by the classes' own prompts and by bare names, and what each changes.

    Args:
        subject: whose models.
        found: by method, `base` among them.
        validation: whether there are validation films, which every trial is shown at the chosen rates.
    """
    every = [row for method, own in found.items() for row in measured(subject, method, own)]
    if any(trial.fold.exam.phrases for trial in trials(subject)):
        every += [row for method, own in found.items() for row in measured(subject, method, own, prompts=NAMES)]
    if validation:
        every += [row for method, own in found.items() for row in measured(subject, method, own, split="validation")]
    for method in [method for method in ARMS if method in found]:
        every += changes(subject, method, found[method], found["base"], over="base")
    for other in [other for other in ("noise", "wrong") if {"kt", other} <= found.keys()]:
        every += changes(subject, "kt", found["kt"], found[other], over=other)
    return every


def more_than(large: Subject, small: Subject, found: Mapping[str, Mapping[str, Found]]) -> Row:
    """A row of how much more the large model gains than the small one, paired by film and by trial.

    Args:
        large, small: models, pretrained equally often.
        found: by name of the model and method.
    """
    gains: list[Hits] = []
    for one in (large, small):
        pairs = zip(found[one.name]["kt"].values(), found[one.name]["base"].values(), strict=True)
        own = [zip(_right(more, "test", ""), _right(less, "test", ""), strict=True) for more, less in pairs]
        gains.append({place: [a - b for a, b in films] for place, films in enumerate(own)})
    first = next(iter(found[large.name]["kt"].values()))
    change, count = compared(*gains), len(gains[0][0])
    return _row(large, "kt", "top1", "", change, first, "test", first.varied, count, None, small.name)


def _row(
    subject: Subject, method: str, metric: str, about: str, estimate: Estimate, one: Named, split: str,
    told: Mapping[str, str], count: int, seed: int | None, over: str = "",
) -> Row:  # fmt: skip
    return row(
        subject, TABLE_3, method, metric, estimate, fold=one.trial.fold, about=about, split=split, n=count, seed=seed,
        over=over, varied={**told, **lost(one.trial.fold.exam)}, used=one.course.used if one.course else (),
    )  # fmt: skip
