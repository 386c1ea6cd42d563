"""Scenes are captioned before and after a course, and the captions compared (KT Tab. 6, 9 and 10).

Captions cost a search for every image, so they are remembered, as transfers are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import product

import torch
from tqdm.auto import tqdm

from ktlib.companion import sources
from ktlib.companion.cells import Cell as Job
from ktlib.companion.cells import each
from ktlib.companion.record import baselines, published
from ktlib.companion.record.compare import at_the_end, smallest_best
from ktlib.companion.record.differences import paired
from ktlib.companion.record.judging import points
from ktlib.companion.record.rows import Row, select
from ktlib.companion.studies.bench import Course, Subject, row
from ktlib.companion.studies.captioning import DECIDES, PRINTED, SHARE, TABLE_6, decides
from ktlib.companion.studies.captioning.arms import Cell, at
from ktlib.companion.studies.captioning.draws import Draw, share
from ktlib.data.images import square
from ktlib.data.sets import Gallery
from ktlib.evaluate.captioning import METRICS, CaptionScores, captioning
from ktlib.evaluate.intervals import Estimate
from ktlib.models import Captioner

_VERSION = 1  # raise it when the same settings give other captions
AT_ONCE = 32  # images that are read and captioned together
SHARD = 8 * AT_ONCE  # images of a gallery that are one job; whole batches, so that captions are as of one job
QUICK = ("bleu4", *DECIDES)  # what validation images are measured by


@dataclass(frozen=True)
class Said:
    """What a model says of the images of a gallery.

    Attributes:
        captions: by image, its number in the gallery as text.
        gallery: the images, with what people wrote of them.
        split: `validation` or `test`.
        course: what the model had been taught; None before.
        metrics: that it is measured by.
        varied: what else was varied, for the rows.
    """

    captions: Mapping[str, str]
    gallery: Gallery
    split: str
    course: Course | None = None
    metrics: tuple[str, ...] = METRICS
    varied: Mapping[str, str] | None = None

    @cached_property
    def scores(self) -> CaptionScores:
        """What the captions are worth beside what people wrote."""
        return captioning(self.captions, references(self.gallery), metrics=self.metrics)

    @property
    def told(self) -> dict[str, str]:
        """What the rows say was varied: rate and passes of the course, and the rest."""
        recipe = self.course.recipe if self.course else None
        own = {"lr": f"{recipe.lr:g}", "epochs": f"{recipe.epochs}"} if recipe else {}
        count = self.gallery.left_out + len(self.scores.left_out)
        lost = {"left_out": f"{count}"} if count else {}
        return own | dict(self.varied or {}) | lost


Found = Mapping[int, Said]  # by seed


# -- captions -----------------------------------------------------------------------------------------
def gallery(subject: Subject, split: str) -> Gallery:
    """As many images of a split as the scale captions, from the first."""
    here = subject.scale.captioning
    whole, count = sources.gallery(here.gallery, split), {"validation": here.validation, "test": here.test}[split]
    return whole if count is None else whole.take(range(min(count, len(whole.images))))


def references(shown: Gallery) -> dict[str, tuple[str, ...]]:
    """What people wrote of each image."""
    return {str(number): shown.of(number) for number in range(len(shown.images))}


def caption(
    subject: Subject,
    split: str,
    *,
    course: Course | None = None,
    search: str = "",
    metrics: Sequence[str] = METRICS,
    progress: bool = True,
) -> Said:
    """What the model says of the images of a split, before or after a course.

    Args:
        subject: the model before.
        split: `validation` or `test`.
        course: that it takes before; none by default.
        search: of `Captioner.generate`; the scale's by default.
        metrics: to measure by.
        progress: show a bar.

    Raises:
        ValueError: the model writes no captions.
    """
    return _captions(subject, split, [course], search=search, metrics=metrics, within=progress)[0]


def _captions(
    subject: Subject,
    split: str,
    courses: Sequence[Course | None],
    *,
    search: str = "",
    metrics: Sequence[str] = METRICS,
    desc: str = "",
    within: bool = False,
) -> list[Said]:
    """Captions after each course, a job each; a bar over them where they have a description, or one within each.

    Before any course there is one job alone: its shards are jobs of their own.
    """
    shown, how = gallery(subject, split), search or subject.scale.captioning.search
    parts = ("captions", _VERSION, subject.fingerprint, shown, how)
    shards = [range(first, min(first + SHARD, len(shown.images))) for first in range(0, len(shown.images), SHARD)]
    alone = [
        Job(subject.file("captions", *parts, [*some]), partial(_written, subject, shown, how, None, False, some))
        for some in shards
    ]
    jobs = [
        Job(
            subject.file("captions", *parts, course),
            partial(_written, subject, shown, how, course, within, range(len(shown.images)))
            if course
            else partial(_whole, alone, within),
            spread=course is None,
        )
        for course in courses
    ]
    varied = {"search": search} if search else None
    return [
        Said(captions, shown, split, course, tuple(metrics), varied)
        for captions, course in zip(each(jobs, desc=desc, progress=bool(desc)), courses, strict=True)
    ]


def _whole(shards: Sequence[Job], progress: bool) -> dict[str, str]:
    return {number: text for some in each(shards, desc="captions", progress=progress) for number, text in some.items()}


def _written(
    subject: Subject, shown: Gallery, search: str, course: Course | None, progress: bool, numbers: range
) -> dict[str, str]:
    model = course(subject.model) if course else subject.model
    if not isinstance(model, Captioner):
        raise ValueError(f"expected a captioner, found {model.name}, which writes nothing")
    found: list[str] = []
    for first in tqdm(range(0, len(numbers), AT_ONCE), desc="captions", disable=not progress, leave=False):
        some = numbers[first : first + AT_ONCE]
        pictures = torch.stack([square(shown.images[number], model.image_size) for number in some])
        found += model.generate(pictures, search=search)
    return {str(number): text for number, text in zip(numbers, found, strict=True)}


def captions(
    subject: Subject, split: str, courses: Mapping[int, Course], cell: Cell, *, progress: bool = True
) -> dict[int, Said]:
    """What the model says after each course of a cell, by seed."""
    _first(subject, progress=progress)
    taught = [at(course, cell) for course in courses.values()]
    said = _captions(subject, split, taught, desc=f"captions, {split}" if progress else "")
    return dict(zip(courses, said, strict=True))


def _first(subject: Subject, *, progress: bool) -> None:
    """At paper scale, nothing is taught before the untouched model captions as published."""
    if subject.scale.name == baselines.SCALE:
        said = caption(subject, "test", metrics=("cider",), progress=progress)
        baselines.check(measured(subject, TABLE_6, "base", [said]))


# -- the choice of rate and passes ----------------------------------------------------------------------
def cells(subject: Subject) -> list[Cell]:
    """Every learning rate with every number of passes."""
    return list(product(subject.teaching.rates, subject.scale.captioning.epochs))


def tried(subject: Subject, course: Course, *, progress: bool = True) -> dict[Cell, Said]:
    """What the model says of validation images after a course, for each cell; nothing where there is one cell alone."""
    several = cells(subject) if len(cells(subject)) > 1 else []
    _first(subject, progress=progress)
    taught = [at(course, cell) for cell in several]
    said = _captions(subject, "validation", taught, metrics=QUICK, desc="validation" if progress else "")
    return dict(zip(several, said, strict=True))


def choose(subject: Subject, found: Mapping[Cell, Said]) -> Cell:
    """The cell that is best by what `decides`, of equals the smallest rate and the fewest passes; or the only one.

    Args:
        subject: whose cells.
        found: from `tried`.

    Raises:
        ValueError: no metric that decides was measured for all cells.

    Source: ours (D53): KT prints one rate a row and does not say how it was found.
    """
    if not found:
        return cells(subject)[0]
    metric = decides(set.intersection(*(set(one.scores.corpus) for one in found.values())))  # the same for all
    worth = {cell: one.scores.corpus[metric] for cell, one in found.items()}
    return smallest_best(worth)


def ends(subject: Subject, chosen: Mapping[str, Cell]) -> list[str]:
    """Which arms are best at the end of what was tried, so that more might be better still: a sentence each.

    Args:
        subject: whose cells were tried.
        chosen: by arm.
    """
    ranges = {"rate": subject.teaching.rates, "number of passes": subject.scale.captioning.epochs}
    return [
        f"{subject.name}, {method}: the {end} {what} that was tried, {value:g}"
        for method, cell in chosen.items()
        for (what, there), value in zip(ranges.items(), cell, strict=True)
        if (end := at_the_end(value, there))
    ]


def printed_cells(item: str, model: str, method: str) -> list[Cell]:
    """The rates that the paper prints for a model and a method, one pass each; none for a pocket model."""
    return [(rate, 1) for rate in published.rates(item, model, method)]


# -- rows -----------------------------------------------------------------------------------------------
def measured(subject: Subject, item: str, method: str, found: Iterable[Said]) -> list[Row]:
    """Rows of every metric that could be computed, with intervals over images."""
    return [
        row(
            subject, item, method, metric, one.scores.estimate(metric), split=one.split, n=len(one.scores.images),
            seed=one.course.seed if one.course else None, dataset=one.gallery.name, varied=one.told,
            used=one.course.used if one.course else (),
        )
        for one in found
        for metric in one.scores.corpus
    ]  # fmt: skip


def changes(subject: Subject, item: str, method: str, after: Found, before: Said | Found, *, over: str) -> list[Row]:
    """Rows of `after - before` for every metric: paired, their intervals over images and seeds.

    Args:
        subject: the model before transfer.
        item, method: for the rows.
        after: captions by seed.
        before: one set of captions, or one for each seed of `after`.
        over: what `before` is: `base`, or another method.

    Raises:
        ValueError: other images, or a seed that `before` lacks.
    """
    draw = _draw(after, before)
    return [_row(subject, item, method, metric, draw.change(metric), after, over) for metric in draw.metrics]


def compared(
    subject: Subject, item: str, before: Said, said: Mapping[str, Found], pairs: Iterable[tuple[str, str]]
) -> list[Row]:
    """Rows of the untouched model, of every method, and of their differences.

    Args:
        subject: the model before transfer.
        item: for the rows.
        before: captions of the untouched model.
        said: captions by method and seed.
        pairs: methods, and what each is set against: `base` or another method; what was not taught is left out.
    """
    rows = measured(subject, item, "base", [before])
    there = [(method, over) for method, over in pairs if method in said and over in ("base", *said)]
    for method in dict.fromkeys(method for method, _ in there):
        rows += measured(subject, item, method, said[method].values())
    for method, over in there:
        rows += changes(subject, item, method, said[method], before if over == "base" else said[over], over=over)
    return rows


def shares(subject: Subject, after: Mapping[str, Found], before: Said, *, method: str, whole: str = "kt") -> list[Row]:
    """Rows of how much of what one method gains over the untouched model another gains too, for every metric.

    Args:
        subject: the model before transfer.
        after: captions by method and seed.
        before: captions of the untouched model.
        method: whose gain is the share.
        whole: whose gain is the whole. A metric that it does not surely raise, its interval above 0, has no share.

    Returns:
        Rows of the item `share of the templates`; a share of 1 explains everything.
    """
    part, all_ = _draw(after[method], before), _draw(after[whole], before)
    found = {metric: share(part, all_, metric) for metric in all_.metrics if metric in part.metrics}
    own = after[method]
    return [_row(subject, SHARE, method, metric, one, own, whole) for metric, one in found.items() if one]


def explained(rows: Sequence[Row]) -> list[str]:
    """How much of what KT gains the templates alone gain, a sentence a model and metric, from the rows.

    Args:
        rows: of the items `KT Tab. 6` and `share of the templates`.
    """
    said = []
    for gain in select(rows, item=TABLE_6, method="kt", metric=PRINTED, over="base"):
        of = f"{gain.model}: KT changes {gain.metric} by {points(gain.estimate)}"
        own = select(rows, item=SHARE, model=gain.model, method="templates", metric=gain.metric, over="kt")
        if not own:
            said.append(f"{of}: not surely a gain, so there is nothing to share.")
            continue
        share_, low, high = (100 * number for number in (own[0].value, own[0].low, own[0].high))
        said.append(
            f"{of}; the templates alone, without any image, bring {share_:.0f} % [{low:.0f}, {high:.0f}] of it."
        )
    return said


def _draw(after: Found, before: Said | Found) -> Draw:
    pairs = [(less.scores, more.scores) for less, more in paired(before, after)]
    return Draw(pairs, next(iter(after.values())).gallery.units)


def _row(subject: Subject, item: str, method: str, metric: str, estimate: Estimate, after: Found, over: str) -> Row:
    first = next(iter(after.values()))
    return row(
        subject, item, method, metric, estimate, split=first.split, n=len(first.scores.images),
        dataset=first.gallery.name, over=over, varied=first.told, used=first.course.used if first.course else (),
    )  # fmt: skip
