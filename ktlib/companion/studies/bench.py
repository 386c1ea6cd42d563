"""What the studies of Knowledge Transfer share: lessons, their controls, and sweeps, a verb each.

The models stand in `subjects`.
Nothing here is specific to a scale, nor to a family of models. Each transfer is remembered by the digest
of everything it depends on, so a killed sweep goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean, stdev
from typing import Any

import torch
from scipy import stats
from torch import Tensor

from ktlib.companion.cells import Cell, each, mapped
from ktlib.companion.record import baselines
from ktlib.companion.record.rows import Row
from ktlib.companion.studies.subjects import Fold, Subject, row, subject
from ktlib.data.sets import Concept, Examination
from ktlib.evaluate.intervals import Estimate, wilson
from ktlib.evaluate.recognition import recognition, zero_shot
from ktlib.inversion import Inversion, InversionSettings, invert
from ktlib.models import DualEncoder, PairScorer
from ktlib.transfer import Recipe, Told, named_caption, transfer

__all__ = [
    "ARMS", "Course", "Fold", "Lesson", "Lessons", "Subject", "base", "binding", "dream", "inverted", "lessons",
    "nearness", "noise", "prompted", "real", "row", "similarity", "subject", "sweep", "top_names", "wrong",
]  # fmt: skip

ARMS = ("kt", "noise", "wrong", "real")  # the method and the controls that stand beside it everywhere
_VERSION = 3  # raise it when the same settings give other scores


@dataclass(frozen=True)
class Lesson:
    """Images to learn from.

    Attributes:
        images: float32 (count, 3, side, side), RGB in [0, 1].
        inversion: that they were found by; None for noise and for real pictures.
    """

    images: Tensor
    inversion: Inversion | None = None

    @property
    def settings(self) -> InversionSettings | None:
        """How the images were inverted, if they were."""
        return self.inversion.settings if self.inversion else None


Lessons = Mapping[tuple[str, int], Lesson]  # by concept and seed


@dataclass(frozen=True)
class Course:
    """A transfer that is only carried out when what it leads to is not known yet.

    Attributes:
        lesson: the images; None where a decoder learns from texts alone.
        captions: one for all of them, or one each.
        negatives: captions of other concepts.
        seed: of the transfer.
        recipe: how it is done.
        told: what a captioner is to say of each image.
    """

    lesson: Lesson | None
    captions: str | Sequence[str]
    negatives: Sequence[str]
    seed: int
    recipe: Recipe
    told: Sequence[Told] = ()

    def __call__(self, model: DualEncoder | PairScorer) -> DualEncoder | PairScorer:
        """A copy of the model that took it."""
        return transfer(
            model, self.lesson.images if self.lesson else None, self.captions, negatives=self.negatives,
            told=self.told, seed=self.seed, settings=self.recipe,
        )  # fmt: skip

    @property
    def parts(self) -> tuple[object, ...]:
        """Everything that it depends on beside the model."""
        images = self.lesson.images if self.lesson else None
        own = images, self.captions, self.negatives, self.seed, self.recipe
        return (*own, self.told) if self.told else own

    @property
    def used(self) -> tuple[object, ...]:
        """The settings of its inversion and its recipe."""
        return self.lesson.settings if self.lesson else None, self.recipe


# -- lessons and their controls -------------------------------------------------------------------------
def dream(
    subject: Subject,
    jobs: Sequence[tuple[str, int]],
    count: int,
    *,
    fold: Fold | None = None,
    settings: InversionSettings | None = None,
    progress: bool = True,
) -> list[Lesson]:
    """Images inverted from descriptions, all in one batch.

    Args:
        subject: whose recipe.
        jobs: descriptions and seeds.
        count: of images for each.
        fold: whose model inverts; the subject's only one by default.
        settings: other than the subject's.
        progress: show a bar.
    """
    found = invert(
        (fold or subject.only).model,
        [description for description, _ in jobs],
        seed=[seed for _, seed in jobs],
        images_per_concept=count,
        settings=settings or subject.teaching.inversion,
        store=subject.cache / "inversions",
        mapped=mapped(),
        progress=progress,
    )
    return [Lesson(images, found) for images in found.images]


def inverted(
    subject: Subject,
    concepts: Sequence[Concept],
    *,
    length: str = "main",
    settings: InversionSettings | None = None,
    progress: bool = True,
) -> dict[tuple[str, int], Lesson]:
    """Images inverted from the concepts' descriptions, all concepts and seeds of a fold in one batch.

    Args:
        subject: whose models invert.
        concepts: whose descriptions.
        length: which description: `main`, `short`, `medium` or `long`.
        settings: other than the subject's.
        progress: show a bar.
    """
    found: dict[tuple[str, int], Lesson] = {}
    for fold, group in subject.by_fold(concepts):
        jobs = [(concept, seed) for concept in group for seed in subject.teaching.seeds]
        texts = [(getattr(concept, length), seed) for concept, seed in jobs]
        count = subject.teaching.images_per_concept
        lessons = dream(subject, texts, count, fold=fold, settings=settings, progress=progress)
        found |= {(concept.name, seed): lesson for (concept, seed), lesson in zip(jobs, lessons, strict=True)}
    return found


def noise(subject: Subject, concepts: Sequence[Concept]) -> dict[tuple[str, int], Lesson]:
    """The control with noise, as inversion starts from it: the caption's pull without any picture.

    For a pair scorer these are also the images of implicit transfer (KT v1, Sec. 8.9; D30).
    """
    count = subject.teaching.images_per_concept
    return {
        (c.name, seed): Lesson(subject.fold(c).model.noise(count, torch.Generator().manual_seed(1000 + seed)))
        for c in concepts
        for seed in subject.teaching.seeds
    }


def wrong(subject: Subject, lessons: Lessons, concepts: Sequence[Concept]) -> dict[tuple[str, int], Lesson]:
    """The control with images of another concept: each gets those of the next in the list, of the same fold.

    A concept that is alone in its fold has none.
    """
    groups = [group for _, group in subject.by_fold(concepts) if len(group) > 1]
    following = {c.name: group[(i + 1) % len(group)].name for group in groups for i, c in enumerate(group)}
    return {(name, seed): lessons[following[name], seed] for name, seed in lessons if name in following}


def real(subject: Subject, concepts: Sequence[Concept]) -> dict[tuple[str, int], Lesson]:
    """The control with real pictures, none of them examined; empty where there are none to spare."""
    found = {
        (c.name, seed): subject.fold(c).exam.lessons(c.name, subject.teaching.images_per_concept, seed)
        for c in concepts
        for seed in subject.teaching.seeds
    }
    return {k: Lesson(images) for k, images in found.items() if images is not None}


def lessons(subject: Subject, concepts: Sequence[Concept], method: str, *, progress: bool = True) -> Lessons:
    """What an arm teaches concepts from.

    Args:
        subject: whose models are taught, and invert.
        concepts: to be taught.
        method: `kt` (inverted from the descriptions), `noise`, `wrong` (those of the next concept), or `real`.
        progress: show a bar.

    Returns:
        By concept and seed; without those of which there are no real pictures to spare.

    Raises:
        ValueError: there is no such method.
    """
    if method not in ARMS:
        raise ValueError(f"expected one of {', '.join(ARMS)}, found {method!r}")
    if method == "noise":
        return noise(subject, concepts)
    if method == "real":
        return real(subject, concepts)
    found = inverted(subject, concepts, progress=progress)
    return wrong(subject, found, concepts) if method == "wrong" else found


# -- what becomes of them -------------------------------------------------------------------------------
def base(subject: Subject, item: str, concepts: Sequence[Concept]) -> list[Row]:
    """What the model scores before anything is done to it.

    Raises:
        ValueError: at paper scale, it is not what is published (`baselines.check`).
    """
    rows = _scored(subject, item, "base", [_Trial(c) for c in concepts])
    baselines.check(rows)
    return rows


def prompted(subject: Subject, item: str, concepts: Sequence[Concept]) -> list[Row]:
    """The description in the concept's class prompt, no training at all (KT v2, Tab. 2)."""
    return _scored(subject, item, "prompt", [_Trial(c, prompts=(named_caption(c.name, c.main),)) for c in concepts])


def sweep(
    subject: Subject,
    item: str,
    method: str,
    concepts: Sequence[Concept],
    lessons: Lessons,
    *,
    rates: Iterable[float] | None = None,
    captions: Mapping[str, str] | None = None,
    recipe: Recipe | None = None,
    varied: Mapping[str, str] | None = None,
    progress: bool = True,
) -> list[Row]:
    """Transfer and score every concept, seed and rate.

    Args:
        subject: the model before transfer.
        item: the published item the rows stand beside.
        method: its name in the rows.
        concepts: to be taught, each in a model of its own; the captions of all others are its negatives.
        lessons: images for each concept and seed.
        rates: learning rates; the subject's by default.
        captions: by concept; `A NAME is DESCRIPTION` where there is none.
        recipe: other than the subject's; its rate is replaced.
        varied: what else was varied, for the rows.
        progress: show a bar.
    """
    rates = subject.teaching.rates if rates is None else tuple(rates)
    recipe = recipe or subject.teaching.transfer
    jobs = [(c, s, r) for c in concepts for s in subject.teaching.seeds for r in rates if (c.name, s) in lessons]
    trials = []
    for concept, seed, rate in jobs:
        told = {c.name: named_caption(c.name, c.main) for c in subject.fold(concept).exam.concepts}
        told |= captions or {}
        others = [caption for name, caption in told.items() if name != concept.name]
        course = Course(lessons[concept.name, seed], told[concept.name], others, seed, replace(recipe, lr=rate))
        own = {"lr": f"{rate:g}"} | dict(varied or {})
        trials.append(_Trial(concept, course, varied=own))
    return _scored(subject, item, method, trials, progress=progress)


def similarity(
    subject: Subject, item: str, concepts: Sequence[Concept], lessons: Lessons, *, varied: Mapping[str, str]
) -> list[Row]:
    """Cosine of finished images to the description they were inverted from: mean and 95 % t-interval."""
    rows = []
    for concept in concepts:
        model = subject.fold(concept).dual
        with torch.no_grad():
            target = model.encode_text([concept.main])[0]
        for seed in subject.teaching.seeds:
            lesson = lessons[concept.name, seed]
            cosines = (model.encode_many(lesson.images) @ target).tolist()
            value, spread = fmean(cosines), stdev(cosines) * stats.t.ppf(0.975, len(cosines) - 1) / len(cosines) ** 0.5
            rows.append(
                row(
                    subject, item, "kt", "similarity", Estimate(value, value - spread, value + spread),
                    fold=subject.fold(concept), about=concept.name, split=concept.split, n=len(cosines), seed=seed,
                    varied=varied, used=(lesson.settings,),
                )
            )  # fmt: skip
    return rows


def nearness(
    subject: Subject, concepts: Sequence[Concept], lessons: Lessons
) -> tuple[dict[str, float], dict[str, float]]:
    """How near pictures lie to the description of their concept, for the untouched model: a mean cosine each.

    Args:
        subject: with vectors of texts and pictures.
        concepts: some of its own.
        lessons: images to learn from, of which those of the first seed are looked at.

    Returns:
        By name, of the images of the lessons and of the concepts' own pictures. The second says what the first should
        be held against: that inversion comes nearer to the sentence than real pictures do makes its images no better.
    """
    dreamt, real = {}, {}
    for concept in concepts:
        model = subject.fold(concept).dual
        with torch.no_grad():
            target = model.encode_text([concept.main])[0]
        images = lessons[concept.name, subject.teaching.seeds[0]].images
        dreamt[concept.name] = float((model.encode_many(images) @ target).mean())
        pictures = subject.fold(concept).exam.pictures(concept.name)
        real[concept.name] = float((model.encode_many(pictures) @ target).mean())
    return dreamt, real


def binding(subject: Subject, concepts: Sequence[Concept]) -> dict[str, float]:
    """How near the text tower puts a concept's class prompt to its named description: a cosine each."""
    found = {}
    for concept in concepts:
        model, exam = subject.fold(concept).dual, subject.fold(concept).exam
        texts = [exam.templates[0].format(concept.name), named_caption(concept.name, concept.main)]
        with torch.no_grad():
            prompt, named = model.encode_text(texts)
        found[concept.name] = float(prompt @ named)
    return found


def top_names(
    models: Mapping[str, DualEncoder], exam: Examination, concept: Concept, *, index: int = 0
) -> dict[str, list[tuple[str, float]]]:
    """The three most likely names of a concept's picture for each model, as KT Fig. 1 shows them."""
    picture = exam.pictures(concept.name)[index : index + 1]
    names = [*exam.known_names, concept.name]
    return {method: zero_shot(model, picture, names, exam.templates)[0] for method, model in models.items()}


@dataclass(frozen=True)
class _Trial:
    """What is asked of a model: a concept, after a course or before any, by the examination's prompts or by others."""

    concept: Concept
    course: Course | None = None
    prompts: tuple[str, ...] | None = None
    varied: Mapping[str, str] | None = None


def _scored(subject: Subject, item: str, method: str, trials: Sequence[_Trial], *, progress: bool = False) -> list[Row]:
    """Rows of target accuracy and retention, of the model itself or after a course; each trial is a cell."""
    cells = []
    for one in trials:
        fold, prompts = subject.fold(one.concept), list(one.prompts) if one.prompts else None
        path = subject.file("scores", "recognition", _VERSION, fold, one.concept.name, prompts, one.course)
        cells.append(Cell(path, partial(_recognised, fold, one.concept.name, one.course, prompts)))
    return [
        row(
            subject, item, method, metric, wilson(hits, count), fold=subject.fold(one.concept), about=one.concept.name,
            split=one.concept.split, n=count, seed=one.course.seed if one.course else None, varied=one.varied,
            used=one.course.used if one.course else (),
        )
        for one, found in zip(trials, each(cells, desc=f"{item}: {method}", progress=progress), strict=True)
        for metric, (hits, count) in found.items()
    ]  # fmt: skip


def _recognised(fold: Fold, name: str, course: Course | None, prompts: list[str] | None) -> dict[str, Any]:
    """How many pictures are named rightly, of how many, by metric."""
    exam = fold.exam
    result = recognition(
        course(fold.model) if course else fold.model, name, exam.pictures(name), exam.known, exam.known_names,
        templates=exam.templates, concept_prompts=prompts, known_prompts=exam.phrases or None, too_long="cut",
    )  # fmt: skip
    hits = {
        "target_accuracy": result.target,
        "retention": result.retained,
        "retention_with_concept": result.retained_with,
    }
    return {metric: [int(t.sum()), len(t)] for metric, t in hits.items()}
