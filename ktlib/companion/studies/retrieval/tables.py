"""Everyday concepts are taught, and a gallery is searched before and after (KT Tab. 5 and 8).

A search costs a pass for every image beside every caption, so each is remembered, as transfers are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean
from typing import Any

import torch

from ktlib.companion import sources
from ktlib.companion.cells import Cell, each, mapped
from ktlib.companion.record import baselines, published
from ktlib.companion.record.compare import smallest_best
from ktlib.companion.record.differences import paired
from ktlib.companion.record.rows import Row
from ktlib.companion.studies.bench import Course, Lesson, Subject, dream, row
from ktlib.data.sets import Gallery
from ktlib.evaluate.intervals import over_concepts
from ktlib.evaluate.retrieval import METRICS, Retrieval, noted, retrieve
from ktlib.models import PairScorer
from ktlib.transfer import named_caption

_VERSION = 2  # raise it when the same settings give other ranks


@dataclass(frozen=True)
class Search:
    """What was found in a gallery.

    Attributes:
        result: the ranks.
        gallery: its name, for the rows.
        split: `validation` or `test`.
        course: what the model had been taught; None before.
        units: of the gallery.
    """

    result: Retrieval
    gallery: str
    split: str
    course: Course | None = None
    units: tuple[int, ...] = ()

    @property
    def varied(self) -> dict[str, str]:
        """Learning rate and batch of the course, for the rows."""
        return {"lr": f"{self.course.recipe.lr:g}", "batch": f"{self.course.recipe.batch}"} if self.course else {}


Found = Mapping[tuple[float, int, int], Search]  # by learning rate, batch and seed


def gallery(subject: Subject, split: str) -> Gallery:
    """Images and captions of a split; its notes say which captions the model does not read whole."""
    found, model = sources.gallery(subject.scale.retrieval.gallery, split), subject.folds[0].model
    return noted(found, model) if isinstance(model, PairScorer) else found


def everyday_concepts(subject: Subject) -> dict[str, str]:
    """The everyday concepts that a scale teaches, with their descriptions."""
    return dict(list(sources.everyday(subject.scale.retrieval.gallery).items())[: subject.scale.retrieval.everyday])


def everyday(subject: Subject, *, method: str = "kt", progress: bool = True) -> dict[int, Course]:
    """Images and captions of all everyday concepts, a course for each seed.

    Args:
        subject: whose model inverts.
        method: `kt` (inverted from each description), `noise`, or `wrong` (each concept gets the
            images of the next).
        progress: show a bar.

    Raises:
        ValueError: there is no such method.
    """
    told, count, seeds = everyday_concepts(subject), subject.scale.retrieval.everyday_images, subject.scale.seeds
    captions = [named_caption(name, text) for name, text in told.items() for _ in range(count)]
    if method == "noise":
        drawn = {seed: torch.Generator().manual_seed(2000 + seed) for seed in seeds}
        lessons = {seed: Lesson(subject.model.noise(len(captions), g)) for seed, g in drawn.items()}
    elif method in ("kt", "wrong"):
        dreamt = dream(subject, [(text, seed) for seed in seeds for text in told.values()], count, progress=progress)
        lessons = {}
        for number, seed in enumerate(seeds):
            own = dreamt[number * len(told) : (number + 1) * len(told)]
            own = own[1:] + own[:1] if method == "wrong" else own
            lessons[seed] = Lesson(torch.cat([lesson.images for lesson in own]), own[0].inversion)
    else:
        raise ValueError(f"expected kt, noise or wrong, found {method!r}")
    return {seed: Course(one, captions, captions, seed, subject.teaching.transfer) for seed, one in lessons.items()}


def search(
    subject: Subject, split: str, *, course: Course | None = None, score: str = "logit", progress: bool = True
) -> Search:
    """What the model finds, before or after a course.

    Args:
        subject: the model.
        split: of the gallery.
        course: that it takes before; none by default.
        score: `logit` or `softmax` (D32).
        progress: show a bar.

    Raises:
        ValueError: the model is no pair scorer.
    """
    return _searches(subject, split, [course], score=score, within=progress)[0]


def _searches(
    subject: Subject,
    split: str,
    courses: Sequence[Course | None],
    *,
    score: str = "logit",
    desc: str = "",
    within: bool,
) -> list[Search]:
    """A search after each course, a cell each; a bar over them where they have a description, or one within each.

    Before any course there is one search alone, whose shards are what goes to other machines.
    """
    searched = gallery(subject, split)
    parts = ("retrieval", _VERSION, subject.fingerprint, searched, score)
    cells = [
        Cell(
            subject.file("scores", *parts, course), partial(_ranks, subject, searched, score, course, within),
            spread=course is None,
        )
        for course in courses
    ]  # fmt: skip
    found = []
    for ranks, course in zip(each(cells, desc=desc, progress=bool(desc)), courses, strict=True):
        tensors = {name: torch.tensor(values) for name, values in ranks.items()}
        result = Retrieval(**tensors, owner=torch.tensor(searched.owner))
        found.append(Search(result, searched.name, split, course, searched.units))
    return found


def _ranks(subject: Subject, searched: Gallery, score: str, course: Course | None, progress: bool) -> dict[str, Any]:
    """The ranks of a search, as JSON keeps them."""
    model = course(subject.model) if course else subject.model
    if not isinstance(model, PairScorer):
        raise ValueError(f"expected a pair scorer, found {model.name}, which ranks by vectors")
    store = subject.cache / "pairs"
    result = retrieve(
        model, searched, score=score, store=store, too_long="cut", mapped=mapped(),
        progress=progress,
    )  # fmt: skip
    return {"text_rank": result.text_rank.tolist(), "image_rank": result.image_rank.tolist()}


def searches(
    subject: Subject,
    split: str,
    courses: Mapping[int, Course],
    cells: Sequence[tuple[float, int]],
    *,
    progress: bool = True,
) -> dict[tuple[float, int, int], Search]:
    """What the model finds after each course, for each learning rate and batch.

    Args:
        subject: the model before.
        split: of the gallery.
        courses: by seed, from `everyday`.
        cells: learning rates and batches.
        progress: show a bar.
    """
    if subject.scale.name == baselines.SCALE:
        baselines.check(recalls(subject, "KT Tab. 5", "base", [search(subject, "test", progress=progress)]))
    jobs = [(rate, batch, seed) for rate, batch in cells for seed in courses]
    taught = [replace(courses[s], recipe=replace(courses[s].recipe, lr=rate, batch=batch)) for rate, batch, s in jobs]
    desc = f"retrieval, {split}" if progress else ""
    return dict(zip(jobs, _searches(subject, split, taught, desc=desc, within=False), strict=True))


def recalls(subject: Subject, item: str, method: str, found: Iterable[Search]) -> list[Row]:
    """Rows of all six recalls of each search, with intervals over images."""
    return [
        row(
            subject, item, method, metric, one.result.estimate(metric), split=one.split, n=len(one.result.text_rank),
            seed=one.course.seed if one.course else None, dataset=one.gallery, varied=one.varied,
            used=one.course.used if one.course else (),
        )
        for one in found
        for metric in METRICS
    ]  # fmt: skip


def changes(
    subject: Subject,
    item: str,
    method: str,
    after: Found,
    before: Search | Found,
    *,
    over: str,
    varied: Mapping[str, str] | None = None,
) -> list[Row]:
    """Rows of `after - before` for all six recalls: paired by image, with intervals over images crossed with seeds.

    The same seeds meet every image. Images of one unit (twin scenes) are averaged first, for they are not independent.

    Args:
        subject: the model before transfer.
        item, method: for the rows.
        after: searches of one cell, by seed.
        before: one search, or one for each cell and seed of `after`.
        over: what `before` is: `base`, or a control.
        varied: what else was varied.

    Raises:
        ValueError: a cell or seed that `before` lacks.
    """
    first = next(iter(after.values()))
    rows = []
    for metric in METRICS:
        ranks = [(less.result.by_image(metric), more.result.by_image(metric)) for less, more in paired(before, after)]
        columns = [[a - b for a, b in zip(more, less, strict=True)] for less, more in ranks]
        by_image = [list(seeds) for seeds in zip(*columns, strict=True)]
        estimate = over_concepts(_by_unit(by_image, first.units), crossed=True)
        shares = [fmean(column) for column in zip(*by_image, strict=True)]
        assert abs(fmean(shares) - estimate.value) < 1e-9, "the estimate is the mean over images and seeds"
        rows.append(
            row(
                subject, item, method, metric, estimate, split=first.split, n=len(by_image), dataset=first.gallery,
                over=over, varied=first.varied | dict(varied or {}), used=first.course.used if first.course else (),
            )
        )  # fmt: skip
    return rows


def _by_unit(by_image: Sequence[Sequence[float]], units: Sequence[int]) -> list[list[float]]:
    """Means of the images of each unit, for each seed; units are of one size, so that their mean is the images'.

    Raises:
        ValueError: units of several sizes.
    """
    grouped: dict[int, list[Sequence[float]]] = {}
    for unit, seeds in zip(units or range(len(by_image)), by_image, strict=True):
        grouped.setdefault(unit, []).append(seeds)
    if len(sizes := {len(images) for images in grouped.values()}) > 1:
        raise ValueError(f"expected units of one size, found sizes {sorted(sizes)}")
    return [[fmean(column) for column in zip(*images, strict=True)] for images in grouped.values()]


def choose_cell(found: Found) -> tuple[float, int]:
    """The learning rate and batch whose six recalls are highest in the mean over seeds; the smallest of equals.

    Source: ours (D35): the papers choose on the test images, one batch a rate.
    """
    sums: dict[tuple[float, int], list[float]] = {}
    for (rate, batch, _), one in found.items():
        sums.setdefault((rate, batch), []).append(sum(one.result.rates().values()))
    return smallest_best({cell: fmean(values) for cell, values in sums.items()}, within=1e-9)


def only(found: Found, cell: tuple[float, int]) -> dict[tuple[float, int, int], Search]:
    """The searches of one cell."""
    return {name: one for name, one in found.items() if name[:2] == cell}


def printed_cells(cells: Sequence[tuple[float, int]]) -> list[tuple[float, int]]:
    """Those of the cells whose rate KT Tab. 5 prints, with the batch that KT Tab. 8 prints beside that rate.

    At paper scale there are two; the pocket's rates are others, and there are none.
    """
    rates = {float(n.learning_rate) for n in published.numbers("KT Tab. 5") if n.learning_rate}
    known = {(float(n.learning_rate), int(n.batch_size)) for n in published.numbers("KT Tab. 8") if n.batch_size}
    return [cell for cell in cells if cell in known and cell[0] in rates]
